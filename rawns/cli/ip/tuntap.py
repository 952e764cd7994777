"""`ip tuntap`: persistent tun and tap devices (ip-tuntap(8), `<linux/if_tun.h>`)."""

from __future__ import annotations

import os

from ... import rtnl, syscalls, uapi
from ...errors import SyscallError
from ...nlmsg import Request
from ...tap import IFREQ
from .arguments import interface, leading_integer
from .context import ObjectVerbs, help_of, reason
from .grammar import FAILED, CommandError, garbage, matches
from .keywords import ConstantKeyword, CustomKeyword, FlagKeyword, ValueKeyword, read
from .reads import accounts
from .render import LINE_END, JsonObject, OutputField, OutputGroup, OutputRow, put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, Callable, IpContext, Iterator, Record

DEVICE = "/dev/net/tun"
MODES = {"tun": uapi.IFF_TUN, "tap": uapi.IFF_TAP}
FLAGS = {  # in the order in which they are printed
    "one_queue": uapi.IFF_ONE_QUEUE,
    "vnet_hdr": uapi.IFF_VNET_HDR,
    "multi_queue": uapi.IFF_MULTI_QUEUE,
    "persist": uapi.IFF_PERSIST,
}
TYPES = {uapi.IFF_TUN: "tun", uapi.IFF_TAP: "tap"}


def _mode(args: Args, record: Record) -> None:
    word = args.take()
    mode = next((MODES[name] for name in MODES if matches(word, name)), 0)
    if not mode:
        raise CommandError(f'Unknown tunnel mode "{word}"')
    if record.get("mode", mode) != mode:
        raise CommandError("You managed to ask for more than one tunnel mode.")
    record["mode"] = mode


def _id(key: str, file: str) -> Callable[[Args, Record], None]:
    """Return a reader of a user or group, by name or number."""

    def take(args: Args, record: Record) -> None:
        word = args.take()
        digits = word.lstrip("+-")
        if digits.isascii() and digits.isdigit():
            record[key] = leading_integer(word)
            return
        record[key] = next((number for name, number in accounts(file) if name == word), None)
        if record[key] is None:
            raise CommandError(f'invalid {key} "{word}"')

    return take


WORDS = [
    CustomKeyword("mode*", _mode),
    CustomKeyword("user*", _id("user", "/etc/passwd")),
    CustomKeyword("group*", _id("group", "/etc/group")),
    ConstantKeyword("pi*", "pi", True),
    FlagKeyword("one_queue*", uapi.IFF_ONE_QUEUE, "flags"),
    FlagKeyword("vnet_hdr*", uapi.IFF_VNET_HDR, "flags"),
    FlagKeyword("multi_queue*", uapi.IFF_MULTI_QUEUE, "flags"),
    ValueKeyword("dev*", "name", lambda text: interface(text, "dev")),
]


def _name(word: str, args: Args, record: Record) -> None:
    if matches(word, "name"):
        word = args.take()
    elif matches(word, "help"):
        raise help_of("tuntap")
    if record.get("name"):
        raise garbage("name", word)
    record["name"] = interface(word, "name")


def _attach(args: Args, persist: int) -> int:
    rows = WORDS if persist else [row for row in WORDS if row.name not in ("user", "group")]
    record = read(rows, args, {"flags": 0}, _name)
    if not record.get("mode"):
        raise CommandError("You failed to specify a tunnel mode", FAILED)
    flags = record["flags"] | record["mode"] | (0 if "pi" in record else uapi.IFF_NO_PI)
    flags |= uapi.IFF_TUN_EXCL if persist else 0
    name = record.get("name", "")
    request = IFREQ.pack_members(name.encode("utf-8", "surrogateescape"), flags - (flags >> 15 << 16), b"")
    try:
        fd = syscalls.open_(DEVICE, os.O_RDWR)
    except SyscallError as error:
        raise CommandError(f"open: {reason(error)}", FAILED) from None
    try:
        _call("TUNSETIFF", lambda: syscalls.ioctl_struct(fd, "TUNSETIFF", request, f'{{ifr_name="{name}"}}'))
        if persist:
            for key, call in (("user", "TUNSETOWNER"), ("group", "TUNSETGROUP")):
                if record.get(key, -1) != -1:
                    _number(fd, call, record[key] & 0xFFFFFFFF)
        _number(fd, "TUNSETPERSIST", persist)
    finally:
        syscalls.close(fd)
    return 0


