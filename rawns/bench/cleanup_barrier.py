"""Wait until the kernel has freed deleted network namespaces.

The kernel frees namespaces later, in a worker, batch by batch, and slows down whatever is measured meanwhile.  To learn when
it has finished, each namespace of a run is given an id in a namespace of the bench (RTM_NEWNSID).  The kernel takes the id
back and announces that (RTM_DELNSID) when the namespace's batch is being freed.  When all ids have been taken back, the barrier
creates and deletes one more namespace that holds the far end of a veth pair.  It is freed in a later batch, so the removal of
the near end (RTM_DELLINK) shows that all earlier batches are done.

The last namespace alone would not be enough: a netlink socket keeps its namespace for one grace period longer, so that a
namespace that was deleted later can be freed earlier.
"""

from __future__ import annotations

from .. import uapi
from ..errors import Interrupted, RawnsError
from ..net import NetNS
from .equivalence import open_namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

TIMEOUT = 60.0  # seconds
NEAR_END = "barrier"


class CleanupBarrier:
    """Tell it with `watch` which namespaces will be deleted; `wait` returns when the kernel has freed them."""

    def __init__(self) -> None:
        self._home = NetNS.create()
        self._watched: set[int] = set()
        try:
            self._monitor = self._home.monitor("link", "nsid")
        except BaseException:
            self._home.close()
            raise

    def watch(self, namespaces: Iterable[str | int]) -> None:
        """Give each namespace, by name or descriptor, an id that the kernel takes back when it frees it."""
        for namespace in namespaces:
            with open_namespace(namespace) as ns:
                number = self._home.net.nsid(ns)
                if number is None:
                    self._home.net.set_nsid(ns)
                    number = self._home.net.nsid(ns)
            if number is not None:
                self._watched.add(number)

    def wait(self) -> None:
        """Block until all watched namespaces, and those deleted before, are freed.

        Raises `RawnsError` if nothing is freed for `TIMEOUT` seconds: another process holds one of them.
        """
        watched, self._watched = self._watched, set()
        self._until_freed(watched, link=False)
        with NetNS.create() as last:
            self._home.net.add_veth(NEAR_END, peer="far", peer_ns=last)
        self._until_freed(set(), link=True)

    def _until_freed(self, ids: set[int], link: bool) -> None:
        while ids or link:
            try:
                events = self._monitor.receive(TIMEOUT)
            except Interrupted:
                self._drain()
                ids &= set(self._home.net.nsids())
                link = link and NEAR_END in [one.name for one in self._home.net.links()]
                continue
            if not events:
                waiting = f"the kernel has not freed {len(ids) or 1} deleted namespaces within {TIMEOUT:.0f} s"
                raise RawnsError(f"{waiting}; another process holds them")
            for event in events:
                if event.kind == uapi.RTM_DELNSID:
                    ids.discard(event.body.get("NETNSA_NSID", -1))
                elif event.kind == uapi.RTM_DELLINK:
                    link = False

    def _drain(self) -> None:
        """Empty the socket's queue after events were lost.

        While the queue has not been empty once, the kernel drops further events without reporting that again.
        """
        while True:
            try:
                if not self._monitor.receive():
                    return
            except Interrupted:
                pass

    def close(self) -> None:
        """Close the monitor and the bench's namespace; may be called again."""
        self._monitor.close()
        self._home.close()

    def __enter__(self) -> CleanupBarrier:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
