"""The walk itself, `Walker`: leg by leg to the target, and back again; then a ping, which has the last word.

Floor 6, pure but for the ``Prover`` it is given, which sends a real echo request.
"""

from __future__ import annotations

import sys
from _socket import inet_ntop

from .. import uapi
from ..errors import RawnsError
from . import host_checks, link_checks, netfilter_checks, unreachable
from .hop import Fault, Leg, Step
from .namespace_view import data, link_local, loopback, on_link, word
from .segment import TUNNEL, Found, Piece, receivers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, Optional

    from ..objects.link import Link
    from ..objects.route import Route
    from .link_checks import Row
    from .namespace_view import Facts
    from .netfilter_checks import Suspect

    Prover = Callable[[str, int, float], Optional[float]]  # target, bytes of data, seconds: the round trip in seconds

NESTED = 4  # tunnels in tunnels
HOPS = 64  # of a packet: what is longer goes in circles, or is no lab
PROOF = 3.0  # seconds in which an answer proves that all is well: three times over, who has the address can be asked
DOUBT = 0.3  # seconds in which one proves that a fault is none
WIDE = 1.0  # seconds that a packet of full size gets where a small one has just been answered
PLAIN = 56  # bytes of data, as ping has it
HEADERS = {uapi.AF_INET: 28, uapi.AF_INET6: 48}  # IP and ICMP


class Walk:
    """What came of it: the ``steps`` that were taken, the ``fault`` or None, ``rtt`` in seconds where an answer came.

    ``origin`` and ``aim`` are the ends by their names, ``target`` and ``source`` the addresses (None where there was none to
    be found), ``hops`` how many stacks the packet came through on its way there.  ``refuted`` is a fault that an answer has
    shown to be none.  True where A reaches B.  ``str()`` of it is what `rawns why` says.
    """

    def __init__(self, origin: str, aim: str, family: int) -> None:
        self.origin, self.aim, self.family = origin, aim, family
        self.target: str | None = None
        self.source: str | None = None
        self.steps: list[Step] = []
        self.fault: Fault | None = None
        self.refuted: Fault | None = None
        self.rtt: float | None = None
        self.hops = 0

    def __bool__(self) -> bool:
        return self.fault is None

    def __str__(self) -> str:
        if self.fault is not None:
            return f"{self.fault.sentence}\n    {self.fault.command}"
        where = self.aim if self.aim == self.target else f"{self.aim} ({self.target})"
        if self.refuted is not None and self.rtt is not None:
            return f"{self.origin} reaches {where} in {self.rtt * 1000:.3f} ms, for now: {self.refuted.sentence}"
        took = "" if self.rtt is None else f" in {self.rtt * 1000:.3f} ms"
        return f"{self.origin} reaches {where}{took}: {_many(len(self.steps), 'check')}, {_many(self.hops, 'hop')}"

    def __repr__(self) -> str:
        return f"<Walk from {self.origin} to {self.aim}: {self.fault or 'reached'}>"

    def data(self) -> dict[str, Any]:
        """The walk as data, for JSON."""
        fault = self.fault
        told = None if fault is None else {"check": fault.check, "where": fault.where, "sentence": fault.sentence}
        if told is not None and fault is not None:
            told["command"] = fault.command
        return {
            "from": self.origin,
            "to": self.aim,
            "family": "inet6" if self.family == uapi.AF_INET6 else "inet",
            "source": self.source,
            "target": self.target,
            "reaches": fault is None,
            "rtt_ms": None if self.rtt is None else round(self.rtt * 1000, 3),
            "hops": self.hops,
            "fault": told,
            "refuted": None if self.refuted is None else self.refuted.sentence,
            "steps": [{"check": step.check, "where": step.where, "ok": step.fault is None} for step in self.steps],
        }


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


