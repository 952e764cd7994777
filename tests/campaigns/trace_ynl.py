"""The attributes of the kernel's own specifications of netlink (YNL), compared with the descriptions here.

    python3 tests/campaigns/trace_ynl.py linux-6.12/Documentation/netlink/specs

The specifications are in the kernel's source (Debian: linux-source-6.12); PyYAML reads them (Debian: python3-yaml).  From each
message on, both descriptions are walked side by side: an attribute of a number must have the name of the specification, and
a type of the same width, byte order and kind; nests and payloads that depend on another attribute are followed.  The table
shows, for each specification, the attributes that agree, those that are not described here, and those that differ; one that
differs and is not in JUDGED makes the exit status 1.  With ``-v`` those that are not described are listed.
"""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(PROJECT)]

from rawns import explain  # noqa: E402
from rawns.genl import ethtool, wireguard  # noqa: E402
from rawns.wire import (  # noqa: E402
    FLAG,
    IP,
    MAC,
    RAW,
    Attrs,
    Layout,
    RecordList,
    Repeated,
    Scalar,
    Struct,
    SubMessage,
    Text,
    Type,
)
from rawns.wire.indexed import Indexed  # noqa: E402

PROTOCOLS = {"rt": "rtnetlink", "tc": "rtnetlink", "nftables": "nftables"}
FAMILIES = {"ethtool": ethtool.BODY, "wireguard": wireguard.BODY}
SIZES = {"u8": 1, "s8": 1, "u16": 2, "s16": 2, "u32": 4, "s32": 4, "u64": 8, "s64": 8}
# What differs from the specifications of Linux 6.12 on purpose, by the reason: the set, then the attributes.
ORDER = "the kernel writes it in network order (nla_put_be16, nla_put_be32 or nla_put_be64)"
HOST = "the kernel reads it in the order of the host (nla_get_u16, nla_get_u32)"
NUMBERS = "the specification leaves an attribute out, so its numbers are not those of the header"
SIGN = "the kernel has negative values"
REASONS = {
    ORDER: """
expr-counter-attrs: bytes packets
nft-counter-attrs: bytes packets
set-attrs: gc-interval id timeout
setelem-list-attrs: set-id
verdict-attrs: chain-id
linkinfo-bridge-attrs: vlan-protocol
linkinfo-geneve-attrs: label port
linkinfo-gre-attrs: encap-dport encap-sport flowinfo iflags ikey oflags okey
linkinfo-iptun-attrs: encap-dport encap-sport flowinfo
route-attrs: rta-dport rta-sport
tc-act-vlan-attrs: push-vlan-protocol
""",
    HOST: "tc-flower-attrs: key-cvlan-id key-mpls-label key-vlan-id",
    NUMBERS: """
chain-attrs: id userdata
expr-lookup-attrs: dreg sreg set_id
rule-attrs: chain-id position-id
""",
    SIGN: """
bond-slave-attrs: prio
link-attrs: link
tc-act-police-attrs: result
tc-police-attrs: result
chain-attrs: policy
flowtable-hook-attrs: priority
verdict-attrs: code
""",
    "the header calls it IFLA_VLAN_FLAGS": "linkinfo-vlan-attrs: flag",
    "a nest of a mask and a value (IFLA_PROTO_DOWN_REASON_MASK)": "link-attrs: proto-down-reason",
    "one byte (nla_put_u8)": "linkinfo-gre-attrs: encap-limit",
    "of requests, which have other attributes than answers (IFLA_STATS_GET_FILTERS)": "stats-attrs: link-64 link-xstats",
    "shown as bytes": """
cable-test-tdr: cfg
stats-grp: hist-rx hist-tx
tc-basic-attrs: ematches
""",
}
JUDGED = {
    f"{line.partition(': ')[0]} {name}": reason
    for reason, lines in REASONS.items()
    for line in lines.strip().splitlines()
    for name in line.partition(": ")[2].split()
}

Place = tuple[str, str]


