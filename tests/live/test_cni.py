"""The CNI plugins as a container engine calls them; what they have made is read back with the real ``ip`` and ``nft``."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cni_engine import Engine, Json, PluginFailed, as_process, in_process, ip, nft, ours, path_of

from rawns import NetNS
from rawns.cni import pod as pod_module
from rawns.cni.bridge import BridgePlugin
from rawns.objects import link
from rawns.observer import Observer, observed


def has_vlan_filtering() -> bool:
    with NetNS.create() as scratch:
        made = scratch.run(["ip", "link", "add", "probe", "type", "bridge", "vlan_filtering", "1"], capture_output=True)
        return made.returncode == 0


@pytest.fixture
def node() -> Iterator[NetNS]:
    with NetNS.create() as namespace:
        namespace.net.set_link("lo", up=True)
        yield namespace


@pytest.fixture
def pod() -> Iterator[NetNS]:
    with NetNS.create() as namespace:
        yield namespace


@pytest.fixture
def other_pod() -> Iterator[NetNS]:
    with NetNS.create() as namespace:
        yield namespace


def network(tmp_path: Path, version: str = "1.1.0", **bridge: Any) -> Json:
    ranges = [[{"subnet": "10.88.0.0/24"}], [{"subnet": "fd00:88::/64"}]]
    ipam = {"type": "host-local", "dataDir": str(tmp_path / "networks"), "ranges": ranges}
    plugin = {
        "type": "bridge",
        "bridge": "cni0",
        "isDefaultGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": ipam,
        **bridge,
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": version, "name": "net1", "plugins": [plugin, ports]}


def chained(configuration: Json) -> Json:
    """Return a network whose only plugin is a chain in one process."""
    inside = [{key: value for key, value in one.items() if key != "capabilities"} for one in configuration["plugins"]]
    outer = {"type": "rawns", "capabilities": {"portMappings": True, "mac": True, "ips": True}, "plugins": inside}
    return {**configuration, "plugins": [outer]}


def names(namespace: NetNS) -> set[str]:
    return {one["ifname"] for one in ip(namespace, "link")}


def leases(tmp_path: Path) -> set[str]:
    return {one.name for one in (tmp_path / "networks" / "net1").glob("*") if one.name[0] in "1f"}


def serve(pod: NetNS, address: str = "0.0.0.0", port: int = 80) -> socket.socket:
    server = pod.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.bind((address, port))
    server.listen()
    return server


def connect(namespace: NetNS, address: str, port: int) -> socket.socket:
    client = namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.settimeout(20)
    client.connect((address, port))
    return client


@pytest.mark.parametrize(("version", "whole"), [("0.4.0", False), ("1.1.0", True)], ids=["plugins", "chain"])
def test_life_of_a_container(node: NetNS, pod: NetNS, other_pod: NetNS, tmp_path: Path, version: str, whole: bool) -> None:
    configuration = network(tmp_path, version)
    engine = Engine(in_process(node), chained(configuration) if whole else configuration)
    mapping = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}
    result = engine.add("one", path_of(pod), portMappings=[mapping])
    engine.add("two", path_of(other_pod))

    there = {one["ifname"]: one for one in ip(pod, "addr")}["eth0"]
    assert [one["address"] for one in result["ips"]] == ["10.88.0.2/24", "fd00:88::2/64"]
    assert ("version" in result["ips"][0]) == (version < "1.0.0")
    inside = {f"{one['local']}/{one['prefixlen']}" for one in there["addr_info"] if one["scope"] == "global"}
    assert inside == {one["address"] for one in result["ips"]}
    eth0 = next(one for one in result["interfaces"] if one["name"] == "eth0")
    assert eth0["mac"] == there["address"] and eth0["sandbox"] == path_of(pod)
    assert {one["gateway"] for one in ip(pod, "route") if one["dst"] == "default"} == {"10.88.0.1"}
    bridge, cable = (next(one for one in ip(node, "link") if one["ifname"] == one_["name"]) for one_ in result["interfaces"][:2])
    assert cable["master"] == "cni0" and cable["address"] == result["interfaces"][1]["mac"]
    assert bridge["address"] == result["interfaces"][0]["mac"]
    assert leases(tmp_path) == {"10.88.0.2", "10.88.0.3", "fd00:88::2", "fd00:88::3"}

    with serve(pod) as server:  # from the node, from the other container and from the container itself, by the published port
        for namespace, address in ((node, "127.0.0.1"), (node, "10.88.0.1"), (other_pod, "10.88.0.1"), (pod, "10.88.0.1")):
            with connect(namespace, address, 8080):
                accepted, _ = server.accept()
                accepted.close()

    engine.check("one", path_of(pod))
    pod.net.delete_route("default", via="10.88.0.1")
    with pytest.raises(PluginFailed, match="lacks the route to default"):
        engine.check("one", path_of(pod))
    for _ in range(2):  # DEL may be repeated
        engine.delete("one", path_of(pod))
        engine.delete("two", "/run/netns/no-such-namespace")
    assert names(pod) == names(other_pod) == {"lo"} and names(node) == {"lo", "cni0"}
    assert leases(tmp_path) == set() and nft(node) == ""


def test_a_full_disk_and_what_is_not_a_file(node: NetNS, pod: NetNS, tmp_path: Path) -> None:
    directory = tmp_path / "networks" / "net1"
    directory.mkdir(parents=True)
    engine = Engine(in_process(node), network(tmp_path))
    pages = os.sysconf("SC_PAGE_SIZE")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={pages},mode=755", "rawns-test", directory], check=True)
    try:
        (directory / "full").write_bytes(bytes(pages))
        with pytest.raises(PluginFailed, match="10.88.0.2 cannot be written: No space left on device"):
            engine.add("one", path_of(pod))
        assert {one.name for one in directory.iterdir()} == {"full", "lock"} and names(pod) == {"lo"}
    finally:
        subprocess.run(["umount", directory], check=True)
    (directory / "10.88.0.2").mkdir()
    victim = tmp_path / "victim"
    victim.write_text("kept")
    (directory / "10.88.0.3").symlink_to(victim)
    assert engine.add("one", path_of(pod))["ips"][0]["address"] == "10.88.0.4/24"
    engine.collect([])
    assert leases(tmp_path) == {"10.88.0.2", "10.88.0.3"} and names(pod) == {"lo"} and victim.read_text() == "kept"


def test_addresses_and_mac_that_the_engine_asks_for(node: NetNS, pod: NetNS, tmp_path: Path) -> None:
    engine = Engine(in_process(node), chained(network(tmp_path)))
    result = engine.add("one", path_of(pod), args="IgnoreUnknown=1;K8S_POD_NAME=x", ips=["10.88.0.77"], mac="02:11:22:33:44:55")
    assert result["ips"][0]["address"] == "10.88.0.77/24"
    assert next(one for one in ip(pod, "link") if one["ifname"] == "eth0")["address"] == "02:11:22:33:44:55"


def test_masquerading(node: NetNS, pod: NetNS, tmp_path: Path) -> None:
    """What the container sends beyond its network has the node's address."""
    with NetNS.create() as world:
        node.net.add_veth("up0", "down0", world)
        node.net.add_address("up0", "192.0.2.1/24")
        world.net.add_address("down0", "192.0.2.2/24")
        node.net.set_link("up0", up=True)
        world.net.set_link("down0", up=True)
        engine = Engine(in_process(node), network(tmp_path))
        engine.add("one", path_of(pod))
        node.net.link_detected("up0"), world.net.link_detected("down0")
        with serve(world, port=7000) as server, connect(pod, "192.0.2.2", 7000):
            accepted, peer = server.accept()
            accepted.close()
        assert peer[0] == "192.0.2.1"


