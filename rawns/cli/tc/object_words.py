"""The words between an object of tc(8) and a kind: the link, handles, parents.  Rows of them for each object."""

from __future__ import annotations

from ... import uapi
from ..ip.arguments import U32
from ..ip.context import complain
from ..ip.ethertypes import ethertype
from ..ip.grammar import CommandError, duplicate, parsed, wrong
from ..ip.keywords import CustomKeyword, Keyword
from .common import MAX_DEVICE_BYTES, MAX_KIND_BYTES, estimator, shortened, size_table
from .words import CLSACT_HANDLE, PARENTS, classid, handle, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Args, Callable, Record, Sequence

MAX_PRIORITY = 0xFFFF


class ObjectWord(Keyword):
    """A word that a value follows, which may be given once.

    ``read`` parses the value, and a ValueError of it is the complaint ``why``.  ``once`` is what the complaint about a second one
    names, "value" or "word"; if it is empty there is none.  A value of 0 counts as none, unless ``zero`` says otherwise.
    """

    __slots__ = ("key", "once", "read", "why", "zero")

    def __init__(
        self, names: str, key: str, read: Callable[[str], Any], why: str = "", once: str = "value", zero: bool = False
    ) -> None:
        super().__init__(names)
        self.key, self.read, self.why, self.once, self.zero = key, read, why, once, zero

    def take(self, args: Args, record: Record) -> None:
        """Read the value."""
        repeated = self.once and (self.key in record if self.zero else record.get(self.key))
        word = self.name if repeated and self.once == "word" else args.take()
        if repeated:
            raise duplicate(self.name, word)
        record[self.key] = parsed(self.read, word, self.why)


class Place(Keyword):
    """A word that stands for a parent; ``kind`` says that it is the kind of the discipline, too."""

    __slots__ = ("again", "kind", "value")

    def __init__(self, name: str, value: int, again: str, kind: bool = False) -> None:
        super().__init__(name)
        self.value, self.again, self.kind = value, again, kind

    def take(self, args: Args, record: Record) -> None:
        """Set the parent."""
        if record.get("tcm_parent"):
            raise refused(f'Error: "{self.name}" is {self.again}')
        record["tcm_parent"] = self.value
        if self.kind:
            record.update(tcm_handle=CLSACT_HANDLE, kind=self.name)


def read_to_kind(rows: Sequence[Keyword], args: Args, record: Record) -> str | None:
    """Read words up to the kind, the first that no row fits; return it, None if there is none."""
    while args and "kind" not in record:
        word = args.take()
        row = next((one for one in rows if one.fits(word)), None)
        if row is None:
            record["kind"] = shortened(word, MAX_KIND_BYTES)
        else:
            row.take(args, record)
    kind: str | None = record.pop("kind", None)
    return kind


def help_row(object: str, status: int | None = None) -> CustomKeyword:
    """Return the row of ``help``: without a ``status``, tc goes on with the command after it."""

    def take(args: Args, record: Record) -> None:
        from .help_texts import OBJECTS

        if status is not None:
            raise CommandError(OBJECTS[object], status)
        complain(OBJECTS[object])

    return CustomKeyword("help*", take)


def device(text: str) -> str:
    """Return the name of a link, as much as tc keeps of it."""
    return shortened(text, MAX_DEVICE_BYTES)


def _nonzero(text: str) -> int:
    if not U32(text):
        raise ValueError(text)
    return U32(text)


def _handle_of_class(args: Args, record: Record) -> None:
    raise refused('Error: try "classid" instead of "handle"')


