"""`rawns ip stats` and `link afstats` beside the text that the real `ip` 6.1 printed of a reply that no kernel here sends.

The reply was put in place of the kernel's (a library preloaded before recvmsg(2)), and the text recorded in `stats_shown.txt`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from rawns import rtnl
from rawns.cli.ip import link_stats, stats
from rawns.cli.ip.context import IpContext

_, REPLY, *REST = (Path(__file__).parent / "stats_shown.txt").read_text().split("\n", 2)
SHOWN = {command: text for command, _, text in (part.partition("\n") for part in REST[0].split("== ")[1:])}
HEADER = 16  # sizeof(struct nlmsghdr)


@pytest.mark.parametrize("command", SHOWN)
def test_the_same_text(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = rtnl.NEWSTATS.unpack(bytes.fromhex(REPLY)[HEADER:])
    ip = IpContext()
    ip.stats, ip.json, ip.oneline, ip.colour = 1, "-j" in command, "-o" in command, "-c" in command
    written: list[str] = []
    monkeypatch.setattr(ip, "write", written.extend)
    if "afstats" in command:
        ip.print_all([link_stats._of_families(body, ip)])
    else:
        ip.print_all([suite.fields(body, ip) for suite in stats.SUITES])
    assert "".join(written) == SHOWN[command]
