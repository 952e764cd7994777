"""`rawns ip`: the command line of iproute2's `ip` (ip(8)).

Options come first, then an object, then its words; each object is a module with ``run(args)``, loaded when it is named.
Text, messages and exit statuses are those of iproute2 6.1: 255 for a bad word or a missing namespace, 1 for a missing
device or a bad prefix, 2 if the kernel refused.
"""

from __future__ import annotations

import gc
import os

from ...errors import DecodeError, Interrupted, KernelError, RawnsError, WireError
from .context import Args, IpContext, complain, complaint
from .grammar import FAILED, FAMILIES, CommandError, matches, pick, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KERNEL_REFUSED = 2
HELP_COLUMNS = 76

# iproute2's objects in iproute2's order, which decides what an abbreviation means; None: not available here.
OBJECTS = (
    ("address", "addr"),
    ("addrlabel", "addrlabel"),
    ("maddress", "maddr"),
    ("route", "route"),
    ("rule", "rule"),
    ("neighbor|neighbour", "neigh"),
    ("ntable|ntbl", "ntable"),
    ("link", "link"),
    ("l2tp", None),
    ("fou", None),
    ("ila", None),
    ("macsec", None),
    ("tunnel|tunl", "tunnel"),
    ("tuntap|tap", "tuntap"),
    ("token", "token"),
    ("tcpmetrics|tcp_metrics", None),
    ("monitor", "monitor"),
    ("xfrm", None),
    ("mroute", "mroute"),
    ("mrule", "mrule"),
    ("netns", "netns"),
    ("netconf", "netconf"),
    ("vrf", "vrf"),
    ("sr", None),
    ("nexthop", "nexthop"),
    ("mptcp", None),
    ("ioam", None),
    ("help", "help"),
    ("stats", "stats"),
)


# -- options ------------------------------------------------------------------------------------------------------


class GlobalOptions(Args):
    """The options of a command line: read up to the first word that is not an option."""

    __slots__ = ("batch", "force")

    def __init__(self, argv: list[str], ip: IpContext) -> None:
        super().__init__(argv, ip)
        self.batch: str | None = None
        self.force = False

    def take(self) -> str:
        """Return the value of an option.  Raises `CommandError` with the usage if there is none."""
        if not self:
            raise usage()
        return super().take()


def _family(options: GlobalOptions) -> None:
    word = options.take()
    if word == "help":
        raise usage()
    if word not in FAMILIES:
        raise wrong(word, "invalid protocol family")
    options.ip.family = FAMILIES[word]


def _number_of(number: int) -> Callable[[GlobalOptions], None]:
    return lambda options: setattr(options.ip, "family", number)


def _set(name: str) -> Callable[[GlobalOptions], None]:
    return lambda options: setattr(options.ip, name, True)


def _count(name: str) -> Callable[[GlobalOptions], None]:
    return lambda options: setattr(options.ip, name, getattr(options.ip, name) + 1)


def _timestamp(form: int) -> Callable[[GlobalOptions], None]:
    return lambda options: setattr(options.ip, "timestamp", form)


def _namespace(options: GlobalOptions) -> None:
    from .netns import enter

    enter(Args.take(options))
    options.ip.moved()


def _loops(options: GlobalOptions) -> None:
    from .arguments import leading_integer

    options.ip.flush_rounds = leading_integer(options.take())


def _receive_buffer(options: GlobalOptions) -> None:
    from .arguments import U32

    word = options.take()
    try:
        options.ip.receive_buffer = U32(word)
    except ValueError:
        raise CommandError(f"Invalid rcvbuf size '{word}'") from None


def _batch(options: GlobalOptions) -> None:
    options.batch = options.take()


def _force(options: GlobalOptions) -> None:
    options.force = True


def _colour(when: str) -> Callable[[GlobalOptions], None]:
    def act(options: GlobalOptions) -> None:
        options.ip.colour = when == "always" or (when == "auto" and os.isatty(1))
        background = os.environ.get("COLORFGBG", "").rpartition(";")[2]
        options.ip.dark = background in ("0", "1", "2", "3", "4", "5", "6", "8")

    return act


def _version(options: GlobalOptions) -> None:
    from ... import __version__

    options.ip.write([f"ip utility, iproute2-6.1.0 (rawns {__version__})\n"])
    raise CommandError("", 0)


def _help(options: GlobalOptions) -> None:
    raise usage()


