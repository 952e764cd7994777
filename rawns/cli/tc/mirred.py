"""mirred: packets go to another link, or copies of them do (tc-mirred(8))."""

from __future__ import annotations

from ... import uapi
from ..ip.grammar import matches
from ..ip.render import OutputField
from .action_kind import ActionKind, last_index, take_index
from .common import help_of, need, peek
from .output import control_fields, field, line_end, plain
from .words import control_or, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, Iterator, Record, TcContext


MIRRED = {
    uapi.TCA_EGRESS_REDIR: ("Egress Redirect", "redirect", "egress"),
    uapi.TCA_INGRESS_REDIR: ("Ingress Redirect", "redirect", "ingress"),
    uapi.TCA_EGRESS_MIRROR: ("Egress Mirror", "mirror", "egress"),
    uapi.TCA_INGRESS_MIRROR: ("Ingress Mirror", "mirror", "ingress"),
}


def _direction(args: Args, found: dict[str, str], parameters: Record) -> bool:
    """Read which way, what, and through which link; return whether there was an index."""
    numbered = False
    while args:
        word = peek(args)
        if matches(word, "action"):
            args.take()
            need(args)
            break
        way = next((one for one in ("egress", "ingress") if found["direction"] != one and matches(word, one)), "")
        if way:
            if found["direction"]:
                raise refused(f"Can't have both {way} and {found['direction']}")
            found["direction"] = way
            args.take()
            need(args)
            continue
        what = next((one for one in ("mirror", "redirect") if found["what"] != one and matches(word, one)), "")
        if matches(word, "index"):
            args.take()
            need(args)
            parameters["index"] = take_index(args)
            args.at -= 1
            numbered = True
            if not found["direction"]:
                args.take()
                break
        elif not found["direction"]:
            raise refused(f"was expecting egress or ingress ({word})")
        elif what:
            if found["what"]:
                raise refused("Can't have both mirror and redir")
            found["what"] = what
            kinds = {(name, way): number for number, (_, name, way) in MIRRED.items()}
            parameters["eaction"] = kinds[what, found["direction"]]
            parameters["action"] = uapi.TC_ACT_PIPE if what == "mirror" else uapi.TC_ACT_STOLEN
        elif found["what"] and matches(word, "dev"):
            args.take()
            found["dev"] = args.take()[: uapi.IFNAMSIZ - 1]
            break
        args.take()
        need(args)
    return numbered


class Mirred(ActionKind):
    """mirred."""

    index = "\tindex %u"

    def parse(self, args: Args) -> Record:
        args.take()
        need(args)
        word = peek(args)
        if matches(word, "help"):
            raise help_of("mirred")
        if not any(matches(word, one) for one in ("egress", "ingress", "index")):
            raise refused(f"mirred option not supported {word}")
        found = {"direction": "", "what": "", "dev": ""}
        parameters: Record = {}
        numbered = _direction(args, found, parameters)
        if not found["direction"] and not numbered:
            raise refused("")
        if found["dev"]:
            parameters["ifindex"] = args.ip.device(found["dev"])
        if found["what"] == "mirror":
            parameters["action"] = control_or(args, uapi.TC_ACT_PIPE)
        if numbered and matches(peek(args), "index"):
            raise refused("mirred: Illegal double index")
        last_index(args, parameters, "mirred")
        return {self.parameters: parameters}

    def shown(self, options: Body, ip: TcContext) -> Iterator[OutputField]:
        found = options[self.parameters]
        title, what, way = MIRRED.get(found["eaction"], ("unknown", "unknown", "unknown"))
        yield plain(f"({title}")
        yield OutputField("mirred_action", what)
        yield OutputField("direction", way)
        yield field("to_dev", ip.name_of(found["ifindex"]), " to device %s)", ip)
        yield from control_fields(found["action"], " ", "", ip)
        yield line_end(ip)
