"""`rawns decode`: netlink messages from a file or standard input, with every byte named."""

from __future__ import annotations

from .options import Command, Option

FAMILIES = {"route": 0, "sock_diag": 4, "netfilter": 12, "generic": 16}

COMMAND = Command(
    "decode",
    "Name every byte of netlink messages in a hex dump, a log of `strace -xx`, a pcap or pcapng file, or a literal.",
    "[FILE]",
    options=[
        Option("-a", "--attributes", help="one line for each attribute instead of every byte"),
        Option("-s", "--short", help="one line for each message"),
        Option("-f", "--family", argument="FAMILY", choices=list(FAMILIES), help="of text: by default the messages tell it"),
        Option("-j", "--json", help="one JSON object for each datagram"),
    ],
    exclusive=[("--attributes", "--short", "--json"), ("-a", "-s", "-j")],
    details="Without FILE, or if it is -, standard input is read.\n\n"
    "Exit status: 0 if messages were found, 1 if not, 2 if the command line is wrong.",
)


def main(argv: list[str]) -> int:
    """Run ``rawns decode``; return the exit status."""
    options = COMMAND.parse(argv)
    from ..socket_names import NETLINK_PROTOCOLS as NAMES
    from ..tracing.parse import MAX_INPUT_BYTES, datagrams
    from ..tracing.record import PROTOCOLS, TracedCall, as_object
    from ..tracing.text import ATTRIBUTES, BRIEF, BYTES, Formatter

    path = options.operand(0)
    with open(0 if path in (None, "-") else path, "rb", closefd=path not in (None, "-")) as file:
        data = file.read(MAX_INPUT_BYTES + 1)
    formatter = Formatter(ATTRIBUTES if options["--attributes"] else BRIEF if options["--short"] else BYTES)
    for number, payload in datagrams(data):
        if number < 0:
            number = FAMILIES[options["--family"]] if options["--family"] else _guess(payload)
        call = TracedCall("decode", "", PROTOCOLS.get(number, ""), 0, 0)
        call.number, call.family, call.payload = number, NAMES.get(number, f"NETLINK_{number}"), payload
        if options["--json"]:
            import json

            print(json.dumps(as_object(call)["messages"]))
        else:
            print("\n".join(line.removeprefix("    ") for line in formatter.messages(call)))
    return 0


def _guess(payload: bytes) -> int:
    """Return the family of a datagram: nf_tables' messages carry the number of their subsystem."""
    from .. import nlmsg
    from ..errors import DecodeError
    from ..nft import messages

    try:
        kinds = [frame.kind for frame in nlmsg.split(payload)]
    except DecodeError:
        return FAMILIES["route"]
    return FAMILIES["netfilter" if any(kind in messages.MESSAGES and kind >> 8 for kind in kinds) else "route"]
