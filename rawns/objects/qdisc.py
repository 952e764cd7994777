"""Queueing disciplines: how fast, how late and how reliably a link sends (tc(8), tc-tbf(8), tc-netem(8)).

Floor 3, pure: a record, the requests that list and delete, and `Shape`, which is what a cable is like, in three forms::

    rate                        tbf at the root
    delay, jitter, loss         netem at the root
    both                        netem at the root, tbf below it: first the length of the cable, then its narrow end

The other way round (a rate above netem) the packets on their way would queue in front of the rate without a bound; so the
backlog is that of tbf, and ``latency`` bounds it.  What is received is not shaped: shape both ends of a cable.

The handles are ours alone and say that a discipline is; `read` sees no other, so that a person's own is never taken away.
Each form has its own handle, so that one replaces another whole, and a change within a form is made in place.
"""

from __future__ import annotations

from .. import uapi
from ..errors import InvalidValue
from ..nlmsg import Request
from ..rtnl import tc
from . import units
from .record import Field, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ..errors import KernelError
    from .units import Quantity

ROOT = uapi.TC_H_ROOT
TBF, NETEM, BOTH, BELOW = 0x72010000, 0x72020000, 0x72030000, 0x72040000  # 7201: and so on, as tc(8) writes them
TICK = 64  # nanoseconds; see `tc`
WORD = 0xFFFFFFFF
BURST = 16384  # bytes at least: more than the largest packet of most links, and than a timer tick's worth of slow ones
LATENCY = 0.05  # seconds
PACKETS = 1000  # that netem holds, unless its rate and delay are known to need more; tc(8)'s own
SMALL = 250  # bytes, a packet smaller than the average


class Qdisc(Record):
    """One queueing discipline of a link.  ``handle`` and ``parent`` are 32 bits, major and minor: ``7201:`` is 0x72010000."""

    __slots__ = ()

    index = Field("tcm_ifindex")
    kind = Field("TCA_KIND")
    handle = Field("tcm_handle", default=0)
    parent = Field("tcm_parent", default=0)
    options = Field("TCA_OPTIONS")
    stats = Field("TCA_STATS")


