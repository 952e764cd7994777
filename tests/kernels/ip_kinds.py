"""The kinds of links of `ip link` on a kernel that has them: `rawns ip` beside the real `ip`, both inside a booted machine.

`compare` is a check of init.py.  In one namespace the real `ip` runs `COMMANDS`, in another one ours, so that the links that come
of them must be alike; and in the first, both print them.  What the kernel answered there, and what the real `ip` made of it, is
left in `RECORD` for tests/unit/test_ip_recorded.py, which needs no such kernel.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import socket
import struct
import subprocess
import sys
from pathlib import Path

REAL, OURS = ["/real/ld.so", "--library-path", "/real", "/real/ip"], [sys.executable, "-m", "rawns", "ip"]
RECORD = Path("/run/files/kinds.json")
FORMS = (
    "-d link",
    "-d -j link",
    "-d -j -p link",
    "link",
    "-j link",
    "-d -o link",
    "-br link",
    "-d addr",
    "-d link show type gre",
)
RECORDED_FORMS = ("-d link", "-d -j link", "link")
RANDOM = r'(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|permaddr"?:? ?"?[0-9a-f:]+'  # addresses that the kernel makes up

# Kinds whose links have no MAC address of their own, or refuse one.
NO_ADDRESS = "gre ip6gre ipip sit ip6tnl vti vti6 xfrm nlmon vcan vxcan wireguard hsr ipvlan ipvtap".split()

# The names of links are l0, l1 ... in the order of the lines; every link has an index and a MAC address that are given.
COMMANDS = """
dummy
dummy
ifb
veth peer name p3 index 903 address 02:00:00:00:09:03
gre remote 192.0.2.2 local 192.0.2.1 ttl 64 tos 0x10 key 5 iseq ocsum dev l0 fwmark 8
gre remote 192.0.2.3 ttl inherit tos inherit nopmtudisc ikey 1.2.3.4 okey 7 seq icsum
gre remote 192.0.2.4 encap fou encap-sport auto encap-dport 5555 encap-csum
gre remote 239.0.0.1 local 192.0.2.1 dev l0
gretap remote 192.0.2.5 local 192.0.2.1 ttl 5 ignore-df nopmtudisc key 9
gretap external
erspan remote 192.0.2.6 local 192.0.2.1 seq key 5 erspan_ver 1 erspan 7
erspan remote 192.0.2.7 seq key 6 erspan_ver 2 erspan_dir egress erspan_hwid 9
erspan remote 192.0.2.7 seq key 7 erspan_ver 2 erspan_dir ingress
ip6gre remote fd00::2 local fd00::1 hoplimit 7 encaplimit 5 tclass 0x20 flowlabel 0x12345 dev l0 key 3 fwmark 8
ip6gre remote fd00::3 ttl inherit encaplimit none tclass inherit flowlabel inherit dscp inherit fwmark inherit allow-localremote
ip6gretap remote fd00::4 local fd00::1 iseq ocsum
ip6gretap external
ip6erspan remote fd00::5 local fd00::1 seq key 5 erspan_ver 1 erspan 7
ip6erspan remote fd00::6 local fd00::1 seq key 6 erspan_ver 2 erspan_dir egress erspan_hwid 9
ipip remote 192.0.2.2 local 192.0.2.1 ttl 64 tos 0x10 dev l0 fwmark 8
ipip remote 192.0.2.3 mode any nopmtudisc tos inherit
ipip remote 192.0.2.4 mode ipip encap gue encap-sport 7 encap-dport 8 encap-remcsum
ipip external
sit remote 192.0.2.5 local 192.0.2.1 ttl 64
sit remote 192.0.2.6 mode ip6ip isatap
sit remote 192.0.2.7 6rd-prefix 2001:db8::/32 6rd-relay_prefix 10.0.0.0/8
ip6tnl remote fd00::2 local fd00::1 mode ip6ip6 hoplimit 7 encaplimit 5 tclass 0x20 flowlabel 12345 dev l0
ip6tnl remote fd00::3 mode ipip6 encaplimit none tclass inherit fl inherit dscp inherit fwmark inherit allow-localremote
ip6tnl remote fd00::4 mode any encap fou encap-dport 5555
ip6tnl external
vti remote 192.0.2.2 local 192.0.2.1 key 4 fwmark 7
vti local 192.0.2.1 ikey 5 okey 1.2.3.4 dev l0
vti6 remote fd00::2 local fd00::1 key 4 dev l0
xfrm if_id 0x10 dev l0
xfrm if_id 5
xfrm external
bareudp dstport 5 ethertype mpls_uc
hsr slave1 l0 slave2 l1 supervision 45 version 1
nlmon
vcan
vxcan peer name p40 index 940
wireguard
bond mode active-backup miimon 100 arp_validate none fail_over_mac active primary_reselect better
bond mode 802.3ad lacp_rate fast xmit_hash_policy layer3+4 ad_select bandwidth min_links 2 ad_actor_system 02:00:00:00:0a:01
bond mode active-backup arp_interval 100 arp_ip_target 192.0.2.1,192.0.2.2 arp_all_targets all arp_validate all
vrf table 10
bridge stp_state 1 priority 7 vlan_filtering 1 vlan_protocol 802.1ad mcast_snooping 0 group_fwd_mask 8
link=l3 vlan id 5 protocol 802.1ad gvrp on reorder_hdr off loose_binding on ingress-qos-map 1:2 3:4 egress-qos-map 5:6
link=l3 macvlan mode source
link=l3 macvtap mode bridge
link=p3 ipvlan mode l3 private
link=p3 ipvtap mode l3 private
vxlan id 42 remote 192.0.2.9 local 192.0.2.1 dstport 4790 dev l0 ttl 5 tos 0x10 nolearning udp6zerocsumtx
vxlan id 43 group 239.1.1.1 dev l0 dstport 4791 ageing 7 maxaddress 9 proxy rsc l2miss l3miss srcport 1000 2000
vxlan external dstport 4792
geneve id 5 remote 192.0.2.9 ttl 7 tos 0x10 df set dstport 99 udpcsum
geneve id 6 remote fd00::9 ttl inherit flowlabel 5 udp6zerocsumtx noudp6zerocsumrx
geneve external dstport 98
team
"""
AFTERWARDS = """
link add d0 index 800 address 02:00:00:00:08:00 type dummy
link add d1 index 801 address 02:00:00:00:08:01 type dummy
link add d2 index 802 address 02:00:00:00:08:02 type dummy
link add d3 index 803 address 02:00:00:00:08:03 type dummy
link set d0 master l42
link set d3 master l43
link set d3 type bond_slave queue_id 7
link set l42 type bond primary d0
link set d1 master l45
link set d2 master l46
link set d2 type bridge_slave cost 7 priority 3 guard on isolated on hairpin on
link set l4 type gre ttl 5 nokey noiseq fwmark 0
link set l8 type gretap remote 192.0.2.99
link set l13 type ip6gre hoplimit 9 tclass inherit
link set l19 type ipip local any ttl 6
link set l25 type sit 6rd-prefix 2001:db9::/40
link set l26 type ip6tnl mode any encaplimit 7
link set l30 type vti okey 9
link set l32 type vti6 key 11
link set l47 type vlan gvrp off mvrp on
link set l48 type macvlan macaddr add 02:00:00:00:07:01
link set l0 type gre ttl 5
link set l3 type ip6tnl ttl 5
link set l46 type vti key 5
"""


def commands() -> str:
    """Return the lines of a batch."""
    lines = []
    for number, words in enumerate(COMMANDS.strip().splitlines()):
        lower, _, rest = words.partition(" ") if words.startswith("link=") else ("", "", words)
        kind = rest.split()[0]
        address = "" if kind in NO_ADDRESS else f"address 02:00:00:00:00:{number:02x}"
        below = f"link {lower[5:]}" if lower else ""
        lines.append(f"link add {below} name l{number} index {100 + number} {address} type {rest}")
    afterwards = AFTERWARDS.strip().splitlines()
    if sys.byteorder == "big":  # iproute2 reads one byte of IFLA_VTI_LINK, the wrong one there, and so takes "dev" away
        afterwards = [line for line in afterwards if "type vti6" not in line]
    return "\n".join([*lines, *afterwards, ""])


def _answers() -> list[str]:
    """Return the messages of the kernel's list of links, as `ip` asks for it, in hexadecimal."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
        body = struct.pack("BxHiII", socket.AF_PACKET, 0, 0, 0, 0) + struct.pack("HHI", 8, 29, 9)  # IFLA_EXT_MASK
        sock.send(struct.pack("IHHII", 16 + len(body), 18, 0x301, 1, 0) + body)  # RTM_GETLINK, a dump
        found: list[str] = []
        while True:
            data = sock.recv(1 << 20)
            while data:
                size, kind = struct.unpack_from("IH", data)
                if kind == 3:  # NLMSG_DONE
                    return found
                found.append(data[16:size].hex())
                data = data[size + 3 & ~3 :]


