"""Features that this kernel lacks are named by the options of its build, which /proc/config.gz confirms."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from rawns import KernelError, NetNS
from rawns.kernel_options import LINK_KINDS

CONFIGURATION = Path("/proc/config.gz")


def options() -> dict[str, str]:
    if not CONFIGURATION.exists():
        pytest.skip(f"this kernel was built without {CONFIGURATION} (CONFIG_IKCONFIG_PROC)")
    lines = gzip.decompress(CONFIGURATION.read_bytes()).decode().splitlines()
    return dict(line.split("=", 1) for line in lines if line.startswith("CONFIG_"))


def test_a_kind_of_link_that_the_kernel_does_not_know_is_refused_with_its_option() -> None:
    built, refused = options(), 0
    with NetNS.create() as ns:
        for kind, option in LINK_KINDS.items():
            try:
                ns.net.add_link("probe", kind)
                ns.net.delete_link("probe")
                known = True
            except KernelError as error:
                known = error.message != "Unknown device type"
                refused += not known
                assert known or error.hint == f"this kernel has no links of kind {kind} (CONFIG_{option})"
            assert built.get(f"CONFIG_{option}", "n") in (("y", "m") if known else ("n", "m")), (kind, option)
        assert refused == 0 or "CONFIG_" not in hint_of(ns, "no-such-kind")


def hint_of(ns: NetNS, kind: str) -> str:
    with pytest.raises(KernelError) as refused:
        ns.net.add_link("probe", kind)
    return refused.value.hint


@pytest.mark.parametrize(
    ("option", "word"),
    [("CONFIG_BRIDGE_VLAN_FILTERING", "VLAN filtering"), ("CONFIG_BRIDGE_IGMP_SNOOPING", "multicast snooping")],
)
def test_features_of_bridges(option: str, word: str) -> None:
    attribute = {"VLAN filtering": "IFLA_BR_VLAN_FILTERING", "multicast snooping": "IFLA_BR_MCAST_SNOOPING"}[word]
    with NetNS.create() as ns:
        if options().get(option) == "y":
            ns.net.add_link("b", "bridge", {attribute: 1})
            assert ns.net.link("b").data[attribute] == 1
        else:
            with pytest.raises(KernelError, match=rf"this kernel has no {word} of bridges \({option}\)"):
                ns.net.add_link("b", "bridge", {attribute: 1})


def test_queueing_disciplines() -> None:
    with NetNS.create() as ns:
        if "CONFIG_NET_SCH_NETEM" in options():
            ns.net.shape("lo", delay="1ms")
        else:
            with pytest.raises(KernelError, match=r"no queueing discipline netem \(CONFIG_NET_SCH_NETEM, module sch_netem\)"):
                ns.net.shape("lo", delay="1ms")
