"""Tables of nf_tables: one for each attachment and family, which is added and removed as a whole.

A table of its own needs no search for rules, and no packet meets half of it.  The kernel calls at most 1,024 chains at a hook.
"""

from __future__ import annotations

from errno import ENOENT

from .. import uapi
from ..errors import KernelError
from ..nft import build, records
from ..nft import messages as nft_messages
from ..nft.nat import POSTROUTING
from ..nlmsg import Request
from ..objects import prefix
from .call import stale
from .keys import choice
from .plugin import different

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..netlink_families import Netfilter
    from ..objects.prefix import Prefix
    from .call import Call

    Body = dict[str, Any]

BACKEND = choice("nftables", "iptables")
INET, BRIDGE = uapi.NFPROTO_INET, uapi.NFPROTO_BRIDGE
OUTPUT = ("output", uapi.NF_INET_LOCAL_OUT, -100)
MAX_TOGETHER = 500  # tables that are removed in one transaction
MULTICAST = {uapi.AF_INET: "224.0.0.0/4", uapi.AF_INET6: "ff00::/8"}


class Rules:
    """What an attachment's table holds: its chains, and the rules of each."""

    def __init__(self, call: Call, family: int = INET) -> None:
        self.call, self.family, self.name = call, family, call.attachment.table
        self.requests: list[Request] = [build.new_table(self.name, call.attachment.stamp, family)]
        self._chains: set[str] = set()

    def chain(self, name: str, hook: int, priority: int, kind: str = "nat") -> None:
        """Add a chain that the kernel calls, unless it is there."""
        if name not in self._chains:
            self._chains.add(name)
            self.requests.append(build.base_chain(self.name, name, hook, priority, kind=kind, family=self.family))

    def rule(self, chain: str, *expressions: Body) -> None:
        """Append a rule."""
        context = f"rule of {chain} for {self.call.attachment.container}"
        self.requests.append(build.new_rule(self.name, chain, expressions, context, family=self.family))

    def masquerade(self, *conditions: Body) -> None:
        """Append a rule that gives packets the address of the interface that they leave by."""
        self.chain(*POSTROUTING)
        self.rule(POSTROUTING[0], *conditions, build.expression("masq"))

    def install(self) -> None:
        """Add all of it, or nothing."""
        self.call.host.nft.netfilter.transact(*self.requests, context=f"table {self.name}")
        self.call.removed_tables.discard(self.family)
        self.call.undo(remove, self.call, self.family)


def masquerade(call: Call, ips: Sequence[Prefix]) -> Rules:
    """Return the rules that ``ipMasq`` asks for: what a container sends beyond its own networks is masqueraded."""
    rules = Rules(call)
    for one in ips:
        rules.masquerade(*masquerade_conditions(one))
    return rules


def masquerade_conditions(one: Prefix) -> list[Body]:
    """Return the conditions: from the address, not to its network, not to multicast."""
    alone = prefix.Prefix(one.family, one.address, prefix.BITS[one.family])
    steps = [*build.ip_family(one.family), *build.in_network(build.SOURCE, alone)]
    for exempt in (one.network, prefix.parse(MULTICAST[one.family])):
        steps += negated(build.in_network(build.DESTINATION, exempt))
    return steps


def negated(steps: list[Body]) -> list[Body]:
    """Return steps whose last comparison is turned round."""
    if not steps:
        return steps
    data = steps[-1]["NFTA_EXPR_DATA"]["NFTA_CMP_DATA"]["NFTA_DATA_VALUE"]
    return [*steps[:-1], build.compare(data, uapi.NFT_CMP_NEQ)]


def remove(call: Call, family: int = INET) -> None:
    """Remove the table of an attachment, if there is one; the plugins of a chain do so once."""
    if family not in call.removed_tables:
        call.removed_tables.add(family)
        _remove(call, call.attachment.table, family)


def _remove(call: Call, name: str, family: int) -> None:
    try:
        call.host.nft.netfilter.transact(build.delete_table(name, family))
    except KernelError as error:
        if error.errno != ENOENT:
            raise


def collect(call: Call) -> None:
    """Remove the tables of attachments that are not valid any more."""
    netfilter: Netfilter = call.host.nft.netfilter
    tables = [records.NftTable(reply.body) for reply in netfilter.dump(records.tables())]
    named = [(one.name, one.comment) for one in tables if one.name.startswith("cni-")]
    names = set(stale(named, str(call.network), [one.table for one in call.valid]))
    gone = [one for one in tables if one.name in names]
    for start in range(0, len(gone), MAX_TOGETHER):
        several = gone[start : start + MAX_TOGETHER]
        try:
            netfilter.transact(*[build.delete_table(one.name, one.family) for one in several])
        except KernelError as error:
            if error.errno != ENOENT:
                raise
            for one in several:  # one of them has gone meanwhile, so that none has been removed
                _remove(call, one.name, one.family)


def check(call: Call, rules: Rules) -> None:
    """Raise `CniError` if a table is not there, is switched off, or lacks a rule that it should have."""
    netfilter = call.host.nft.netfilter
    asked = Request(nft_messages.GETTABLE, {"nfgen_family": rules.family, "NFTA_TABLE_NAME": rules.name})
    try:
        table = records.NftTable(netfilter.get(asked).body)
        found = [records.NftRule(one.body) for one in netfilter.dump(records.rules(rules.family, rules.name))]
    except KernelError as error:
        if error.errno != ENOENT:
            raise
        raise different(f"nf_tables lacks the table {rules.name}") from None
    if table.dormant:
        raise different(f"the table {rules.name} of nf_tables is switched off (dormant)")
    there = [f"{one.chain} {one.statements}" for one in found]
    for request in rules.requests:
        if request.message is nft_messages.NEWRULE:
            one = records.NftRule(request.body)
            if f"{one.chain} {one.statements}" not in there:
                raise different(f"the table {rules.name} of nf_tables lacks a rule of {one.chain}: {one}")
