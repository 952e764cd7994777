"""Stamps: how a lab marks what it has made, so that nothing else is ever removed.

The kernel keeps them in three places, so that no state file has to::

    a namespace   the alias of its ``lo``        rawns lab=shop by=0123456789abcdef with=nat state=whole
    a link        its alias, and its group       rawns lab=shop web:eth0=br0:web, and `group`
    a name        the file below the mount       rawns lab=shop by=0123456789abcdef

A namespace has no attribute of its own, but ``lo`` exists in every namespace and ends with it.  The text in a name's file
is visible only while nothing is mounted on it: between its creation and the mount, which is when a `kill -9` would leave a
name that could not be attributed (`netns_names.claim`; before the text is written the file's mode says as much,
`netns_names.abandoned`).  Addresses and routes carry a protocol number (IFA_PROTO, rtm_protocol) for the same purpose.

``by`` is the token of the process that made it (`lock.OwnerLock`).  ``state`` stands on one namespace of a standing lab:
``whole`` when everything has been done, or the token of the process that is changing the lab.  A lab without it is not
finished, or ends with the process that made it.  ``with`` names what else has to be read back and removed, so that nothing
is looked for that was never there; the word `RUN_PENDING` marks a host whose commands have not all been run.

Root of a namespace can write its aliases, so a stamp is parsed as hostile input.
"""

from __future__ import annotations

from ..errors import InvalidValue
from ..netns_names import check
from ..terminal import short_repr
from .lock import is_token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LO = 1  # the index of ``lo``, in every namespace: its alias is the stamp of the namespace
PROTOCOL = 82  # of addresses and routes; unassigned in iproute2's rt_protos and rt_addrprotos
ALIAS_BYTES = 255  # IFALIASZ, less the NUL that older kernels count
MAX_LAB_NAME_BYTES = 64
MAX_NAME_BYTES = 15  # of an interface: IFNAMSIZ, less the NUL
WORD = "rawns"
WHOLE = "whole"
RUN_PENDING = "run"
FEATURES = frozenset(["routes", "nat", "files", "forward", "shape", "vlans", "faults", "firewall", "relay", RUN_PENDING])


class Stamp:
    """A stamp as it was read: ``lab``, ``by`` (a token, or empty), ``state`` (`WHOLE`, a token, or empty), ``features``.

    ``host`` is the label of the host, if its name under /run/netns does not say it.
    """

    __slots__ = ("by", "features", "host", "lab", "state")

    def __init__(self, lab: str, by: str = "", state: str = "", features: Iterable[str] = (), host: str = "") -> None:
        self.lab, self.by, self.state, self.features, self.host = lab, by, state, frozenset(features), host

    def __str__(self) -> str:
        features = ",".join(sorted(self.features))
        fields = {"lab": self.lab, "host": self.host, "by": self.by, "with": features, "state": self.state}
        return " ".join([WORD, *(f"{key}={value}" for key, value in fields.items() if value)])


def owner(text: str | None) -> str | None:
    """Return the name of the lab whose stamp a text is; None if it is not a stamp."""
    mark = read(text)
    return None if mark is None else mark.lab


def read(text: str | None) -> Stamp | None:
    """Parse an alias or the content of a file; None if it is not a stamp, or one that no lab writes."""
    words = (text or "").split(" ")
    if words[:1] != [WORD] or len(words) < 2 or not words[1].startswith("lab="):
        return None
    fields = dict(word.partition("=")[::2] for word in words[1:])
    try:
        lab = check_lab_name(fields["lab"])
    except InvalidValue:
        return None
    by, state, host = fields.get("by", ""), fields.get("state", ""), fields.get("host", "")
    return Stamp(
        lab,
        by if is_token(by) else "",
        state if state == WHOLE or is_token(state) else "",
        FEATURES.intersection(fields.get("with", "").split(",")),
        host if is_label(host) else "",
    )


def is_label(text: str) -> bool:
    """Tell whether a text can be the label of a host in a stamp: ASCII letters, digits, ``-``, ``_`` and ``.``."""
    plain = text.replace("-", "a").replace("_", "a").replace(".", "a")
    return text.isascii() and plain.isalnum() and len(text) <= MAX_LAB_NAME_BYTES and text[0] not in "-."


def check_lab_name(name: str) -> str:
    """Return ``name`` if it can name a lab: letters, digits, ``-`` and ``_``, at most 64 bytes.  Raises `InvalidValue`.

    It does not begin with ``-``, which commands would take for an option.
    """
    right = isinstance(name, str) and name.replace("-", "a").replace("_", "a").isalnum()
    if not right or len(name.encode()) > MAX_LAB_NAME_BYTES:
        raise InvalidValue(f"{short_repr(name)} cannot name a lab: a name is 1 to {MAX_LAB_NAME_BYTES} letters, digits, - and _")
    if name.startswith("-"):
        raise InvalidValue(f"{short_repr(name)} cannot name a lab: commands would take it for an option")
    return check(name)


def of_link(lab: str, words: str) -> str:
    """Return the alias of a link: what it is, in the description's words, or their hash if an alias cannot hold them."""
    text = f"{WORD} lab={lab} {words}"
    if len(text) > ALIAS_BYTES or not text.isascii():
        text = f"{WORD} lab={lab} {hash_of(words):016x}"
    return text


def of_wire(one: str, other: str) -> str:
    """Return the words on both ends of a wire: ends with the same words belong together."""
    return f"{one}={other}"


def group(lab: str) -> int:
    """Return the group (IFLA_GROUP) of a lab's links, by which one message deletes them all; never 0, the default group."""
    return hash_of(lab) % 0x7FFFFFFF + 1


def hash_of(text: str) -> int:
    """Hash a text (FNV-1a, 64 bits): the same number in every process, without an import."""
    number = 0xCBF29CE484222325
    for byte in text.encode("utf-8", "surrogateescape"):
        number = (number ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return number


def short(name: str, taken: Iterable[str] = ()) -> str:
    """Shorten a name to the 15 bytes of an interface's name: the same result for the same name, and none of ``taken``."""
    if len(name.encode("utf-8", "surrogateescape")) <= MAX_NAME_BYTES and name not in taken:
        return name
    head = name.encode("ascii", "ignore").decode()[:8]
    for salt in range(1 << 16):
        candidate = f"{head}-{hash_of(name + ('' if not salt else f'/{salt}')) & 0xFFFFFF:06x}"
        if candidate not in taken:
            return candidate
    raise AssertionError("not reached: names are not that many")
