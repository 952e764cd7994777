"""What a plan accepts, against what the kernel accepts; and state that the kernel changes by itself."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from test_lab_standing import lab_name  # noqa: F401 (a fixture)

from rawns import InvalidValue, KernelError, Lab, NetNS, SyscallError, netns_names
from rawns.lab import discover, document
from rawns.lab.export import data_of
from rawns.lab.graph import svg, text
from rawns.lab.readback import live

Name = Callable[[], str]


def load(name: str, **data: Any) -> Lab:
    return Lab.from_source(document.Source({"name": name, **data}))


def pair(**first: Any) -> dict[str, Any]:
    return {"hosts": ["a", "b"], "wires": [{"ends": [{"host": "a", "name": "e0", **first}, "b"]}]}


def asked(attempt: Callable[[NetNS, NetNS], object]) -> bool:
    """Whether the kernel accepts what is attempted with a veth pair e0, e1 in two namespaces."""
    with NetNS.create() as one, NetNS.create() as two:
        one.net.add_veth("e0", peer="e1", peer_ns=two, up=True)
        two.net.set_link("e1", up=True)
        try:
            attempt(one, two)
        except KernelError:
            return False
        return True


def planned(data: dict[str, Any]) -> bool:
    """Whether a lab file with this is accepted."""
    try:
        load("x", **data)
    except InvalidValue:
        return False
    return True


MACS = [
    "02:00:00:00:00:01",
    "01:00:00:00:00:01",
    "00:00:00:00:00:00",
    "ff:ff:ff:ff:ff:ff",
    "03:00:00:00:00:00",
    "00:00:00:00:00:01",
]
MTUS = [60, 67, 68, 1280, 65535, 65536]
ADDRESSES = [
    "10.0.0.1/24",
    "::1/128",
    "::/64",
    "ff02::7/64",
    "fe80::7/64",
    "fd00::1/64",
    "127.0.0.9/8",
    "10.0.0.1/32",
    "10.0.0.9/31",
]
ROUTES = ["10.9.0.0/16", "10.9.0.1/16", "10.9.9.0/23", "10.9.8.0/23", "10.9.9.9/32", "10.0.0.7/8"]


@pytest.mark.parametrize("mac", MACS)
def test_a_mac_address_is_accepted_as_by_the_kernel(mac: str) -> None:
    assert planned(pair(mac=mac)) == asked(lambda one, two: one.net.set_link("e0", address=mac))


@pytest.mark.parametrize("mtu", MTUS)
def test_an_mtu_is_accepted_as_by_the_kernel(mtu: int) -> None:
    assert planned(pair(mtu=mtu)) == asked(lambda one, two: one.net.set_link("e0", mtu=mtu))


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_accepted_as_by_the_kernel(address: str) -> None:
    assert planned(pair(addresses=[address])) == asked(lambda one, two: one.net.add_address("e0", address))


@pytest.mark.parametrize("both", [("10.0.0.1/24", "10.0.0.1/24"), ("10.0.0.1/24", "10.0.0.1/16"), ("fd00::1/64", "fd00::1/80")])
def test_addresses_twice_are_accepted_as_by_the_kernel(both: tuple[str, str]) -> None:
    def attempt(one: NetNS, two: NetNS) -> None:
        for address in both:
            one.net.add_address("e0", address)

    assert planned(pair(addresses=list(both))) == asked(attempt)


@pytest.mark.parametrize("to", ROUTES)
def test_a_destination_is_accepted_as_by_the_kernel(to: str) -> None:
    data = pair()
    data["hosts"] = {"a": {"routes": [f"{to} dev e0"]}, "b": {}}
    assert planned(data) == asked(lambda one, two: one.net.add_route(to, dev="e0"))


OWN_ROUTES = [
    ("10.0.0.1/24", "10.0.0.0/24 dev e0", {"dev": "e0"}),
    ("10.0.0.1/24", "10.0.0.0/24 dev e0 metric 7", {"dev": "e0", "metric": 7}),
    ("10.0.0.1/24", "10.0.0.0/24 via 10.0.0.2", {"via": "10.0.0.2"}),
    ("10.0.0.1/24", "10.0.0.1/32 dev e0", {"dev": "e0"}),
    ("10.0.0.1/32", "10.0.0.1/32 dev e0", {"dev": "e0"}),
    ("10.0.0.0/31", "10.0.0.0/31 dev e0", {"dev": "e0"}),
    ("10.0.0.1/0", "0.0.0.0/0 dev e0", {"dev": "e0"}),
    ("fd00::1/64", "fd00::/64 dev e0", {"dev": "e0"}),
    ("fd00::1/64", "fd00::/64 dev e0 metric 256", {"dev": "e0", "metric": 256}),
    ("fd00::1/128", "fd00::1/128 dev e0 metric 256", {"dev": "e0", "metric": 256}),
    ("10.0.0.1/24", "default via 10.0.0.255", {"via": "10.0.0.255"}),
    ("10.0.0.1/25", "default via 10.0.0.127", {"via": "10.0.0.127"}),
    ("10.0.0.0/31", "default via 10.0.0.1", {"via": "10.0.0.1"}),
    ("10.0.0.1/24", "default dev lo", {"dev": "lo"}),
    ("fd00::1/64", "::/0 dev lo", {"dev": "lo"}),
]


@pytest.mark.parametrize(("address", "words", "keys"), OWN_ROUTES)
def test_a_route_is_accepted_as_by_the_kernel_beside_an_address(
    address: str,
    words: str,
    keys: dict[str, Any],
    lab_name: Name,  # noqa: F811
) -> None:
    """The kernel adds routes with an address, and refuses another one of the same key; a plan knows them."""

    def attempt(one: NetNS, two: NetNS) -> None:
        one.net.set_link("lo", up=True)
        one.net.add_address("e0", address)
        one.net.add_route(words.split()[0], **keys)

    name, data = lab_name(), pair(addresses=[address])
    data["hosts"] = {"a": {"routes": [words]}, "b": {}}
    accepted = asked(attempt)
    assert planned(data) == accepted
    if accepted:
        load(name, **data).up()
        try:
            assert load(name, **data).plan() == []
            assert Lab.from_source(document.Source(data_of(live(name)))).plan() == []
        finally:
            discover.remove_lab(name)


@pytest.mark.parametrize("name", ["e0", "e%d", "e%%", "e%", "a" * 15, "é"])
def test_a_name_is_accepted_if_the_kernel_keeps_it(name: str) -> None:
    kept = False
    with NetNS.create() as ns:
        try:
            ns.net.add_link(name, "bridge")
            kept = name in [link.name for link in ns.net.links()]
        except (KernelError, InvalidValue):
            pass
    assert planned({"hosts": ["a", "b"], "wires": [{"ends": [f"a:{name}", "b"]}]}) == kept


@pytest.mark.parametrize(
    ("kind", "keys", "mtu"),
    [("taps", {}, 65521), ("vxlans", {"vni": 1, "remote": "10.0.0.9"}, 65535), ("bridges", {}, 65535)],
)
def test_the_largest_mtu_of_a_kind_is_the_kernels(kind: str, keys: dict[str, Any], mtu: int, lab_name: Name) -> None:  # noqa: F811
    def data(value: int) -> dict[str, Any]:
        if kind == "bridges":
            return {"bridges": {"x": {"mtu": value}}}
        return {"hosts": ["a"], kind: [{"host": "a", "name": "x", "mtu": value, **keys}]}

    assert not planned(data(mtu + 1))
    name = lab_name()
    try:
        load(name, **data(mtu)).up()
        host = "x" if kind == "bridges" else "a"
        with NetNS.open(f"{name}.{host}") as ns:
            assert ns.net.link("x").mtu == mtu
            if mtu < 65535:
                with pytest.raises(KernelError):
                    ns.net.set_link("x", mtu=mtu + 1)
    except KernelError as error:
        pytest.skip(str(error))
    finally:
        discover.remove_lab(name)


def test_the_limit_of_ports_of_a_bridge_is_the_kernels() -> None:
    """The kernel refuses the 1024th port (EXFULL)."""
    with NetNS.create() as ns:
        ns.net.add_bridge("br0")
        bridge = ns.net.link("br0").index
        from rawns.objects import link

        requests = [link.veth(f"a{number}", f"b{number}", {}, master=bridge) for number in range(1023)]
        ns.net.do(*requests)
        with pytest.raises(KernelError, match="EXFULL"):
            ns.net.add_veth("a1023", peer="b1023", master="br0")


@pytest.mark.parametrize("modes", [("passthru", "passthru"), ("passthru", "bridge"), ("bridge", "private"), ("passthru",)])
def test_macvlans_share_a_parent_as_the_kernel_lets_them(modes: tuple[str, ...]) -> None:
    def attempt(one: NetNS, two: NetNS) -> None:
        for number, mode in enumerate(modes):
            one.net.add_macvlan(f"m{number}", "e0", mode)

    if not asked(lambda one, two: one.net.add_macvlan("m", "e0")):
        pytest.skip("this kernel has no macvlan")
    macvlans = [{"host": "a", "name": f"m{number}", "parent": "e0", "mode": mode} for number, mode in enumerate(modes)]
    assert planned({**pair(), "macvlans": macvlans}) == asked(attempt)


def test_a_gateway_on_the_link_is_accepted_and_works(lab_name: Name) -> None:  # noqa: F811
    """As clouds and Calico use it: a /32 and a gateway that no network of the host has."""
    name = lab_name()
    data: dict[str, Any] = {
        "hosts": {
            "a": {"gateway": "169.254.1.1", "routes": ["169.254.1.1/32 dev e0"]},
            "r": {"routes": ["10.0.0.1/32 dev e0"]},
        },
        "wires": [{"ends": ["a:e0 10.0.0.1/32", "r:e0 169.254.1.1/32"]}],
    }
    load(name, **data).up()
    try:
        assert load(name, **data).plan() == []
        from rawns import ping

        with NetNS.open(f"{name}.a") as ns:
            assert ping(ns, "169.254.1.1", timeout=5).received == 1
    finally:
        discover.remove_lab(name)


def stacked(kind: str = "macvlan", **keys: Any) -> dict[str, Any]:
    return {**pair(), f"{kind}s": [{"host": "a", "name": "m", "parent": "e0", **keys}]}


def needs(kind: str) -> None:
    def attempt(one: NetNS, two: NetNS) -> None:
        one.net.add_link("m", kind, link="e0")

    if not asked(attempt):
        pytest.skip(f"this kernel has no {kind}")


@pytest.mark.parametrize("mtu", [1499, 1500, 1501])
@pytest.mark.parametrize("kind", ["macvlan", "macvtap"])
def test_the_mtu_of_a_stacked_interface_is_accepted_as_by_the_kernel(kind: str, mtu: int) -> None:
    needs(kind)
    assert planned(stacked(kind, mtu=mtu)) == asked(lambda one, two: one.net.add_link("m", kind, link="e0", mtu=mtu))


@pytest.mark.parametrize("mtu", [1400, 1401])
def test_the_mtu_of_an_interface_on_a_bridge_is_accepted_as_by_the_kernel(mtu: int) -> None:
    """The bridge has the smallest MTU of its ports."""
    needs("macvlan")

    def attempt(one: NetNS, two: NetNS) -> None:
        one.net.add_bridge("br0")
        one.net.set_link("e0", mtu=1400, master="br0")
        one.net.add_link("m", "macvlan", link="br0", mtu=mtu)

    data = {
        "hosts": ["a", "b"],
        "bridges": {"br0": {"host": "a"}},
        "wires": [{"ends": ["br0", "b"], "mtu": 1400}],
        "macvlans": [{"host": "a", "name": "m", "parent": "br0", "mtu": mtu}],
    }
    assert planned(data) == asked(attempt)


def test_an_interface_on_loopback_is_accepted_as_by_the_kernel() -> None:
    needs("macvlan")
    accepted = asked(lambda one, two: one.net.add_macvlan("m", "lo"))
    assert planned({"hosts": ["a"], "macvlans": [{"host": "a", "name": "m", "parent": "root:lo"}]}) == accepted


def test_a_macvlan_on_the_port_of_a_bridge_is_accepted_as_by_the_kernel() -> None:
    needs("macvlan")

    def attempt(one: NetNS, two: NetNS) -> None:
        one.net.add_bridge("br0")
        one.net.set_link("e0", master="br0")
        one.net.add_macvlan("m", "e0")

    data: dict[str, Any] = {
        "hosts": ["a", "b"],
        "bridges": {"br0": {"host": "a"}},
        "wires": [{"ends": [{"bridge": "br0", "name": "e0"}, "b"]}],
        "macvlans": [{"host": "a", "name": "m", "parent": "e0"}],
    }
    accepted = asked(attempt)
    assert planned(data) == accepted
    data["macvlans"][0]["parent"] = "br0"
    assert planned(data)


def test_an_interface_on_one_of_the_root_namespace_is_planned_as_the_kernel_accepts_it(lab_name: Name) -> None:  # noqa: F811
    """The MTU of an interface that the lab does not make, and whether it is a port, are read."""
    needs("macvlan")
    name = lab_name()
    for mtu, bridged in ((1400, False), (1401, False), (1400, True)):
        with NetNS.current() as here:
            below = f"p{name[-8:]}"[:13].replace("-", "")
            here.net.add_veth(below, peer=f"{below}x", mtu=1400)
            try:
                if bridged:
                    here.net.add_bridge(f"{below}b")
                    here.net.set_link(below, master=f"{below}b")
                try:
                    here.net.add_link("m", "macvlan", link=below, mtu=mtu)
                    accepted = True
                    here.net.delete_link("m")
                except KernelError:
                    accepted = False
                macvlans = [{"host": "a", "name": "m", "parent": f"root:{below}", "mtu": mtu}]
                try:
                    load(name, hosts=["a"], macvlans=macvlans).plan()
                    assert accepted
                except InvalidValue:
                    assert not accepted
            finally:
                here.net.delete_link(below)
                if bridged:
                    here.net.delete_link(f"{below}b")


def test_a_macvlan_in_mode_passthru_has_the_mac_address_of_its_parent() -> None:
    needs("macvlan")
    mac = "02:00:00:00:00:07"
    with NetNS.create() as one:
        one.net.add_veth("e0", peer="e1")
        one.net.add_macvlan("m", "e0", "passthru", address=mac)
        kept = one.net.link("m").address == mac
    assert planned(stacked(mode="passthru", mac=mac)) == kept
    assert planned(stacked(mode="passthru")) and planned(stacked(mode="bridge", mac=mac))


@pytest.mark.parametrize("remote", ["fe80::1", "fd00::1", "10.0.0.9"])
@pytest.mark.parametrize("kind", ["vxlan", "geneve"])
def test_the_remote_of_a_tunnel_is_accepted_as_by_the_kernel(kind: str, remote: str) -> None:
    word = "IFLA_VXLAN_GROUP" if kind == "vxlan" else "IFLA_GENEVE_REMOTE"
    number = "IFLA_VXLAN_ID" if kind == "vxlan" else "IFLA_GENEVE_ID"

    def make(address: str) -> bool:
        data = {number: 7, f"{word}6" if ":" in address else word: address}
        return asked(lambda one, two: one.net.add_link("t", kind, data))

    if not make("10.0.0.9"):
        pytest.skip(f"this kernel has no {kind}")
    assert planned({"hosts": ["a"], f"{kind}s": [{"host": "a", "name": "t", "vni": 7, "remote": remote}]}) == make(remote)


@pytest.mark.parametrize(
    "shape",
    [
        {"rate": "10mbit", "latency": 0},
        {"rate": "10mbit", "latency": "0.000001ms"},
        {"rate": "10mbit", "burst": "20000b", "latency": 0},
        {"delay": 0},
        {"rate": "10mbit", "delay": 0},
    ],
)
def test_a_shape_without_a_queue_or_a_delay_is_read_back_as_it_is(shape: dict[str, Any], lab_name: Name) -> None:  # noqa: F811
    name, data = lab_name(), pair(**shape)
    try:
        load(name, **data).up()
    except KernelError as error:
        discover.remove_lab(name)
        pytest.skip(str(error))
    try:
        assert load(name, **data).plan() == []
        assert [str(one) for one in Lab.from_source(document.Source(data_of(live(name)))).plan()] == []
    finally:
        discover.remove_lab(name)


def test_a_host_address_beside_another_network_works_with_routes_on_the_link(lab_name: Name) -> None:  # noqa: F811
    from rawns import ping

    name = lab_name()
    ends = ["a:e0 10.9.0.1/32", "b:e0 10.8.0.2/24"]
    routes = {"a": {"routes": ["10.8.0.2 dev e0"]}, "b": {"routes": ["10.9.0.1 dev e0"]}}
    assert not planned({"hosts": {"a": routes["a"], "b": {}}, "wires": [{"ends": ends}]})
    load(name, hosts=routes, wires=[{"ends": ends}]).up(wait=10)
    try:
        with NetNS.open(f"{name}.a") as ns:
            assert ping(ns, "10.8.0.2", timeout=5).received == 1
    finally:
        discover.remove_lab(name)


# -- state that is not configuration --------------------------------------------------------------------------------------


def circle(**more: Any) -> dict[str, Any]:
    """Two bridges with two wires between them, of which the spanning tree protocol blocks one."""
    return {
        "hosts": ["a"],
        "bridges": {"x": {"stp": True, **more}, "y": {"stp": True, "host": "h"}},
        "wires": [{"ends": ["x", "y"]}, {"ends": ["x", "y"]}],
    }


def test_what_the_spanning_tree_protocol_changes_is_no_difference(lab_name: Name) -> None:  # noqa: F811
    """It shortens the ageing time after a change of the topology, and blocks one of the ports for good."""
    name = lab_name()
    data = {"hosts": ["h"], "bridges": circle()["bridges"], "wires": circle()["wires"]}
    load(name, **data).up()
    try:
        for host, bridge in (("x", "x"), ("h", "y")):  # begin again with the shortest delay that the kernel allows
            ip = ["ip", "-n", f"{name}.{host}"]
            subprocess.run([*ip, "link", "set", bridge, "type", "bridge", "forward_delay", "200"], check=True)
            for change in ("down", "up"):
                subprocess.run([*ip, "link", "set", bridge, change], check=True)
        load(name, **data).up(wait=90)  # one port of four never forwards
        states: set[int] = set()
        for host, bridge in (("x", "x"), ("h", "y")):
            with NetNS.open(f"{name}.{host}") as ns:
                states |= {link.port["IFLA_BRPORT_STATE"] for link in ns.net.links("veth")}
                changing = ns.net.link(bridge).data["IFLA_BR_TOPOLOGY_CHANGE"]
                ageing = ns.net.link(bridge).data["IFLA_BR_AGEING_TIME"]
                assert ageing == (400 if changing else 30000), "twice the delay"
        assert 4 in states, "BR_STATE_BLOCKING"
        assert [str(one) for one in load(name, **data).plan()] == []
    finally:
        discover.remove_lab(name)


def test_a_bridge_whose_ports_are_learning_is_as_described(lab_name: Name) -> None:  # noqa: F811
    """It has no carrier before the first port forwards, two forward delays after `up`."""
    name = lab_name()
    data = {"hosts": ["a"], "bridges": {"x": {"stp": True}}, "wires": [{"ends": ["a 10.0.0.1/24", "x"]}]}
    load(name, **data).up()
    try:
        lab = load(name, **data)
        states = {str(key): how for key, how in lab.states().items()}
        with NetNS.open(f"{name}.x") as ns:
            assert ns.net.links("veth")[0].port["IFLA_BRPORT_STATE"] in (1, 2), "BR_STATE_LISTENING, BR_STATE_LEARNING"
            assert not ns.net.link("x").carrier
            assert states["x of x"] == "up"
            ns.net.set_link(ns.net.links("veth")[0].name, up=False)
        assert {str(key): how for key, how in lab.states().items()}["x of x"] == "down", "no port learns"
    finally:
        discover.remove_lab(name)


def test_a_bridge_that_is_down_keeps_nobody_waiting(lab_name: Name) -> None:  # noqa: F811
    name = lab_name()
    data = {"hosts": ["a"], "bridges": {"x": {"up": False}}, "wires": [{"ends": ["a 10.0.0.1/24", "x"]}]}
    try:
        assert load(name, **data).up(wait=5)
    finally:
        discover.remove_lab(name)


def test_ipv6_that_is_switched_off_and_an_ipv6_address_exclude_each_other(lab_name: Name) -> None:  # noqa: F811
    for key in ("all", "default", "e0"):
        data = pair(addresses=["fd00::1/64"])
        data["hosts"] = {"a": {"sysctl": {f"net.ipv6.conf.{key}.disable_ipv6": 1}}, "b": {}}
        with pytest.raises(InvalidValue, match="e0 of a has an IPv6 address, but disable_ipv6 of a is 1"):
            load("x", **data)
        data["wires"] = [{"ends": ["a:e0 10.0.0.1/24", "b"]}]
        assert load("x", **data)


def test_lo_that_is_down_is_reported_and_brought_up(lab_name: Name) -> None:  # noqa: F811
    name = lab_name()
    load(name, **pair(addresses=["10.0.0.1/24"])).up()
    try:
        with NetNS.open(f"{name}.a") as ns:
            ns.net.set_link("lo", up=False)
            lab = load(name, **pair(addresses=["10.0.0.1/24"]))
            assert lab.states()["a"] == "differs"
            assert [str(one) for one in load(name, **pair(addresses=["10.0.0.1/24"])).up()] == ["~ lo of a: down -> up"]
            assert ns.net.link("lo").up
            with ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind(("127.0.0.1", 0))
    finally:
        discover.remove_lab(name)


def test_a_live_picture_has_the_units_of_the_file_and_counts_what_is_down(lab_name: Name) -> None:  # noqa: F811
    name = lab_name()
    data = {
        "hosts": ["a", "b"],
        "wires": [{"ends": ["a:e0 10.0.0.1/24", "b:e0 10.0.0.2/24"], "rate": "100mbit", "latency": "30ms"}],
    }
    try:
        load(name, **data).up()
    except KernelError as error:
        pytest.skip(str(error))
    try:
        planned, there = load(name, **data), live(name)
        assert "rate 100mbit, latency 30ms" in svg.draw(planned) and "rate 100mbit, latency 30ms" in svg.draw(
            there, there.states()
        )
        assert text.draw(there) == text.draw(planned)
        with NetNS.open(f"{name}.b") as ns:
            ns.net.set_link("e0", up=False)
        there = live(name)
        assert "2 up, 1 down" in svg.draw(there, there.states()), "two hosts, and a wire"
    finally:
        discover.remove_lab(name)


# -- settings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["1", "0x1", "01", " 1 ", "+1", "1_0", "", "0x", "08"])
def test_a_setting_that_the_kernel_accepts_is_no_difference_afterwards(value: str, lab_name: Name) -> None:  # noqa: F811
    """The kernel's number decides: the value is written by Python, and read back after the lab has written it."""
    name = lab_name()
    data: dict[str, Any] = {"hosts": {"a": {"sysctl": {"net.ipv4.ip_forward": value}}}}

    def attempt(one: NetNS, two: NetNS) -> None:
        def write() -> None:
            with open("/proc/sys/net/ipv4/ip_forward", "w") as file:
                file.write(value + "\n")  # as sysctl(8)

        try:
            one.call(write)
        except OSError as error:
            raise KernelError(error.errno or 0) from None

    accepted = asked(attempt)
    try:
        load(name, **data).up()
    except SyscallError as error:
        assert not accepted and "net.ipv4.ip_forward" in str(error)
    else:
        assert accepted
        assert load(name, **data).plan() == []
    finally:
        discover.remove_lab(name)