ROOT, INGRESS = uapi.TC_H_ROOT, uapi.TC_H_INGRESS
DEVICE = ObjectWord("dev", "dev", device)
PARENT = ObjectWord("parent", "tcm_parent", classid, "invalid parent ID")
ESTIMATOR = CustomKeyword("estimator*", estimator)
QDISC = [
    DEVICE,
    ObjectWord("handle", "tcm_handle", handle, "invalid qdisc ID", once="word"),
    Place("root", ROOT, "duplicate parent ID"),
    Place("clsact", INGRESS, "a duplicate parent ID", kind=True),
    Place("ingress", INGRESS, "a duplicate parent ID", kind=True),
    PARENT,
    ESTIMATOR,
    CustomKeyword("stab*", size_table),
    ObjectWord("ingress_block*", "TCA_INGRESS_BLOCK", _nonzero, "invalid ingress block index value", once=""),
    ObjectWord("egress_block*", "TCA_EGRESS_BLOCK", _nonzero, "invalid egress block index value", once=""),
    help_row("qdisc"),
]
CLASS = [
    DEVICE,
    ObjectWord("classid", "tcm_handle", classid, "invalid class ID"),
    CustomKeyword("handle", _handle_of_class),
    Place("root", ROOT, "duplicate parent ID."),
    PARENT,
    ESTIMATOR,
    help_row("class"),
]
CLASS_LIST = [
    DEVICE,
    ObjectWord("qdisc", "qdisc", handle, "invalid qdisc ID"),
    ObjectWord("classid", "classid", classid, "invalid class ID"),
    Place("root", ROOT, "duplicate parent ID"),
    ObjectWord("parent", "tcm_parent", classid, "invalid parent ID", once="word"),
    help_row("class"),
]


class _Selected(Keyword):
    """A word of ``qdisc show`` that selects by parent or by handle, of which there can be one."""

    __slots__ = ("key", "read")

    def __init__(self, names: str, key: str, read: Callable[[str], int] | int) -> None:
        super().__init__(names)
        self.key, self.read = key, read

    def take(self, args: Args, record: Record) -> None:
        for key in ("parent", "handle"):
            if record.get(f"tcm_{key}"):
                raise wrong(args.words[args.at - 1], f"{key} is already specified")
        known = isinstance(self.read, int)
        record[f"tcm_{self.key}"] = self.read if known else parsed(self.read, args.take(), f"invalid {self.key} ID")  # type: ignore[arg-type]


QDISC_LIST = [
    ObjectWord("dev", "dev", device, once=""),
    _Selected("root", "parent", ROOT),
    _Selected("ingress", "parent", INGRESS),
    _Selected("clsact", "parent", INGRESS),
    _Selected("parent*", "parent", classid),
    _Selected("handle*", "handle", handle),
    help_row("qdisc"),
    CustomKeyword("invisible", lambda args, record: record.update(TCA_DUMP_INVISIBLE=True)),
]


# -- filters --------------------------------------------------------------------------------------------------------


class _LinkOrBlock(ObjectWord):
    """The link or the block of a filter, of which there can be one."""

    __slots__ = ("complaint", "other")

    def __init__(self, names: str, other: str, read: Callable[[str], Any], why: str, lists: bool) -> None:
        super().__init__(names, names.rstrip("*"), read, why)
        same_time = f'"{self.name}" cannot be used in the same time as "{other}"'
        self.other, self.complaint = other, same_time if lists else '"dev" and "block" are mutually exclusive'

    def take(self, args: Args, record: Record) -> None:
        if record.get(self.other) and args and not record.get(self.name):
            raise refused(f"Error: {self.complaint}")
        super().take(args, record)


def _priority(text: str) -> int:
    if U32(text) > MAX_PRIORITY:
        raise ValueError(text)
    return U32(text)


def _filter_rows(lists: bool) -> list[Keyword]:
    """Return the rows of words that all commands about filters have; a list complains otherwise."""
    priority, why = (U32, "invalid preference") if lists else (_priority, "invalid priority value")
    return [
        _LinkOrBlock("dev", "block", device, "", lists),
        _LinkOrBlock("block*", "dev", _nonzero, "invalid block index value", lists),
        *[Place(name, PARENTS.get(name, ROOT), "duplicate parent ID") for name in ("root", *PARENTS)],
        ObjectWord("parent", "tcm_parent", classid, f"{'i' if lists else 'I'}nvalid parent ID"),
        ObjectWord("handle", "handle", str, zero=True),
        ObjectWord("priority*|preference*", "priority", priority, why),
        ObjectWord("protocol*", "protocol", ethertype, "invalid protocol", zero=not lists),
        ObjectWord("chain*", "TCA_CHAIN", U32, "invalid chain index value", zero=True),
    ]


FILTER_GET = [*_filter_rows(False), help_row("filter", 0)]
FILTER = [*FILTER_GET[:-1], ESTIMATOR, FILTER_GET[-1]]
FILTER_LIST = [*_filter_rows(True), help_row("filter")]
