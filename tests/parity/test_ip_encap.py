"""Encapsulations and labels of routes, of which this kernel has a few only: requests, refusals and output beside the real `ip`.

Each line runs in two universes.  Requests are seen by strace; the real ones are then shown by both programs (`route showdump`).
"""

from __future__ import annotations

import random
import re
import shutil
import struct
from pathlib import Path

import pytest
from test_ip_wire import split, tree
from universe import Both, Universe, two_universes  # noqa: F401 (the fixture `both`)

SENT = """
-6 route add fc00::1 encap seg6local action End dev v3
-6 route add fc00::1 encap seg6local action End.X nh6 fd00::9 count dev v3
-6 route add fc00::1 encap seg6local count action End.T table 10 dev v3
-6 route add fc00::1 encap seg6local action End.DX2 oif v2 dev v3
-6 route add fc00::1 encap seg6local action End.DX6 nh6 fd00::9 dev v3
-6 route add fc00::1 encap seg6local action End.DX4 nh4 10.0.0.9 dev v3
-6 route add fc00::1 encap seg6local action End.DT6 table main dev v3
-6 route add fc00::1 encap seg6local action End.DT6 vrftable 10 dev v3
-6 route add fc00::1 encap seg6local action End.DT4 vrftable local dev v3
-6 route add fc00::1 encap seg6local action End.DT46 vrftable 10 dev v3
-6 route add fc00::1 encap seg6local action End.B6 srh segs fd00::9,fd00::8 dev v3
-6 route add fc00::1 encap seg6local action End.B6.Encaps srh segs fd00::9,fd00::8 hmac 5 count dev v3
-6 route add fc00::1 encap seg6local action End.B6.Encaps srh segs fd00::9 hmac 0xabcdef dev v3
-6 route add fc00::1 encap seg6local action End.B6 srh segs fd00::1 hmac x dev v3
-6 route add fc00::1 encap seg6local action End.B6 srh segs "" dev v3
-6 route add fc00::1 encap seg6local action End.BM srh segs any dev v3
-6 route add fc00::1 encap seg6local action End.S table 5 dev v3
-6 route add fc00::1 encap seg6local action End.AS dev v3
-6 route add fc00::1 encap seg6local action End.AM dev v3
-6 route add fc00::1 encap seg6local action End.BPF dev v3
-6 route add fc00::1 encap seg6local action End flavors psp,usp,usd dev v3
-6 route add fc00::1 encap seg6local action End flavors ,psp count dev v3
-6 route add fc00::1 encap seg6local action End flavors , dev v3
-6 route add fc00::1 encap seg6local action End flavors next-csid,psp lblen 32 nflen 16 count dev v3
-6 route add fc00::1 encap seg6local action End flavors next-csid nflen 255 dev v3
-6 route add fc00::1 encap seg6local action End flavors next-csid lblen 0 dev v3
-6 route add fc00::1 encap seg6local action End.X nh6 fd00::9 oif v3 iif v2 table 5 vrftable 5 nh4 10.0.0.9 dev v3
-6 route add fc00::1 encap seg6local action End.X nh6 any dev v3
-6 route add fc00::1 encap seg6local action End.X nh6 default dev v3
-6 route add fc00::1 encap seg6 mode inline segs fd00::9,fd00::8 hmac 17 dev v3
-6 route add fc00::1 encap seg6 mode encap segs fd00::9 hmac 0xabc dev v3
-6 route add fc00::1 encap rpl segs fd00::9,fd00::8 dev v3
-6 route add fc00::1 encap rpl segs fd00::9 dev v3
-6 route add fc00::1 encap rpl segs any dev v3
-6 route add fc00::1 encap rpl segs "" dev v3
-6 route add fc00::1 encap rpl dev v3
-6 route add fc00::1 encap ioam6 trace prealloc type 0x800000 ns 1 size 12 dev v3
-6 route add fc00::1 encap ioam6 mode encap tundst fd00::9 trace prealloc type 0xc00002 ns 65535 size 244 dev v3
-6 route add fc00::1 encap ioam6 mode auto tundst fd00::9 trace prealloc type 0x1 ns 0 size 4 dev v3
-6 route add fc00::1 encap ioam6 freq 1/5 mode inline trace prealloc type 0x1000000 ns 1 size 12 dev v3
-6 route add fc00::1 encap ioam6 freq 1000000/1000000 trace prealloc type 12 ns 1 size 12 dev v3
-6 route add fc00::1 encap ila 2001:db8:0:1 csum-mode adj-transport ident-type luid hook-type input dev v3
-6 route add fc00::1 encap ila 1:2 csum-mode neutral-map ident-type use-format hook-type output dev v3
-6 route add fc00::1 encap ila 0x1:2:3:00ffff csum-mode no-action ident-type use-format dev v3
-6 route add fc00::1 encap ila 1:2:3 csum-mode neutral-map-auto ident-type use-format dev v3
-6 route add fc00::1 encap ila 1 ident-type use-format dev v3
-6 route add fc00::1 encap ila " 1:2:3:4" ident-type use-format dev v3
-6 route add fc00::1 dev v3 encap xfrm if_id 5
-6 route add fc00::1 dev v3 encap xfrm link_dev v2 if_id 0xffffffff
-6 route add fc00::1 encap bpf headroom 5 headroom 6 dev v3
-6 route add fc00::1 encap bpf dev v3
-6 route add fc00::1 encap mpls 100/200 ttl 5 dev v3
-6 route add fc00::1 encap mpls 1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17 dev v3
-f mpls route add 100 via inet 10.0.0.1 dev v3
-f mpls route add 100 via inet6 fd00::1 dev v3
-f mpls route add 100 dev v3
-f mpls route add to 0x10 dev v3 proto static
-f mpls route add 1048575/20 as 200/300 via inet 10.0.0.1
-f mpls route add 100/5 as to 16 dev v3
-f mpls route add 100 src 5 dev v3
-f mpls route add 100 from 5 dev v3
-f mpls route add 100 via 5 dev v3
-f mpls route add 100 nexthop via inet 10.0.0.1 dev v3 as 200 nexthop via inet 10.0.0.9 dev v2 as 1/2/3
-f mpls route replace 100 as 5 ttl-propagate enabled dev v3
-f mpls route del 100
-4 route add 10.1.0.0/16 via mpls 5 dev v3
"""

