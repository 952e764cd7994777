"""VRF devices: a routing table of their own for the links that they are master of (ip-vrf(8))."""

from __future__ import annotations

from .. import name_tables
from ..grammar import wrong
from ..keywords import CustomKeyword
from ..render import OutputField
from .kind import LinkKind, described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Args, Body, IpContext, Iterator, Record

HELP = "Usage: ... vrf table TABLEID"


def _table(args: Args, record: Record) -> None:
    word = args.take()
    try:
        record["IFLA_VRF_TABLE"] = name_tables.number_of("rt_tables", word, 0xFFFFFFFF)
    except ValueError:
        raise wrong(word, "invalid table ID\n") from None


def _show(data: Body, ip: IpContext) -> Iterator[OutputField]:
    for key in ("IFLA_VRF_TABLE", "IFLA_VRF_PORT_TABLE"):
        if key in data:
            yield OutputField("table", data[key], f"table {data[key]} ")


KINDS = {
    "vrf": described("vrf", HELP, [CustomKeyword("table*", _table)], _show, "unknown option"),
    "vrf_slave": LinkKind("", None, _show),
}
