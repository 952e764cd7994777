"""`tc chain`: chains of filters, and the filter that each is a template for (tc(8))."""

from __future__ import annotations

from ... import rtnl
from .filter import get, listing, modify
from .objects import TcVerbs
from .qdisc import CREATE, EXCL

run = TcVerbs(
    "chain",
    ("add", lambda args: modify(args, rtnl.NEWCHAIN, EXCL | CREATE)),
    ("delete", lambda args: modify(args, rtnl.DELCHAIN, 0)),
    ("get", lambda args: get(args, rtnl.GETCHAIN)),
    ("list|show|lst", lambda args: listing(args, rtnl.GETCHAIN, "chain")),
)
