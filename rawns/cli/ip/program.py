"""What the programs of iproute2 have in common: options, objects, batch files, and how a command ends.

A program is a `Program`: its name, its help, and the tables of its options and objects; `command` has that of `ip`.
"""

from __future__ import annotations

import gc
import os

from ...errors import DecodeError, Interrupted, KernelError, RawnsError, WireError
from .context import Args, IpContext, complain, complaint
from .grammar import FAILED, FAMILIES, CommandError, matches, pick, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Act = Callable[["GlobalOptions"], None]

KERNEL_REFUSED = 2


# -- options ------------------------------------------------------------------------------------------------------


class GlobalOptions(Args):
    """The options of a command line: read up to the first word that is not an option."""

    __slots__ = ("batch", "force", "program")

    def __init__(self, argv: Sequence[str], ip: IpContext, program: Program) -> None:
        super().__init__(argv, ip)
        self.program = program
        self.batch: str | None = None
        self.force = False

    def take(self) -> str:
        """Return the value of an option.  Raises `CommandError` with the usage if there is none."""
        if not self:
            raise self.program.usage()
        return super().take()


def family(*names: str) -> Act:
    """Return what ``-family`` does: set the address family to one of these."""

    def act(options: GlobalOptions) -> None:
        word = options.take()
        if word == "help":
            raise options.program.usage()
        if word not in names:
            raise wrong(word, "invalid protocol family")
        options.ip.family = FAMILIES[word]

    return act


def assign(name: str, value: object = True) -> Act:
    """Return what an option without an argument does: give an attribute of the context a value."""
    return lambda options: setattr(options.ip, name, value)


def count(name: str) -> Act:
    """Return what an option does that may be given several times: add 1 to an attribute of the context."""
    return lambda options: setattr(options.ip, name, getattr(options.ip, name) + 1)


def namespace(options: GlobalOptions) -> None:
    """Enter the network namespace that follows ``-netns``.  Raises `CommandError` in iproute2's words if no name follows."""
    from .netns import enter

    if not options:
        raise CommandError('Cannot open network namespace "(null)": No such file or directory')
    enter(options.take())
    options.ip.moved()


def batch(options: GlobalOptions) -> None:
    """Take note of the file that follows ``-batch``."""
    options.batch = options.take()


def force(options: GlobalOptions) -> None:
    """Go on with a batch after an error."""
    options.force = True


def _colour(when: str) -> Act:
    def act(options: GlobalOptions) -> None:
        options.ip.colour = when == "always" or (when == "auto" and os.isatty(1))
        background = os.environ.get("COLORFGBG", "").rpartition(";")[2]
        options.ip.dark = background in ("0", "1", "2", "3", "4", "5", "6", "8")

    return act


def version(options: GlobalOptions) -> None:
    """Print the version and end the command."""
    from ... import __version__

    options.ip.write([f"{options.program.version} (rawns {__version__})\n"])
    raise CommandError("", 0)


def usage(options: GlobalOptions) -> None:
    """Print the help of the program and end the command."""
    raise options.program.usage()


# -- commands -----------------------------------------------------------------------------------------------------


