"""The result of `rawns.why`."""

from __future__ import annotations

from .. import uapi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .flow import Flow
    from .hop import CheckResult, NetworkFault


class Diagnosis:
    """Whether A reaches B, and if not, the fault. True if A reaches B; ``str()`` is what `rawns why` prints.

    ``origin`` and ``destination`` are the ends by their names, ``source`` and ``target`` the addresses (None if none was found),
    ``family`` is AF_INET or AF_INET6, ``protocol`` ``"icmp"``, ``"tcp"`` or ``"udp"``, ``port`` the port or None. ``checks``
    are the checks that were made, ``fault`` the first fault or None. ``rtt`` is the round trip in seconds, without address
    resolution; None if no answer came. ``hops`` is the number of IP stacks that the packet entered on its way. ``refuted`` is
    a fault that an answer from B has shown not to exist, or not now. ``filters`` are the base chains of nf_tables on the way,
    with hook and priority.
    """

    def __init__(self, origin: str, destination: str, family: int, flow: Flow) -> None:
        self.origin, self.destination, self.family = origin, destination, family
        self.protocol, self.port = flow.protocol, flow.port
        self.target: str | None = None
        self.source: str | None = None
        self.checks: list[CheckResult] = []
        self.filters: list[str] = []
        self.fault: NetworkFault | None = None
        self.refuted: NetworkFault | None = None
        self.rtt: float | None = None
        self.hops = 0

    def __bool__(self) -> bool:
        return self.fault is None

    def __str__(self) -> str:
        if self.fault is not None:
            command = self.fault.command
            return f"{self.fault.sentence}\n    {command}" if command else self.fault.sentence
        port = "" if self.port is None else f" {self.protocol.upper()} port {self.port}"
        where = self.destination if self.destination == self.target else f"{self.destination} ({self.target})"
        took = "" if self.rtt is None else f" in {self.rtt * 1000:.3f} ms"
        if self.refuted is not None:
            return f"{self.origin} reaches {where}{port}{took}, for now: {self.refuted.sentence}"
        return f"{self.origin} reaches {where}{port}{took}: {_count(len(self.checks), 'check')}, {_count(self.hops, 'hop')}"

    def __repr__(self) -> str:
        return f"<Diagnosis from {self.origin} to {self.destination}: {self.fault or 'reached'}>"

    def data(self) -> dict[str, Any]:
        """Return the diagnosis as data, for JSON: ``rawns why --json``."""
        fault = self.fault
        told = None
        if fault is not None:
            told = {"check": fault.check, "where": fault.subject, "sentence": fault.sentence, "command": fault.command or None}
        return {
            "from": self.origin,
            "to": self.destination,
            "family": "inet6" if self.family == uapi.AF_INET6 else "inet",
            "protocol": self.protocol,
            "port": self.port,
            "source": self.source,
            "target": self.target,
            "reaches": fault is None,
            "rtt_ms": None if self.rtt is None else round(self.rtt * 1000, 3),
            "hops": self.hops,
            "fault": told,
            "refuted": None if self.refuted is None else self.refuted.sentence,
            "filters": self.filters,
            "checks": [{"check": one.check, "where": one.subject, "ok": one.fault is None} for one in self.checks],
        }


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
