"""`ip mrule`: the rules of multicast routing: those of `ip rule`, of two families of their own (ip-rule(8))."""

from __future__ import annotations

from _socket import AF_INET6

from ... import uapi
from . import rule
from .grammar import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args

FAMILIES = {0: uapi.RTNL_FAMILY_IPMR, 2: uapi.RTNL_FAMILY_IPMR, AF_INET6: uapi.RTNL_FAMILY_IP6MR}


def run(args: Args) -> int:
    """Run ``ip mrule`` with its words; return the exit status."""
    ip = args.ip
    if ip.family not in FAMILIES:
        raise CommandError(f"Multicast rules are only supported for IPv4/IPv6, was: {ip.family}")
    ip.family = FAMILIES[ip.family]
    return rule.run(args)