class Comparison:
    """What one specification and the descriptions here have in common; ``seen`` are the pairs that were compared."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.sets = {one["name"]: one for one in spec["attribute-sets"]}
        self.messages = {one["name"]: one for one in spec.get("sub-messages", ())}
        self.structs = {one["name"]: one for one in spec.get("definitions", ()) if one["type"] == "struct"}
        self.agree: set[Place] = set()
        self.absent: set[Place] = set()
        self.differ: dict[Place, str] = {}
        self._seen: set[tuple[str, int]] = set()
        self.described: set[Place] = set()  # payloads whose type depends on an attribute

    @property
    def missing(self) -> set[Place]:
        """What no description here has: requests and answers can have two, of which one is enough."""
        return self.absent - self.agree - self.described

    def attributes(self, name: str) -> dict[int, dict[str, Any]]:
        """Return the attributes of a set by number, those of the whole set for a part of it."""
        held = self.sets[name]
        if "subset-of" in held:
            names = {one["name"] for one in held["attributes"]}
            return {number: one for number, one in self.attributes(held["subset-of"]).items() if one["name"] in names}
        found, number = {}, 1
        for one in held["attributes"]:
            number = one.get("value", number)
            found[number] = one
            number += 1
        return found

    def compare(self, name: str, ours: Attrs) -> None:
        """Compare a set of attributes with a table."""
        if name not in self.sets or (name, id(ours)) in self._seen or isinstance(ours, Indexed):
            return
        self._seen.add((name, id(ours)))
        for number, theirs in self.attributes(name).items():
            place = (name, theirs["name"])
            row = ours.numbers.get(number)
            if theirs["type"] in ("pad", "unused") or re.fullmatch(r"(pad|unspec|unused)\d*", theirs["name"]):
                continue
            if row is None:
                self.absent.add(place)
                continue
            problem = self._problem(theirs, *row, ours)
            if problem:
                self.differ[place] = problem
            else:
                self.agree.add(place)

    def _problem(self, theirs: dict[str, Any], name: str, kind: Type, table: Attrs) -> str:
        """Return how an attribute here differs, or an empty text; follow what is inside."""
        if not plain(name).endswith(plain(theirs["name"])):
            return f"is {name} here"
        if isinstance(kind, Repeated):
            kind = kind.kind
        sort = theirs["type"]
        if sort == "indexed-array":
            rows = {1: kind.numbers.get(1)} if isinstance(kind, Indexed) else getattr(kind, "numbers", {})
            inner = next((row[1] for row in rows.values() if row), None)
            if theirs.get("sub-type") == "nest" and isinstance(inner, Attrs):
                self.compare(theirs["nested-attributes"], inner)
            return ""
        if sort == "nest":
            return self._nest(theirs, kind)
        if sort == "sub-message":
            if isinstance(kind, SubMessage):
                for one in self.messages[theirs["sub-message"]]["formats"]:
                    inside = kind.type_of(one["value"])
                    inside = inside.attrs if isinstance(inside, Layout) else inside
                    place = (theirs["sub-message"], one["value"])
                    if isinstance(inside, Attrs) and "attribute-set" in one:
                        self.compare(one["attribute-set"], inside)
                    (self.absent if inside is kind.otherwise else self.described).add(place)
            return ""
        return scalar_problem(theirs, kind) or self._struct(theirs, kind)

    def _nest(self, theirs: dict[str, Any], kind: Type) -> str:
        if isinstance(kind, Layout):
            kind = kind.attrs
        if isinstance(kind, Attrs):
            self.compare(theirs["nested-attributes"], kind)
            return ""
        return "" if isinstance(kind, (SubMessage, RecordList)) else f"is a nest, and {described(kind)} here"

    def _struct(self, theirs: dict[str, Any], kind: Type) -> str:
        """Compare the size of a structure, as far as the specification has it: a newer kernel's may be longer."""
        members = self.structs.get(theirs.get("struct", ""), {}).get("members", ())
        if not members or not isinstance(kind, Struct):
            return ""
        sizes = [SIZES.get(one["type"], one.get("len")) for one in members]
        if all(isinstance(size, int) for size in sizes) and sum(sizes) > kind.size:
            return f"is a struct of {sum(sizes)} bytes, and of {kind.size} here"
        return ""


