"""The properties of interfaces: one row each, from which everything else that knows a property is derived.

A row says how a value is written in a lab file (`values`), documented, sent to the kernel, read back and compared.  The
parser, the checks, the requests, `readback`, `diff`, `export`, the reference page and the JSON Schema all read these rows;
the properties of one kind of link stand in that kind's own module under `kinds`.
"""

from __future__ import annotations

from . import values
from .words import mac_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypedDict

    from ..objects.link import Link
    from ..objects.qdisc import ShapeOptions
    from .values import Value

    class InterfaceOptions(TypedDict, total=False):
        """Keywords of every interface (`LINK_PROPERTIES`)."""

        mac: str | None
        mtu: int | None  # bytes
        txqueuelen: int | None  # packets
        ipv6: bool | None  # a link-local address
        up: bool
        shape: ShapeOptions | None


class Key:
    """One key of a table in a lab file: its name, the type of its value, and one sentence about it."""

    __slots__ = ("doc", "name", "required", "value")

    def __init__(self, name: str, value: Value, doc: str, required: bool = False) -> None:
        self.name, self.value, self.doc, self.required = name, value, doc, required


class Property(Key):
    """A key that is an attribute of an interface, and ``attribute``, under which the kernel stores it.

    ``default`` is the value of an interface that does not name the property; None leaves it to the kernel.  ``usual`` is the
    kernel's value if nothing is sent, None if it varies; with ``explicit`` the default is sent too, because the kernel has
    another one.  A property that is not ``in_place`` is fixed when the interface is created: if it changes, the interface is
    created again.
    """

    __slots__ = ("attribute", "default", "explicit", "in_place", "usual")

    def __init__(
        self,
        name: str,
        value: Value,
        doc: str,
        attribute: str,
        *,
        default: Any = None,
        usual: Any = None,
        explicit: bool = False,
        in_place: bool = False,
        required: bool = False,
    ) -> None:
        super().__init__(name, value, doc, required)
        self.attribute, self.default, self.explicit, self.in_place = attribute, default, explicit, in_place
        self.usual = default if usual is None else usual

    def file_value(self, one: object) -> Any:
        """Return the value of an interface, as a file has it; None if it is the default."""
        value = getattr(one, self.name)
        return None if value is None or value == self.default else self.value.write(value)


class LinkProperty(Property):
    """A property that every link has: ``attribute`` is its keyword in `objects.link.new` and `change`, and a field of `Link`."""

    __slots__ = ()

    at_creation = True  # whether it is set when the link is created

    def kernel_value(self, link: Link) -> Any:
        """Return the value that a link has."""
        return getattr(link, self.attribute)

    def same_value(self, now: Any, then: Any) -> bool:
        """Return whether the kernel's value is the described one."""
        return bool(now == then)

    def show_change(self, now: Any, then: Any) -> str:
        """Return a change in a line of a plan."""
        return f"{self.name} {self.value.show(now)} -> {self.value.show(then)}"


class UpProperty(LinkProperty):
    """Whether it is up."""

    __slots__ = ()

    at_creation = False

    def show_change(self, now: Any, then: Any) -> str:
        return "down -> up" if then else "up -> down"


class Ipv6Property(LinkProperty):
    """Whether it gets a link-local IPv6 address; set before it is up, because the kernel only asks then."""

    __slots__ = ()

    at_creation = False  # the kernel refuses it there

    def same_value(self, now: Any, then: Any) -> bool:
        return then is None or now is None or now == then


class MacProperty(LinkProperty):
    """The MAC address, whose spelling does not matter."""

    __slots__ = ()

    def same_value(self, now: Any, then: Any) -> bool:
        return now is not None and mac_bytes(now) == mac_bytes(then)

    def show_change(self, now: Any, then: Any) -> str:
        return super().show_change(now, self.value.read(then))


class KindProperty(Property):
    """A property of one kind of link: ``attribute`` is one of its IFLA_INFO_DATA."""

    __slots__ = ()

    def encoded(self, value: Any) -> dict[str, Any]:
        """Return the attributes that carry a value."""
        return {} if value is None else {self.attribute: self.value.encode(value)}

    def kernel_value(self, data: Mapping[str, Any]) -> Any:
        """Return the value that a link has, by the attributes of its kind; the usual one if they do not say."""
        raw = data.get(self.attribute)
        return self.usual if raw is None else self.value.decode(raw)

    def readable(self, data: Mapping[str, Any]) -> bool:
        """Return whether what the kernel reports is the configured value, and not one that it has chosen for the moment."""
        return True


class AddressProperty(KindProperty):
    """The address of a tunnel's end; an IPv6 address has an attribute of its own: ``IFLA_VXLAN_LOCAL6``."""

    __slots__ = ()

    def encoded(self, value: Any) -> dict[str, Any]:
        return {} if value is None else {f"{self.attribute}6" if ":" in value else self.attribute: value}

    def kernel_value(self, data: Mapping[str, Any]) -> Any:
        return data.get(self.attribute) or data.get(f"{self.attribute}6")


MIN_MTU, MAX_MTU = 68, 65535  # ETH_MIN_MTU and ETH_MAX_MTU of <linux/if_ether.h>; kinds may allow less

LINK_PROPERTIES: tuple[LinkProperty, ...] = (
    MacProperty("mac", values.MAC_ADDRESS, "MAC address; counts up with `count`", "address"),
    LinkProperty("mtu", values.WholeNumber("an MTU in bytes", MIN_MTU, MAX_MTU), "longest packet in bytes", "mtu"),
    LinkProperty(
        "txqueuelen",
        values.WholeNumber("a queue length in packets", 0, (1 << 31) - 1),
        "packets that the device's queue holds (1000)",
        "txqlen",
        usual=1000,  # DEFAULT_TX_QUEUE_LEN of the kernel
    ),
    Ipv6Property(
        "ipv6",
        values.FLAG,
        "whether it gets a link-local IPv6 address; unset: as the kernel does",
        "ipv6_link_local",
        usual=True,
    ),
    UpProperty("up", values.FLAG, "whether the interface is up", "up", default=True),
)

# How an interface sends: the words of `objects.qdisc.Shape`, which belong together and are stored as one dict, ``shape``.
SHAPE_KEYS: tuple[Key, ...] = (
    Key("rate", values.QuantityValue("rate"), 'fastest rate, like "10mbit"; a number is bits a second'),
    Key("burst", values.QuantityValue("size"), 'bytes that may exceed the rate at once, like "16kb"'),
    Key("latency", values.QuantityValue("time"), 'longest time in the queue for the rate, like "50ms"'),
    Key("delay", values.QuantityValue("time"), 'time added to each packet, like "20ms"; a number is seconds'),
    Key("jitter", values.QuantityValue("time"), 'variation of the delay, like "2ms"'),
    Key("loss", values.QuantityValue("share"), 'share of packets dropped, like "1%"; a number is a fraction'),
    Key("duplicate", values.QuantityValue("share"), "share of packets sent twice"),
    Key("reorder", values.QuantityValue("share"), "share of packets that are not delayed, and overtake others"),
    Key("corrupt", values.QuantityValue("share"), "share of packets in which one bit is wrong"),
    Key("limit", values.WholeNumber("a number of packets", 1, 0xFFFFFFFF), "packets delayed at once (1000); others are dropped"),
)


def shape_of(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the shape among the values of a table; None if there is none.  Raises `InvalidValue` if the words contradict."""
    found = {key.name: entry[key.name] for key in SHAPE_KEYS if key.name in entry}
    if not found:
        return None
    from ..objects import qdisc

    qdisc.Shape(**found)
    return found
