"""macvlan and macvtap: further MAC addresses on a link (ip-link(8), drivers/net/macvlan.c in the kernel)."""

from __future__ import annotations

from ....objects.link import MACVLAN_MODES as MODES
from ..arguments import U32, choice, lladdr
from ..context import complain
from ..grammar import FAILED, CommandError
from ..keywords import CustomKeyword, FlagKeyword, ValueKeyword
from ..reads import bit, named_by, signed
from ..render import OutputField, OutputGroup, OutputRow, fields
from .kind import LinkKind, described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Args, Body, Callable, IpContext, Iterator, Keyword, Record, Row

FLAG_NOPROMISC, FLAG_NODST = 1, 2  # MACVLAN_FLAG_*
ADD, DELETE, FLUSH, SET = 0, 1, 2, 3  # MACVLAN_MACADDR_*
MODE_SENTENCE = 'Error: argument of "mode" must be "private", "vepa", "bridge", "passthru" or "source", not "{}"'
FLAG_SENTENCE = 'Error: argument of "flag" must be "nopromisc", "nodst" or "null", not "{}"'
HELP = """\
Usage: ... {} mode MODE [flag MODE_FLAG] MODE_OPTS [bcqueuelen BC_QUEUE_LEN]

MODE: private | vepa | bridge | passthru | source
MODE_FLAG: null | nopromisc | nodst
MODE_OPTS: for mode "source":
\tmacaddr { { add | del } <macaddr> | set [ <macaddr> [ <macaddr>  ... ] ] | flush }
BC_QUEUE_LEN: Length of the rx queue for broadcast/multicast: [0-4294967295]"""


def _flag(args: Args, record: Record) -> None:
    bits = choice({"nopromisc": FLAG_NOPROMISC, "nodst": FLAG_NODST, "null": 0}, FLAG_SENTENCE)(args.take())
    record["IFLA_MACVLAN_FLAGS"] = record.get("IFLA_MACVLAN_FLAGS", 0) | bits


def _ethernet(word: str) -> str:
    """Parse an Ethernet address.  Raises `CommandError`, without a sentence if it is of another length."""
    address = lladdr(word)
    if address.count(":") != 5:
        raise CommandError("", FAILED)
    return address


def _addresses(args: Args, record: Record) -> bool:
    """Read ``{ { add | del } MAC | set [ MAC ... ] | flush }``; return False if it is none of these."""
    word = args.take()
    if word not in ("add", "del", "set", "flush"):
        return False
    record["IFLA_MACVLAN_MACADDR_MODE"] = {"add": ADD, "del": DELETE, "set": SET, "flush": FLUSH}[word]
    if word in ("add", "del"):
        record["IFLA_MACVLAN_MACADDR"] = _ethernet(args.take())
    elif word == "set":
        found: list[str] = []
        record["IFLA_MACVLAN_MACADDR_DATA"] = {"IFLA_MACVLAN_MACADDR": found}
        while args:
            try:
                found.append(_ethernet(args.words[args.at]))
            except CommandError as error:  # the next word of the link; iproute2 complains of it nevertheless
                if error.text:
                    complain(error.text)
                break
            args.at += 1
    return True


def _queue_length(args: Args, record: Record) -> None:
    word = args.take()
    try:
        record["IFLA_MACVLAN_BC_QUEUE_LEN"] = U32(word)
    except ValueError:
        sentence = f'Error: argument of "bcqueuelen" must be a positive integer [0-4294967295], not "{word}"'
        raise CommandError(sentence, FAILED) from None


def _finish(kind: str, text: str) -> Callable[[Record, bool], Record]:
    def finish(record: Record, creates: bool) -> Record:
        if record.get("IFLA_MACVLAN_FLAGS", 0) & FLAG_NOPROMISC and record.get("IFLA_MACVLAN_MODE") != MODES["passthru"]:
            raise CommandError(f"{kind}: nopromisc flag only valid in passthru mode\n{text}", FAILED)
        return record

    return finish


def _words(text: str) -> list[Keyword]:
    def addresses(args: Args, record: Record) -> None:
        if not _addresses(args, record):
            raise CommandError(text, FAILED)

    return [
        ValueKeyword("mode*", "IFLA_MACVLAN_MODE", choice(MODES, MODE_SENTENCE)),
        CustomKeyword("flag*", _flag),
        CustomKeyword("macaddr*", addresses),
        FlagKeyword("nopromisc*", FLAG_NOPROMISC, "IFLA_MACVLAN_FLAGS"),
        FlagKeyword("nodst*", FLAG_NODST, "IFLA_MACVLAN_FLAGS"),
        CustomKeyword("bcqueuelen*", _queue_length),
    ]


def _sources(data: Body, _: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the addresses from which a link in the mode ``source`` receives."""
    if data["IFLA_MACVLAN_MODE"] == MODES["source"] and "IFLA_MACVLAN_MACADDR_COUNT" in data:
        count = signed(data["IFLA_MACVLAN_MACADDR_COUNT"], data, ip)
        yield OutputField("macaddr_count", count, f"remotes ({count}) ")
        addresses = data.get("IFLA_MACVLAN_MACADDR_DATA", {}).get("IFLA_MACVLAN_MACADDR", [])
        if addresses:
            yield OutputField("macaddr_data", addresses, "".join([f"{one} " for one in addresses]))


ROWS: tuple[Row, ...] = (
    OutputRow("IFLA_MACVLAN_MODE", "mode", "mode %s ", named_by({number: name for name, number in MODES.items()}, "unknown")),
    OutputRow("IFLA_MACVLAN_FLAGS", "nopromisc", "nopromisc ", bit(FLAG_NOPROMISC)),
    OutputRow("IFLA_MACVLAN_FLAGS", "nodst", "nodst ", bit(FLAG_NODST)),
    OutputRow("IFLA_MACVLAN_BC_QUEUE_LEN", "bcqueuelen", "bcqueuelen %s "),
    OutputRow("IFLA_MACVLAN_BC_QUEUE_LEN_USED", "usedbcqueuelen", "usedbcqueuelen %s "),
    OutputGroup("", _sources),
)


def _show(data: Body, ip: IpContext) -> Iterator[OutputField]:
    return fields(ROWS if "IFLA_MACVLAN_MODE" in data else (), data, ip)


def _kind(kind: str) -> LinkKind:
    text = HELP.replace("{}", kind)
    return described(kind, text, _words(text), _show, "unknown option", _finish(kind, text))


KINDS = {kind: _kind(kind) for kind in ("macvlan", "macvtap")}
