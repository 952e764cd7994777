"""Queueing disciplines: how fast, how late and how reliably a link sends (tc(8), tc-tbf(8), tc-netem(8)).

`Shape` describes a cable.  It takes one of three forms::

    rate                        tbf at the root
    delay, jitter, loss         netem at the root
    both                        netem at the root, tbf below it: first the delay of the cable, then its rate

With the rate above netem, delayed packets would queue in front of it without a bound; below it the backlog is that of tbf,
which ``latency`` bounds.  Received packets are not shaped: shape both ends of a cable.

The handles mark the disciplines that a `Shape` made; `read` ignores all others, so that a user's own are never removed.  Each
form has its own handle, so that one form replaces another as a whole, and a change within a form is made in place.
"""

from __future__ import annotations

from .. import uapi
from ..errors import InvalidValue
from ..nlmsg import Request
from ..rtnl import tc
from . import units
from .record import Record, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypedDict

    from typing_extensions import Unpack

    from .units import Quantity

    class ShapeOptions(TypedDict, total=False):
        """The options of a `Shape`."""

        rate: Quantity | None
        burst: Quantity | None
        latency: Quantity | None
        delay: Quantity | None
        jitter: Quantity | None
        loss: Quantity | None


ROOT = uapi.TC_H_ROOT
TBF, NETEM, BOTH, BELOW = 0x72010000, 0x72020000, 0x72030000, 0x72040000  # handles; tc(8) writes 7201: and so on
TICK_NANOSECONDS = 64  # see `rtnl.tc`
MIN_DEFAULT_BURST_BYTES = 16384  # more than the largest packet of most links, and than a slow link sends in a timer tick
DEFAULT_LATENCY_SECONDS = 0.05
DEFAULT_NETEM_PACKETS = 1000  # tc(8)'s own; more if rate and delay are known to need more
SMALL_PACKET_BYTES = 250  # smaller than the average packet


class Qdisc(Record):
    """One queueing discipline of a link.  ``handle`` and ``parent`` are 32 bits, major and minor: ``7201:`` is 0x72010000."""

    __slots__ = ()

    index: int = field("tcm_ifindex")
    kind: str = field("TCA_KIND")
    handle: int = field("tcm_handle", default=0, kind=tc.HANDLE)
    parent: int = field("tcm_parent", default=0, kind=tc.HANDLE)

    @property
    def options(self) -> dict[str, Any]:
        """The options of its kind by their C names; empty if there are none, or none that are described in `rtnl.tc`."""
        found = self.body.get("TCA_OPTIONS")
        return found if isinstance(found, dict) else {}

    @property
    def stats(self) -> dict[str, int]:
        """Its counters: bytes, packets, drops, qlen, backlog ..."""
        return self.body.get("TCA_STATS") or {}

    def _title(self) -> str:
        return str(self.kind)