def test_vlans(node: NetNS, pod: NetNS, tmp_path: Path) -> None:
    if not has_vlan_filtering():
        pytest.skip("this kernel has no VLAN filtering of bridges")
    options: Json = {"vlan": 100, "vlanTrunk": [{"id": 7}, {"minID": 200, "maxID": 202}], "preserveDefaultVlan": False}
    engine = Engine(in_process(node), network(tmp_path, **options))
    result = engine.add("one", path_of(pod))
    port = result["interfaces"][1]["name"]
    listed = json.loads(node.run(["bridge", "-j", "vlan", "show", "dev", port], capture_output=True, check=True).stdout)
    vids = {one["vlan"]: one.get("vlanEnd") for one in listed[0]["vlans"]}
    assert vids.keys() - {201, 202} == {7, 100, 200} and 1 not in vids
    assert {one["local"] for one in ip(node, "addr", "show", "dev", "cni0.100")[0]["addr_info"]} >= {"10.88.0.1"}
    engine.delete("one", path_of(pod))


def udp_entries(node: NetNS, port: int) -> list[str]:
    """Return the addresses that UDP packets to a port went to, by the kernel's list of connection tracking."""
    listed = node.run(["cat", "/proc/net/nf_conntrack"], capture_output=True, text=True, check=True).stdout.splitlines()
    words = [one.split() for one in listed if " udp " in one]
    first = [dict(word.split("=") for word in reversed(one) if "=" in word) for one in words]  # the first tuple counts
    return [one["dst"] for one in first if one["dport"] == str(port)]


