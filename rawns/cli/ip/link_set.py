"""The words of `ip link add`, `set` and `delete`, and the request that they describe.  Those of one kind are in `kinds`."""

from __future__ import annotations

from ... import uapi
from ...nlmsg import Request
from . import filters, name_tables
from .arguments import U16, U32, integer, interface, leading_integer, lladdr, one_of, put_text, signed, within
from .context import help_of
from .filters import check_length, group_of
from .grammar import FAILED, CommandError, duplicate, garbage, late, parsed, wrong
from .keywords import ConstantKeyword, CustomKeyword, FlagKeyword, FlagSwitch, OnOffKeyword, ValueKeyword, read, target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, IpContext, Keyword, Message, Record

XDP_FLAGS = {"xdpgeneric": 2, "xdpdrv": 4, "xdpoffload": 8}  # XDP_FLAGS_* of <linux/if_link.h>
EINVAL = 22  # what iproute2's newer parsers return, and it exits with


def _flag(name: str, bit: int, on: bool = True) -> Keyword:
    return FlagSwitch(name, bit, "ifi_flags", "ifi_change", on)


def _number(names: str, key: str) -> Keyword:
    name = names.split("|")[0].rstrip("*")
    return ValueKeyword(names, key, integer, f'Invalid "{name}" value\n', once=True)


def _netns(args: Args, record: Record) -> None:
    """``netns NAME``, or a path, or a process."""
    word = args.take()
    if "IFLA_NET_NS_FD" in record or "IFLA_NET_NS_PID" in record:
        raise duplicate("netns", word)
    fd = args.ip.open_namespace(word)
    if fd is not None:
        record["IFLA_NET_NS_FD"] = fd
        return
    record["IFLA_NET_NS_PID"] = parsed(integer, word, 'Invalid "netns" value\n')


def _link_netns(args: Args, record: Record) -> None:
    """``link-netns NAME``: the id of that namespace here, a fresh one where it has none."""
    word = args.take()
    if "IFLA_LINK_NETNSID" in record:
        raise duplicate("link-netns/link-netnsid", word)
    fd = args.ip.open_namespace(word)
    nsid = -1 if fd is None else args.ip.nsid_of(fd)
    if nsid < 0:
        raise wrong(word, 'Invalid "link-netns" value\n')
    record["IFLA_LINK_NETNSID"] = nsid


def _link_netnsid(args: Args, record: Record) -> None:
    word = args.take()
    if "IFLA_LINK_NETNSID" in record:
        raise duplicate("link-netns/link-netnsid", word)
    record["IFLA_LINK_NETNSID"] = parsed(signed, word, 'Invalid "link-netnsid" value\n')


def _addrgenmode(args: Args, record: Record) -> None:
    word = args.take()
    if word.lower() not in name_tables.ADDRGENMODES:
        raise wrong(word, "Invalid address generation mode\n")
    mode = name_tables.ADDRGENMODES.index(word.lower())
    record["IFLA_AF_SPEC"] = {"AF_INET6": {"IFLA_INET6_ADDR_GEN_MODE": mode}}


def _xdp(args: Args, record: Record) -> None:
    """``xdp off``: detach the program; to attach one would need a BPF loader."""
    word = args.take()
    if word in ("object", "obj", "pinned", "fd", "bytecode", "bytecode-file"):
        raise CommandError(f'Programs of xdp are not supported by rawns: "{word}".')
    if word not in ("off", "none"):
        raise CommandError(f'What mode is "{word}"?')
    record["IFLA_XDP"] = {"IFLA_XDP_FD": -1, "IFLA_XDP_FLAGS": XDP_FLAGS.get(args.words[args.at - 2], 0)}


