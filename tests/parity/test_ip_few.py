"""The small objects of `rawns ip` beside the real `ip`: addrlabel, netconf."""

from __future__ import annotations

import pytest
from universe import Both, two_universes  # noqa: F401 (the fixture `both`)

ADDRLABEL = """
addrlabel help
addrlabel
addrlabel list
addrlabel add prefix fd00::/64 label 9
addrlabel add prefix fd00::/64 label 9
addrlabel add prefix fd01::/64 label 10 dev v1
-j addrlabel
-j -p addrlabel
-o addrlabel
-d addrlabel
addrlabel list nothing
addrlabel del prefix fd00::/64 label 9
addrlabel del prefix fd00::/64
addrlabel add
addrlabel add prefix
addrlabel add prefix x
addrlabel add prefix 10.0.0.0/8 label 4
addrlabel add prefix fd02::/64
addrlabel add label 7
addrlabel add prefix fd02::/64 label x
addrlabel add prefix fd02::/64 label 4294967295
addrlabel add prefix fd02::/64 label 4 dev nope
addrlabel add prefix fd02::/64 label 4 nothing
addrlabel flush
addrlabel list
addrlabel nothing
addrlabel flush x
-4 addrlabel
-4 addrlabel flush
"""
NETCONF = """
netconf help
netconf
netconf show dev v1
-j netconf show dev v1
-j -p netconf
-4 netconf
-6 netconf show
-6 netconf show dev v1
-6 -j netconf show dev lo
-o netconf show dev v1
netconf show dev nope
netconf show nothing
netconf nothing
netconf show dev
-0 netconf
-M netconf
-B netconf
-d netconf show dev v1
netconf show v1
netconf list
"""
CASES = {name.lower(): lines for name, lines in list(globals().items()) if name.isupper() and isinstance(lines, str)}


@pytest.mark.parametrize("object", CASES)
def test_parity(both: Both, object: str) -> None:
    found = both.differences(CASES[object], same_help=True)
    assert not found, "\n".join(found)