def _number(fd: int, call: str, value: int) -> None:
    _call(call, lambda: syscalls.ioctl_number(fd, call, value))


def _call(name: str, function: Callable[[], object]) -> None:
    try:
        function()
    except SyscallError as error:
        raise CommandError(f"ioctl({name}): {reason(error)}", FAILED) from None


def add(args: Args) -> int:
    """Create a device that stays."""
    return _attach(args, 1)


def delete(args: Args) -> int:
    """Delete a device."""
    return _attach(args, 0)


def show(args: Args) -> int:
    """List the devices; iproute2 ignores the words that follow."""
    ip = args.ip
    body = {"IFLA_LINKINFO": {"IFLA_INFO_KIND": "tun"}, "IFLA_EXT_MASK": uapi.RTEXT_FILTER_VF}
    links = [reply.body for reply in ip.dump(Request(rtnl.GETLINK, body, uapi.NLM_F_DUMP))]
    ip.print_rows(ROWS, (link for link in links if link.get("IFLA_LINKINFO", {}).get("IFLA_INFO_KIND") == "tun"))
    return 0


def _flags(name: str, data: Body) -> int:
    """Return the flags of a device from /sys; without /sys those that rtnetlink reports (all but IFF_ONE_QUEUE)."""
    try:
        with open(f"/sys/class/net/{name}/tun_flags", encoding="ascii") as value:
            return int(value.read(), 0)
    except (OSError, ValueError):
        pass
    bits = {"VNET_HDR": uapi.IFF_VNET_HDR, "MULTI_QUEUE": uapi.IFF_MULTI_QUEUE, "PERSIST": uapi.IFF_PERSIST}
    found = sum(bit for word, bit in bits.items() if data.get(f"IFLA_TUN_{word}"))
    return found | int(data.get("IFLA_TUN_TYPE", 0)) | (0 if data.get("IFLA_TUN_PI") else uapi.IFF_NO_PI)


def _flag_words(link: Body, _: Body, ip: IpContext) -> Iterator[OutputField]:
    number = _flags(link["IFLA_IFNAME"], _data(link))
    flags = [TYPES.get(number & (uapi.IFF_TUN | uapi.IFF_TAP), "")] + [word for word, bit in FLAGS.items() if number & bit]
    if not number & uapi.IFF_NO_PI:
        flags = [flags[0], "pi", *flags[1:], "filter"]  # iproute2 takes one bit for two things
    yield OutputField("flags", flags, "".join(f" {flag}" for flag in flags))


def _data(link: Body) -> Body:
    data: Body = link["IFLA_LINKINFO"].get("IFLA_INFO_DATA", {})
    return data


def _processes(link: Body, _: Body, ip: IpContext) -> Iterator[OutputField]:
    if ip.details:
        found = list(_holders(link["IFLA_IFNAME"]))
        words = "".join(f" {process}({pid})" for process, pid in found)
        objects = [JsonObject([OutputField("name", process), OutputField("pid", int(pid))]) for process, pid in found]
        yield OutputField("processes", objects, put("\n", None, ip) + f"\tAttached to processes:{words}")


ROWS = (
    OutputRow("IFLA_IFNAME", "ifname", "%s:", colour="ifname"),
    OutputGroup("", _flag_words),
    OutputRow("", "user", " user %s", lambda link, _, ip: _data(link).get("IFLA_TUN_OWNER")),
    OutputRow("", "group", " group %s", lambda link, _, ip: _data(link).get("IFLA_TUN_GROUP")),
    OutputGroup("", _processes),
    LINE_END,
)


def _holders(name: str) -> Iterator[tuple[str, str]]:
    """Yield the processes that hold a descriptor of a device."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for fd in os.listdir(f"/proc/{pid}/fdinfo"):
                with open(f"/proc/{pid}/fdinfo/{fd}", encoding="utf-8", errors="replace") as lines:
                    if any(line.split() == ["iff:", name] for line in lines):
                        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as comm:
                            yield comm.read().strip(), pid
        except OSError:
            continue  # it has ended, or belongs to another user


run = ObjectVerbs("tuntap", ("add", add), ("delete", delete), ("show|lst|list", show))
