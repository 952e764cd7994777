"""Dummy devices: interfaces that lead nowhere, to hold addresses (ip-link(8))."""

from __future__ import annotations

from ..interface import Interface


class Dummy(Interface):
    """A dummy device: it is up without a wire and drops what is sent.  Equivalent to ``ip link add NAME type dummy``."""

    __slots__ = ()

    kind = "dummy"
    section = "dummies"
    what = "a dummy"
    doc = "an interface that leads nowhere, to hold addresses"
    bridgeable = True


KINDS = {"dummies": Dummy}
