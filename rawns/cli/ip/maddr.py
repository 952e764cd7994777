"""`ip maddress`: the multicast addresses that interfaces receive (ip-maddress(8)), from /proc/net."""

from __future__ import annotations

import sys
from _socket import AF_INET, AF_INET6, inet_ntop

from ... import syscalls
from ...errors import SyscallError
from .arguments import interface, lladdr
from .context import ObjectVerbs, help_of, reason
from .grammar import AF_PACKET, FAILED, CommandError, duplicate, matches
from .keywords import read, target
from .reads import joined
from .render import JsonObject, OutputField, OutputRow, family_colour, fields, put, true

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, IpContext, Iterator, Record

ETHERNET_BYTES = 6


def _lines(name: str) -> list[str]:
    try:
        with open(f"/proc/net/{name}", encoding="utf-8", errors="surrogateescape") as lines:
            return lines.read().splitlines()
    except OSError:
        return []  # this kernel does not have the protocol


def _member(family: int, address: str, users: str, static: bool = False) -> Body:
    return {"family": family, "address": address, "users": int(users), "static": static}


def _link_layer() -> Iterator[tuple[int, str, Body]]:
    for line in _lines("dev_mcast"):
        index, name, users, static, address = line.split()
        shown = bytes.fromhex(address).hex(":")
        yield int(index), name, _member(AF_PACKET, shown, users, static != "0")


def _ipv4() -> Iterator[tuple[int, str, Body]]:
    index, name = 0, ""
    for line in _lines("igmp")[1:]:
        words = line.split()
        if not line.startswith("\t"):
            index, name = int(words[0]), words[1]
        else:
            packed = int(words[0], 16).to_bytes(4, sys.byteorder)
            yield index, name, _member(AF_INET, inet_ntop(AF_INET, packed), words[1])


def _ipv6() -> Iterator[tuple[int, str, Body]]:
    for line in _lines("igmp6"):
        index, name, address, users = line.split()[:4]
        yield int(index), name, _member(AF_INET6, inet_ntop(AF_INET6, bytes.fromhex(address)), users)


ROWS = (
    OutputRow(
        "address", "link", "\tlink  %s", lambda value, one, ip: value if one["family"] == AF_PACKET else None, colour="mac"
    ),
    OutputRow("family", "family", "\t%-5s ", lambda family, one, ip: family_colour(family)),
    OutputRow(
        "address",
        "address",
        "%s",
        lambda value, one, ip: None if one["family"] == AF_PACKET else ip.host(value),
        colour=lambda value, one: family_colour(one["family"]),
    ),
    OutputRow("users", "users", " users %d", lambda users, one, ip: users if users != 1 else None),
    OutputRow("static", "static", " static", true),
)
READERS = {AF_PACKET: _link_layer, AF_INET: _ipv4, AF_INET6: _ipv6}


def _device(word: str, args: Args, record: Record) -> None:
    record["dev"] = word


def show(args: Args) -> int:
    """List the addresses of all interfaces, or of one."""
    ip = args.ip
    device = read([], args, {}, target("dev", "maddress", _device, "dev", named_help=False)).get("dev")
    found: dict[int, tuple[str, list[Body]]] = {}
    for family, reader in READERS.items():
        if ip.family in (0, family):
            for index, name, one in reader():
                if device in (None, name):
                    found.setdefault(index, (name, []))[1].append(one)
    groups = [(index, *found[index]) for index in sorted(found)]
    if ip.oneline:  # a line for each address, and in JSON an object
        groups = [(index, name, [one]) for index, name, members in groups for one in members]
    ip.print_all(_fields(*group, ip) for group in groups)
    return 0


def _fields(index: int, name: str, members: list[Body], ip: IpContext) -> Iterator[OutputField]:
    yield OutputField("ifindex", index, f"{index}:")
    shown = put("%s", name, ip, "ifname")
    yield OutputField("ifname", name, shown.replace(name, f"\t{name}", 1) + put("\n", None, ip))
    objects = [JsonObject(fields(ROWS, one, ip)) for one in members]
    yield OutputField("maddr", objects, "".join([f"{joined(one)}\n" for one in objects]))


def modify(args: Args, request: str) -> int:
    """Add or delete a link-layer address."""
    address, device = "", ""
    while args:
        word = args.take()
        if word == "dev":
            if device:
                raise duplicate("dev", args.take())
            device = interface(args.take(), "dev")
            continue
        if matches(word, "address"):
            word = args.take()
        if matches(word, "help"):
            raise help_of("maddress")
        if address:
            raise duplicate("address", word)
        address = word
        _packed(address)
    if not device:
        raise CommandError('Not enough information: "dev" is required.')
    packed = _packed(address) if address else bytes(ETHERNET_BYTES)
    ifreq = device.encode("utf-8", "surrogateescape")[:15].ljust(16, b"\0") + bytes(2) + packed.ljust(22, b"\0")
    _ioctl(request, ifreq, device)
    return 0


def _packed(text: str) -> bytes:
    packed = bytes.fromhex(lladdr(text).replace(":", ""))
    if len(packed) != ETHERNET_BYTES:
        raise CommandError(f"Error: Invalid address length {len(packed)} - must be {ETHERNET_BYTES} bytes", FAILED, exits=True)
    return packed


def _ioctl(request: str, ifreq: bytes, device: str) -> None:
    from _socket import SOCK_DGRAM, socket

    control = socket(AF_INET, SOCK_DGRAM)
    try:
        syscalls.ioctl_struct(control.fileno(), request, ifreq, f'{{ifr_name="{device}", ifr_hwaddr=...}}')
    except SyscallError as error:
        raise CommandError(f"ioctl: {reason(error)}", FAILED) from None
    finally:
        control.close()


run = ObjectVerbs(
    "maddr",
    ("add", lambda args: modify(args, "SIOCADDMULTI")),
    ("delete", lambda args: modify(args, "SIOCDELMULTI")),
    ("list|show|lst", show),
    help="maddress",
)
