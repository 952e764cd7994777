"""Verbs that keep the hosts of a lab that is up from each other: `isolate`, `partition`, `block` and `heal`."""

from __future__ import annotations

from ..errors import InvalidValue, KernelError
from ..rollback import signals_blocked
from ..terminal import printable, short_repr
from . import faults as fault_tables
from .faults import Fault, FaultTable
from .host import Host
from .running import RunningLab
from .stamped_names import read_stamp
from .words import port_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ..objects.prefix import Prefix
    from .running import HostWord


class FaultVerbs(RunningLab):
    """The verbs that drop frames between hosts."""

    __slots__ = ()

    def isolate(self, *hosts: HostWord) -> None:
        """Drop all frames that hosts send and receive, until `heal` or `restore`.  Their links stay up.

        A namespace with a bridge in it forwards nothing either.
        """
        chosen = [self.find_host(word) for word in hosts]
        if not chosen:
            raise InvalidValue("no host is given: name at least one, such as web")
        plans = {host: self._table(host, fault_tables.ISOLATE, f"isolate {host.label}") for host in chosen}
        for table in plans.values():
            table.drop("ingress")
            table.drop("egress")
        self._apply(plans)

    def partition(self, *groups: Iterable[HostWord]) -> None:
        """Split the lab: hosts of different groups do not reach each other, until `heal` or `restore`.

        Frames with an address of a host in another group are dropped where they enter and leave a host.  Hosts in no group
        reach all.  An earlier partition is replaced.  Raises `InvalidValue` if there are not two groups, or a host is in both.
        """
        chosen = [_group(self, group) for group in groups]
        everyone = [host for group in chosen for host in group]
        twice = next((host for host in everyone if everyone.count(host) > 1), None)
        if len(chosen) < 2 or not all(chosen):
            raise InvalidValue("a partition has at least two groups, each of at least one host")
        if twice is not None:
            raise InvalidValue(f"{printable(twice.label)} is in two groups of the partition")
        words = "partition " + " | ".join(" ".join(host.label for host in group) for group in chosen)
        plans = {}
        for group in chosen:
            others = [one for other in chosen if other is not group for host in other for one in _addresses(host)]
            for host in group:
                plans[host] = self._table(host, fault_tables.PARTITION, words)
                for chain in ("ingress", "egress"):
                    plans[host].drop_addresses(chain, others)
        rest = [host for host in self.hosts if host not in plans and not host.root]
        self._apply(plans)
        self._remove_faults(rest, lambda fault: fault.words.startswith(f"{fault_tables.PARTITION} "))

    def block(self, source: HostWord, target: HostWord, port: int | None = None, protocol: str | None = None) -> None:
        """Drop what one host sends to another, all of it or that to a port, until `unblock`, `heal` or `restore`.

        ``protocol`` is ``"tcp"``, ``"udp"``, or None for both.  What the target sends still arrives at the source, whose answers
        are dropped.  A packet is dropped if it has an address of the target when it leaves the source, or an address of the
        source when it arrives at the target, because NAT may have translated it in between.

        Raises `InvalidValue` for a port or protocol that does not exist.
        """
        sender, receiver = self.find_host(source), self.find_host(target)
        words = _block_words(sender, receiver, port, protocol)
        plans = {}
        for host, chain, far in ((sender, "egress", receiver), (receiver, "ingress", sender)):
            plans[host] = table = self._table(host, fault_tables.BLOCK, words, words)
            for further in _to_port(port, protocol):
                table.drop_addresses(chain, _addresses(far), *further)
        self._apply(plans)

    def unblock(self, source: HostWord, target: HostWord, port: int | None = None, protocol: str | None = None) -> None:
        """Undo a `block` that was made with the same arguments; do nothing if there is none."""
        sender, receiver = self.find_host(source), self.find_host(target)
        name = fault_tables.table_name(self.name, fault_tables.BLOCK, _block_words(sender, receiver, port, protocol))
        self._remove_faults([sender, receiver], lambda fault: fault.table == name)

    def heal(self) -> None:
        """Undo all that `isolate`, `partition` and `block` have done."""
        self._remove_faults([host for host in self.hosts if not host.root and (host.there or self.standing)], lambda fault: True)

    def faults(self) -> dict[str, list[str]]:
        """Return the faults of hosts by label, in the words of the verbs: ``{"web": ["isolate web"]}``."""
        found: dict[str, list[str]] = {}
        for host in self.hosts:
            if not host.root and (host.there or self.standing):
                mark = read_stamp(self.ready(host).namespace)
                if mark is not None and fault_tables.FEATURE in mark.features:
                    found[host.label] = [fault.words for fault in fault_tables.read(host.net, self.name)]
                self._release([host])
        return {label: words for label, words in found.items() if words}

    def _table(self, host: Host, verb: str, words: str, key: str = "") -> FaultTable:
        """Return an empty table for a host.  Raises `InvalidValue` if it has no interfaces of its own."""
        if host.root:
            raise InvalidValue("the namespace that the lab is built from is not the lab's: it cannot be kept from others")
        self.name_ports()
        devices = [one.name for one in host.interfaces if one.name and not one.existing]
        if not devices:
            raise InvalidValue(f"{printable(host.label)} has no interface of this lab, so there is nothing to drop frames at")
        return FaultTable(self.name, verb, words, devices, key)

    def _apply(self, plans: dict[Host, FaultTable]) -> None:
        """Create tables, each in one transaction, after the stamp of its host has announced it."""
        with self._changing():
            for host, table in plans.items():
                with signals_blocked():
                    self._announce(self.ready(host), fault_tables.FEATURE)
                    try:
                        host.net.nft.transact(*table.requests(), context=f"{table.words}: {host.label}")
                    except KernelError as error:
                        fault_tables.explain(error)
                        if error.code == "ENOENT":
                            error.hint = f"an interface of {printable(host.label)} is missing; `restore` or `up` creates it"
                        raise
        self._release(plans)

    def _remove_faults(self, hosts: Iterable[Host], chosen: Callable[[Fault], bool]) -> None:
        used = list(hosts)
        with self._changing():
            for host in used:
                mark = read_stamp(self.ready(host).namespace)
                if mark is None or fault_tables.FEATURE not in mark.features:
                    continue
                there = fault_tables.read(host.net, self.name)
                gone = [fault for fault in there if chosen(fault)]
                with signals_blocked():
                    fault_tables.remove(host.net, gone)
                    if len(gone) == len(there):
                        self._forget(host, {fault_tables.FEATURE})
                self._release([host])
        self._release(used)


