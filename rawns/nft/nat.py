"""Network address translation: masquerading and port forwarding (nft(8), iptables(8)).

`Nat` and `Forward` describe it, `replace` builds the transaction that sets it up, and `read` reads it back, so that what is set
up already needs no message.  All of it is in one table of family inet with two chains::

    table inet NAME {
        comment "STAMP"
        chain prerouting {
            type nat hook prerouting priority dstnat; policy accept;
            iifname "eth0" meta nfproto ipv4 tcp dport 8080 dnat ip to 10.0.0.2:80
        }
        chain postrouting {
            type nat hook postrouting priority srcnat; policy accept;
            oifname "eth0" ip saddr 10.0.0.0/24 masquerade
        }
    }
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton

from .. import uapi
from ..errors import InvalidValue
from ..objects import prefix
from ..objects.link import check_flag, check_name
from ..terminal import short_repr
from . import build, records, statements
from . import messages as nft_messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from ..nlmsg import Reply, Request
    from .statements import NftStatement

    Body = dict[str, Any]

PROTOCOLS = {name: statements.PROTOCOLS[name] for name in ("tcp", "udp")}
ALL_IPV4, ALL_IPV6 = "0.0.0.0/0", "::/0"


class _Value:
    """A value: equal to another one of its class with equal attributes."""

    __slots__: tuple[str, ...] = ()

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, _Value) and other._values() == self._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self._values()))})"


class Forward(_Value):
    """A forwarded port: packets to ``port`` of the uplink are sent on to ``address``, port ``to_port`` (by default the same).

    ``protocol`` is ``'tcp'`` or ``'udp'``.  The address decides whether this is for IPv4 or IPv6.  Equivalent to
    ``nft ... iifname UPLINK tcp dport PORT dnat to ADDRESS:TO_PORT``.  Raises `InvalidValue`.
    """

    __slots__ = ("protocol", "port", "address", "to_port")

    def __init__(self, protocol: str, port: int, address: str, to_port: int | None = None) -> None:
        if not isinstance(protocol, str) or protocol not in PROTOCOLS:
            raise InvalidValue(f"{short_repr(protocol)}: the ports that can be forwarded are those of tcp and udp")
        self.protocol, self.port = protocol, _port(port)
        self.to_port = self.port if to_port is None else _port(to_port)
        self.address = prefix.address(address).address
        if self.address in ("0.0.0.0", "::"):
            raise InvalidValue(f"port {port} cannot be forwarded to {address}, which is not the address of a host")

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.protocol} port {self.port} to {host}:{self.to_port}"


class Nat(_Value):
    """NAT at the interface ``out``: packets from ``sources`` that leave by it get its address, ``forwards`` are forwarded in.

    ``sources`` are prefixes, by default all of IPv4; ``'::/0'`` is all of IPv6; without any nothing is masqueraded.  The source
    port is kept if it is free; with ``random`` each connection gets one at random (``masquerade fully-random``).  Equivalent
    to ``nft ... oifname OUT ip saddr SOURCE masquerade``, or ``iptables -t nat -A POSTROUTING -o OUT -s SOURCE -j MASQUERADE``.
    Raises `InvalidValue`.
    """

    __slots__ = ("out", "sources", "forwards", "random")

    def __init__(
        self, out: str, sources: Sequence[str] | str = (ALL_IPV4,), forwards: Sequence[Forward] = (), random: bool = False
    ) -> None:
        self.out, self.random = check_name(out), check_flag("random", random)
        for given in (sources, forwards):
            if not isinstance(given, (str, list, tuple)):
                raise InvalidValue(f"expected a list, not {short_repr(given)}")
        self.sources = tuple(_source(text) for text in ([sources] if isinstance(sources, str) else sources))
        self.forwards = tuple(forwards)
        if not self.sources and not self.forwards:
            raise InvalidValue(f"{out} has neither sources to masquerade nor ports to forward")
        seen: dict[tuple[str, int, bool], Forward] = {}
        for one in self.forwards:
            if not isinstance(one, Forward):
                raise InvalidValue(f"expected a Forward, not {short_repr(one)}")
            before = seen.setdefault((one.protocol, one.port, ":" in one.address), one)
            if before is not one:
                raise InvalidValue(f"two forwards of one port of {out}: {before}, and {one}")


class NatTable(_Value):
    """A table that has been read: its comment ``stamp``, and its ``nats``; None if it holds anything but NAT of `replace`."""

    __slots__ = ("stamp", "nats")

    def __init__(self, stamp: str, nats: list[Nat] | None) -> None:
        self.stamp, self.nats = stamp, nats


def _port(port: int) -> int:
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
        raise InvalidValue(f"{short_repr(port)} is not a port, a number from 1 to 65535")
    return port


def _source(text: str) -> str:
    """Return a prefix as the kernel writes it.  Raises `InvalidValue` if it has host bits."""
    parsed = prefix.parse(text)
    if parsed != parsed.network:
        raise InvalidValue(f"{text!r} is an address in a network, not the network: that is {parsed.network}")
    return str(parsed)


# -- requests ------------------------------------------------------------------------------------------------------

PREROUTING = ("prerouting", uapi.NF_INET_PRE_ROUTING, -100)  # NF_IP_PRI_NAT_DST
POSTROUTING = ("postrouting", uapi.NF_INET_POST_ROUTING, 100)  # NF_IP_PRI_NAT_SRC


def replace(table: str, nats: Sequence[Nat], stamp: str = "") -> list[Request]:
    """Return the requests of a transaction that creates a table with this NAT and nothing else, or replaces it by that.

    No packet meets a state between the old and the new.  ``stamp`` becomes the table's comment.  The order of
    ``nats`` has no meaning (they are sorted), so there is one for each uplink.  Raises `InvalidValue`.
    """
    nats = sorted(nats, key=lambda nat: nat.out)
    for one, other in zip(nats, nats[1:]):
        if one.out == other.out:
            raise InvalidValue(f"there are two Nat of {one.out}")
    made = build.fresh_table(table, stamp)
    made += [_chain(table, *where) for where in (PREROUTING, POSTROUTING)]
    for nat in nats:
        made += [_rule(table, PREROUTING, _forwarded(nat.out, one), f"{one} of {nat.out}") for one in nat.forwards]
    for nat in nats:
        made += [_rule(table, POSTROUTING, _masqueraded(nat, one), f"{one} out of {nat.out}") for one in nat.sources]
    return made


def _chain(table: str, name: str, hook: int, priority: int) -> Request:
    return build.base_chain(table, name, hook, priority, kind="nat")


def _rule(table: str, chain: tuple[str, int, int], expressions: list[Body], context: str) -> Request:
    return build.new_rule(table, chain[0], expressions, context)


def _masqueraded(nat: Nat, source: str) -> list[Body]:
    where = prefix.parse(source)
    steps = [*build.interface("OIFNAME", nat.out), *build.ip_family(where.family)]
    flags = {"NFTA_MASQ_FLAGS": uapi.NF_NAT_RANGE_PROTO_RANDOM_FULLY} if nat.random else {}
    return [*steps, *build.in_network(build.SOURCE, where), build.expression("masq", **flags)]


def _forwarded(out: str, forward: Forward) -> list[Body]:
    family = prefix.family_of(forward.address)
    return [
        *build.interface("IIFNAME", out),
        *build.ip_family(family),
        *build.meta("L4PROTO", bytes([PROTOCOLS[forward.protocol]])),
        *build.destination_port(forward.port),
        *dnat_to(inet_pton(family, forward.address), forward.to_port),
    ]


def dnat_to(address: bytes, port: int) -> list[Body]:
    """Return the expressions that send a packet on to an address, as 4 or 16 bytes, and a port: ``dnat to ADDRESS:PORT``."""
    return [
        build.immediate(uapi.NFT_REG_1, address),
        build.immediate(uapi.NFT_REG_2, port.to_bytes(2, "big")),
        build.expression(
            "nat",
            NFTA_NAT_TYPE=uapi.NFT_NAT_DNAT,
            NFTA_NAT_FAMILY=uapi.NFPROTO_IPV4 if len(address) == 4 else uapi.NFPROTO_IPV6,
            NFTA_NAT_REG_ADDR_MIN=uapi.NFT_REG_1,
            NFTA_NAT_REG_PROTO_MIN=uapi.NFT_REG_2,
            NFTA_NAT_FLAGS=uapi.NF_NAT_RANGE_PROTO_SPECIFIED,
        ),
    ]


# -- reading back -----------------------------------------------------------------------------------------------------------


def read(table: str, chains: Iterable[Reply], rules: Iterable[Reply]) -> list[Nat] | None:
    """Return what `replace` was given, sorted by uplink, from what the kernel lists; None if the table holds anything else.

    To be sure of that, the rules are interpreted, built again from the result, and compared with those that are there.
    """
    mine = [records.NftChain(reply.body) for reply in chains]
    mine = [chain for chain in mine if (chain.family, chain.table) == (uapi.NFPROTO_INET, table)]
    wanted_chains = [records.NftChain(_chain(table, *where).body) for where in (PREROUTING, POSTROUTING)]
    if sorted(map(_described, mine)) != sorted(map(_described, wanted_chains)):
        return None
    existing = [records.NftRule(reply.body) for reply in rules]
    existing = [one for one in existing if (one.family, one.table) == (uapi.NFPROTO_INET, table)]
    nats = _interpret([one.statements for one in existing])
    wanted = [records.NftRule(request.body) for request in replace(table, nats) if request.message is nft_messages.NEWRULE]
    return nats if sorted(map(_written, existing)) == sorted(map(_written, wanted)) else None


def _described(chain: records.NftChain) -> tuple[str, ...]:
    return tuple(map(str, (chain.name, chain.hook, chain.type, chain.priority, chain.policy)))


def _written(one: records.NftRule) -> str:
    return f"{one.chain} {one.statements}"


def _interpret(rules: list[list[NftStatement]]) -> list[Nat]:
    """Return the `Nat`s that `replace` may have built the rules from; rules that it does not build are ignored."""
    sources: dict[str, list[str]] = {}
    forwards: dict[str, list[Forward]] = {}
    random: set[str] = set()
    for steps in rules:
        compared = [step.values for step in steps if step.kind == "cmp" and len(step.values) == 3]
        facts = {selector: value for selector, _, value in compared}
        out, into = (facts.get(("meta", getattr(uapi, f"NFT_META_{word}"))) for word in ("OIFNAME", "IIFNAME"))
        try:
            if out is not None:
                sources.setdefault(_interface(out), []).append(_source_of(facts))
                if steps[-1].kind == "masq" and steps[-1].values[0]:
                    random.add(_interface(out))
            elif into is not None:
                forwards.setdefault(_interface(into), []).append(_forward_of(facts, steps[-1]))
        except (InvalidValue, KeyError, TypeError, ValueError):
            pass  # `read` will find that this rule is missing
    found = []
    for name in sorted({*sources, *forwards}):
        try:
            found.append(Nat(name, sources.get(name, ()), forwards.get(name, ()), name in random))
        except InvalidValue:
            pass
    return found


def _interface(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "surrogateescape")


def _source_of(facts: dict[Any, bytes]) -> str:
    family = {uapi.NFPROTO_IPV4: AF_INET, uapi.NFPROTO_IPV6: AF_INET6}[facts["meta", uapi.NFT_META_NFPROTO][0]]
    size = 4 if family == AF_INET else 16
    for selector, value in facts.items():
        mask = b"\xff" * len(value)
        if selector[0] == "&":
            _, selector, mask = selector
        if selector[0] == "payload":
            length = bin(int.from_bytes(mask, "big")).count("1")
            return f"{inet_ntop(family, value.ljust(size, bytes(1)))}/{length}"
    return ALL_IPV4 if family == AF_INET else ALL_IPV6


def _forward_of(facts: dict[Any, bytes], action: NftStatement) -> Forward:
    protocols = {number: name for name, number in PROTOCOLS.items()}
    protocol = protocols[facts["meta", uapi.NFT_META_L4PROTO][0]]
    port = facts["payload", uapi.NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2]
    _, _, address, to_port = action.values
    family = AF_INET if len(address) == 4 else AF_INET6
    return Forward(protocol, int.from_bytes(port, "big"), inet_ntop(family, address), int.from_bytes(to_port, "big"))
