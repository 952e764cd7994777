"""Command lines of `rawns`, described as tables: parsing, help and completion are derived from the same rows.

A `Command` lists its operands and its options.  A `Group` is a command with verbs, such as ``rawns lab``.  The rules:

- Options are accepted before and after the verb and the operands.  ``--`` ends the options.
- An argument follows as the next word, of a long option also after ``=``, of a short one also directly: ``--lab x``,
  ``--lab=x``, ``-c 3``, ``-c3``.  Short options without an argument may be joined: ``-jv``.
- An option is not abbreviated.  A misspelt one is refused with the nearest that exists.
- ``-h`` and ``--help`` show the help of the command, or of the verb after which they stand.

`Command.parse` and `Group.parse` raise `UsageError` for a wrong command line and `HelpRequested` for ``--help``;
`rawns.cli.main.run` prints both.  argparse is not used: its import takes as long as ``rawns lab up`` of a small lab.
"""

from __future__ import annotations

from ..terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    Parse = Callable[[str], Any]

COMMAND_LINE = "CMD..."  # the operand whose words may begin with a dash
MAX_SECONDS = 86400
MAX_DIGITS = 18  # of a number in an argument; Python refuses to convert thousands
HELP_COLUMNS = 110


class UsageError(Exception):
    """The command line is wrong.  ``str()`` is one line that begins with the command's name.

    ``word`` is the option or operand concerned; ``kind`` is ``"unknown"``, ``"argument missing"``, ``"no argument"`` (one was
    given to an option that takes none), ``"value"``, ``"exclusive"``, ``"operand missing"`` or ``"operand"`` (one too many).
    """

    def __init__(self, command: str, sentence: str, kind: str = "value", word: str = "") -> None:
        super().__init__(f"{command}: {sentence}; see `{command} --help`")
        self.sentence, self.kind, self.word = sentence, kind, word


class HelpRequested(Exception):  # noqa: N818 (not an error)
    """The command line asks for help.  ``str()`` is the text for standard output."""


class Option:
    """One option of a command.

    ``names`` are its spellings; the first long one is the key of its value in `Parsed`.  ``argument`` names its argument in
    the help (empty: it takes none; in brackets: it may be left out, and the value is then ``implied``).  ``parse`` converts
    the argument and raises ValueError with a clause that completes "'X' is not ..." or a sentence of its own.  If ``many``,
    the value is the list of all arguments given.  ``choices`` restricts the argument to these words.
    """

    __slots__ = ("argument", "choices", "default", "help", "implied", "key", "many", "names", "optional", "parse")

    def __init__(
        self,
        *names: str,
        help: str,
        argument: str = "",
        parse: Parse = str,
        default: Any = None,
        implied: Any = None,
        many: bool = False,
        choices: Sequence[str] = (),
    ) -> None:
        self.names, self.help, self.parse = names, help, parse
        self.key = next((name for name in names if name.startswith("--")), names[0])
        self.argument, self.optional = argument.strip("[]"), argument.startswith("[")
        self.default = default if argument else False
        self.implied, self.many, self.choices = implied, many, tuple(choices)

    def __repr__(self) -> str:
        return f"Option({', '.join(map(repr, self.names))})"

    def spelt(self) -> str:
        """Return the option as the help shows it: ``-c, --count N``."""
        argument = f"[{self.argument}]" if self.optional else self.argument
        return ", ".join(self.names) + (f" {argument}" if argument else "")

    def value(self, text: str) -> Any:
        """Convert an argument.  Raises ValueError with a sentence."""
        if self.choices and text not in self.choices:
            raise ValueError(f'"{printable(text)}" is not one of {", ".join(self.choices)}' + did_you_mean(text, self.choices))
        return self.parse(text)


HELP = Option("-h", "--help", help="show this help")


