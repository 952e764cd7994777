"""Unix, packet and netlink sockets as `ss` shows them."""

from __future__ import annotations

import os

from ... import sock_diag, uapi
from .columns import clean
from .filter import Endpoint, matches
from .processes import process_name
from .selection import CLOSE, PACKET, STATES
from .view import cookie, memory, shutdown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .view import View

    Row = tuple[str, ...]

UNIX_TYPES = {1: ("unix_stream", "u_str"), 2: ("unix_dgram", "u_dgr"), 5: ("unix_seqpacket", "u_seq")}
UDIAG_NAME, UDIAG_VFS, UDIAG_PEER, UDIAG_ICONS, UDIAG_RQLEN, UDIAG_MEMINFO = 1, 2, 4, 8, 16, 32
PACKET_SHOW = 0x3D  # all but the list of multicast addresses
PACKET_FLAGS = ((1, "running"), (2, " auxdata"), (4, " origdev"), (8, " vnethdr"), (16, " loss"))
FANOUTS = ("hash", "lb", "cpu", "roll", "random", "qm", "cbpf", "ebpf")
NETLINK_ALL = 0xFF  # NDIAG_PROTO_ALL
NETLINK_CONNECTED = 1
UNCONNECTED = STATES[CLOSE][0]


def _dump(view: View, body: dict[str, Any]) -> list[tuple[tuple[Any, ...], dict[Any, Any]]]:
    return [reply.body for reply in view.netlink.dump(sock_diag.DiagRequest(body))]  # type: ignore[misc]


def _wanted(view: View, local: Endpoint, remote: Endpoint, interface: int = 0) -> bool:
    return view.filter is None or matches(view.filter, local, remote, interface, {}, view.names.ephemeral)


# -- unix ---------------------------------------------------------------------------------------------------------


def unix(view: View) -> list[Row]:
    """Return the rows of unix sockets."""
    show = UDIAG_NAME | UDIAG_PEER | UDIAG_RQLEN
    show |= (UDIAG_VFS | UDIAG_ICONS if view.extended else 0) | (UDIAG_MEMINFO if view.memory else 0)
    found = []
    for members, attributes in _dump(
        view, {"sdiag_family": uapi.AF_UNIX, "udiag_states": view.selection.states, "udiag_show": show}
    ):
        table, _ = UNIX_TYPES.get(members[1], ("", ""))
        name, peer = _unix_name(attributes.get("UNIX_DIAG_NAME", b"")), attributes.get("UNIX_DIAG_PEER", 0)
        ends = Endpoint(uapi.AF_UNIX, name, members[4]), Endpoint(uapi.AF_UNIX, b"*", peer)
        if table in view.selection.tables and _wanted(view, *ends):
            found.append((members, attributes, name, peer))
    owners = view.owners(members[4] for members, *_ in found)
    rows: list[Row] = []
    for members, attributes, name, peer in found:
        kind, state, inode = members[1], members[2], members[4]
        queues = attributes.get("UNIX_DIAG_RQLEN", {})
        received, sent = (format(queues.get(f"udiag_{one}", 0), "<6d") for one in ("rqueue", "wqueue"))
        more = owners.get(inode, "") + (memory(attributes.get("UNIX_DIAG_MEMINFO")) if view.memory else "")
        if view.extended:
            more += _unix_details(attributes)
        ends4 = (f"{clean(name)} ", str(inode), "* ", str(peer))
        rows.append((UNIX_TYPES[kind][1], STATES[state][0] if state < len(STATES) else str(state), received, sent, *ends4, more))
    return rows


def _unix_name(data: bytes) -> bytes:
    if data[:1] == b"\0":  # abstract
        return data.replace(b"\0", b"@")
    return data.partition(b"\0")[0] or b"*"


def _unix_details(attributes: dict[Any, Any]) -> str:
    text = f" uid:{attributes['UNIX_DIAG_UID']}" if attributes.get("UNIX_DIAG_UID") else ""
    text += shutdown(attributes.get("UNIX_DIAG_SHUTDOWN"))
    if "UNIX_DIAG_VFS" in attributes:
        inode, device = attributes["UNIX_DIAG_VFS"].get("udiag_vfs_ino", 0), attributes["UNIX_DIAG_VFS"].get("udiag_vfs_dev", 0)
        text += f" ino:{inode} dev:{os.major(device)}/{os.minor(device)}"
    if "UNIX_DIAG_ICONS" in attributes:
        text += " peers:" + "".join([f" {inode}" for inode in attributes["UNIX_DIAG_ICONS"]])
    return text


# -- packet -------------------------------------------------------------------------------------------------------