def _protodown_reason(args: Args, record: Record) -> None:
    """``protodown_reason BIT on|off``."""
    word = args.take()
    reasons = name_tables.table("protodown_reasons")
    bit = next((number for number, name in reasons.items() if name == word), None)
    if bit is None:
        bit = parsed(within(U32, 0, 31), word, "invalid protodown reason\n")
    state = args.take()
    if state not in ("on", "off"):
        raise CommandError(f'Error: argument of "protodown_reason" must be "on" or "off", not "{state}"', FAILED)
    reason = record.setdefault("IFLA_PROTO_DOWN_REASON", {"IFLA_PROTO_DOWN_REASON_MASK": 0, "IFLA_PROTO_DOWN_REASON_VALUE": 0})
    reason["IFLA_PROTO_DOWN_REASON_MASK"] |= 1 << bit
    reason["IFLA_PROTO_DOWN_REASON_VALUE"] |= (state == "on") << bit


def _type(args: Args, record: Record) -> None:
    """``type KIND`` ends the words of the link; what follows are the kind's."""
    record["type"] = args.take()
    record["rest"] = args.rest()
    args.at = len(args.words)


def _name(args: Args, record: Record) -> None:
    """``name NAME``: the name to give; it is the device, too, if none has been named before."""
    word = args.take()
    if "name" in record:
        raise duplicate("name", word)
    record["name"] = interface(word, "name")
    if "dev" not in record:
        record["dev"], record["unnamed"] = word, True


def _alias(text: str) -> str:
    if len(text.encode("utf-8", "surrogateescape")) >= uapi.IFALIASZ:
        raise ValueError(text)
    return text


# In iproute2's order: it decides what an abbreviation means.
ROWS = [
    FlagKeyword("up", uapi.IFF_UP, "ifi_flags", "ifi_change"),
    FlagKeyword("down", uapi.IFF_UP, "ifi_flags", "ifi_change", on=False),
    CustomKeyword("name", _name),
    ValueKeyword("index", "index", within(leading_integer, 1), 'Invalid "index" value', once=True),
    ValueKeyword("link*", "link", str),
    ValueKeyword("address*", "IFLA_ADDRESS", lladdr),
    ValueKeyword("broadcast*|brd", "IFLA_BROADCAST", lladdr),
    _number("txqueuelen*|qlen|txqlen*", "IFLA_TXQLEN"),
    _number("mtu", "IFLA_MTU"),
    CustomKeyword("xdpgeneric|xdpdrv|xdpoffload|xdp", _xdp),
    CustomKeyword("netns", _netns),
    _flag("multicast", uapi.IFF_MULTICAST),
    _flag("allmulticast", uapi.IFF_ALLMULTI),
    _flag("promisc", uapi.IFF_PROMISC),
    _flag("trailers", uapi.IFF_NOTRAILERS, on=False),
    _flag("arp", uapi.IFF_NOARP, on=False),
    OnOffKeyword("carrier", "IFLA_CARRIER", EINVAL),
    *filters.master_words("IFLA_MASTER", "master*"),
    ConstantKeyword("nomaster*", "IFLA_MASTER", 0),
    _flag("dynamic*", uapi.IFF_DYNAMIC),
    CustomKeyword("vf", late("link_vf.parse")),
    CustomKeyword("type*", _type),
    ValueKeyword("alias*", "IFLA_IFALIAS", _alias, "alias too long\n"),
    ValueKeyword("group", "IFLA_GROUP", group_of, 'Invalid "group" value\n', once=True),
    ValueKeyword("mode", "IFLA_LINKMODE", one_of(default=0, dormant=1), "Invalid link mode\n"),
    ValueKeyword(
        "state",
        "IFLA_OPERSTATE",
        one_of(**{name.lower(): number for number, name in enumerate(name_tables.OPERSTATES)}),
        "Invalid operstate\n",
    ),
    _number("numtxqueues*", "IFLA_NUM_TX_QUEUES"),
    _number("numrxqueues*", "IFLA_NUM_RX_QUEUES"),
    CustomKeyword("addrgenmode*", _addrgenmode),
    CustomKeyword("link-netns*", _link_netns),
    CustomKeyword("link-netnsid*", _link_netnsid),
    OnOffKeyword("protodown", "IFLA_PROTO_DOWN", EINVAL),
    CustomKeyword("protodown_reason", _protodown_reason),
    ValueKeyword("gso_max_size", "IFLA_GSO_MAX_SIZE", U32, 'Invalid "gso_max_size" value\n'),
    ValueKeyword("gso_max_segs", "IFLA_GSO_MAX_SEGS", U16, 'Invalid "gso_max_segs" value\n'),
    ValueKeyword("parentdev", "IFLA_PARENT_DEV_NAME", str),
    ValueKeyword("gro_max_size", "IFLA_GRO_MAX_SIZE", U32, 'Invalid "gro_max_size" value\n'),
]


