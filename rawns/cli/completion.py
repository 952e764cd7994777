"""`rawns completion SHELL`: a script for bash, zsh or fish that completes command lines of `rawns`.

The script asks the hidden command ``rawns __complete`` for the candidates, which come from the option tables and, for names
of labs, hosts and namespaces, from the kernel.
"""

from __future__ import annotations

import _socket

from .main import available
from .options import Command, Group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from .ip.keywords import Keyword
    from .options import Option

SHELLS = ("bash", "zsh", "fish")
FILES, PROGRAMS = ":files", ":programs"  # answers that leave the candidates to the shell
# Modules beside that of an object of `ip` which hold its words: those of changes, and those of lists.
IP_CHANGES = {"link": ("link_set",), "addr": ("addr_change",), "route": ("route_words", "route_change")}
IP_FILTERS = {"link": ("filters",), "addr": ("filters",), "route": ("route_filter",)}
SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:@%+,=/-")

BASH = r"""# bash completion for rawns; `eval "$(rawns completion bash)"`, or a file in /etc/bash_completion.d
_rawns() {
    local answer current=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    while IFS= read -r answer; do
        case $answer in
        :files)
            compopt -o filenames 2>/dev/null
            while IFS= read -r answer; do COMPREPLY+=("$answer"); done < <(compgen -f -- "$current")
            ;;
        :programs) while IFS= read -r answer; do COMPREPLY+=("$answer"); done < <(compgen -c -- "$current") ;;
        ?*) COMPREPLY+=("$answer") ;;
        esac
    done < <("${COMP_WORDS[0]}" __complete bash -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _rawns rawns
"""
ZSH = r"""#compdef rawns
# zsh completion for rawns; `eval "$(rawns completion zsh)"` after compinit, or a file _rawns in a directory of fpath
_rawns() {
    local answer
    local -a answers plain
    answers=("${(@f)$(${words[1]} __complete zsh -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    for answer in $answers; do
        case $answer in
        :files) _files ;;
        :programs) _command_names -e ;;
        ?*) plain+=("$answer") ;;
        esac
    done
    (( $#plain )) && compadd -- $plain
    return 0
}
(( $+functions[compdef] )) && compdef _rawns rawns
[[ $funcstack[1] == _rawns ]] && _rawns "$@"
"""
FISH = r"""# fish completion for rawns; `rawns completion fish | source`, or a file rawns.fish in ~/.config/fish/completions
function __rawns_candidates
    set -l words (commandline -opc) (commandline -ct)
    for answer in ($words[1] __complete fish -- $words[2..-1] 2>/dev/null)
        switch $answer
            case :files
                __fish_complete_path (commandline -ct)
            case :programs
                __fish_complete_command
            case '*'
                echo $answer
        end
    end
end
complete -c rawns -f -a '(__rawns_candidates)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}

COMMAND = Command(
    "completion",
    "Print a script that makes a shell complete command lines of rawns, with the names of labs, hosts and namespaces.",
    "bash|zsh|fish",
    details='Use: eval "$(rawns completion bash)", eval "$(rawns completion zsh)" or `rawns completion fish | source`.',
)


def main(argv: list[str]) -> int:
    """Run ``rawns completion``; return the exit status."""
    shell = COMMAND.parse(argv).operands[0]
    if shell not in SCRIPTS:
        raise COMMAND.error(f'"{shell}" is not one of {", ".join(SHELLS)}', "operand", shell)
    print(SCRIPTS[shell], end="")
    return 0


def complete(argv: list[str]) -> int:
    """Run the hidden command ``rawns __complete SHELL -- WORD...``: print the candidates for the last word, one a line.

    Names that a shell would have to quote are left out: other users can choose names, and a candidate becomes a command line.
    """
    shell, words = argv[0], argv[2:]
    try:
        found = candidates(words if shell != "bash" else joined(words))
    except Exception:  # noqa: BLE001 (a line that is being typed must not be disturbed)
        return 0
    last = words[-1] if words else ""
    for one in found:
        if one in (FILES, PROGRAMS):
            print(one)
        elif set(one) <= SAFE:
            # bash replaces only what follows a =
            print(one.partition("=")[2] if shell == "bash" and "=" in one and (last == "=" or "=" in words[-2:-1]) else one)
    return 0


def joined(words: Sequence[str]) -> list[str]:
    """Put words together that bash has split at ``=``."""
    found: list[str] = []
    glue = False
    for word in words:
        if word == "=" and found and found[-1].startswith("--"):
            found[-1] += "="
            glue = True
        elif glue:
            found[-1] += word
            glue = False
        else:
            found.append(word)
    return found


def candidates(words: Sequence[str]) -> list[str]:
    """Return the candidates for the last of the words that follow ``rawns``."""
    *before, last = words or [""]
    if not before:
        return starting(last, available())
    if before[0] in ("ip", "bridge"):
        return _ip_candidates(before[0], before[1:], last)
    if before[0] == "tc":
        return _tc_candidates(before[1:], last)
    if before[0] == "ss":
        return _ss_candidates(before[1:], last)
    table = getattr(__import__(f"rawns.cli.{before[0]}", fromlist=["COMMAND"]), "COMMAND", None)
    if isinstance(table, Group):
        place = table.verb_place(before[1:])
        if place is None:
            options = [option for command in table.commands.values() for option in command.options]
            return starting(last, _spellings(options) if last.startswith("-") else table.commands)
        verb = before[1 + place]
        command = table.commands.get(verb)
        rest = [*before[1 : 1 + place], *before[2 + place :]]
    else:
        command, rest = table, list(before[1:])
    return _command_candidates(command, rest, last) if isinstance(command, Command) else []


def _command_candidates(command: Command, before: Sequence[str], last: str) -> list[str]:
    """Return the candidates for a word of a command, after the words that precede it."""
    operands: list[str] = []
    expected: Option | None = None
    ended = False
    for word in before:
        if expected is not None:
            expected = None
        elif ended or not word.startswith("-") or word == "-":
            operands.append(word)
        elif word == "--":
            ended = True
        else:
            option = command.find(word)
            expected = option if option is not None and option.argument and not option.optional else None
    if expected is not None:
        return _argument_candidates(expected, last)
    if not ended and last.startswith("--") and "=" in last:
        name, _, text = last.partition("=")
        option = command.find(name)
        return [f"{name}={one}" for one in _argument_candidates(option, text) if one[0] != ":"] if option is not None else []
    names = command.operands.split()
    if not ended and last.startswith("-") and not (len(operands) >= len(names) and names and names[-1].strip("[]") == "CMD..."):
        return starting(last, _spellings(command.options))
    if len(operands) >= len(names):
        last_name = names[-1].strip("[]") if names else ""
        if not last_name.endswith("..."):
            return []
        return [PROGRAMS, FILES] if last_name == "CMD..." else _operand_candidates(command, last_name, operands, last)
    return _operand_candidates(command, names[len(operands)], operands, last)


def _argument_candidates(option: Option, last: str) -> list[str]:
    if option.choices:
        return starting(last, option.choices)
    if option.key == "--without":
        done = last.rpartition(",")[0]
        return starting(last, [f"{done},{one}" if done else one for one in KINDS["COMMAND"]([])])
    return _kind_candidates(option.argument, [], last)


def _operand_candidates(command: Command, name: str, operands: list[str], last: str) -> list[str]:
    name = name.strip("[]")
    if name == "CMD...":
        return [PROGRAMS]
    name = name.removesuffix("...").removesuffix("[:N]")
    if command.title == "rawns completion":
        return starting(last, SHELLS)
    if command.title == "rawns lab examples":
        from .lab.examples import NAMES

        return starting(last, NAMES)
    if name == "HOST" and not command.title.startswith("rawns lab "):
        return []
    parts = name.split("|")
    if name.islower():  # words to choose from
        return starting(last, parts)
    return [one for part in parts for one in _kind_candidates(part, operands, last)]


def _kind_candidates(name: str, operands: list[str], last: str) -> list[str]:
    if name.partition(".")[0] in ("FILE", "OLD", "DIR"):
        return [FILES]
    kind = KINDS.get(name.partition(",")[0])
    return starting(last, kind(operands)) if kind is not None else []


def _spellings(options: Iterable[Option]) -> list[str]:
    return [name for option in options for name in option.names]


def starting(last: str, known: Iterable[str]) -> list[str]:
    """Return the known words that begin with what has been typed, sorted, each once."""
    return sorted({word for word in known if word.startswith(last)})


# -- names ----------------------------------------------------------------------------------------------------------------


def _namespaces(operands: list[str]) -> list[str]:
    from ..netns_names import listed

    return listed()


def _ends(operands: list[str]) -> list[str]:
    """Return what `rawns why` accepts as an end: namespaces by name, and hosts whose name only one lab has."""
    names = _namespaces(operands)
    hosts = [name.partition(".")[2] for name in names if "." in name]
    return [".", *names, *(host for host in hosts if hosts.count(host) == 1)]


def _labs(operands: list[str]) -> list[str]:
    from ..lab.discover import find_labs

    return [lab.name for lab in find_labs()]


def _hosts(operands: list[str]) -> list[str]:
    """Return the hosts of the lab that the word before names."""
    from ..lab.discover import find_labs
    from .lab.resolve import name_of

    lab = name_of(operands[0])
    return [host.removeprefix(f"{lab}.") for found in find_labs() if found.name == lab for host in found.hosts]


def _ports(operands: list[str]) -> list[str]:
    """Return the interfaces of the lab that the first word names, as HOST:NAME."""
    from .lab.resolve import lab_of

    lab = lab_of(operands[0])
    lab.name_ports()
    return [f"{host.label}:{one.name}" for host in lab.hosts for one in host.interfaces if not one.existing]


def _shape_words(operands: list[str]) -> list[str]:
    """Return the words of a shape where one is expected: each is followed by its value."""
    from ..objects.qdisc import WORDS

    return [one for one in WORDS if one not in operands] if len(operands) % 2 == 0 else []


def _chapters(operands: list[str]) -> list[str]:
    from ..learn.chapters import NAMES
    from .learn import VERBS

    return [*NAMES, "break", *VERBS]


def _topics(operands: list[str]) -> list[str]:
    from .help import topics

    return [*topics(), *available()]


def _plugins(operands: list[str]) -> list[str]:
    from .main import CNI_PLUGINS

    return [*CNI_PLUGINS]


def _commands(operands: list[str]) -> list[str]:
    return ["manual", *available()]


def _cases(operands: list[str]) -> list[str]:
    from ..bench.cases import cases
    from ..bench.peers import Peers

    return [case.name for case in cases(Peers())]


KINDS: dict[str, Callable[[list[str]], list[str]]] = {
    "A": _ends,
    "B": _ends,
    "CASE": _cases,
    "COMMAND": _commands,
    "GROUP": _hosts,
    "HOST": _hosts,
    "HOST:PORT": _ports,
    "HOST[:PORT]": _ports,
    "LAB": _labs,
    "NS": _namespaces,
    "TOPIC": _topics,
    "PLUGIN": _plugins,
    "CHAPTER": _chapters,
    "WORD": _shape_words,
}


def _ip_candidates(program: str, before: Sequence[str], last: str) -> list[str]:
    """Return objects of `ip` or `bridge`, their verbs, the words of their tables, kinds of links, and names of devices."""
    objects = __import__(f"rawns.cli.{program}.command", fromlist=["OBJECTS"]).OBJECTS
    if before[-1:] and before[-1] in ("-n", "-netns"):
        return starting(last, _namespaces([]))
    words = _without_options(before)
    known = {name: module for names, module in objects if module is not None for name in names.split("|")}
    if not words:
        return starting(last, known)
    module = next((module for name, module in known.items() if name.startswith(words[0])), None)
    if module is None or module == "help":
        return []
    loaded = __import__(f"rawns.cli.{program}.{module}", fromlist=["run"])
    if len(words) == 1 and module != "monitor":
        return starting(last, _verbs(loaded))
    if program == "bridge":
        return starting(last, _bridge_words(loaded, words))
    return starting(last, _ip_words(module, loaded, words))


def _bridge_words(module: Any, words: Sequence[str]) -> list[str]:
    """Return what can follow the verb of an object of `bridge`."""
    from .ip.keywords import Keyword

    if words[-1] in ("dev", "port", "br", "brport", "via", "backup_port"):
        return [name for _, name in _socket.if_nameindex()]
    prefixes = {"show": "FILTERS", "list": "FILTERS", "get": "GET_", "flush": "FLUSH_", "set": "OPTION_", "global": "GLOBAL_"}
    wanted = prefixes.get(words[1] if len(words) > 1 else "", "WORDS")
    modules = [module]
    if module.__name__.endswith(".vlan"):
        from .bridge import vlan_options

        modules.append(vlan_options)
    tables = {name: value for one in modules for name, value in vars(one).items() if isinstance(value, list) and value}
    chosen = [value for name, value in tables.items() if name.startswith(wanted)] or [tables.get("WORDS", [])]
    return [row.name for value in chosen for row in value if isinstance(row, Keyword)]


def _ss_candidates(before: Sequence[str], last: str) -> list[str]:
    """Return options, names of families, tables, states and namespaces, and the words of filters."""
    from .ss import filter, options, selection

    known: dict[str, Iterable[str]] = {
        **dict.fromkeys(("-f", "--family"), selection.FAMILIES),
        **dict.fromkeys(("-A", "--query", "--socket"), selection.NAMES),
        **dict.fromkeys(("state", "exclude"), [*selection.GROUPS, *(typed for _, typed in selection.STATES[1:])]),
    }
    previous = before[-1] if before else ""
    if previous in ("-N", "--net"):
        return starting(last, _namespaces([]))
    if previous in ("-F", "--filter"):
        return [FILES]
    if previous == "dev":
        return starting(last, [name for _, name in _socket.if_nameindex()])
    if previous in known:
        return starting(last, known[previous])
    if last.startswith("-"):
        here = [(f"--{name}", f"-{letter}") for name, letter, _ in options.OPTIONS if name not in options.LEFT_OUT]
        return starting(last, [one for names in here for one in names if one != "-"])
    return starting(last, ["state", "exclude", *(word for word in filter.WORDS if word.isalpha())])


def _tc_candidates(before: Sequence[str], last: str) -> list[str]:
    """Return objects, their verbs, kinds of disciplines and filters and their words, and names of devices."""
    from .tc import completion

    return starting(last, completion.words(before))


def _without_options(words: Sequence[str]) -> list[str]:
    """Return the words of a command line of `ip` without its global options and their arguments."""
    found: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif found or not word.startswith("-"):
            found.append(word)
        else:
            skip = word in ("-n", "-netns", "-f", "-family", "-b", "-batch", "-rc", "-rcvbuf", "-l", "-loops")
    return found


def _verbs(module: Any) -> list[str]:
    """Return the verbs of an object of `ip`."""
    from .ip.context import ObjectVerbs

    tables = [one for one in vars(module).values() if isinstance(one, ObjectVerbs)]
    plain = getattr(module, "VERBS", ())
    written = [names for table in tables for names in table.names]
    written += [names for names, _ in plain] if isinstance(plain, tuple) else []
    return [name for names in written for name in names.split("|")]


def _ip_words(module: str, loaded: Any, words: Sequence[str]) -> list[str]:
    """Return what can follow the verb of an object of `ip`."""
    from .ip import kinds

    if words[-1] in ("dev", "master", "vrf") or module == "link" and len(words) == 2 and words[1] in ("set", "show", "delete"):
        return [name for _, name in _socket.if_nameindex()]
    if words[-1] == "netns" or module == "netns" and len(words) == 2 and words[1] in ("del", "delete", "exec", "pids", "set"):
        return _namespaces([])
    if module == "link" and words[-1] == "type":
        return list(kinds.MODULES)
    if module == "link" and "type" in words[:-1]:
        found = kinds.find(words[words.index("type") + 1])
        return [row.name for row in found.rows] if found is not None else []
    return list(dict.fromkeys(row.name for row in _rows(module, words[1])))


def _rows(module: str, verb: str) -> Iterator[Keyword]:
    """Yield the rows of all tables of words that the modules of an object have."""
    from .ip.keywords import Keyword

    listing = verb in ("show", "list", "lst", "flush", "save")
    for name in (module, *(IP_FILTERS if listing else IP_CHANGES).get(module, ())):
        for value in vars(__import__(f"rawns.cli.ip.{name}", fromlist=["__name__"])).values():
            if isinstance(value, (tuple, list)):
                yield from (row for row in value if isinstance(row, Keyword))
