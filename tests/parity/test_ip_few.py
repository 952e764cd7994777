"""The small objects of `rawns ip` beside the real `ip`."""

from __future__ import annotations

import sys

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
TOKEN = """
token help
token
token list
token list dev v1
token get
token get dev v1
token set ::5 dev v1
token set ::5/64 dev v1
-j token
-j -p token
token
token set
token set ::5
token set x dev v1
token set ::5 dev nope
token set fd00::5 dev v1
token del dev v1
token del
token nothing
token list nothing
token list dev nope
token get dev nope
token set ::5 dev lo
-4 token
-j token get dev v1
token get v1
token set ::5 v1
"""
MADDRESS = """
maddr help
maddr
maddr show dev v1
-j maddr
-j -p maddr show dev lo
-4 maddr
-6 maddr
-0 maddr
-o maddr
-s maddr
-4 maddr
maddr show nope
maddr show dev v1 v2
maddr show dev
maddr nothing
maddr add 01:00:5e:00:00:05 dev v1
maddr show dev v1
maddr del 01:00:5e:00:00:05 dev v1
maddr del 01:00:5e:00:00:05 dev v1
maddr add 224.0.0.5 dev v1
maddr add 01:00:5e:00:00:05
maddr add dev v1
maddr add xx dev v1
maddr add 01:00:5e:00:00:05 dev nope
maddr add 01:00:5e:00:00:05 02:00:5e:00:00:05 dev v1
maddr add
-j maddr add help
"""
NTABLE = """
ntable help
ntable
ntable show dev v1
ntable show name arp_cache
ntable show name nope
-j ntable show dev v1
-j -p ntable show name arp_cache dev v1
-4 ntable show dev v1
-o ntable show dev v1
ntable change name arp_cache dev v1 base_reachable 50000
ntable change name arp_cache dev v1 queue 5
ntable show dev v1 name arp_cache
ntable change
ntable change name
ntable change name arp_cache
ntable change name nope thresh1 4
ntable change name arp_cache thresh1 x
ntable change name arp_cache nothing
ntable change name arp_cache dev nope queue 4
ntable change name arp_cache thresh1 128
ntable nothing
ntable show nothing
ntable show dev nope
ntable change name arp_cache dev v1 thresh1 5
ntable change name arp_cache queue 5
"""
VRF = """
vrf help
vrf
vrf show
-j vrf
vrf show nope
vrf show lo
vrf identify
vrf identify self
vrf identify x
vrf identify 999999
vrf pids
vrf pids nope
vrf pids lo
vrf exec
vrf exec nope true
vrf exec nope
vrf nothing
vrf identify 1 2
vrf show a b
vrf pids a b
-j -p vrf
-d vrf
vrf list
"""
MROUTE = """
mroute help
mroute
mroute show
-j mroute
-6 mroute
-4 mroute
mroute show table all
mroute show nothing
mroute nothing
mroute show iif nope
mroute show from 10.0.0.0/8
mroute show 224.0.0.0/4
mroute show table x
mroute add
-4 mroute show table 5
mroute show table all iif v1 to 224.0.0.1
-0 mroute
-j -p mroute
"""
MRULE = """
mrule help
mrule
-6 mrule
-j mrule
mrule add pref 5 table 9
mrule add prohibit
mrule
mrule del pref 5
mrule nothing
mrule flush
mrule
mrule add
-4 mrule add pref 7 from 10.0.0.0/8 table 3
-4 mrule
"""
TUNTAP = """
tuntap help
tuntap
tuntap add dev tap0 mode tap
tuntap add tun0 mode tun user 1000 group 1000 pi vnet_hdr
tuntap add mode tun
tuntap add dev tun8 mode tun one_queue multi_queue
tuntap
tuntap list dev tap0
tuntap show mode tun
tap
-j tuntap
-j -p tuntap
-o tuntap
tuntap del dev tun0 mode tun
tuntap del dev tun0 mode tun pi
tuntap del dev tun8 mode tun
tuntap del dev tun8 mode tun multi_queue
tuntap del dev tap0 mode tun
tuntap del dev tap0
tuntap add dev x
tuntap add dev x mode y
tuntap add dev x mode tun mode tap
tuntap add dev x mode tap user nope
tuntap add dev x mode tap group nope
tuntap add dev x mode tap user
tuntap add dev aaaaaaaaaaaaaaaaaaaa mode tap
tuntap add dev v1 mode tap
tuntap add dev tap0 mode tap
tuntap add dev x mode tap dev y
tuntap add dev x mode tap nothing
tuntap add x y mode tap
tuntap nothing
tuntap show nothing
tuntap add help
tuntap add dev x/y mode tap
tuntap add dev x mode tap user root
tuntap
tuntap add dev z mode tap user -1
tuntap add dev q%d mode tap
tuntap
tuntap show dev nope
tuntap show dev x name y
tuntap del dev tap0 mode tap
tuntap del dev y mode tap
tuntap del dev x mode tap
tuntap del dev z mode tap
tuntap del dev q0 mode tap
tuntap del dev tun1 mode tun
tuntap
"""
STATS = """
link del v1
link del v3
link add v1 address 02:00:00:00:00:01 index 11 type veth peer name v2 address 02:00:00:00:00:02 index 12
link set v1 master br0
link set br0 type bridge mcast_stats_enabled 1
stats show dev br0
-d stats show dev v1
-o stats show dev v1
-j stats
-j -p stats show dev v1
-c=always stats show dev v1
stats help
stats set help
stats set
stats set dev v1
stats set dev v1 l3_stats on
stats set dev v1 l3_stats x
stats set dev v1 l3_stats
stats set dev v1 l3_stats on l3_stats on
stats set dev nope l3_stats on
stats set x
stats set dev v1 dev v0
stats show dev
stats show dev nope
stats show dev aaaaaaaaaaaaaaaaaaaaaaaaa
stats show x
stats frob
stats show group link
stats show group frob
stats show group link subgroup x
stats show group xstats
stats show group xstats subgroup bridge dev br0
stats show group xstats subgroup bridge suite mcast dev br0
stats show group xstats subgroup bridge suite frob
stats show group xstats suite stp
stats show suite stp
stats show group xstats subgroup bridge suite mcast suite stp dev br0
stats show group link group afstats group offload subgroup cpu_hit dev v1
stats show group offload subgroup l3_stats dev v1
stats show group
link xstats type bridge
link xstats type bridge_slave
-j link xstats type bridge
-j -p link xstats type bridge_slave
link xstats type bridge stp
link xstats type bridge igmp
link xstats type bridge_slave stp dev v1
-o link xstats type bridge_slave
link xstats type bridge help
link xstats type bridge dev
link xstats type bridge dev nope
link xstats type bridge frob
link xstats type vxlan
link xstats type frob
link xstats frob
link xstats
link xstats help
link xstats type
link afstats
link afstats help
link afstats dev
link afstats dev nope
link afstats x
-j link afstats
"""
# How long a neighbour is reachable is drawn at random around "base_reachable", and references come and go.
VOLATILE = {"ntable": r'\b(reachable"?:? ?\d+|refcnt"?:? ?\d+)'}
CASES = {name.lower(): lines for name, lines in list(globals().items()) if name.isupper() and isinstance(lines, str)}


