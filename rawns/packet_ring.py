"""A ring of frames that the kernel fills and a program reads without copying: AF_PACKET with TPACKET_V3 (packet(7)).

See the kernel's packet_mmap.rst and `<linux/if_packet.h>`.  The socket is in the network namespace of the thread that opens it.
"""

from __future__ import annotations

import _socket
from mmap import mmap

from . import uapi
from .observer import observed_call
from .wire import S32, U8, U16, U32, U64, Raw, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Frame = tuple[int, bytes, int, bool]  # nanoseconds since the epoch, data, length on the wire, whether it went out

TPACKET_REQ3 = Struct(
    "tpacket_req3",
    ("tp_block_size", U32),
    ("tp_block_nr", U32),
    ("tp_frame_size", U32),
    ("tp_frame_nr", U32),
    ("tp_retire_blk_tov", U32),
    ("tp_sizeof_priv", U32),
    ("tp_feature_req_word", U32),
    whole=True,
)
TPACKET_BLOCK = Struct(
    "tpacket_block_desc",
    ("version", U32),
    ("offset_to_priv", U32),
    ("hdr.bh1.block_status", U32),
    ("hdr.bh1.num_pkts", U32),
    ("hdr.bh1.offset_to_first_pkt", U32),
    ("hdr.bh1.blk_len", U32),
    ("hdr.bh1.seq_num", U64),
    ("hdr.bh1.ts_first_pkt", Raw(8)),
    ("hdr.bh1.ts_last_pkt", Raw(8)),
    whole=True,
)
TPACKET3_HDR = Struct(
    "tpacket3_hdr",
    ("tp_next_offset", U32),
    ("tp_sec", U32),
    ("tp_nsec", U32),
    ("tp_snaplen", U32),
    ("tp_len", U32),
    ("tp_status", U32),
    ("tp_mac", U16),
    ("tp_net", U16),
    ("hv1.tp_rxhash", U32),
    ("hv1.tp_vlan_tci", U32),
    ("hv1.tp_vlan_tpid", U16),
    ("hv1.tp_padding", U16),
    ("tp_padding", Raw(8)),
    whole=True,
)
SOCKADDR_LL = Struct(
    "sockaddr_ll",
    ("sll_family", U16),
    ("sll_protocol", U16),
    ("sll_ifindex", S32),
    ("sll_hatype", U16),
    ("sll_pkttype", U8),
    ("sll_halen", U8),
    ("sll_addr", Raw(8)),
    whole=True,
)
STATISTICS_BYTES = 12  # struct tpacket_stats_v3: packets, drops, freezes
STATUS_AT = 8  # hdr.bh1.block_status in a block
PACKET_TYPE_AT = 48 + 10  # sll_pkttype in the address that follows the header of a frame
BLOCK_BYTES = 1 << 18  # more than the largest frame, 64 KiB with segmentation offload
BLOCKS = 16
FRAME_BYTES = 1 << 11  # only a hint with TPACKET_V3
RETIRE_MILLISECONDS = 10  # after which a block that is not full is handed over


class PacketRing:
    """Receives copies of all frames of an interface, in and out, from now on.  Raises `SyscallError`; ENODEV: no such interface.

    ``seen`` and ``dropped`` are counted by `update`.
    """

    def __init__(self, interface: str) -> None:
        kind = _socket.SOCK_RAW | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK
        self.seen = self.dropped = 0
        self._next = 0
        self.sock: _socket.socket = observed_call("socket", _socket.socket, uapi.AF_PACKET, kind, 0)
        try:
            self._set(uapi.PACKET_VERSION, uapi.TPACKET_V3)
            request = (BLOCK_BYTES, BLOCKS, FRAME_BYTES, BLOCK_BYTES // FRAME_BYTES * BLOCKS, RETIRE_MILLISECONDS, 0, 0)
            self._set(uapi.PACKET_RX_RING, TPACKET_REQ3.pack_members(*request))
            self._map: mmap = mmap(self.sock.fileno(), BLOCK_BYTES * BLOCKS)
            try:
                observed_call("bind", self.sock.bind, (interface, uapi.ETH_P_ALL))
            except BaseException:
                self._map.close()
                raise
        except BaseException:
            self.sock.close()
            raise

    def _set(self, option: int, value: int | bytes) -> None:
        observed_call("setsockopt", self.sock.setsockopt, uapi.SOL_PACKET, option, value)

    def fileno(self) -> int:
        """Return the descriptor, which can be read when a block is ready."""
        return self.sock.fileno()

    def frames(self) -> Iterator[Frame]:
        """Yield the frames of the blocks that are ready, and hand these back to the kernel."""
        view: Any = self._map
        for _ in range(BLOCKS):
            start = self._next * BLOCK_BYTES
            block = TPACKET_BLOCK.read(view, start)
            if not block[2] & uapi.TP_STATUS_USER:
                return
            at = start + block[4]
            for _ in range(block[3]):
                header = TPACKET3_HDR.read(view, at)
                yield self._frame(at, header)
                at += header[0]
            self._map[start + STATUS_AT : start + STATUS_AT + 4] = U32.pack(uapi.TP_STATUS_KERNEL, {})
            self._next = (self._next + 1) % BLOCKS

    def _frame(self, at: int, header: tuple[int, ...]) -> Frame:
        _, seconds, nanoseconds, captured, length, status, mac, *_ = header
        data = self._map[at + mac : at + mac + captured]
        if status & uapi.TP_STATUS_VLAN_VALID:  # the kernel has taken the tag out of the frame
            tpid = header[10] if status & uapi.TP_STATUS_VLAN_TPID_VALID else uapi.ETH_P_8021Q
            data = data[:12] + tpid.to_bytes(2, "big") + (header[9] & 0xFFFF).to_bytes(2, "big") + data[12:]
            length += 4
        return seconds * 10**9 + nanoseconds, data, length, self._map[at + PACKET_TYPE_AT] == uapi.PACKET_OUTGOING

    def update(self) -> None:
        """Add to ``seen`` and ``dropped`` what the kernel has counted since the last call (PACKET_STATISTICS)."""
        data = self.sock.getsockopt(uapi.SOL_PACKET, uapi.PACKET_STATISTICS, STATISTICS_BYTES)
        self.seen += U32.unpack(data, 0, 4, {}, None, ())
        self.dropped += U32.unpack(data, 4, 8, {}, None, ())

    def close(self) -> None:
        """Close the socket and the ring; may be called again."""
        if not self._map.closed:
            self._map.close()
        self.sock.close()