class Parsed:
    """A command line after parsing.

    ``verb`` is the name of the `Command`, ``operands`` its words, ``rest`` the words of the last operand if that
    is written with dots (``CMD...``, ``HOST...``), ``given`` the keys of the options that were present.  ``parsed["--json"]`` is
    an option's value: its argument, True, or the default if it was not given.
    """

    __slots__ = ("_values", "given", "operands", "rest", "verb")

    def __init__(self, verb: str, options: Iterable[Option]) -> None:
        self.verb = verb
        self.operands: list[str] = []
        self.rest: list[str] = []
        self.given: set[str] = set()
        self._values: dict[str, Any] = {}
        for option in options:
            self._values[option.key] = [] if option.many else option.default

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def take(self, option: Option, value: Any) -> None:
        """Record an option that was given."""
        self.given.add(option.key)
        if option.many:
            self._values[option.key].append(value)
        else:
            self._values[option.key] = value

    def operand(self, number: int) -> str | None:
        """Return an operand that may be left out, or None."""
        return self.operands[number] if number < len(self.operands) else None


class Command:
    """A command: its name, a summary of one line, operands, options, and further paragraphs for its help.

    ``operands`` is written as in a usage line: ``"FILE [NAME]"``; a last one with dots (``"LAB HOST..."``) may be repeated.
    ``CMD...`` is a command to be run: it takes everything that follows as it is, options included.  At most one option of each
    tuple in ``exclusive`` may be given.
    ``details`` are paragraphs, separated by empty lines.
    """

    def __init__(
        self,
        name: str,
        summary: str,
        operands: str = "",
        options: Sequence[Option] = (),
        *,
        details: str = "",
        exclusive: Sequence[tuple[str, ...]] = (),
    ) -> None:
        self.name, self.summary, self.details = name, summary, details
        self.operands, self.options, self.exclusive = operands, (*options, HELP), exclusive
        self.title = f"rawns {name}"

    # -- parsing ------------------------------------------------------------------------------------------------------

    def parse(self, argv: Iterable[str]) -> Parsed:
        """Parse the words after the command's name.  Raises `UsageError` and `HelpRequested`."""
        words = list(argv)
        parsed = Parsed(self.name, self.options)
        required, most, repeats = self._arity()
        seen: list[Option] = []
        while words:
            word = words.pop(0)
            if word == "--":
                self._operands(parsed, words, most, repeats)
                break
            if len(word) > 1 and word[0] == "-":
                seen += self._option(parsed, word, words)
            elif self.operands.rstrip("]").endswith(COMMAND_LINE) and len(parsed.operands) == most:
                parsed.rest = [word, *words]
                break
            elif repeats and len(parsed.operands) == most:
                parsed.rest.append(word)
            else:
                parsed.operands.append(word)
        self._check(parsed, seen, required, most)
        return parsed

    def _arity(self) -> tuple[int, int, bool]:
        """Return the least and the greatest number of operands before one with dots, and whether there is such a one."""
        names = self.operands.split()
        repeats = bool(names) and names[-1].strip("[]").endswith("...")
        fixed = names[:-1] if repeats else names
        return sum(not name.startswith("[") for name in fixed), len(fixed), repeats

    @staticmethod
    def _operands(parsed: Parsed, words: list[str], most: int, repeats: bool) -> None:
        """Take what follows ``--``."""
        missing = max(most - len(parsed.operands), 0) if repeats else len(words)
        parsed.operands += words[:missing]
        parsed.rest += words[missing:]

    def _option(self, parsed: Parsed, word: str, words: list[str]) -> list[Option]:
        """Take the option, or the joined short options, of one word, and the arguments that follow in ``words``."""
        if not word.startswith("--"):
            return self._short(parsed, word, words)
        name, equals, text = word.partition("=")
        option = self.find(name)
        if option is None:
            raise self.unknown(name)
        if equals and not option.argument:
            raise self.error(f'{name} takes no argument, and "{printable(text)}" was given', "no argument", name)
        self._take(parsed, option, name, text if equals else None, words)
        return [option]

    def _short(self, parsed: Parsed, word: str, words: list[str]) -> list[Option]:
        """Take joined short options: ``-jv``, ``-c3``, ``-jc3``, ``-jc 3``."""
        found: list[Option] = []
        for place in range(1, len(word)):
            option = self.find(f"-{word[place]}")
            if option is None:
                raise self.unknown(f"-{word[place]}" if found else word)
            found.append(option)
            if option.argument:
                text = word[place + 1 :] if place + 1 < len(word) else None
                self._take(parsed, option, f"-{word[place]}", text, words)
                break
            self._take(parsed, option, f"-{word[place]}", None, words)
        return found

    def _take(self, parsed: Parsed, option: Option, name: str, text: str | None, words: list[str]) -> None:
        if option is HELP:
            raise HelpRequested(self.help())
        if not option.argument:
            parsed.take(option, True)
            return
        if text is None and option.optional:
            parsed.take(option, self._optional(option, words))
            return
        if text is None:
            if not words:
                raise self.error(f"{name} needs an argument: {option.argument}", "argument missing", name)
            text = words.pop(0)
        try:
            parsed.take(option, option.value(text))
        except ValueError as error:
            raise self.error(f"{name}: {error}", "value", name) from None

    @staticmethod
    def _optional(option: Option, words: list[str]) -> Any:
        """Return an argument that may be left out: the next word if it is no option and can be one, else ``implied``."""
        if words and (words[0] == "-" or not words[0].startswith("-")):
            try:
                value = option.value(words[0])
            except ValueError:
                return option.implied
            words.pop(0)
            return value
        return option.implied

    def _check(self, parsed: Parsed, seen: list[Option], required: int, most: int) -> None:
        keys = {name: option for option in seen for name in option.names}
        for group in self.exclusive:
            given = [name for name in group if name in keys]
            if len(given) > 1:
                raise self.error(f"only one of {' and '.join(given)} may be given", "exclusive", given[1])
        names = self.operands.split()
        if len(parsed.operands) < required:
            raise self.error(f"{names[len(parsed.operands)]} is missing", "operand missing")
        if len(parsed.operands) > most:
            word = parsed.operands[most]
            raise self.error(f'unexpected argument "{printable(word)}"', "operand", word)
        if names and names[-1].endswith("...") and not parsed.rest:
            raise self.error(f"{names[-1][:-3]} is missing", "operand missing")

    def find(self, name: str) -> Option | None:
        """Return the option with this spelling, or None."""
        for option in self.options:
            if name in option.names:
                return option
        return None

    def unknown(self, name: str) -> UsageError:
        """Return the error for an option that does not exist."""
        known = [one for option in self.options for one in option.names if one.startswith("--")]
        return self.error(f"there is no option {printable(name)}" + did_you_mean(name, known), "unknown", name)

    def error(self, sentence: str, kind: str = "value", word: str = "") -> UsageError:
        """Return an error of this command line."""
        return UsageError(self.title, sentence, kind, word)

    # -- help ---------------------------------------------------------------------------------------------------------

    def usage(self) -> str:
        """Return the usage line without ``usage:``."""
        return " ".join(part for part in (self.title, "[OPTIONS]" if len(self.options) > 1 else "", self.operands) if part)

    def help(self) -> str:
        """Return the help text."""
        blocks = [f"usage: {self.usage()}", wrapped(self.summary)]
        blocks.append(columns((option.spelt(), option.help) for option in self.options))
        blocks += paragraphs(self.details)
        return "\n\n".join(blocks)


