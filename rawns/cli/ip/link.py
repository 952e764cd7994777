"""`ip link`: the verbs (ip-link(8)).  The words that create and change links are loaded only for those verbs."""

from __future__ import annotations

from ... import rtnl, uapi
from . import listing
from .context import ObjectVerbs, help_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...wire import Body, Message
    from .context import Args, IpContext
    from .render import OutputField


def modify(args: Args, message: Message, flags: int = 0) -> int:
    """Send the request that the words describe."""
    from .link_set import request

    ip = args.ip
    ip.change(request(args, message, flags), lambda body, deleted: _echo(body, deleted, ip))
    return 0


def _echo(body: Body, deleted: bool, ip: IpContext) -> Iterator[OutputField]:
    from . import show_link
    from .render import OutputField as Field

    if deleted:
        yield Field("deleted", True, "Deleted ")
    yield from show_link.link({**body, "IFLA_TXQLEN": 0}, ip, False)  # without the length of the queue


def show(args: Args) -> int:
    """Print the objects that the words select."""
    return listing.show(args, True, "link")


def _help(args: Args) -> int:
    from .kinds import help_of as help_of_kind

    text = help_of_kind(args.take()) if args else None
    if text is None:
        raise help_of("link")
    args.ip.write([f"{text}\n"])
    return 0


def _property(args: Args) -> int:
    from .link_property import run

    return run(args)


def _statistics(verb: str) -> Callable[[Args], int]:
    def run(args: Args) -> int:
        from . import stats

        status: int = getattr(stats, verb)(args)
        return status

    return run


run = ObjectVerbs(
    "link",
    ("add", lambda args: modify(args, rtnl.NEWLINK, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL)),
    ("set|change", lambda args: modify(args, rtnl.NEWLINK)),
    ("replace", lambda args: modify(args, rtnl.NEWLINK, uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE)),
    ("delete", lambda args: modify(args, rtnl.DELLINK)),
    ("show|lst|list", show),
    ("xstats", _statistics("xstats")),
    ("afstats", _statistics("afstats")),
    ("property", _property),
    ("help", _help),
)