# The names by which `ip` looks them up, in its order; "=" in front: not to be abbreviated.
OPTIONS = (
    ("loops", _loops),
    ("family", _family),
    ("=4", _number_of(2)),
    ("=6", _number_of(10)),
    ("=0", _number_of(17)),
    ("=M", _number_of(28)),
    ("=B", _number_of(7)),
    ("human|human-readable", _set("human")),
    ("iec", _set("iec")),
    ("stats|statistics", _count("stats")),
    ("details", _count("details")),
    ("resolve", _set("resolve")),
    ("oneline", _set("oneline")),
    ("timestamp", _timestamp(1)),
    ("tshort", _timestamp(2)),
    ("Version", _version),
    ("force", _force),
    ("batch", _batch),
    ("brief", _set("brief")),
    ("json", _set("json")),
    ("pretty", _set("pretty")),
    ("rcvbuf", _receive_buffer),
    ("help", _help),
    ("netns", _namespace),
    ("Numeric", _set("numeric")),
    ("all", _set("everywhere")),
    ("=echo", _set("echo")),
)


def _option(word: str) -> Callable[[GlobalOptions], None]:
    """Return the function of an option.  Raises `CommandError` if there is none."""
    name = word[1:]
    head, equals, colour = name.partition("=")
    if matches(head, "color") and (not equals or colour in ("always", "auto", "never")):
        return _colour(colour or "always")
    for names, act in OPTIONS:
        if any(name == one[1:] if one[0] == "=" else matches(name, one) for one in names.split("|")):
            return act
    raise CommandError(f'Option "{word}" is unknown, try "ip -help".')


def read_options(argv: list[str], ip: IpContext) -> GlobalOptions:
    """Read all options into the session; what is left are the words of the command.  Raises `CommandError`."""
    options = GlobalOptions(argv, ip)
    while options:
        word = options.words[options.at]
        if word == "--":
            options.at += 1
            break
        if not word.startswith("-"):
            break
        options.at += 1
        _option(word[1:] if word.startswith("--") else word)(options)
    return options


def usage() -> CommandError:
    """Return the help text of `ip help`: iproute2's, with the objects that exist here."""
    from .help_texts import USAGE

    available = sorted(name for names, module in OBJECTS if module for name in names.split("|"))
    lines, line = [], "where  OBJECT := {"
    for name in available:
        if len(line) + len(name) > HELP_COLUMNS:
            lines.append(line)
            line = " " * 18
        line += f" {name} |"
    return CommandError(USAGE.replace("OBJECTS", "\n".join([*lines, f"{line[:-2]} }}"])))


# -- commands -----------------------------------------------------------------------------------------------------


def command(args: Args) -> int:
    """Run one command: an object and its words.  Raises what went wrong."""
    word = args.take()
    module = pick(OBJECTS, word)
    if module is None:
        known = any(matches(word, name) for names, _ in OBJECTS for name in names.split("|"))
        if known:
            raise CommandError(f'Object "{word}" is not supported by rawns; "ip help" lists the objects that are.')
        raise CommandError(f'Object "{word}" is unknown, try "ip help".', FAILED)
    if module == "help":
        raise usage()
    status: int = __import__(f"rawns.cli.ip.{module}", fromlist=["run"]).run(args)
    return status


def attempt(args: Args) -> int:
    """Run one command; print an error as one line, and return the exit status that iproute2 has for it.

    Raises `CommandError` for an error at which iproute2 calls exit(3): it ends a batch, too.
    """
    try:
        return command(args)
    except CommandError as error:
        if error.exits:
            raise
        if error.text:
            complain(error.text)
        return error.status
    except KernelError as error:
        complain(complaint(error))
        return KERNEL_REFUSED
    except DecodeError as error:  # the kernel's answer was not understood
        complain(f"rawns ip: {error}")
    except WireError as error:  # a value that does not fit its attribute: nothing was sent
        complain(f"rawns ip: {error}")
        return KERNEL_REFUSED
    except Interrupted as error:
        complain(f"Dump terminated: {error}")
    except BrokenPipeError:
        raise
    except (RawnsError, OSError) as error:
        complain(f"rawns ip: {error}")
    return FAILED


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


def batch(name: str, force: bool, ip: IpContext) -> int:
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
        if args and attempt(Args(args, ip)):
            complain(f"Command failed {name}:{number}")
            status = FAILED
            if not force:
                break
    if pending:
        complain("Missing continuation line")
    return status


def main(argv: list[str]) -> int:
    """Run `ip` with these arguments; return the exit status."""
    gc.disable()  # a command makes no cycles worth looking for, and is over before that would pay
    ip = IpContext()
    try:
        # The bytes of the command line, whatever encoding Python took them for.
        words = [os.fsencode(word).decode("utf-8", "surrogateescape") for word in argv]
        options = read_options(words, ip)
        if options.batch is not None:
            return batch(options.batch, options.force, ip)
        if not options:
            raise usage()
        return attempt(Args(options.words[options.at :], ip))
    except CommandError as error:
        if error.text:
            complain(error.text)
        return error.status
    finally:
        ip.close()
        gc.enable()