@pytest.mark.parametrize("object", CASES)
def test_parity(both: Both, object: str) -> None:
    for universe in (both.real, both.ours):
        universe.run(["mount", "-t", "sysfs", "none", "/sys"])  # that of its network namespace
    found = both.differences(CASES[object], VOLATILE.get(object, ""), same_help=True)
    assert not found, "\n".join(found)


SAVED_RULES = """
rule add pref 5 from 10.0.0.0/8 fwmark 7 lookup 99
rule add pref 6 iif v3 to 10.9.0.0/16 prohibit
rule add pref 7 ipproto tcp sport 1-5 uidrange 1-9 goto 32766
"""
WRONG_FILES = """
rule save x
rule restore
rule restore <<< abc
rule restore <<< abcdefgh
mrule restore <<< abcdefgh
mrule save x
rule rest
"""


def without_numbers(data: bytes) -> bytes:
    """Return saved messages without sequence number and port, which are those of the process that saved them."""
    found, at = data[:4], 4
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], sys.byteorder)
        found += data[at : at + 8] + data[at + 16 : at + size]
        at += size + 3 & ~3
    return found


def test_saved_rules(both: Both) -> None:
    """Each program restores what the other one has saved."""
    both.prepare(SAVED_RULES)
    saved = [universe.run([*universe.program, "rule", "save"]).stdout for universe in (both.real, both.ours)]
    assert without_numbers(saved[0]) == without_numbers(saved[1]) and len(saved[0]) > 300
    both.prepare("rule flush")
    for universe, data in ((both.ours, saved[0]), (both.real, saved[1])):
        done = universe.run([*universe.program, "rule", "restore"], stdin=None, input=data)
        assert (done.returncode, done.stderr) == (0, b"")
    found = both.differences("rule" + WRONG_FILES)
    assert not found, "\n".join(found)
    assert "sport 1-5" in both.real.ip("rule")[1]