def _device(word: str, args: Args, record: Record) -> None:
    """Read the device, a word that no row fits."""
    if "dev" in record and not record.pop("unnamed", False):
        raise garbage("dev", word)
    record["dev"] = interface(word, "dev", 0)


def described(args: Args, creates: bool) -> Record:
    """Return the record of one link: attributes, and in lower case what must be looked up."""
    ip = args.ip
    record = read(ROWS, args, {}, target("dev", "link", _device, named_help=False))
    if "IFLA_ADDRESS" in record and "dev" in record:
        check_length(record["IFLA_ADDRESS"], record["dev"], ip)
    if "index" in record and not creates:
        if "IFLA_NET_NS_FD" not in record and "IFLA_NET_NS_PID" not in record:
            raise CommandError("index can be used only when creating devices or when moving device to another netns.")
        record["IFLA_NEW_IFINDEX"] = record.pop("index")
    return record


def _named(record: Record) -> None:
    """Give a new link the name that follows ``name`` or ``dev``, or that stands alone."""
    if "name" in record and not record.pop("unnamed", False):
        raise CommandError('both "name" and "dev" cannot be used when creating devices.')
    if "dev" in record:
        device = record.pop("dev")
        record.setdefault("name", device)


def peer(args: Args) -> Record:
    """Return the other end of a veth pair: a link message of its own."""
    record = described(args, True)
    if "type" in record:
        raise duplicate("type", record["type"])
    _named(record)
    return _body(record, args.ip)


def _body(record: Record, ip: IpContext) -> Record:
    """Attributes in iproute2's order: those that were read, then the lower link, then the name."""
    index, lower, name = record.pop("index", 0), record.pop("link", None), record.pop("name", None)
    if index:
        record["ifi_index"] = index
    if lower is not None:
        record["IFLA_LINK"] = ip.device(lower)
    if name is not None:
        put_text(record, "IFLA_IFNAME", name, uapi.IFNAMSIZ)
    return record


def request(args: Args, message: Message, flags: int) -> Request:
    """Return the request that the words after ``add``, ``set``, ``replace`` or ``delete`` describe.  Raises `CommandError`."""
    ip = args.ip
    creates = bool(flags & uapi.NLM_F_CREATE)
    record = described(args, creates)
    kind, rest = record.pop("type", None), record.pop("rest", args)
    if "IFLA_GROUP" in record and "dev" not in record:
        return _of_group(record, rest, message, flags)
    if creates:
        _named(record)
    elif "dev" in record:
        if record.pop("unnamed", False):
            del record["name"]
        record["index"] = ip.device(record.pop("dev"))
        record.pop("link", None)  # only a new link has it
    else:
        raise CommandError('Not enough information: "dev" argument is required.')
    body = {"ifi_family": ip.family, **_body(record, ip)}
    if kind is not None:
        from .kinds import info

        body["IFLA_LINKINFO"] = info(kind, rest, 0 if creates else body["ifi_index"], lambda: help_of("link"))
    elif creates:
        raise CommandError('Not enough information: "type" argument is required', FAILED)
    return Request(message, body, flags)


def _of_group(record: Record, rest: Args, message: Message, flags: int) -> Request:
    """``ip link set group 7 down``: one message for all links of a group."""
    if rest:
        raise CommandError(f'Garbage instead of arguments "{rest.take()} ...". Try "ip link help".', FAILED)
    if flags & uapi.NLM_F_CREATE:
        raise CommandError("group cannot be used when creating devices.")
    return Request(message, record, flags)
