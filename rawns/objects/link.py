"""Links: network interfaces, real and virtual (ip-link(8), `<linux/if_link.h>`)."""

from __future__ import annotations

from .. import rtnl, uapi
from ..errors import InvalidValue
from ..nlmsg import Request
from ..rtnl.link import IPV6_SETTINGS, LINKINFO
from ..terminal import short_repr
from . import prefix
from .record import Record, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypedDict, Union

    from typing_extensions import Unpack

    Ref = Union[str, int, "Link"]

    class LinkOptions(TypedDict, total=False):
        """Options that any link can be created with: see `new`."""

        up: bool | None
        address: str | None
        broadcast: str | None
        mtu: int | None
        txqlen: int | None
        txqueues: int | None
        rxqueues: int | None
        group: int | None
        ipv6_link_local: bool | None
        alias: str | None
        master: Ref | None
        link: Ref | None
        index: int | None
        netns_fd: int | None
        netns_pid: int | None

    class LinkChanges(LinkOptions, total=False):
        """Options that a link can be changed by: those of `LinkOptions`, and a new name."""

        new_name: str | None

    class VxlanOptions(LinkOptions, total=False):
        """Options of a VXLAN tunnel: see `vxlan`."""

        remote: str | None
        local: str | None
        port: int
        ttl: int
        learning: bool

    class PortOptions(TypedDict, total=False):
        """Options of a port of a bridge, as bridge(8) names them: see `change_port`."""

        hairpin: bool | None
        guard: bool | None
        root_block: bool | None
        fastleave: bool | None
        learning: bool | None
        flood: bool | None
        mcast_flood: bool | None
        bcast_flood: bool | None
        neigh_suppress: bool | None
        isolated: bool | None
        locked: bool | None
        cost: int | None
        priority: int | None
        state: int | None
        mcast_router: int | None


MIN_VID, MAX_VID = 1, 4094  # 0 and 4095 are reserved


class Link(Record):
    """One interface.

    ``mtu`` is in bytes, ``txqlen`` in packets, ``flags`` are IFF_* bits, ``master`` is the index of its bridge, bond or VRF.
    ``peer`` is the index of a veth's other end (or of a lower device), in the namespace ``peer_nsid`` if that is not None.
    """

    __slots__ = ()

    index: int = field("ifi_index")
    name: str = field("IFLA_IFNAME")
    address: str | None = field("IFLA_ADDRESS")
    mtu: int = field("IFLA_MTU", default=0)
    flags: int = field("ifi_flags", default=0, bits="IFF_")
    master: int | None = field("IFLA_MASTER")
    peer: int | None = field("IFLA_LINK")
    peer_nsid: int | None = field("IFLA_LINK_NETNSID")
    group: int = field("IFLA_GROUP", default=0)
    alias: str | None = field("IFLA_IFALIAS")
    txqlen: int | None = field("IFLA_TXQLEN")
    operstate: int = field("IFLA_OPERSTATE", default=uapi.IF_OPER_UNKNOWN, names="IF_OPER_")

    @property
    def stats(self) -> dict[str, int]:
        """Its counters: rx_packets, tx_bytes, rx_dropped ...; empty if they were not asked for."""
        return self.body.get("IFLA_STATS64") or {}

    @property
    def up(self) -> bool:
        """Whether it is set up (IFF_UP)."""
        return bool(self.flags & uapi.IFF_UP)

    @property
    def ipv6_link_local(self) -> bool | None:
        """Whether the kernel gives it a link-local IPv6 address when it is set up; None if it has no settings of IPv6."""
        conf = self.body.get("IFLA_AF_SPEC", {}).get("AF_INET6", {}).get("IFLA_INET6_CONF", ())
        return conf[uapi.DEVCONF_ADDR_GEN_MODE] != uapi.IN6_ADDR_GEN_MODE_NONE if len(conf) > uapi.DEVCONF_ADDR_GEN_MODE else None

    @property
    def loopback(self) -> bool:
        """Whether it is ``lo`` (IFF_LOOPBACK)."""
        return bool(self.flags & uapi.IFF_LOOPBACK)

    @property
    def carrier(self) -> bool:
        """Whether it is up, and so is the other end of its cable (IFF_LOWER_UP).

        The kernel may let it transmit a little later: `Net.link_detected` waits for that.
        """
        return bool(self.flags & uapi.IFF_LOWER_UP)

    @property
    def kind(self) -> str | None:
        """``'veth'``, ``'bridge'`` ...; None for ``lo`` and hardware."""
        kind: str | None = self._info("IFLA_INFO_KIND", str)
        return kind

    @property
    def data(self) -> dict[str, Any]:
        """The attributes of its kind (IFLA_INFO_DATA); empty if there are none, or none that are described in `rtnl`."""
        return self._info("IFLA_INFO_DATA", dict) or {}

    @property
    def port_kind(self) -> str | None:
        """The kind of its master, whose port it is: ``'bridge'``, ``'vrf'`` ...; None without one."""
        kind: str | None = self._info("IFLA_INFO_SLAVE_KIND", str)
        return kind

    @property
    def port(self) -> dict[str, Any]:
        """Its attributes as a port of its master (IFLA_INFO_SLAVE_DATA); empty without one."""
        return self._info("IFLA_INFO_SLAVE_DATA", dict) or {}

    def _info(self, key: str, type: type) -> Any:
        info = self.body.get("IFLA_LINKINFO")
        found = info.get(key) if isinstance(info, dict) else None
        return found if isinstance(found, type) else None

    @property
    def altnames(self) -> list[str]:
        """Its alternative names (Linux 5.5)."""
        names: list[str] = self.body.get("IFLA_PROP_LIST", {}).get("IFLA_ALT_IFNAME", [])
        return names

    def _title(self) -> str:
        return str(self.body.get("IFLA_IFNAME", ""))