class Shape:
    """How a link sends, in the kernel's own numbers: two shapes are equal if the kernel cannot tell them apart.

    ``rate`` is in bits per second, ``burst`` in bytes, ``latency`` (the longest that a packet queues for the rate), ``delay``
    and ``jitter`` in seconds, ``loss`` a fraction from 0 to 1; each of them a number, or text with a unit (`units`).
    Raises `InvalidValue` for what is out of range, and if nothing is asked for.
    """

    __slots__ = (
        "backlog_bytes",
        "buffer_ticks",
        "bytes_per_second",
        "delay_nanoseconds",
        "jitter_nanoseconds",
        "loss_u32",
        "netem_packets",
    )

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
        self._clear()
        if rate is not None:
            self._limit(units.rate(rate) // 8, burst, latency)
        elif burst is not None or latency is not None:
            raise InvalidValue("a burst or a latency needs a rate")
        if not (delay is None and jitter is None and loss is None):
            self.delay_nanoseconds = round(units.seconds(delay or 0) * 1e9)
            self.jitter_nanoseconds = round(units.seconds(jitter or 0) * 1e9)
            self.loss_u32 = round(units.fraction(loss or 0) * uapi.UINT32_MAX)
            in_flight = self.bytes_per_second * (self.delay_nanoseconds + self.jitter_nanoseconds) // 10**9
            self.netem_packets = max(DEFAULT_NETEM_PACKETS, in_flight // SMALL_PACKET_BYTES)
            longest = max(self.delay_nanoseconds, self.jitter_nanoseconds)
            if longest > uapi.UINT32_MAX * TICK_NANOSECONDS or self.netem_packets > uapi.UINT32_MAX:
                raise InvalidValue("a delay is at most 274 seconds long")
        if not (self.bytes_per_second or self.netem_packets):
            raise InvalidValue("a shape has a rate, a delay, a jitter or a loss")

    def _clear(self) -> None:
        self.bytes_per_second = self.buffer_ticks = self.backlog_bytes = 0
        self.delay_nanoseconds = self.jitter_nanoseconds = self.loss_u32 = self.netem_packets = 0

    def _limit(self, bytes_per_second: int, burst: Quantity | None, latency: Quantity | None) -> None:
        """Set the numbers of tbf.  The kernel counts the burst as the time that it takes, in ticks."""
        if bytes_per_second < 1:
            raise InvalidValue("a rate is at least 8 bits a second")
        size = max(MIN_DEFAULT_BURST_BYTES, bytes_per_second // 100) if burst is None else units.size(burst)
        self.bytes_per_second, self.buffer_ticks = bytes_per_second, size * 10**9 // bytes_per_second // TICK_NANOSECONDS
        seconds = DEFAULT_LATENCY_SECONDS if latency is None else units.seconds(latency)
        self.backlog_bytes = size + round(bytes_per_second * seconds)
        if size < 1 or self.buffer_ticks < 1:
            raise InvalidValue(f"a burst of {size} bytes is too small at this rate")
        if self.buffer_ticks > uapi.UINT32_MAX:
            raise InvalidValue(f"a burst of {size} bytes takes longer at this rate than the 274 seconds the kernel can count")
        if max(size, self.backlog_bytes) > uapi.UINT32_MAX:
            raise InvalidValue(
                f"a burst of {size} bytes and a backlog of {self.backlog_bytes} are more than the kernel can count"
            )

    @property
    def rate(self) -> int:
        """Bits per second; 0 if unlimited."""
        return self.bytes_per_second * 8

    @property
    def delay(self) -> float:
        """Seconds."""
        return self.delay_nanoseconds / 1e9

    @property
    def jitter(self) -> float:
        """Seconds, more or less than the delay."""
        return self.jitter_nanoseconds / 1e9

    @property
    def loss(self) -> float:
        """The fraction of packets that are lost."""
        return self.loss_u32 / uapi.UINT32_MAX

    @property
    def burst(self) -> int:
        """Bytes that may be sent at once, to within what is sent in a tick."""
        return -(-self.buffer_ticks * TICK_NANOSECONDS * self.bytes_per_second // 10**9)

    @property
    def latency(self) -> float:
        """Seconds: the longest that a packet queues for the rate."""
        return max(self.backlog_bytes - self.burst, 0) / self.bytes_per_second if self.bytes_per_second else 0.0

    @property
    def named(self) -> list[str]:
        """The options that tell it apart, in the order of tc(8): those that are not 0, and a 0 that is not the default."""
        words = ("rate", "burst", "latency", "delay", "jitter", "loss")
        needed = "latency" if self.rate else ""
        bare = "delay" if self.netem_packets and not (self.jitter or self.loss) else ""  # netem is there, and changes nothing
        return [word for word in words if getattr(self, word) or word in (needed, bare)]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Shape):
            return NotImplemented
        same = [getattr(self, name) == getattr(other, name) for name in self.__slots__ if name != "buffer_ticks"]
        return all(same) and abs(self.buffer_ticks - other.buffer_ticks) <= 1  # the kernel may round down

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        """Return it as tc(8) writes it: ``rate 10mbit burst 16384b latency 50ms``."""
        named = self.named
        times: dict[str, str] = {
            word: f"{getattr(self, word) * 1000:g}ms" for word in ("latency", "delay", "jitter") if word in named
        }
        rate: dict[str, str] = {"rate": units.format_rate(self.rate), "burst": f"{self.burst}b"} if self.rate else {}
        loss: dict[str, str] = {"loss": f"{self.loss * 100:.3g}%"} if self.loss_u32 else {}
        words = {**rate, **times, **loss}
        return " ".join(f"{word} {value}" for word, value in words.items())

    def __repr__(self) -> str:
        names = ("rate", "burst", "latency", "delay", "jitter", "loss")
        return f"Shape({', '.join(f'{name}={getattr(self, name):g}' for name in names if getattr(self, name))})"

    # -- as messages ----------------------------------------------------------------------------------------------

    def requests(self, index: int) -> list[Request]:
        """Return the requests that shape a link, whatever was at its root before: ``tc qdisc replace dev NAME root ...``."""
        if not self.netem_packets:
            return [replace(index, "tbf", self._tbf(), TBF)]
        if not self.bytes_per_second:
            return [replace(index, "netem", self._netem(), NETEM)]
        return [replace(index, "netem", self._netem(), BOTH), replace(index, "tbf", self._tbf(), BELOW, BOTH | 1)]

    def _tbf(self) -> dict[str, Any]:
        """Return the options of tbf, without a table of transmission times (since Linux 3.8, given the link layer)."""
        words = {"rate.linklayer": uapi.TC_LINKLAYER_ETHERNET, "rate.rate": min(self.bytes_per_second, uapi.UINT32_MAX)}
        options: dict[str, Any] = {
            "TCA_TBF_PARMS": {**words, "limit": self.backlog_bytes, "buffer": self.buffer_ticks},
            "TCA_TBF_BURST": self.burst,
        }
        if self.bytes_per_second > uapi.UINT32_MAX:
            options["TCA_TBF_RATE64"] = self.bytes_per_second
        return options

    def _netem(self) -> dict[str, Any]:
        return {
            "latency": self.delay_nanoseconds // TICK_NANOSECONDS,
            "jitter": self.jitter_nanoseconds // TICK_NANOSECONDS,
            "loss": self.loss_u32,
            "limit": self.netem_packets,
            "TCA_NETEM_LATENCY64": self.delay_nanoseconds,
            "TCA_NETEM_JITTER64": self.jitter_nanoseconds,
        }

    def _learn(self, options: dict[str, Any]) -> bool:
        """Set the numbers from the options of one discipline; return whether that is all that they say."""
        if "TCA_TBF_PARMS" in options:
            words = options["TCA_TBF_PARMS"]
            self.bytes_per_second = options.get("TCA_TBF_RATE64", words["rate.rate"])
            self.buffer_ticks, self.backlog_bytes = words["buffer"], words["limit"]
        elif "latency" in options:
            self.delay_nanoseconds = options.get("TCA_NETEM_LATENCY64", options["latency"] * TICK_NANOSECONDS)
            self.jitter_nanoseconds = options.get("TCA_NETEM_JITTER64", options["jitter"] * TICK_NANOSECONDS)
            self.loss_u32, self.netem_packets = options["loss"], options["limit"]
        else:
            return False
        return not (options.get("gap") or options.get("duplicate"))


def shape(index: int, **options: Unpack[ShapeOptions]) -> list[Request]:
    """Return the requests that shape a link as ``Shape(**options)``."""
    return Shape(**options).requests(index)


def read(found: Iterable[Qdisc]) -> Shape | None:
    """Return the `Shape` of a link from all its disciplines; None if they are not, or not all, those of a `Shape`."""
    by_handle = {one.handle: one for one in found}
    expected = next(([*form] for form in ((TBF,), (NETEM,), (BOTH, BELOW)) if form[0] in by_handle), [])
    shape = object.__new__(Shape)
    shape._clear()
    for handle in expected:
        if handle not in by_handle or not shape._learn(by_handle[handle].options):
            return None
    return shape if shape.bytes_per_second or shape.netem_packets else None


def is_ours(found: Qdisc) -> bool:
    """Return whether a discipline is at a link's root because it was shaped with a `Shape`."""
    return found.handle in (TBF, NETEM, BOTH) and found.parent == ROOT


# -- single disciplines -------------------------------------------------------------------------------------------------


def dump() -> Request:
    """List all disciplines of all links of the namespace (the kernel does not filter them): ``tc qdisc show``."""
    return Request(tc.GETQDISC, {}, uapi.NLM_F_DUMP)


def replace(index: int, kind: str, options: dict[str, Any] | None = None, handle: int = 0, parent: int = ROOT) -> Request:
    """Create or change a discipline: ``tc qdisc replace dev NAME [parent|root] [handle] KIND ...``."""
    fields = {"tcm_ifindex": index, "tcm_handle": handle, "tcm_parent": parent, "TCA_KIND": kind}
    if options:
        fields["TCA_OPTIONS"] = options
    return Request(tc.NEWQDISC, fields, uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE, f"qdisc {kind}")


def delete(index: int, parent: int = ROOT) -> Request:
    """Delete a link's discipline and all below it: ``tc qdisc del dev NAME root``.  The kernel restores its default."""
    return Request(tc.DELQDISC, {"tcm_ifindex": index, "tcm_parent": parent}, 0, "qdisc")
