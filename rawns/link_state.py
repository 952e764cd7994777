"""Let the kernel complete a change of the carrier of links, so that those that have one transmit.

The kernel reports a carrier (IFLA_CARRIER, IFF_LOWER_UP) before the link transmits.  A work queue (linkwatch) later lets it
transmit, sets its operational state (IFLA_OPERSTATE, RFC 2863) and tells the links above it.  This concerns the end of a veth
pair that was set up first, bridges, and what stands on either.
"""

from __future__ import annotations

import os
from errno import ENODEV, EOPNOTSUPP

from . import uapi
from .errors import KernelError, SyscallError
from .ethtool import link_detected
from .objects import link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .netlink import Netlink

SYNCHRONOUS = (6, 9)  # the Linux from which on the kernel completes the change before it answers ETHTOOL_GLINK or RTM_GETLINK
RELEASE = tuple([int(number) for number in os.uname().release.split("-")[0].split(".")[:2] if number.isdigit()])
WAIT_SECONDS = 10.0  # that an older kernel is waited for
URGENT_SECONDS = 0.05  # in which it has dealt with the carrier of a link that does not transmit; with others after up to a second


def complete(netlink: Netlink, names: Sequence[str]) -> dict[str, bool | None]:
    """Let the links with these names transmit if they have a carrier; return for each whether it does, None if it is not there.

    Name a link after those that its carrier comes from.  An older kernel (`SYNCHRONOUS`) is waited for, `WAIT_SECONDS` at most.
    Raises `SyscallError`, `KernelError`.
    """
    found: dict[str, bool | None] = {}
    for name in names:
        try:
            found[name] = link_detected(netlink.fileno(), name)
        except SyscallError as error:
            if error.errno not in (ENODEV, EOPNOTSUPP):
                raise
            found[name] = None if error.errno == ENODEV else _carrier(netlink, name)
    if RELEASE < SYNCHRONOUS and any(found.values()) and not _wait(netlink, frozenset(names)):
        found = {name: None if carrier is None else False for name, carrier in found.items()}
    return found


def _carrier(netlink: Netlink, name: str) -> bool | None:
    """Return whether a link whose driver does not know ETHTOOL_GLINK has a carrier; None if it is not there."""
    try:
        return link.Link(netlink.get(link.get(name)).body).carrier
    except KernelError as error:
        if error.errno != ENODEV:
            raise
        return None


def _wait(netlink: Netlink, names: frozenset[str]) -> bool:
    """Wait until none of the links has a carrier that the kernel has not yet dealt with; return whether that is so.

    A link whose carrier has never changed (IFLA_CARRIER_CHANGES 0), such as ``lo``, transmits while its state is unknown.  So
    does one whose state is still unknown after `URGENT_SECONDS`: a bridge that has had a carrier since it was set up.
    """

    def completed(enough: frozenset[int] = frozenset([uapi.IF_OPER_UP])) -> bool:
        for reply in netlink.dump(link.dump()):
            one = link.Link(reply.body)
            changed = one.carrier and one.body.get("IFLA_CARRIER_CHANGES", 1)
            if changed and one.operstate not in enough and one.name in names:
                return False
        return True

    if completed():
        return True
    from .events import Monitor, wait_until  # not needed by commands that do not wait

    with Monitor.beside(netlink, "link") as monitor:
        try:
            wait_until(completed, monitor, timeout=URGENT_SECONDS)
        except TimeoutError:
            transmits = frozenset([uapi.IF_OPER_UP, uapi.IF_OPER_UNKNOWN])
            try:
                wait_until(lambda: completed(transmits), monitor, timeout=WAIT_SECONDS)
            except TimeoutError:
                return False  # something else keeps it from its state; the caller has waited long enough
    return True
