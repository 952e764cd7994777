"""Diversion of ports to a relay, for kernels without netem.  `relay_process` starts and controls the relay.

A diverted port has a tap device beside it, and a table of nf_tables of family netdev that sends all frames there that do not
come from the relay (`relay`)::

    table netdev rawns_shop_relay_eth0 {
        comment "rawns lab=shop relay eth0"
        chain egress { type filter hook egress device eth0 priority 100; meta mark != 0x72770001 fwd to rly-eth0 }
    }

The port itself stays as it is, with its addresses, routes and connections.  The table also holds, as user data that nft does
not show, the orders for the relay, so that a relay that was killed can be replaced.
"""

from __future__ import annotations

from .. import uapi
from ..errors import KernelError, RawnsError, SyscallError
from ..nft import build
from ..objects import link
from ..objects.qdisc import Shape
from ..rollback import Rollback
from ..terminal import printable
from ..wire import U32
from . import stamp
from .relay import MARK
from .relay_process import relay_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ..nft.records import NftTable
    from ..nlmsg import Request
    from .host import Host
    from .interface import Interface

NETDEV = uapi.NFPROTO_NETDEV
PRIORITY = 100  # of the chain: after those of `faults`
NUMBERS = 82  # the type of the user data that holds the numbers of a shape; nft knows 0 and 1
MIN_MTU = 1500  # bytes, of a tap
MAX_NUMBER = 1 << 63
IPV6_OFF = "net/ipv6/conf/{}/disable_ipv6"
NO_FWD = "this kernel has neither netem (CONFIG_NET_SCH_NETEM) nor what a relay needs (CONFIG_NFT_FWD_NETDEV, Linux 5.16)"


# -- in the kernel ----------------------------------------------------------------------------------------------------------


def table_name(lab: str, port: str) -> str:
    """Return the name of the table that diverts a port."""
    return f"rawns_{lab}_relay_{port}"


def found(lab: str, tables: Iterable[NftTable]) -> dict[str, Shape]:
    """Return the shapes of the diverted ports by their names, from the tables of a namespace."""
    shapes = {}
    start = table_name(lab, "")
    for one in tables:
        data = one.body.get("NFTA_TABLE_USERDATA")
        if one.name.startswith(start) and stamp.owner(one.comment) == lab and isinstance(data, dict):
            words = data.get(NUMBERS, b"").decode("ascii", "replace").split(",")
            if len(words) == len(Shape.__slots__) and all(word.isdigit() and int(word) < MAX_NUMBER for word in words):
                shapes[one.name[len(start) :]] = Shape.of_numbers([int(word) for word in words])
    return shapes


def read(host: Host) -> dict[str, Shape]:
    """Return the shapes of the diverted ports of a host by their names."""
    return found(host.lab.name, host.net.nft.tables(NETDEV))


def _diversion(lab: str, port: str, index: int, shape: Shape) -> list[Request]:
    """Return the requests of one transaction that diverts a port to the tap with this index."""
    name, comment = table_name(lab, port), f"{stamp.WORD} lab={lab} relay {port}"
    made = build.fresh_table(name, comment, NETDEV)
    for request in (made[0], made[2]):
        body: Any = request.body
        body["NFTA_TABLE_USERDATA"][NUMBERS] = ",".join(map(str, shape.numbers)).encode()
    made.append(build.base_chain(name, "egress", uapi.NF_NETDEV_EGRESS, PRIORITY, family=NETDEV, devices=[port]))
    steps = [
        *build.meta("MARK", U32.pack(MARK, {}), uapi.NFT_CMP_NEQ),
        build.immediate(uapi.NFT_REG_1, U32.pack(index, {})),
        build.expression("fwd", NFTA_FWD_SREG_DEV=uapi.NFT_REG_1),
    ]
    return [*made, build.new_rule(name, "egress", steps, f"relay of {port}", comment=comment, family=NETDEV)]


def divert(host: Host, one: Interface, shape: Shape) -> None:
    """Divert what a port sends to the relay, or change its orders; start the relay if there is none.

    If it raises `KernelError`, `SyscallError` or `RelayError`, what has been made is removed again.
    """
    lab: Any = host.lab
    port = one.name or ""
    if host.root:
        raise RawnsError(
            f"{printable(str(one))} needs a relay, which cannot carry frames of the namespace that the lab is built from"
        )
    links = {there.name: there for there in host.net.links()}
    if port not in links:
        raise RawnsError(f"{printable(str(one))} is not there; `restore` or `up` creates it")
    tap = tap_name(port)
    control = relay_of(lab, start=True)
    assert control is not None
    with Rollback() as undo:
        if tap not in links:
            host.namespace.add_tap(tap)
            undo(_delete_tap, host, tap)
            try:
                host.setting(IPV6_OFF.format(tap.replace(".", "/")), 1)  # or it would announce itself to the port's neighbours
            except SyscallError:
                pass  # there is no IPv6
            host.net.do(link.change(tap, mtu=max(links[port].mtu, MIN_MTU), alias=f"{stamp.WORD} relay of {port}"))
        # A tap that is up when it gets its reader drops frames for some milliseconds more: it is set up after that.
        if tap in links and not links[tap].carrier:
            host.net.do(link.change(tap, up=False))
        control.set(host, port, tap, shape)
        host.net.do(link.change(tap, up=True))
        index = next(there.index for there in host.net.links() if there.name == tap)
        try:
            host.net.nft.transact(*_diversion(lab.name, port, index, shape), context=f"relay of {one}")
        except KernelError as error:
            if error.code in ("ENOENT", "EOPNOTSUPP"):
                error.hint = NO_FWD
            raise


def give_back(host: Host, port: str) -> None:
    """End the diversion of a port.  Frames of it that the relay holds are lost."""
    try:
        host.net.nft.transact(build.delete_table(table_name(host.lab.name, port), NETDEV))
    except KernelError as error:
        if error.code != "ENOENT":
            raise
    control = relay_of(host.lab, start=False)
    if control is not None:
        control.remove(host, port)
    _delete_tap(host, tap_name(port))


def tap_name(port: str) -> str:
    """Return the name of the tap device beside a port."""
    return stamp.short(f"rly-{port}")


def _delete_tap(host: Host, tap: str) -> None:
    try:
        host.net.do(link.delete(tap))
    except KernelError as error:
        if error.code != "ENODEV":
            raise
