"""TCP, UDP and raw sockets as `ss` shows them."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop
from errno import ENOENT, EOPNOTSUPP
from os import environ

from ... import sock_diag
from ...errors import KernelError
from .filter import Endpoint, bytecode, decided_by_kernel, matches
from .options import SsError
from .selection import STATES
from .view import cookie, memory, shutdown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .view import View

    Row = tuple[str, ...]
    Record = tuple[tuple[Any, ...], dict[Any, Any]]

PROTOCOLS = {"raw": 255, "udp": 17, "tcp": 6}
TIMERS = ("", "on", "keepalive", "timewait", "persist", "unknown")
# INET_DIAG_* that are asked for
MEMINFO, INFO, VEGASINFO, CONG, TOS, TCLASS, SKMEMINFO = 1, 2, 3, 4, 5, 6, 7
ANY6 = bytes(16)
PROC = ("raw", "raw6")  # under /proc/net, for kernels without raw_diag


def rows(view: View, table: str) -> list[Row]:
    """Return the rows of a table (tcp, udp, raw), and close the sockets if that is wanted."""
    selection = view.selection
    both = (AF_INET, AF_INET6)
    families: tuple[int, ...] = (selection.preferred,) if selection.preferred in both else both
    records: list[Record] = []
    if table == "tcp" and "TCPDIAG_FILE" in environ:
        from . import recorded

        records, families = (
            [one for one in recorded.records(environ["TCPDIAG_FILE"]) if view.filter is None or _matches(view, *one)],
            (),
        )
    for family in families:
        found = _listed(view, table, family)
        if found is None:
            if table == "raw":
                records = _from_proc(view)
            break
        records += found
    owners = view.owners(members[14] for members, _ in records)
    return _formatted(view, table, records, owners)


def _request(view: View, table: str, family: int) -> dict[str, Any]:
    wanted = [
        *((MEMINFO, SKMEMINFO) if view.memory else ()),
        *((INFO, VEGASINFO, CONG) if view.info else ()),
        *((TOS, TCLASS) if view.tos else ()),
    ]
    return {
        "sdiag_family": family,
        "sdiag_protocol": PROTOCOLS[table],
        "idiag_ext": sum(1 << one - 1 for one in wanted),
        "idiag_states": view.selection.states,
    }


def _listed(view: View, table: str, family: int) -> list[Record] | None:
    """Return the sockets that the kernel lists; None if it cannot list this table."""
    body, code = _request(view, table, family), bytecode(view.filter) if view.filter else b""
    if code:
        body["INET_DIAG_REQ_BYTECODE"] = code
    try:
        replies = view.netlink.dump(sock_diag.DiagRequest(body, view.attributes))
    except KernelError as error:
        if error.errno == ENOENT:
            return None
        raise
    families = view.selection.families
    found: list[Record] = [reply.body for reply in replies if reply.body[0][0] in families]  # type: ignore[misc]
    if view.filter and not (code and decided_by_kernel(view.filter)):
        found = [one for one in found if _matches(view, *one)]
    return [one for one in found if _closed(view, table, one)] if view.kill else found


def _matches(view: View, members: tuple[Any, ...], attributes: dict[Any, Any]) -> bool:
    family, size = members[0], 4 if members[0] == AF_INET else 16
    local = Endpoint(family, members[6][:size], int.from_bytes(members[4], "big"))
    remote = Endpoint(family, members[7][:size], int.from_bytes(members[5], "big"))
    return matches(view.filter, local, remote, members[8], attributes, view.names.ephemeral)


def _closed(view: View, table: str, record: Record) -> bool:
    """Close a socket; return whether the kernel has done it.  Raises `SsError` if it must not be closed."""
    family, _, _, _, sport, dport, src, dst, interface, number, *_ = record[0]
    body = {
        **_request(view, table, family),
        **{"id.idiag_sport": sport, "id.idiag_dport": dport, "id.idiag_src": src, "id.idiag_dst": dst},
        **{"id.idiag_if": interface, "id.idiag_cookie": number, "idiag_states": 1 << record[0][1]},
    }
    try:
        view.netlink.do(sock_diag.DiagRequest(body, number=sock_diag.SOCK_DESTROY))
    except KernelError as error:
        if error.errno in (ENOENT, EOPNOTSUPP):
            return False
        raise SsError(f"SOCK_DESTROY answers: {error.strerror}", 0) from None
    return True


def _from_proc(view: View) -> list[Record]:
    """Return raw sockets from /proc/net, which says less of them."""
    from ...sockets import proc_sockets

    found: list[Record] = []
    for name, family in zip(PROC, (AF_INET, AF_INET6)):
        try:
            with open(f"/proc/net/{name}", encoding="ascii", errors="replace") as lines:
                listed = list(proc_sockets(lines))
        except OSError:
            continue
        for one in listed:
            sport, dport = (port.to_bytes(2, "big") for port in (one.local[1], one.remote[1]))
            addresses = [address.ljust(16, b"\0") for address in (one.local[0], one.remote[0])]
            members = (
                family,
                one.state,
                0,
                0,
                sport,
                dport,
                *addresses,
                0,
                b"",
                0,
                one.receive_queue,
                one.send_queue,
                one.uid,
                one.inode,
            )
            if view.selection.states >> one.state & 1 and family in view.selection.families:
                record: Record = (members, {})
                if view.filter is None or _matches(view, *record):
                    found.append(record)
    return found


# -- rows ---------------------------------------------------------------------------------------------------------


def _formatted(view: View, table: str, records: list[Record], owners: dict[int, str]) -> list[Row]:
    """Return a row for each record.  Addresses and ports repeat, so each is formatted once."""
    names = view.names
    found: list[Row] = []
    states = [name for name, _ in STATES]
    addresses: dict[Any, str] = {}
    ports: dict[bytes, str] = {}
    plain = not (view.attributes or view.timers or owners)
    for members, attributes in records:
        family, state, _, _, sport, dport, src, dst, interface = members[:9]
        only6 = bool(attributes) and attributes.get("INET_DIAG_SKV6ONLY", 0)
        source = addresses.get((family, src, interface, only6))
        if source is None:
            device = f"%{names.interface(interface)}" if interface else ""
            source = addresses[family, src, interface, only6] = f"{_address(view, family, src, only6)}{device}:"
        target = addresses.get((family, dst, 0, only6))
        if target is None:
            target = addresses[family, dst, 0, only6] = f"{_address(view, family, dst, only6)}:"
        for port in (sport, dport):
            if port not in ports:
                ports[port] = names.port(int.from_bytes(port, "big"), table)
        more = "" if plain else _more(view, table, members, attributes, owners)
        shown = states[state] if state < len(states) else str(state)
        found.append((table, shown, f"{members[11]:<6d}", f"{members[12]:<6d}", source, ports[sport], target, ports[dport], more))
    return found


def _address(view: View, family: int, address: bytes, only6: bool) -> str:
    if family == AF_INET:
        return view.names.host(inet_ntop(AF_INET, address[:4])) if any(address[:4]) else "0.0.0.0"
    if address == ANY6:
        return "[::]" if only6 else "*"
    text = inet_ntop(AF_INET6, address)
    name = view.names.host(text)
    return f"[{text}]" if name == text else name


def _more(view: View, table: str, members: tuple[Any, ...], attributes: dict[Any, Any], owners: dict[int, str]) -> str:
    _, _, timer, retransmissions, _, _, _, _, _, number, expires, _, _, uid, inode = members
    text = owners.get(inode, "")
    if view.timers and timer:
        text += f" timer:({TIMERS[min(timer, 5)]},{duration(expires)},{retransmissions})"
    if view.extended and number:
        text += f" uid:{uid}" if uid else ""
        text += f" ino:{inode} sk:{cookie(number)}"
        if attributes.get("INET_DIAG_MARK"):
            text += f" fwmark:{attributes['INET_DIAG_MARK']:#x}"
    group = ""
    if view.cgroup and "INET_DIAG_CGROUP_ID" in attributes:
        group = f" cgroup:{view.cgroup_path(attributes['INET_DIAG_CGROUP_ID'])}"
    if view.extended:
        text += group
        only6 = attributes.get("INET_DIAG_SKV6ONLY")
        text += f" v6only:{only6}" if only6 is not None else ""
        text += shutdown(attributes.get("INET_DIAG_SHUTDOWN"))
    if view.tos:
        for name in ("tos", "tclass", "class_id"):
            value = attributes.get(f"INET_DIAG_{name.upper()}")
            text += f" {name}:{value:#x}" if value else f" {name}:0" if value is not None else ""
    text += group if view.cgroup_option else ""
    if number and (view.memory or view.info and table != "udp"):
        text += "" if view.oneline else "\n\t"
        if view.memory:
            text += memory(attributes.get("INET_DIAG_SKMEMINFO"))
        if view.info:
            text += view.tcp_info(attributes, view.timers, view.names.numeric)
    return text


def duration(milliseconds: int) -> str:
    """Return when a timer expires, as roughly as `ss` does: ``119min``, ``1.200ms``, ``59sec``."""
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    text = ""
    if minutes:
        milliseconds, text = 0, f"{minutes}min"
        if minutes > 9:
            seconds = 0
    if seconds:
        if seconds > 9:
            milliseconds = 0
        text += f"{seconds}{'.' if milliseconds else 'sec'}"
    return text + (f"{milliseconds:03d}ms" if milliseconds else "")
