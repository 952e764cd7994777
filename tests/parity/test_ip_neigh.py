"""`rawns ip neighbour` beside the real `ip neighbour`: the same words, and every byte of the answers compared.

The order of neighbours is that of a hash table, which is different in each namespace.
"""

from __future__ import annotations

from universe import Both, two_universes  # noqa: F401 (the fixture `both`)

LINES = """
neigh
neigh add 10.0.0.10 lladdr 02:00:00:00:00:01 dev v2 nud permanent
neigh add 10.0.0.20 lladdr 02:00:00:00:00:02 dev v2 nud reachable
neigh add 10.0.0.30 lladdr 02:00:00:00:00:03 dev v2 nud stale
neigh add 10.0.0.70 lladdr 02:00:00:00:00:07 dev v2 nud noarp
neigh add 10.0.0.80 lladdr 02:00:00:00:00:08 dev v2 nud none
neigh add proxy 10.0.0.99 dev v2
neigh add 10.0.0.77 lladdr 02:00:00:00:00:77 dev v2 router extern_learn protocol static
neigh add fd00::5 lladdr 1:2:3:4:5:6 dev v2
neigh replace 10.0.0.10 lladdr 02:00:00:00:00:11 dev v2
neigh change 10.0.0.10 lladdr 02:00:00:00:00:12 dev v2 nud perm
neigh chg 10.0.0.123 lladdr 02:00:00:00:00:12 dev v2
neigh add 10.0.0.10 lladdr 02:00:00:00:00:01 dev v2
neigh show dev v2
-j neigh show dev v2
-j -p neigh show dev v2
-d neigh show dev v2
-o neigh show dev v2
-br neigh show dev v2
-N neigh show dev v2
-4 neigh show dev v2
-6 neigh show dev v2
neigh show nud all dev v2
neigh show nud noarp
neigh show nud permanent
neigh show nud perm nud stale
neigh show nud none
neigh show nud 128
neigh show nud 3
neigh show nud frob
neigh show proxy
-j neigh show proxy
neigh show proxy dev v2
neigh show proxy dev v3
neigh show 10.0.0.0/27 dev v2
neigh show to 10.0.0.10
neigh show 10.0.0.10 dev v3
neigh show unused dev v2
neigh show nomaster dev v2
neigh show master br0
neigh show vrf br0
neigh show protocol static
neigh show protocol all dev v2
neigh show protocol frob
neigh show frob
neigh show dev frob
neigh show dev v2 dev v3
neigh show help
neigh get 10.0.0.10 dev v2
neigh get 10.0.0.222 dev v2
neigh get proxy 10.0.0.99 dev v2
-j neigh get 10.0.0.10 dev v2
neigh get fd00::5 dev v2
neigh get
neigh get 1.1.1.1
neigh get 1.1.1.1 dev frob
neigh add
neigh add 1.1.1.1
neigh add 1.1.1.1 dev nope
neigh add 1.1.1.1 lladdr zz dev v2
neigh add 1.1.1.1 lladdr null dev v2
neigh add 1.1.1.1/24 dev v2
neigh add 1.1.1.1 1.1.1.2 dev v2
neigh add 1.1.1.1 lladdr 1:2:3:4:5:6 lladdr 1:2:3:4:5:6 dev v2
neigh add 1.1.1.1 nud frob dev v2
neigh add 1.1.1.1 proxy 1.1.1.2 dev v2
neigh add 1.1.1.1 protocol frob dev v2
neigh add help
neigh frob
neigh help
neigh del 10.0.0.10 dev v2
neigh del 10.0.0.10 dev v2
neigh del proxy 10.0.0.99 dev v2
neigh add proxy 10.0.0.98
neigh show proxy
neigh del proxy 10.0.0.98
neigh del proxy 10.0.0.98
neigh flush
neigh flush dev frob
-s neigh flush dev v2 nud permanent
-s neigh flush dev v2
-s neigh flush dev v2
neigh show dev v2
neigh show nud all dev v2
neigh flush all
neigh flush nud all
"""


def test_ip_neighbour(both: Both) -> None:
    assert not both.differences(LINES, same_help=True, ordered=False)
