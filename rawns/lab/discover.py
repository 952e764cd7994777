"""Labs on this machine, whichever process made them: found, judged and removed by their stamps, without a description."""

from __future__ import annotations

import os

from .. import netns_names
from ..errors import RawnsError
from ..net import NetNS
from ..netns_names import ETC_DIR
from ..rollback import signals_blocked
from . import lock, stamp
from .stamp import LO
from .stamped_names import StampedName, Survey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .removal import Removal
    from .stamp import Stamp

HALF_MADE = "left half-made"


class FoundLab:
    """A lab on this machine: ``hosts`` are names under /run/netns, ``links`` its links in our own namespace."""

    __slots__ = ("_stamped", "links", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.links: list[str] = []
        self._stamped: list[StampedName] = []

    def add(self, one: StampedName) -> None:
        """Add one of its names."""
        self._stamped.append(one)

    @property
    def hosts(self) -> list[str]:
        """Its names that lead to namespaces."""
        return [one.name for one in self._stamped if not one.stale]

    @property
    def state(self) -> str:
        """``standing``, or the process that uses it, or ``left half-made``: the end of a sentence."""
        anchor = min((one for one in self._stamped if one.stamp.state), key=_is_whole, default=None)
        state = anchor.stamp.state if anchor is not None else ""
        if not self._stamped:
            state = stamp.WHOLE
        found = lab_state(self.name, state, {one.stamp.by: one.owner for one in self._stamped})
        return found if self.hosts or found != HALF_MADE else "not visible from here: no name of it leads to a namespace"


def _is_whole(one: StampedName) -> bool:
    """Return whether a stamp says that the lab is whole.  If another says that a process is changing it, that one is newer."""
    return one.stamp.state == stamp.WHOLE


def lab_state(name: str, state: str, owners: Mapping[str, str]) -> str:
    """Return the state of a lab, as the end of a sentence; ``state`` is that in its stamps.

    ``owners`` are the tokens in its stamps, each with what is known of its process (`lock.owner_state`).
    """
    changing = lock.lab_is_locked(name)
    if changing:
        return f"being changed by {changing}"
    if state == stamp.WHOLE:
        return "standing"
    if state:
        owners = {state: lock.owner_state(state)}
    for answer in (lock.ALIVE, lock.UNKNOWN):
        for token in owners:
            if owners[token] == answer:
                return f"in use by {lock.owner_name(token)}"
    return HALF_MADE


def find_labs() -> list[FoundLab]:
    """Return all labs of this machine that have a name under /run/netns, or a link in our namespace; sorted by name.

    What a process holds by descriptors alone ends with it and is not visible to others.  A namespace that cannot be examined
    is left out, unless all of them are: then this raises the first error.
    """
    found: dict[str, FoundLab] = {}
    survey = Survey()
    for one in survey.names:
        if one.stamp.lab:
            found.setdefault(one.stamp.lab, FoundLab(one.stamp.lab)).add(one)
    if survey.unread and not found:
        raise next(iter(survey.unread.values()))
    with NetNS.current() as here:
        for link in here.net.links():
            mark = stamp.read(link.alias)
            if mark is not None and link.index != LO and link.group == stamp.group(mark.lab):
                found.setdefault(mark.lab, FoundLab(mark.lab)).links.append(link.name)
    return [found[name] for name in sorted(found)]


# -- removal ------------------------------------------------------------------------------------------------------


def remove_lab(name: str, wait: float | None = None) -> list[str]:
    """Remove everything that carries a lab's stamp: its names, files, links in our namespace; return what that was.

    A failure does not prevent the other removals.  Raises `RemovalError` for what is left, `InvalidValue` for what cannot
    name a lab, `LabTimeoutError` if ``wait`` is given and the kernel has not removed the last device after so many seconds.
    A lab that does not exist is no error.
    """
    from .removal import RemovalError

    stamp.check_lab_name(name)
    try:
        return _remove_locked(name, wait)
    except (RemovalError, TimeoutError):
        raise
    except RawnsError:  # before anything was removed: the lock, the list of names
        return _remove_locked(name, wait)


def _remove_locked(name: str, wait: float | None) -> list[str]:
    with lock.LabLock(name) as lab_lock:
        if wait is None:
            with signals_blocked():
                survey = Survey()
                gone = _remove(name, survey.of(name), survey.unread)
        else:
            from .wait import RemovalWait

            survey = Survey()
            marked = survey.of(name)
            with RemovalWait([one.name for one in marked if not one.stale], wait):
                gone = _remove(name, marked, survey.unread)
        lab_lock.remove()
        return gone


def _remove(lab: str, marked: list[StampedName], unread: dict[str, Exception]) -> list[str]:
    from . import etc_files
    from .removal import Removal, in_thread

    removal = Removal()
    if os.path.lexists(f"{lock.LOCK_DIR}/{lab}.relay"):
        from .relay_process import end_named

        removal.attempt(f"relay of lab {lab}", end_named, lab)
    # Without the name that says that the lab is whole, the rest is a half-made lab, whose removal `gc` completes.
    first = [one for one in marked if one.stamp.state][: len(marked) - 1]
    with signals_blocked():
        lock.abandon({one.stamp.by for one in marked})
        for one in first:
            removal.attempt(one.name, netns_names.remove, one.name)
        removal.attempt(f"files of lab {lab} under {ETC_DIR}", etc_files.remove_all, lab, [one.name for one in marked], True)
        removal.attempt(f"links of lab {lab} in this namespace", in_thread, remove_root_links, lab)
        for one in marked:
            if one not in first:
                removal.attempt(one.name, netns_names.remove, one.name)
        for name, error in unread.items():
            if name.startswith(f"{lab}."):
                removal.left(name, error)
        removal.finish()
        lock.remove_owner_files({one.stamp.by for one in marked})
    return removal.removed


def remove_root_links(lab: str) -> list[str]:
    """Delete a lab's links in our own namespace; return their names."""
    from .removal import delete_links

    with NetNS.current() as here:
        return delete_links(here.net, lab)


def collect_garbage() -> list[str]:
    """Remove what killed processes have left of labs; return what that was.

    That is half-made labs, labs that should have ended with their process, what an interrupted `up` has added, and relays whose
    labs are gone, or that do not answer.  What
    stands is left alone, and so is everything whose owner is alive or cannot be judged.  Raises `RemovalError` for what
    could not be removed.
    """
    from .removal import Removal

    survey = Survey()
    removal = Removal()
    for one in survey.names:
        if one.abandoned:
            removal.attempt(one.name, netns_names.remove, one.name)
    for lab in dict.fromkeys(one.stamp.lab for one in survey.names if not one.abandoned):
        try:
            with lock.LabLock(lab, wait=False) as lab_lock:
                _collect(lab, lab_lock, removal)
        except lock.LabBusyError:
            continue
        except RawnsError as error:  # one lab must not keep the others from being cleaned up
            removal.left(f"lab {lab}", error)
    _collect_relays(removal)
    with signals_blocked():
        removal.finish()
        _remove_unused_owner_files()
    return sorted(removal.removed)


def _collect_relays(removal: Removal) -> None:
    """End relays whose labs are gone, and those that do not answer."""
    from . import relay_process

    for lab in relay_process.named():
        try:
            with lock.LabLock(stamp.check_lab_name(lab), wait=False) as lab_lock:
                survey = Survey()
                gone = not survey.of(lab) and not any(name.startswith(f"{lab}.") for name in survey.unread)
                if gone or relay_process.hangs(lab):
                    removal.attempt(f"relay of lab {lab}", relay_process.end_named, lab)
                if gone:
                    lab_lock.remove()
        except lock.LabBusyError:
            continue
        except RawnsError as error:
            removal.left(f"relay of lab {lab}", error)
    for pid, lab in relay_process.left_over().items():
        removal.attempt(f"relay of lab {lab} (process {pid})", relay_process.kill_left_over, pid)


def _collect(lab: str, lab_lock: lock.LabLock, removal: Removal) -> None:
    """Remove what is left of one lab whose owner is dead; under its lock."""
    from . import etc_files
    from .removal import in_thread

    mine = [one for one in Survey().of(lab) if not one.abandoned]
    anchor = min((one for one in mine if one.stamp.state and not one.stale), key=_is_whole, default=None)
    state = anchor.stamp.state if anchor is not None else ""
    if anchor is None:
        dead = [one for one in mine if one.dead]
    elif state != stamp.WHOLE and lock.owner_state(state) != lock.DEAD:
        return  # it is being changed by a process that sees other locks
    else:
        candidates = [one for one in mine if one is not anchor and (one.stale or one.stamp.by == state)]
        dead = [one for one in candidates if one.dead]
    with signals_blocked():
        if anchor is not None and state != stamp.WHOLE:
            whole = stamp.Stamp(lab, anchor.stamp.by, stamp.WHOLE, anchor.stamp.features, anchor.stamp.host)
            in_thread(_write_stamp, anchor.name, whole)
        for one in dead:
            removal.attempt(one.name, netns_names.remove, one.name)
        everything = len(dead) == len(mine)
        removal.attempt(f"files of lab {lab} under {ETC_DIR}", etc_files.remove_all, lab, [one.name for one in dead], everything)
        if everything:
            removal.attempt(f"links of lab {lab} in this namespace", in_thread, remove_root_links, lab)
            lab_lock.remove()
        elif anchor is not None:
            lock.reinstate({one.stamp.by for one in mine if one not in dead})


def _write_stamp(name: str, mark: Stamp) -> None:
    from .build_requests import lo

    with NetNS.open(name) as namespace:
        namespace.net.do(lo(str(mark)))


def _remove_unused_owner_files() -> None:
    """Remove the files of past owners that no stamp names.  Whether they are past is asked first: then they stamp nothing."""
    dead = {token for token in lock.owner_tokens() if lock.owner_state(token) in (lock.DEAD, lock.FINISHED)}
    if dead:
        used = {token for one in Survey().names for token in (one.stamp.by, one.stamp.state)}
        lock.remove_owner_files(dead - used)