def plain(name: str) -> str:
    """Return a name without what the spellings of C and YAML differ in."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def described(kind: Type) -> str:
    """Return a type in words."""
    if isinstance(kind, Scalar):
        return f"{'big-endian ' if kind.code[0] == '!' else ''}{'s' if kind.code[-1].islower() else 'u'}{kind.size * 8}"
    return type(kind).__name__.strip("_").lower()


def scalar_problem(theirs: dict[str, Any], kind: Type) -> str:
    """Return how a type without parts differs; bytes agree with everything, and so does a type that depends on the message."""
    sort = theirs["type"]
    if kind is RAW or sort == "binary" or isinstance(kind, SubMessage):
        return ""
    if sort in SIZES:
        big = theirs.get("byte-order") == "big-endian"
        if isinstance(kind, Scalar) and kind.size == SIZES[sort]:
            if kind.size > 1 and (kind.code[0] == "!") != big:
                return f"is {'big' if big else 'host'}-endian, and not here"
            signed = sort[0] == "s"
            return "" if signed == kind.code[-1].islower() else f"is {sort}, and {described(kind)} here"
        if kind is IP and sort == "u32" or not isinstance(kind, (Scalar, Text)) and kind not in (FLAG, MAC):
            return ""
        return f"is {sort}, and {described(kind)} here"
    if sort == "string":
        return "" if isinstance(kind, Text) else f"is a string, and {described(kind)} here"
    if sort == "flag":
        return "" if kind is FLAG else f"is a flag, and {described(kind)} here"
    return ""


def walk(spec: dict[str, Any]) -> Comparison | None:
    """Compare one specification from its messages on; None if nothing of it is described here."""
    found = Comparison(spec)
    family = FAMILIES.get(spec["name"])
    protocol = PROTOCOLS.get(re.split(r"[-_]", spec["name"])[0])
    if family is not None:
        tables = {plain(name): attrs for table in (family.requests, family.answers) for name, attrs in table.values()}
        prefix = spec["operations"].get("name-prefix", f"{spec['name']}-cmd-")
        for one in spec["operations"]["list"]:
            ours = tables.get(plain(prefix + one["name"]))
            if ours is not None and "attribute-set" in one:
                found.compare(one["attribute-set"], ours)
    elif protocol is not None:
        known = explain.descriptions(protocol)
        for one in spec["operations"]["list"]:
            for way in ("do", "dump"):
                number = ((one.get(way) or {}).get("request") or {}).get("value")
                message = known.get(number or 0)
                attrs = getattr(message.layout, "attrs", None) if message is not None else None
                if isinstance(attrs, Attrs) and "attribute-set" in one:
                    found.compare(one["attribute-set"], attrs)
    return found if found.agree or found.differ else None


def main() -> int:
    """Compare all specifications of a directory; return the exit status."""
    yaml = import_module("yaml")

    words = [word for word in sys.argv[1:] if word != "-v"]
    if len(words) != 1 or not os.path.isdir(words[0]):
        print(__doc__)
        return 2
    wrong = 0
    print(f"{'specification':<16} {'agree':>6} {'not here':>9} {'differ':>7}")
    for path in sorted(Path(words[0]).glob("*.yaml")):
        found = walk(yaml.safe_load(path.read_text()))
        if found is None:
            continue
        print(f"{path.stem:<16} {len(found.agree):>6} {len(found.missing):>9} {len(found.differ):>7}")
        for (group, name), problem in sorted(found.differ.items()):
            reason = JUDGED.get(f"{group} {name.replace(' ', '_')}")
            wrong += reason is None
            print(f"    {group} {name} {problem}" + (f": {reason}" if reason else ""))
        if "-v" in sys.argv:
            for group, name in sorted(found.missing):
                print(f"    not here: {group} {name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
