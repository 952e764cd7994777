"""Tables, chains and rules of nf_tables as records, and the requests that list them (nft(8), `<linux/netfilter/nf_tables.h>`)."""

from __future__ import annotations

from .. import uapi
from ..nlmsg import Request
from ..objects.record import Record, field
from . import messages as nft_messages
from .statements import VERDICTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .statements import NftStatement

FAMILIES = {
    uapi.NFPROTO_INET: "inet",
    uapi.NFPROTO_IPV4: "ip",
    uapi.NFPROTO_IPV6: "ip6",
    uapi.NFPROTO_BRIDGE: "bridge",
    uapi.NFPROTO_ARP: "arp",
    uapi.NFPROTO_NETDEV: "netdev",
}
_HOOKS = {
    uapi.NF_INET_PRE_ROUTING: "prerouting",
    uapi.NF_INET_LOCAL_IN: "input",
    uapi.NF_INET_FORWARD: "forward",
    uapi.NF_INET_LOCAL_OUT: "output",
    uapi.NF_INET_POST_ROUTING: "postrouting",
    uapi.NF_INET_INGRESS: "ingress",
}
HOOKS = {
    uapi.NFPROTO_ARP: {uapi.NF_ARP_IN: "input", uapi.NF_ARP_OUT: "output", uapi.NF_ARP_FORWARD: "forward"},
    uapi.NFPROTO_NETDEV: {uapi.NF_NETDEV_INGRESS: "ingress", uapi.NF_NETDEV_EGRESS: "egress"},
}


class NftTable(Record):
    """One table.  ``flags`` are NFT_TABLE_F_* bits."""

    __slots__ = ()

    family: int = field("nfgen_family", names="NFPROTO_")
    name: str = field("NFTA_TABLE_NAME")
    flags: int = field("NFTA_TABLE_FLAGS", default=0, bits="NFT_TABLE_F_")
    handle: int = field("NFTA_TABLE_HANDLE", default=0)

    @property
    def comment(self) -> str:
        """Its comment as ``nft list`` prints it; the stamp of a table that a lab made."""
        return comment(self.body.get("NFTA_TABLE_USERDATA"))

    @property
    def dormant(self) -> bool:
        """Whether it is switched off, with all chains and rules in it."""
        return bool(self.flags & uapi.NFT_TABLE_F_DORMANT)


class NftChain(Record):
    """One chain.  A base chain, which the kernel calls for packets, has a ``hook``, a ``type``, a ``priority`` and a policy."""

    __slots__ = ()

    family: int = field("nfgen_family", names="NFPROTO_")
    table: str = field("NFTA_CHAIN_TABLE")
    name: str = field("NFTA_CHAIN_NAME")
    type: str | None = field("NFTA_CHAIN_TYPE")
    handle: int = field("NFTA_CHAIN_HANDLE", default=0)

    @property
    def hook(self) -> str | None:
        """``'forward'``, ``'input'`` ...; None for a chain that is only reached by jumps; a number if it has no name here."""
        hook = self.body.get("NFTA_CHAIN_HOOK")
        if hook is None:
            return None
        number = hook.get("NFTA_HOOK_HOOKNUM")
        return HOOKS.get(self.family, _HOOKS).get(number, str(number))

    @property
    def devices(self) -> list[str]:
        """The interfaces that a chain of the netdev family, or an ingress chain, is bound to; empty for other chains."""
        hook = self.body.get("NFTA_CHAIN_HOOK") or {}
        one = hook.get("NFTA_HOOK_DEV")
        many = hook.get("NFTA_HOOK_DEVS", {}).get("NFTA_DEVICE_NAME", [])
        return many or ([one] if one else [])

    @property
    def priority(self) -> int:
        """The order in which the chains of one hook are called: the lowest first."""
        priority: int = self.body.get("NFTA_CHAIN_HOOK", {}).get("NFTA_HOOK_PRIORITY", 0)
        return priority

    @property
    def policy(self) -> str | None:
        """The verdict for a packet that no rule decides about: ``'accept'`` or ``'drop'``; None without a hook."""
        if self.hook is None:
            return None
        return VERDICTS.get(self.body.get("NFTA_CHAIN_POLICY", uapi.NF_ACCEPT))

    def __str__(self) -> str:
        return f"{FAMILIES.get(self.family, self.family)} {self.table} {self.name}"

    def _title(self) -> str:
        return str(self)


class NftRule(Record):
    """One rule.  ``str()`` of it is close to what ``nft list`` prints; a comment in it may hold control characters."""

    __slots__ = ()

    family: int = field("nfgen_family", names="NFPROTO_")
    table: str = field("NFTA_RULE_TABLE")
    chain: str = field("NFTA_RULE_CHAIN")
    handle: int = field("NFTA_RULE_HANDLE", default=0)

    @property
    def comment(self) -> str:
        """Its comment as ``nft list`` prints it."""
        return comment(self.body.get("NFTA_RULE_USERDATA"))

    @property
    def statements(self) -> list[NftStatement]:
        """What it compares and does."""
        from .statements import statements

        return statements(self.body)

    def __str__(self) -> str:
        from .format import format_statements

        return format_statements(self.statements, self.family) + (f' comment "{self.comment}"' if self.comment else "")

    def _title(self) -> str:
        return str(self)


def comment(userdata: object) -> str:
    """Return the comment in the user data of a table, chain or rule; empty if there is none."""
    return str(userdata.get("comment", "")) if isinstance(userdata, dict) else ""


def tables(family: int = 0) -> Request:
    """List all tables, or those of one family: ``nft list tables``."""
    return Request(nft_messages.GETTABLE, {"nfgen_family": family}, uapi.NLM_F_DUMP)


def chains(family: int = 0) -> Request:
    """List all chains, or those of one family: ``nft list chains``."""
    return Request(nft_messages.GETCHAIN, {"nfgen_family": family}, uapi.NLM_F_DUMP)


def rules(family: int = 0, table: str = "") -> Request:
    """List all rules, or those of one family or table: ``nft list ruleset``."""
    fields = {"nfgen_family": family, **({"NFTA_RULE_TABLE": table} if table else {})}
    return Request(nft_messages.GETRULE, fields, uapi.NLM_F_DUMP)
