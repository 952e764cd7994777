"""Messages of generic netlink: the header of all its families, and the family that lists them (`<linux/genetlink.h>`).

The kernel numbers families when they register; their names are asked from it once.  The attributes of a family without a
description here are shown by number.
"""

from __future__ import annotations

from .wire import RAW, TEXT, U8, U16, U32, Attrs, Layout, Message, Scalar, Struct, Type
from .wire.indexed import Indexed

GENL_ID_CTRL = 16
NETLINK_GENERIC = 16
MAX_REPLY_BYTES = 1 << 16
MAX_FAMILIES = 1000
CONTROL_COMMANDS = {
    number: f"CTRL_CMD_{name}"
    for number, name in enumerate(
        "UNSPEC NEWFAMILY DELFAMILY GETFAMILY NEWOPS DELOPS GETOPS NEWMCAST_GRP DELMCAST_GRP GETMCAST_GRP GETPOLICY".split()
    )
}


def _attrs(prefix: str, **kinds: Type) -> Attrs:
    return Attrs({prefix + name: (number, kind) for number, (name, kind) in enumerate(kinds.items(), 1)})


def _header(commands: dict[int, str]) -> Struct:
    return Struct("genlmsghdr", ("cmd", Scalar("B", commands)), ("version", U8), ("reserved", U16), whole=True)


CONTROL = Layout(
    _header(CONTROL_COMMANDS),
    _attrs(
        "CTRL_ATTR_",
        FAMILY_ID=U16,
        FAMILY_NAME=TEXT,
        VERSION=U32,
        HDRSIZE=U32,
        MAXATTR=U32,
        OPS=Indexed(_attrs("CTRL_ATTR_OP_", ID=U32, FLAGS=U32)),
        MCAST_GROUPS=Indexed(_attrs("CTRL_ATTR_MCAST_GRP_", NAME=TEXT, ID=U32)),
        POLICY=RAW,
        OP_POLICY=RAW,
        OP=U32,
    ),
)
OTHER = Layout(_header({}), Attrs({}))


class Families:
    """The messages of generic netlink by number, which is that of the family: a read-only mapping."""

    def __init__(self) -> None:
        self._known = {GENL_ID_CTRL: Message(GENL_ID_CTRL, "nlctrl", CONTROL)}
        self._asked = False

    def get(self, number: int, default: Message | None = None) -> Message | None:
        """Return the message of a family; ``default`` if the kernel knows none of this number."""
        if number not in self._known and not self._asked:
            self._asked = True
            self._known.update({one: Message(one, name, OTHER) for one, name in _ask().items() if one not in self._known})
        return self._known.get(number, default)

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.get(number) is not None

    def __getitem__(self, number: int) -> Message:
        found = self.get(number)
        if found is None:
            raise KeyError(number)
        return found


def _ask() -> dict[int, str]:
    """Return the names of the families that the kernel has, by number; none if it cannot be asked."""
    import socket
    from struct import pack

    from . import nlmsg, uapi

    found: dict[int, str] = {}
    request = pack("=IHHII", 20, GENL_ID_CTRL, uapi.NLM_F_REQUEST | uapi.NLM_F_DUMP, 1, 0) + pack("=BBH", 3, 1, 0)
    try:
        with socket.socket(uapi.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_GENERIC) as sock:
            sock.settimeout(1.0)
            sock.send(request)
            while len(found) < MAX_FAMILIES:
                data = sock.recv(MAX_REPLY_BYTES)
                for frame in nlmsg.split(data):
                    if frame.kind != GENL_ID_CTRL:
                        return found
                    body = CONTROL.unpack(data, frame.start, frame.end, {}, None, ())
                    found[body["CTRL_ATTR_FAMILY_ID"]] = body["CTRL_ATTR_FAMILY_NAME"]
    except (OSError, ValueError, KeyError):
        pass
    return found


MESSAGES = Families()
