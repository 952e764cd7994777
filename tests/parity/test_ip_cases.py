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


COLOURS = """
route add 10.65.0.0/16 nexthop via 10.0.0.5 weight 3 nexthop via 10.0.0.6 dev v3 onlink
route add default via 10.0.0.9
route add 10.68.0.0/16 via inet6 fd00::9 dev v3
route add 10.67.0.0/16 dev v3 mtu 1300 metric 7
neigh add 10.0.0.10 lladdr 02:00:00:00:00:01 dev v3 nud permanent
link property add dev v3 altname foo
-c link show lo
-c=always link show v3
-c=always link show v1
-color=always addr show v3
-color=never addr show v3
-color=auto addr show v3
-c -br link
-c -br addr
-c -o addr
-c -s link show lo
-c -d link show br0
-c -d link show v1
-c route
-c route show table all root 10/8
-c route get 10.65.1.1
-c -6 route show dev v2
-c rule
-c neigh
-c -br neigh
-c netns
-c -j addr show lo
-color=frob link
-c=auto link show lo
-col link show lo
"""

PROPERTIES = """
link property add dev v3 altname foo
link property add dev v3 altname bar altname baz
link prop add dev v3 altname qux
link show v3
-j link show v3
link show foo
link set foo mtu 1400
addr show foo
link property del dev v3 altname foo
link property del dev v3 altname nope
link property add dev v3
link property add altname x
link property add dev nope altname x
link property add dev v3 frob x
link property
link property frob
link property help
link property add dev v3 altname a/b
link property add dev v3 altname ""
link property add dev v3 altname
link set v3 xdp off
link set v3 xdpgeneric off
link set v3 xdpdrv off
link set v3 xdpoffload off
link set v3 xdp frob
link set v3 xdp
link set v3 vf 0 mac 02:00:00:00:00:01
link set v3 vf 0 vlan 5
link set v3 vf 0 vlan 5 qos 3
link set v3 vf 0 rate 5
link set v3 vf 0 max_tx_rate 5 min_tx_rate 1
link set v3 vf 0 spoofchk on
link set v3 vf 0 query_rss on
link set v3 vf 0 state auto
link set v3 vf 0 trust on
link set v3 vf x mac 02:00:00:00:00:01
link set v3 vf 0 frob
link set v3 vf 0
link set v3 vf 0 spoofchk x
link set v3 protodown_reason 3 on
link set v3 protodown on
link set v3 protodown_reason x on
link set v3 protodown_reason 3 frob
link set v3 protodown_reason 32 on
link add n0 index 401 address 02:00:00:00:04:01 parentdev x type bridge
addr show -primary
addr show -dynamic
addr restore
addr showdump
"""


def test_colours(both: Both) -> None:
    assert not both.differences(COLOURS)
    for background in ("0;15", "15;0", "7;8", "x"):
        assert not both.differences("-c addr show v3", env={"COLORFGBG": background})


def test_alternative_names_and_rare_words(both: Both) -> None:
    assert not both.differences(PROPERTIES, same_help=True)


def test_saved_addresses(both: Both) -> None:
    """A file that either program has saved can be shown and restored by the other."""
    saved = [universe.run([*universe.program, "addr", "save"]).stdout for universe in (both.real, both.ours)]
    assert len(saved[0]) == len(saved[1])
    for universe, data in ((both.real, saved[1]), (both.ours, saved[0])):
        universe.run([*both.real.program, "addr", "flush", "dev", "v3"])
        done = universe.run([*universe.program, "addr", "restore"], stdin=None, input=data)
        assert done.returncode == 0
        for words in (["addr", "showdump"], ["-j", "addr", "showdump"], ["-d", "addr", "showdump"]):
            shown = [one.run([*one.program, *words], stdin=None, input=data).stdout for one in (both.real, both.ours)]
            assert shown[0] == shown[1]
    real, ours = both.state()
    assert real == ours


ECHO = """
-echo addr add 10.44.0.1/24 dev v3
-echo -j addr add 10.44.0.2/24 dev v3
-echo -j -p addr add 10.44.0.3/24 dev v3
-echo addr del 10.44.0.2/24 dev v3
-echo addr del 10.44.0.99/24 dev v3
-echo route add 10.9.0.0/16 dev v3
-echo route del 10.9.0.0/16 dev v3
-echo rule add from 10.0.0.0/8 table 5
-echo rule del from 10.0.0.0/8 table 5
-echo neigh add 10.44.0.9 lladdr 1:2:3:4:5:6 dev v3
-echo neigh del 10.44.0.9 dev v3
-echo link add br7 address 02:00:00:00:07:07 index 707 type bridge
-echo link set br7 up
-echo link set br7 down
-echo link set br7 mtu 1300
-echo link del br7
-echo -j link add br8 address 02:00:00:00:07:08 index 708 type bridge
-echo link set nope up
-echo route show
-echo link show v3
-echo addr show v3
-echo -j addr show v3
-echo -br addr
route append x 10.0.0.1
rule del x
addr show v3:x
link show v3:x
link set v3:x mtu 1400
"""


def test_echo_and_labels_as_devices(both: Both) -> None:
    assert not both.differences(ECHO, ordered=False)


RESOLVE = """
-r addr show lo
-r -j addr show lo
-r addr show v3
-r -br addr
route add 127.0.0.1 via 10.0.0.9
route add 10.9.0.0/16 via 10.0.0.9
-r route
-r route show table local
-r -j route
-r route get 127.0.0.1
rule add from 127.0.0.1 table 5
-r rule
neigh add 127.0.0.1 lladdr 1:2:3:4:5:6 dev v3
-r neigh
-r -c neigh
"""


def test_names_of_hosts(both: Both) -> None:
    assert not both.differences(RESOLVE, ordered=False)
