"""Kinds of links for `rawns ip`: the words of their options, their help, and their output with ``-d``.

One module describes a family of kinds.  To add a kind, add it to its family's module and to `MODULES`.
"""

from __future__ import annotations

from .... import uapi
from ..grammar import FAILED, CommandError, matches
from ..render import JsonObject, OutputField, OutputRow, fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Args, Body, Callable, IpContext, Iterator
    from .kind import LinkKind

MODULES = {
    kind: module
    for module, kinds in {
        "bridge": "bridge bridge_slave",
        "simple": "veth vxcan dummy ifb nlmon vcan team team_slave netdevsim",
        "gre": "gre gretap erspan ip6gre ip6gretap ip6erspan",
        "iptunnel": "ipip sit ip6tnl vti vti6",
        "xfrm": "xfrm",
        "bareudp": "bareudp",
        "hsr": "hsr",
        "netkit": "netkit",
        "overlay": "vxlan geneve",
        "macvlan": "macvlan macvtap",
        "ipvlan": "ipvlan ipvtap",
        "vlan": "vlan",
        "vrf": "vrf vrf_slave",
        "tun": "tun",
        "bond": "bond bond_slave",
    }.items()
    for kind in kinds.split()
}
WITHOUT_OPTIONS = frozenset("amt batadv can dsa gtp ipoib macsec rmnet wwan".split())  # iproute2 has options for them
KIND_ROWS = (OutputRow("IFLA_INFO_KIND", "info_kind", "\n    %s "),)
SLAVE_ROWS = (OutputRow("IFLA_INFO_SLAVE_KIND", "info_slave_kind", "\n    %s_slave "),)


def find(kind: str) -> LinkKind | None:
    """Return the description of a kind, or None if there is none."""
    module = MODULES.get(kind)
    if module is None:
        return None
    found: LinkKind = __import__(f"{__name__}.{module}", fromlist=["KINDS"]).KINDS[kind]
    return found


def info(kind: str, args: Args, index: int, help: Callable[[], CommandError]) -> Body:
    """Return IFLA_LINKINFO for a kind and the words of its options; ``index`` is 0 if a link is created.

    Raises `CommandError`.
    """
    body: Body = {"IFLA_INFO_KIND": kind}
    if not args:
        return body
    described = find(kind)
    if described is None:
        word = args.take()
        if matches(word, "help"):
            raise help()
        if kind in WITHOUT_OPTIONS:
            raise CommandError(f'Options of links of the kind "{kind}" are not supported by rawns: "{word}".')
        raise CommandError(f'Garbage instead of arguments "{word} ...". Try "ip link help".', FAILED)
    data = {} if described.parse is None else described.parse(args, index)  # without a parser, iproute2 ignores the words
    if kind.endswith("_slave"):  # iproute2 sends the port's kind as IFLA_INFO_KIND, so no attribute tells the kind of the data
        from ....rtnl.link import PORT_DATA

        body["IFLA_INFO_SLAVE_DATA"] = PORT_DATA.type_of(kind[: -len("_slave")]).pack(data, data) if data else b""
    else:
        body["IFLA_INFO_DATA" if data else uapi.IFLA_INFO_DATA] = data or b""
    return body


def help_of(kind: str) -> str | None:
    """Return the help text of a kind; None if it has none."""
    described = find(kind)
    return None if described is None else described.help or None


def shown(record: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield IFLA_LINKINFO: the kind of the link and its options, then the kind of its master and its options as a port."""
    for rows, kind, data, suffix in (
        (KIND_ROWS, "IFLA_INFO_KIND", "IFLA_INFO_DATA", ""),
        (SLAVE_ROWS, "IFLA_INFO_SLAVE_KIND", "IFLA_INFO_SLAVE_DATA", "_slave"),
    ):
        if kind not in record:
            continue
        yield from fields(rows, record, ip)
        described = find(f"{record[kind]}{suffix}") if isinstance(record.get(data), dict) else None
        if described is not None and described.show is not None:
            yield OutputField(f"info{suffix}_data", JsonObject(described.show(record[data], ip)))
