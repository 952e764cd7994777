"""nf_tables of one network namespace: what ``ns.nft`` is (nft(8))."""

from __future__ import annotations

from .. import uapi
from ..errors import Interrupted
from ..netlink import MAX_DUMP_ATTEMPTS
from ..netlink_families import Netfilter
from ..nlmsg import Listing
from . import records
from .records import NftChain, NftRule, NftTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..netlink import Netlink
    from ..nlmsg import Reply, Request
    from .evaluate import Evaluation, Packet
    from .nat import Nat, NatTable

INET = uapi.NFPROTO_INET


class Nft:
    """nf_tables of the namespace that a `Netlink` socket belongs to, through a socket of its own.

    Everything, reading included, needs CAP_NET_ADMIN there.  All methods raise `KernelError` if the kernel refuses,
    `SyscallError` if the socket cannot be opened.
    """

    def __init__(self, netlink: Netlink) -> None:
        self._netlink = netlink
        self._netfilter: Netfilter | None = None

    @property
    def netfilter(self) -> Netfilter:
        """The socket, opened at its first use in the namespace of the other one."""
        if self._netfilter is None:  # two threads may both open one: the one that is not kept closes itself
            self._netfilter = Netfilter.in_namespace_of(self._netlink)
        return self._netfilter

    def close(self) -> None:
        """Close the socket; it is opened again when it is needed."""
        netfilter, self._netfilter = self._netfilter, None
        if netfilter is not None:
            netfilter.close()

    # -- reading ----------------------------------------------------------------------------------------------------

    def tables(self, family: int = 0) -> Listing[NftTable]:
        """Return all tables, or those of one family (NFPROTO_*): ``nft list tables``."""
        replies = self.netfilter.dump(records.tables(family))
        return Listing((NftTable(reply.body) for reply in replies), replies.complete)

    def chains(self, family: int = 0) -> Listing[NftChain]:
        """Return all chains, or those of one family (NFPROTO_*): ``nft list chains``."""
        replies = self.netfilter.dump(records.chains(family))
        return Listing((NftChain(reply.body) for reply in replies), replies.complete)

    def rules(self, family: int = 0, table: str = "") -> Listing[NftRule]:
        """Return all rules in their order, or those of one family (NFPROTO_*) or table: ``nft list ruleset``."""
        replies = self.netfilter.dump(records.rules(family, table))
        return Listing((NftRule(reply.body) for reply in replies), replies.complete)

    def ruleset(self) -> tuple[list[NftTable], list[NftChain], list[NftRule]]:
        """Return tables, chains and rules of one moment.  Raises `Interrupted` if they change during each attempt."""
        tables, chains, rules = self._of_one_generation(records.tables(), records.chains(), records.rules())
        return (
            [NftTable(reply.body) for reply in tables],
            [NftChain(reply.body) for reply in chains],
            [NftRule(reply.body) for reply in rules],
        )

    def _of_one_generation(self, *dumps: Request) -> list[Listing[Reply]]:
        """Return the answers to several dumps between which the ruleset has not changed.  Raises `Interrupted`."""
        for _ in range(MAX_DUMP_ATTEMPTS):
            answers = [self.netfilter.dump(request) for request in dumps]
            generations = {reply.body["res_id"] for replies in answers for reply in replies}
            if len(generations) <= 1 and all(replies.complete for replies in answers):
                return answers
        raise Interrupted("the ruleset of nf_tables changed while it was read")

    def evaluate(self, packet: Packet, hook: str = "forward") -> Evaluation:
        """Return the verdict for a packet at a hook (``'input'``, ``'forward'``, ``'output'``), and which rule decides it.

        The rules are evaluated here, nothing is sent; ``nft monitor trace`` shows how the kernel evaluates them.
        Raises `Interrupted` as `ruleset` does.
        """
        from .evaluate import evaluate

        return evaluate(packet, hook, *self.ruleset())

    # -- address translation --------------------------------------------------------------------------------------

    def set_nat(self, table: str, nats: Sequence[Nat], stamp: str = "") -> None:
        """Create a table of family inet with this NAT and nothing else, or replace it by that: ``nft -f FILE``, one transaction.

        ``stamp`` becomes the table's comment.  If this raises, nothing has changed.  One source of a `Nat` is equivalent to
        ``iptables -t nat -A POSTROUTING -o eth0 -s SOURCE -j MASQUERADE``.  Raises `InvalidValue`.
        """
        from .nat import replace

        self.netfilter.transact(*replace(table, nats, stamp), context=f"table inet {table}")

    def nat(self, table: str) -> NatTable | None:
        """Return what `set_nat` has set up in a table: ``nft list table inet TABLE``.  None if there is no such table.

        Its ``nats`` are None if the table holds anything else.  Raises `Interrupted` as `ruleset` does, `InvalidValue`.
        """
        from . import build, nat

        build.check_table(table)
        requests = records.tables(INET), records.chains(INET), records.rules(INET, table)
        tables, chains, rules = self._of_one_generation(*requests)
        for found in [NftTable(reply.body) for reply in tables]:
            if found.name == table:
                return nat.NatTable(found.comment, nat.read(table, chains, rules))
        return None

    # -- firewall -------------------------------------------------------------------------------------------------

    def set_firewall(self, table: str, rules: Sequence[str], stamp: str = "") -> None:
        """Create a table of family inet with these rules of a `firewall` and nothing else, or replace it, in one transaction.

        Raises `InvalidValue` for what is not a rule.
        """
        from .firewall import FirewallRule, replace

        self.netfilter.transact(*replace(table, [FirewallRule(one) for one in rules], stamp), context=f"table inet {table}")

    def firewall(self, table: str) -> list[str] | None:
        """Return the rules that `set_firewall` has set in a table, and no rules if there is no such table.

        None if the table holds anything else.  Raises `Interrupted` as `ruleset` does, `InvalidValue`.
        """
        from . import build, firewall

        build.check_table(table)
        requests = records.tables(INET), records.chains(INET), records.rules(INET, table)
        tables, chains, rules = self._of_one_generation(*requests)
        if all(NftTable(reply.body).name != table for reply in tables):
            return []
        return firewall.read(table, chains, rules)

    def delete_table(self, table: str) -> None:
        """Delete a table of family inet and all that is in it: ``nft delete table inet TABLE``.  `KernelError` ENOENT: none."""
        from .build import delete_table

        self.netfilter.transact(delete_table(table), context=f"table inet {table}")

    def transact(self, *requests: Request, context: str = "") -> list[list[Reply]]:
        """Send requests as one transaction: all of them take effect, or none (`Netfilter.transact`)."""
        return self.netfilter.transact(*requests, context=context)