class Group:
    """A command with verbs: ``rawns lab up``.  ``options`` are accepted with every verb."""

    def __init__(
        self, name: str, summary: str, commands: Sequence[Command], options: Sequence[Option] = (), *, details: str = ""
    ) -> None:
        self.name, self.summary, self.details, self.title = name, summary, details, f"rawns {name}"
        self.options = (*options, HELP)
        self.commands = {command.name: command for command in commands}
        for command in commands:
            command.title = f"{self.title} {command.name}"
            command.options = (*command.options[:-1], *options, HELP)

    def parse(self, argv: Iterable[str]) -> Parsed:
        """Parse the words after the group's name.  Raises `UsageError` and `HelpRequested`."""
        words = list(argv)
        place = self.verb_place(words)
        if place is None:
            for word in words:
                if word in HELP.names:
                    raise HelpRequested(self.help())
                if word.startswith("-") and word != "--" and self._takes_argument(word) is None:
                    raise UsageError(self.title, f"there is no option {printable(word)}", "unknown", word)
            raise UsageError(self.title, f"a verb is missing: {', '.join(self.commands)}", "operand missing")
        verb = words.pop(place)
        if verb == "help" and verb not in self.commands:
            topic = words[place] if place < len(words) else ""
            raise HelpRequested(self.commands[topic].help() if topic in self.commands else self.help())
        if verb not in self.commands:
            sentence = f'there is no verb "{printable(verb)}"' + did_you_mean(verb, self.commands)
            raise UsageError(self.title, sentence, "unknown", verb)
        if any(word in HELP.names for word in words[:place]):
            raise HelpRequested(self.commands[verb].help())
        return self.commands[verb].parse(words)

    def verb_place(self, words: Sequence[str]) -> int | None:
        """Return the place of the verb: the first word that is no option and no argument of an option before it, or None."""
        place = 0
        while place < len(words):
            word = words[place]
            if word == "--":
                return None
            if not word.startswith("-") or word == "-":
                return place
            place += 2 if self._takes_argument(word) else 1
        return None

    def _takes_argument(self, word: str) -> bool | None:
        """Return whether an option before the verb takes the next word; None if no verb has such an option."""
        commands = self.commands.values()
        option = next((found for command in commands if (found := command.find(word.partition("=")[0])) is not None), None)
        if option is None:
            return None
        return bool(option.argument) and not option.optional and "=" not in word

    def help(self) -> str:
        """Return the help text."""
        blocks = [f"usage: {self.title} VERB ...", wrapped(self.summary)]
        blocks.append(columns((f"{one.name} {one.operands}".strip(), one.summary) for one in self.commands.values()))
        blocks.append(columns((option.spelt(), option.help) for option in self.options))
        blocks += paragraphs(self.details)
        blocks.append(f"`{self.title} VERB --help` shows the options of a verb.")
        return "\n\n".join(blocks)