def test_flows_of_udp_follow_a_published_port(node: NetNS, pod: NetNS, other_pod: NetNS, tmp_path: Path) -> None:
    """A client that keeps its port reaches the container that has the port now, and no other flow is touched."""
    engine = Engine(in_process(node), network(tmp_path))
    mapping = {"hostPort": 5353, "containerPort": 53, "protocol": "UDP"}
    with NetNS.create() as third:
        engine.add("clients", path_of(third))
        targets = {"10.88.0.1": ("0.0.0.0", socket.AF_INET), "fd00:88::1": ("::", socket.AF_INET6)}
        senders = {address: third.socket(family, socket.SOCK_DGRAM) for address, (_, family) in targets.items()}
        for address, sender in senders.items():
            sender.settimeout(20)
            sender.connect((address, 5353))
            sender.send(b"nobody")
            with pytest.raises(ConnectionRefusedError):  # so the node has got it
                sender.recv(100)
        with node.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:  # to an address that is not the node's
            elsewhere.sendto(b"elsewhere", ("10.88.0.77", 5353))
        assert sorted(udp_entries(node, 5353)) == ["10.88.0.1", "10.88.0.77", "fd00:0088:0000:0000:0000:0000:0000:0001"]
        for name, namespace in (("one", pod), ("two", other_pod)):
            engine.add(name, path_of(namespace), portMappings=[mapping])
            for address, (any_address, family) in targets.items():
                with namespace.socket(family, socket.SOCK_DGRAM) as server:
                    server.settimeout(20)
                    server.bind((any_address, 53))
                    senders[address].send(name.encode())
                    assert server.recv(100) == name.encode()
            if name == "one":
                engine.delete(name, path_of(namespace))
                assert udp_entries(node, 5353) == ["10.88.0.77"]
        for sender in senders.values():
            sender.close()


@pytest.fixture
def vlan_engine(node: NetNS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Return a network in VLAN 100; on a kernel without VLANs of bridges, without what belongs to these alone."""
    if not has_vlan_filtering():
        monkeypatch.setattr(BridgePlugin, "_vlan_requests", lambda plugin, index: [])
        monkeypatch.setattr(BridgePlugin, "filtering", property(lambda plugin: False, lambda plugin, value: None), raising=False)
    return Engine(in_process(node), network(tmp_path, vlan=100, mtu=1400))


def gateway_cable(node: NetNS) -> tuple[Json, Json]:
    """Return the end that has the gateway's address, and the port of the bridge, by the real ``ip``."""
    there = {one["ifname"]: one for one in ip(node, "link")}
    return there["cni0.100"], there[there["cni0.100"]["link"]]


def test_the_gateway_of_a_vlan_is_marked_and_stays(node: NetNS, pod: NetNS, other_pod: NetNS, vlan_engine: Engine) -> None:
    vlan_engine.add("one", path_of(pod))
    before = gateway_cable(node)
    node.run(["ip", "link", "set", "cni0.100", "down"], check=True)
    vlan_engine.add("two", path_of(other_pod))
    end, port = gateway_cable(node)
    assert (end["ifindex"], port["ifindex"], port["master"]) == (before[0]["ifindex"], before[1]["ifindex"], "cni0")
    assert "UP" in end["flags"] and "UP" in port["flags"] and end["mtu"] == port["mtu"] == 1400
    assert end["ifalias"] == port["ifalias"] == "cni-gateway cni0.100"
    assert {one["local"] for one in ip(node, "addr", "show", "dev", "cni0.100")[0]["addr_info"]} >= {"10.88.0.1"}
    vlan_engine.delete("one", path_of(pod))
    vlan_engine.collect([])
    assert names(node) == {"lo", "cni0", "cni0.100", port["ifname"]}


def test_an_index_that_is_taken_is_no_reason_to_fail(node: NetNS, pod: NetNS, vlan_engine: Engine, monkeypatch: Any) -> None:
    given: list[int] = []
    free = pod_module.new_index

    def sometimes_taken() -> int:  # each interface is tried with the index of lo first
        given.append(1 if len(given) % 2 == 0 else free())
        return given[-1]

    monkeypatch.setattr(pod_module, "new_index", sometimes_taken)
    vlan_engine.add("one", path_of(pod))
    assert gateway_cable(node)[0]["ifindex"] == pod_module.other_end(given[1]) and len(given) == 4


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [("cni0.100", 7, "does not lead to the bridge cni0"), ("vlan307a32a4d0a", 102, "exists on the node")],
)
def test_names_of_the_gateway_that_are_taken(
    node: NetNS, pod: NetNS, tmp_path: Path, vlan_engine: Engine, name: str, code: int, words: str
) -> None:
    node.run(["ip", "link", "add", name, "type", "veth", "peer", "other"], check=True)
    with pytest.raises(PluginFailed, match=words) as caught:
        vlan_engine.add("one", path_of(pod))
    assert caught.value.error["code"] == code
    assert names(node) == {"lo", "cni0", name, "other"} and names(pod) == {"lo"} and leases(tmp_path) == set()


