"""Descriptions changed into others: what is then in the kernel is what the other one alone would have made, both ways.

And where a step on the way fails, or the process is told to go: what was there before, or nothing.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import socket
from collections.abc import Callable
from typing import Any

import pytest
from test_lab_command import an_etc_to_write_to  # noqa: F401 (a fixture)
from test_lab_parts import unless_missing
from test_lab_standing import FailingCall, lab_name, told  # noqa: F401 (a fixture)

from rawns import InvalidValue, Lab, NetNS, Observer, RawnsError, SyscallError, netns_names, observed, uapi
from rawns.lab import build_requests, discover, document, stamp, stamped_names
from rawns.lab.export import data_of
from rawns.lab.interface import DEFAULT_VLANS
from rawns.lab.readback import live
from rawns.netns_names import ETC_DIR
from rawns.objects.route import again
from rawns.observer import Event

Name = Callable[[], str]
Data = dict[str, Any]


def lab_of(name: str, data: Data) -> Lab:
    return Lab.from_source(document.parse(json.dumps({"name": name, **data})))


def there(name: str) -> Data:
    """All that the kernel has of a lab, without what differs from one making to the next."""
    seen: Data = {}
    for one in [one for one in NetNS.list() if one.startswith(f"{name}.")]:
        with NetNS.open(one) as ns:
            links = {link.index: link for link in ns.net.links() if link.index != 1}
            routes = [
                (str(route), route.gateway, links[route.index].name, route.metric, route.protocol)
                for route in ns.net.routes()
                if route.index in links and route.family in (socket.AF_INET, socket.AF_INET6)
            ]
            mark = stamped_names.read_stamp(ns)
            seen[one] = {
                "links": {
                    link.name: (link.kind, link.mtu, link.up, links[link.master].name if link.master else None, link.alias)
                    for link in links.values()
                },
                "bridges": {
                    link.name: {key: value for key, value in link.body["IFLA_LINKINFO"]["IFLA_INFO_DATA"].items() if key in TOLD}
                    for link in links.values()
                    if link.kind == "bridge"
                },
                "addresses": sorted(
                    (links[address.index].name, str(address), address.protocol)
                    for address in ns.net.addresses()
                    if address.index in links and not str(address).startswith("fe80")
                ),
                "routes": sorted(repr(route) for route in routes if not route[0].startswith(("fe80", "ff00"))),
                "qdiscs": sorted(links[qdisc.index].name for qdisc in ns.net.qdiscs() if qdisc.kind == "tbf"),
                "settings": ns.settings(["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"]),
                "stamp": mark.features if mark is not None else None,
                "nat": repr(ns.nft.nat(f"rawns_{name}")) if mark is not None and "nat" in mark.features else "",
            }
    for one in sorted(os.listdir(ETC_DIR)) if os.path.isdir(ETC_DIR) else []:
        if one.startswith(f"{name}."):
            texts = {file: open(f"{ETC_DIR}/{one}/{file}").read() for file in os.listdir(f"{ETC_DIR}/{one}")}  # noqa: SIM115
            seen[f"/etc of {one}"] = texts
    return seen


TOLD = ("IFLA_BR_STP_STATE", "IFLA_BR_AGEING_TIME", "IFLA_BR_VLAN_FILTERING")


def plain(**more: Any) -> Data:
    """Two hosts on a switch, in both families."""
    wires = [{"ends": ["web:eth0 10.0.0.1/24 fd00::1/64", "lan"]}, {"ends": ["db:eth0 10.0.0.2/24 fd00::2/64", "lan"]}]
    return {"hosts": {"web": {}, "db": {}}, "bridges": {"lan": {}}, "wires": wires, **more}


def web(end: Any, **more: Any) -> Data:
    return plain(wires=[{"ends": [end, "lan"]}, plain()["wires"][1]], **more)


GATEWAYS = {"web": {"gateway": ["10.0.0.2", "fd00::2"]}, "db": {}}
CABLE = [{"ends": ["web:eth0 10.0.0.1/24 fd00::1/64", "db:eth0 10.0.0.2/24 fd00::2/64"]}]
BOTH: Data = {"lan": {}, "lan2": {}}


def two(first: str, second: str) -> Data:
    wires = [{"ends": [f"web:{first} 10.0.0.1/24", "lan"]}, {"ends": [f"web:{second} 10.5.0.1/24", "lan2"]}]
    return plain(hosts={"web": {"gateway": "10.0.0.2"}, "db": {}}, bridges=BOTH, wires=[*wires, plain()["wires"][1]])


def moved(first: str, second: str) -> Data:
    wires = [{"ends": [f"web:eth0 {first}", "lan"]}, {"ends": [f"web:eth1 {second}", "lan2"]}]
    far = [{"ends": [f"db:eth0 {first[:-4]}2/24", "lan"]}, {"ends": [f"db:eth1 {second[:-4]}2/24", "lan2"]}]
    return plain(hosts={"web": {"gateway": "10.0.0.2"}, "db": {}}, bridges=BOTH, wires=[*wires, *far])


PAIRS: dict[str, tuple[Data, Data]] = {
    "the first of two addresses": (web("web:eth0 10.0.0.7/24 10.0.0.1/24"), web("web:eth0 10.0.0.1/24")),
    "an address, with gateways": (plain(hosts=GATEWAYS), web("web:eth0 10.0.0.5/24 fd00::5/64", hosts=GATEWAYS)),
    "a length, with gateways": (
        plain(hosts=GATEWAYS),
        plain(
            hosts=GATEWAYS,
            wires=[{"ends": [f"{h}:eth0 10.0.0.{n}/16 fd00::{n}/48", "lan"]} for n, h in enumerate(("web", "db"), 1)],
        ),
    ),
    "addresses that change places": (moved("10.0.0.1/24", "10.5.0.1/24"), moved("10.5.0.1/24", "10.0.0.1/24")),
    "interfaces that change places": (two("eth0", "eth1"), two("eth1", "eth0")),
    "a cable for a switch, with gateways": (plain(hosts=GATEWAYS), plain(hosts=GATEWAYS, wires=CABLE)),
    "gateways": (plain(), plain(hosts=GATEWAYS)),
    "an interface that is down": (
        plain(),
        web({"host": "web", "name": "eth0", "addresses": ["10.0.0.1/24", "fd00::1/64"], "up": False}),
    ),
    "an MTU": (plain(), plain(wires=[{**one, "mtu": 1400} for one in plain()["wires"]])),
    "an MTU of a switch": (plain(), plain(bridges={"lan": {"mtu": 1400}})),
    "a switch that is told another MTU than its ports": (
        plain(wires=[{**one, "mtu": 9000} for one in plain()["wires"]]),
        plain(wires=[{**one, "mtu": 9000} for one in plain()["wires"]], bridges={"lan": {"mtu": 4000}}),
    ),
    "what a switch is like": (plain(), plain(bridges={"lan": {"stp": True, "ageing": 30}})),
    "where a switch is": (plain(), plain(bridges={"lan": {"host": "x"}}, hosts={"web": {}, "db": {}, "x": {}})),
    "a switch's own addresses": (plain(), plain(bridges={"lan": {"addresses": ["10.0.0.254/24", "fd00::fe/64"]}})),
    "forwarding": (plain(), plain(hosts={"web": {"forward": True}, "db": {}})),
    "files": (plain(), plain(hosts={"web": {"hosts": {"db": "10.0.0.2"}, "nameservers": "10.0.0.2"}, "db": {}})),
    "a host with files": (
        plain(hosts={"web": {"hosts": {"db": "10.0.0.2"}}, "db": {}}),
        plain(hosts=["db"], wires=plain()["wires"][1:]),
    ),
    "a rate": (plain(), plain(wires=[{**one, "rate": "10mbit"} for one in plain()["wires"]])),
    "a host's name": (plain(), plain(hosts=["www", "db"], wires=[{"ends": ["www 10.0.0.1/24", "lan"]}, plain()["wires"][1]])),
    "how many there are": (
        plain(hosts={"web": {"count": 2}, "db": {}}, wires=[{"ends": ["web 10.0.0.10/24", "lan"]}, plain()["wires"][1]]),
        plain(hosts={"web": {"count": 4}, "db": {}}, wires=[{"ends": ["web 10.0.0.10/24", "lan"]}, plain()["wires"][1]]),
    ),
    "a tunnel": (
        plain(vxlans=[{"bridge": "lan", "vni": 5, "remote": "192.0.2.1", "mtu": 1400}]),
        plain(vxlans=[{"bridge": "lan", "vni": 5, "remote": "192.0.2.2"}]),
    ),
}


@pytest.mark.parametrize("which", PAIRS)
def test_a_change_leads_where_the_other_description_does_alone(which: str, lab_name: Name) -> None:  # noqa: F811
    name = lab_name()
    alone = []
    for data in PAIRS[which]:
        lab_of(name, data).up()
        alone.append(there(name))
        discover.remove_lab(name)
    assert there(name) == {}
    lab_of(name, PAIRS[which][0]).up()
    for data, expected in zip(PAIRS[which][::-1], alone[::-1]):
        planned = [str(one) for one in lab_of(name, data).plan()]
        assert planned and told(lab_of(name, data)) == planned
        assert lab_of(name, data).up() == [], "what was done is not what is found"
        assert there(name) == expected
    discover.remove_lab(name)


def test_what_a_person_has_added_stays_where_an_address_changes(lab_name: Name) -> None:  # noqa: F811
    name = lab_name()
    lab_of(name, plain()).up()
    with NetNS.open(f"{name}.web") as ns:
        ns.net.add_address("eth0", "10.0.0.77/24")
        ns.net.add_route("198.51.100.0/24", via="10.0.0.2")
        lab_of(name, web("web:eth0 10.0.0.5/24 fd00::1/64")).up()
        assert {str(one) for one in ns.net.addresses("eth0", socket.AF_INET)} == {"10.0.0.5/24", "10.0.0.77/24"}
        assert "198.51.100.0/24" in [str(one) for one in ns.net.routes()]
    discover.remove_lab(name)


def test_a_second_name_for_a_host_is_left_alone(lab_name: Name) -> None:  # noqa: F811
    name = lab_name()
    lab_of(name, plain()).up()
    with NetNS.open(f"{name}.web") as ns, NetNS.open(fd=ns.fd) as again:
        again.attach(f"{name}.second")
        assert lab_of(name, plain()).plan() == []
    try:
        discover.remove_lab(name, 0.0)
    except TimeoutError:
        pass
    assert not [one for one in NetNS.list() if one.startswith(name)]


def test_files_go_with_the_lab_whatever_has_become_of_its_names(lab_name: Name) -> None:  # noqa: F811
    name = lab_name()
    lab_of(name, PAIRS["files"][1]).up()
    netns_names.remove(f"{name}.web")
    discover.remove_lab(name)
    assert there(name) == {}


def test_a_vlan_that_is_no_longer_said_is_the_kernels_own_again() -> None:
    port = Lab("x").bridge("br0", vlan_filtering=True).port("p", vlans=[5, 6])
    port.index = 7
    assert port.vlans is not None
    back = build_requests.vlans(port, port.vlans, DEFAULT_VLANS)
    named = [(request.message.name, request.body) for request in back]
    assert [name for name, _ in named] == ["RTM_DELLINK", "RTM_DELLINK", "RTM_SETLINK"] and "'vid': 5" in str(named[0])
    assert build_requests.vlans(port, DEFAULT_VLANS, DEFAULT_VLANS) == []


# -- built in which order -------------------------------------------------------------------------------------------


def test_a_lab_is_built_with_few_descriptors_open(lab_name: Name) -> None:  # noqa: F811
    """Each host of a star has its turn when it is made, and is let go of."""
    name = lab_name()
    wires = [{"ends": ["h:eth0 10.0.0.1/24", "lan"]}]

    class Highest(Observer):
        most = 0

        def after(self, event: Event) -> None:
            if event.call == "unshare":
                self.most = max(self.most, len(os.listdir("/proc/self/fd")))

    before, highest = len(os.listdir("/proc/self/fd")), Highest()
    with observed(highest):
        lab_of(name, {"hosts": {"h": {"count": 40}}, "bridges": ["lan"], "wires": wires}).up()
    assert before < highest.most < before + 24  # eight hosts wait, made ahead, with two each
    assert len(os.listdir("/proc/self/fd")) == before
    discover.remove_lab(name)


def test_a_macvlan_may_stand_in_a_host_before_its_parents(lab_name: Name) -> None:  # noqa: F811
    name = lab_name()
    data = plain(macvlans=[{"host": "web", "parent": "db:eth0", "name": "m0", "addresses": ["10.0.0.9/24"], "mode": "private"}])
    unless_missing(lab_of(name, data), "macvlan")
    assert lab_of(name, data).up() == []
    (said,) = data_of(live(name))["macvlans"]
    assert (said["parent"], said["mode"], said["host"]) == ("db:eth0", "private", "web")
    other = plain(wires=CABLE, macvlans=data["macvlans"])
    assert "- macvlan m0 of web" in told(lab_of(name, other)) and lab_of(name, other).up() == []
    discover.remove_lab(name)


@pytest.mark.really_root
def test_a_lab_in_the_root_namespace_alone(lab_name: Name) -> None:  # noqa: F811
    name, bridge = lab_name(), f"b{os.getpid()}"
    data: Data = {"bridges": {bridge: {"host": "root"}}}
    try:
        assert told(lab_of(name, data)) == [f"+ {bridge} of root"]
        data["bridges"][bridge]["stp"] = True
        assert told(lab_of(name, data)) == [f"~ {bridge} of root: stp off -> on"] and lab_of(name, data).up() == []
    finally:
        discover.remove_lab(name)
    assert bridge not in [name for _, name in socket.if_nameindex()]


# -- what fails on the way ------------------------------------------------------------------------------------------


BEFORE = plain(hosts={"web": {"gateway": ["10.0.0.2", "fd00::2"], "hosts": {"db": "10.0.0.2"}}, "db": {"forward": True}})
AFTER = {
    "hosts": {"web": {"gateway": "10.0.0.2", "nameservers": "10.0.0.2"}, "db": {}, "new": {"hosts": {"x": "10.0.0.9"}}},
    "bridges": {"lan": {"stp": True, "addresses": ["10.0.0.254/24"]}},
    "wires": [
        {"ends": ["web:eth0 10.0.0.3/24 fd00::3/64", "lan"], "rate": "10mbit", "mtu": 1400},
        {"ends": ["db:eth0 10.0.0.2/24", "lan"]},
        {"ends": ["new:eth0 10.0.0.9/24", "lan"]},
    ],
}


class Nth(Observer):
    """Fails one call, whichever it is."""

    def __init__(self, number: int) -> None:
        self.left, self.failed = number, ""

    def before(self, call: str, arguments: str) -> None:
        if call in ("close", "setns") or self.failed:  # a thread that cannot come back has a test of its own
            return
        self.left -= 1
        if self.left < 0:
            self.failed = f"{call}({arguments})"
            raise OSError(errno.ENOMEM, "")


@pytest.mark.parametrize(
    "route",
    ["default via 10.0.0.2", "10.9.0.0/16 nexthop via 10.0.0.2 nexthop via 10.0.0.3", "10.8.0.0/16 via 10.7.0.1 dev a onlink"],
)
def test_a_route_of_an_interface_without_a_carrier_is_added_again(route: str) -> None:
    """The kernel lists it with RTNH_F_LINKDOWN, and refuses that flag in a request."""
    if not shutil.which("ip"):
        pytest.skip("there is no ip here")
    with NetNS.create() as ns, NetNS.create() as other:
        ns.net.add_veth("a", peer="b", peer_ns=other)
        ns.net.add_address("a", "10.0.0.1/24")
        ns.net.set_link("a", up=True)  # the other end is down
        ns.net.link_detected("a")  # lets the kernel take note of that: from then on its routes have the flag
        ns.run(["ip", "route", "add", *route.split()], check=True)
        before = ns.run(["ip", "-d", "route"], capture_output=True, check=True).stdout
        assert b"linkdown" in before
        (known,) = [one for one in ns.net.routes() if one.protocol == uapi.RTPROT_BOOT]
        ns.run(["ip", "route", "del", *route.split()], check=True)
        ns.net.do(again(known))
        assert ns.run(["ip", "-d", "route"], capture_output=True, check=True).stdout == before


@pytest.mark.parametrize("first", range(5))
def test_whichever_call_fails_what_stood_is_as_it_was(first: int, lab_name: Name) -> None:  # noqa: F811
    name, number = lab_name(), first
    lab_of(name, BEFORE).up()
    whole = there(name)
    while True:
        watch, failed = Nth(number), True
        try:
            with observed(watch):
                lab_of(name, AFTER).up()
            failed = False
        except RawnsError as error:
            assert len(str(error).splitlines()) == 1
            assert there(name) == whole, watch.failed
            assert [one.state for one in discover.find_labs() if one.name == name] == ["standing"]
        if not watch.failed:
            break
        if not failed:  # what failed could be done without
            discover.remove_lab(name)
            lab_of(name, BEFORE).up()
        number += 5
    assert number > 50
    discover.remove_lab(name)


def test_a_name_that_cannot_be_looked_at_for_once_is_not_taken_for_none(lab_name: Name) -> None:  # noqa: F811
    with NetNS.create(lab_name()), observed(FailingCall("stat", 1, errno.ENOMEM)), pytest.raises(SyscallError, match="ENOMEM"):
        NetNS.list()


def test_a_stamp_names_what_was_until_it_is_no_more(lab_name: Name) -> None:  # noqa: F811
    """A process that is killed on the way leaves a stamp by which the next one finds everything to remove."""
    name = lab_name()
    lab_of(name, BEFORE).up()
    seen: list[object] = []

    class Reader(Observer):
        def before(self, call: str, arguments: str) -> None:
            if call == "open" and "ip_forward" in arguments and "O_WRONLY" in arguments:
                with NetNS.open(f"{name}.db") as ns:
                    seen.append(stamped_names.read_stamp(ns))

    with observed(Reader()):
        lab_of(name, AFTER).up()
    assert [one.features for one in seen if isinstance(one, stamp.Stamp)] == [{"forward"}]
    with NetNS.open(f"{name}.db") as ns:
        mark = stamped_names.read_stamp(ns)
        assert mark is not None and mark.features == frozenset()
    discover.remove_lab(name)


def test_a_signal_ends_what_a_lab_is_built_by() -> None:
    from rawns.cli.lab.exec import ChildSignals

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        with ChildSignals() as signals, pytest.raises(SystemExit) as ended:
            signals.ending(os.kill, os.getpid(), number)
        assert ended.value.code == 128 + number


# -- names ------------------------------------------------------------------------------------------------------------


def test_names_that_no_interface_can_have(lab_name: Name) -> None:  # noqa: F811
    name = lab_name()
    for word in ("lo", "all", "default"):
        with pytest.raises(InvalidValue, match=f"no interface of a can be called {word}"):
            Lab().netns(label="a").port(word)
    lab = Lab(name, standing=True)
    switch = lab.bridge("br0")
    for number, label in enumerate(("lo", "all", "default", "x" * 200, "a b", "a-b", "ä b"), 1):
        host = lab.netns(f"{name}.{number}", label)
        lab.wire(switch.port(), host.port("eth0", f"10.0.0.{number}/24"))
    lab.up()
    ports = [one.name or "" for one in switch.host.interfaces]
    assert len(set(ports)) == 8 and all(len(os.fsencode(port)) <= 15 for port in ports)
    discover.remove_lab(name)


# -- beside others ----------------------------------------------------------------------------------------------------


def test_plan_removes_no_name_of_an_up_that_runs(lab_name: Name) -> None:  # noqa: F811
    name, seen = lab_name(), 0

    class Looker(Observer):
        def before(self, call: str, arguments: str) -> None:
            nonlocal seen
            if call == "mount" and f"{name}." in arguments:
                seen += 1
                with observed(Observer()):
                    assert lab_of(name, plain()).plan()

    with observed(Looker()):
        lab_of(name, plain()).up()
    assert seen == 3 and lab_of(name, plain()).plan() == []
    discover.remove_lab(name)


def test_what_has_no_carrier_by_description_is_no_fault(lab_name: Name, capfd: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    from rawns.cli.main import run

    name = lab_name()
    lab_of(name, web({"host": "web", "name": "eth0", "addresses": ["10.0.0.1/24"], "up": False}, bridges=BOTH)).up()
    path = f"/tmp/{name}.json"
    data = web({"host": "web", "name": "eth0", "addresses": ["10.0.0.1/24"], "up": False}, bridges=BOTH)
    try:
        with open(path, "w") as file:
            json.dump({"name": name, **data}, file)
        assert run(["lab", "status", path]) == 0 and f"{name}: up" in capfd.readouterr().out
        with NetNS.open(f"{name}.db") as ns:
            ns.net.set_link("eth0", up=False)
        assert run(["lab", "status", path]) == 1
    finally:
        os.unlink(path)
    discover.remove_lab(name)