# -- checks -----------------------------------------------------------------------------------------------------------


def check_name(name: str, limit: int = uapi.IFNAMSIZ) -> str:
    """Return ``name`` if the kernel can take it: 1 to 15 bytes without ``/``, ``:`` and white space.  Raises `InvalidValue`."""
    if not isinstance(name, str) or name in ("", ".", "..") or "\0" in name:
        raise InvalidValue(f"{short_repr(name)} cannot name an interface")
    if "/" in name or ":" in name or name.split() != [name]:
        raise InvalidValue(f"{short_repr(name)} cannot name an interface: it has a slash, a colon or white space in it")
    if _size(name) >= limit:
        raise InvalidValue(f"{short_repr(name)} cannot name an interface: a name has at most {limit - 1} bytes")
    return name


def check_flag(word: str, value: object) -> bool:
    """Return ``value`` if it is True or False: a text like ``"no"`` would count as true.  Raises `InvalidValue`."""
    if not isinstance(value, bool):
        raise InvalidValue(f"{word}: expected True or False, not {short_repr(value)}")
    return value


def _size(name: str) -> int:
    try:
        return len(name.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        raise InvalidValue(f"{short_repr(name)} cannot name an interface: it cannot be encoded as UTF-8") from None


# -- options ----------------------------------------------------------------------------------------------------------

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
    "ipv6_link_local": "IFLA_AF_SPEC",
}
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
VXLAN_PORT = 4789  # RFC 7348
IPVLAN_MODES = {"l2": uapi.IPVLAN_MODE_L2, "l3": uapi.IPVLAN_MODE_L3, "l3s": uapi.IPVLAN_MODE_L3S}
MACVLAN_MODES = {
    "private": uapi.MACVLAN_MODE_PRIVATE,
    "vepa": uapi.MACVLAN_MODE_VEPA,
    "bridge": uapi.MACVLAN_MODE_BRIDGE,
    "passthru": uapi.MACVLAN_MODE_PASSTHRU,
    "source": uapi.MACVLAN_MODE_SOURCE,
}


def body(options: Mapping[str, object]) -> dict[str, Any]:
    """Return options as the body of a message; those that are None are left out.  Raises `InvalidValue` for an unknown one.

    A link that they name (``master``, ``link``) must be an index or a `Link`: to look up a name is the caller's task.
    """
    fields: dict[str, Any] = {}
    for word, value in options.items():
        if value is None:
            continue
        if word == "up":
            fields["ifi_flags"], fields["ifi_change"] = uapi.IFF_UP if check_flag(word, value) else 0, uapi.IFF_UP
        elif word == "ipv6_link_local":
            mode = uapi.IN6_ADDR_GEN_MODE_EUI64 if check_flag(word, value) else uapi.IN6_ADDR_GEN_MODE_NONE
            fields[OPTIONS[word]] = {"AF_INET6": {"IFLA_INET6_ADDR_GEN_MODE": mode}}
        elif word in OPTIONS:
            fields[OPTIONS[word]] = value.index if isinstance(value, Link) else value
        else:
            raise InvalidValue(f"a link has no option {word!r}; it has up, {', '.join(OPTIONS)}")
    return fields


def reference(link: Ref) -> dict[str, Any]:
    """Return the part of a body that says which link is meant: by its index if that is known, else by its name.

    Raises `InvalidValue`.
    """
    if isinstance(link, Link):
        return {"ifi_index": link.index}
    if isinstance(link, int):
        return {"ifi_index": link}
    if not isinstance(link, str):
        raise InvalidValue(f"expected a link (its name, its index or a Link), not {short_repr(link)}")
    if _size(link) >= uapi.IFNAMSIZ:
        return {"IFLA_ALT_IFNAME": link}  # the kernel looks an alternative name up under this attribute only
    return {"IFLA_IFNAME": check_name(link)}


