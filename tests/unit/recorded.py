"""A netlink socket that answers from a recording: what a kernel said once, in a place that has no such kernel.

A recording is a list of the messages that a kernel answered a list of links with (tests/kernels/ip_kinds.py makes them).
"""

from __future__ import annotations

import json
import lzma
import struct
from _thread import allocate_lock
from errno import ENODEV, EOPNOTSUPP
from pathlib import Path
from typing import Any

from rawns import nlsocket, uapi
from rawns.netlink import Netlink

HEADER = struct.Struct("=IHHII")  # nlmsghdr


def recording(name: str) -> dict[str, Any]:
    """Return a file of this directory: the messages in hexadecimal, and what the real `ip` printed for them."""
    read: dict[str, Any] = json.loads(lzma.decompress((Path(__file__).parent / f"{name}.json.xz").read_bytes()))
    return read


def index_of(link: bytes) -> int:
    """Return ifi_index of a message."""
    return int(struct.unpack_from("=i", link, 4)[0])


class NoSocket:
    """What is in place of the socket: it cannot be waited for, nor closed."""

    def fileno(self) -> int:
        return -1


class RecordedNetlink(Netlink):
    """Answers requests for one link and for all links; refuses others."""

    links: tuple[bytes, ...] = ()

    def _open(self) -> None:
        self._socket: Any = NoSocket()
        self._lock = allocate_lock()
        self._configure()
        self._process = nlsocket._process
        self._answers: list[bytes] = []

    def _open_in_namespace_of(self, other: Any) -> None:
        self._open()

    def _set_option(self, option: str, value: int = 1) -> None:
        pass

    def _send(self, data: bytes) -> None:
        _, kind, flags, seq, _ = HEADER.unpack_from(data)

        def message(kind: int, payload: bytes, flags: int = 0) -> bytes:
            return HEADER.pack(HEADER.size + len(payload), kind, flags, seq, 1) + payload

        if kind != uapi.RTM_GETLINK:
            error, found = EOPNOTSUPP, []
        elif flags & uapi.NLM_F_DUMP == uapi.NLM_F_DUMP:
            self._answers = [message(uapi.RTM_NEWLINK, one, uapi.NLM_F_MULTI) for one in self.links]
            self._answers.append(message(uapi.NLMSG_DONE, bytes(4), uapi.NLM_F_MULTI))
            return
        else:
            (index,) = struct.unpack_from("=i", data, HEADER.size + 4)  # ifi_index
            names = [one for one in self.links if index == 0 and self._name(one) in data[HEADER.size + 16 :]]
            found = [one for one in self.links if index_of(one) == index] or names
            error = 0 if found else ENODEV
        self._answers = [message(uapi.RTM_NEWLINK, one) for one in found[:1]]
        self._answers.append(message(uapi.NLMSG_ERROR, struct.pack("=i", -error) + data[: HEADER.size]))

    @staticmethod
    def _name(link: bytes) -> bytes:
        """Return the attribute IFLA_IFNAME of a message, which the kernel sends first."""
        size, kind = struct.unpack_from("=HH", link, 16)
        assert kind == uapi.IFLA_IFNAME
        return link[16 : 16 + size]

    @classmethod
    def name_of(cls, index: int) -> str:
        """Return the name of a link, as if_indextoname(3) does."""
        for link in cls.links:
            if index_of(link) == index:
                return cls._name(link)[4:-1].decode()
        raise OSError(ENODEV, "no such link")

    def _receive_datagram(self) -> bytes:
        return self._answers.pop(0)
