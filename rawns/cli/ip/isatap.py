"""Tunnels of sites over IPv4 (sit): the potential routers of ISATAP (RFC 5214), and the prefix of 6rd (RFC 5969).

A record has the members of a tunnel under the names that `tunnel` has for them.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, IPPROTO_IPV6, inet_ntop
from errno import EINVAL, ENOTTY
from os import strerror

from ... import tunnel_ioctl, uapi
from ...errors import SyscallError
from ...tunnel_ioctl import PRL, SIXRD, call, pack, unpack
from .arguments import interface, prefix
from .context import complain, reason
from .grammar import FAILED, CommandError
from .kinds.kind import ipv4_address
from .render import OutputField

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Args, Body, Callable, IpContext, Iterator

ISATAP = 0x0100  # SIT_ISATAP of i_flags, in the order of the network


def _request(function: Callable[[], Any], name: str, request: str, ignored: int = 0) -> Any:
    """Return the answer to a request about routers or prefixes; a refusal is printed, and None returned."""
    try:
        return function()
    except SyscallError as error:
        if error.errno != ignored:
            complain(f"{name}: ioctl {getattr(uapi, request):x} failed: {reason(error)}")
        return None


def routers(record: Body, _: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the potential routers of an ISATAP tunnel."""
    if record["T_PROTO"] == IPPROTO_IPV6 and record["T_IFLAGS"] & ISATAP:
        found = _request(lambda: tunnel_ioctl.routers(AF_INET, record["name"]), record["name"], "SIOCGETPRL")
        for packed, default in found or ():
            name, host = "pdr" if default & uapi.PRL_DEFAULT else "pr", ip.host(inet_ntop(AF_INET, packed))
            yield OutputField(name, host, f" {name} {host}")


def site_prefix(record: Body, _: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the prefix of IPv6 that a site derives from its IPv4 address (RFC 5969)."""
    if record["T_PROTO"] != IPPROTO_IPV6:
        return
    empty = pack(SIXRD, {"prefix": bytes(16), "relay_prefix": bytes(4)})
    data = _request(lambda: call("SIOCGET6RD", AF_INET, record["name"], empty), record["name"], "SIOCGET6RD", EINVAL)
    found = unpack(SIXRD, data) if data else {}
    if found.get("prefixlen"):
        yield from _prefix_fields("6rd-prefix", inet_ntop(AF_INET6, found["prefix"]), found["prefixlen"])
        if any(found["relay_prefix"]):
            yield from _prefix_fields("6rd-relay_prefix", inet_ntop(AF_INET, found["relay_prefix"]), found["relay_prefixlen"])


def _prefix_fields(name: str, shown: str, length: int) -> Iterator[OutputField]:
    yield OutputField(name, shown, f" {name} {shown}")
    yield OutputField(f"{name}len", length, f"/{length}")


def change_routers(args: Args) -> None:
    """Change the potential routers of an ISATAP tunnel: ``ip tunnel prl``."""
    request, device, count, flags, router = "", "", 0, 0, bytes(4)
    requests = {"prl-default": "SIOCADDPRL", "prl-nodefault": "SIOCADDPRL", "prl-delete": "SIOCDELPRL"}
    while args:
        word = args.take()
        if word in requests:
            request, count = requests[word], count + 1
            router = ipv4_address(args.take())
            flags |= uapi.PRL_DEFAULT if word == "prl-default" else 0
        elif word == "dev":
            device = interface(args.take(), "dev")
        else:
            raise CommandError(f'Invalid PRL parameter "{word}"')
        if count > 1:
            raise CommandError("One PRL entry at a time")
    _generic(request, device, pack(PRL, {"addr": router, "flags": flags}))


def change_6rd(args: Args) -> None:
    """Change the prefix that a site derives from its IPv4 address: ``ip tunnel 6rd``."""
    request, device = "", ""
    values: dict[str, Any] = {"prefix": bytes(16), "relay_prefix": bytes(4)}
    while args:
        word = args.take()
        if word in ("6rd-prefix", "6rd-relay_prefix"):
            given = prefix(args.take(), AF_INET6 if word == "6rd-prefix" else AF_INET)
            request, name = "SIOCADD6RD", word[len("6rd-") :]
            values.update({name: given.packed or values[name], f"{name}len": given.length})
        elif word == "6rd-reset":
            request = "SIOCDEL6RD"
        elif word == "dev":
            device = interface(args.take(), "dev")
        else:
            raise CommandError(f'Invalid 6RD parameter "{word}"')
    _generic(request, device, pack(SIXRD, values))


def _generic(request: str, device: str, data: bytes) -> None:
    if not device:
        raise CommandError("Must specify device")
    if not request:
        raise CommandError(f"{device}: ioctl 0 failed: {strerror(ENOTTY)}", FAILED)
    if _request(lambda: call(request, AF_INET, device, data), device, request) is None:
        raise CommandError("", FAILED)
