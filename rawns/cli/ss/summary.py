"""What ``ss -s`` prints: counters of the kernel, without a list of sockets."""

from __future__ import annotations

FILES = ("/proc/net/sockstat", "/proc/net/sockstat6")


def text() -> str:
    """Return the summary.  Raises OSError if /proc/net cannot be read."""
    counts: dict[str, int] = {}
    for path in FILES:
        _read(path, counts)
    established = _established()
    get = counts.get
    waiting, allocated = get("TCP tw", 0), get("TCP alloc", 0)
    tcp = get("TCP inuse", 0), get("TCP6 inuse", 0)
    closed = allocated - (sum(tcp) - waiting)
    orphaned = get("TCP orphan", 0)
    lines = [
        f"Total: {get('sockets used', 0)}",
        f"TCP:   {allocated + waiting} (estab {established}, closed {closed}, orphaned {orphaned}, timewait {waiting})",
        "",
        "Transport Total     IP        IPv6",
    ]
    udp = get("UDP inuse", 0), get("UDP6 inuse", 0)
    raw = get("RAW inuse", 0), get("RAW6 inuse", 0)
    frag = get("FRAG inuse", 0), get("FRAG6 inuse", 0)
    both = raw[0] + udp[0] + tcp[0], raw[1] + udp[1] + tcp[1]
    for name, (four, six) in (("RAW", raw), ("UDP", udp), ("TCP", tcp), ("INET", both), ("FRAG", frag)):
        lines.append(f"{name}\t  {four + six:<9d} {four:<9d} {six:<9d}")
    return "\n".join(lines) + "\n\n"


def _read(path: str, counts: dict[str, int]) -> None:
    try:
        with open(path, encoding="ascii") as file:
            for line in file:
                name, _, rest = line.partition(":")
                words = rest.split()
                counts.update({f"{name} {key}": int(value) for key, value in zip(words[::2], words[1::2])})
    except FileNotFoundError:
        pass  # no IPv6


def _established() -> int:
    """Return TcpCurrEstab of /proc/net/snmp."""
    with open("/proc/net/snmp", encoding="ascii") as file:
        tables = [line.split() for line in file if line.startswith("Tcp:")]
    return int(dict(zip(*tables)).get("CurrEstab", 0)) if len(tables) == 2 else 0