def test_half_a_gateway_is_not_left(node: NetNS, pod: NetNS, vlan_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BridgePlugin, "_vlan_requests", lambda plugin, index: [link.change(index, master=999_999)])
    with pytest.raises(PluginFailed):
        vlan_engine.add("one", path_of(pod))
    assert names(node) == {"lo", "cni0"}


def test_the_name_of_a_gateway_that_is_too_long(node: NetNS, pod: NetNS, tmp_path: Path) -> None:
    with pytest.raises(PluginFailed, match="bridge-of-tests.100"):
        Engine(in_process(node), network(tmp_path, bridge="bridge-of-tests", vlan=100)).add("one", path_of(pod))
    assert names(node) == {"lo"} and not (tmp_path / "networks").exists()


def test_gc_removes_what_no_valid_attachment_names(node: NetNS, tmp_path: Path) -> None:
    engine = Engine(in_process(node), network(tmp_path))
    other = Engine(in_process(node), {**network(tmp_path), "name": "net10"})
    pods = [NetNS.create() for _ in range(4)]
    try:
        for number, one in enumerate(pods[:3]):
            engine.add(f"c{number}", path_of(one), portMappings=[{"hostPort": 8000 + number, "containerPort": 80}])
        engine.results.clear()
        with pytest.raises(PluginFailed, match="10.88.0.1"):  # the bridge has the address of another network already
            Engine(
                in_process(node),
                {
                    **network(tmp_path),
                    "name": "net10",
                    "plugins": [
                        {
                            **network(tmp_path)["plugins"][0],
                            "ipam": {"type": "static", "addresses": [{"address": "10.99.0.2/24"}]},
                        }
                    ],
                },
            ).add("c1", path_of(pods[3]))
        other.add("c1", path_of(pods[3]))
        engine.collect([("c1", "eth0")])
        assert [names(one) for one in pods] == [{"lo"}, {"lo", "eth0"}, {"lo"}, {"lo", "eth0"}]
        assert leases(tmp_path) == {"10.88.0.3", "fd00:88::3"}
        rules = nft(node)
        assert "8001" in rules and "8000" not in rules and "8002" not in rules and "cni net10 c1 eth0" in rules
        engine.collect([])
        other.collect([])
        assert names(node) == {"lo", "cni0"} and nft(node) == "" and leases(tmp_path) == set()
    finally:
        for one in pods:
            one.close()


class Stop(Observer):
    """Ends the process, as SIGKILL does, before the system call with this number."""

    def __init__(self, number: int) -> None:
        self.left = number

    def before(self, call: str, arguments: str) -> None:
        self.left -= 1
        if self.left < 0:
            os._exit(99)


def killed_before(node: NetNS, configuration: Json, netns: str, number: int) -> bool:
    """Call ADD in a child that is ended before a system call; return whether it was."""
    child = os.fork()
    if not child:
        try:
            with observed(Stop(number)):
                Engine(in_process(node), configuration).add("one", netns, portMappings=[{"hostPort": 8080, "containerPort": 80}])
            os._exit(0)
        except BaseException:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 99)
    return status == 99


def test_killed_before_a_system_call(node: NetNS, pod: NetNS, tmp_path: Path) -> None:
    """After DEL, or GC, nothing is left of an ADD that was killed; `tests/campaigns/cni_killed.py` tries every call."""
    kill_at(node, pod, tmp_path, range(13, 400, 37))


def kill_at(node: NetNS, pod: NetNS, tmp_path: Path, numbers: range, first: int = 0) -> None:
    """Kill ADD before the system calls with these numbers, and then call GC and DEL by turns."""
    configuration = chained(network(tmp_path))
    engine = Engine(in_process(node), configuration)
    for turn, number in enumerate(numbers):
        killed = killed_before(node, configuration, path_of(pod), number)
        engine.delete("one", path_of(pod)) if (turn + first) % 2 else engine.collect([])
        assert names(pod) == {"lo"} and names(node) <= {"lo", "cni0"}, number
        assert nft(node) == "" and leases(tmp_path) == set(), number
        if not killed:
            return
    raise AssertionError("ADD makes more system calls than this test expects")