class Program:
    """A program of iproute2.

    ``objects`` are rows of names and a module of ``package``, which has ``run(args)``, in iproute2's order, which decides what an
    abbreviation means; the module ``help`` is the help, None an object that is not available.  ``options`` are rows of names and
    a function; "=" in front of a name: not to be abbreviated.  ``failed`` and ``refused`` are the exit statuses if a command has
    failed, and if the kernel has refused it.
    """

    def __init__(
        self,
        name: str,
        package: str,
        version: str,
        objects: Sequence[tuple[str, str | None]],
        options: Sequence[tuple[str, Act]],
        usage: Callable[[], CommandError],
        help_option: str = "-help",
        failed: int = FAILED,
        refused: int = KERNEL_REFUSED,
        context: Callable[[], IpContext] = IpContext,
        unknown: int = FAILED,
    ) -> None:
        self.name, self.package, self.version, self.objects, self.options = name, package, version, objects, options
        self.usage, self.help_option, self.failed, self.refused, self.context = usage, help_option, failed, refused, context
        self.unknown = unknown  # the exit status for an object that is unknown

    def _option(self, word: str) -> Act:
        """Return the function of an option.  Raises `CommandError` if there is none."""
        name = word[1:]
        if not name:
            return self.options[0][1]  # iproute2 takes a lone hyphen for an abbreviation of the first option
        head, equals, colour = name.partition("=")
        if matches(head, "color") and (not equals or colour in ("always", "auto", "never")):
            return _colour(colour or "always")
        for names, act in self.options:
            if any(matches(name, one) for one in names.split("|")):
                return act
        raise CommandError(f'Option "{word}" is unknown, try "{self.name} {self.help_option}".')

    def read_options(self, argv: Sequence[str], ip: IpContext) -> GlobalOptions:
        """Read all options into the session; what is left are the words of the command.  Raises `CommandError`."""
        options = GlobalOptions(argv, ip, self)
        while options:
            word = options.words[options.at]
            if word == "--":
                options.at += 1
                break
            if not word.startswith("-"):
                break
            options.at += 1
            self._option(word[1:] if word.startswith("--") else word)(options)
        return options

    def command(self, args: Args) -> int:
        """Run one command: an object and its words.  Raises what went wrong."""
        word = args.take()
        module = pick(self.objects, word)
        if module is None:
            known = any(matches(word, name) for names, _ in self.objects for name in names.split("|"))
            if known:
                sentence = f'"{self.name} help" lists the objects that are.'
                raise CommandError(f'Object "{word}" is not supported by rawns; {sentence}')
            raise CommandError(f'Object "{word}" is unknown, try "{self.name} help".', self.unknown, False)
        if module == "help":
            raise self.usage()
        status: int = __import__(f"{self.package}.{module}", fromlist=["run"]).run(args)
        return status

    def attempt(self, args: Args) -> int:
        """Run one command; print an error as one line, and return the exit status that iproute2 has for it.

        Raises `CommandError` for an error at which iproute2 calls exit(3): it ends a batch, too.
        """
        try:
            return self.command(args)
        except CommandError as error:
            if error.exits:
                raise
            if error.text:
                complain(error.text)
            return self.failed if error.status == FAILED else error.status
        except KernelError as error:
            complain(complaint(error))
            return self.refused
        except DecodeError as error:  # the kernel's answer was not understood
            complain(f"rawns {self.name}: {error}")
        except WireError as error:  # a value that does not fit its attribute: nothing was sent
            complain(f"rawns {self.name}: {error}")
            return self.refused
        except Interrupted as error:
            complain(f"Dump terminated: {error}")
        except BrokenPipeError:
            raise
        except (RawnsError, OSError) as error:
            complain(f"rawns {self.name}: {error}")
        return self.failed

    def _batch(self, name: str, force: bool, ip: IpContext) -> int:
        """Run the commands of a file, one a line, until one fails; with ``force``, all of them."""
        status, pending, family, ip.batch = 0, "", ip.family, True
        for number, line in enumerate(_lines(name), 1):
            pending += line.partition("\0")[0].partition("#")[0]  # a string of C ends at a zero byte
            if pending.endswith("\\\n"):
                pending = pending[:-2]
                continue
            args, pending = _split(pending), ""
            ip.family = family
            ip.release()
            if args and self.attempt(Args(args, ip)):
                complain(f"Command failed {name}:{number}")
                status = FAILED
                if not force:
                    break
        if pending:
            complain("Missing continuation line")
        return status

    def main(self, argv: Sequence[str]) -> int:
        """Run the program with these arguments; return the exit status."""
        gc.disable()  # a command makes no cycles worth looking for, and is over before that would pay
        ip = self.context()
        try:
            # The bytes of the command line, whatever encoding Python took them for.
            words = [os.fsencode(word).decode("utf-8", "surrogateescape") for word in argv]
            options = self.read_options(words, ip)
            if options.batch is not None:
                return self._batch(options.batch, options.force, ip)
            if not options:
                raise self.usage()
            return self.attempt(Args(options.words[options.at :], ip))
        except CommandError as error:
            if error.text:
                complain(error.text)
            return error.status
        finally:
            ip.close()
            gc.enable()


def _lines(name: str) -> Iterator[str]:
    """Yield the lines of a batch file; ``-`` is standard input."""
    try:
        with open(0 if name == "-" else name, encoding="utf-8", errors="surrogateescape", closefd=name != "-") as lines:
            yield from lines
    except OSError as error:
        raise CommandError(f'Cannot open file "{name}" for reading: {error.strerror}', FAILED) from None


def _split(line: str) -> list[str]:
    """Split a line into words: at blanks, with quotes around words that contain some."""
    if "'" not in line and '"' not in line:
        return line.split()
    words, rest = [], line.strip()
    while rest:
        if rest[0] in "'\"":
            word, quote, rest = rest[1:].partition(rest[0])
            if not quote:
                raise CommandError("Unterminated quoted string", FAILED)
        else:
            word, _, rest = (rest.split(None, 1)[0], "", rest[len(rest.split(None, 1)[0]) :])
        words.append(word)
        rest = rest.lstrip()
    return words
