"""The values in a description: each reader takes one as TOML or JSON has it and returns it as the model takes it.

Floor 6, pure.  What cannot be is an `InvalidValue` whose sentence shows the value; its place is the caller's to say.
"""

from __future__ import annotations

from _socket import inet_ntop, inet_pton

from ..errors import InvalidValue
from ..names import check
from ..objects import link, prefix
from ..objects.prefix import BITS, Prefix
from ..terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from ..nft.nat import Forward

MOST = 65536  # hosts of one count: more names than that no machine keeps
SHAPES = ("rate", "burst", "latency", "delay", "jitter", "loss")
LOCALHOST = "127.0.0.1\tlocalhost\n::1\tlocalhost\n"


def shown(value: object) -> str:
    """A value as a sentence shows it: short, on one line, booleans and texts as both languages write them."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = '"' + printable(value) + '"'
    else:
        text = "a table" if isinstance(value, dict) else "a list" if isinstance(value, list) else printable(str(value))
    return text if len(text) <= 60 else text[:56] + '..."'


def listed(words: Iterable[str]) -> str:
    """``a, b and c``."""
    *most, last = words if isinstance(words, list) else list(words)
    return f"{', '.join(most)} and {last}" if most else last


def nearest(word: str, right: Iterable[str]) -> str:
    """The one of the right words that was probably meant; empty where none is near."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(right), 1, 0.5)), "")


# -- texts, flags, numbers ------------------------------------------------------------------------------------------------


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f'{shown(value)} is no text: it stands in quotes, like "web"')
    return value


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidValue(f"{shown(value)} is neither true nor false")
    return value


