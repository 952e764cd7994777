"""Changes of an interface's shape: the tc requests, and the orders to the relay if this kernel lacks netem."""

from __future__ import annotations

from _functools import partial  # type: ignore[import-not-found]  # the C type alone: `functools` costs 2 ms

from . import build_requests, netem_support, relay_client, relay_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..nlmsg import Request
    from ..objects.qdisc import Shape
    from .change import Change
    from .host import Host
    from .interface import Interface


def shape_of(one: Interface) -> Shape | None:
    """Return the shape that an interface is described with."""
    from ..objects.qdisc import Shape

    return Shape(**one.shape) if one.shape else None


def requests(one: Interface, now: Shape | None, relayed_now: bool, then: Shape | None, relayed_then: bool) -> list[Request]:
    """Return the tc requests that change a shape; only those for its rate if a relay does the rest."""
    made = then.requests(one.index, netem=not relayed_then) if then is not None else []
    if not made and now is not None and (now.rate or not relayed_now):
        return [build_requests.unshape(one)]
    return [one.labelled(request) for request in made]


def creation(one: Interface) -> list[Request]:
    """Return the requests that shape an interface that has just been created."""
    then = shape_of(one)
    return requests(one, None, False, then, netem_support.needs_relay(then))


def set_requests(change: Change, host: Host, one: Interface, now: Shape | None, relayed_now: bool, then: Shape | None) -> Change:
    """Add to a change the requests and actions that turn one shape into another, and those that undo it."""
    relayed_then = netem_support.needs_relay(then)
    change.requests = requests(one, now, relayed_now, then, relayed_then)
    change.undo = requests(one, then, relayed_then, now, relayed_now)
    if relayed_now or relayed_then:
        change.action = partial(_carry, host, one, then if relayed_then else None)
        change.undo_action = partial(_carry, host, one, now if relayed_now else None)
    return change


def _carry(host: Host, one: Interface, shape: Shape | None) -> None:
    """Divert what an interface sends to the relay; without a shape, stop diverting it."""
    if shape is None:
        relay_client.give_back(host, one.name or "")
    else:
        relay_client.divert(host, one, shape)


def carried(lab: Any) -> set[tuple[str, str]]:
    """Return the label of the host and the name of each interface that a lab's relay serves; none if the relay has ended."""
    try:
        control: relay_process.RelayControl | None
        control = lab.relay_control if not lab.outlives_process else relay_process.relay_of(lab, start=False)
        return set(control.served()) if control is not None else set()
    except relay_process.RelayError:
        return set()