class Walker:
    """Takes one walk.  ``known`` lists the places that have been looked into; ``told`` hears of each step as it is made."""

    def __init__(
        self,
        walk: Walk,
        origin: Facts,
        aim: Facts | None,
        known: Callable[[], Iterable[Facts]],
        prove: Prover,
        told: Callable[[Step], object] = lambda step: None,
    ) -> None:
        self.walk, self.origin, self.aim = walk, origin, aim
        self.known, self.prove, self.told = known, prove, told
        self.suspects: list[tuple[Leg, Suspect]] = []
        self.masks: list[tuple[Facts, str]] = []
        self.narrow: tuple[Facts, Link, int] | None = None
        self.beyond: tuple[Facts, Link] | None = None
        self.depth = 0

    # -- all of it --------------------------------------------------------------------------------------------------

    def go(self) -> Walk:
        walk = self.walk
        walk.fault = self._there_and_back()
        if walk.target is None or (walk.fault is not None and walk.fault.despite):
            return walk
        try:
            walk.rtt = self.prove(walk.target, PLAIN, PROOF if walk.fault is None or walk.fault.passing else DOUBT)
        except RawnsError:
            if walk.fault is None:
                raise
            return walk  # nobody may ping here: the checks have the last word
        if walk.rtt is not None:
            walk.refuted, walk.fault = walk.fault, None  # a packet has been there and back: no theory stands against that
            if walk.refuted is None:
                walk.fault = self._too_narrow()
        elif walk.fault is None:
            walk.fault = self._unanswered()
        return walk

    def _there_and_back(self) -> Fault | None:
        walk, aim = self.walk, self.aim
        if walk.target is None:
            if aim is None:
                return None
            walk.target = chosen(self.origin, aim, walk.family)
            if walk.target is None:
                return self._addressless(aim)
        fault, arrived = self._follow(self.origin, aim, walk.target, None)
        if fault is not None or arrived is None or arrived is self.origin:
            return fault
        return self._back(arrived)

    def _back(self, arrived: Facts) -> Fault | None:
        """The way back: to the sender, or to who has put his own address in its place."""
        walk = self.walk
        if walk.source is None or walk.target is None:
            return None
        aims = [(self.origin, walk.source), *self.masks]
        first: Fault | None = None
        for place, source in reversed(aims):  # who came last to put his own address in, first
            fault, _ = self._follow(arrived, place, source, walk.target)
            if fault is None:
                return None
            first = first or fault
        return first

    def _addressless(self, aim: Facts) -> Fault:
        """The aim has no address that could be asked for."""
        family = self.walk.family
        mine = [one.address for one in self.origin.addresses if one.family == family and not link_local(one.address)]
        mine = [one for one in mine if not loopback(one)]
        one, other = (aim, self.origin) if mine else (self.origin, aim)
        wildcard = "::" if family == uapi.AF_INET6 else "0.0.0.0"
        leg = Leg(one, mine[0] if mine else wildcard, None, None, other, self.known())
        fault = unreachable.addressless(leg)
        self._note("address", str(one.where), fault)
        return fault

    # -- one direction ----------------------------------------------------------------------------------------------

    def _follow(self, start: Facts, aim: Facts | None, target: str, source: str | None) -> tuple[Fault | None, Facts | None]:
        """From stack to stack until somebody has the target; the fault that was met, or who has it (None: out of sight)."""
        here, iif, reply = start, None, source is not None
        seen: set[tuple[int, int]] = set()
        trail: list[Facts] = [start]
        for _ in range(HOPS):
            leg = Leg(here, target, source, iif, aim, self.known(), reply)
            leg.answer = here.route(target, source, iif.index if iif is not None else 0)
            fault = self._run(host_checks.DEPARTURE, leg, str(here.where))
            route = leg.route
            if fault is not None or route is None:
                return fault, None
            source = leg.source = source or route.source
            if not reply and not self.depth:
                self.walk.source = self.walk.source or source
            if route.type == uapi.RTN_LOCAL:
                return None, here
            fault = self._leave(leg, route)
            if fault is not None or leg.there is None or leg.inlet is None:
                return fault, None
            here, iif, source = leg.there, leg.inlet, self._masked(leg, source)
            self.walk.hops += not reply and not self.depth
            trail.append(here)
            if here.holder(target) is not None:
                return None, here
            if (id(here), iif.index) in seen:
                return self._circle(leg, trail), None
            seen.add((id(here), iif.index))
        return self._circle(leg, trail), None

    def _leave(self, leg: Leg, route: Route) -> Fault | None:
        """Out of one stack and into the next."""
        here = leg.here
        leg.out, leg.hop = here.links.get(route.index), _gateway(route) or leg.target
        if leg.out is None:
            return None
        fault = self._run(host_checks.EXIT, leg, here.named(leg.out))
        if fault is not None:
            return fault
        ends: list[tuple[Facts, Link]] = []
        found = self._next(leg, ends)
        if found is not None:
            leg.there, leg.inlet, leg.pieces = found.facts, found.link, found.pieces
        elif ends:
            fault = next((one for one in (unreachable.deaf_tunnel(leg, *end) for end in ends) if one is not None), None)
            if fault is not None:
                self._note("tunnel", here.named(leg.out), fault)
                return fault
            self.beyond = ends[0]
            self._note("as far as can be seen", ends[0][0].named(ends[0][1]), None)
            return None
        for piece in leg.pieces:
            leg.piece = piece
            fault = fault or self._run(link_checks.PIECES[piece.kind], leg, str(piece)) or self._below(piece)
        fault = fault or self._run(host_checks.NEXT_HOP, leg, leg.hop)
        if fault is None and leg.there is not None and leg.inlet is not None:
            self._measure(leg)
            fault = self._run(host_checks.ARRIVAL, leg, leg.there.named(leg.inlet))
        self.suspects += [(leg, one) for one in leg.suspects]
        return fault

    def _below(self, piece: Piece) -> Fault | None:
        """The way that a tunnel's outer packets take, which is a walk of its own."""
        remote = data(piece.one).get("IFLA_VXLAN_GROUP") or data(piece.one).get("IFLA_VXLAN_GROUP6")
        here, there = piece.here.home(piece.one), piece.there.home(piece.other)
        if piece.kind != TUNNEL or here is None or there is None or remote is None or here is there or self.depth >= NESTED:
            return None
        self.depth += 1
        fault, _ = self._follow(here, there, remote, data(piece.one).get("IFLA_VXLAN_LOCAL"))
        self.depth -= 1
        return fault

    def _next(self, leg: Leg, ends: list[tuple[Facts, Link]]) -> Found | None:
        """Who gets it next: who has the address of the next hop, or else who answers for it (proxy_arp)."""
        here, out, hop = leg.here, leg.out, leg.hop
        assert out is not None
        others = [*leg.others, *([leg.aim] if leg.aim is not None else [])]

        def has(facts: Facts, link: Link) -> bool:
            if leg.family == uapi.AF_INET:
                return facts is not here and facts.holder(hop) is not None
            return facts is not here and any(one.address == hop for one in facts.addresses_of(link, leg.family))

        def proxies(facts: Facts, link: Link) -> bool:
            return facts is not here and bool(facts.conf(leg.family, link, "proxy_arp"))

        found = next(receivers(here, out, has, others, ends), None)
        if found is None and leg.family == uapi.AF_INET:
            found = next(receivers(here, out, proxies, others), None)
        return found

    def _masked(self, leg: Leg, source: str | None) -> str | None:
        """The source from here on: a router that masquerades puts its own address in."""
        out = leg.out
        if leg.reply or out is None or source is None or not leg.here.masks(netfilter_checks.echo(leg, leg.iif, out)):
            return source
        own: list[str] = [one.address for one in leg.here.addresses_of(out, leg.family) if not link_local(one.address)]
        if own:
            self.masks.append((leg.here, own[0]))
        return own[0] if own else source

    def _measure(self, leg: Leg) -> None:
        """Remember the narrowest place of a segment that is narrower than what is sent into it."""
        out = leg.out
        assert out is not None and leg.there is not None and leg.inlet is not None
        places = [(facts, link) for piece in leg.pieces for facts, link in piece.links if link.kind != "bridge"]
        for facts, link in [*places, (leg.there, leg.inlet)]:
            if link.mtu and out.mtu and link.mtu < out.mtu and self.narrow is None:
                self.narrow = facts, link, out.mtu

    def _circle(self, leg: Leg, trail: Sequence[Facts]) -> Fault:
        names = [str(facts.where) for facts in trail]
        first = names.index(names[-1])
        path = " to ".join(names[first : first + 8])
        version = "-6 " if leg.family == uapi.AF_INET6 else ""
        sentence = f"what is for {leg.target} goes in circles: {path}"
        command = leg.here.where.iproute(f"{version}route del {unreachable.matching(leg)} via {leg.hop}")
        fault = Fault(sentence, command)
        self._note("no circle", str(leg.here.where), fault)
        return fault

    def _run(self, rows: Sequence[Row], leg: Leg, where: str) -> Fault | None:
        """The checks of a table, until one finds a fault."""
        for name, check, family in rows:
            if family in (0, leg.family):
                fault = check(leg)
                self._note(name, where, fault)
                if fault is not None:
                    return fault
        return None

    def _note(self, name: str, where: str, fault: Fault | None) -> None:
        if fault is not None:
            fault.check, fault.where = name, where
        step = Step(name, where, fault)
        self.walk.steps.append(step)
        self.told(step)

    # -- the proof --------------------------------------------------------------------------------------------------

    def _too_narrow(self) -> Fault | None:
        """A small packet came through; one of full size may not, where the ends of a cable differ in their MTU."""
        walk = self.walk
        if self.narrow is None or walk.target is None:
            return None
        facts, link, mtu = self.narrow
        if self.prove(walk.target, mtu - HEADERS[walk.family], WIDE) is not None:
            self._note("MTU", facts.named(link), None)
            return None
        sentence = f"small packets come through, those of {mtu} bytes do not: the MTU of {facts.named(link)} is {link.mtu}"
        fault = Fault(sentence, facts.where.ip(f"link set {word(link.name)} mtu {mtu}"))
        self._note("MTU", facts.named(link), fault)
        return fault

    def _unanswered(self) -> Fault:
        """All holds, and yet no answer came."""
        walk, target = self.walk, self.walk.target
        assert target is not None
        number = len(walk.steps)
        suspect = netfilter_checks.suspected([one for _, one in self.suspects])
        if suspect is not None:
            leg = next(leg for leg, one in self.suspects if one is suspect)
            fault = netfilter_checks.accusation(leg, suspect, number)
        elif self.beyond is not None:
            facts, link = self.beyond
            leaves = f"as far as can be seen: the packet leaves by {facts.named(link)}"
            sentence = f"all {number} checks hold {leaves}, and no answer came"
            fault = Fault(sentence, facts.where.run(f"tcpdump -ni {word(link.name)} host {target}"))
        else:
            sentence = f"all {number} checks hold, and yet no answer came"
            fault = Fault(sentence, self.origin.where.run(f"rawns ping -c 3 {target}"))
        self._note("answer", target, fault)
        return fault


def _gateway(route: Route) -> str | None:
    """The next hop; an IPv4 route may have an IPv6 one (struct rtvia)."""
    via = route.body.get("RTA_VIA")
    if isinstance(via, bytes) and len(via) in (6, 18):
        return inet_ntop(int.from_bytes(via[:2], sys.byteorder), via[2:])
    gateway: str | None = route.gateway
    return gateway


def chosen(origin: Facts, aim: Facts, family: int) -> str | None:
    """The address of ``aim`` that ``origin`` is most likely to reach: on a subnet of its own, on a port that is up."""

    def rank(address: Any) -> tuple[bool, bool]:
        near = any(on_link(own, address.address) for own in origin.addresses if not loopback(own.address))
        return not near, not aim.links[address.index].up

    all_of_it = [one for one in aim.addresses if one.family == family and one.index in aim.links]
    if aim is origin:
        all_of_it = sorted(all_of_it, key=lambda one: loopback(one.address))
        return next((one.address for one in all_of_it), "::1" if family == uapi.AF_INET6 else "127.0.0.1")
    seen = [one for one in all_of_it if not link_local(one.address) and not loopback(one.address)]
    best: str | None = min(seen, key=rank).address if seen else None
    return best
