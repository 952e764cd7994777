"""Faults injected at run time by `isolate`, `partition` and `block`: nf_tables rules that drop frames between hosts.

A fault is a table of family netdev in the namespace of a host.  Its chains drop frames at the ingress and egress hooks of the
host's interfaces::

    table netdev rawns_shop_partition {
        comment "rawns lab=shop partition web | db"
        chain ingress { type filter hook ingress devices = { eth0 } priority 0; ip saddr 10.0.0.2 drop }
        chain egress { type filter hook egress devices = { eth0 } priority 0; ip daddr 10.0.0.2 drop }
    }

A program that sends gets no error, as if the frame had been lost on the wire.  The comment is the lab's stamp and the words of
the verb, so the kernel holds all state.  ``faults`` in the stamp of the host says
that there are such tables.  The requests of nf_tables are imported when a table is built: a lab without faults needs none.
"""

from __future__ import annotations

from .. import uapi
from ..errors import KernelError
from ..objects.prefix import BITS, Prefix
from . import stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from ..net import Net
    from ..nft.records import NftTable
    from ..nlmsg import Request

    Body = dict[str, Any]

NETDEV = uapi.NFPROTO_NETDEV
FEATURE = "faults"  # in the stamp of a host
ISOLATE, PARTITION, BLOCK = "isolate", "partition", "block"
COMMENT_BYTES = 127
PROTOCOLS = {"tcp": uapi.IPPROTO_TCP, "udp": uapi.IPPROTO_UDP}
NO_EGRESS = "this kernel's nf_tables cannot filter what an interface sends (Linux 5.16, CONFIG_NETFILTER_EGRESS)"


class Fault:
    """A fault of one host: the name of its ``table``, and the ``words`` of the verb, such as ``partition web | db``."""

    __slots__ = ("table", "words")

    def __init__(self, table: str, words: str) -> None:
        self.table, self.words = table, words


def table_name(lab: str, verb: str, words: str = "") -> str:
    """Return the name of a verb's table; if a verb can have several, ``words`` distinguish them."""
    return f"rawns_{lab}_{verb}" + (f"_{stamp.hash_of(words):016x}" if words else "")


def found(lab: str, tables: Iterable[NftTable]) -> list[Fault]:
    """Return the faults among the tables of a namespace: those with the lab's stamp."""
    mine = [one for one in tables if one.family == NETDEV and stamp.owner(one.comment) == lab]
    start = len(f"{stamp.WORD} lab={lab} ")
    names = tuple(table_name(lab, verb) for verb in (ISOLATE, PARTITION, BLOCK))
    return [Fault(one.name, one.comment[start:]) for one in mine if one.name.startswith(names)]


def read(net: Net, lab: str) -> list[Fault]:
    """Return the faults of a namespace.  Raises `KernelError`, `SyscallError`."""
    return found(lab, net.nft.tables(NETDEV))


def remove(net: Net, faults: Sequence[Fault]) -> None:
    """Remove faults, in one transaction.  A fault that does not exist any more is ignored.  Raises `KernelError`."""
    from ..nft import build

    try:
        if faults:
            net.nft.transact(*[build.delete_table(one.table, NETDEV) for one in faults])
    except KernelError as error:
        if error.code != "ENOENT":
            raise
        for one in faults:  # another process has removed one of them, and with it the whole transaction failed
            try:
                net.nft.transact(build.delete_table(one.table, NETDEV))
            except KernelError as again:
                if again.code != "ENOENT":
                    raise


class FaultTable:
    """Builder of the table of one verb in one host: `drop` and `drop_addresses` add rules, `requests` returns the messages."""

    def __init__(self, lab: str, verb: str, words: str, devices: Sequence[str], key: str = "") -> None:
        comment = f"{stamp.WORD} lab={lab} {words}"
        self.words = words
        self._table, self._devices = table_name(lab, verb, key), devices
        self._comment = comment.encode("utf-8", "surrogateescape")[:COMMENT_BYTES].decode("utf-8", "ignore")
        self._rules: dict[str, list[list[Body]]] = {"ingress": [], "egress": []}

    def drop(self, chain: str, *conditions: Body) -> None:
        """Add a rule that drops frames that meet all conditions; ``chain`` is ``ingress`` or ``egress``."""
        from ..nft import build

        self._rules[chain].append([*conditions, build.verdict(uapi.NF_DROP)])

    def drop_addresses(self, chain: str, addresses: Iterable[Prefix], *further: Body) -> None:
        """Add rules that drop packets from (``ingress``) or to (``egress``) these addresses."""
        from ..nft import build

        end = build.SOURCE if chain == "ingress" else build.DESTINATION
        for one in covering(addresses):
            self.drop(chain, *build.ethertype(one.family), *build.in_network(end, one), *further)

    def requests(self) -> list[Request]:
        """Return the requests of one transaction that creates the table, or replaces one of that name."""
        from ..nft import build

        made = build.fresh_table(self._table, self._comment, NETDEV)
        hooks = {"ingress": uapi.NF_NETDEV_INGRESS, "egress": uapi.NF_NETDEV_EGRESS}
        for start in range(0, len(self._devices), build.MAX_DEVICES):
            devices = self._devices[start : start + build.MAX_DEVICES]
            for kind, rules in self._rules.items():
                chain = f"{kind}{start // build.MAX_DEVICES or ''}"
                if rules:
                    made.append(build.base_chain(self._table, chain, hooks[kind], 0, family=NETDEV, devices=devices))
                    made += [
                        build.new_rule(self._table, chain, rule, self.words, comment=self._comment, family=NETDEV)
                        for rule in rules
                    ]
        return made


def explain(error: KernelError) -> None:
    """Set the hint of a refusal if this kernel lacks the egress hook."""
    if error.code == "EOPNOTSUPP" and error.request in ("NFT_MSG_NEWCHAIN", "NFT_MSG_NEWTABLE"):
        error.hint = NO_EGRESS


def covering(addresses: Iterable[Prefix]) -> list[Prefix]:
    """Return the fewest prefixes that contain exactly these addresses."""
    made: list[Prefix] = []
    addresses = list(addresses)
    for family in (uapi.AF_INET, uapi.AF_INET6):
        bits = BITS[family]
        blocks: list[tuple[int, int]] = []  # first number and size of each, in order
        for number in sorted({one.number for one in addresses if one.family == family}):
            blocks.append((number, 1))
            while len(blocks) > 1 and _siblings(*blocks[-2:]):
                first, size = blocks[-2]
                blocks[-2:] = [(first, 2 * size)]
        made += [Prefix.of(family, first, bits - (size.bit_length() - 1)) for first, size in blocks]
    return made


def _siblings(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[1] == other[1] and one[0] + one[1] == other[0] and not one[0] % (2 * one[1])