def _addresses(host: Host) -> list[Prefix]:
    found = [address for one in host.interfaces for address in one.addresses]
    if not found:
        raise InvalidValue(f"{printable(host.label)} has no address by which it could be kept from others: isolate it instead")
    return found


def _group(lab: FaultVerbs, group: Iterable[HostWord]) -> list[Host]:
    words = [group] if isinstance(group, (str, Host)) else group
    if not hasattr(words, "__iter__"):
        raise InvalidValue(f"{short_repr(group)} is not a group of hosts: give a list of their names")
    return [lab.find_host(word) for word in words]


def _block_words(sender: Host, receiver: Host, port: int | None, protocol: str | None) -> str:
    if sender is receiver:
        raise InvalidValue(f"{printable(sender.label)} cannot be blocked from itself")
    if port is not None:
        port_number(port)
    if protocol is not None and protocol not in fault_tables.PROTOCOLS:
        raise InvalidValue(f"{short_repr(protocol)} is not a protocol that can be blocked: tcp and udp are")
    words = ["block", sender.label, receiver.label]
    words += [protocol] if protocol is not None else []
    return " ".join([*words, *(["port", str(port)] if port is not None else [])])


def _to_port(port: int | None, protocol: str | None) -> list[list[dict[str, Any]]]:
    """Return the conditions of the rules of a block: one rule for each protocol."""
    from ..nft import build

    if port is None and protocol is None:
        return [[]]
    numbers = [fault_tables.PROTOCOLS[protocol]] if protocol is not None else list(fault_tables.PROTOCOLS.values())
    ports = build.destination_port(port) if port is not None else []
    return [[*build.meta("L4PROTO", bytes([number])), *ports] for number in numbers]
