"""Routes of a lab's hosts, as they are described."""

from __future__ import annotations

from _socket import AF_INET6

from ..errors import InvalidValue
from ..objects import prefix
from . import values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class LabRoute:
    """Where a host sends packets: ``to`` a prefix or ``default``, ``via`` a gateway, out of ``dev`` (one of its interfaces).

    Equivalent to ``ip route add TO [via VIA] [dev DEV] [metric METRIC]``.  Raises `InvalidValue` if the destination has bits
    beyond its prefix length, if gateway and destination are of two families, and without gateway and device.
    """

    __slots__ = ("dev", "metric", "to", "via", "where")

    def __init__(self, to: str, via: str | None = None, dev: str | None = None, metric: int | None = None) -> None:
        gateway = prefix.address(via) if via is not None else None
        self.to = values.network(to, gateway.family if gateway else 0)
        self.via = values.host_address(gateway).address if gateway else None
        self.dev, self.metric, self.where = dev, metric, ""
        if gateway is not None and gateway.family != self.to.family:
            raise InvalidValue(f"{to} and its gateway {via} are of two families")
        if via is None and dev is None:
            raise InvalidValue(f"a route to {to} goes via a gateway or out of a device")

    @property
    def destination(self) -> str:
        """The destination as a request has it."""
        if self.to.length:
            return str(self.to)
        return "::/0" if self.to.family == AF_INET6 else "0.0.0.0/0"

    def __str__(self) -> str:
        default = not self.to.length and (self.via is not None or self.to.family != AF_INET6)  # else the family is not said
        words = ["default" if default else str(self.to)]
        words += ["via", self.via] if self.via else []
        words += ["dev", self.dev] if self.dev else []
        return " ".join(words + (["metric", str(self.metric)] if self.metric is not None else []))


class RouteValue(values.Value):
    """A route: a text like ``10.0.0.0/8 via 10.0.0.1 dev eth0 metric 10``, or a table with these keys."""

    __slots__ = ()

    def __init__(self) -> None:
        keys = {"to": values.TEXT, "via": values.ADDRESS, "dev": values.INTERFACE_NAME, "metric": values.METRIC}
        table = {
            "type": "object",
            "properties": {key: value.schema for key, value in keys.items()},
            "required": ["to"],
            "additionalProperties": False,
        }
        super().__init__({"anyOf": [{"type": "string"}, table]})

    def write(self, value: Any) -> str:
        """Write a value; see `Value.write`."""
        return str(value)


def words_of(value: Any) -> dict[str, Any]:
    """Return ``10.0.0.0/8 via 10.0.0.1 dev eth0 metric 10`` as the table that it is short for.  Raises `InvalidValue`."""
    words = value.split() if isinstance(value, str) else []
    if len(words) % 2 == 0:
        example = "10.9.0.0/16 via 10.0.0.1 dev eth0 metric 10"
        raise InvalidValue(f'{values.shown(value)} is not a route: expected a text like "{example}"')
    entry: dict[str, Any] = {"to": words[0]}
    for key, word in zip(words[1::2], words[2::2]):
        if key not in ("via", "dev", "metric") or key in entry:
            text = f"unexpected {values.shown(key)}; after the destination come via, dev and metric, once each"
            raise InvalidValue(f"{values.shown(value)} is not a route: {text}")
        entry[key] = values.METRIC.read(values.decimal(word)) if key == "metric" else word
    return entry
