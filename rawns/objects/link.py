"""Links: network interfaces, real and virtual (ip-link(8), `<linux/if_link.h>`).

Floor 3, pure: a record and the requests that list, make, change and delete.
"""

from __future__ import annotations

from .. import rtnl, uapi
from ..errors import InvalidValue, WireError
from ..nlmsg import Request
from ..wire import link_address
from . import prefix
from .record import Field, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Union

    Ref = Union[str, int, "Link"]


class Link(Record):
    """One interface.  ``peer`` is the index of a veth's other end (or a lower device) in namespace ``peer_nsid``."""

    __slots__ = ()

    index = Field("ifi_index")
    name = Field("IFLA_IFNAME")
    address = Field("IFLA_ADDRESS")
    mtu = Field("IFLA_MTU")
    flags = Field("ifi_flags", default=0)
    master = Field("IFLA_MASTER")
    peer = Field("IFLA_LINK")
    peer_nsid = Field("IFLA_LINK_NETNSID")
    group = Field("IFLA_GROUP", default=0)
    alias = Field("IFLA_IFALIAS")
    txqlen = Field("IFLA_TXQLEN")
    stats = Field("IFLA_STATS64")

    @property
    def up(self) -> bool:
        """Whether it is meant to be up (IFF_UP)."""
        return bool(self.flags & uapi.IFF_UP)

    @property
    def carrier(self) -> bool:
        """Whether it could send now: up, and the cable is in at both ends (IFF_LOWER_UP)."""
        return bool(self.flags & uapi.IFF_LOWER_UP)

    @property
    def kind(self) -> str | None:
        """``'veth'``, ``'bridge'`` ...; None for ``lo`` and hardware."""
        kind: str | None = self.body.get("IFLA_LINKINFO", {}).get("IFLA_INFO_KIND")
        return kind

    @property
    def data(self) -> dict[str, Any]:
        """What its kind says of it (IFLA_INFO_DATA); empty where there is nothing, or nothing we can read."""
        data = self.body.get("IFLA_LINKINFO", {}).get("IFLA_INFO_DATA")
        return data if isinstance(data, dict) else {}

    @property
    def port(self) -> dict[str, Any]:
        """What its master says of it as a port (IFLA_INFO_SLAVE_DATA); empty where there is none."""
        data = self.body.get("IFLA_LINKINFO", {}).get("IFLA_INFO_SLAVE_DATA")
        return data if isinstance(data, dict) else {}

    @property
    def altnames(self) -> list[str]:
        """Its other names (Linux 5.5)."""
        names: list[str] = self.body.get("IFLA_PROP_LIST", {}).get("IFLA_ALT_IFNAME", [])
        return names


def check_name(name: str, limit: int = uapi.IFNAMSIZ) -> str:
    """``name`` if the kernel could take it: 1 to 15 bytes without ``/``, ``:`` and white space.  Raises `InvalidValue`."""
    if not isinstance(name, str) or name in ("", ".", "..") or "\0" in name:
        raise InvalidValue(f"{name!r} cannot name an interface")
    if "/" in name or ":" in name or name.split() != [name]:
        raise InvalidValue(f"{name!r} cannot name an interface: it has a slash, a colon or white space in it")
    if _size(name) >= limit:
        raise InvalidValue(f"{name!r} cannot name an interface: a name has at most {limit - 1} bytes")
    return name


