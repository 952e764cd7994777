"""Runs the commands of other people's scripts with the real `ip`, `bridge`, `tc` and `ss` and with ours, and compares them.

As root: ``python3 tests/campaigns/ip_forms.py [--tools ip,bridge] [--part K/N] DIRECTORY...``.  The directories hold unpacked
sources, such as those of Debian's linux-source-6.1, iproute2, frr and neutron.  Each command that they contain is told to both
programs, in the order of its file, in two universes alike; output, exit status and the state that is left are compared.  A form
is a command with its values replaced by their kinds.  ``--list`` prints the commands; ``--saved FILE`` reads what it printed.
"""

# ruff: noqa: E501 (patterns are not wrapped)

from __future__ import annotations

import argparse
import difflib
import re
import shutil
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "parity"), str(Path(__file__).resolve().parents[2])]

from universe import SETUP, Both  # noqa: E402

TOOLS = ("ip", "bridge", "tc", "ss")
LARGEST = 2_000_000
COMMANDS = 60  # of one universe; then there is a new one
OTHER_FILES = {*".c .h .go .po .html .gz .png .svg .so .pcap .js .rs .cpp .cc .json .xml .pyc .1 .8 .5 .7 .changes .lock".split()}
FOUND = re.compile(
    r"""(?:^|[\s"'`(;|&=!{\[])(?:\$\{?)?(?:/usr)?(?:/s?bin/)?(ip|IP|bridge|BRIDGE|tc|TC|ss)\}?["']?(?:,\s*|\s+)([^\n]*)""",
    re.MULTILINE,
)
OBJECTS = {
    "ip": "a|ad|addr|address|addrlabel|l|li|link|ro|r|route|ru|rule|n|ne|neigh|neighbor|neighbour|netns|nexthop|mo|monitor|tuntap|tunnel|tun"
    "|maddr|maddress|mroute|mrule|netconf|ntable|ntbl|token|vrf|stats|xfrm|fou|l2tp|macsec|mptcp|ioam|sr|tcp_metrics|tcpmetrics|netns|help|tap",
    "bridge": "link|fdb|mdb|vlan|vni|monitor|mst",
    "tc": "qdisc|class|filter|chain|action|actions|monitor|exec",
    "ss": r"-\w+",
}
GLOBAL = {"-n", "-netns", "--netns", "-N", "-f", "-family", "-l", "-loops", "-rc", "-rcvbuf"}
DEVICES = ("v3", "v2", "v1", "br0", "v3")
NEW = ("x1", "x2", "x3", "x4")
AS_DEVICE = {*"dev oif iif link master vrf physdev ldev peer_dev physical".split()}
AS_ADDRESS = {*"via src local remote group peer brd broadcast from prefsrc anycast nexthop gateway dst src_ip dst_ip".split()}
AS_MAC = {"src_mac", "dst_mac", "arp_sha", "arp_tha"}
AS_PREFIX = {*"to root match exact".split()}
AS_NUMBER = {
    *"mtu metric preference priority pref prio order tos realm realms weight txqueuelen qlen hoplimit id nhid table fwmark mark group index vid vni "
    "dstport ageing_time port rto_min rtt advmss initcwnd initrwnd numtxqueues numrxqueues key ikey okey ttl tclass hlim protocol proto".split()
}
NAMED_NUMBER = re.compile(
    r"(num|cnt|count|id|vni|vid|mtu|port|table|prio|metric|mark|size|len|_i|ttl|tos|idx|index|lft|^[ijknm])$", re.IGNORECASE
)
VARIABLE = re.compile(r"\$\{[^}]*\}|\$\([^)]*\)|\$[A-Za-z_0-9@*#]+|`[^`]*`|%\([^)]*\)[sd]|%[sd]|\{[^{}]*\}|<[^<>]*>")
ADDRESS = re.compile(r"^\d+\.\d+\.\d+\.\d+$|^[0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$|^::$")
PROSE = re.compile(
    r"\b(the|of|to be|for|is|are|as|which|and|or|in|with|can|must|will|if|not found|that|at|this|into|when|but|by)\b(?! ([\d$]|lo))"
)
MAC = re.compile(r"^([0-9a-fA-F]{1,2}:){5}[0-9a-fA-F]{1,2}$")
VOLATILE = (
    r"(?<![0-9a-f:])([0-9a-f]{2}:){5}[0-9a-f]{2}|fe80::[0-9a-f:]+|hoptimeout [\d.]+|timer +[\d.]+|\b(used|age|expires|valid_lft|preferred_lft) [\d./a-z]+"
    r"|if\d+|(?<=index )\d+|^\d+(?=: )|cache hit \d+|id \d+|(?<=ts )\d+|\b\d+(?=sec\b)|(?<=[ \"])\d{3,}(?= +\d)|link-netnsid \d+|pid=\d+"
)
HANGS = re.compile(
    r"\bmo(n|ni|nit|nito|nitor)?\b|netns (exec|e)\b|-all\b|-a netns|vrf exec|-b(atch)?\b|\bnetns mo|\btc exec|-E\b|--events"
)
LACKING = re.compile(
    r"Unknown device type|[Nn]ot supported|Unsupported|No such file|qdisc kind is unknown|classifier|kind not found|Unknown action|Protocol not|not found|modprobe"
    r"|No such device|TUNSETIFF|Cannot find device|does not exist|Invalid \"?vrf|rtnetlink replies?:"
)
LEFT_OUT = re.compile(r"rawns tc: .* is not supported|supported by rawns|rawns does not|left out")


