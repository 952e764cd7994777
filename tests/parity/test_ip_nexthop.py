"""`rawns ip nexthop` beside the real `ip nexthop`."""

from __future__ import annotations

import pytest
from universe import Both, two_universes  # noqa: F401 (the fixture `both`)

MORE = """
addr add 192.0.2.1/24 dev v2
nexthop add id 1 via 192.0.2.2 dev v2
nexthop add id 2 via 192.0.2.3 dev v2 proto static
nexthop add id 3 via fd00:0:0:1::3 dev v2
nexthop add id 4 blackhole
nexthop add id 5 dev v2
nexthop add id 6 via 203.0.113.1 dev v2 onlink encap ip id 3 dst 198.51.100.1
nexthop add id 10 group 1/2,5
nexthop add id 11 group 1/2 type resilient buckets 4 idle_timer 60 unbalanced_timer 300
nexthop add id 12 via fd00::3 fdb
nexthop add id 13 group 12 fdb
route add 198.51.100.0/24 nhid 1
route add 198.51.101.0/24 nhid 10
route add 198.51.102.0/24 nhid 4
route add fd0a::/64 nhid 3
"""

SHOW = """
nexthop
ip nexthop
nexthop list
-d nexthop
-j nexthop
-j -p nexthop
-d -j nexthop
-o nexthop
-N -d nexthop
-4 nexthop
-6 nexthop
nexthop show id 11
-d -j -p nexthop show id 11
nexthop show id 99
nexthop show dev v2
nexthop show dev v9
nexthop show groups
nexthop show fdb
nexthop show master br0
nexthop show master v9
nexthop show vrf v2
nexthop show vrf v9
nexthop show proto 4
nexthop show protocol 77
nexthop show proto static
nexthop show id x
nexthop show nothing
nexthop show help
nexthop get id 1
nexthop get id 10
-j nexthop get id 10
nexthop get id 99
nexthop get
nexthop get id
nexthop get id 0
nexthop get nothing
nexthop bucket get id 11 index 9
nexthop bucket get id 11
nexthop bucket get id 1 index 0
nexthop bucket list nothing
nexthop bucket nothing
nexthop bucket help
nexthop bucket show id 10
nexthop help
route
-6 route
-d route
-d -6 route
-j -p -d route
-o -d route
route get 198.51.100.7
route get 198.51.101.7 fibmatch
"""

CHANGE = """
nexthop add id 20 via 192.0.2.9 dev v2
nexthop add id 20 via 192.0.2.9 dev v2
nexthop replace id 20 via 192.0.2.8 dev v2 proto 9
nexthop add via 192.0.2.7 dev v2
nexthop replace id 10 group 1,2/20,255
nexthop
nexthop del id 20
nexthop del id 20
nexthop delete id 4
nexthop
route
nexthop flush proto 4
nexthop flush groups
nexthop flush dev v2
nexthop flush id 3
nexthop flush id 99
nexthop flush
nexthop flush
nexthop
"""

WRONG = """
nexthop nothing
nexthop add
nexthop add help
nexthop add id
nexthop add id x
nexthop add id -1
nexthop add id 20
nexthop add id 20 nothing
nexthop add id 20 dev v9
nexthop add id 20 dev
nexthop add id 20 via
nexthop add id 20 via nothing dev v2
nexthop add id 20 via 192.0.2.9
nexthop add id 20 via 203.0.113.9 dev v2
nexthop add id 20 blackhole dev v2
nexthop add id 20 dev v2 onlink
nexthop add id 20 group
nexthop add id 20 group x
nexthop add id 20 group 1,0
nexthop add id 20 group 1,300
nexthop add id 20 group 1,x
nexthop add id 20 group 1/99
nexthop add id 20 group 1/1
nexthop add id 20 group 1/12
nexthop add id 20 group 1 type
nexthop add id 20 group 1 type nothing
nexthop add id 20 group 1 type resilient
nexthop add id 20 group 1 type resilient buckets x
nexthop add id 20 group 1 type resilient buckets 0
nexthop add id 20 group 1 type resilient buckets 4 nothing
nexthop add id 20 via 192.0.2.9 dev v2 proto nothing
nexthop add id 20 via 192.0.2.9 dev v2 encap nothing
-j nexthop bucket list id 101
-j -p nexthop bucket list id 101
-j route show table 999
-j -p -4 route show table 999
nexthop del
nexthop del id 99
nexthop del id x
nexthop replace
"""


@pytest.mark.parametrize("lines", [SHOW, CHANGE, WRONG], ids=["show", "change", "wrong"])
def test_parity(both: Both, lines: str) -> None:
    both.prepare(MORE)
    found = both.differences(lines)
    assert not found, "\n".join(found)


def test_buckets(both: Both) -> None:
    """The buckets are those of the real program; only how long each was idle differs."""
    import json

    both.prepare(MORE)
    for words in ([], ["list", "id", "11"], ["show", "nhid", "1"], ["show", "dev", "v2"], ["get", "id", "11", "index", "1"]):
        found = []
        for answer in both.ask("-j", "nexthop", "bucket", *words):
            assert answer[0] == 0, answer
            rows = json.loads(answer[1])
            for row in rows:
                row["bucket"].pop("idle_time")
            found.append(rows)
        assert found[0] == found[1]
        shapes = [[line.split()[::2] for line in answer[1].splitlines()] for answer in both.ask("nexthop", "bucket", *words)]
        assert shapes[0] == shapes[1]