def _whole(what: str, least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise InvalidValue(f"{shown(value)} is no {what}: it is a whole number from {least} to {most}")
        return value

    return read


count = _whole("number of hosts", 1, MOST)
mtu = _whole("MTU in bytes", 1, 0x7FFFFFFF)
metric = _whole("metric", 0, 0xFFFFFFFF)
vlan = _whole("VLAN", 1, 4094)
vni = _whole("VXLAN network identifier", 1, (1 << 24) - 1)
udp_port = _whole("UDP port", 1, 65535)
uid = _whole("user's number", 0, 0xFFFFFFFE)


def seconds(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= 1_000_000:
        raise InvalidValue(f"{shown(value)} is no time: it is a number of seconds up to a million")
    return value


# -- names ----------------------------------------------------------------------------------------------------------------


def label(value: Any) -> str:
    """What a description calls a host or a bridge: it becomes part of names, and stands before a colon."""
    word = text(value)
    if word == "root":
        raise InvalidValue("root is the namespace that the lab is built from: wires may end there, but it is not described")
    plain = word.replace("-", "").replace("_", "").replace(".", "")
    if not plain.isalnum() or word[0] in "-." or len(word) > 64:
        raise InvalidValue(f"{shown(word)} cannot name a host or a bridge: a name is 1 to 64 letters, digits, - _ and .")
    return word


def netns(value: Any) -> str:
    return check(text(value))


def interface(value: Any) -> str:
    return link.check_name(text(value))


def domain(value: Any) -> str:
    word = text(value)
    if not word or word.split() != [word] or not word.isprintable() or "#" in word:
        raise InvalidValue(f"{shown(word)} is no name of a host or a domain")
    return word


# -- addresses ------------------------------------------------------------------------------------------------------------


def address(value: Any) -> str:
    return prefix.address(text(value)).address


def interface_address(value: Any) -> Prefix:
    """An address of an interface.  The length is due: without one it would be alone in its network, which nobody means."""
    word = text(value)
    found = prefix.parse(word)
    if "/" not in word:
        raise InvalidValue(f"{shown(word)} says nothing of its network: {word}/{24 if BITS[found.family] == 32 else 64}, perhaps")
    return found


def mac(value: Any) -> str:
    word = text(value)
    if link.check_address(word) != 6:
        raise InvalidValue(f"{shown(word)} is no MAC address: it has six bytes")
    return word


def moved(base: Prefix, number: int) -> Prefix:
    """The address ``number`` places further on in its network.  Raises `InvalidValue` where it has none so far on."""
    if not number:
        return base
    bits = BITS[base.family]
    there = int.from_bytes(inet_pton(base.family, base.address), "big") + number
    host_bits = bits - base.length
    if there >> bits or (host_bits and there >> host_bits != (there - number) >> host_bits):
        raise InvalidValue(f"addresses that count up from {base} leave its network at number {number + 1}")
    return Prefix(base.family, inet_ntop(base.family, there.to_bytes(bits // 8, "big")), base.length)


def moved_mac(base: str, number: int) -> str:
    """The MAC address ``number`` places further on."""
    there = int(base.replace(":", "").replace("-", "").replace(".", ""), 16) + number
    if there >> 48:
        raise InvalidValue(f"MAC addresses that count up from {base} come to an end at number {number + 1}")
    return ":".join(f"{byte:02x}" for byte in there.to_bytes(6, "big"))


# -- what has a grammar ---------------------------------------------------------------------------------------------------


def route(value: Any) -> dict[str, Any]:
    """``10.0.0.0/8 via 10.0.0.1 dev eth0 metric 10`` as the table it is short for."""
    words = value.split() if isinstance(value, str) else []
    if len(words) % 2 == 0:
        raise InvalidValue(f'{shown(value)} is no route: it is written "10.9.0.0/16 via 10.0.0.1 dev eth0 metric 10"')
    said: dict[str, Any] = {"to": words[0]}
    for key, word in zip(words[1::2], words[2::2]):
        if key not in ("via", "dev", "metric") or key in said:
            raise InvalidValue(
                f"{shown(value)} is no route: {shown(key)} has no place in it; via, dev and metric have, once each"
            )
        said[key] = metric(int(word) if word.isascii() and word.isdigit() else word) if key == "metric" else word
    return said


def forward(value: Any) -> Forward:
    """``tcp 8080 10.0.0.2:80``: what comes in on a port goes on to an address and a port."""
    from ..nft.nat import Forward

    words = text(value).split()
    if len(words) != 3 or words[0] not in ("tcp", "udp"):
        raise InvalidValue(f'{shown(value)} forwards no port: it is written "tcp 8080 10.0.0.2:80"')
    target, colon, far = words[2].rpartition(":")
    if not colon:
        target, far = words[2], words[1]
    port = [int(word) if word.isascii() and word.isdigit() else 0 for word in (words[1], far)]
    return Forward(words[0], port[0], target.strip("[]"), port[1])


def sysctls(value: Any) -> dict[str, object]:
    if not isinstance(value, dict):
        raise InvalidValue(f'{shown(value)} is no table: sysctl = {{ "net.ipv4.ip_forward" = 1 }}')
    for key, one in value.items():
        parts = key.replace("/", ".").split(".")
        if isinstance(one, dict) or not key.startswith(("net.", "net/")) or "" in parts or not key.isprintable():
            raise InvalidValue(
                f"{shown(key)} is no setting of a namespace: those begin with net, and stand in quotes for their dots"
            )
        if not isinstance(one, (str, int)):
            raise InvalidValue(f"{key} is set to {shown(one)}: a number or a text is due")
    return {key: int(one) if isinstance(one, bool) else one for key, one in value.items()}


def names(value: Any) -> str:
    """Names and their addresses, as /etc/hosts has them."""
    if not isinstance(value, dict):
        raise InvalidValue(f'{shown(value)} is no table of names: hosts = {{ db = "10.0.0.3" }}')
    lines = []
    for name, addresses in value.items():
        for one in addresses if isinstance(addresses, list) else [addresses]:
            lines.append(f"{address(one)}\t{domain(name)}\n")
    return LOCALHOST + "".join(lines)


def files(said: Mapping[str, Any]) -> dict[str, str]:
    """What /etc/netns/NAME is to hold: ``hosts`` and ``resolv.conf``."""
    found = {"hosts": said["hosts"]} if "hosts" in said else {}
    lines = [f"search {' '.join(said['search'])}\n"] if said.get("search") else []
    lines += [f"nameserver {one}\n" for one in said.get("nameservers", ())]
    if lines:
        found["resolv.conf"] = "".join(lines)
    return found


def command(value: Any) -> list[str]:
    """A command to run: a text is the shell's, a list of words is run as it is."""
    words = ["/bin/sh", "-c", value] if isinstance(value, str) and value.strip() else value
    right = isinstance(words, list) and words and all(isinstance(word, str) and "\0" not in word for word in words)
    if not right or not words[0]:
        raise InvalidValue(f"{shown(value)} is no command: it is a text for the shell, or a list of words")
    return words


def shaped(word: str) -> Callable[[Any], Any]:
    """How one of the keywords of `objects.qdisc.shape` is read: ``rate``, ``delay`` ..., in the words of `tc`."""

    def read(value: Any) -> Any:
        from ..objects import units

        {"rate": units.rate, "burst": units.size, "loss": units.share}.get(word, units.seconds)(value)
        return value

    return read


def shape(said: Mapping[str, Any]) -> dict[str, Any] | None:
    """What of this shapes an interface, together; None where nothing does.  Raises `InvalidValue` where it cannot be."""
    found = {word: said[word] for word in SHAPES if word in said}
    if not found:
        return None
    from ..objects import qdisc

    qdisc.Shape(**found)
    return found