def packet(view: View) -> list[Row]:
    """Return the rows of packet sockets."""
    if not view.selection.states >> CLOSE & 1:
        return []
    found = []
    for members, attributes in _dump(view, {"sdiag_family": uapi.AF_PACKET, "pdiag_show": PACKET_SHOW}):
        interface = attributes.get("PACKET_DIAG_INFO", {}).get("pdi_index", 0)
        local = Endpoint(uapi.AF_PACKET, members[2].to_bytes(4, "big"), interface)
        if PACKET[members[1] != 3] in view.selection.tables and _wanted(
            view, local, Endpoint(uapi.AF_PACKET, bytes(4), 0), interface
        ):
            found.append((members, attributes, interface))
    owners = view.owners(members[3] for members, *_ in found)
    rows: list[Row] = []
    for (_, kind, protocol, inode, number), attributes, interface in found:
        counters = attributes.get("PACKET_DIAG_MEMINFO") or [0]
        more = owners.get(inode, "") + (_packet_details(view, attributes, inode, cookie(number)) if view.extended else "")
        more += memory(counters) if view.memory else ""
        port = view.names.interface(interface) if interface else "*"
        ends = (f"{view.names.ethertype(protocol)}:", port, "*", "")
        rows.append(("p_raw" if kind == 3 else "p_dgr", UNCONNECTED, f"{counters[0]:<6d}", "0     ", *ends, more))
    return rows


def _packet_details(view: View, attributes: dict[Any, Any], inode: int, number: str) -> str:
    line = "" if view.oneline else "\n\t"
    text = f" uid:{attributes['PACKET_DIAG_UID']}" if attributes.get("PACKET_DIAG_UID") else ""
    text += f" ino:{inode} sk:{number}"
    info = attributes.get("PACKET_DIAG_INFO")
    if info:
        flags = "".join([word for bit, word in PACKET_FLAGS if info["pdi_flags"] & bit]) or "0"
        text += f"{line or ' '}ver:{info['pdi_version']} cpy_thresh:{info['pdi_copy_thresh']} flags( {flags} )"
    for name in ("rx", "tx"):
        ring = attributes.get(f"PACKET_DIAG_{name.upper()}_RING")
        if ring:
            size, count, frame, frames, timeout, _, features = ring.values()
            text += f"{line or ' '}ring_{name}(blk_size:{size},blk_nr:{count},frm_size:{frame},frm_nr:{frames}"
            text += f",tmo:{timeout},features:{features:#x})"
    if "PACKET_DIAG_FANOUT" in attributes:
        kind, group = divmod(attributes["PACKET_DIAG_FANOUT"], 1 << 16)
        text += f"{line or ' '}fanout(id:{group},type:{FANOUTS[kind] if kind < len(FANOUTS) else hex(kind)})"
    return text


# -- netlink ------------------------------------------------------------------------------------------------------


def netlink(view: View) -> list[Row]:
    """Return the rows of netlink sockets."""
    if not view.selection.states >> CLOSE & 1:
        return []
    rows: list[Row] = []
    for members, attributes in _dump(view, {"sdiag_family": uapi.AF_NETLINK, "sdiag_protocol": NETLINK_ALL, "ndiag_show": 3}):
        _, _, protocol, state, port, peer, group, _, _ = members
        local = Endpoint(uapi.AF_NETLINK, protocol.to_bytes(4, "big"), port)
        if not _wanted(view, local, Endpoint(uapi.AF_NETLINK, group.to_bytes(4, "big"), peer)):
            continue
        counters = attributes.get("NETLINK_DIAG_MEMINFO") or [0, 0, 0]
        more = ""
        if view.extended:
            more = f" sk=0 cb=0 groups=0x{(attributes.get('NETLINK_DIAG_GROUPS') or [0])[0]:08x}"
        if view.memory:
            more += "\t" + memory(counters)
        ends = (f"{group}:", str(peer)) if state == NETLINK_CONNECTED else ("*", "")
        name = f"{_netlink_protocol(view, protocol)}:"
        rows.append(("nl", UNCONNECTED, f"{counters[0]:<6d}", f"{counters[2]:<6d}", name, _netlink_port(view, port), *ends, more))
    return rows


def _netlink_protocol(view: View, number: int) -> str:
    if view.names.numeric:
        return str(number)
    from ..ip.name_tables import table

    return clean(table("nl_protos").get(number, str(number)).encode("utf-8", "surrogateescape"))


def _netlink_port(view: View, port: int) -> str:
    if port == uapi.UINT32_MAX:
        return "*"
    if view.names.numeric:
        return str(port if port < 1 << 31 else port - (1 << 32))
    if not port:
        return "kernel"
    name = process_name(port)
    return f"{name}/{port}" if name else str(port if port < 1 << 31 else port - (1 << 32))
