"""`rawns ip route` beside the real `ip route`."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from universe import Both, two_universes  # noqa: F401 (the fixture `both`)

MORE = """
addr add 192.0.2.1/24 dev v2
route add default via 10.0.0.254 dev v3
route add default via 10.0.0.253 dev v3 metric 500
route add 198.51.100.0/24 via 10.0.0.254
route add 198.51.100.7 via 10.0.0.254 dev v3 src 10.0.0.2 proto static
route add 203.0.113.0/25 dev v2 metric 20 mtu 1400 advmss lock 1300 rtt 300ms rttvar 20 hoplimit 9
route add 203.0.113.128/25 dev v2 window 9 initcwnd 10 initrwnd 11 features ecn quickack 1 congctl cubic rto_min 2s
route add 203.0.113.129 dev v2 reordering 4 cwnd 5 ssthresh 6 fastopen_no_cookie 1 mtu lock 1280
route add blackhole 172.16.0.0/12
route add unreachable 172.17.0.0/16 metric 7
route add prohibit 172.18.0.0/16
route add throw 172.19.0.0/16 table 1000
route add 172.20.0.0/16 dev v2 table 1000 tos 0x10
route add 172.21.0.0/16 dev v2 tos AF21 scope global proto 77
route add 172.22.0.0/16 realms 3/4 dev v2
route add 172.23.0.0/16 realm 9 dev v2 scope host
route add 172.24.0.0/16 nexthop via 10.0.0.254 dev v3 weight 3 nexthop via 192.0.2.9 realms 5 nexthop dev v2 weight 256
route add 172.25.0.0/16 via 10.99.0.1 dev v2 onlink
route add 172.26.0.0/16 via inet6 fd00::77 dev v3
route add local 172.27.0.1 dev lo
route add 172.28.0.0/16 dev v2 encap ip id 5 dst 192.0.2.9 src 192.0.2.1 tos 1 ttl 9 key
route add 172.29.0.0/16 dev v2 encap seg6 mode encap segs fd00::5,fd00::6
route add fd10::/64 encap seg6local action End.X nh6 fd00::fd count dev v3
route add fd11::/64 encap seg6local action End.B6.Encaps srh segs fd00::5,fd00::6 hmac 17 dev v3
route add fd12::/64 encap seg6local action End.DX2 oif v2 dev v3
route add fd13::/64 encap seg6local action End.T table main dev v3
route add fd14::/64 encap seg6local action End flavors next-csid lblen 32 nflen 16 dev v3
route add fd15::/64 encap seg6 mode inline segs fd00::5 hmac 17 dev v3
route add default via fd00::fe dev v3
route add fd01::/64 dev v3 metric 5 pref high
route add fd02::/64 via fd00::fe proto static mtu 1300
route add fd03::/64 nexthop via fd00::fe dev v3 nexthop via fd00::fd dev v3 weight 7
route add unreachable fd04::/64
route add fd05::/64 dev v3 encap ip6 id 7 dst fd00::9 hoplimit 3 tc 4
route add fd06::/64 from fd00::/64 dev v3
"""

SHOW = """
route
r
ro ls
route list
route show
-4 route
-6 route
-o route
-o -6 route
-d route
-d -6 route
-s route
-s -6 route
-j route
-j -6 route
-j -p route
-j -p -6 route
-d -j -p route
-d -j -6 route
-N route
-N -d -6 route
-br route
-4 route show table all
-d -4 route show table all
-6 -j route show table all type local
-6 route show table all type unicast
route show table main
route show table local
route show table 1000
route show table 255
-6 route show table local type local
route show table 4711
-6 route show table 4711
route show table nothing
route show table
route show cache
-6 route show cache
route show cached
route show dev v2
route show dev v3
-j route show dev v2
route show dev v9
route show oif v2
route show proto static
route show proto kernel
route show proto 77
route show proto all
route show proto nothing
route show scope link
route show scope host table local
route show scope all
route show scope nothing
route show type blackhole
route show type unicast
route show type local table all
route show type nothing
route show metric 20
route show metric 0
route show metric x
route show tos 0x10 table 1000
route show tos AF21
route show tos zz
route show via 10.0.0.254
route show via 10.0.0.0/24
-6 route show via fd00::fe
route show via nothing
route show src 10.0.0.2
route show src 10.0.0.0/8
route show realms 3/
route show realms 9
route show realms /4
route show to 198.51.100.0/24
route show 198.51.100.0/24
route show root 198.51.0.0/16
route show match 198.51.100.7
route show match 198.51.100.7 scope link
route show exact 198.51.100.7
route show to root 0/0
route show to match default
route show default
-6 route show default
-6 route show fd01::/64
-6 route show root fd00::/8
-6 route show match fd01::1
-6 route show from fd00::/64
route show 10.0.0.0/24 dev v3
-color=always route show table all
-color=always -6 -d route show
route show nothing
route show 1.2.3.4/33
route show help
route list match 198.51.100.9
route list dev v3 scope link match 10.0.0.9
route show to exact 10.0.0.0/24 dev v3
route show to 10.0.0.0/24 dev v3 via 10.0.0.1
route show to 198.51.100.7 root 198.51.0.0/16
-n a route
-n b -6 route
route get 10.0.0.9
route get 198.51.100.8
-j route get 198.51.100.8
-j -p -d route get 127.0.0.1
route get 127.0.0.1
-d route get 198.51.100.8
-o route get 198.51.100.8
route get fibmatch 198.51.100.8
-d route get fibmatch 198.51.100.7
-6 route get fd02::9
-6 route get fibmatch fd02::9
route get fd01::1
route get 10.0.0.9 from 10.0.0.1
route get 10.0.0.9 from 10.0.0.1 iif v2
route get 10.0.0.9 oif v3
route get 10.0.0.9 dev v2
route get 10.0.0.9 mark 20
route get 10.0.0.9 mark 3
route get 10.0.0.9 uid 7
route get 10.0.0.9 ipproto tcp sport 5 dport 80
route get 10.0.0.9 tos 0x10
route get 10.0.0.0/24
route get 172.16.0.1
route get 172.18.0.1
route get 172.19.0.1
route get 203.0.113.129
route get connected 10.0.0.9
route get to 10.0.0.9
route get 10.0.0.9 vrf v2
route get 10.0.0.9 dev v9
route get 10.0.0.9 iif v9
route get 10.0.0.9 mark x
route get 10.0.0.9 uid x
route get 10.0.0.9 sport x
route get 10.0.0.9 ipproto nothing
route get nothing
route get 10.0.0.9 nothing
route get
route get help
-6 route get 10.0.0.9
-4 route get fd01::1
"""

CHANGE = """
route add 192.168.1.0/24 dev v2
route add 192.168.1.0/24 dev v2
route append 192.168.1.0/24 via 192.0.2.9
route prepend 192.168.1.0/24 via 192.0.2.8
route replace 192.168.1.0/24 via 192.0.2.7 metric 9
route change 192.168.1.0/24 via 192.0.2.6 metric 9
route change 192.168.77.0/24 via 192.0.2.6
route test 192.168.1.0/24 dev v2
route show root 192.168.0.0/16
route del 192.168.1.0/24 via 192.0.2.9
route del 192.168.1.0/24 metric 9
route del 192.168.1.0/24
route del 192.168.1.0/24
route del 192.168.1.0/24
route add 192.168.2.0/255.255.255.0 via 192.0.2.9
route add to 192.168.3.0/24 dev v2 via 192.0.2.9
route replace 192.168.3.0/24 dev v2 proto kernel scope link src 192.0.2.1
route replace default dev v2
route replace default via 192.0.2.9 dev v2 onlink
route change to default via 192.0.2.9 src 192.0.2.1
route del default
route del default via 10.0.0.253 dev v3
route add 192.168.4.0/24 dev v2 table 77
route del 192.168.4.0/24 table 77
route add 192.168.5.0/24 dev v2 expires 30
-6 route add fd10::/64 via fd00::fe metric 9 hoplimit 7
-6 route replace fd10::/64 dev v3 metric 9
-6 route append fd10::/64 via fd00::fe dev v3 metric 9
-6 route del fd10::/64
-6 route del fd10::/64
-6 route del default
route add fd11::/64 dev v3
route del fd11::/64
-s route flush cache
route flush cache
-s route flush dev v2 proto static
-s route flush root 203.0.113.0/24
-s -s route flush table 1000
-s route flush type blackhole
route flush proto 77
-6 -s route flush root fd03::/16
-s route flush dev v9
route flush table 4711
route flush
route flush help
"""

WRONG = """
route nothing
route add
route add help
route add dev v2
route add 192.168.9.0/24
route add 192.168.9.0/24 dev v9
route add 192.168.9.0/24 dev
route add 192.168.9.0/24 via
route add 192.168.9.0/24 via nothing
route add 192.168.9.0/24 via 10.0.0.1 via 10.0.0.2
route add 192.168.9.0/24 via fd00::1
route add 192.168.9.0/24 via inet6 10.0.0.1
route add 192.168.9.0/24 via 1.2.3.4
route add 192.168.9.0/24 192.168.8.0/24 dev v2
route add 192.168.9.0/33 dev v2
route add 192.168.9.9/24 dev v2
route add nothing dev v2
route add unicast
route add blackhole
-6 route add 192.168.9.0/24 dev v2
-4 route add fd20::/64 dev v3
route add 192.168.9.0/24 dev v2 metric x
route add 192.168.9.0/24 dev v2 metric -1
route add 192.168.9.0/24 dev v2 metric 4294967296
route add 192.168.9.0/24 dev v2 mtu x
route add 192.168.9.0/24 dev v2 mtu lock
route add 192.168.9.0/24 dev v2 hoplimit 256
route add 192.168.9.0/24 dev v2 rtt 5x
route add 192.168.9.0/24 dev v2 rto_min x
route add 192.168.9.0/24 dev v2 features nothing
route add 192.168.9.0/24 dev v2 quickack 2
route add 192.168.9.0/24 dev v2 quickack x
route add 192.168.9.0/24 dev v2 congctl nothing
route add 192.168.9.0/24 dev v2 scope nothing
route add 192.168.9.0/24 dev v2 proto 256
route add 192.168.9.0/24 dev v2 table nothing
route add 192.168.9.0/24 dev v2 tos 1000
route add 192.168.9.0/24 dev v2 realms a/b
route add 192.168.9.0/24 dev v2 pref nothing
route add 192.168.9.0/24 dev v2 src 10.99.99.99
route add 192.168.9.0/24 dev v2 src nothing
route add 192.168.9.0/24 dev v2 vrf nothing
route add 192.168.9.0/24 dev v2 nhid x
route add 192.168.9.0/24 nhid 99
route add 192.168.9.0/24 dev v2 encap nothing
route add 192.168.9.0/24 dev v2 encap ip id x
route add 192.168.9.0/24 dev v2 encap seg6 mode nothing
route add 192.168.9.0/24 dev v2 ttl-propagate nothing
route add 192.168.9.0/24 nexthop
route add 192.168.9.0/24 nexthop via 10.0.0.9 weight 0
route add 192.168.9.0/24 nexthop via 10.0.0.9 weight 257
route add 192.168.9.0/24 nexthop via 10.0.0.9 nothing
route add 192.168.9.0/24 nexthop via 10.0.0.9 dev v9
route add 192.168.9.0/24 nexthop via 1.2.3.4 nexthop via 10.0.0.9
route del 192.168.9.0/24
route del nothing
route del
"""

HELP_WORDS = (
    "list flush save restore showdump get add del change append replace via dev metric mtu nexthop table proto scope type match"
)


@pytest.mark.parametrize("lines", [SHOW, CHANGE, WRONG], ids=["show", "change", "wrong"])
def test_parity(both: Both, lines: str) -> None:
    both.prepare(MORE)
    found = both.differences(lines)
    assert not found, "\n".join(found)
    real, ours = both.ask("-d", "-4", "route", "show", "table", "all")
    assert real == ours


def bodies(saved: bytes) -> list[tuple[int, list[bytes]]]:
    """Return type and attributes of each saved message; sequence numbers differ, and the order of attributes is free."""
    found, at = [], 4
    while at < len(saved):
        length, kind = struct.unpack_from("=IH", saved, at)
        attributes, place = [saved[at + 16 : at + 28]], at + 28
        while place < at + length:
            size, number = struct.unpack_from("=HH", saved, place)
            attributes.append(struct.pack("=H", number & 0x3FFF) + saved[place + 4 : place + size])  # less NLA_F_NESTED
            place += size + 3 & ~3
        found.append((kind, sorted(attributes)))
        at += length + 3 & ~3
    return found


def test_save_and_restore(both: Both, tmp_path: Path) -> None:
    """What one program saves the other restores."""
    both.prepare(MORE)
    real, ours = both.real, both.ours
    theirs = real.run([*real.program, "route", "save", "dev", "v2", "proto", "boot"]).stdout
    saved = ours.run([*ours.program, "route", "save", "dev", "v2", "proto", "boot"]).stdout
    assert bodies(saved) == bodies(theirs)
    (tmp_path / "saved").write_bytes(theirs)
    (tmp_path / "broken").write_bytes(b"abcdefgh")
    for universe in (real, ours):
        universe.run([*real.program, "route", "flush", "proto", "boot"])
        with (tmp_path / "saved").open("rb") as file:
            done = universe.run([*universe.program, "route", "restore"], stdin=file)
        assert done.returncode == 0, done.stderr
    assert both.ask("route") == both.ask("route")[::-1]
    for name, verb in (("saved", "showdump"), ("broken", "restore")):
        answers = []
        for universe in (real, ours):
            with (tmp_path / name).open("rb") as file:
                done = universe.run([*universe.program, "route", verb], stdin=file)
            answers.append((done.returncode, done.stdout, done.stderr))
        assert answers[0] == answers[1]


def test_help_names_what_there_is(both: Both) -> None:
    _, ours = both.ask("route", "help")
    assert ours[0] == 255 and not [word for word in HELP_WORDS.split() if word not in ours[2]]
