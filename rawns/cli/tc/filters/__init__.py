"""The kinds of filters that `rawns tc` knows, a module for each family, loaded when one is named or shown."""

from __future__ import annotations

from .... import uapi
from ...ip.arguments import leading_integer, number
from ...ip.grammar import CommandError
from ...ip.keywords import CustomKeyword, read
from .. import actions
from ..output import field
from ..police import police
from ..words import classid, failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Args, Body, Callable, Iterable, Iterator, Keyword, OutputField, Record, Sequence, TcContext

MODULES = {**dict.fromkeys(("matchall", "basic", "fw"), "simple"), "u32": "u32", "flower": "flower"}
# Kinds that tc has options for, and this program has not.
OTHERS = frozenset("bpf cgroup flow route rsvp tcindex".split())
EXCLUSIVE = uapi.TCA_CLS_FLAGS_SKIP_HW | uapi.TCA_CLS_FLAGS_SKIP_SW


class FilterKind:
    """A kind of filter: its words, what they make of a message, and how that is shown.

    ``prefix`` is that of its attributes: those that all kinds have are read and shown here.
    """

    rows: Sequence[Keyword] = ()

    def __init__(self, name: str, prefix: str, usage: str) -> None:
        self.name, self.prefix, self.usage = name, prefix, usage

    def handle(self, text: str) -> tuple[int, Record]:
        """Return the handle of a filter, and options that are given with it.  Raises `CommandError`."""
        try:
            value = number(text)
        except ValueError:
            value = leading_integer(text)
        if not -(1 << 63) < value < (1 << 63) - 1:
            raise failed(f'Illegal handle "{text}", must be numeric.')
        return value & uapi.UINT32_MAX, {}

    def parse(self, args: Args, handle: str | None, record: Record) -> None:
        """Read the words into TCA_OPTIONS, and the handle.  Raises `CommandError`."""
        options: Record = {}
        if handle is not None:
            record["tcm_handle"], options = self.handle(handle)
        if args:
            record["TCA_OPTIONS"] = self.build(read(self.rows, args, options, self._otherwise), record)

    def _otherwise(self, word: str, args: Args, record: Record) -> None:
        raise failed(self.usage if word == "help" else f'What is "{word}"?\n{self.usage}')

    def build(self, options: Record, record: Record) -> Any:
        """Return the value of TCA_OPTIONS, given what the words have set."""
        self.check_flags(options)
        return options

    def check_flags(self, options: Record) -> None:
        """Raise `CommandError` if a filter is neither for software nor for hardware."""
        if options.get(f"{self.prefix}_FLAGS", 0) & EXCLUSIVE == EXCLUSIVE:
            raise failed("skip_hw and skip_sw are mutually exclusive")

    def fields(self, options: Body, handle: int, info: int, ip: TcContext) -> Iterable[OutputField]:
        """Return the options as they are shown; ``info`` has the protocol of the filter."""
        raise NotImplementedError


def class_row(prefix: str, names: str = "classid*|flowid") -> CustomKeyword:
    """Return the row of the class that packets go to."""

    def take(args: Args, record: Record) -> None:
        try:
            record[f"{prefix}_CLASSID"] = classid(args.take())
        except ValueError:
            raise failed('Illegal "classid"') from None

    return CustomKeyword(names, take)


def _nested(args: Args, parse: Callable[[Args], Any], complaint: str) -> Any:
    if not args:
        args.take()
    try:
        return parse(args)
    except CommandError as error:
        if error.exits:
            raise
        raise failed(f"{error.text}\n{complaint}" if error.text else complaint) from None


def action_row(prefix: str, name: str = "") -> CustomKeyword:
    """Return the row of a list of actions."""

    def take(args: Args, record: Record) -> None:
        record[f"{prefix}_ACT"] = _nested(args, actions.parse, f'Illegal {name}"action"')

    return CustomKeyword("action*", take)


def police_row(prefix: str) -> CustomKeyword:
    """Return the row of a policer."""

    def take(args: Args, record: Record) -> None:
        record[f"{prefix}_POLICE"] = _nested(args, police, 'Illegal "police"')

    return CustomKeyword("police*", take)


def link_row(prefix: str) -> CustomKeyword:
    """Return the row of the link that a packet was received from."""

    def take(args: Args, record: Record) -> None:
        if not args:
            raise failed("Illegal indev")
        record[f"{prefix}_INDEV"] = args.take()[: uapi.IFNAMSIZ - 1]

    return CustomKeyword("indev", take)


def flag_row(names: str, prefix: str, bit: int, more: bool = False) -> CustomKeyword:
    """Return the row of a flag; ``more`` says that a word must follow."""

    def take(args: Args, record: Record) -> None:
        record[f"{prefix}_FLAGS"] = record.get(f"{prefix}_FLAGS", 0) | bit
        if more and not args:
            args.take()

    return CustomKeyword(names, take)


def flag_fields(flags: int, before: str, after: str, ip: TcContext) -> Iterator[OutputField]:
    """Yield the flags of a filter about hardware."""
    names = [("skip_hw", uapi.TCA_CLS_FLAGS_SKIP_HW), ("skip_sw", uapi.TCA_CLS_FLAGS_SKIP_SW)]
    hardware = ("in_hw", uapi.TCA_CLS_FLAGS_IN_HW), ("not_in_hw", uapi.TCA_CLS_FLAGS_NOT_IN_HW)
    names += [next((one for one in hardware if flags & one[1]), hardware[0])]
    for name, bit in names:
        if flags & bit:
            shown = field(name, True, "", ip)
            shown.text = f"{before}{name}{after}"
            yield shown


def find(name: str) -> FilterKind | None:
    """Return a kind by its name; None if it is not known."""
    module = MODULES.get(name)
    if module is None:
        return None
    found: FilterKind | None = __import__(f"{__name__}.{module}", fromlist=["KINDS"]).KINDS.get(name)
    return found
