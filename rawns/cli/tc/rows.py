"""The options of kinds of disciplines, filters and actions as rows of data, and what is only shown."""

from __future__ import annotations

from ..ip.grammar import CommandError
from ..ip.keywords import CustomKeyword, Keyword
from ..ip.render import OutputField
from .output import field, line_end
from .words import failed, percent_rate, unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Args, Body, Callable, Iterable, Iterator, Record, Sequence, TcContext


class KindOption(Keyword):
    """One option of a kind: its word, its value in the message, and its place in the output.

    ``key`` is an attribute or member of TCA_OPTIONS; ``A/b`` is the member b of the attribute A.  ``read`` parses the value, and
    a ValueError of it makes the complaint ``illegal``, in which WORD is the value and TYPED the word in front of it.  ``once``
    has complaints by the keys that must not be set yet.  ``error`` makes a CommandError of a complaint.  With ``shares``, the
    value may be a percentage of the speed of the link.

    ``show`` is `field` or one of its kin, with ``form``; no form: it is not shown.  A value in ``hidden`` is not shown, and
    without the option ``only`` of the command line none is.
    """

    __slots__ = ("error", "form", "hidden", "illegal", "key", "label", "once", "only", "path", "read", "shares", "show")

    def __init__(
        self,
        names: str,
        key: str,
        read: Callable[[str], Any],
        show: Callable[[str, Any, str, TcContext], OutputField] = field,
        form: str = "",
        hidden: tuple[int, ...] = (),
        illegal: str = "",
        label: str = "",
        only: str = "",
        once: dict[str, str] | None = None,
        error: Callable[[str], CommandError] = failed,
        shares: bool = False,
    ) -> None:
        super().__init__(names)
        self.key, self.path, self.read, self.shares = key, key.split("/"), read, shares
        self.show, self.form, self.hidden, self.only, self.label = show, form, hidden, only, label or self.name
        self.illegal, self.once, self.error = illegal or f'Illegal "{self.name}"', once or {}, error

    def take(self, args: Args, record: Record) -> None:
        """Read the value."""
        typed, word = args.words[args.at - 1], args.take()
        for key, sentence in self.once.items():
            if record.get(key) not in (None, 0, (0, -1)):
                raise self.error(sentence.replace("WORD", word))
        complaint = self.illegal.replace("WORD", word).replace("TYPED", typed)
        try:
            value = percent_rate(word, args.device) if self.shares and "%" in word else self.read(word)  # type: ignore[attr-defined]
        except ValueError:
            raise self.error(complaint) from None
        except CommandError as error:
            raise self.error(f"{error.text}\n{complaint}") if self.shares else error from None
        self.put(record, value)

    def put(self, record: Record, value: Any) -> None:
        """Set the value."""
        for name in self.path[:-1]:
            record = record.setdefault(name, {})
        record[self.path[-1]] = value

    def fields(self, options: Body, ip: TcContext) -> Iterator[OutputField]:
        """Yield the field of this option, if the message has it."""
        value: Any = options
        for name in self.path:
            value = value.get(name) if value is not None else None
        if value is not None and self.form and value not in self.hidden and (not self.only or getattr(ip, self.only)):
            yield self.show(self.label, value, self.form, ip)


class Switch(KindOption):
    """An option without a value."""

    __slots__ = ("value",)

    def __init__(self, names: str, key: str, value: int, **rest: Any) -> None:
        super().__init__(names, key, int, **rest)
        self.value = value

    def take(self, args: Args, record: Record) -> None:
        """Set the value."""
        self.put(record, self.value)


class FlagOption(Switch):
    """An option without a value, which sets a bit."""

    __slots__ = ()

    def take(self, args: Args, record: Record) -> None:
        """Set the bit."""
        record[self.key] = record.get(self.key, 0) | self.value


def shown(key: str, form: str, show: Callable[[str, Any, str, TcContext], OutputField] = field, **rest: Any) -> KindOption:
    """Return the row of what is shown and has no word; its name is that of the member, unless it has a ``label``."""
    row = KindOption("", key, str, show, form, **{"label": key.rpartition("/")[2], **rest})
    row.spellings = frozenset()
    return row


class ShownOnly(Keyword):
    """What a function shows of a key, if it is there, or of all (no key).  As a rule it has no word."""

    __slots__ = ("key", "show")

    def __init__(
        self, key: str, show: Callable[[Any, Body, TcContext], Iterable[OutputField]], names: str = "", name: str = ""
    ) -> None:
        super().__init__(names)
        self.key, self.show, self.name = key, show, name or self.name
        if not names:
            self.spellings = frozenset()

    def fields(self, options: Body, ip: TcContext) -> Iterable[OutputField]:
        """Return what is shown."""
        value = options.get(self.key) if self.key else options
        return () if value is None else self.show(value, options, ip)


def left_out(names: str, what: str) -> CustomKeyword:
    """Return the row of what tc has and this program has not; completion does not offer it."""

    def take(args: Args, record: Record) -> None:
        raise unsupported(what)

    row = CustomKeyword(names, take)
    row.name = ""
    return row


def complaining(
    rows: list[KindOption], illegal: str, again: str = "", names: dict[str, str] | None = None, typed: tuple[str, ...] = ()
) -> list[KindOption]:
    """Return the rows with the complaint ``illegal`` about a value, and ``again`` about a second one (empty: there may be one).

    NAME in both is the word; in ``again`` it is what ``names`` has for the word, in ``illegal`` a word of ``typed`` is as it was
    typed.
    """
    for row in rows:
        row.illegal = illegal.replace("NAME", "TYPED" if row.name in typed else row.name)
        if again:
            row.once = {row.key: again.replace("NAME", (names or {}).get(row.name, row.name)), **row.once}
    return rows


def numbers(*specs: str) -> list[KindOption]:
    """Return the rows of numbers that are shown after their names: ``" name"``, ``" name=member"``; with ``?`` zeros are not."""
    rows = []
    for spec in specs:
        name, _, member = spec.rstrip("?").partition("=")
        label = name.strip()
        rows.append(shown(member or label, f"{name} %u", label=label, hidden=(0,) if spec.endswith("?") else ()))
    return rows


LINE = ShownOnly("", lambda value, options, ip: (line_end(ip),))


def option_fields(rows: Iterable[Any], options: Body, ip: TcContext, hidden: Sequence[str] = ()) -> Iterator[OutputField]:
    """Yield the fields of the rows that are shown; rows with a ``hidden`` name are left out."""
    for row in rows:
        if isinstance(row, (KindOption, ShownOnly)) and row.name not in hidden:
            yield from row.fields(options, ip)
