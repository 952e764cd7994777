"""rtnetlink: its messages described as data, one module for each kind of object (rtnetlink(7)).

The names are those of the kernel's headers; the numbers are in `uapi`.  To add an attribute, add a line to its table: encoding,
decoding and ``--explain`` follow.

A module is loaded when one of its messages is first used or received: ``rawns ip link`` needs two of them, and all would
cost it 1 ms of 13.
"""

from __future__ import annotations

from .. import uapi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from ..wire import Message
    from .address import DELADDR as DELADDR
    from .address import GETADDR as GETADDR
    from .address import NEWADDR as NEWADDR
    from .addrlabel import DELADDRLABEL as DELADDRLABEL
    from .addrlabel import GETADDRLABEL as GETADDRLABEL
    from .addrlabel import NEWADDRLABEL as NEWADDRLABEL
    from .link import DELLINK as DELLINK
    from .link import DELLINKPROP as DELLINKPROP
    from .link import GETLINK as GETLINK
    from .link import NEWLINK as NEWLINK
    from .link import NEWLINKPROP as NEWLINKPROP
    from .link import SETLINK as SETLINK
    from .mdb import DELMDB as DELMDB
    from .mdb import GETMDB as GETMDB
    from .mdb import NEWMDB as NEWMDB
    from .neighbour import DELNEIGH as DELNEIGH
    from .neighbour import GETNEIGH as GETNEIGH
    from .neighbour import NEWNEIGH as NEWNEIGH
    from .neightable import GETNEIGHTBL as GETNEIGHTBL
    from .neightable import NEWNEIGHTBL as NEWNEIGHTBL
    from .neightable import SETNEIGHTBL as SETNEIGHTBL
    from .netconf import DELNETCONF as DELNETCONF
    from .netconf import GETNETCONF as GETNETCONF
    from .netconf import NEWNETCONF as NEWNETCONF
    from .nexthop import DELNEXTHOP as DELNEXTHOP
    from .nexthop import DELNEXTHOPBUCKET as DELNEXTHOPBUCKET
    from .nexthop import GETNEXTHOP as GETNEXTHOP
    from .nexthop import GETNEXTHOPBUCKET as GETNEXTHOPBUCKET
    from .nexthop import NEWNEXTHOP as NEWNEXTHOP
    from .nexthop import NEWNEXTHOPBUCKET as NEWNEXTHOPBUCKET
    from .nsid import DELNSID as DELNSID
    from .nsid import GETNSID as GETNSID
    from .nsid import NEWNSID as NEWNSID
    from .prefix import NEWPREFIX as NEWPREFIX
    from .route import DELROUTE as DELROUTE
    from .route import GETROUTE as GETROUTE
    from .route import NEWROUTE as NEWROUTE
    from .rule import DELRULE as DELRULE
    from .rule import GETRULE as GETRULE
    from .rule import NEWRULE as NEWRULE
    from .stats import GETSTATS as GETSTATS
    from .stats import NEWSTATS as NEWSTATS
    from .stats import SETSTATS as SETSTATS
    from .tc import DELQDISC as DELQDISC
    from .tc import DELTCLASS as DELTCLASS
    from .tc import GETQDISC as GETQDISC
    from .tc import GETTCLASS as GETTCLASS
    from .tc import NEWQDISC as NEWQDISC
    from .tc import NEWTCLASS as NEWTCLASS
    from .tc_filter import DELACTION as DELACTION
    from .tc_filter import DELCHAIN as DELCHAIN
    from .tc_filter import DELTFILTER as DELTFILTER
    from .tc_filter import GETACTION as GETACTION
    from .tc_filter import GETCHAIN as GETCHAIN
    from .tc_filter import GETTFILTER as GETTFILTER
    from .tc_filter import NEWACTION as NEWACTION
    from .tc_filter import NEWCHAIN as NEWCHAIN
    from .tc_filter import NEWTFILTER as NEWTFILTER
    from .vlan import DELVLAN as DELVLAN
    from .vlan import GETVLAN as GETVLAN
    from .vlan import NEWVLAN as NEWVLAN
    from .vni import DELTUNNEL as DELTUNNEL
    from .vni import GETTUNNEL as GETTUNNEL
    from .vni import NEWTUNNEL as NEWTUNNEL

MODULES = {
    "addrlabel": "NEWADDRLABEL DELADDRLABEL GETADDRLABEL",
    "neightable": "NEWNEIGHTBL GETNEIGHTBL SETNEIGHTBL",
    "netconf": "NEWNETCONF DELNETCONF GETNETCONF",
    "link": "NEWLINK DELLINK GETLINK SETLINK NEWLINKPROP DELLINKPROP",
    "address": "NEWADDR DELADDR GETADDR",
    "route": "NEWROUTE DELROUTE GETROUTE",
    "nexthop": "NEWNEXTHOP DELNEXTHOP GETNEXTHOP NEWNEXTHOPBUCKET DELNEXTHOPBUCKET GETNEXTHOPBUCKET",
    "rule": "NEWRULE DELRULE GETRULE",
    "neighbour": "NEWNEIGH DELNEIGH GETNEIGH",
    "prefix": "NEWPREFIX",
    "stats": "NEWSTATS GETSTATS SETSTATS",
    "mdb": "NEWMDB DELMDB GETMDB",
    "vlan": "NEWVLAN DELVLAN GETVLAN",
    "vni": "NEWTUNNEL DELTUNNEL GETTUNNEL",
    "nsid": "NEWNSID DELNSID GETNSID",
    "tc": "NEWQDISC DELQDISC GETQDISC NEWTCLASS DELTCLASS GETTCLASS",
    "tc_filter": "NEWTFILTER DELTFILTER GETTFILTER NEWCHAIN DELCHAIN GETCHAIN NEWACTION DELACTION GETACTION",
}
_MODULE_OF = {name: module for module, names in MODULES.items() for name in names.split()}  # by name: NEWLINK, GETROUTE ...
_NAME_OF = {getattr(uapi, f"RTM_{name}"): name for name in _MODULE_OF}


def __getattr__(name: str) -> Any:
    """Load the module of a message (PEP 562)."""
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    loaded = __import__(f"{__name__}.{module}", fromlist=[name])
    for known in MODULES[module].split():
        globals()[known] = getattr(loaded, known)
    return globals()[name]


class _Messages:
    """All messages by number, each loaded when it is first asked for: a read-only mapping."""

    def get(self, number: int, default: Message | None = None) -> Message | None:
        name = _NAME_OF.get(number)
        if name is None:
            return default
        try:
            message: Message = globals().get(name) or __getattr__(name)
        except ModuleNotFoundError:  # a one-file program lacks the messages that it never sends
            return default
        return message

    def __getitem__(self, number: int) -> Message:
        message = self.get(number)
        if message is None:
            raise KeyError(number)
        return message

    def __contains__(self, number: object) -> bool:
        return number in _NAME_OF

    def __iter__(self) -> Iterator[int]:
        return iter(_NAME_OF)

    def __len__(self) -> int:
        return len(_NAME_OF)

    def keys(self) -> list[int]:
        return list(_NAME_OF)

    def values(self) -> list[Message]:
        return [self[number] for number in _NAME_OF]

    def items(self) -> list[tuple[int, Message]]:
        return [(number, self[number]) for number in _NAME_OF]


MESSAGES: Mapping[int, Message] = _Messages()  # type: ignore[assignment]  # all of a Mapping; its import costs 1 ms