def test_as_processes(node: NetNS, pod: NetNS, tmp_path: Path) -> None:
    """The command, by its exit status and output."""
    engine = Engine(as_process(node, ours), chained(network(tmp_path)))
    engine.status()
    engine.add("one", path_of(pod))
    engine.check("one", path_of(pod))
    engine.delete("one")
    assert names(pod) == {"lo"} and leases(tmp_path) == set()
    status, answer = engine.invoke("rawns", {"CNI_COMMAND": "VERSION"}, {"cniVersion": "1.0.0"})
    assert status == 0 and answer["cniVersion"] == "1.0.0" and {"0.4.0", "1.0.0", "1.1.0"} <= {*answer["supportedVersions"]}


BAD: list[tuple[Json, int, str]] = [
    ({"bridge": 7}, 7, "bridge: expected"),
    ({"brigde": "cni0"}, 2, "brigde"),
    ({"isgateway": True}, 2, "isGateway"),
    ({"isGateway": "yes"}, 7, "isGateway: expected true or false"),
    ({"mtu": -1}, 7, "mtu"),
    ({"bridge": "a/b"}, 7, "slash"),
    ({"bridge": "lo"}, 7, "not a bridge"),
    ({"vlan": 4095}, 7, "4094"),
    ({"hairpinMode": True, "promiscMode": True}, 7, "exclude"),
    ({"mac": "01:00:5e:00:00:01"}, 7, "MAC"),
    ({"ipam": {"type": "dhcp"}}, 7, "host-local"),
    ({"ipam": {"type": "host-local"}}, 7, "ranges"),
    ({"ipam": {"type": "host-local", "subnet": "10.1.0.1/24"}}, 7, "host bits"),
    ({"ipam": {"type": "host-local", "subnet": "10.1.0.0/31"}}, 7, "too small"),
    ({"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.1.0.0/16"}]]}}, 7, "overlaps"),
    ({"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24", "gateway": "10.2.0.1"}]]}}, 7, "is not in"),
    ({"ipam": {"type": "host-local", "subnet": "10.1.0.0/24", "rangeStart": "10.1.0.9", "rangeEnd": "10.1.0.3"}}, 7, "after"),
    ({"ipam": {"type": "host-local", "subnet": "10.1.0.0/24", "dataDir": "tmp"}}, 7, "absolute"),
    ({"ipam": {"type": "static", "addresses": [{"address": "10.1.0.1"}]}}, 7, "addresses[0].address"),
    ({"name": "../x"}, 7, "cannot name a network"),
    ({"cniVersion": "2.0.0"}, 1, "2.0.0"),
    ({"type": "firewall"}, 7, "cannot override the drop"),
    ({"type": "nothing"}, 7, "no plugin"),
]  # fmt: skip
BAD_ENVIRONMENT: list[tuple[dict[str, str], int, str]] = [
    ({"CNI_COMMAND": "PUT"}, 4, "CNI_COMMAND"),
    ({"CNI_CONTAINERID": "../../etc"}, 4, "CNI_CONTAINERID"),
    ({"CNI_CONTAINERID": ""}, 4, "CNI_CONTAINERID"),
    ({"CNI_IFNAME": "much-too-long-name"}, 4, "CNI_IFNAME"),
    ({"CNI_IFNAME": "", "CNI_NETNS": ""}, 4, "CNI_IFNAME, CNI_NETNS"),
    ({"CNI_IFNAME": "lo"}, 102, "lo exists in the container already"),
    ({"CNI_NETNS": "/nowhere/net"}, 3, "/nowhere/net"),
    ({"CNI_NETNS": "/etc/passwd"}, 4, "not a network namespace"),
    ({"CNI_NETNS": "/proc/self/ns/mnt"}, 4, "not a network namespace"),
    ({"CNI_NETNS": "/proc/thread-self/ns/net"}, 4, "own namespace"),
    ({"CNI_ARGS": "FOO=1"}, 4, "FOO"),
    ({"CNI_ARGS": "IP=10.9.9.9"}, 7, "10.9.9.9"),
    ({"CNI_ARGS": "MAC=x"}, 4, "MAC"),
]


