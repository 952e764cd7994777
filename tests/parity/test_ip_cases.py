"""Cases in which `rawns ip` once differed from iproute2, each standing for a kind of difference."""

from __future__ import annotations

import re

from universe import Both, two_universes  # noqa: F401 (the fixture `both`)

CASES = r"""
-batch - <<< netns exec a true\nlink show lo\n
-batch - <<< netns exec a false\nlink show lo\n
-force -batch - <<< netns exec a false\nlink show lo\n
-batch - <<< netns exec a sh -c 'kill -9 $$'\nlink show lo\n
-force -batch - <<< netns exec a sh -c 'kill -9 $$'\nlink show lo\n
-force -batch - <<< netns exec a /nonexistent\nlink show lo\n
-batch - <<< link frob\nlink show lo
-force -batch - <<< link frob\nlink show lo
-force -batch - <<< link show lo up down\nlink show lo
-force -batch - <<< link help\nlink show lo
-force -batch - <<< addr add 1.2.3.4/99 dev lo\nlink show lo
-force -batch - <<< link set nope up\nlink show lo
-force -batch - <<< frob\nlink show lo
-force -batch - <<< link add zz type frob\nlink show lo
-force -batch - <<< link set v3 group nope\nlink show lo
-force -batch - <<< link set v3 address zz\nlink show lo
-force -batch - <<< link set v3 arp maybe\nlink show lo
-force -batch - <<< link add\nlink show lo
-force -batch - <<< netns del nope\nlink show lo
-force -batch - <<< netns add x y\nnetns
link add name a name b type bridge
link set v2 name a name b
link set name v2 up
link set v2 up name v2
link add name n1 type veth peer name n2 name n3
link add name n1 name n1 type bridge
addr show to default
addr show to any
addr show to all
-4 addr show to default
-6 addr show to any
-4 addr show to all
addr show to 0/0
addr show to ::/0
addr show to 10/8
-j link show nomaster
-o addr show nomaster
-j addr show nomaster
link show v1 nomaster
addr show v1 nomaster
-4 addr show nomaster
netns set a 5
netns list-id target-nsid 5
-j netns list-id target-nsid 5
netns list-id nsid 5 target-nsid 5
-j netns list-id nsid 5 target-nsid 5
netns list-id nsid 5
netns list-id nsid 5 nsid 6
netns list-id target-nsid 5 target-nsid 6
netns list-id nsid -1
netns list-id target-nsid -1
netns list-id nsid x
netns list-id target-nsid 99
-j netns list-id target-nsid 99
netns list-id frob
link set v3 group 4294967295
link set v3 group 4294967296
link set v3 group 2147483648
link set v3 group -1
link show group 4294967295
link set v3 group 0x7fffffff
link show v3
link set v3 group 7
-l 1 addr flush dev v2
netns attach c 0
netns attach c x
netns attach c -1
-ec link show lo
-ech link show lo
-echo link show lo
-j link show if1
-j link show if77
-j link show v9
-j addr show v9
-j link show dev if77 up
-j -p link show if77
addr add 127.9.0.1/8 dev lo nodad
addr add 127.9.0.2/8 dev lo home
addr add 127.9.0.3/8 dev lo mngtmpaddr
addr add 127.9.0.4/8 dev lo noprefixroute
addr add 127.9.0.5/8 dev lo optimistic
addr add 2001:db8::1/64 dev lo deprecated
addr add 2001:db8::2/64 dev lo temporary
addr add 2001:db8::3/64 dev lo secondary
addr add 2001:db8::4/64 dev lo permanent
addr add 2001:db8::5/64 dev lo tentative
addr add 2001:db8::6/64 dev lo dadfailed
addr add 2001:db8::7/64 dev lo stable-privacy
addr add 2001:db8::8/64 dev lo dynamic
addr add 2001:db8::9/64 dev lo primary
addr add 2001:db8::a/64 dev lo optimistic
addr add 2001:db8::b/64 dev lo -nodad
link add n0 link-netnsid 5 link-netnsid 6 type veth
link add n0 link-netns b link-netnsid 6 type veth
-br link show
-br addr show
"""


def test_cases(both: Both) -> None:
    assert not both.differences(CASES, same_help=True)


def test_an_alias_of_any_length(both: Both) -> None:
    for size in (255, 256, 300):
        assert not both.differences(f"link set v3 alias {'x' * size}")


def test_the_counters_of_ipv6(both: Both) -> None:
    """They are read from another attribute, and change all the time: so the numbers are not compared."""
    for line in ("-6 -s addr", "-6 -s -s addr show up", "-6 -s -j addr"):
        real, ours = both.ask(*line.split())
        assert re.sub(r" *\b\d+\b", "N", real[1]) == re.sub(r" *\b\d+\b", "N", ours[1])
        assert (real[0], real[2]) == (ours[0], ours[2])


def test_columns_are_padded_to_bytes(both: Both) -> None:
    for name in ("näme", "日本", "e\u0301"):
        assert not both.differences(f"link add {name} address 02:00:00:00:00:99 type bridge\n-br link\n-br addr\nlink del {name}")