# -- arguments ----------------------------------------------------------------------------------------------------------


def seconds(text: str) -> float:
    """Parse a duration in seconds, at most a day."""
    digits = text.replace(".", "", 1)
    if not (digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS) or float(text) > MAX_SECONDS:
        raise ValueError(f'"{printable(text)}" is not a number of seconds between 0 and {MAX_SECONDS}')
    return float(text)


def integer(minimum: int, maximum: int) -> Parse:
    """Return a parser of decimal numbers between two bounds."""

    def parse(text: str) -> int:
        digits = text.removeprefix("-")
        if digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS and minimum <= int(text) <= maximum:
            return int(text)
        raise ValueError(f'"{printable(text)}" is not a number between {minimum} and {maximum}')

    return parse


# -- text ---------------------------------------------------------------------------------------------------------------


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean X?`` for the nearest known word, or an empty string if none is near."""
    try:
        from difflib import get_close_matches
    except ImportError:  # Debian's python3-minimal
        return ""
    near = get_close_matches(word[:80], list(known), 1, 0.6)
    return f"; did you mean {near[0]}?" if near else ""


def wrapped(text: str, indent: str = "") -> str:
    """Break a paragraph into lines of at most `HELP_COLUMNS` characters."""
    from textwrap import fill

    return fill(text, HELP_COLUMNS, initial_indent=indent, subsequent_indent=indent, break_long_words=False)


def paragraphs(text: str) -> list[str]:
    """Break each paragraph of a text into lines; one with an indented line, a table for example, is left as it is."""
    found = [part for part in text.split("\n\n") if part.strip()]
    return [part if "\n " in part or part.startswith(" ") else wrapped(part) for part in found]


def columns(rows: Iterable[tuple[str, str]]) -> str:
    """Lay rows out in two columns: terms, and their explanations."""
    held = list(rows)
    width = min(max((len(term) for term, _ in held), default=0), 28)
    return "\n".join(line for term, text in held for line in _row(term, text, width))


def _row(term: str, text: str, width: int) -> Iterator[str]:
    from textwrap import wrap

    lines = wrap(text, HELP_COLUMNS - width - 4, break_long_words=False) or [""]
    if len(term) > width:
        yield f"  {term}"
        term = ""
    for line in lines:
        yield f"  {term:<{width}}  {line}".rstrip()
        term = ""
