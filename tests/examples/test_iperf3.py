"""iperf3 through ``rate = "100mbit"``: the rate counts Ethernet frames, so that headers leave 95.6 Mbit/s for TCP's data."""

from __future__ import annotations

import json
from typing import Any

import needs
import pytest

pytestmark = [needs.program("iperf3", "iperf3")]
MSS, FRAME = 1448, 1514  # bytes of data (IPv4 and TCP with timestamps) in a frame, without preamble and checksum
EXPECTED = 100e6 * MSS / FRAME


def test_rate_is_that_of_frames(lab: Any) -> None:
    server, client = lab.netns(label="server"), lab.netns(label="client")
    lab.wire(server.port("eth0", "10.0.0.1/24"), client.port("eth0", "10.0.0.2/24", shape={"rate": "100mbit"}))
    lab.up()
    server.start(["iperf3", "-s", "-1"], ready="port 5201")
    done = client.run(["iperf3", "-c", "10.0.0.1", "-t", "4", "-O", "1", "-J"], capture_output=True, check=True)
    received = json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"]
    print(f"{received / 1e6:.2f} Mbit/s, {EXPECTED / 1e6:.2f} expected")
    assert received == pytest.approx(EXPECTED, rel=0.03)
