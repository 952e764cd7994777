"""The kinds of filters that `rawns tc` knows, a module for each family, loaded when one is named or shown."""

from __future__ import annotations

from .... import uapi
from ...ip.arguments import leading_integer, number
from ...ip.grammar import FAILED, CommandError
from ...ip.keywords import CustomKeyword, read
from ...ip.render import OutputField
from .. import actions
from ..common import need
from ..output import class_field, line_end, plain
from ..police import police, police_fields
from ..rows import KindOption, ShownOnly, option_fields
from ..words import classid, explained, failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Args, Body, Callable, Iterable, Iterator, Keyword, Record, Sequence, TcContext

MODULES = {**dict.fromkeys(("matchall", "basic", "fw"), "simple"), "u32": "u32", "flower": "flower"}
# Kinds that tc has options for, and this program has not.
OTHERS = frozenset("bpf cgroup flow route rsvp tcindex".split())
SKIPS = {"skip_hw": uapi.TCA_CLS_FLAGS_SKIP_HW, "skip_sw": uapi.TCA_CLS_FLAGS_SKIP_SW}
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
        return option_fields(self.rows, {"handle": handle, "info": info, **options}, ip)


def class_row(prefix: str, names: str = "classid*|flowid", form: str = "flowid %s ", show: Any = class_field) -> KindOption:
    """Return the row of the class that packets go to."""
    illegal = 'Illegal "classid"'
    return KindOption(names, f"{prefix}_CLASSID", classid, show, form, illegal=illegal, label=form.partition(" ")[0])


class _Nested(ShownOnly):
    """A word after which a function parses several others; a complaint of it comes before ``complaint``."""

    __slots__ = ("complaint", "parse")

    def __init__(self, names: str, key: str, show: Any, parse: Callable[[Args], Any], complaint: str) -> None:
        super().__init__(key, show, names)
        self.parse, self.complaint = parse, complaint

    def take(self, args: Args, record: Record) -> None:
        need(args)
        try:
            record[self.key] = self.parse(args)
        except CommandError as error:
            raise explained(error, self.complaint, FAILED) from None


def action_row(prefix: str, name: str = "", before: str = "") -> ShownOnly:
    """Return the row of a list of actions, shown after ``before``."""

    def show(found: Body, options: Body, ip: TcContext) -> Iterable[OutputField]:
        return (plain(before), actions.listed(found, ip))

    return _Nested("action*", f"{prefix}_ACT", show, actions.parse, f'Illegal {name}"action"')


def police_row(prefix: str, line: bool = True) -> ShownOnly:
    """Return the row of a policer, shown on a ``line`` of its own."""

    def show(found: Body, options: Body, ip: TcContext) -> Iterable[OutputField]:
        return (*([line_end(ip)] if line else []), *police_fields(found, ip))

    return _Nested("police*", f"{prefix}_POLICE", show, police, 'Illegal "police"')


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
        if more:
            need(args)

    return CustomKeyword(names, take)


def hardware_rows(prefix: str, before: str, after: str, more: bool = False) -> list[Keyword]:
    """Return the rows of the flags about hardware, shown between two texts."""

    def show(flags: int, options: Body, ip: TcContext) -> Iterator[OutputField]:
        found = [(name, flags & bit) for name, bit in SKIPS.items()]
        names = {"in_hw": flags & uapi.TCA_CLS_FLAGS_IN_HW, "not_in_hw": flags & uapi.TCA_CLS_FLAGS_NOT_IN_HW}
        found.append(next((one for one in names.items() if one[1]), ("", 0)))
        yield from (OutputField(name, True, f"{before}{name}{after}") for name, is_set in found if is_set)

    return [*[flag_row(name, prefix, bit, more) for name, bit in SKIPS.items()], ShownOnly(f"{prefix}_FLAGS", show)]


def find(name: str) -> FilterKind | None:
    """Return a kind by its name; None if it is not known."""
    module = MODULES.get(name)
    if module is None:
        return None
    found: FilterKind | None = __import__(f"{__name__}.{module}", fromlist=["KINDS"]).KINDS.get(name)
    return found
