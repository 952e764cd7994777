"""VLANs on a link (ip-link(8), IEEE 802.1Q, net/8021q in the kernel)."""

from __future__ import annotations

from ..arguments import U16, U32
from ..grammar import wrong
from ..keywords import CustomKeyword, FlagSwitch, ValueKeyword
from ..render import JsonObject, OutputField, put
from .ethertypes import ethertype, ethertype_name
from .kind import described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Args, Body, Callable, IpContext, Iterator, Keyword, Record

FLAGS = {"reorder_hdr": 1, "gvrp": 2, "loose_binding": 4, "mvrp": 8, "bridge_binding": 16}  # VLAN_FLAG_*
HELP = """\
Usage: ... vlan id VLANID
\t\t[ protocol VLANPROTO ]
\t\t[ reorder_hdr { on | off } ]
\t\t[ gvrp { on | off } ]
\t\t[ mvrp { on | off } ]
\t\t[ loose_binding { on | off } ]
\t\t[ bridge_binding { on | off } ]
\t\t[ ingress-qos-map QOS-MAP ]
\t\t[ egress-qos-map QOS-MAP ]

VLANID := 0-4095
VLANPROTO: [ 802.1Q | 802.1ad ]
QOS-MAP := [ QOS-MAP ] QOS-MAPPING
QOS-MAPPING := FROM:TO"""


def _flag(name: str) -> Keyword:
    switch = FlagSwitch(f"{name}*", FLAGS[name], "flags", "mask")

    def take(args: Args, record: Record) -> None:
        switch.take(args, record.setdefault("IFLA_VLAN_FLAGS", {"flags": 0, "mask": 0}))

    return CustomKeyword(f"{name}*", take)


def _map(key: str, name: str) -> Callable[[Args, Record], None]:
    """Return a function that reads ``FROM:TO ...``, as many as follow."""

    def take(args: Args, record: Record) -> None:
        found = []
        if not args:
            args.take()  # raises: at least one word must follow
        while args and ":" in args.words[args.at]:
            word = args.take()
            start, _, end = word.partition(":")
            try:
                found.append({"from": U32(start), "to": U32(end)})
            except ValueError:
                raise wrong(start, f"invalid {name}") from None
        record[key] = {"IFLA_VLAN_QOS_MAPPING": found}

    return take


WORDS = [
    ValueKeyword("protocol*", "IFLA_VLAN_PROTOCOL", ethertype, "protocol is invalid"),
    ValueKeyword("id*", "IFLA_VLAN_ID", U16, "id is invalid"),
    *[_flag(name) for name in ("reorder_hdr", "gvrp", "mvrp", "loose_binding", "bridge_binding")],
    CustomKeyword("ingress-qos-map*", _map("IFLA_VLAN_INGRESS_QOS", "ingress-qos-map")),
    CustomKeyword("egress-qos-map*", _map("IFLA_VLAN_EGRESS_QOS", "egress-qos-map")),
]


def _show(data: Body, ip: IpContext) -> Iterator[OutputField]:
    if "IFLA_VLAN_PROTOCOL" in data:
        name = ethertype_name(data["IFLA_VLAN_PROTOCOL"], data, ip)
        yield OutputField("protocol", name, f"protocol {name} ")
    if "IFLA_VLAN_ID" in data:
        yield OutputField("id", data["IFLA_VLAN_ID"], f"id {data['IFLA_VLAN_ID']} ")
    flags = data.get("IFLA_VLAN_FLAGS", {}).get("flags", 0)
    if "IFLA_VLAN_FLAGS" in data:
        names = [name for name in ("reorder_hdr", "gvrp", "mvrp", "loose_binding", "bridge_binding") if flags & FLAGS[name]]
        names = [name.upper() for name in names]
        yield OutputField("flags", names, f"<{','.join(names)}> ")
    for key, json, name in (
        ("IFLA_VLAN_INGRESS_QOS", "ingress_qos", "ingress-qos-map"),
        ("IFLA_VLAN_EGRESS_QOS", "egress_qos", "egress-qos-map"),
    ):
        mappings = data.get(key, {}).get("IFLA_VLAN_QOS_MAPPING", [])
        if mappings:
            values = [JsonObject([OutputField("from", one["from"]), OutputField("to", one["to"])]) for one in mappings]
            text = "".join([f"{one['from']}:{one['to']} " for one in mappings])
            yield OutputField(json, values, put(f"\n      {name} {{ %s}} ", text, ip))


KINDS = {"vlan": described("vlan", HELP, WORDS, _show)}
