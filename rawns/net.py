"""One namespace's network: verbs, each of them a request or two (ip(8)).

Floor 5.  `NetNS` is a `Namespace` whose ``net`` does all this through one netlink socket, opened inside when it is
first used.  Every verb raises `KernelError` where the kernel refuses, with the kernel's own words, and `InvalidValue`
for what could never be right.
"""

from __future__ import annotations

from errno import ENOENT

from . import uapi
from .errors import Interrupted, InvalidValue, KernelError
from .netlink import MAX_DUMP_ATTEMPTS, Netfilter, Netlink
from .netns import Namespace, call_inside
from .nlmsg import Listing
from .objects import address, link, neighbour, nsid, route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from .events import Monitor
    from .nft.evaluate import Evaluation, Packet
    from .nft.nat import Nat, NatTable
    from .nft.records import NftChain, NftRule
    from .nlmsg import Reply, Request
    from .objects.address import Address
    from .objects.link import Link, Ref
    from .objects.neighbour import Neighbour
    from .objects.qdisc import Qdisc, Shape
    from .objects.route import Route
    from .objects.rule import Rule
    from .objects.units import Quantity
    from .objects.vlan import Vlan
    from .sysctl import Value


class Net:
    """The network of the namespace its ``netlink`` socket was made in.

    A link is said by name, by index, or by the `Link` that `links` or `link` returned; a peer's or a target's
    namespace by a `Namespace` or a descriptor.  ``family`` is 0 for both, AF_INET or AF_INET6.
    """

    def __init__(self, netlink: Netlink) -> None:
        self.netlink = netlink
        self._netfilter: Netfilter | None = None

    @property
    def netfilter(self) -> Netfilter:
        """The socket for nf_tables, opened at first use: in the namespace that the other one is in, whoever asks."""
        if self._netfilter is None:  # two threads may both open one: the one that is not kept closes itself
            self._netfilter = Netfilter.beside(self.netlink)
        return self._netfilter

    def close(self) -> None:
        """Close the sockets; may be called again."""
        self.netlink.close()
        netfilter, self._netfilter = self._netfilter, None
        if netfilter is not None:
            netfilter.close()

    def do(self, *requests: Request) -> list[list[Reply]]:
        """Send requests in as few datagrams as hold them; the replies to each.  Raises the first `KernelError`."""
        return self.netlink.do(*requests)

    def index(self, ref: Ref) -> int:
        """The index of a link.  Raises `KernelError` (ENODEV) where there is no such link."""
        if not isinstance(ref, str):
            return ref if isinstance(ref, int) else int(ref.index)
        index: int = self.netlink.get(link.index_of(ref)).body["ifi_index"]
        return index

    # -- links ----------------------------------------------------------------------------------------------------

    def links(self, kind: str | None = None) -> Listing[Link]:
        """All links, or those of one kind, in the order of their indexes: ``ip link show [type KIND]``."""
        replies = self.netlink.dump(link.dump(kind))
        return Listing((link.Link(reply.body) for reply in replies), replies.complete)

    def link(self, ref: Ref) -> Link:
        """One link: ``ip link show dev NAME``.  Raises `KernelError` (ENODEV) where there is none."""
        return link.Link(self.netlink.get(link.get(ref)).body)

    def add_link(self, name: str, kind: str, data: dict[str, Any] | None = None, **options: Any) -> None:
        """Make a link: ``ip link add NAME type KIND``.

        ``data`` are the kind's own attributes by their C names (``{"IFLA_BR_STP_STATE": 1}``); ``options`` are up,
        address (MAC), broadcast, mtu (bytes), txqlen (packets), group, alias, index, master and link (links).
        """
        self.do(link.new(name, kind, data, **self._resolved(options)))

    def add_veth(
        self,
        name: str,
        peer: str,
        peer_ns: Namespace | int | None = None,
        peer_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Make a cable, each end born where it will live: ``ip link add NAME type veth peer name PEER [netns NS]``.

        ``options`` (of `add_link`) are for the near end, ``peer_options`` for the far one, which cannot be born up.
        """
        other = dict(peer_options or {})
        if peer_ns is not None:
            other["netns_fd"] = _descriptor(peer_ns)
        self.do(link.veth(name, peer, other, **self._resolved(options)))

    def add_bridge(self, name: str, data: dict[str, Any] | None = None, **options: Any) -> None:
        """Make a bridge: ``ip link add NAME type bridge``.  ``data`` and ``options`` as for `add_link`."""
        self.add_link(name, "bridge", data, **options)

    def set_link(self, ref: Ref, *, netns: Namespace | int | None = None, **options: Any) -> None:
        """Change a link: ``ip link set NAME up|down|mtu N|address MAC|master BR|name NEW|netns NS ...``.

        ``options`` are those of `add_link`, and ``new_name`` (which before Linux 6.2 a link that is up refuses: EBUSY);
        ``master=0`` takes it from its bridge.
        """
        if netns is not None:
            options["netns_fd"] = _descriptor(netns)
        known = self.index(ref) if options.get("new_name") is not None else ref
        self.do(link.change(known, **self._resolved(options)))

    def delete_link(self, ref: Ref) -> None:
        """Delete a link, and with a veth its peer: ``ip link del NAME``."""
        self.do(link.delete(ref))

    def delete_group(self, group: int) -> None:
        """Delete all links of a group with one grace period: ``ip link del group N``.  `KernelError` (ENODEV): it has none."""
        self.do(link.delete_group(group))

    def add_vxlan(self, name: str, vni: int, *, dev: Ref | None = None, **options: Any) -> None:
        """Make a tunnel over UDP: ``ip link add NAME type vxlan id VNI remote ADDR local ADDR dstport PORT dev NAME``.

        ``options`` are remote, local (addresses), port (4789), ttl, learning, and those of `add_link`.
        """
        self.do(link.vxlan(name, vni, dev=0 if dev is None else self.index(dev), **self._resolved(options)))

    def add_macvlan(
        self, name: str, lower: Ref, mode: str = "bridge", *, netns: Namespace | int | None = None, **options: Any
    ) -> None:
        """Make a link with a MAC of its own on another's cable: ``ip link add link LOWER name NAME [netns NS] type macvlan``."""
        if netns is not None:
            options["netns_fd"] = _descriptor(netns)
        self.do(link.macvlan(name, self.index(lower), mode, **self._resolved(options)))

    def add_altname(self, ref: Ref, *names: str) -> None:
        """Give a link other names, of up to 127 bytes: ``ip link property add dev NAME altname OTHER``."""
        self.do(link.add_altname(ref, *names))

    def delete_altname(self, ref: Ref, *names: str) -> None:
        """Take other names away: ``ip link property del dev NAME altname OTHER``."""
        self.do(link.delete_altname(ref, *names))

    # -- bridges' ports -------------------------------------------------------------------------------------------

    def set_port(self, ref: Ref, **options: Any) -> None:
        """Change what a link is to its bridge: ``bridge link set dev NAME learning off isolated on cost 5 ...``.

        In the words of bridge(8): hairpin, guard, learning, flood, mcast_flood, isolated ..., cost, priority, state.
        """
        self.do(link.change_port(ref, **options))

    def vlans(self, ref: Ref | None = None) -> Listing[Vlan]:
        """The VLANs of all ports of bridges, or of one: ``bridge vlan show [dev NAME]``."""
        from .objects import vlan

        index = 0 if ref is None else self.index(ref)
        replies = self.netlink.dump(vlan.dump())
        found = (one for reply in replies for one in vlan.read(reply.body))
        return Listing((one for one in found if index in (0, one.index)), replies.complete)

    def add_vlan(self, ref: Ref, vid: int, last: int | None = None, *, pvid: bool = False, untagged: bool = False) -> None:
        """Put a port, or a bridge itself, into a VLAN, or all to ``last``: ``bridge vlan add dev NAME vid VID [pvid] ...``."""
        from .objects import vlan

        known = self.link(ref)
        try:
            self.do(vlan.set(known.index, vid, last, pvid=pvid, untagged=untagged, own=known.kind == "bridge"))
        except KernelError as error:
            vlan.advise(error)
            raise

    def delete_vlan(self, ref: Ref, vid: int, last: int | None = None) -> None:
        """Take it out of a VLAN: ``bridge vlan del dev NAME vid VID``."""
        from .objects import vlan

        known = self.link(ref)
        self.do(vlan.delete(known.index, vid, last, own=known.kind == "bridge"))

    # -- shaping --------------------------------------------------------------------------------------------------

    def qdiscs(self, ref: Ref | None = None) -> Listing[Qdisc]:
        """The queueing disciplines of all links, or of one: ``tc qdisc show [dev NAME]``."""
        from .objects import qdisc

        index = 0 if ref is None else self.index(ref)
        replies = self.netlink.dump(qdisc.dump())
        found = (qdisc.Qdisc(reply.body) for reply in replies)
        return Listing((one for one in found if index in (0, one.index)), replies.complete)

    def shape(self, ref: Ref, rate: Quantity | None = None, **what: Any) -> None:
        """Make a link send no faster than ``rate``, late by ``delay`` and ``jitter``, and lose ``loss``: ``tc qdisc replace``.

        ``'10mbit'``, ``'20ms'``, ``'1%'``, or bits a second, seconds and a fraction.  ``burst`` (bytes) may go at once, and
        what would wait for the rate longer than ``latency`` (50 ms) is dropped.  Where the kernel lacks a discipline
        the `KernelError` says which module has it.
        """
        from .objects import qdisc

        try:
            self.do(*qdisc.shape(self.index(ref), rate=rate, **what))
        except KernelError as error:
            qdisc.advise(error)
            raise

    def shape_of(self, ref: Ref) -> Shape | None:
        """What `shape` made of a link, or None.  Equal to `objects.qdisc.Shape` of the same words."""
        from .objects import qdisc

        return qdisc.read(self.qdiscs(ref))

    def unshape(self, ref: Ref) -> None:
        """Undo `shape`: ``tc qdisc del dev NAME root``.  What somebody else put there stays."""
        from .objects import qdisc

        index = self.index(ref)
        if any(qdisc.is_ours(one) for one in self.qdiscs(index)):
            self.do(qdisc.delete(index))

    def _resolved(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options with links by name turned into indexes."""
        names = {key: self.index(options[key]) for key in ("master", "link") if options.get(key) is not None}
        return {**options, **names}

    # -- addresses ------------------------------------------------------------------------------------------------

    def addresses(self, ref: Ref | None = None, family: int = 0) -> Listing[Address]:
        """All addresses, or those of one link or family: ``ip addr show [dev NAME]``."""
        index = 0 if ref is None else self.index(ref)
        replies = self.netlink.dump(address.dump(family, index))
        found = (address.Address(reply.body) for reply in replies)
        return Listing((one for one in found if index in (0, one.index)), replies.complete)

    def add_address(self, ref: Ref, text: str, **options: Any) -> None:
        """Give a link an address: ``ip addr add TEXT dev NAME [peer ADDR] [broadcast ADDR] [nodad]``."""
        self.do(address.new(self.index(ref), text, **options))

    def delete_address(self, ref: Ref, text: str) -> None:
        """Take an address away: ``ip addr del TEXT dev NAME``."""
        self.do(address.delete(self.index(ref), text))

    # -- routes ---------------------------------------------------------------------------------------------------

    def routes(self, family: int = 0, table: int = 254) -> Listing[Route]:
        """The routes of one table, by default main: ``ip route show [table ID]``.  Table 0 is all of them.

        One that no route has been put into yet is no error: of IPv4's the kernel says that there is none (ENOENT).
        """
        try:
            replies = self.netlink.dump(route.dump(family, table))
        except KernelError as error:
            if error.errno != ENOENT:
                raise
            return Listing()
        found = (route.Route(reply.body) for reply in replies)
        return Listing((one for one in found if table in (0, one.table)), replies.complete)

    def add_route(self, destination: str, *, via: str | None = None, dev: Ref | None = None, **options: Any) -> None:
        """Add a route: ``ip route add DESTINATION|default [via GATEWAY] [dev NAME]``.

        ``options`` are source, metric, table, protocol, scope, type (``'blackhole'`` ...), onlink, mtu (bytes), family.
        """
        self.do(route.new(destination, via=via, index=None if dev is None else self.index(dev), **options))

    def replace_route(self, destination: str, *, via: str | None = None, dev: Ref | None = None, **options: Any) -> None:
        """Add a route or put it in the place of its like: ``ip route replace DESTINATION ...``.  Options as for `add_route`."""
        self.do(route.replace(destination, via=via, index=None if dev is None else self.index(dev), **options))

    def route_to(
        self, where: str, *, source: str | None = None, iif: Ref | None = None, dev: Ref | None = None, mark: int = 0
    ) -> Route:
        """Which way a packet would go: ``ip route get ADDRESS [from SOURCE] [iif NAME] [oif NAME] [mark N]``.

        With ``iif`` one that comes in there.  Raises `KernelError` as the packet would fail: ENETUNREACH, EHOSTUNREACH, EACCES.
        """
        links = {key: None if ref is None else self.index(ref) for key, ref in (("iif", iif), ("oif", dev))}
        return route.Route(self.netlink.get(route.get(where, source=source, mark=mark, **links)).body)

    def delete_route(self, destination: str, *, via: str | None = None, dev: Ref | None = None, **options: Any) -> None:
        """Delete a route: ``ip route del DESTINATION ...``.  Raises `KernelError` (ESRCH) where none fits."""
        self.do(route.delete(destination, via=via, index=None if dev is None else self.index(dev), **options))

    # -- rules ----------------------------------------------------------------------------------------------------

    def rules(self, family: int = 0) -> Listing[Rule]:
        """Which table is asked for what, in the order of asking: ``ip rule show``.  Those of multicast routing are left out."""
        from .objects import rule

        replies = self.netlink.dump(rule.dump(family))
        found = (rule.Rule(reply.body) for reply in replies)
        wanted = (family,) if family else (uapi.AF_INET, uapi.AF_INET6)
        return Listing((one for one in found if one.family in wanted), replies.complete)

    def add_rule(self, **words: Any) -> None:
        """Add a rule: ``ip rule add [from SOURCE] [to DESTINATION] [fwmark MARK/MASK] [iif] [oif] [pref N] table ID``.

        ``words`` are source, destination, mark, mask, iif, oif (names), priority, table, action, invert and family.
        """
        from .objects import rule

        self.do(rule.new(**words))

    def delete_rule(self, **words: Any) -> None:
        """Delete the first rule that has all this: ``ip rule del ...``.  Raises `KernelError` (ENOENT) where there is none."""
        from .objects import rule

        self.do(rule.delete(**words))

    # -- neighbours -----------------------------------------------------------------------------------------------

    def neighbours(self, ref: Ref | None = None, family: int = 0) -> Listing[Neighbour]:
        """All neighbours, or those of one link or family: ``ip neigh show [dev NAME]``.

        Entries that need no neighbour (NUD_NOARP: multicast, ``lo``) are left out, as `ip` leaves them out.
        """
        index = 0 if ref is None else self.index(ref)
        replies = self.netlink.dump(neighbour.dump(family, index))
        found = (neighbour.Neighbour(reply.body) for reply in replies)
        wanted = (one for one in found if index in (0, one.index) and not one.state & uapi.NUD_NOARP)
        return Listing(wanted, replies.complete)

    def add_neighbour(self, ref: Ref, where: str, lladdr: str, permanent: bool = True) -> None:
        """Add a neighbour: ``ip neigh add ADDRESS lladdr LLADDR dev NAME``."""
        self.do(neighbour.new(self.index(ref), where, lladdr, permanent))

    def delete_neighbour(self, ref: Ref, where: str) -> None:
        """Delete a neighbour: ``ip neigh del ADDRESS dev NAME``."""
        self.do(neighbour.delete(self.index(ref), where))

    # -- namespace ids --------------------------------------------------------------------------------------------

    def nsid(self, other: Namespace | int) -> int | None:
        """The id under which this namespace knows another, or None: what ``ip link`` shows as ``link-netnsid``."""
        found = nsid.Nsid(self.netlink.get(nsid.get(_descriptor(other))).body).nsid
        return None if found == nsid.NOT_ASSIGNED else found

    def set_nsid(self, other: Namespace | int, number: int = -1) -> None:
        """Give another namespace an id here, -1 for the next free one: ``ip netns set NAME ID``."""
        self.do(nsid.new(_descriptor(other), number))

    def nsids(self) -> Listing[int]:
        """All ids this namespace has given: ``ip netns list-id``."""
        replies = self.netlink.dump(nsid.dump())
        return Listing((nsid.Nsid(reply.body).nsid for reply in replies), replies.complete)

    # -- nf_tables ------------------------------------------------------------------------------------------------

    def nat(self, table: str, nats: Sequence[Nat], stamp: str = "") -> None:
        """Translate addresses as ``nats`` say, and in this table as nothing else does: ``nft -f FILE`` in one transaction.

        The table, of family inet, is made or replaced whole, with ``stamp`` as its comment; where this raises, nothing
        has changed.  ``iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE`` is the like of one source.
        """
        from .nft import nat

        self.netfilter.transact(*nat.replace(table, nats, stamp), context=f"table inet {table}")

    def nat_rules(self, table: str) -> NatTable | None:
        """What `nat` has made under this name, or somebody else: ``nft list table inet TABLE``.  None: no such table."""
        from .nft import nat, records

        inet = uapi.NFPROTO_INET
        nat.check_table(table)
        asked = records.tables(inet), records.chains(inet), records.rules(inet, table)
        tables, chains, rules = self._of_one_generation(*asked)
        for found in [records.NftTable(reply.body) for reply in tables]:
            if found.name == table:
                return nat.NatTable(found.comment, nat.read(table, chains, rules))
        return None

    def _of_one_generation(self, *dumps: Request) -> list[Listing[Reply]]:
        """Several dumps with no change of the ruleset between them.  Raises `Interrupted` where it never rests."""
        for _ in range(MAX_DUMP_ATTEMPTS):
            answers = [self.netfilter.dump(request) for request in dumps]
            generations = {reply.body["res_id"] for replies in answers for reply in replies}
            if len(generations) <= 1 and all(replies.complete for replies in answers):
                return answers
        raise Interrupted("the ruleset of nf_tables changed while it was read")

    def delete_nat(self, table: str) -> None:
        """Delete a table, whatever is in it: ``nft delete table inet TABLE``.  `KernelError` (ENOENT): no such table."""
        from .nft import nat

        self.netfilter.transact(nat.delete(table), context=f"table inet {table}")

    def chains(self, family: int = 0) -> list[NftChain]:
        """All chains of nf_tables, or those of one family (NFPROTO_*): ``nft list chains``."""
        from .nft import records

        return [records.NftChain(reply.body) for reply in self.netfilter.dump(records.chains(family))]

    def ruleset(self, family: int = 0, table: str = "") -> list[NftRule]:
        """All rules of nf_tables, or those of one family or table, in order: ``nft list ruleset``."""
        from .nft import records

        return [records.NftRule(reply.body) for reply in self.netfilter.dump(records.rules(family, table))]

    def evaluate(self, packet: Packet, hook: str = "forward") -> Evaluation:
        """What becomes of a packet at a hook of nf_tables (``'input'``, ``'forward'``, ``'output'``), and who decides that.

        The rules are played here, nothing is sent; ``nft monitor trace`` watches the kernel play them.
        """
        from .nft import evaluate, records

        tables, chains, rules = self._of_one_generation(records.tables(), records.chains(), records.rules())
        return evaluate.evaluate(
            packet,
            hook,
            [records.NftTable(reply.body) for reply in tables],
            [records.NftChain(reply.body) for reply in chains],
            [records.NftRule(reply.body) for reply in rules],
        )


class NetNS(Namespace):
    """A network namespace and, as ``net``, what is in it.  See `Namespace` for all the rest."""

    _net: Net | None = None  # in the object's own __dict__ only while there is one

    @property
    def net(self) -> Net:
        """Its network, through one netlink socket that is opened at first use and closed with the namespace."""
        net = self._net
        if net is None:
            made = Net(call_inside(self, Netlink))
            net = vars(self).setdefault("_net", made)  # no lock: others' namespaces need not wait, nor who has forked
            if net is not made:  # two threads wanted it first
                made.netlink.close()
        return net

    def connect(self) -> None:
        """Open the socket that `net` uses, by a thread that is inside already (`make`'s ``inside``)."""
        self._net = Net(Netlink())

    def monitor(self, *groups: str) -> Monitor:
        """A `Monitor` of what changes inside, from now on: ``ip monitor link address ...``.  Close it, or use it in ``with``."""
        from .events import Monitor

        return call_inside(self, Monitor, *groups)

    def setting(self, name: str, value: Value | None = None) -> str:
        """The value of a setting below /proc/sys/net, which with ``value`` is set first: ``sysctl net.ipv4.ip_forward[=1]``.

        Raises `InvalidValue` for what is no setting of a network namespace, `SyscallError` where the kernel refuses.
        """
        from . import sysctl

        return call_inside(self, sysctl.read, name) if value is None else call_inside(self, sysctl.change, name, value)

    def settings(self, given: dict[str, Value] | Iterable[str]) -> dict[str, str]:
        """Many in one visit: their values, or where a dict gives new ones, those: set in this order, or none of them."""
        from . import sysctl

        return (
            call_inside(self, sysctl.change_all, given) if isinstance(given, dict) else call_inside(self, sysctl.read_all, given)
        )

    def add_tap(self, name: str, kind: str = "tap", owner: int | None = None, group: int | None = None, index: int = 0) -> None:
        """Make a tap (or tun) device inside that stays: ``ip tuntap add dev NAME mode tap [user UID] [group GID]``."""
        from . import tap

        call_inside(self, tap.add, name, kind, owner, group, index)

    def open_tap(self, name: str = "", kind: str = "tap") -> tuple[int, str]:
        """The program's end of a tap device inside, made where there is none: a descriptor (yours to close), and its name."""
        from . import tap

        return call_inside(self, tap.open_, name, kind)

    def disconnect(self) -> None:
        """Close the socket that `net` uses; it is opened anew when it is asked for again."""
        net: Net | None = vars(self).pop("_net", None)
        if net is not None:
            net.close()

    def close(self) -> None:
        """Let go of the descriptor and the socket; may be called again.  A namespace nobody else holds ends here."""
        self.disconnect()
        super().close()


def _descriptor(namespace: Namespace | int) -> int:
    if not hasattr(namespace, "fileno") and not isinstance(namespace, int):
        raise InvalidValue(f"{namespace!r} is no network namespace: a NetNS or a descriptor is due")
    return namespace if isinstance(namespace, int) else namespace.fileno()