SAID = """
-6 route add fc00::1 encap seg6local action frob dev v3
-6 route add fc00::1 encap seg6local action 3 dev v3
-6 route add fc00::1 encap seg6local action dev v3
-6 route add fc00::1 encap seg6local nh6 fd00::1 dev v3
-6 route add fc00::1 encap seg6local dev v3
-6 route add fc00::1 encap seg6local
-6 route add fc00::1 encap seg6local help
-6 route add fc00::1 encap seg6local action End action End dev v3
-6 route add fc00::1 encap seg6local action End count count dev v3
-6 route add fc00::1 encap seg6local action End flavors psp flavors usp dev v3
-6 route add fc00::1 encap seg6local action End nh6 x dev v3
-6 route add fc00::1 encap seg6local action End nh6 fd00::9/64 dev v3
-6 route add fc00::1 encap seg6local action End nh4 x dev v3
-6 route add fc00::1 encap seg6local action End table x dev v3
-6 route add fc00::1 encap seg6local action End vrftable x dev v3
-6 route add fc00::1 encap seg6local action End oif nope dev v3
-6 route add fc00::1 encap seg6local action End iif nope dev v3
-6 route add fc00::1 encap seg6local action End flavors x dev v3
-6 route add fc00::1 encap seg6local action End flavors psp,x dev v3
-6 route add fc00::1 encap seg6local action End flavors "" dev v3
-6 route add fc00::1 encap seg6local action End flavors psp,psp dev v3
-6 route add fc00::1 encap seg6local action End flavors psp lblen 5 dev v3
-6 route add fc00::1 encap seg6local action End flavors next-csid nflen 4 lblen 5 dev v3
-6 route add fc00::1 encap seg6local action End flavors next-csid lblen 256 dev v3
-6 route add fc00::1 encap seg6local action End flavors next-csid nflen x dev v3
-6 route add fc00::1 dev v3 encap seg6local action End flavors
-6 route add fc00::1 encap seg6local action End.B6 srh dev v3
-6 route add fc00::1 encap seg6local action End.B6 srh segs dev v3
-6 route add fc00::1 encap seg6local action End.B6 srh hmac 5 segs fd00::1 dev v3
-6 route add fc00::1 encap seg6local action End.B6 srh segs fd00::1 srh segs fd00::1 dev v3
-6 route add fc00::1 dev v3 encap seg6local action End.B6 srh segs fd00::1 hmac
-6 route add fc00::1 encap rpl segs x dev v3
-6 route add fc00::1 encap rpl segs fd00::9 segs fd00::9 dev v3
-6 route add fc00::1 encap rpl frob
-6 route add fc00::1 encap ioam6 mode encap trace prealloc type 0x800000 ns 1 size 12 dev v3
-6 route add fc00::1 encap ioam6 freq 1 trace prealloc
-6 route add fc00::1 encap ioam6 freq /2 trace
-6 route add fc00::1 encap ioam6 freq 1/2/3 trace
-6 route add fc00::1 encap ioam6 freq 5/1 trace
-6 route add fc00::1 encap ioam6 freq 0/1 trace
-6 route add fc00::1 encap ioam6 freq 1/1000001 trace
-6 route add fc00::1 encap ioam6 mode x trace
-6 route add fc00::1 encap ioam6 mode inline freq 1/2 trace
-6 route add fc00::1 encap ioam6 mode inline tundst fd00::1 trace
-6 route add fc00::1 encap ioam6 tundst fd00::1 trace
-6 route add fc00::1 encap ioam6 mode encap tundst x trace
-6 route add fc00::1 encap ioam6 mode encap tundst any trace
-6 route add fc00::1 encap ioam6 x y
-6 route add fc00::1 encap ioam6 trace x
-6 route add fc00::1 encap ioam6 trace prealloc x
-6 route add fc00::1 encap ioam6 trace prealloc
-6 route add fc00::1 encap ioam6 trace prealloc type
-6 route add fc00::1 encap ioam6 trace prealloc type x
-6 route add fc00::1 encap ioam6 trace prealloc type 0 ns x
-6 route add fc00::1 encap ioam6 trace prealloc type 1 size 12
-6 route add fc00::1 encap ioam6 trace prealloc type 1 ns
-6 route add fc00::1 encap ioam6 trace prealloc type 1 ns 65536 size
-6 route add fc00::1 encap ioam6 trace prealloc type 1 ns 1 dev v3
-6 route add fc00::1 encap ioam6 trace prealloc type 1 ns 1 size
-6 route add fc00::1 encap ioam6 trace prealloc type 1 ns 1 size 0
-6 route add fc00::1 encap ioam6 trace prealloc type 1 ns 1 size 13
-6 route add fc00::1 encap ioam6 trace prealloc type 1 ns 1 size 250
-6 route add fc00::1 encap ioam6 trace prealloc type 1 ns 1 size 248
-6 route add fc00::1 encap ila 1:2:3: dev v3
-6 route add fc00::1 encap ila 1:2:3:4:5 dev v3
-6 route add fc00::1 encap ila 1::2 dev v3
-6 route add fc00::1 encap ila -1 dev v3
-6 route add fc00::1 encap ila x dev v3
-6 route add fc00::1 encap ila 1:2:3:fffff dev v3
-6 route add fc00::1 encap ila 1 csum-mode x dev v3
-6 route add fc00::1 encap ila 1 ident-type x dev v3
-6 route add fc00::1 encap ila 1 ident-type virt-v4 dev v3
-6 route add fc00::1 encap ila 1 hook-type x dev v3
-6 route add fc00::1 encap xfrm dev v3
-6 route add fc00::1 encap xfrm if_id 0 dev v3
-6 route add fc00::1 encap xfrm if_id x dev v3
-6 route add fc00::1 encap xfrm if_id 5 if_id 6 dev v3
-6 route add fc00::1 encap xfrm if_id 5 link_dev nope dev v3
-6 route add fc00::1 encap xfrm if_id 5 link_dev v3 link_dev v2 dev v3
-6 route add fc00::1 encap xfrm if_id 5 help
-6 route add fc00::1 encap bpf headroom 0 dev v3
-6 route add fc00::1 encap bpf headroom x dev v3
-6 route add fc00::1 encap bpf help x
-6 route add fc00::1 encap help
-f mpls route add 100/200 dev v3
-f mpls route add 100/ dev v3
-f mpls route add x dev v3
-f mpls route add any dev v3
-f mpls route add default dev v3
-f mpls route add "" dev v3
-f mpls route add 1048576 dev v3
-f mpls route add -1 dev v3
-f mpls route add 100 as x dev v3
-f mpls route add 100 as any dev v3
-f mpls route add 100 as 5/ dev v3
-f mpls route add 100 via inet x dev v3
-f mpls route get x
-f mpls route get 100
-f mpls route get 100/200
-f mpls route show 100
-f mpls route show via 5
-f mpls route show match 100
-f mpls route show any
-f mpls route flush 100
-6 route add fc00::1 encap mpls 1/x dev v3
"""


