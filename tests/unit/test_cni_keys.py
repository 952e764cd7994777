"""What CNI plugins read and write, without a kernel: keys, results of each version, ranges, names and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rawns import json_text
from rawns.cli import cni
from rawns.cni import keys
from rawns.cni.call import Attachment, identifier, stale
from rawns.cni.failure import CniError
from rawns.cni.ipam import AddressRange, _from, resolv_conf
from rawns.cni.program import PLUGINS, plugin_class, run
from rawns.cni.reference import describe
from rawns.cni.result import VERSIONS, CniResult
from rawns.objects import prefix

RESULT = {
    "cniVersion": "1.1.0",
    "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "mtu": 1400, "sandbox": "/run/netns/a", "socketPath": "/s"}],
    "ips": [{"address": "10.1.0.2/24", "gateway": "10.1.0.1", "interface": 0}, {"address": "fd00::2/64", "interface": 0}],
    "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1", "mtu": 1300, "priority": 7, "scope": 0}],
    "dns": {"nameservers": ["10.1.0.53"]},
}


def test_results_keep_all_that_their_version_has() -> None:
    assert CniResult.parse(RESULT).render("1.1.0") == RESULT
    older = CniResult.parse(RESULT).render("1.0.0")
    assert older["interfaces"] == [{"name": "eth0", "mac": "02:00:00:00:00:01", "sandbox": "/run/netns/a"}]
    assert older["routes"] == [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}] and older["ips"] == RESULT["ips"]
    for version in ("0.3.0", "0.3.1", "0.4.0"):
        assert [one["version"] for one in CniResult.parse(RESULT).render(version)["ips"]] == ["4", "6"]
        assert CniResult.parse(CniResult.parse(RESULT).render(version)).render("1.0.0") == older


@pytest.mark.parametrize(
    "broken",
    [
        [],
        {"ips": [{"address": "10.1.0.2/24", "interface": 3}], "interfaces": []},
        {"ips": [{"gateway": "10.1.0.1"}]},
        {"ips": [{"address": "10.1.0.2/99"}]},
        {"interfaces": "eth0"},
        {"routes": [{"dst": "somewhere"}]},
        {"dns": []},
    ],
)
def test_broken_results_are_refused(broken: Any) -> None:
    with pytest.raises(CniError):
        CniResult.parse(broken)


def test_keys() -> None:
    table = (
        keys.ConfigKey("size", keys.number(1, 9), "", 3),
        keys.ConfigKey("inner", keys.list_of(keys.table((keys.ConfigKey("ip", keys.IP, ""),))), "", []),
    )
    assert keys.read(table, {}) == {"size": 3, "inner": []}
    assert keys.read(table, {"size": None, "inner": [{"ip": "FD00::1"}]}) == {"size": 3, "inner": [{"ip": "fd00::1"}]}
    for given, code, words in (
        ({"size": 10}, 7, "size: expected a number from 1 to 9, not 10"),
        ({"size": True}, 7, "not true"),
        ({"other": None}, 2, "its value is null"),
        ({"inner": [None]}, 7, "inner[0]: expected an object, not null"),
        ({"inner": {"a": [False, 1.5, "é"]}}, 7, r'not {"a": [false, 1.5, "\u00e9"]}'),
        ({"inner": [{"ip": "x"}]}, 7, "inner[0].ip: 'x' is not"),
        ({"inner": [{"address": 1}]}, 2, "inner[0].address"),
        ({"Size": 1}, 2, "(but size)"),
        ("text", 7, "expected an object"),
    ):
        with pytest.raises(CniError) as caught:
            keys.read(table, given)
        assert caught.value.code == code and words in str(caught.value)


def test_every_plugin_describes_its_keys() -> None:
    for name in PLUGINS:
        assert plugin_class(name).name == name
        assert describe(name).startswith(f"{name}: ")
        for key in plugin_class(name).keys:
            assert key.help and key.type.name


def test_ranges_go_round() -> None:
    given = {"subnet": prefix.parse("10.1.0.0/29"), "rangeStart": None, "rangeEnd": None, "gateway": None}
    first = AddressRange(given, "")
    second = AddressRange({**given, "subnet": prefix.parse("10.2.0.0/30"), "gateway": "10.2.0.2"}, "")
    order = [f"10.1.0.{n}" for n in (2, 3, 4, 5, 6)] + ["10.2.0.1"]
    assert [range_.text(number) for range_, number in _from([first, second], "")] == order
    for place, last in enumerate(order):
        told = [range_.text(number) for range_, number in _from([first, second], last)]
        assert told == order[place + 1 :] + order[: place + 1]
    largest = AddressRange({**given, "subnet": prefix.parse("fd00::/8")}, "")
    assert largest.text(next(_from([largest], ""))[1]) == "fd00::2"


def test_names_of_an_attachment() -> None:
    one, other = Attachment("net", "container", "eth0"), Attachment("net", "container", "eth1")
    assert one.host_link != other.host_link and len(one.host_link) == 15
    assert one.stamp == "cni net container eth0"
    long = Attachment("n" * 255, "c" * 255, "eth0")
    assert len(long.stamp) <= 127
    known = [(a.table, a.stamp) for a in (one, other, long, Attachment("net2", "container", "eth0"))]
    assert stale(known, "net", [other.table]) == [one.table]
    assert stale(known, "n" * 255, []) == [long.table]
    for text, right in (
        ("a", True),
        ("A1_.-", True),
        ("", False),
        (".a", False),
        ("-a", False),
        ("a/b", False),
        ("a b", False),
        ("é", False),
    ):
        assert identifier(text) is right


@pytest.mark.parametrize(
    "value", [None, True, False, 0, -5, 1.5, "", "a\n\x1b\u2028é", [], {}, [1, [2, {"a": []}]], {"k": {"l": None}}]
)
def test_json(value: Any) -> None:
    assert json.loads(json_text.write(value)) == value
    assert json_text.parse(json.dumps(value)) == value


@pytest.mark.parametrize("text", ["", "{", "[1,]", "nul", "1 2", "NaN", "1e400", "[-1e400]", "[" * 100_000, '{"a": 1} x', "'a'"])
def test_what_is_not_json(text: str) -> None:
    status, answer = run("bridge", {"CNI_COMMAND": "ADD"}, text.encode())
    assert (status, json.loads(answer)["code"]) == (1, 6)


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [None, True, 1, 1.5, "", 'a"\n\u2028é', [], {}, [1, [2, {"a": [], "b": None}]], {"k": {"l": [True, "x"]}}]
)
def test_values_in_messages_are_json(value: Any) -> None:
    assert json_text.shown(value) == json.dumps(value)
    several = [value] * 100
    assert json_text.shown(several) == json.dumps(several)[:80] + "..."


def test_values_in_messages_are_cut_off() -> None:
    assert json_text.shown(nested(100_000)) == "[" * 80 + "..."  # it is not followed any deeper
    assert len(json_text.shown({"k" * 1_000_000: 1})) == 83


@pytest.mark.parametrize(
    "place",
    [("type",), ("cniVersion",), ("name",), ("bridge",), ("ipam",), ("isGateway",), ("mtu",), ("vlanTrunk",), ("args",)]
    + [("unknown",), ("runtimeConfig",), ("prevResult",), ("ipam", "type"), ("ipam", "ranges"), ("ipam", "routes"), ("ipam", "x")]
    + [("ipam", "subnet"), ("ipam", "dataDir"), ("dns",), ("dns", "search"), ("runtimeConfig", "ips"), ("runtimeConfig", "mac")],
    ids=".".join,
)
@pytest.mark.parametrize("chain", [False, True], ids=["plugin", "chain"])
def test_no_message_shows_a_value_of_python(place: tuple[str, ...], chain: bool) -> None:
    for value in (True, False, None, [None], {"a": True}):
        config: Any = {
            "cniVersion": "1.1.0",
            "name": "n",
            "type": "bridge",
            "ipam": {"type": "host-local", "subnet": "10.1.0.0/24"},
        }
        inner = config.setdefault(place[0], {}) if len(place) > 1 else config
        inner[place[-1]] = value
        name = config["type"] if type(config["type"]) is str else "bridge"
        if chain:
            outer = {key: config.pop(key) for key in ("cniVersion", "name", "runtimeConfig", "prevResult") if key in config}
            config = {"type": "rawns", **outer, "plugins": [config]}
        variables = {"CNI_CONTAINERID": "c", "CNI_IFNAME": "eth0", "CNI_NETNS": "/run/netns/there-is-none"}
        status, answer = run("rawns" if chain else name, {"CNI_COMMAND": "ADD", **variables}, json.dumps(config).encode())
        told = json.loads(answer)
        assert status == 1 and not any(word in told["msg"] for word in ("True", "False", "None")), told


def test_keys_that_are_there_twice() -> None:
    for text in (
        '{"cniVersion": "1.1.0", "name": "a", "type": "bridge", "name": "b"}',
        '{"cniVersion": "1.1.0", "name": "a", "type": "bridge", "args": {"x": [{"name": 1, "name": 1}]}}',
    ):
        for command in ("ADD", "DEL", "GC", "VERSION"):
            status, answer = run("bridge", {"CNI_COMMAND": command}, text.encode())
            told = json.loads(answer)
            assert (status, told["code"], told["msg"]) == (1, 7, "the key 'name' is there twice in one object")


def test_half_a_surrogate_pair_is_not_a_file_name() -> None:
    text = r'{"cniVersion": "1.1.0", "name": "n", "type": "host-local", "ipam": {"type": "host-local", "subnet": "10.1.0.0/24", '
    variables = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c", "CNI_IFNAME": "eth0", "CNI_NETNS": "/proc/self/ns/net"}
    status, answer = run("host-local", variables, (text + r'"resolvConf": "\ud800"}}').encode())
    assert (status, json.loads(answer)["code"]) == (1, 7) and "is not a Unicode text" in answer


def test_calls_that_take_the_wrong_file() -> None:
    for name, text, words in (
        ("bridge", '{"cniVersion": "1.1.0", "name": "n", "plugins": [{"type": "bridge"}]}', "this is a conflist"),
        ("rawns", '{"cniVersion": "1.1.0", "name": "n", "plugins": [{"type": "rawns"}]}', "this is a conflist"),
        ("rawns", '{"cniVersion": "1.1.0", "name": "n", "type": "bridge", "bridge": "cni0"}', "bridge is a plugin of its own"),
    ):
        status, answer = run(name, {"CNI_COMMAND": "STATUS"}, text.encode())
        assert (status, json.loads(answer)["code"]) == (1, 7) and words in answer


def test_resolv_conf(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("# comment\nnameserver 10.0.0.1\nnameserver fd00::1\nsearch a b\n;x\ndomain a\noptions ndots:5\nnameserver\n")
    assert resolv_conf(str(file)) == {
        "nameservers": ["10.0.0.1", "fd00::1"],
        "domain": "a",
        "search": ["a", "b"],
        "options": ["ndots:5"],
    }
    with pytest.raises(CniError, match="resolvConf"):
        resolv_conf(str(tmp_path / "nothing"))


def test_versions() -> None:
    status, answer = run("bridge", {"CNI_COMMAND": "VERSION"}, b"")
    assert status == 0 and json.loads(answer)["supportedVersions"] == list(VERSIONS)
    status, answer = run("bridge", {"CNI_COMMAND": "GC"}, b'{"cniVersion": "1.0.0", "name": "a", "type": "bridge"}')
    assert json.loads(answer)["code"] == 1
    status, answer = run("bridge", {"CNI_COMMAND": "GC"}, b'{"cniVersion": "1.1.0", "name": "a", "type": "bridge"}')
    assert json.loads(answer)["code"] == 7 and "valid-attachments" in answer


def test_a_fault_is_an_error_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object) -> None:
        raise KeyError("missing")

    monkeypatch.setattr("rawns.cni.program.run", broken)
    monkeypatch.setattr("sys.stdin", None)
    assert cni.plugin("bridge") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["code"] >= 100 and told["msg"] == "this is a fault of rawns: KeyError: 'missing'"


def test_a_scanner_that_reads_more_attributes_than_are_given_is_left_to_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.15 reads `array_hook`; the next version may read others."""
    assert json_text.scan("[1]", json_text.Scanning) == [1]
    monkeypatch.delattr(json_text.Scanning, "parse_int")
    with pytest.raises(json_text.Unscannable):
        json_text.scan("[1]", json_text.Scanning)
    assert json_text.parse("[1]") == [1]
