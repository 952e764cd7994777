"""Queueing disciplines: how fast, how late and how reliably a link sends (tc(8), tc-tbf(8), tc-netem(8)).

`Shape` describes a cable.  It takes one of three forms::

    rate                        tbf at the root
    delay, jitter, loss ...     netem at the root
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
from ..terminal import short_repr
from . import units
from .record import Record, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
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
        duplicate: Quantity | None
        reorder: Quantity | None
        corrupt: Quantity | None
        limit: Quantity | None


ROOT = uapi.TC_H_ROOT
TBF, NETEM, BOTH, BELOW = 0x72010000, 0x72020000, 0x72030000, 0x72040000  # handles; tc(8) writes 7201: and so on
TICK_NANOSECONDS = 64  # see `rtnl.tc`
MIN_DEFAULT_BURST_BYTES = 16384  # more than the largest packet of most links, and than a slow link sends in a timer tick
DEFAULT_LATENCY_SECONDS = 0.05
DEFAULT_NETEM_PACKETS = 1000  # tc(8)'s own; more if rate and delay are known to need more
SHARES = ("loss", "duplicate", "reorder", "corrupt")  # options that are fractions
WORDS = ("rate", "burst", "latency", "delay", "jitter", *SHARES, "limit")  # all options, in the order of tc(8)
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
    and ``jitter`` in seconds; ``loss``, ``duplicate``, ``reorder`` (the share of packets that are not delayed and so overtake
    others) and ``corrupt`` (the share in which one bit is wrong) fractions from 0 to 1; each of them a number, or text with a
    unit (`units`).  ``limit`` is the number of packets that are delayed at once; further ones are dropped.
    Raises `InvalidValue` for what is out of range, and if nothing is asked for.
    """

    __slots__ = (
        "backlog_bytes",
        "buffer_ticks",
        "bytes_per_second",
        "corrupt_u32",
        "delay_nanoseconds",
        "duplicate_u32",
        "jitter_nanoseconds",
        "loss_u32",
        "netem_packets",
        "reorder_u32",
    )
    backlog_bytes: int
    buffer_ticks: int
    bytes_per_second: int
    corrupt_u32: int
    delay_nanoseconds: int
    duplicate_u32: int
    jitter_nanoseconds: int
    loss_u32: int
    netem_packets: int
    reorder_u32: int

    def __init__(
        self,
        rate: Quantity | None = None,
        *,
        burst: Quantity | None = None,
        latency: Quantity | None = None,
        delay: Quantity | None = None,
        jitter: Quantity | None = None,
        loss: Quantity | None = None,
        duplicate: Quantity | None = None,
        reorder: Quantity | None = None,
        corrupt: Quantity | None = None,
        limit: Quantity | None = None,
    ) -> None:
        self._clear()
        if rate is not None:
            self._limit(units.rate(rate) // 8, burst, latency)
        elif burst is not None or latency is not None:
            raise InvalidValue("a burst or a latency needs a rate")
        shares = {"loss": loss, "duplicate": duplicate, "reorder": reorder, "corrupt": corrupt}
        if any(one is not None for one in (delay, jitter, limit, *shares.values())):
            self._impair(delay, jitter, shares, limit)
        if not (self.bytes_per_second or self.netem_packets):
            raise InvalidValue("a shape has at least one of rate, delay, jitter, loss, duplicate, reorder, corrupt and limit")

    def _clear(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)

    @classmethod
    def of_numbers(cls, numbers: Sequence[int]) -> Shape:
        """Return the shape that has these `numbers`."""
        shape: Shape = object.__new__(cls)
        for name, number in zip(cls.__slots__, numbers):
            setattr(shape, name, number)
        return shape

    @property
    def numbers(self) -> list[int]:
        """All that it says, as numbers."""
        return [getattr(self, name) for name in self.__slots__]

    def _impair(
        self, delay: Quantity | None, jitter: Quantity | None, shares: Mapping[str, Quantity | None], limit: Quantity | None
    ) -> None:
        """Set the numbers of netem."""
        self.delay_nanoseconds = round(units.seconds(delay or 0) * 1e9)
        self.jitter_nanoseconds = round(units.seconds(jitter or 0) * 1e9)
        for name, share in shares.items():
            setattr(self, f"{name}_u32", round(units.fraction(share or 0) * uapi.UINT32_MAX))
        packets = int(limit) if isinstance(limit, str) and limit.isascii() and limit.isdigit() and len(limit) < 11 else limit
        if packets is not None and (type(packets) is not int or not 0 < packets <= uapi.UINT32_MAX):
            raise InvalidValue(f"{short_repr(limit)} is not a number of packets, from 1 to {uapi.UINT32_MAX}")
        in_flight = self.bytes_per_second * (self.delay_nanoseconds + self.jitter_nanoseconds) // 10**9
        self.netem_packets = packets or max(DEFAULT_NETEM_PACKETS, in_flight // SMALL_PACKET_BYTES)
        longest = max(self.delay_nanoseconds, self.jitter_nanoseconds)
        if longest > uapi.UINT32_MAX * TICK_NANOSECONDS or self.netem_packets > uapi.UINT32_MAX:
            raise InvalidValue("a delay is at most 274 seconds long")
        if self.reorder_u32 and not self.delay_nanoseconds:
            raise InvalidValue("packets can only overtake others that are delayed: reorder needs a delay")

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
    def duplicate(self) -> float:
        """The fraction of packets that are sent twice."""
        return self.duplicate_u32 / uapi.UINT32_MAX

    @property
    def reorder(self) -> float:
        """The fraction of packets that are sent without a delay, before others that were sent earlier."""
        return self.reorder_u32 / uapi.UINT32_MAX

    @property
    def corrupt(self) -> float:
        """The fraction of packets in which one bit is wrong."""
        return self.corrupt_u32 / uapi.UINT32_MAX

    @property
    def limit(self) -> int:
        """The number of packets that are delayed at once; 0 if that is the usual one for its rate and delay."""
        in_flight = self.bytes_per_second * (self.delay_nanoseconds + self.jitter_nanoseconds) // 10**9
        usual = max(DEFAULT_NETEM_PACKETS, in_flight // SMALL_PACKET_BYTES)
        return self.netem_packets if self.netem_packets != usual else 0

    @property
    def impaired(self) -> bool:
        """Whether it needs netem, or a relay in its place."""
        return bool(self.netem_packets)

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
        needed = "latency" if self.rate else ""
        others = any(getattr(self, word) for word in ("jitter", *SHARES, "limit"))
        bare = "delay" if self.netem_packets and not others else ""  # netem is there, and changes nothing
        return [word for word in WORDS if getattr(self, word) or word in (needed, bare)]

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
        shares = {word: f"{getattr(self, word) * 100:.3g}%" for word in SHARES if getattr(self, word)}
        words = {**rate, **times, **shares, **({"limit": str(self.limit)} if self.limit else {})}
        return " ".join(f"{word} {value}" for word, value in words.items())

    def __repr__(self) -> str:
        return f"Shape({', '.join(f'{name}={getattr(self, name):g}' for name in WORDS if getattr(self, name))})"

    # -- as messages ----------------------------------------------------------------------------------------------

    def requests(self, index: int, netem: bool = True) -> list[Request]:
        """Return the requests that shape a link, whatever was at its root before: ``tc qdisc replace dev NAME root ...``.

        Without ``netem`` only the rate is limited, if there is one; the rest is left to others.
        """
        if not netem:
            return [replace(index, "tbf", self._tbf(), TBF)] if self.bytes_per_second else []
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
        options: dict[str, Any] = {
            "latency": self.delay_nanoseconds // TICK_NANOSECONDS,
            "jitter": self.jitter_nanoseconds // TICK_NANOSECONDS,
            "loss": self.loss_u32,
            "limit": self.netem_packets,
            "TCA_NETEM_LATENCY64": self.delay_nanoseconds,
            "TCA_NETEM_JITTER64": self.jitter_nanoseconds,
        }
        if self.duplicate_u32:
            options["duplicate"] = self.duplicate_u32
        if self.reorder_u32:  # of each group of ``gap`` packets: here all of them count
            options.update(gap=1, TCA_NETEM_REORDER={"probability": self.reorder_u32})
        if self.corrupt_u32:
            options["TCA_NETEM_CORRUPT"] = {"probability": self.corrupt_u32}
        return options

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
            self.duplicate_u32 = options.get("duplicate", 0)
            self.reorder_u32 = options.get("TCA_NETEM_REORDER", {}).get("probability", 0)
            self.corrupt_u32 = options.get("TCA_NETEM_CORRUPT", {}).get("probability", 0)
            return bool(options.get("gap", 0) == (1 if self.reorder_u32 else 0))
        else:
            return False
        return True


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
