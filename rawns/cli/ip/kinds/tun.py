"""TUN and TAP devices, which `ip tuntap` and tun(4) create; here they are only shown."""

from __future__ import annotations

from ..render import OutputField
from .kind import LinkKind, on_off

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Body, IpContext, Iterator

TYPES = {1: "tun", 2: "tap"}


def _name(number: int, file: str) -> str | int:
    """Return the name of a user or group in /etc/passwd or /etc/group; its number if it has none."""
    try:
        with open(file, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                words = line.split(":")
                if len(words) > 2 and words[2] == str(number):
                    return words[0]
    except OSError:
        pass  # there is no such file
    return number


def _show(data: Body, ip: IpContext) -> Iterator[OutputField]:
    kind = TYPES.get(data.get("IFLA_TUN_TYPE", 0), "UNKNOWN")
    yield OutputField("type", kind, f"type {kind} ")
    for name in ("pi", "vnet_hdr"):
        if f"IFLA_TUN_{name.upper()}" in data:
            yield on_off(name, name, bool(data[f"IFLA_TUN_{name.upper()}"]))
    many = bool(data.get("IFLA_TUN_MULTI_QUEUE"))
    yield OutputField("multi_queue", many, "multi_queue " if many else "")
    if many:
        for name, key in (("numqueues", "IFLA_TUN_NUM_QUEUES"), ("numdisabled", "IFLA_TUN_NUM_DISABLED_QUEUES")):
            yield OutputField(name, data.get(key, 0), f"{name} {data.get(key, 0)} ")
    if "IFLA_TUN_PERSIST" in data:
        yield on_off("persist", "persist", bool(data["IFLA_TUN_PERSIST"]))
    for name, key, file in (("user", "IFLA_TUN_OWNER", "/etc/passwd"), ("group", "IFLA_TUN_GROUP", "/etc/group")):
        if key in data:
            shown = _name(data[key], file)
            yield OutputField(name, shown, f"{name} {shown} ")


KINDS = {"tun": LinkKind("", None, _show)}