def test_bad_input(node: NetNS, pod: NetNS, tmp_path: Path) -> None:
    """Every mistake is one error of the specification, and nothing is made."""
    good = {**network(tmp_path)["plugins"][0], "cniVersion": "1.1.0", "name": "net1"}
    environment = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "one", "CNI_IFNAME": "eth0", "CNI_NETNS": path_of(pod)}
    invoke = in_process(node)
    cases: Any = [({**good, **changed}, environment, *rest) for changed, *rest in BAD]
    cases += [(good, {**environment, **changed}, *rest) for changed, *rest in BAD_ENVIRONMENT]
    for config, variables, code, words in cases:
        status, answer = invoke(config["type"], variables, config)
        assert (status, answer["code"]) == (1, code) and words in answer["msg"], (words, answer)
        assert "\n" not in answer["msg"]
        assert leases(tmp_path) == set(), words
    assert names(pod) == {"lo"} and names(node) <= {"lo", "cni0"}


def test_exhausted_range_and_round_robin(node: NetNS, pod: NetNS, tmp_path: Path) -> None:
    """The address after the last one is next; when none is free, that is said, and nothing changes."""
    directory = tmp_path / "networks"
    ipam = {"type": "host-local", "dataDir": str(directory), "subnet": "10.1.0.0/29", "rangeEnd": "10.1.0.3"}
    config = {"cniVersion": "1.1.0", "name": "net1", "type": "bridge", "ipam": ipam}
    invoke = in_process(node)

    def call(command: str, container: str) -> Any:
        given = {"CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_IFNAME": "eth0", "CNI_NETNS": path_of(pod)}
        return invoke("host-local", given, config)

    assert [call("ADD", one)[1]["ips"][0]["address"] for one in ("a", "b")] == ["10.1.0.2/29", "10.1.0.3/29"]
    status, answer = call("ADD", "c")
    assert (status, answer["code"]) == (1, 101) and "10.1.0.0/29" in answer["msg"]
    spacious = {**config, "ipam": {**ipam, "rangeEnd": "10.1.0.6"}}
    assert invoke("host-local", {"CNI_COMMAND": "STATUS"}, spacious) == (0, None)
    status, answer = invoke("host-local", {"CNI_COMMAND": "STATUS"}, config)
    assert (status, answer["code"]) == (1, 50)
    assert (directory / "net1" / "10.1.0.2").read_bytes() == b"a\r\neth0"
    assert (directory / "net1" / "last_reserved_ip.0").read_text() == "10.1.0.3"
    assert call("DEL", "a")[0] == call("DEL", "a")[0] == 0
    assert call("ADD", "c")[1]["ips"][0]["address"] == "10.1.0.2/29"


REQUESTS: list[tuple[str, Json, int, str]] = [  # CNI_ARGS; other keys; code; address, or words of the error
    ("IP=10.1.0.15", {"runtimeConfig": {"ips": ["10.1.0.15/24"]}, "args": {"cni": {"ips": ["10.1.0.15"]}}}, 0, "10.1.0.15/24"),
    ("IP=::ffff:10.1.0.15", {}, 0, "10.1.0.15/24"),  # as the reference implementation
    ("", {"runtimeConfig": {"ips": ["10.1.0.15", "10.1.0.16"]}}, 7, "10.1.0.16 is asked for, and is in a range set of which"),
    ("IP=10.1.0.1", {}, 7, "the gateway"),
    ("IP=10.1.0.255", {}, 7, "in none of the ranges"),
    ("IP=10.1.0.99", {}, 101, "given out already"),
]  # fmt: skip


def test_addresses_that_are_asked_for(node: NetNS, pod: NetNS, tmp_path: Path) -> None:
    """An address that is asked for in several places is one; otherwise nothing is left behind."""
    directory = tmp_path / "net1"
    directory.mkdir()
    (directory / "10.1.0.99").write_text("other")
    invoke = in_process(node)
    config = {"cniVersion": "1.1.0", "name": "net1", "type": "bridge"}
    ipam = {"type": "host-local", "dataDir": str(tmp_path), "subnet": "10.1.0.0/24", "gateway": "::ffff:10.1.0.1"}
    variables = {"CNI_CONTAINERID": "one", "CNI_IFNAME": "eth0", "CNI_NETNS": path_of(pod)}

    def call(command: str, args: str, more: Json) -> Any:
        return invoke("host-local", {**variables, "CNI_COMMAND": command, "CNI_ARGS": args}, {**config, "ipam": ipam, **more})

    for args, more, code, words in REQUESTS:
        status, answer = call("ADD", args, more)
        assert answer["ips"][0]["address"] == words if not status else (answer["code"] == code and words in answer["msg"]), answer
        assert status == bool(code) and call("DEL", args, more)[0] == 0
        assert {one.name for one in directory.iterdir()} <= {"lock", "10.1.0.99", "last_reserved_ip.0"}
    (directory / "last_reserved_ip.0").unlink()
    (directory / "last_reserved_ip.0").mkdir()
    status, answer = call("ADD", "", {})
    assert (status, answer["code"]) == (1, 5) and "Is a directory" in answer["msg"]
    assert {one.name for one in directory.iterdir()} == {"lock", "10.1.0.99", "last_reserved_ip.0"}
    status, answer = call("ADD", "", {"ipam": {**ipam, "subnet": "::ffff:10.1.0.0/120"}})
    assert (status, answer["code"]) == (1, 7) and "in the form of IPv6" in answer["msg"]