UNSHOWN = ("nh6 any dev v3", "100 src 5 dev v3", "100 via 5 dev v3")  # what no kernel would send


def lines_with(options: str) -> list[str]:
    """Return the lines with these options, without them."""
    return [line[len(options) :].strip() for line in SENT.strip().splitlines() if line.startswith(options)]


def sent(universe: Universe, options: str) -> list[bytes]:
    """Return the requests for routes that a universe's `ip` sends for the lines with these options, in one batch."""
    lines = lines_with(options)
    traced = ["/usr/bin/env", "strace", "-o", "/dev/stdout", "-e", "trace=sendmsg,sendto", "-e", "write=all", *universe.program]
    done = universe.run([*traced, *options.split(), "-force", "-batch", "-"], stdin=None, input="\n".join(lines).encode())
    messages: list[bytearray] = []
    for line in done.stdout.decode("latin-1").splitlines():
        dumped = re.match(r" \| ([0-9a-f]{5,})  (.{49})", line)
        if dumped is not None:
            if dumped[1] == "00000":
                messages.append(bytearray())
            messages[-1] += bytes.fromhex(dumped[2].replace(" ", ""))
    found = [bytes(one) for one in messages if one[4] in (24, 25)]
    assert len(found) == len(lines), done.stderr
    return found


