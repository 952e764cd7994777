"""Diversion of ports to a relay, for kernels without netem; start and control of the relay process.

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

import os
import sys
from select import POLLIN

from .. import sockets, syscalls, uapi
from ..errors import KernelError, RawnsError, SyscallError
from ..nft import build
from ..objects import link
from ..objects.qdisc import Shape
from ..terminal import printable
from ..wire import U32
from . import lock, stamp
from .relay import CONTROL_FD, MARK, MAX_ORDER_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
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
LOCK_FD = CONTROL_FD + 1
ANSWER_SECONDS = 5.0  # that an answer of the relay is waited for
IPV6_OFF = "net/ipv6/conf/{}/disable_ipv6"
NO_FWD = "this kernel has neither netem (CONFIG_NET_SCH_NETEM) nor what a relay needs (CONFIG_NFT_FWD_NETDEV, Linux 5.16)"


class RelayError(RawnsError):
    """The relay of a lab cannot be started, or does not answer."""


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
    name = table_name(lab, port)
    made = build.fresh_table(name, f"{stamp.WORD} lab={lab} relay {port}", NETDEV)
    for request in (made[0], made[2]):
        body: Any = request.body
        body["NFTA_TABLE_USERDATA"][NUMBERS] = ",".join(map(str, shape.numbers)).encode()
    made.append(build.base_chain(name, "egress", uapi.NF_NETDEV_EGRESS, PRIORITY, family=NETDEV, devices=[port]))
    steps = [
        *build.meta("MARK", U32.pack(MARK, {}), uapi.NFT_CMP_NEQ),
        build.immediate(uapi.NFT_REG_1, U32.pack(index, {})),
        build.expression("fwd", NFTA_FWD_SREG_DEV=uapi.NFT_REG_1),
    ]
    return [*made, build.new_rule(name, "egress", steps, f"relay of {port}", family=NETDEV)]


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
    with syscalls.Rollback() as undo:
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
        control.ask({"verb": "remove", "host": host.label, "port": port})
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


# -- the process ------------------------------------------------------------------------------------------------------------


class RelayControl:
    """A connection to the relay of a lab."""

    def __init__(self, connection: socket) -> None:
        self._connection = connection
        self._owner = os.getpid()

    def ask(self, order: dict[str, Any], *descriptors: int) -> dict[str, Any]:
        """Send an order and return the answer.  Raises `RelayError` after 5 seconds, or if the order failed."""
        import json
        from _socket import SCM_RIGHTS, SOL_SOCKET

        data = json.dumps(order).encode()
        rights = [(SOL_SOCKET, SCM_RIGHTS, b"".join(U32.pack(one, {}) for one in descriptors))] if descriptors else []
        try:
            self._connection.sendmsg([data], rights)
            if not sockets.poll({self._connection.fileno(): POLLIN}, int(ANSWER_SECONDS * 1000)):
                raise RelayError(f"the relay does not answer within {ANSWER_SECONDS:g} s")
            answer = self._connection.recv(MAX_ORDER_BYTES << 8)
        except OSError as error:
            raise RelayError(f"the relay has ended: {error.strerror}") from None
        if not answer:
            raise RelayError("the relay has ended")
        found: dict[str, Any] = json.loads(answer)
        if "error" in found:
            raise RelayError(f"the relay refused: {printable(found['error'])}")
        return found

    def set(self, host: Host, port: str, tap: str, shape: Shape) -> None:
        """Set what is done to the frames of a port."""
        numbers = [shape.delay_nanoseconds, shape.jitter_nanoseconds, shape.loss_u32, shape.netem_packets]
        numbers += [shape.duplicate_u32, shape.reorder_u32, shape.corrupt_u32]
        order = {"verb": "set", "host": host.label, "port": port, "tap": tap, "netns": host.name, "numbers": numbers}
        self.ask(order, host.fileno())

    def lines(self) -> tuple[int, list[dict[str, Any]]]:
        """Return the process id of the relay, and the counters of each port that it serves."""
        answer = self.ask({"verb": "list"})
        return answer["pid"], answer["lines"]

    def end(self) -> None:
        """End the relay, and wait until it has ended."""
        try:
            self.ask({"verb": "end"})
            sockets.poll({self._connection.fileno(): POLLIN}, int(ANSWER_SECONDS * 1000))
        except RelayError:
            pass  # it has ended already; one that hangs is left to `end_of`
        self.close()

    @property
    def usable(self) -> bool:
        """Whether the relay runs, and this process has opened the connection."""
        if self._owner != os.getpid() or self._connection.fileno() < 0:
            return False
        # The relay sends nothing but answers: a connection that is readable now has ended.
        return not sockets.poll({self._connection.fileno(): POLLIN}, 0)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def relay_of(lab: Any, start: bool) -> RelayControl | None:
    """Return the connection to the relay of a lab; with ``start`` to a new one if there is none, otherwise None.

    Raises `RelayError`, `SyscallError`.
    """
    control: RelayControl | None = lab.relay_control
    if control is not None and control.usable:
        return control
    if control is not None:
        control.close()
    control = _connect(lab.name) if lab.outlives_process else None
    if control is None and start:
        control = _start(lab.name, lab.outlives_process)
    lab.relay_control = control
    return control


def _path(name: str) -> str:
    return f"{lock.LOCK_DIR}/{name}.relay"


def _connect(name: str) -> RelayControl | None:
    """Return a connection to the relay of a standing lab; None if no relay runs."""
    from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_SEQPACKET, socket

    made = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC)
    try:
        made.connect(_path(name))
    except OSError:
        made.close()
        return None
    return RelayControl(made)


def _start(name: str, standing: bool) -> RelayControl:
    """Start the relay of a lab; called under the lab's lock, if it stands."""
    import socket as socket_module

    kind = socket_module.SOCK_SEQPACKET
    if standing:
        lock.prepare_directory()
        lock.unlink(f"{name}.relay")
        theirs = socket_module.socket(socket_module.AF_UNIX, kind)
    else:
        ours, theirs = socket_module.socketpair(socket_module.AF_UNIX, kind)
    with theirs:
        if standing:
            theirs.bind(_path(name))
            theirs.listen(8)
        _spawn(theirs.fileno(), standing)
    if standing:
        found = _connect(name)
        if found is None:
            raise RelayError(f"the relay of the lab {name} cannot be reached")
    else:
        os.set_inheritable(ours.fileno(), False)
        found = RelayControl(ours)  # type: ignore[arg-type]
    try:
        found.ask({"verb": "list"})
    except RelayError as error:
        found.close()
        raise RelayError(f"the relay of the lab {name} cannot be started with {sys.executable!r}: {error}") from None
    return found