def test_files_of_other_users_are_not_trusted(node: NetNS, pod: NetNS, tmp_path: Path) -> None:
    engine = Engine(in_process(node), network(tmp_path))
    directory = tmp_path / "networks" / "net1"
    directory.mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_text("kept")

    def refused(words: str) -> None:
        with pytest.raises(PluginFailed, match=words) as caught:
            engine.add("one", path_of(pod))
        assert caught.value.error["code"] == 5 and names(pod) == {"lo"}

    directory.chmod(0o777)
    refused("not trusted")
    directory.chmod(0o755)
    if os.getuid() == 0:
        try:
            os.chown(directory, 1, 1)
        except OSError:
            pass  # an ordinary user's namespace has one id
        else:
            refused("not trusted")
            os.chown(directory, 0, 1)
            directory.chmod(0o775)
            refused("not trusted")
            os.chown(directory, 0, 0)
    (directory / "lock").symlink_to(victim)
    refused("lock|ELOOP")
    (directory / "lock").unlink()
    (directory / "10.88.0.2").symlink_to(victim)
    (directory / ".rawns-new").symlink_to(victim)
    refused("ELOOP")
    assert engine.add("one", path_of(pod))["ips"][0]["address"] == "10.88.0.3/24"
    assert victim.read_text() == "kept"
    engine.delete("one")
    assert leases(tmp_path) == {"10.88.0.2"}


def test_loopback(node: NetNS, pod: NetNS) -> None:
    engine = Engine(in_process(node), {"cniVersion": "1.0.0", "name": "lo", "plugins": [{"type": "loopback"}]})
    result = engine.add("one", path_of(pod), ifname="lo")
    assert result["ips"][0] == {"address": "127.0.0.1/8", "interface": 0}
    assert "UP" in ip(pod, "link", "show", "lo")[0]["flags"]
    engine.check("one", path_of(pod), ifname="lo")
    engine.delete("one", path_of(pod), ifname="lo")
    assert "UP" not in ip(pod, "link", "show", "lo")[0]["flags"]


def test_parallel_calls_give_different_addresses(node: NetNS, tmp_path: Path) -> None:
    engine = Engine(in_process(node), chained(network(tmp_path)))
    pods = [NetNS.create() for _ in range(8)]
    try:
        with ThreadPoolExecutor(len(pods)) as pool:
            results = list(pool.map(engine.add, [f"c{number}" for number in range(len(pods))], map(path_of, pods)))
        assert len({one["ips"][0]["address"] for one in results}) == len(pods)
        assert leases(tmp_path) == {one["address"].partition("/")[0] for result in results for one in result["ips"]}
        engine.collect([])
        assert names(node) == {"lo", "cni0"} and leases(tmp_path) == set()
    finally:
        for one in pods:
            one.close()


