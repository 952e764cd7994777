"""The rows of the properties: each names an attribute of the kernel, and type checkers know the same keywords as the program."""

from __future__ import annotations

import ast

import pytest
from conftest import PROJECT

from rawns import Lab, uapi
from rawns.lab import kinds
from rawns.lab.interface import Interface
from rawns.lab.kinds.bridge import Bridge
from rawns.lab.kinds.veth import Port
from rawns.lab.properties import LINK_PROPERTIES, SHAPE_KEYS
from rawns.objects import link
from rawns.objects.link import Link
from rawns.rtnl import bridge as bridge_codec
from rawns.rtnl import kinds as kind_codec
from rawns.rtnl import link as link_codec

CODEC = {"veth": link_codec.VETH, "bridge": bridge_codec.BRIDGE, **kind_codec.KINDS}
KINDS: list[type[Interface]] = [Port, Bridge, *kinds.all_kinds()]


def typed_dicts(path: str) -> dict[str, set[str]]:
    """Return the keys of the TypedDicts in a module of the package, by class."""
    found = {}
    for node in ast.walk(ast.parse((PROJECT / "rawns" / path).read_text())):
        if isinstance(node, ast.ClassDef) and any(word.arg == "total" for word in node.keywords):
            found[node.name] = {
                one.target.id for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
            }
    return found


def test_type_checkers_know_the_keywords_that_there_are() -> None:
    known = {**typed_dicts("lab/properties.py"), **typed_dicts("objects/qdisc.py")}
    assert known["InterfaceOptions"] == {*(row.name for row in LINK_PROPERTIES), "shape"}
    assert known["ShapeOptions"] == {key.name for key in SHAPE_KEYS}
    assert typed_dicts("lab/kinds/bridge.py")["BridgeOptions"] == {row.name for row in Bridge.properties}


@pytest.mark.parametrize("row", LINK_PROPERTIES, ids=lambda row: str(row.name))
def test_a_link_property_is_an_option_and_a_field_of_a_link(row: object) -> None:
    assert row.attribute in {*link.OPTIONS, "up"} and hasattr(Link, row.attribute)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_the_attributes_of_a_kind_are_those_of_the_codec(kind: type[Interface]) -> None:
    for row in kind.properties:
        assert row.attribute in CODEC[kind.kind].names, row.attribute  # type: ignore[attr-defined]
        assert row.attribute in vars(uapi)
    assert kind.kind and kind.doc and kind.what and all(hasattr(kind, row.name) for row in kind.properties)


def test_a_value_is_read_written_encoded_and_decoded() -> None:
    """Each row gives back what it was given, in the file and in the kernel."""
    samples = {
        "mac": "02:00:00:00:00:01",
        "mtu": 1400,
        "txqueuelen": 7,
        "ipv6": False,
        "up": False,
        "stp": True,
        "vlan_filtering": True,
        "ageing": 12.5,
    }
    samples.update({"owner": 7, "mode": "private", "vni": 5, "remote": "fd00::1", "local": "10.0.0.1", "port": 9, "id": 6})
    samples.update({"protocol": "802.1ad", "table": 10, "isolation": "vepa"})
    for kind in KINDS:
        for row in kind.all_properties:
            value = "l2" if (kind.kind, row.name) == ("ipvlan", "mode") else samples[row.name]
            assert row.value.read(row.value.write(row.value.read(value))) == value
            if row in kind.properties:
                assert row.kernel_value(row.encoded(value)) == value  # type: ignore[attr-defined]


def test_an_unknown_keyword_names_those_there_are() -> None:
    with pytest.raises(TypeError, match="Port has no option 'mut'; it has mac, mtu, txqueuelen, ipv6, up"):
        Lab().netns().port(mut=1400)  # type: ignore[call-arg]