@pytest.mark.parametrize(("key", "value"), [("net.ipv4.conf.nope.forwarding", 1), ("net.ipv4.ip_forward", "x")])
def test_a_setting_that_the_kernel_refuses_is_reported_with_its_host_and_line(key: str, value: object, lab_name: Name) -> None:  # noqa: F811
    name = lab_name()
    text = f'{{"name": "{name}", "hosts":\n{{"b": {{}}, "a": {{"sysctl": {{\n"{key}": {json.dumps(value)}}}}}}}}}'
    with pytest.raises(SyscallError) as caught:
        Lab.from_source(document.parse(text, "x.json")).up()
    assert f"for {key} of a, x.json:3: hosts.a.sysctl" in str(caught.value)
    assert not [one for one in netns_names.listed() if one.startswith(name)]


@pytest.mark.parametrize("name", ["net.ipv4.route.flush", "net/ipv6/route/flush"])
def test_a_setting_that_cannot_be_read_back_is_refused(name: str) -> None:
    assert not planned({"hosts": {"a": {"sysctl": {name: 1}}}})


def test_a_route_where_nothing_can_leave_is_refused() -> None:
    """The kernel refuses it (ENETUNREACH, ENETDOWN) or drops it when IPv6 is switched off."""
    for family in ("10.0.0.1/24 10.0.0.2 10.9.0.0/16", "fd00::1/64 fd00::2 fd09::/64"):
        address, gateway, to = family.split()
        for words in (f"{to} via {gateway}", f"{to} dev e0"):
            data = pair(addresses=[address])
            data["hosts"] = {"a": {"routes": [words]}, "b": {}}
            assert planned(data)
            data["wires"][0]["ends"][0]["up"] = False
            assert not planned(data), words
    off: dict[str, Any] = {"sysctl": {"net.ipv6.conf.all.disable_ipv6": "01"}}
    assert not planned({**pair(), "hosts": {"a": {**off, "routes": ["fd09::/64 dev e0"]}, "b": {}}})
    assert not planned({**pair(addresses=["fd00::1/64"]), "hosts": {"a": off, "b": {}}})
