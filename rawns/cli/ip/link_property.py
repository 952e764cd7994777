"""`ip link property`: alternative names of a link (ip-link(8), RTM_NEWLINKPROP)."""

from __future__ import annotations

from ... import uapi
from ...nlmsg import Request
from ...rtnl.link import DELLINKPROP, NEWLINKPROP
from .arguments import interface
from .context import help_of
from .grammar import CommandError, matches
from .keywords import CustomKeyword, read, target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Record


def _alternative_name(text: str) -> str:
    size = len(text.encode("utf-8", "surrogateescape"))
    if not 0 < size < uapi.ALTIFNAMSIZ or any(char in "/ \t\n\v\f\r" for char in text):
        raise CommandError(f'Error: argument "{text}" is wrong: not a valid altname')
    return text


def _device(word: str, args: Args, record: Record) -> None:
    record["dev"] = interface(word, "dev", 0)


WORDS = [CustomKeyword("altname*", lambda args, record: record["names"].append(_alternative_name(args.take())))]


def run(args: Args) -> int:
    """Add or delete alternative names; return the exit status."""
    ip = args.ip
    if not args:
        raise help_of("link")
    verb = args.take()
    if matches(verb, "help"):
        raise help_of("link")
    creates, deletes = matches(verb, "add"), matches(verb, "delete")
    if not (creates or deletes):
        raise CommandError("Operator required")
    record = read(WORDS, args, {"names": []}, target("dev", "link", _device, "dev", named_help=False))
    if "dev" not in record:
        raise CommandError('Not enough of information: "dev" argument is required.')
    body = {"ifi_index": ip.device(record["dev"]), "IFLA_PROP_LIST": {"IFLA_ALT_IFNAME": record["names"]}}
    flags = uapi.NLM_F_CREATE | uapi.NLM_F_EXCL | uapi.NLM_F_APPEND if creates else 0
    ip.do(Request(NEWLINKPROP if creates else DELLINKPROP, body, flags))
    return 0