class Shape:
    """What a link's sending is like, in the kernel's own numbers: two are equal where the kernel could not tell them apart.

    ``rate`` is in bits a second, ``burst`` in bytes, ``latency`` (the longest that a packet queues for the rate), ``delay``
    and ``jitter`` in seconds, ``loss`` a fraction from 0 to 1; or all of it as people write it (`units`).
    Raises `InvalidValue` for what is out of bounds, and where nothing is asked for.
    """

    __slots__ = ("backlog", "buffer", "bytes", "delayed", "jittered", "lost", "packets")

    def __init__(
        self,
        rate: Quantity | None = None,
        *,
        burst: Quantity | None = None,
        latency: Quantity | None = None,
        delay: Quantity | None = None,
        jitter: Quantity | None = None,
        loss: Quantity | None = None,
    ) -> None:
        self.bytes = self.buffer = self.backlog = self.delayed = self.jittered = self.lost = self.packets = 0
        if rate is not None:
            self._limit(units.rate(rate) // 8, burst, latency)
        elif burst is not None or latency is not None:
            raise InvalidValue("a burst or a latency means nothing without a rate")
        if not (delay is None and jitter is None and loss is None):
            self.delayed = round(units.seconds(delay or 0) * 1e9)
            self.jittered = round(units.seconds(jitter or 0) * 1e9)
            self.lost = round(units.share(loss or 0) * WORD)
            self.packets = max(PACKETS, self.bytes * (self.delayed + self.jittered) // 10**9 // SMALL)
            if max(self.delayed, self.jittered) > WORD * TICK or self.packets > WORD:
                raise InvalidValue("a delay is at most 274 seconds long")
        if not (self.bytes or self.packets):
            raise InvalidValue("a shape has a rate, a delay, a jitter or a loss")

    def _limit(self, bytes_a_second: int, burst: Quantity | None, latency: Quantity | None) -> None:
        """The numbers of tbf.  The kernel tells the burst as the time it takes, in ticks."""
        if bytes_a_second < 1:
            raise InvalidValue("a rate is at least 8 bits a second")
        size = max(BURST, bytes_a_second // 100) if burst is None else units.size(burst)
        self.bytes, self.buffer = bytes_a_second, size * 10**9 // bytes_a_second // TICK
        self.backlog = size + round(bytes_a_second * units.seconds(LATENCY if latency is None else latency))
        if size < 1 or self.buffer < 1:
            raise InvalidValue(f"a burst of {size} bytes is nothing at this rate")
        if self.buffer > WORD:
            raise InvalidValue(f"a burst of {size} bytes takes longer at this rate than the 274 seconds the kernel can count")
        if max(size, self.backlog) > WORD:
            raise InvalidValue(f"a burst of {size} bytes and a backlog of {self.backlog} are more than the kernel can count")

    rate = property(lambda self: self.bytes * 8, doc="Bits a second; 0 for as many as there are.")
    delay = property(lambda self: self.delayed / 1e9, doc="Seconds.")
    jitter = property(lambda self: self.jittered / 1e9, doc="Seconds, more or less than the delay.")
    loss = property(lambda self: self.lost / WORD, doc="A fraction.")

    @property
    def burst(self) -> int:
        """Bytes that may go at once, to within what goes in a tick."""
        return -(-self.buffer * TICK * self.bytes // 10**9)

    @property
    def latency(self) -> float:
        """Seconds, the longest that a packet queues for the rate."""
        return max(self.backlog - self.burst, 0) / self.bytes if self.bytes else 0.0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Shape):
            return NotImplemented
        same = [getattr(self, name) == getattr(other, name) for name in self.__slots__ if name != "buffer"]
        return all(same) and abs(self.buffer - other.buffer) <= 1  # the kernel multiplies and shifts, and may round down

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        """As tc(8) has it: ``rate 10mbit burst 16384b latency 50ms``."""
        times = {word: f"{getattr(self, word) * 1000:g}ms" for word in ("latency", "delay", "jitter") if getattr(self, word)}
        rate = {"rate": units.bits(self.rate), "burst": f"{self.burst}b"} if self.rate else {}
        said = {**rate, **times, **({"loss": f"{self.loss * 100:.3g}%"} if self.lost else {})}
        return " ".join(f"{word} {value}" for word, value in said.items())

    def __repr__(self) -> str:
        names = ("rate", "burst", "latency", "delay", "jitter", "loss")
        return f"Shape({', '.join(f'{name}={getattr(self, name):g}' for name in names if getattr(self, name))})"

    # -- as messages ----------------------------------------------------------------------------------------------

    def requests(self, index: int) -> list[Request]:
        """What makes a link so, whatever was at its root before: ``tc qdisc replace dev NAME root ...``."""
        if not self.packets:
            return [replace(index, "tbf", self._tbf(), TBF)]
        if not self.bytes:
            return [replace(index, "netem", self._netem(), NETEM)]
        return [replace(index, "netem", self._netem(), BOTH), replace(index, "tbf", self._tbf(), BELOW, BOTH | 1)]

    def _tbf(self) -> dict[str, Any]:
        """No table of transmission times: since Linux 3.8 the kernel wants none where the link layer is said."""
        words = {"rate.linklayer": uapi.TC_LINKLAYER_ETHERNET, "rate.rate": min(self.bytes, WORD)}
        options: dict[str, Any] = {
            "TCA_TBF_PARMS": {**words, "limit": self.backlog, "buffer": self.buffer},
            "TCA_TBF_BURST": self.burst,
        }
        if self.bytes > WORD:
            options["TCA_TBF_RATE64"] = self.bytes
        return options

    def _netem(self) -> dict[str, Any]:
        return {
            "latency": self.delayed // TICK,
            "jitter": self.jittered // TICK,
            "loss": self.lost,
            "limit": self.packets,
            "TCA_NETEM_LATENCY64": self.delayed,
            "TCA_NETEM_JITTER64": self.jittered,
        }

    def _learn(self, options: object) -> bool:
        """Take over what the kernel says of one of the two; whether that is all there is to it."""
        if not isinstance(options, dict):
            return False
        if "TCA_TBF_PARMS" in options:
            words = options["TCA_TBF_PARMS"]
            self.bytes = options.get("TCA_TBF_RATE64", words["rate.rate"])
            self.buffer, self.backlog = words["buffer"], words["limit"]
        elif "latency" in options:
            self.delayed = options.get("TCA_NETEM_LATENCY64", options["latency"] * TICK)
            self.jittered = options.get("TCA_NETEM_JITTER64", options["jitter"] * TICK)
            self.lost, self.packets = options["loss"], options["limit"]
        return not (options.get("gap") or options.get("duplicate"))


def shape(index: int, **what: Any) -> list[Request]:
    """The requests of ``Shape(**what)`` for a link."""
    return Shape(**what).requests(index)


def read(found: Iterable[Qdisc]) -> Shape | None:
    """What a link was shaped to, from all its disciplines; None where nobody has, or somebody else did, or only half."""
    ours = {one.handle: one for one in found}
    expected = next(([*form] for form in ((TBF,), (NETEM,), (BOTH, BELOW)) if form[0] in ours), [])
    shape = object.__new__(Shape)
    for name in Shape.__slots__:
        setattr(shape, name, 0)
    for handle in expected:
        if handle not in ours or not shape._learn(ours[handle].options):
            return None
    return shape if shape.bytes or shape.packets else None


def is_ours(found: Qdisc) -> bool:
    """Whether it stands at a link's root because somebody shaped it with a `Shape`."""
    return found.handle in (TBF, NETEM, BOTH) and found.parent == ROOT


# -- one at a time -------------------------------------------------------------------------------------------------


def dump() -> Request:
    """Every discipline of every link of the namespace (the kernel does not choose): ``tc qdisc show``."""
    return Request(tc.GETQDISC, {}, uapi.NLM_F_DUMP)


def replace(index: int, kind: str, options: dict[str, Any] | None = None, handle: int = 0, parent: int = ROOT) -> Request:
    """Put a discipline in its place, or change it there: ``tc qdisc replace dev NAME [parent|root] [handle] KIND ...``."""
    fields = {"tcm_ifindex": index, "tcm_handle": handle, "tcm_parent": parent, "TCA_KIND": kind}
    if options:
        fields["TCA_OPTIONS"] = options
    return Request(tc.NEWQDISC, fields, uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE, f"qdisc {kind}")


def delete(index: int, parent: int = ROOT) -> Request:
    """Take a link's discipline away, with all below it: ``tc qdisc del dev NAME root``.  The kernel puts its default there."""
    return Request(tc.DELQDISC, {"tcm_ifindex": index, "tcm_parent": parent}, 0, "qdisc")


def advise(error: KernelError) -> None:
    """Say what to do where the kernel has no such discipline."""
    kind = error.context.partition("qdisc ")[2].split(" ")[0]
    if error.request == "RTM_NEWQDISC" and error.code == "ENOENT" and kind:
        error.hint = f"this kernel lacks it: load the module sch_{kind}, or take a kernel with CONFIG_NET_SCH_{kind.upper()}"