def _size(name: str) -> int:
    try:
        return len(name.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        raise InvalidValue(f"{name!r} cannot name an interface: it cannot be written as bytes") from None


def check_address(address: str) -> int:
    """Return how many bytes a link-layer address has.  Raises `InvalidValue` if it is not one."""
    try:
        return len(link_address(address))
    except WireError as error:
        raise InvalidValue(str(error)) from None


# What a caller may say of a link, and where it stands in the message.  `master` and the others that name a link
# are indexes here: whoever knows the namespace looks them up.
OPTIONS = {
    "address": "IFLA_ADDRESS",
    "broadcast": "IFLA_BROADCAST",
    "mtu": "IFLA_MTU",
    "txqlen": "IFLA_TXQLEN",
    "txqueues": "IFLA_NUM_TX_QUEUES",
    "rxqueues": "IFLA_NUM_RX_QUEUES",
    "group": "IFLA_GROUP",
    "alias": "IFLA_IFALIAS",
    "master": "IFLA_MASTER",
    "link": "IFLA_LINK",
    "index": "ifi_index",
    "netns_fd": "IFLA_NET_NS_FD",
    "netns_pid": "IFLA_NET_NS_PID",
    "new_name": "IFLA_IFNAME",
}


# What a bridge's port may be told, in the words of bridge(8): yes or no, but for the last four.
PORT_OPTIONS = {
    "hairpin": "IFLA_BRPORT_MODE",
    "guard": "IFLA_BRPORT_GUARD",
    "root_block": "IFLA_BRPORT_PROTECT",
    "fastleave": "IFLA_BRPORT_FAST_LEAVE",
    "learning": "IFLA_BRPORT_LEARNING",
    "flood": "IFLA_BRPORT_UNICAST_FLOOD",
    "mcast_flood": "IFLA_BRPORT_MCAST_FLOOD",
    "bcast_flood": "IFLA_BRPORT_BCAST_FLOOD",
    "neigh_suppress": "IFLA_BRPORT_NEIGH_SUPPRESS",
    "isolated": "IFLA_BRPORT_ISOLATED",
    "locked": "IFLA_BRPORT_LOCKED",
    "cost": "IFLA_BRPORT_COST",
    "priority": "IFLA_BRPORT_PRIORITY",
    "state": "IFLA_BRPORT_STATE",
    "mcast_router": "IFLA_BRPORT_MULTICAST_ROUTER",
}

MACVLAN_MODES = {
    "private": uapi.MACVLAN_MODE_PRIVATE,
    "vepa": uapi.MACVLAN_MODE_VEPA,
    "bridge": uapi.MACVLAN_MODE_BRIDGE,
    "passthru": uapi.MACVLAN_MODE_PASSTHRU,
}


def body(options: dict[str, Any]) -> dict[str, Any]:
    """Options by keyword as a message's body; those that are None are left out.  Raises `InvalidValue`."""
    fields: dict[str, Any] = {}
    for word, value in options.items():
        if value is None:
            continue
        if word == "up":
            fields["ifi_flags"], fields["ifi_change"] = uapi.IFF_UP if value else 0, uapi.IFF_UP
        elif word in OPTIONS:
            fields[OPTIONS[word]] = value
        else:
            raise InvalidValue(f"a link has no option {word!r}; it has up, {', '.join(OPTIONS)}")
    return fields


def reference(link: Ref) -> dict[str, Any]:
    """The part of a body that says which link is meant: its index where that is known, else its name."""
    if isinstance(link, Link):
        return {"ifi_index": link.index}
    if isinstance(link, int):
        return {"ifi_index": link}
    if not isinstance(link, str):
        raise InvalidValue(f"{link!r} is no link: a name, an index or a Link is due")
    if _size(link) >= uapi.IFNAMSIZ:
        return {"IFLA_ALT_IFNAME": link}  # the kernel looks an alternative name up under this attribute only
    return {"IFLA_IFNAME": check_name(link)}


def request(which: dict[str, Any], *, all: bool = False, stats: bool = True, context: str = "") -> Request:
    """Ask for the link that a body names, or with ``all`` for every link that it selects.

    Every request for links has IFLA_EXT_MASK: without it the kernel does not size its answer for the largest link, and a dump
    ends before that link without an error.  The mask is that of `ip`; ``stats`` False leaves statistics out.
    """
    mask = uapi.RTEXT_FILTER_VF | (0 if stats else uapi.RTEXT_FILTER_SKIP_STATS)
    return Request(rtnl.GETLINK, {**which, "IFLA_EXT_MASK": mask}, uapi.NLM_F_DUMP if all else 0, context)


def dump(kind: str | None = None) -> Request:
    """List all links, or those of one kind: ``ip link show [type KIND]``."""
    return request({"IFLA_LINKINFO": {"IFLA_INFO_KIND": kind}} if kind else {}, all=True)


def brief(*names: str) -> Request:
    """All links without their statistics, with their kinds and these attributes alone: to read thousands of them."""
    found = request({}, all=True, stats=False)
    found.reading = rtnl.NEWLINK.select(*names, IFLA_LINKINFO=rtnl.LINKINFO.select("IFLA_INFO_KIND", "IFLA_INFO_DATA"))
    return found


def index_of(name: str) -> Request:
    """One link, of which nothing is read but its header: to look up an index."""
    found = request(reference(name), stats=False, context=f"link {name}")
    found.reading = rtnl.NEWLINK.select()
    return found


def get(link: Ref) -> Request:
    """One link: ``ip link show dev NAME``."""
    return request(reference(link), context=f"link {name_of(link)}")


def new(name: str, kind: str, data: dict[str, Any] | None = None, **options: Any) -> Request:
    """Make a link of a kind: ``ip link add NAME type KIND``.  ``data`` are the kind's own attributes."""
    info: dict[str, Any] = {"IFLA_INFO_KIND": kind}
    if data:
        info["IFLA_INFO_DATA"] = data
    fields = {"IFLA_IFNAME": check_name(name), **body(options), "IFLA_LINKINFO": info}
    return Request(rtnl.NEWLINK, fields, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL, f"link {name}")


def veth(name: str, peer: str, peer_options: dict[str, Any] | None = None, **options: Any) -> Request:
    """Make a cable with two ends: ``ip link add NAME type veth peer name PEER [netns NS]``.

    The peer cannot be born up: the kernel would say ENOTCONN.
    """
    other = {"IFLA_IFNAME": check_name(peer), **body(peer_options or {})}
    if other.get("ifi_index") and not options.get("index"):
        raise InvalidValue(f"the kernel heeds an index for {peer} only where {name} is given one too")
    return new(name, "veth", {"VETH_INFO_PEER": other}, **options)


def vxlan(
    name: str,
    vni: int,
    *,
    remote: str | None = None,
    local: str | None = None,
    port: int = 4789,
    dev: int = 0,
    ttl: int = 0,
    learning: bool = True,
    **options: Any,
) -> Request:
    """Make a tunnel over UDP: ``ip link add NAME type vxlan id VNI [remote|group ADDR] [local ADDR] [dev NAME] dstport PORT``.

    ``remote`` is one address, or of a group that all subscribe to, which takes ``dev``, an index.  Without any, entries of
    the forwarding database say where to.  Packets grow by 50 bytes, over IPv6 by 70: the MTU is the caller's affair
    where no ``dev`` is given.
    """
    if not (isinstance(vni, int) and 0 <= vni < 1 << 24):
        raise InvalidValue(f"{vni!r} is no VXLAN id: it is a number of 24 bits")
    if not (isinstance(port, int) and 0 < port < 1 << 16):
        raise InvalidValue(f"{port!r} is no UDP port")
    data: dict[str, Any] = {"IFLA_VXLAN_ID": vni, "IFLA_VXLAN_PORT": port, "IFLA_VXLAN_LEARNING": int(learning)}
    family = 0
    for text, key in ((remote, "IFLA_VXLAN_GROUP"), (local, "IFLA_VXLAN_LOCAL")):
        if text is not None:
            where = prefix.address(text, family)
            family = where.family
            data[key if family == uapi.AF_INET else f"{key}6"] = where.address
    data.update({key: value for key, value in (("IFLA_VXLAN_LINK", dev), ("IFLA_VXLAN_TTL", ttl)) if value})
    return new(name, "vxlan", data, **options)


def macvlan(name: str, lower: int, mode: str = "bridge", kind: str = "macvlan", **options: Any) -> Request:
    """Make a link that shares another's cable under its own MAC: ``ip link add link LOWER name NAME type macvlan mode MODE``.

    ``lower`` is an index where the link is made; it may live in another namespace at once (``netns_fd``).
    """
    if mode not in MACVLAN_MODES:
        raise InvalidValue(f"{mode!r} is no mode of a {kind}: {', '.join(MACVLAN_MODES)}")
    return new(name, kind, {"IFLA_MACVLAN_MODE": MACVLAN_MODES[mode]}, link=lower, **options)


def change(link: Ref, **options: Any) -> Request:
    """Change a link: ``ip link set NAME ...``.  To rename it (``new_name``), refer to it by index."""
    fields = {**reference(link), **body(options)}
    if options.get("new_name") is not None:
        check_name(options["new_name"])
        if not isinstance(link, (int, Link)):
            raise InvalidValue(f"to rename {link} its index is needed")
    return Request(rtnl.NEWLINK, fields, 0, f"link {name_of(link)}")


def reconfigure(link: Ref, kind: str, data: dict[str, Any]) -> Request:
    """Change what is a kind's own: ``ip link set NAME type KIND ...``."""
    info = {"IFLA_INFO_KIND": kind, "IFLA_INFO_DATA": data}
    return Request(rtnl.NEWLINK, {**reference(link), "IFLA_LINKINFO": info}, 0, f"link {name_of(link)}")


def delete(link: Ref) -> Request:
    """Delete a link: ``ip link del NAME``.  A veth takes its peer along."""
    return Request(rtnl.DELLINK, reference(link), 0, f"link {name_of(link)}")


def change_port(link: Ref, **options: Any) -> Request:
    """Change what a link is to its bridge: ``bridge link set dev NAME ...``, in its words (`PORT_OPTIONS`).

    RTM_NEWLINK with IFLA_INFO_SLAVE_DATA, as ``ip link set NAME type bridge_slave`` does it; refused where there is no bridge.
    """
    unknown = [word for word in options if word not in PORT_OPTIONS]
    if unknown:
        raise InvalidValue(f"a bridge's port has no option {unknown[0]!r}; it has {', '.join(PORT_OPTIONS)}")
    data = {PORT_OPTIONS[word]: int(value) for word, value in options.items() if value is not None}
    info = {"IFLA_INFO_SLAVE_KIND": "bridge", "IFLA_INFO_SLAVE_DATA": data}
    return Request(rtnl.NEWLINK, {**reference(link), "IFLA_LINKINFO": info}, 0, f"bridge port {name_of(link)}")


def delete_group(group: int) -> Request:
    """Delete all links of a group in one go: ``ip link del group GROUP``.  ENODEV where it has none.

    One grace period for all of them: 100 veths in 26 ms, where one by one takes 1.5 s.  Group 0 is everybody's: refused.
    """
    if not (isinstance(group, int) and 0 < group < 1 << 32):
        raise InvalidValue(f"{group!r} is no group of links that could be deleted: it is a number from 1 to {2**32 - 1}")
    return Request(rtnl.DELLINK, {"IFLA_GROUP": group}, 0, f"group {group}")


def add_altname(link: Ref, *names: str) -> Request:
    """Give a link other names, of up to 127 bytes: ``ip link property add dev NAME altname OTHER ...`` (Linux 5.5)."""
    flags = uapi.NLM_F_CREATE | uapi.NLM_F_EXCL | uapi.NLM_F_APPEND
    return Request(rtnl.NEWLINKPROP, _altnames(link, names), flags, f"alternative name of {name_of(link)}")


def delete_altname(link: Ref, *names: str) -> Request:
    """Take other names away: ``ip link property del dev NAME altname OTHER ...``."""
    return Request(rtnl.DELLINKPROP, _altnames(link, names), 0, f"alternative name of {name_of(link)}")


def _altnames(link: Ref, names: tuple[str, ...]) -> dict[str, Any]:
    if not names:
        raise InvalidValue("an alternative name is due")
    checked = [check_name(name, uapi.ALTIFNAMSIZ) for name in names]
    return {**reference(link), "IFLA_PROP_LIST": {"IFLA_ALT_IFNAME": checked}}


def name_of(link: Ref) -> str:
    """How to call it in a sentence."""
    return link.name if isinstance(link, Link) else link if isinstance(link, str) else f"number {link}"
