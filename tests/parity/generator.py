"""Seeded command lines of `ip`, valid and nearly valid, and the smallest sequence of them that shows a difference.

`lines` makes the command lines from a table of forms; `difference` runs them in two universes; `shrink` removes what a difference
does not need.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable
from random import Random

from universe import Both

VALUES = {
    "DEV": "v1 v2 v3 br0 br1 lo nope",
    "NEW": "x1 x2 x3",
    "ADDR": "10.0.0.9 10.2.0.7 192.0.2.1 fd00::9 127.0.0.2 300.1.1.1",
    "PREFIX": "10.7.0.0/16 10.8.0.0/24 192.0.2.0/24 default fd07::/64 10.0.0.0/33",
    "MAC": "02:00:00:00:00:77 02:00:00:00:00:78 02:00:zz",
    "N": "0 1 5 77 1500 65535 4294967295 -1 0x10 x",
    "TABLE": "77 78 main local all x",
    "STATE": "permanent stale reachable noarp none x",
    "TYPE": "blackhole unreachable prohibit throw",
    "PROTO": "static boot kernel 77 x",
    "SWITCH": "on off maybe",
    "SHOW": "-d -j -o -4 -6 -br -N -c -p",
    "KIND": "bridge veth vxlan macvlan ifb tun none",
    "METRIC": "mtu advmss hoplimit window rtt rto_min initcwnd quickack",
    "MODE": "bridge private vepa passthru source x",
    "TEMPLATE": "x1 x2 v2 10.0.0.1 77",
}
FORMS = """
SHOW addr show
SHOW addr show dev DEV
SHOW link show DEV
SHOW route show table TABLE
SHOW route show PREFIX
SHOW rule
SHOW neigh show dev DEV
SHOW nexthop
SHOW netconf show dev DEV
SHOW addrlabel
SHOW token
addr add ADDR/24 dev DEV
addr add PREFIX dev DEV scope link
addr del ADDR/24 dev DEV
addr flush dev DEV to PREFIX
link set DEV mtu N
link set DEV alias NEW
link set DEV group N
link set DEV txqueuelen N
link set DEV multicast SWITCH
link add NEW type bridge
link add NEW address MAC type bridge stp_state N
link del NEW
route add PREFIX dev DEV
route add PREFIX via ADDR dev DEV onlink
route replace PREFIX dev DEV metric N mtu N
route add TYPE PREFIX metric N
route append PREFIX dev DEV table TABLE proto PROTO
route del PREFIX
route del PREFIX dev DEV table TABLE
route get ADDR
route flush table TABLE
rule add pref N from PREFIX lookup TABLE
rule add pref N fwmark N iif DEV lookup TABLE
rule del pref N
neigh add ADDR lladdr MAC dev DEV nud STATE
neigh replace ADDR lladdr MAC dev DEV
neigh del ADDR dev DEV
nexthop add id N dev DEV
nexthop add id N via ADDR dev DEV proto PROTO
nexthop add id N blackhole
nexthop del id N
addrlabel add prefix PREFIX label N
token set ::N dev DEV
netns add NEW
netns del NEW
netns set a N
netns list-id
SHOW link show type KIND
SHOW link show master DEV
SHOW link show group N
SHOW addr show to PREFIX
SHOW addr show scope PROTO
SHOW addr show up label DEV
SHOW route show dev DEV proto PROTO
SHOW route show match PREFIX
SHOW route show root PREFIX type TYPE
SHOW neigh show nud permanent
SHOW neigh show proxy
SHOW ntable show name nope
SHOW maddr show dev DEV
SHOW mroute show
SHOW stats show dev DEV group nope
SHOW tunnel show
SHOW rule show table TABLE
SHOW rule show from PREFIX
SHOW nexthop show dev DEV
SHOW nexthop show groups
SHOW vrf show
addr change ADDR/24 dev DEV valid_lft forever preferred_lft forever
addr replace ADDR/24 brd + dev DEV metric N
addr add ADDR peer PREFIX dev DEV
addr add ADDR/24 dev DEV noprefixroute nodad
link add NEW type veth peer name NEW
link add NEW link DEV type macvlan mode MODE
link add NEW type vxlan id N remote ADDR dstport N
link add NEW type bridge forward_delay N ageing_time 5000
link set DEV master DEV
link set DEV nomaster
link set DEV type bridge priority N
link set DEV type bridge_slave cost N
link set DEV name NEW
link set DEV address MAC
link set DEV promisc SWITCH arp SWITCH
link set DEV numtxqueues N
link set DEV protodown SWITCH
link property add dev DEV altname NEW
link property del dev DEV altname NEW
link set group N down
route add PREFIX nexthop via ADDR dev DEV weight N nexthop dev DEV
route add PREFIX dev DEV METRIC N
route add PREFIX dev DEV METRIC lock N
route add PREFIX nhid N
route replace default via ADDR dev DEV onlink
route change PREFIX dev DEV src ADDR
route add PREFIX via ADDR dev DEV encap ip id N dst ADDR
route get ADDR from ADDR iif DEV
route get fibmatch ADDR
rule add from PREFIX to PREFIX sport N-N dport N
rule add not iif DEV uidrange N-N table TABLE
rule add pref N goto N
rule add pref N TYPE
rule add l3mdev pref N
rule flush table TABLE
rule del from PREFIX
neigh add proxy ADDR dev DEV
neigh change ADDR lladdr MAC dev DEV nud STATE router
neigh flush dev DEV nud STATE
nexthop add id N group N/N
nexthop add id N group N,N/N type resilient buckets N
nexthop replace id N via ADDR dev DEV onlink
nexthop flush dev DEV
nexthop get id N
addrlabel del prefix PREFIX
addrlabel flush
maddr add MAC dev DEV
tuntap add dev NEW mode tap
tuntap del dev NEW mode tap
ntable change name arp_cache thresh1 N
-batch TEMPLATE
""".strip().splitlines()
JUNK = ("nothing", "dev", "via", "help", "10.0.0.1", "", "all")


def _mutated(words: list[str], random: Random) -> list[str]:
    """Return the words with one of them removed, doubled, replaced, or abbreviated."""
    at = random.randrange(1, len(words)) if len(words) > 1 else 0
    choice = random.randrange(4)
    if choice == 0:
        return words[:at] + words[at + 1 :]
    if choice == 1:
        return [*words[: at + 1], *words[at:]]
    if choice == 2:
        return [*words[:at], random.choice(JUNK), *words[at + 1 :]]
    return [*words[:at], words[at][: random.randrange(1, 4)], *words[at + 1 :]]


def _filled(word: str, random: Random) -> str:
    for name, values in VALUES.items():
        if name in word.replace("-", "/").replace(",", "/").replace("::", "").split("/"):
            for _ in range(word.count(name)):
                word = word.replace(name, random.choice(values.split()), 1)
            return word
    return word


def lines(seed: int, count: int) -> list[str]:
    """Return so many command lines; a third of them has an error in it."""
    random = Random(seed)
    found: list[str] = []
    while len(found) < count:
        words = [_filled(word, random) for word in random.choice(FORMS).split()]
        if random.randrange(3) == 0:
            words = _mutated(words, random)
        if words[:2] not in (["addr", "flush"], ["netns", "exec"]) or "to" in words:
            found.append(shlex.join(words))
    return found


def difference(both: Both, commands: list[str], volatile: str) -> list[str]:
    """Return in what the answers to these commands, or the states after them, differ."""
    found = [one for one in both.differences("\n".join(commands), volatile) if one.startswith("ip ")]
    real, ours = (re.sub(volatile, "", state).splitlines() for state in both.state())
    return found + list(difflib.unified_diff(real, ours, "real", "ours", n=0, lineterm=""))


def shrink(commands: list[str], differs: Callable[[list[str]], bool], attempts: int = 40) -> list[str]:
    """Remove commands as long as the rest still differs, in at most so many attempts."""
    size = len(commands) // 2
    while size and attempts > 0:
        at = 0
        while at < len(commands) and attempts > 0:
            shorter = commands[:at] + commands[at + size :]
            attempts -= 1
            if shorter and differs(shorter):
                commands = shorter
            else:
                at += size
        size //= 2
    return commands
