"""BIRD between four routers in a ring: OSPF finds the routes, and the way round when a link fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import needs

pytestmark = [needs.program("bird", "bird2")]
SECONDS = 60.0
CONFIGURATION = """
router id 10.255.0.{number};
protocol device {{ scan time 1; }}
protocol direct {{ ipv4; interface "lo"; }}
protocol kernel {{ ipv4 {{ export all; }}; }}
protocol ospf v2 {{
    ipv4 {{ export all; }};
    area 0 {{
        interface "eth*" {{ type ptp; hello 1; dead 4; retransmit 2; }};
        interface "lo" {{ stub; }};
    }};
}}
"""


def test_routes_go_round_a_link_that_fails(lab: Any, tmp_path: Path) -> None:
    routers = [lab.netns(label=f"r{number}") for number in range(1, 5)]
    for router in routers:
        router.forward()
    for number, router in enumerate(routers):
        following = routers[(number + 1) % 4]
        lab.wire(router.port(None, f"10.0.{number}.1/30"), following.port(None, f"10.0.{number}.2/30"))
    lab.up()
    for number, router in enumerate(routers, 1):
        router.net.add_address("lo", f"10.255.0.{number}/32")
        file = tmp_path / f"r{number}.conf"
        file.write_text(CONFIGURATION.format(number=number))
        router.start(
            ["bird", "-f", "-c", str(file), "-s", str(tmp_path / f"r{number}.ctl"), "-P", str(tmp_path / f"r{number}.pid")]
        )
    first, second = routers[:2]
    wait_for_route(first, "10.255.0.3")
    wait_for_route(first, "10.255.0.2")
    assert first.net.route_to("10.255.0.2").gateway == "10.0.0.2"
    second.ports[0].set_down()
    wait_for_route(first, "10.255.0.2", other_than="10.0.0.2")
    assert first.run(["ping", "-nq", "-c1", "-w30", "10.255.0.2"], capture_output=True).returncode == 0


def wait_for_route(host: Any, address: str, other_than: str | None = None) -> None:
    """Wait until a host has a route by which an address answers; the kernel reports each route that BIRD sets."""
    from rawns import RawnsError
    from rawns.events import wait_until

    def found() -> bool:
        try:
            via = host.net.route_to(address).gateway
        except RawnsError:
            return False
        return via is not None and via != other_than

    with host.monitor("route") as monitor:
        wait_until(found, monitor, timeout=SECONDS, what=f"a route of {host.label} to {address}")
