"""How a lab knows what is its own: the stamp on everything it makes.

Floor 6, pure.  The kernel keeps it, in three places, so that no state file has to::

    a namespace   the alias of its ``lo``        rawns lab=shop by=4711.98765 with=nat state=whole
    a link        its alias, and its group       rawns lab=shop web:eth0=br0:web, and `group`
    a name        what its file says underneath  rawns lab=shop by=4711.98765

A namespace has no attribute of its own, but ``lo`` is in every one, nameless ones too, and ends with it; a file's name
alone would prove nothing, and a nameless namespace has none.  The text in the file is seen only while nothing is mounted
on it: between its making and the mount, which is when a `kill -9` would leave a name that nobody could prove to be ours
(`names.claim`; before the text is written the file's mode says as much, `names.abandoned`).
Addresses and routes carry their protocol number (IFA_PROTO, rtm_protocol) for the same end: what a person adds to an
interface of ours by hand is told from what we added.

``by`` says which process made it: its pid and the clock tick it started at, since pids come again.  ``state`` stands on
one namespace of a lab, the last to be finished: ``whole`` once all is there that was asked for, or who is changing it.
A lab in which it stands nowhere is not finished, or lives by the process that made it.  ``with`` names what else there is
to read back and to take away, so that nobody has to look for what was never there.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PROTOCOL = 82  # of addresses and routes; nobody's in iproute2's rt_protos and rt_addrprotos
ALIAS_BYTES = 255  # IFALIASZ, less the NUL that older kernels count
WORD = "rawns"
WHOLE = "whole"


class Stamp:
    """A stamp as it was read: ``lab``, ``by`` (`token`), ``state`` (`WHOLE`, a token, or empty), ``features``."""

    __slots__ = ("by", "features", "lab", "state")

    def __init__(self, lab: str, by: str = "", state: str = "", features: Iterable[str] = ()) -> None:
        self.lab, self.by, self.state, self.features = lab, by, state, frozenset(features)

    def __str__(self) -> str:
        said = {"lab": self.lab, "by": self.by, "with": ",".join(sorted(self.features)), "state": self.state}
        return " ".join([WORD, *(f"{key}={value}" for key, value in said.items() if value)])


def read(text: str | None) -> Stamp | None:
    """The stamp in an alias or a file; None where that is nobody's or somebody else's."""
    words = (text or "").split()
    if words[:1] != [WORD] or len(words) < 2 or not words[1].startswith("lab="):
        return None
    said = dict(word.partition("=")[::2] for word in words[1:])
    return Stamp(said["lab"], said.get("by", ""), said.get("state", ""), filter(None, said.get("with", "").split(",")))


def of_link(lab: str, words: str) -> str:
    """The alias of a link: what it is, in the description's words, as far as an alias holds them."""
    text = f"{WORD} lab={lab} {words}"
    if len(text) > ALIAS_BYTES or not text.isascii():
        text = f"{WORD} lab={lab} {_fnv(words):016x}"
    return text


def of_wire(one: str, other: str) -> str:
    """What stands on both ends of a wire: they belong together where it is the same."""
    return f"{one}={other}"


def group(lab: str) -> int:
    """The group (IFLA_GROUP) of a lab's links, by which one message deletes them all: never 0, which is everybody's."""
    return _fnv(lab) % 0x7FFFFFFF + 1


def _fnv(text: str) -> int:
    """FNV-1a, 64 bits: the same number in every process, and no import."""
    number = 0xCBF29CE484222325
    for byte in text.encode("utf-8", "surrogateescape"):
        number = (number ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return number


def short(name: str, taken: Iterable[str] = ()) -> str:
    """A name for an interface out of one that may be too long: 15 bytes, the same for the same, none of ``taken``."""
    if len(name.encode("utf-8", "surrogateescape")) <= 15 and name not in taken:
        return name
    head = name.encode("ascii", "ignore").decode()[:8]
    for salt in range(1 << 16):
        candidate = f"{head}-{_fnv(name + ('' if not salt else f'/{salt}')) & 0xFFFFFF:06x}"
        if candidate not in taken:
            return candidate
    raise AssertionError("not reached: names are not that many")
