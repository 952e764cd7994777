"""`ip link`: the verbs (ip-link(8)).  To show needs none of the words that make and change, so those load later.

Floor 7.
"""

from __future__ import annotations

from ... import rtnl, uapi
from . import listing
from .words import Refused, dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...wire import Message
    from .words import Words


def modify(words: Words, message: Message, flags: int = 0) -> int:
    from .link_set import request

    words.ip.do(request(words, message, flags))
    return 0


def show(words: Words) -> int:
    return listing.show(words, True, help)


def help() -> Refused:
    from .link_set import help as text

    return text()


def _help(words: Words) -> int:
    from .kinds import help_of

    raise help_of(words.take()) if words else help()


VERBS = (
    ("add", lambda words: modify(words, rtnl.NEWLINK, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL)),
    ("set|change", lambda words: modify(words, rtnl.NEWLINK)),
    ("replace", lambda words: modify(words, rtnl.NEWLINK, uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE)),
    ("delete", lambda words: modify(words, rtnl.DELLINK)),
    ("show|lst|list", show),
    ("help", _help),
)


def run(words: Words) -> int:
    if not words:
        return show(words)
    return dispatch(VERBS, words.take(), words, "link")