HEADER = 28  # struct nlmsghdr, struct rtmsg


def dump(requests: list[bytes]) -> bytes:
    """Return requests as a file that `ip route showdump` shows.  The kernel does not mark RTA_ENCAP as nested."""
    found = [struct.pack("=I", 0x45311224)]
    for one in requests:
        body = bytearray(one[16:] + bytes(-len(one) % 4))
        at = 12
        for number, payload in split(one[HEADER:]) or []:
            struct.pack_into("=H", body, at + 2, number)
            at += len(payload) + 7 & ~3
        found.append(one[:4] + struct.pack("=HHII", 24, 2, 0, 0) + body)
    return b"".join(found)


def changed(request: bytes, rng: random.Random) -> bytes:
    """Return a request with one number of its encapsulation changed."""
    places = []
    offset = HEADER
    for number, payload in split(request[HEADER:]) or []:
        if number == 22:
            at = offset + 4
            for _, inner in split(payload) or []:
                if len(inner) in (1, 2, 4):
                    places.append((at + 4, len(inner)))
                at += len(inner) + 7 & ~3
        offset += len(payload) + 7 & ~3
    if not places:
        return request
    at, size = rng.choice(places)
    return request[:at] + rng.choice([0, 1, 2, 3, 9, 17, 200]).to_bytes(size, "little") + request[at + size :]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_requests_and_how_they_are_shown(both: Both, tmp_path: Path) -> None:
    rng = random.Random(1)
    requests = []
    for options in ("-6", "-f mpls", "-4"):
        real, ours = (sent(universe, options) for universe in (both.real, both.ours))
        assert [(one[16:HEADER], tree(one[HEADER:])) for one in ours] == [(one[16:HEADER], tree(one[HEADER:])) for one in real]
        requests += [one for one, line in zip(real, lines_with(options)) if not line.endswith(UNSHOWN)]
    requests += [changed(one, rng) for _ in range(3) for one in requests]
    (tmp_path / "saved").write_bytes(dump(requests))
    for options in ("", "-s -d", "-o"):
        answers = []
        for universe in (both.real, both.ours):
            with (tmp_path / "saved").open("rb") as file:
                done = universe.run([*universe.program, *options.split(), "route", "showdump"], stdin=file)
            answers.append((done.returncode, done.stdout.decode().split("\n"), done.stderr))
        wrong = [f"{two}\n   not: {one}" for one, two in zip(answers[0][1], answers[1][1]) if one != two]
        assert answers[1] == answers[0], "\n".join([options, *wrong[:12]])


def test_refusals(both: Both) -> None:
    found = both.differences(SAID)
    assert not found, "\n".join(found)
