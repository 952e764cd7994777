"""The common part of bridge and ptp: the cable of a container and its tables of nf_tables, and how both are removed."""

from __future__ import annotations

from . import nat_tables, pod
from .ipam import InterfacePlugin


class CablePlugin(InterfacePlugin):
    """Connect a container by a cable (veth), whose end on the node is named after the attachment."""

    def delete(self) -> None:
        for key, family in (("ipMasq", nat_tables.INET), ("macspoofchk", nat_tables.BRIDGE)):
            if self.config.get(key):
                nat_tables.remove(self.call, family)
        pod.delete_cable(self.call)
        super().delete()

    def collect(self) -> None:
        pod.delete_stale(self.call)
        nat_tables.collect(self.call)
        super().collect()
