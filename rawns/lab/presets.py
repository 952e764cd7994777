"""Presets: kinds of links and of uplinks by name, for lab files and for Python (``preset = "4g"``, ``uplink = "home"``).

A preset is an abbreviation: it stands for the values that are in the tables here, and what is exported, or read back, are
these values.  The manual (`rawns help labs`) has the figures with their sources, and says what is approximated.
"""

from __future__ import annotations

from ..errors import InvalidValue
from ..terminal import short_repr
from .words import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .host import Host

    Words = dict[str, Any]  # keywords of `objects.qdisc.Shape`


class LinkPreset:
    """A kind of link: how the user's end (``up``) and the network's end (``down``) send."""

    __slots__ = ("down", "up")

    def __init__(self, down: Words, **differs: Any) -> None:
        self.down = down
        self.up: Words = {**down, **differs}  # the user's end, if it differs


LINKS = {  # the sources of the figures are in the manual
    "lan": LinkPreset({"rate": "1gbit", "delay": "0.1ms"}),
    "wifi": LinkPreset({"rate": "30mbit", "delay": "2ms", "jitter": "1ms", "loss": "0.2%"}),
    "dsl": LinkPreset({"rate": "1500kbit", "delay": "25ms"}, rate="384kbit"),
    "cable": LinkPreset({"rate": "5mbit", "delay": "14ms"}, rate="1mbit"),
    "3g": LinkPreset({"rate": "1600kbit", "delay": "150ms"}, rate="768kbit"),
    "4g": LinkPreset({"rate": "9mbit", "delay": "85ms"}),
    "5g": LinkPreset({"rate": "100mbit", "delay": "10ms", "jitter": "2ms"}, rate="50mbit"),
    "satellite": LinkPreset({"rate": "20mbit", "delay": "270ms", "jitter": "10ms", "loss": "0.5%"}, rate="3mbit"),
    "lossy": LinkPreset({"rate": "10mbit", "delay": "20ms", "jitter": "5ms", "loss": "5%"}),
}
SHARED_ADDRESSES = "100.64.0.0/10"  # RFC 6598: between the routers of customers and that of their provider
DEFAULT_OUT = "eth0"
UPLINKS = {
    "home": "a router at home: NAT that keeps ports, and lets in answers only, from the port that was sent to (port-restricted)",
    "cgnat": "a provider's router, for home routers behind it: NAT of 100.64.0.0/10, otherwise like home",
    "corporate": "a company's router: NAT with a port for each connection (symmetric), TCP 80 and 443 out, nothing else",
    "none": "a router without NAT and filters",
}


def link_preset(name: str) -> LinkPreset:
    """Return a kind of link by its name.  Raises `InvalidValue`, with the nearest name."""
    if not isinstance(name, str) or name not in LINKS:
        raise InvalidValue(_unknown(name, "a link", list(LINKS)))
    return LINKS[name]


def _unknown(name: object, what: str, known: list[str]) -> str:
    near = nearest(name, known) if isinstance(name, str) else ""
    hint = f"; did you mean {near}?" if near else f"; there are {', '.join(known)}"
    return f"{short_repr(name)} is not a preset of {what}{hint}"


def split_uplink(text: str) -> tuple[str, str]:
    """Return kind and interface of an uplink: ``home``, or ``home on wan``.  Raises `InvalidValue`."""
    from ..objects.link import check_name

    words = text.split() if isinstance(text, str) else []
    if len(words) == 3 and words[1] == "on":
        words = [words[0], check_name(words[2])]
    elif len(words) == 1:
        words = [words[0], DEFAULT_OUT]
    if len(words) != 2 or words[0] not in UPLINKS:
        raise InvalidValue(_unknown(words[0] if words else text, "an uplink", list(UPLINKS)))
    return words[0], words[1]


def apply_uplink(host: Host, text: str) -> None:
    """Plan the forwarding, NAT and firewall rules of an uplink in a host.  Raises `InvalidValue`."""
    kind, out = split_uplink(text)
    host.forward()
    if kind == "none":
        return
    host.nat(out, *([SHARED_ADDRESSES] if kind == "cgnat" else []), random=kind == "corporate")
    if kind == "corporate":
        for rule in ("allow forward tcp port 80", "allow forward tcp port 443", "deny forward"):
            host.add_rule(rule)
    else:
        host.add_rule(f"deny forward on {out}")
    # An unsolicited packet that is dropped here leaves no conntrack entry.  An entry would occupy the port that a later
    # connection from inside to the same peer needs, and NAT would then choose another port for that.
    host.add_rule(f"deny in on {out}")