def _differences(name: str, real: str, ours: str) -> list[str]:
    if real == ours:
        return []
    lines = difflib.unified_diff(real.splitlines(), ours.splitlines(), f"{name}, real", "ours", n=0, lineterm="")
    return [line if len(line) < 900 else _around(line, real, ours) for line in lines]


def _around(line: str, real: str, ours: str) -> str:
    """Return the part of a long line in which the two differ first."""
    at = len(os.path.commonprefix([real, ours]))
    return f"{line[0]}...{(real if line[0] == '-' else ours)[max(0, at - 80) : at + 200]}"


def compare() -> str:
    """Run both programs, and end the check if they differ anywhere."""
    from rawns import NetNS

    if not os.path.exists(REAL[0]):
        return "there is no real ip"
    found: list[str] = []
    batch = commands()
    with NetNS.create() as first, NetNS.create() as second:

        def run(ns: NetNS, program: list[str], words: str, given: str = "") -> tuple[str, str]:
            done = ns.run([*program, *words.split()], input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            return done.stdout, f"{done.stderr}\nstatus {done.returncode}"

        made = [run(ns, program, "-force -batch -", batch) for ns, program in ((first, REAL), (second, OURS))]
        found += _differences("batch", "".join(made[0]), "".join(made[1]))
        outputs = {}
        for form in FORMS:
            real, ours = run(first, REAL, form), run(first, OURS, form)
            outputs[form] = real[0]
            found += _differences(f"ip {form}", "".join(real), "".join(ours))
            elsewhere = run(second, REAL, form)
            found += _differences(f"made by ours, {form}", *(re.sub(RANDOM, "", "".join(one)) for one in (real, elsewhere)))
        RECORD.parent.mkdir(exist_ok=True)
        with first.entered():
            links = _answers()
        shown = {form: outputs[form].splitlines() for form in RECORDED_FORMS}
        told = {"kernel": os.uname().release, "refused": made[0][1].splitlines(), "links": links, "outputs": shown}
        RECORD.write_text(json.dumps(told, indent=0))
    refused = made[0][1].count("Command failed")
    if found:
        RECORD.with_name("differences.txt").write_text("\n".join([*found, ""]))
        raise SystemExit("\n".join(found))
    return f"{batch.count(chr(10))} commands, {refused} refused by the kernel, {len(FORMS)} forms of output"
