"""Tunnels whose packets travel in the network of another host, as the real ip shows them."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from rawns import Lab
from rawns.lab.document import Source
from rawns.lab.export import data_of
from rawns.lab.readback import live


def described(name: str, kind: str) -> dict[str, Any]:
    ends = (("a", "m1", "10.0.0.1/24", "192.0.2.2"), ("b", "m2", "10.0.0.2/24", "192.0.2.1"))
    tunnels = [
        {"host": host, "name": "eth0", "underlay": carrier, "addresses": address, "remote": remote, "vni": 42, "mtu": 1400}
        for host, carrier, address, remote in ends
    ]
    wires = [{"ends": ["m1:eth0 192.0.2.1/24", "m2:eth0 192.0.2.2/24"]}]
    return {"name": name, "hosts": {host: {} for host in ("m1", "m2", "a", "b")}, "wires": wires, kind: tunnels}


@pytest.mark.parametrize("kind", ["vxlans", "geneves"])
def test_packets_travel_in_the_network_of_the_underlay(kind: str, name: Any) -> None:
    lab = Lab.from_source(Source(described(name().replace(".", "-"), kind)))
    try:
        try:
            lab.up()
        except OSError as error:
            if "Unknown device type" in str(error) or "EOPNOTSUPP" in str(error):
                pytest.skip(f"this kernel has no {kind}: {error}")
            raise
        shown = subprocess.run(
            ["ip", "-n", f"{lab.name}.a", "-j", "-d", "link", "show", "eth0"], check=True, capture_output=True, text=True
        )
        (link,) = json.loads(shown.stdout)
        assert (link["linkinfo"]["info_data"]["id"], link["mtu"], link["operstate"]) == (42, 1400, "UNKNOWN")
        ping = ["ip", "netns", "exec", f"{lab.name}.a", "ping", "-c", "1", "-W", "20", "10.0.0.2"]
        assert subprocess.run(ping, stdout=subprocess.DEVNULL).returncode == 0
        assert Lab.from_source(Source(described(lab.name, kind))).plan() == []
        assert data_of(live(lab.name))[kind] == data_of(lab)[kind]
        subprocess.run(["ip", "netns", "del", f"{lab.name}.m1"], check=True)  # the kernel removes the tunnel with it
        Lab.from_source(Source(described(lab.name, kind))).up()
        assert subprocess.run(ping, stdout=subprocess.DEVNULL).returncode == 0
    finally:
        lab.down()
