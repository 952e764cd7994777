"""The kinds of links beside the real `ip`: the words of their options, their help, and how ``-d`` prints them."""

from __future__ import annotations

from universe import Both, two_universes  # noqa: F401 (the fixture `both`)

LINES = """
link add vx1 address 02:00:00:00:01:01 index 101 type vxlan id 42 remote 10.0.0.9 dstport 4789 local 10.0.0.1 dev v3
link add vx2 address 02:00:00:00:01:02 index 102 type vxlan id 43 group 239.1.1.1 dev v3 dstport 0 nolearning gbp ttl auto
link add vx3 address 02:00:00:00:01:03 index 103 type vxlan external dstport 4790 vnifilter
link add vx4 address 02:00:00:00:01:04 index 104 type vxlan id 44 remote fd00::1 local fd00::2 dstport 4791 ttl inherit
link add vx5 address 02:00:00:00:01:05 index 105 type vxlan id 45
link add vx6 address 02:00:00:00:01:06 index 106 type vxlan id 46 dstport 4793 nolearning
link add vx7 type vxlan id 45 external
link add vx7 type vxlan dstport 1
link add vx7 type vxlan id 16777216
link add vx7 type vxlan id x
link add vx7 type vxlan id 5 id 6
link add vx7 type vxlan id 47 group 10.0.0.1 dev v3
link add vx7 type vxlan id 47 remote 239.0.0.1 dev v3
link add vx7 type vxlan id 47 group 239.0.0.1
link add vx7 type vxlan id 47 dev nope
link add vx7 type vxlan id 47 ttl 256
link add vx7 type vxlan id 47 ttl x
link add vx7 type vxlan id 47 tos zz
link add vx7 type vxlan id 47 df maybe
link add vx7 type vxlan id 47 flowlabel 0x100000
link add vx7 type vxlan id 47 ageing x
link add vx7 type vxlan id 47 maxaddress x
link add vx7 type vxlan id 47 srcport x 5
link add vx7 type vxlan id 47 srcport 5 x
link add vx7 type vxlan id 47 dstport x
link add vx7 type vxlan id 47 dstport 1 dstport 2
link add vx7 type vxlan id 47 remote 10.0.0.1 remote 10.0.0.2
link add vx7 type vxlan id 47 vnifilter dstport 9
link add vx7 type vxlan frob
link add vx7 type vxlan help
link add vx7 type vxlan id
link set vx1 type vxlan ttl 7
link del vx2
link add vx2 address 02:00:00:00:01:02 index 102 type vxlan id 43 dstport 9 flowlabel 0x55 ageing 7 proxy rsc l2miss l3miss
link add vx8 address 02:00:00:00:01:08 index 108 type vxlan id 48 dstport 9 srcport 1 2 udp6zerocsumtx noudpcsum maxaddress 9
link set vx1 type vxlan remote 10.0.0.8
link set vx1 type vxlan id 77
link set vx1 type vxlan ageing 5 nolearning
link add link v3 name mv1 address 02:00:00:00:02:01 index 201 type macvlan mode bridge bcqueuelen 5
link add link v3 name mv2 address 02:00:00:00:02:02 index 202 type macvlan mode source
link add link v2 name mv3 address 02:00:00:00:00:02 index 203 type macvlan mode passthru nopromisc
link add link v3 name mv4 address 02:00:00:00:02:04 index 204 type macvlan
link add link v3 name mv5 address 02:00:00:00:02:05 index 205 type macvtap mode private
link add link v3 name mv9 type macvlan mode frob
link add link v3 name mv9 type macvlan frob
link add link v3 name mv9 type macvlan help
link add link v3 name mv9 type macvtap frob
link add link v3 name mv9 type macvlan bcqueuelen x
link add link v3 name mv9 type macvlan mode
link add name mv9 type macvlan mode bridge
link set mv2 type macvlan macaddr add 02:00:00:00:00:01
link set mv2 type macvlan macaddr add 02:00:00:00:00:02
link set mv2 type macvlan macaddr del 02:00:00:00:00:02
link set mv2 type macvlan macaddr set 02:00:00:00:00:03 02:00:00:00:00:04
link set mv2 type macvlan macaddr flush
link set mv2 type macvlan macaddr frob
link set mv4 type macvlan mode private
link set mv4 type macvlan bcqueuelen 7
link set mv3 type macvlan flag nopromisc
link set mv3 type macvlan flag frob
-d link
-d -j link
-d -j -p link show type vxlan
-d -j -p link show type macvlan
-d addr show mv1
-d -o link
link show type vxlan
link help
link help veth
link help bridge
link help bridge_slave
link help vxlan
link help macvlan
link help macvtap
link help vlan
link help ipvlan
link help ipvtap
link help vrf
link help geneve
link help dummy
link help ifb
link help nlmon
link help vcan
link help vxcan
link help team
link help frob
link add n0 type veth help
link add n0 type veth frob
link add n0 type bridge frob
link set v1 type bridge_slave frob
link add n0 type vlan help
link add n0 type vrf frob
link add n0 type vrf table nope
link add n0 type frob help
link add n0 type frob id 5
link add link v3 name n0 type vlan id 5
link add link v3 name n0 type vlan id x
link add link v3 name n0 type vlan protocol x
link add link v3 name n0 type vlan gvrp maybe
link add n0 type vrf table 10
link add n0 type bond
link add link v3 name n0 type ipvlan mode l3
link add link v3 name n0 type ipvlan mode l9
link add n0 type geneve id 5 remote 10.0.0.1
link add n0 type geneve id 5
link add n0 type geneve
link add n0 type dummy
link add n0 type dummy frob
link add n1 index 301 address 02:00:00:00:03:01 type ifb frob
link add n2 index 302 address 02:00:00:00:03:02 type ifb
-d link show type ifb
"""


def test_kinds(both: Both) -> None:
    assert not both.differences(LINES, same_help=True)


def test_tun_and_tap_as_the_real_ip_creates_them(both: Both) -> None:
    for universe in (both.real, both.ours):
        for words in (
            "tuntap add t1 mode tun",
            "tuntap add t2 mode tap multi_queue user 5 group 6 vnet_hdr pi",
            "tuntap add t3 mode tap user 12345",
        ):
            assert universe.run([both.real.program[0], *words.split()]).returncode == 0
        for number, name in enumerate(("t2", "t3")):
            universe.run([both.real.program[0], "link", "set", name, "address", f"02:00:00:00:09:0{number}"])
    volatile = r"(?m)^\d+(?=: t)|\"ifindex\":\d+|([0-9a-f]{2}:){5}[0-9a-f]{2}"
    assert not both.differences("-d link show type tun\n-d -j link show type tun\n-d -j -p link show t2", volatile)
