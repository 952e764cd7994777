"""VLANs on a link (ip-link(8), IEEE 802.1Q, net/8021q in the kernel)."""

from __future__ import annotations

from ..arguments import U16, U32
from ..ethertypes import ethertype, ethertype_name
from ..grammar import wrong
from ..keywords import CustomKeyword, FlagSwitch, ValueKeyword
from ..render import JsonObject, OutputField, OutputGroup, OutputRow, put
from .kind import described, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Args, Body, Callable, IpContext, Iterator, Keyword, Record, Row

FLAGS = {"reorder_hdr": 1, "gvrp": 2, "loose_binding": 4, "mvrp": 8, "bridge_binding": 16}  # VLAN_FLAG_*
SHOWN = ("reorder_hdr", "gvrp", "mvrp", "loose_binding", "bridge_binding")
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
    *[_flag(name) for name in SHOWN],
    CustomKeyword("ingress-qos-map*", _map("IFLA_VLAN_INGRESS_QOS", "ingress-qos-map")),
    CustomKeyword("egress-qos-map*", _map("IFLA_VLAN_EGRESS_QOS", "egress-qos-map")),
]


def _flag_names(value: Body, record: Body, ip: IpContext) -> list[str]:
    return [name.upper() for name in SHOWN if value["flags"] & FLAGS[name]]


def _map_row(key: str, name: str) -> OutputGroup:
    def show_map(value: Body, record: Body, ip: IpContext) -> Iterator[OutputField]:
        mappings = value.get("IFLA_VLAN_QOS_MAPPING", [])
        if mappings:
            values = [JsonObject([OutputField("from", one["from"]), OutputField("to", one["to"])]) for one in mappings]
            text = "".join([f"{one['from']}:{one['to']} " for one in mappings])
            yield OutputField(name.replace("-", "_").replace("_map", ""), values, put(f"\n      {name} {{ %s}} ", text, ip))

    return OutputGroup(key, show_map)


ROWS: tuple[Row, ...] = (
    OutputRow("IFLA_VLAN_PROTOCOL", "protocol", "protocol %s ", ethertype_name),
    OutputRow("IFLA_VLAN_ID", "id", "id %d "),
    OutputRow("IFLA_VLAN_FLAGS", "flags", "<%s> ", _flag_names, lambda *of: ",".join(_flag_names(*of))),
    _map_row("IFLA_VLAN_INGRESS_QOS", "ingress-qos-map"),
    _map_row("IFLA_VLAN_EGRESS_QOS", "egress-qos-map"),
)
KINDS = {"vlan": described("vlan", HELP, WORDS, show(ROWS))}