def _spawn(control: int, standing: bool) -> None:
    """Execute the relay as a new process, which inherits no descriptor but the control socket."""
    import fcntl

    if not sys.executable:
        raise RelayError("no relay can be started, because sys.executable is empty: set it to the path of a Python interpreter")
    place = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    program = f"import sys; sys.path.insert(0, {place!r}); from rawns.lab.relay import main; main({standing})"
    high = fcntl.fcntl(control, fcntl.F_DUPFD_CLOEXEC, 64)
    try:
        actions: list[Any] = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in range(3)]
        actions.append((os.POSIX_SPAWN_DUP2, high, CONTROL_FD))
        argv = [sys.executable, "-I", "-S", "-c", program]
        pid = os.posix_spawn(sys.executable, argv, {"PATH": os.defpath}, file_actions=actions, setsigmask=[])
    finally:
        os.close(high)
    os.waitpid(pid, 0)  # it forks at once, and the relay has no parent that could wait for it


def end_of(lab: Any) -> None:
    """End the relay of a lab."""
    control, lab.relay_control = lab.relay_control, None
    if control is not None and control.usable:
        control.end()
    if lab.outlives_process:
        end_named(lab.name)


def end_named(name: str) -> None:
    """End the relay of a standing lab, if it runs, and remove its socket."""
    control = _connect(name)
    if control is not None:
        control.end()
    if os.path.lexists(_path(name)):
        lock.unlink(f"{name}.relay")
