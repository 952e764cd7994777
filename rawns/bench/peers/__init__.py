"""The other implementations: plain C, ``ip``, pyroute2, unshare and nsenter, busybox, Mininet.

What they set up is what rawns sets up; each declares in ``differences`` what it leaves out on purpose, such as a lab's stamp.
This is the only part of the package that imports more than the standard library (cffi, pyroute2, Mininet; the first two come
with the extra ``rawns[bench]``), and only if they are installed.
"""

from __future__ import annotations

from ..harness import Unavailable
from . import c, ip, mininet_api, pyroute2_api, util_linux
from .source import PeerMissing, PeerSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..harness import Implementation

SOURCES = [c.SOURCE, ip.SOURCE, *util_linux.SOURCES, pyroute2_api.SOURCE, mininet_api.SOURCE]


class Peers:
    """The programs that this machine has, with their versions, and those that it has not."""

    def __init__(self, sources: Sequence[PeerSource] = SOURCES) -> None:
        self.unavailable: list[Unavailable] = []
        self._available: list[tuple[PeerSource, str]] = []
        for source in sources:
            try:
                self._available.append((source, source.find()))
            except PeerMissing as missing:
                self.unavailable.append(Unavailable(source.name, str(missing)))

    def implementations(self, case: str) -> list[Implementation]:
        """Return all implementations for a case, by the case's name."""
        return [one for source, version in self._available for one in source.implementations(case, version)]
