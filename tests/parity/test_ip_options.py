"""Every global option with the show command of every object, beside the real `ip`."""

from __future__ import annotations

import difflib
import re
from itertools import product

from universe import Answer, Both, two_universes  # noqa: F401 (the fixture `both`)

STATE = """
addr add 10.4.0.1/24 dev v2 label v2:x valid_lft 5000 preferred_lft 4000
route add 10.7.0.0/16 via 10.0.0.9 dev v3 metric 5 mtu 1300
route add blackhole 10.8.0.0/16 table 7
route add 10.6.0.0/16 nexthop via 10.0.0.9 dev v3 weight 2 nexthop via 10.0.0.8 dev v3
route add fd07::/64 via fd00::9 dev v3 metric 7 pref high
route add unreachable fd08::/64 table 300 proto static
neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev v3 nud permanent
neigh add fd00::9 lladdr 02:00:00:00:00:0a dev v3 nud stale router
neigh add proxy 10.0.0.77 dev v3
rule add pref 5 from 10.0.0.0/8 fwmark 7 lookup 300
rule add pref 6 to 10.9.0.0/16 iif v3 prohibit
mrule add pref 3 table 9
nexthop add id 1 via 10.4.0.9 dev v2
nexthop add id 2 blackhole
nexthop add id 9 group 1 type resilient buckets 2
addrlabel add prefix fd07::/64 dev v3 label 77
netns set a 5
token set ::5 dev v3
tuntap add dev tap7 mode tap
link set tap7 address 02:00:00:00:00:77
link property add dev v3 altname other-name
"""
PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
COMMANDS = """
address
addrlabel
maddress show dev v3
route
route show table all dev v3
route get 10.7.0.1
rule
neigh
neigh show proxy
ntable show dev v3 name arp_cache
link
tuntap
token
mroute
mrule
netns
netns list-id
netconf
vrf
nexthop
nexthop bucket
tunnel
stats show dev tap7
link xstats type bridge
""".strip().splitlines()
OPTIONS = """
-4
-6
-0
-B
-M
-s -s
-d
-j
-j -p
-br
-o
-c=always
-r
-t -ts -a -force -rc 4096 -l 3 -echo
-N
-iec -h -s
-n b
-j -d -s -p
-j -br
-j -N -o
-j -6
-j -0
-d -s -o
-br -c=always -4
-br -6 -s
-c=always -d -N
-c=always -o -6
-s -d -B
""".strip().splitlines()
# `ip` stops in the middle of a document; the manual says so.
DIFFERENT = {"-j -0 addrlabel", "-j -0 rule"}

# How long a neighbour is reachable is drawn at random, references come and go, time passes, and packets are sent.
_NUMBER = r'"?:?[ ]?[\d./]+'
VOLATILE = re.compile(
    rf"""\b(?:reachable|refcnt|idle_time|valid_lft|preferred_lft|\w+_life_time|expires|refcnt){_NUMBER}(?:sec)?
    | \b(?:hash_rnd|entries|lookups|hits|res_failed|periodic_gc_runs){_NUMBER}
    | \b(?:last_rand|last_flush)"?:?[ ]?"?[-\d: ]+
    | [ ](?:ref|used|users|age)[ ][\d/]+(?:sec)?(?![\d/])
    | "(?:bytes|packets|dropped|multicast|used|users|age|updated|confirmed|refcnt)":[ ]?\d+,?
    | (?<=\d{{2}})\ \d+(?=probes|PERMANENT|STALE)  # seconds since a neighbour was used
    | (?<=[0-9a-f]{{2}})\ ?\d+(?=probes|[A-Z])  # seconds since a neighbour was used, printed without a blank behind them
    | ^readlink:.*\n  # of processes that another mount namespace hides
    | (?<=\ )\d+(?=\ [ \d]*(?:$|\\))  # in a line of counters""",
    re.VERBOSE | re.MULTILINE,
)


def stable(answer: Answer) -> list[str]:
    """Return the lines of an answer without what changes by itself; blanks count as one there."""
    texts = [VOLATILE.sub("", str(part)) for part in answer[1:]]
    return [f"status {answer[0]}", *[re.sub(r"^ +(?= *$)", "", line) for text in texts for line in [*text.splitlines(), ""]]]


def difference(line: str, real: Answer, ours: Answer) -> str:
    """Return how two answers to a line differ; empty if they do not."""
    texts = [stable(real), stable(ours)]
    if texts[0] == texts[1]:
        return ""
    return "\n".join([f"ip {line}", *list(difflib.unified_diff(texts[0], texts[1], "real", "ours", n=0, lineterm=""))[2:12]])


def test_every_option_with_every_object(both: Both) -> None:
    both.prepare(STATE)
    for universe in (both.real, both.ours):
        universe.run(["mount", "-t", "sysfs", "none", "/sys"])
        assert universe.run(["ip", "-6", "rule", "add", "pref", "9", "lookup", "42"], env=PATH).returncode == 0
    lines = [f"{option} {command}" for option, command in product(OPTIONS, COMMANDS)]
    found = list(filter(None, (difference(line, *both.ask(*line.split())) for line in lines if line not in DIFFERENT)))
    assert not found, f"{len(found)} of {len(lines)} lines\n" + "\n".join(found)
