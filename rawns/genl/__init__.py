"""Messages of generic netlink: the family that lists the others, and what is known of those (`<linux/genetlink.h>`).

The kernel numbers families when they register; their names are asked from it once.  ethtool and WireGuard are described
here; of another family the kernel is asked which attributes it accepts (`policy`), which gives the types of those of requests.
The attributes of its answers are shown by number.
"""

from __future__ import annotations

from ..wire import RAW, S64, TEXT, U16, U32, U64, Layout, Message, Scalar
from ..wire.indexed import Indexed
from .base import ByCommand, attributes, header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

GENL_ID_CTRL = 16
NETLINK_GENERIC = 16
MAX_REPLY_BYTES = 1 << 16
MAX_REPLIES = 10_000
SECONDS = 10.0  # to wait for an answer
CONTROL_COMMANDS = {
    number: f"CTRL_CMD_{name}"
    for number, name in enumerate(
        "UNSPEC NEWFAMILY DELFAMILY GETFAMILY NEWOPS DELOPS GETOPS NEWMCAST_GRP DELMCAST_GRP GETMCAST_GRP GETPOLICY".split()
    )
}
ATTRIBUTE_TYPES = {
    number: f"NL_ATTR_TYPE_{name}"
    for number, name in enumerate(
        "INVALID FLAG U8 U16 U32 U64 S8 S16 S32 S64 BINARY STRING NUL_STRING NESTED NESTED_ARRAY BITFIELD32 SINT UINT".split()
    )
}
POLICY = attributes(
    "NL_POLICY_TYPE_ATTR_",
    TYPE=Scalar("I", ATTRIBUTE_TYPES),
    MIN_VALUE_S=S64,
    MAX_VALUE_S=S64,
    MIN_VALUE_U=U64,
    MAX_VALUE_U=U64,
    MIN_LENGTH=U32,
    MAX_LENGTH=U32,
    POLICY_IDX=U32,
    POLICY_MAXTYPE=U32,
    BITFIELD32_MASK=U32,
    PAD=RAW,
    MASK=U64,
)
OPERATION_FLAGS = {
    1: "GENL_ADMIN_PERM",
    2: "GENL_CMD_CAP_DO",
    4: "GENL_CMD_CAP_DUMP",
    8: "GENL_CMD_CAP_HASPOL",
    16: "GENL_UNS_ADMIN_PERM",
}
CONTROL = Layout(
    header(CONTROL_COMMANDS),
    attributes(
        "CTRL_ATTR_",
        FAMILY_ID=U16,
        FAMILY_NAME=TEXT,
        VERSION=U32,
        HDRSIZE=U32,
        MAXATTR=U32,
        OPS=Indexed(attributes("CTRL_ATTR_OP_", ID=U32, FLAGS=U32.bits(OPERATION_FLAGS))),
        MCAST_GROUPS=Indexed(attributes("CTRL_ATTR_MCAST_GRP_", NAME=TEXT, ID=U32)),
        POLICY=Indexed(Indexed(POLICY)),
        OP_POLICY=Indexed(attributes("CTRL_ATTR_POLICY_", DO=U32, DUMP=U32)),
        OP=U32,
    ),
)
DESCRIBED = {"ethtool": "ethtool", "wireguard": "wireguard"}  # the module of a family, which has its BODY


class Families:
    """The messages of generic netlink by number, which is that of the family: a read-only mapping."""

    def __init__(self) -> None:
        self._known = {GENL_ID_CTRL: Message(GENL_ID_CTRL, "nlctrl", CONTROL)}
        self._names: dict[int, str] | None = None  # by number, of all families that the kernel has

    def get(self, number: int, default: Message | None = None) -> Message | None:
        """Return the message of a family; ``default`` if the kernel knows none of this number."""
        if number not in self._known:
            if self._names is None:
                self._names = _ask_names()
            if number not in self._names:
                return default
            name = self._names[number]
            self._known[number] = Message(number, name, _body(number, name))  # type: ignore[arg-type]  # it is decoded, never built
        return self._known[number]

    def values(self) -> Iterator[Message]:
        """Yield the messages of all families that the kernel has."""
        if self._names is None:
            self._names = _ask_names()
        for number in {GENL_ID_CTRL, *self._names}:
            found = self.get(number)
            if found is not None:
                yield found

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.get(number) is not None

    def __getitem__(self, number: int) -> Message:
        found = self.get(number)
        if found is None:
            raise KeyError(number)
        return found


def _body(number: int, name: str) -> ByCommand:
    """Return the body of a family's messages."""
    if name in DESCRIBED:
        found: ByCommand = __import__(f"rawns.genl.{DESCRIBED[name]}", fromlist=["BODY"]).BODY
        return found
    from .policy import commands

    return ByCommand(commands(_ask(10, number)), {})


def _ask_names() -> dict[int, str]:
    """Return the names of the families that the kernel has, by number; none if it cannot be asked."""
    return {one["CTRL_ATTR_FAMILY_ID"]: one["CTRL_ATTR_FAMILY_NAME"] for one in _ask(3) if "CTRL_ATTR_FAMILY_NAME" in one}


def _ask(command: int, family: int | None = None) -> list[dict[str, Any]]:
    """Return the bodies of the answers to a list that is asked from the kernel, as far as they come; ``family`` selects."""
    from _socket import SOCK_CLOEXEC, SOCK_RAW, socket

    from .. import nlmsg, uapi

    body: dict[str, Any] = {"cmd": command, "version": 1}
    if family is not None:
        body["CTRL_ATTR_FAMILY_ID"] = family
    request = nlmsg.Request(Message(GENL_ID_CTRL, "nlctrl", CONTROL), body, uapi.NLM_F_DUMP)
    found: list[dict[str, Any]] = []
    try:
        sock = socket(uapi.AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC)
        sock.settimeout(SECONDS)
        sock.send(request.pack(1))
        while len(found) < MAX_REPLIES:
            data = sock.recv(MAX_REPLY_BYTES)
            for frame in nlmsg.split(data):
                if frame.kind != GENL_ID_CTRL:
                    return found
                found.append(CONTROL.unpack(data, frame.start, frame.end, {}, None, ()))
    except (OSError, ValueError, KeyError):
        pass
    return found


MESSAGES = Families()