def calls(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each call of a tool that a text holds: the tool, and its words, with variables as they are written."""
    text = re.sub(r"\\\n\s*", " ", text)
    for tool, rest in FOUND.findall(text):
        tool = tool.lower()
        listed = re.match(r"""\s*['"][^'"]*['"]\s*,""", rest)
        if listed:
            words = re.findall(r"""['"]([^'"]*)['"]|\b([A-Za-z_][A-Za-z_.0-9]*)\b""", rest.split("]")[0].split(")")[0])
            rest = " ".join(one or "$" + other.split(".")[-1] for one, other in words)
        rest = VARIABLE.sub(lambda found: re.sub(r"[\s;|&'\"]+", "_", found[0]), rest)
        rest = re.split(r"""[;|&>#`\n"')]|\d?>|<<?|\.\s|\s-\s|\s\\|,\s""", rest)[0].strip().rstrip(".,:\\")
        words = rest.split()
        if (
            PROSE.search(rest)
            or tool == "ip"
            and words[:1] == ["address"]
            and words[1:2]
            and not re.match(r"[a$]|del|sh|l|f|r", words[1])
        ):
            continue
        while words and words[-1] in ("}", "]", "{", "\\"):
            words.pop()
        place = 0
        while place < len(words) and words[place].startswith("-") and tool != "ss":
            place += 2 if words[place] in GLOBAL else 1
        if place < len(words) and len(words) < 40 and re.fullmatch(OBJECTS[tool], words[place]):
            yield tool, words


def kept_words() -> set[str]:
    """Return the words that are no values: those of the help texts and manual pages of the real programs."""
    text = ""
    for tool in TOOLS:
        for name in OBJECTS[tool].split("|"):
            done = subprocess.run([tool, name, "help"], capture_output=True, text=True)
            text += done.stdout + done.stderr
    for kind in "veth bridge bond vxlan macvlan ipvlan vlan gre ip6gre vti sit ipip ip6tnl geneve vrf macsec xfrm bridge_slave bond_slave hsr".split():
        done = subprocess.run(["ip", "link", "help", kind], capture_output=True, text=True)
        text += done.stdout + done.stderr
    for kind in "fq_codel htb tbf netem prio sfq red fq codel ingress hfsc drr pie cake mqprio taprio etf".split():
        done = subprocess.run(["tc", "qdisc", "add", "dev", "lo", "root", kind, "help"], capture_output=True, text=True)
        text += done.stdout + done.stderr
    words = set(re.findall(r"[a-z][a-z0-9_-]+", text))
    return (words | {*"a l r n ro li ad add del ls lst sh dev up down on off list dummy ifb help show".split()}) - {
        "eth0",
        "dummy0",
    }


class File:
    """Fills in the values of one file's commands, the same value for the same variable."""

    def __init__(self, kept: set[str], pid: int) -> None:
        self._kept, self._pid = kept, pid
        self._devices: dict[str, str] = {}
        self._new: dict[str, str] = {}

    def _device(self, word: str, created: bool) -> str:
        if created and word not in self._new:
            self._new[word] = NEW[len(self._new) % len(NEW)] if VARIABLE.search(word) else VARIABLE.sub("", word)[:15] or "x9"
        if word in self._new:
            return self._new[word]
        if word in ("lo", "v1", "v2", "v3", "br0"):
            return word
        return self._devices.setdefault(word, DEVICES[len(self._devices) % len(DEVICES)])

    def filled(self, tool: str, words: list[str]) -> tuple[list[str], str]:
        """Return a command with values, and its form."""
        six = any(re.match(r"-6|[0-9a-f]*:[0-9a-f:]*:", word) for word in words)
        seed = zlib.crc32(" ".join(words).encode())
        out: list[str] = []
        form: list[str] = []
        verb, kind = "", ""
        place = 0
        while place < len(words):
            word, before = words[place], out[-1] if out else ""
            place += 1
            if word in GLOBAL and tool != "ss":
                argument = "a" if word in ("-n", "-netns", "--netns") else words[place] if place < len(words) else ""
                place += 1
                if argument != "a" or seed % 8 == 0:
                    out += [word, argument]
                form += [word, "NAME" if argument == "a" else argument]
                continue
            value, name = self._value(word, before, six, verb, kind, tool)
            if VARIABLE.search(word) and not value:
                continue
            if not kind and not word.startswith("-"):
                kind = word
            elif kind and not verb and value == word:
                verb = word
            out.append(value)
            form.append(name)
        if "netns" in out[:3] and tool == "ip" and ("exec" in out or "e" in out):
            at = out.index("exec") if "exec" in out else out.index("e")
            out = [*out[: at + 1], "a", "true"]
            form = [*form[: at + 1], "NAME", "CMD"]
        return out, " ".join([tool, *form])

    def _value(self, word: str, before: str, six: bool, verb: str, kind: str, tool: str) -> tuple[str, str]:
        """Return the value of a word, and its name in a form."""
        created = kind[:1] == "l" and verb == "add" and tool == "ip" and (before in ("add", "name"))
        if before == "type" and word == "dummy":
            return "ifb", "ifb"
        variable = bool(VARIABLE.search(word))
        whole = bool(VARIABLE.fullmatch(word))
        if before == "netns" and kind != "netns":
            return "a", "NAME"
        if kind == "netns":
            if word.isdigit() or (variable and re.search("pid", word, re.IGNORECASE)) or word == "self":
                return str(self._pid), "PID"
            if before in ("add", "del", "delete", "exec", "pids", "set", "attach"):
                return ("n1" if before in ("add", "attach") else "a"), "NAME"
        if not variable:
            if MAC.match(word):
                return word, "MAC"
            if ADDRESS.match(word):
                return word, "ADDR"
            if "/" in word and ADDRESS.match(word.split("/")[0]):
                return word, "PREFIX"
            if re.fullmatch(r"(0x)?[0-9a-fA-F]*\d[0-9a-fA-F]*", word) and before not in AS_DEVICE:
                return word, "N"
        device = before in AS_DEVICE and (before not in ("link", "vrf") or bool(verb))
        if device or (
            before in ("set", "show", "name", "add", "del", "delete", "sh", "ls", "list", "up", "down")
            and kind[:1] == "l"
            and tool != "tc"
        ):
            if word in self._kept and not device and not variable:
                return word, word
            return self._device(word, created), "DEV"
        if word.startswith("-") and not variable:
            return word, word
        if not variable:
            return word, word if word in self._kept else "WORD"
        if not whole and not re.search(r"[./:]", word) or re.search(r"args?\b|opt|@|\*|extra|cmd|param|FLAG", word):
            return "", ""
        address = "fd00::99" if six else "10.0.0.99"
        if before in AS_ADDRESS:
            return address, "ADDR"
        if before in ("rate", "burst", "limit", "latency", "delay"):
            return {"rate": "10mbit", "delay": "10ms", "latency": "50ms"}.get(before, "2000"), "N"
        if before in AS_NUMBER or NAMED_NUMBER.search(VARIABLE.findall(word)[-1].strip("${}")) and before not in ("add", "del"):
            return str(10 + zlib.crc32(word.encode()) % 90), "N"
        if before in AS_MAC or before in ("address", "lladdr", "addr") and (kind[:1] in "ln"):
            return "02:00:00:00:00:77", "MAC"
        if before in AS_PREFIX:
            return ("fd07::/64" if six else "10.77.0.0/24"), "PREFIX"
        if before in ("add", "del", "delete", "replace", "change", "append", "get", "show", "a", "d"):
            if kind[:1] in "ar" and kind[:2] not in ("ru",):
                if before == "get":
                    return address, "ADDR"
                if kind[:1] == "a":
                    return ("fd00:0:0:5::5/64" if six else "10.5.0.5/24"), "PREFIX"
                return ("fd07::/64" if six else "10.77.0.0/24"), "PREFIX"
            if kind[:1] == "n":
                return address, "ADDR"
        if before == "type":
            return "ifb", "ifb"
        if before in ("up", "down", "nud", "scope", "mode"):
            return "", ""
        return ("10" if re.search("NUM|[Ii]d", word) else self._device(word, False)), "WORD"


def files(
    directories: list[str], tools: list[str], kept: set[str], pid: int
) -> Iterator[tuple[str, list[tuple[list[str], str]]]]:
    """Yield each file that calls a tool: its name, and its commands that no file before it has, with their forms."""
    seen: set[str] = set()
    for directory in directories:
        for path in sorted(Path(directory).rglob("*")):
            try:
                if path.suffix in OTHER_FILES or path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST:
                    continue
                data = path.read_bytes()
            except OSError:
                continue
            if b"\0" in data[:4000]:
                continue
            file, found = File(kept, pid), []
            for tool, words in calls(data.decode("latin-1")):
                if tool not in tools:
                    continue
                filled, form = file.filled(tool, words)
                line = " ".join([tool, *filled])
                if line in seen or HANGS.search(line):
                    continue
                seen.add(line)
                found.append(([tool, *filled], form))
            if found:
                yield str(path), found


def saved(path: str) -> Iterator[tuple[str, list[tuple[list[str], str]]]]:
    """Yield the files and commands that ``--list`` has written."""
    last = ""
    found: list[tuple[list[str], str]] = []
    for line in Path(path).read_text().splitlines():
        words, form, name = line.split("\t")
        if name != last and found:
            yield last, found
            found = []
        last = name
        found.append((words.split(), form))
    if found:
        yield last, found


class Universes(Both):
    """Two universes in which any of the tools is asked."""

    def __init__(self) -> None:
        super().__init__()
        self._tools = [self.real, self.ours]

    def tell(self, words: list[str]) -> list[tuple[int, str, str]]:
        """Return what both answer to a command whose first word is the tool."""
        for universe in (self.real, self.ours):
            universe._tool = words[0]
        self.real.program = [shutil.which(words[0]) or words[0]]
        found = list(self.ask(*words[1:]))
        return found


def plain(answer: tuple[int, str, str]) -> tuple[int, str, str]:
    """Return an answer without what differs from run to run."""
    status, out, err = answer
    lines = sorted(re.sub(VOLATILE, "~", out, flags=re.MULTILINE).splitlines())
    return status, "\n".join(lines), re.sub(VOLATILE, "~", err, flags=re.MULTILINE)


def compare(commands: list[tuple[list[str], str]]) -> Iterator[tuple[str, str, str]]:
    """Yield how each command of a file compares, its form, and the difference."""
    for start in range(0, len(commands), COMMANDS):
        universes = Universes()
        try:
            universes.prepare(SETUP)
            done = []
            for words, form in commands[start : start + COMMANDS]:
                try:
                    real, ours = universes.tell(words)
                except Exception as error:
                    yield "broken", form, f"{' '.join(words)}\n   {error!r}"
                    return
                done.append(" ".join(words))
                if plain(real) == plain(ours):
                    yield ("lacking" if real[0] and LACKING.search(real[2]) else "same"), form, ""
                elif LEFT_OUT.search(ours[2]):
                    yield "left out", form, ours[2]
                elif real[0] == ours[0] and all("Usage:" in one[1] + one[2] for one in (real, ours)):
                    yield "help", form, ""
                else:
                    yield "differs", form, f"{' '.join(words)}\n   real: {real}\n   ours: {ours}"
            for _ in range(8):
                states = universes.state()
                first, second = (
                    "\n".join(sorted(re.sub(VOLATILE, "~", state, flags=re.MULTILINE).splitlines())) for state in states
                )
                if first == second:
                    break
            else:
                lines = difflib.unified_diff(first.splitlines(), second.splitlines(), "real", "ours", n=0, lineterm="")
                yield "state", "; ".join(done), "\n   ".join(lines)
        finally:
            universes.close()


def main(words: list[str]) -> None:
    """Compare the commands of directories; print the differences, and the counts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tools", default="ip,bridge,tc,ss")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--saved", help="what --list has written, instead of directories")
    parser.add_argument("directories", nargs="*")
    options = parser.parse_args(words)
    part, parts = map(int, options.part.split("/"))
    forms: dict[str, Counter[str]] = {}
    pid = 0
    kept = kept_words()
    number = commands = 0
    batch: list[tuple[list[str], str]] = []
    source = saved(options.saved) if options.saved else files(options.directories, options.tools.split(","), kept, pid)
    for name, found in source:
        number += 1
        if options.list:
            for one, form in found:
                print(f"{' '.join(one)}\t{form}\t{name}")
            continue
        batch += found
        if len(batch) < COMMANDS // 2:
            continue
        if zlib.crc32(name.encode()) % parts == part - 1:
            for outcome, form, text in compare(batch):
                forms.setdefault(form, Counter())[outcome] += 1
                commands += 1
                if outcome in ("differs", "state", "broken"):
                    print(f"{outcome.upper()} {form}\n   {text}\n", flush=True)
        batch = []
    total: Counter[str] = Counter()
    for outcomes in forms.values():
        for outcome in ("broken", "state", "differs", "left out", "lacking", "help", "same"):
            if outcome in outcomes:
                total[outcome] += 1
                break
    print(f"{number} files, {commands} commands, {len(forms)} forms: {dict(total)}")


if __name__ == "__main__":
    main(sys.argv[1:])
