"""`rawns ip rule` beside the real `ip rule`: the same words, and every byte of the answers compared."""

from __future__ import annotations

from universe import Both, two_universes  # noqa: F401 (the fixture `both`)

LINES = """
rule
-d rule
-j rule
-6 rule
-N rule
-o rule show
rule add from 10.0.0.0/8 to 11.0.0.1 iif lo fwmark 0x5/0xf table 77 pref 100 tos 0x10
rule add not fwmark 7 oif v3 lookup main suppress_prefixlength 0 suppress_ifgroup 3
rule add uidrange 5-9 ipproto tcp sport 5 dport 6-9 priority 50 blackhole
rule add goto 32000 pref 200
rule add nop pref 300
rule add from all realms 5/6 pref 400 table 9999
rule add from all realms 5 pref 401 table 9999
rule add l3mdev pref 500
rule add prohibit pref 600
rule add unreachable pref 700
rule add protocol static pref 800 table 5
rule add tun_id 9 pref 900 table 3
rule add from 10.5/16 nat 1.2.3.4 pref 950
rule add iif nope oif nope2 table 6 pref 960
rule add table main suppress_prefixlength 0
rule add not fwmark 51820 table 51820
rule add from 10.9.0.0/16 table 100
rule add from 0/0 to 0/8 table 100 pref 5
rule add fwmark 0/0xff table 100 pref 6
rule add dport 80 table 100 pref 7
rule add ipproto 47 table 100 pref 8
rule add ipproto icmp table 100 pref 9
-6 rule add from fd00::/8 table 100
rule add from fd01::/16 table 101
rule add from 10.9.0.0/16 table 100
rule add pref 100 from 10.0.0.0/8 to 11.0.0.1 iif lo fwmark 0x5/0xf table 77 tos 0x10
rule
-6 rule
-d rule
-N rule
-j rule
-j -p -d rule
-d -6 rule
-j -4 addrlabel
-j -p -0 rule
link set v3 xdp nothing
rule show table 77
rule show from 10.0.0.0/8
rule show from 10.9.1.0/24
rule show iif lo
rule show oif nope2
rule show fwmark 5
rule show fwmark 0x5/0xf
rule show fwmark 7
rule list pref 100
rule show to 11.0.0.1
rule show to 11.0.0.0/8
rule show not
rule show tos 0x10
rule show l3mdev
rule show uidrange 5-9
rule show uidrange 6-7
rule show protocol static
rule show protocol kernel
rule show ipproto tcp
rule show sport 5
rule show dport 80
rule show tun_id 9
rule show frob
rule show help
rule get
rule add
rule add frob
rule add from 10.0.0.0/33
rule add table nope
rule add pref x
rule add fwmark x
rule add fwmark 5/x
rule add tos zz
rule add realms zz
rule add uidrange 5
rule add uidrange x-y
rule add sport x
rule add sport 9-5
rule add dport 0
rule add ipproto nope
rule add protocol nope
rule add tun_id x
rule add goto x
rule add goto 5 pref 10
rule add type
rule add iif 12345678901234567890
rule add suppress_prefixlength x
rule add suppress_ifgroup nope
rule add from fd00::1 to 10.0.0.1
rule add type blackhole pref 44
rule del
rule del pref 100
rule del pref 100
rule delete table 100 from 10.9.0.0/16
rule delete table main suppress_prefixlength 0
rule del not fwmark 51820 table 51820
rule del blackhole
rule del pref 99999
rule
rule flush table 3
rule flush protocol static
rule flush
rule
-6 rule flush
-6 rule
rule help
rule list pref 100-500
"""


def test_ip_rule(both: Both) -> None:
    assert not both.differences(LINES, same_help=True)