def name_of(link: Ref) -> str:
    """Return what an error message calls a link."""
    return link.name if isinstance(link, Link) else link if isinstance(link, str) else f"number {link}"


# -- requests: list -----------------------------------------------------------------------------------------------------


def request(which: Mapping[str, Any], *, all: bool = False, stats: bool = True, context: str = "") -> Request:
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
    """List all links without their statistics, and decode only these attributes and those of their kinds: for thousands."""
    found = request({}, all=True, stats=False)
    nests: dict[str, Any] = {"IFLA_LINKINFO": LINKINFO.select("IFLA_INFO_KIND", "IFLA_INFO_DATA")}
    if "IFLA_AF_SPEC" in names:
        nests["IFLA_AF_SPEC"] = IPV6_SETTINGS
    found.reading = rtnl.NEWLINK.select(*names, **nests)
    return found


def index_of(name: str) -> Request:
    """Ask for one link, and decode only its header: to look up an index."""
    found = request(reference(name), stats=False, context=f"link {name}")
    found.reading = rtnl.NEWLINK.select()
    return found


def get(link: Ref) -> Request:
    """Ask for one link: ``ip link show dev NAME``."""
    return request(reference(link), context=f"link {name_of(link)}")


# -- requests: create -----------------------------------------------------------------------------------------------------


def new(name: str, kind: str, data: Mapping[str, Any] | None = None, **options: Unpack[LinkOptions]) -> Request:
    """Create a link of a kind: ``ip link add NAME type KIND``.  ``data`` are the attributes of the kind by their C names.

    ``options``: up, address (MAC), broadcast, mtu (bytes), txqlen (packets), txqueues, rxqueues, group, alias, master and link
    (links), index, netns_fd and netns_pid (where to create it).  Raises `InvalidValue`.
    """
    info: dict[str, Any] = {"IFLA_INFO_KIND": kind}
    if data:
        info["IFLA_INFO_DATA"] = data
    fields = {"IFLA_IFNAME": check_name(name), **body(options), "IFLA_LINKINFO": info}
    return Request(rtnl.NEWLINK, fields, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL, f"link {name}")


def veth(name: str, peer: str, peer_options: Mapping[str, Any] | None = None, **options: Unpack[LinkOptions]) -> Request:
    """Create a pair of links, the ends of a cable: ``ip link add NAME type veth peer name PEER [netns NS]``.

    The peer cannot be created up: the kernel refuses that (ENOTCONN).  Raises `InvalidValue`.
    """
    other = {"IFLA_IFNAME": check_name(peer), **body(peer_options or {})}
    if other.get("ifi_index") and not options.get("index"):
        raise InvalidValue(f"the kernel ignores an index for {peer} unless {name} is given one too")
    return new(name, "veth", {"VETH_INFO_PEER": other}, **options)


def vxlan(
    name: str,
    vni: int,
    *,
    remote: str | None = None,
    local: str | None = None,
    port: int = VXLAN_PORT,
    dev: int = 0,
    ttl: int = 0,
    learning: bool = True,
    **options: Unpack[LinkOptions],
) -> Request:
    """Create a tunnel over UDP: ``ip link add NAME type vxlan id VNI [remote|group ADDR] [local ADDR] [dev NAME] dstport PORT``.

    ``remote`` is an address, or a multicast group, which needs ``dev``, an index.  Without it, the entries of the
    forwarding database say where frames are sent.  Packets grow by 50 bytes, over IPv6 by 70; the kernel lowers the MTU
    for that only if ``dev`` is given.  Raises `InvalidValue`.
    """
    if not (isinstance(vni, int) and 0 <= vni < 1 << 24):
        raise InvalidValue(f"{short_repr(vni)} is not a VXLAN id, a number of 24 bits")
    if not (isinstance(port, int) and 0 < port < 1 << 16):
        raise InvalidValue(f"{short_repr(port)} is not a UDP port")
    data: dict[str, Any] = {
        "IFLA_VXLAN_ID": vni,
        "IFLA_VXLAN_PORT": port,
        "IFLA_VXLAN_LEARNING": int(check_flag("learning", learning)),
    }
    family = 0
    for text, key in ((remote, "IFLA_VXLAN_GROUP"), (local, "IFLA_VXLAN_LOCAL")):
        if text is not None:
            where = prefix.address(text, family)
            family = where.family
            data[key if family == uapi.AF_INET else f"{key}6"] = where.address
    data.update({key: value for key, value in (("IFLA_VXLAN_LINK", dev), ("IFLA_VXLAN_TTL", ttl)) if value})
    return new(name, "vxlan", data, **options)


