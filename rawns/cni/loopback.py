"""The plugin loopback: sets ``lo`` of the container up."""

from __future__ import annotations

from ..errors import KernelError
from ..objects import prefix
from .plugin import CniPlugin, different
from .result import CniResult

ADDRESSES = ("127.0.0.1/8", "::1/128")
NO_MAC = "00:00:00:00:00:00"


class LoopbackPlugin(CniPlugin):
    """Set the container's ``lo`` up."""

    name = "loopback"
    summary = "sets lo of the container up"

    def add(self) -> CniResult:
        net = self.call.pod.net
        net.set_link("lo", up=True)
        previous = self.call.previous()
        if previous is not None:
            return previous
        there = {str(one) for one in net.addresses("lo")}
        result = CniResult([{"address": prefix.parse(one), "interface": 0} for one in ADDRESSES if one in there])
        result.add_interface("lo", NO_MAC, self.call.netns_path)
        return result

    def check(self) -> None:
        if not self.call.pod.net.link("lo").up:
            raise different("lo of the container is down")

    def delete(self) -> None:
        inside = self.call.pod_if_any
        if inside is not None:
            try:
                inside.net.set_link("lo", up=False)
            except KernelError:
                pass  # the namespace is ending