def test_parallel_calls_with_different_settings(node: NetNS, tmp_path: Path) -> None:
    """The bridge does not exist yet; each cable gets what its configuration says, and calls at once with DEL leave nothing."""
    pods = [NetNS.create() for _ in range(8)]
    options: list[Json] = [{"mtu": 1300 + 10 * n, "hairpinMode": n % 2 == 0, "portIsolation": n % 3 == 0} for n in range(8)]
    engines = [Engine(in_process(node), chained(network(tmp_path, **one))) for one in options]
    keys = [f"c{n}" for n in range(8)]
    try:
        with ThreadPoolExecutor(len(pods)) as pool:
            results = list(pool.map(lambda n: engines[n].add(keys[n], path_of(pods[n])), range(8)))
            there = {one["ifname"]: one for one in ip(node, "-d", "link")}
            for result, given in zip(results, options):
                port = there[result["interfaces"][1]["name"]]
                data = port["linkinfo"]["info_slave_data"]
                assert (port["mtu"], data["hairpin"], data["isolated"]) == tuple(given.values()), port
            again = [key for key in keys for _ in range(2)]
            list(pool.map(lambda n: engines[n // 2].delete(again[n], path_of(pods[n // 2]), forget=True), range(16)))
        assert names(node) == {"lo", "cni0"} and leases(tmp_path) == set() and nft(node) == ""
    finally:
        for one in pods:
            one.close()


STRANGE_LISTS: list[tuple[Any, int]] = [  # valid attachments; the code of the error, or 0: the attachment is kept
    (None, 7), ("one", 7), ({}, 7), ([None], 7), ([{"containerID": "one"}], 7), ([{"containerID": 1, "ifname": "eth0"}], 7),
    ([{"containerID": "one", "ifname": "eth0", "other": 1}] * 2, 0),
    ([{"containerID": "../../etc", "ifname": "\ud800"}, {"containerID": "one", "ifname": "eth0"}], 0),
]  # fmt: skip


def test_gc_with_strange_lists(node: NetNS, pod: NetNS, tmp_path: Path) -> None:
    """A list that is not as the specification says removes nothing."""
    configuration = network(tmp_path)
    engine = Engine(in_process(node), configuration)
    engine.add("one", path_of(pod))
    before = (names(node), leases(tmp_path), nft(node))
    config = {**configuration["plugins"][0], "cniVersion": "1.1.0", "name": "net1"}
    for valid, code in STRANGE_LISTS:
        status, answer = engine.invoke("bridge", {"CNI_COMMAND": "GC"}, {**config, "cni.dev/valid-attachments": valid})
        assert (answer or {"code": 0})["code"] == code and status == bool(code), (valid, answer)
        assert (names(node), leases(tmp_path), nft(node)) == before, valid
    other = {**config, "name": "net2", "cni.dev/valid-attachments": []}
    assert engine.invoke("bridge", {"CNI_COMMAND": "GC"}, other) == (0, None)
    assert (names(node), leases(tmp_path), nft(node)) == before


def test_a_later_plugin_fails(node: NetNS, pod: NetNS, tmp_path: Path) -> None:
    """What the plugins before it have made is undone."""
    configuration = network(tmp_path)
    configuration["plugins"].append({"type": "tuning", "sysctl": {"net.ipv4.conf.eth0.forwarding": "nonsense"}})
    engine = Engine(in_process(node), chained(configuration))
    with pytest.raises(PluginFailed, match="does not accept this value"):
        engine.add("one", path_of(pod), portMappings=[{"hostPort": 8080, "containerPort": 80}])
    assert names(pod) == {"lo"} and names(node) == {"lo", "cni0"} and nft(node) == "" and leases(tmp_path) == set()


def test_an_attachment_that_exists_is_left_alone(node: NetNS, pod: NetNS, other_pod: NetNS, tmp_path: Path) -> None:
    configuration = network(tmp_path)
    del configuration["plugins"][0]["ipam"], configuration["plugins"][1]
    configuration["plugins"][0] |= {"isDefaultGateway": False, "ipMasq": False}
    engine = Engine(in_process(node), configuration)
    engine.add("one", path_of(pod))
    before = names(node)
    for given in (pod, other_pod):
        with pytest.raises(PluginFailed, match="exists (in the container|on the node) already") as caught:
            engine.add("one", path_of(given))
        assert caught.value.error["code"] == 102
    assert names(node) == before and names(pod) == {"lo", "eth0"} and names(other_pod) == {"lo"}


def test_two_networks_of_one_container(node: NetNS, pod: NetNS, tmp_path: Path) -> None:
    """The default route of the first network stays."""
    first = Engine(in_process(node), network(tmp_path))
    ipam = {"type": "static", "addresses": [{"address": "10.99.0.2/24", "gateway": "10.99.0.1"}]}
    second = Engine(in_process(node), {**network(tmp_path, bridge="cni1", ipam=ipam), "name": "net2"})
    first.add("one", path_of(pod))
    second.add("one", path_of(pod), "eth1")
    assert [one["gateway"] for one in ip(pod, "route") if one["dst"] == "default"] == ["10.88.0.1"]
    first.check("one", path_of(pod))
    second.check("one", path_of(pod), "eth1")
    first.delete("one", path_of(pod))
    assert names(pod) == {"lo", "eth1"}
    second.delete("one", path_of(pod), "eth1")
    assert nft(node) == ""