def macvlan(name: str, lower: int, mode: str = "bridge", kind: str = "macvlan", **options: Unpack[LinkOptions]) -> Request:
    """Create a link with a MAC of its own on top of another: ``ip link add link LOWER name NAME type macvlan mode MODE``.

    ``lower`` is an index in the namespace that is asked; the new link may be created in another one (``netns_fd``).
    ``mode`` is one of `MACVLAN_MODES`.  Raises `InvalidValue`.
    """
    if not isinstance(mode, str) or mode not in MACVLAN_MODES:
        raise InvalidValue(f"{short_repr(mode)} is not a mode of a {kind}: {', '.join(MACVLAN_MODES)}")
    options["link"] = lower
    return new(name, kind, {"IFLA_MACVLAN_MODE": MACVLAN_MODES[mode]}, **options)


# -- requests: change, delete -----------------------------------------------------------------------------------------------


def change(ref: Ref, /, **options: Unpack[LinkChanges]) -> Request:
    """Change a link: ``ip link set NAME ...``.  To rename it (``new_name``), refer to it by index.  Raises `InvalidValue`."""
    fields = {**reference(ref), **body(options)}
    new_name = options.get("new_name")
    if new_name is not None:
        check_name(new_name)
        if not isinstance(ref, (int, Link)):
            raise InvalidValue(f"to rename {ref} its index is needed")
    return Request(rtnl.NEWLINK, fields, 0, f"link {name_of(ref)}")


def reconfigure(link: Ref, kind: str, data: Mapping[str, Any]) -> Request:
    """Change the attributes of a link's kind: ``ip link set NAME type KIND ...``."""
    info = {"IFLA_INFO_KIND": kind, "IFLA_INFO_DATA": data}
    return Request(rtnl.NEWLINK, {**reference(link), "IFLA_LINKINFO": info}, 0, f"link {name_of(link)}")


def change_port(link: Ref, **options: Unpack[PortOptions]) -> Request:
    """Change a link as a port of its bridge: ``bridge link set dev NAME ...``.  Raises `InvalidValue`.

    Sends RTM_NEWLINK with IFLA_INFO_SLAVE_DATA, as ``ip link set NAME type bridge_slave`` does.  The kernel refuses if the link
    is not a port of a bridge.
    """
    data: dict[str, int] = {}
    for word, value in options.items():
        if word not in PORT_OPTIONS:
            raise InvalidValue(f"a bridge's port has no option {word!r}; it has {', '.join(PORT_OPTIONS)}")
        if value is not None:
            if not isinstance(value, int):
                raise InvalidValue(f"{word}: expected a number, True or False, not {short_repr(value)}")
            data[PORT_OPTIONS[word]] = int(value)
    info = {"IFLA_INFO_SLAVE_KIND": "bridge", "IFLA_INFO_SLAVE_DATA": data}
    return Request(rtnl.NEWLINK, {**reference(link), "IFLA_LINKINFO": info}, 0, f"bridge port {name_of(link)}")


def delete(link: Ref) -> Request:
    """Delete a link, and with a veth its peer: ``ip link del NAME``."""
    return Request(rtnl.DELLINK, reference(link), 0, f"link {name_of(link)}")


def delete_group(group: int) -> Request:
    """Delete all links of a group: ``ip link del group GROUP``.  The kernel refuses (ENODEV) if it has none.

    All of them share one grace period: 100 veths take 26 ms, one by one 1.5 s.  Group 0 is the default of all links;
    `InvalidValue` for that, and for what is not a group.
    """
    if not (isinstance(group, int) and 0 < group < 1 << 32):
        raise InvalidValue(f"{short_repr(group)} is not a group that can be deleted, a number from 1 to {2**32 - 1}")
    return Request(rtnl.DELLINK, {"IFLA_GROUP": group}, 0, f"group {group}")


def add_altname(link: Ref, *names: str) -> Request:
    """Add alternative names, of up to 127 bytes: ``ip link property add dev NAME altname OTHER ...`` (Linux 5.5)."""
    flags = uapi.NLM_F_CREATE | uapi.NLM_F_EXCL | uapi.NLM_F_APPEND
    return Request(rtnl.NEWLINKPROP, _altnames(link, names), flags, f"alternative name of {name_of(link)}")


def delete_altname(link: Ref, *names: str) -> Request:
    """Delete alternative names: ``ip link property del dev NAME altname OTHER ...``."""
    return Request(rtnl.DELLINKPROP, _altnames(link, names), 0, f"alternative name of {name_of(link)}")


def _altnames(link: Ref, names: tuple[str, ...]) -> dict[str, Any]:
    if not names:
        raise InvalidValue("expected an alternative name")
    checked = [check_name(name, uapi.ALTIFNAMSIZ) for name in names]
    return {**reference(link), "IFLA_PROP_LIST": {"IFLA_ALT_IFNAME": checked}}
