"""Why a host does not reach another one across machines: the description, the network between the machines, each machine.

The checks run in this order, and the first fault that is found is returned:

1. every machine's part is as described (`Lab.compare`);
2. an echo request between the hosts is answered: then there is no fault;
3. each two machines with a wire between them reach each other, also with packets of the size that the tunnels send;
4. frames of the tunnels arrive at the far machine (a packet socket there sees them);
5. what `rawns why` says on the machine of the source, and for the way back on that of the target.
"""

from __future__ import annotations

from ..errors import InvalidValue
from ..lab.segments import Segments
from ..terminal import printable
from .connection import MachineError
from .split import crossing, segment_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..lab.host import Host
    from .distributed_lab import DistributedLab
    from .split import CrossMachineWire

SECONDS = 3.0  # for an answer; address resolution takes up to three


class CrossMachineDiagnosis:
    """True if the target is reached.  ``sentence`` says how fast, or which fault prevents it; ``remedy`` is a command."""

    def __init__(self, ok: bool, sentence: str, remedy: str = "") -> None:
        self.ok, self.sentence, self.remedy = ok, sentence, remedy

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return self.sentence + (f"\n  $ {self.remedy}" if self.remedy else "")


def why(lab: DistributedLab, source: str, target: str, file: str = "FILE") -> CrossMachineDiagnosis:
    """Find out whether one host reaches another; ``file`` stands in remedies.  Raises `MachineError`, `InvalidValue`."""
    one, other = lab.host(source), lab.host(target)
    address = _address(one, other)
    for name, state in lab.status().items():
        differences = state["differences"]
        if differences:
            more = f" (and {len(differences) - 1} more differences)" if len(differences) > 1 else ""
            text = f"machine {name} is not as described: {differences[0]}{more}"
            return CrossMachineDiagnosis(False, text, f"rawns lab up {file}")
    echo = lab.echo(one, address, SECONDS)
    if echo.ok:
        return CrossMachineDiagnosis(True, f"{source} reaches {target} {address} in {echo.rtt * 1000:.2f} ms")
    wires = crossing(lab.lab)
    found = _underlay(lab, wires) or _tunnels(lab, wires, one, address)
    if found is not None:
        return found
    for here, there, to in ((one, other, address), (other, one, _address(other, one))):
        machine = str(here.machine)
        answer = lab.call(machine, "why", data=lab.parts()[machine], source=here.label, target=to)
        if not isinstance(answer, dict) or not answer.get("ok"):
            text = str(answer.get("text", "") if isinstance(answer, dict) else "")
            said = "\n".join(printable(line) for line in text.splitlines())
            text = f"{here.label} does not reach {there.label} {to}; on machine {machine}: {said}"
            return CrossMachineDiagnosis(False, text)
    return CrossMachineDiagnosis(False, f"{source} does not reach {target} {address}: {echo.why}; no check has found why")


def _address(source: Host, target: Host) -> str:
    """Return the target's address in a network that the source is in, or else its first."""
    near = {one.network for interface in source.interfaces for one in interface.addresses}
    found = [one for interface in target.interfaces for one in interface.addresses]
    if not found:
        raise InvalidValue(f"{target.label} has no address")
    return next((one.address for one in found if one.network in near), found[0].address)


def _underlay(lab: DistributedLab, wires: list[CrossMachineWire]) -> CrossMachineDiagnosis | None:
    addresses = lab.addresses
    for here, there in sorted({way for wire in wires for way in (wire.machines, wire.machines[::-1])}):
        for size in (56, lab.underlay_mtu(here, there)):
            reason = lab.call(here, "reach", peer=addresses[there], size=size)
            if reason:
                what = "" if size == 56 else f" with packets of {size} bytes, which the route promises"
                text = f"machine {here} does not reach machine {there} {addresses[there]}{what}: {printable(str(reason))}"
                return CrossMachineDiagnosis(False, text)
    return None


def _tunnels(lab: DistributedLab, wires: list[CrossMachineWire], source: Host, address: str) -> CrossMachineDiagnosis | None:
    """Watch on every other machine for the tunnels' frames while the source sends, and compare what is seen with what is due."""
    addresses, here = lab.addresses, str(source.machine)
    facing = [name for name in lab.lab.machines if any({here, name} == set(wire.machines) for wire in wires)]
    for name in facing:
        lab.call(name, "watch", peer=addresses[here])
    lab.echo(source, address, SECONDS)
    mine, segments = {wire.vni for wire in wires}, Segments(lab.lab)
    own = {segment_of(segments, one) for one in source.interfaces}
    for name in facing:
        seen = lab.call(name, "watched")
        if not isinstance(seen, dict) or not isinstance(seen.get("arrived"), list):
            raise MachineError(name, "it sent what is not an answer")
        sent = {wire.vni for wire in wires if set(wire.machines) == {here, name}}
        arrived, dropped = {one for one in seen["arrived"] if isinstance(one, int)}, seen.get("dropped")
        if arrived & sent and dropped:
            text = f"frames of {here} arrive at machine {name}, and a rule there drops them: {printable(str(dropped))}"
            return CrossMachineDiagnosis(False, text)
        if arrived - mine and not arrived & sent:
            text = f"machine {name} receives frames of {here} with other numbers (VNI {min(arrived)}) than its tunnels have"
            return CrossMachineDiagnosis(False, text)
        if not arrived and any(_segments_of(segments, wire) & own for wire in wires if set(wire.machines) == {here, name}):
            text = f"UDP to port 4789 of machine {name} {addresses[name]} does not arrive there: a firewall between them drops it"
            return CrossMachineDiagnosis(False, text)
    return None


def _segments_of(segments: Segments, wire: CrossMachineWire) -> set[int | None]:
    return {segment_of(segments, end) for end in wire.ends}
