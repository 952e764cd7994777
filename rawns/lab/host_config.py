"""What differs of a host besides rtnetlink: settings under /proc/sys, address translation, files for /etc.

The changes are made in the host's turn, after its datagram.
"""

from __future__ import annotations

from _functools import partial  # type: ignore[import-not-found]  # the C type alone: `functools` costs 2 ms

from .. import sysctl
from ..errors import KernelError, SyscallError
from ..netns_names import ETC_DIR
from ..terminal import printable
from . import etc_files, stamp
from .change import Change
from .kernel_state import firewall_table, nat_table, settings_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..nft.nat import Nat, NatTable
    from .faults import Fault
    from .host import Host
    from .kernel_state import NamespaceState


def changes(host: Host, state: NamespaceState | None) -> Iterator[Change]:
    """Yield what differs; everything that is described, if the host is to be created."""
    yield from _sysctls(host, state)
    yield from _nat(host, state.nats if state is not None else None)
    yield from _firewall(host, state.firewall if state is not None else [])
    if state is not None and state.faults:
        yield from _faults(host, state)
    if host.name is not None:
        yield from _files(host)


def _firewall(host: Host, there: list[str] | None) -> Iterator[Change]:
    if not host.firewall and there == []:
        return
    from ..nft.firewall import FirewallRule, ordered

    wanted = ordered(FirewallRule(one) for one in host.firewall)
    if wanted == there:
        return
    sign = "+" if there == [] else "~" if wanted else "-"
    now = "other rules" if there is None else f"{len(there)} rules"
    what = "; ".join(wanted) if sign == "+" else f"{now} -> {'; '.join(wanted) or 'none'}"
    back = partial(_set_firewall, host, there or [])
    yield Change(sign, f"firewall of {host.label}: {what}", host, host.where).with_action(
        partial(_set_firewall, host, wanted), back
    )


def _set_firewall(host: Host, rules: list[str]) -> None:
    name = firewall_table(host.lab.name)
    if rules:
        host.net.nft.set_firewall(name, rules, str(stamp.Stamp(host.lab.name)))
    else:
        _no_table(host, name)


def _faults(host: Host, state: NamespaceState) -> Iterator[Change]:
    """Yield what verbs have done at run time to keep the host from others: it is not described."""
    for fault in state.faults:
        change = Change("-", f"{fault.words} (in {host.label})", host)
        yield change.with_action(partial(_remove_fault, host, fault), None)


def _remove_fault(host: Host, fault: Fault) -> None:
    from .faults import remove

    remove(host.net, [fault])


def _sysctls(host: Host, state: NamespaceState | None) -> Iterator[Change]:
    there = state.sysctls if state is not None else {}
    for key, value in settings_of(host, state).items():
        now = there.get(key)
        if now is None or not sysctl.same(now, value):
            what = f"{key} of {host.label}: {value}" if now is None else f"{key} of {host.label}: {printable(now)} -> {value}"
            change = Change("~" if state is not None else "+", what, host, host.where)
            yield change.with_action(partial(_set, host, key, value), None if now is None else partial(host.setting, key, now))


def _set(host: Host, key: str, value: str) -> None:
    """Set one setting.  Raises `SyscallError`, which names the host and its line."""
    try:
        host.setting(key, value)
    except SyscallError as error:
        below = getattr(host.where, "below", None)  # a `document.Where`
        where = below("sysctl", key).place if below is not None else host.where
        place = f", {where}" if where else ""
        hint = f"{error.hint}, " if error.hint else ""
        error.hint = f"{hint}for {key} of {printable(host.label)}{place}"
        raise


def _nat(host: Host, there: NatTable | None) -> Iterator[Change]:
    name, wanted = nat_table(host.lab.name), sorted(host.nats, key=lambda nat: nat.out)  # as they are read back
    if wanted == (there.nats if there is not None else []):
        return
    before = there.nats if there is not None else None
    back = partial(_nat_now, host, before) if before else partial(_no_table, host, name)
    if wanted:
        what = f"nat of {host.label} out of {', '.join(one.out for one in wanted)}"
        change = Change("~" if there is not None else "+", what, host, host.where)
        yield change.with_action(partial(_nat_now, host, wanted), back)
    elif there is not None:
        yield Change("-", f"nat of {host.label}", host).with_action(partial(_no_table, host, name), back)


def _nat_now(host: Host, nats: list[Nat]) -> None:
    host.net.nft.set_nat(nat_table(host.lab.name), nats, str(stamp.Stamp(host.lab.name)))


def _no_table(host: Host, name: str) -> None:
    try:
        host.net.nft.delete_table(name)
    except KernelError as error:
        if error.code != "ENOENT":
            raise


def _files(host: Host) -> Iterator[Change]:
    folder, wanted = f"{ETC_DIR}/{host.name}", host.files or {}
    for file in dict.fromkeys([*wanted, *etc_files.listed(folder)]):
        path = f"{folder}/{file}"
        there, text = etc_files.read(path), wanted.get(file)
        then = etc_files.content(host, text) if text is not None else None
        if there != then:
            sign = "-" if then is None else "+" if there is None else "~"
            change = Change(sign, f"/etc/{file} of {host.label}", host, host.where)
            yield change.with_action(partial(etc_files.write, path, then), partial(etc_files.write, path, there))
