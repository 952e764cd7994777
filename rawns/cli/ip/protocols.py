"""Names of IP protocols: the few that routes and rules are about, and those of /etc/protocols."""

from __future__ import annotations

from ... import uapi

KNOWN = {
    "icmp": uapi.IPPROTO_ICMP,
    "tcp": uapi.IPPROTO_TCP,
    "udp": uapi.IPPROTO_UDP,
    "ipv6-icmp": uapi.IPPROTO_ICMPV6,
    "sctp": 132,
}


def number_of(text: str) -> int:
    """Return the number of a protocol, by name or number.  Raises ValueError."""
    if text in KNOWN:
        return KNOWN[text]
    try:
        return decimal(text)
    except ValueError:
        from _socket import getprotobyname

        try:
            return getprotobyname(text)
        except (OSError, ValueError):
            raise ValueError(text) from None


def decimal(text: str) -> int:
    """Return a byte that is written as a decimal number, possibly with zeros before it.  Raises ValueError."""
    if not text.isascii() or not text.isdigit() or int(text) > 255:
        raise ValueError(text)
    return int(text)


def name_of(value: int) -> str:
    """Return the name of a protocol; its number if it has none."""
    for name, number in KNOWN.items():
        if number == value:
            return name
    try:
        with open("/etc/protocols", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                words = line.split("#")[0].split()
                if len(words) > 1 and words[1] == str(value):
                    return words[0]
    except OSError:
        pass  # there is no such file
    return f"ipproto-{value}"
