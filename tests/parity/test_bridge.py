"""`rawns bridge` beside the real `bridge`: the same words, and every byte of the answers compared.

The kernel here has no VLANs of bridges.  Their lists are compared with the answers of a library that the real `bridge` is made
to load (`netlink_answers.c`), what changes them by the requests, which the kernel refuses.
"""

from __future__ import annotations

import random
import re
import shlex
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_ip_monitor import SECONDS, _wait_until_it_listens, bounded
from test_ip_wire import tree
from universe import Both, Universe, missing

from rawns import nlmsg, rtnl, uapi
from rawns.cli.bridge import command
from rawns.cli.ip import context, monitor, program
from rawns.cli.ip.context import IpContext
from rawns.nlmsg import Reply, Request
from rawns.rtnl import mdb
from rawns.wire import Message

pytestmark = pytest.mark.skipif(bool(missing()) or shutil.which("bridge") is None, reason=missing() or "bridge is not installed")

BRIDGES = """
link set lo up
link add br0 address 02:00:00:00:00:10 index 20 type bridge mcast_igmp_version 3
link add v1 address 02:00:00:00:00:01 index 11 type veth peer name v2 address 02:00:00:00:00:02 index 12
link add v3 address 02:00:00:00:00:03 index 13 type veth peer name v4 address 02:00:00:00:00:04 index 14
link add vx0 address 02:00:00:00:00:30 index 30 type vxlan dstport 4789 external vnifilter
link add vx1 address 02:00:00:00:00:31 index 31 type vxlan id 7 dstport 4790 local 10.0.0.1 dev v4
link set v1 master br0
link set v3 master br0
link set vx0 master br0
link set br0 up
link set v1 up
link set v2 up
link set v3 up
link set v4 up
link set vx0 up
link set vx1 up
"""


@pytest.fixture(name="both", scope="module")
def two_universes_with_bridges() -> Iterator[Both]:
    """Two universes alike, as `BRIDGES` leaves them; without IPv6, which would join groups and be learned when it is time."""
    universes = Both("bridge")
    try:
        for universe in (universes.real, universes.ours):
            universe.run(["sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6"])
        universes.prepare(BRIDGES)
        yield universes
    finally:
        universes.close()


VOLATILE = r"\d+\.\d\d\b|(?<=used )\d+/\d+|(?<=\"used\":)\d+|(?<=\"updated\":)\d+|(?<=\"used\": )\d+|(?<=\"updated\": )\d+"
LINES = r"""
link
+ vni add vni 100,200-210 dev vx0
+ vni add vni 300 remote 10.0.0.5 dev vx0
+ vni add vni 301 remote fd00::5 dev vx0
+ mdb add dev br0 port v1 grp 239.1.1.1 permanent
+ mdb add dev br0 port v1 grp 239.1.1.1 src 10.0.0.9 permanent
+ mdb add dev br0 port v3 grp ff05::1
+ mdb add dev br0 port br0 grp 239.1.1.2
+ mdb add dev br0 port v1 grp 02:00:00:00:00:05 permanent
+ link set dev v1 mcast_router 2
+ fdb add 02:00:00:00:00:77 dev v1 master static
+ fdb add 02:00:00:00:00:78 dev v1 master dynamic sticky
+ fdb add 02:00:00:00:00:79 dev vx1 dst 10.0.0.7 vni 8 port 99 via v4
+ fdb append 02:00:00:00:00:79 dev vx1 dst 10.0.0.8
link
-d link
-j link
-j -p -d link
-o -d link
-c -d link
mdb
-d mdb
-s mdb
-d -s mdb
-j -d -s mdb
-j -p -d mdb
-c -d mdb
-o mdb
vni
-s vni
-j vni
-j -p -s vni
-o vni
-c vni
fdb show br br0 state static
-s fdb show dev v1 state permanent
-c fdb show dev vx1
-j -p -s fdb show dev vx1
vlan
-d vlan
-s vlan
-j vlan
-j -d vlan
-j -s vlan
vlan tunnelshow
-j vlan tunnelshow
vlan global
vlan global show dev br0
-compressvlans vlan
+ vlan add vid 5 dev v1
+ vlan add vid 5-7 dev v1 pvid
+ vlan add vid 5-7 dev v1 tunnel_info id 5-7
+ vlan del vid 5 dev v1
+ vlan set vid 5 dev v1 state 3
+ vlan global set vid 5 dev br0 mcast_querier 1
help
link help
fdb help
mdb help
vlan help
vni help
monitor help
frob
link frob
fdb frob
mdb frob
vlan frob
vni frob
vni del vni 3 dev vx0
vlan global frob
monitor frob
-frob
-n nope link
-n
-
-j -
- link
--
-- link
-f mpls link
-f
link set dev v1 guard maybe
+ link set dev v1 state frob
+ link set dev v1 state 99
+ link set dev v1 hwmode frob
+ link set dev nope cost 5
+ link set cost 5
+ link set dev v2 cost 5
link set dev v1 frob
+ link set dev v1 backup_port nope
+ link set dev v1 backup_port v3
+ link set dev v1 nobackup_port
+ link set dev v1 guard on hairpin on fastleave on root_block on learning off flood off mcast_flood off bcast_flood off
+ link set dev v3 mcast_to_unicast on neigh_suppress on vlan_tunnel on isolated on locked on cost 70 priority 5 state blocking
-d link
+ link set dev v1
+ link set
link show dev nope
link show dev v1 dev v3
link show dev v1
link show dev v2
link show frob
link set dev v1 cost
+ fdb add
+ fdb add 02:00:00:00:00:01
+ fdb add zz dev v1
fdb add 2:0:0:0:0:44 dev nope
+ fdb add 2:0:0:0:0:44 dev v1
fdb add 2:0:0:0:0:44 2:0:0:0:0:45 dev v1
+ fdb add to 2:0:0:0:0:46 dev v1 master
fdb add 2:0:0:0:0:47 dev v1 vlan 5 vlan 6
+ fdb add 2:0:0:0:0:47 dev v1 vlan 5 master
fdb add 2:0:0:0:0:47 dev v1 dst 10.0.0.1 dst 10.0.0.2
fdb add 2:0:0:0:0:47 dev v1 dst x
+ fdb add 2:0:0:0:0:47 dev vx1 dst default
fdb add 2:0:0:0:0:47 dev vx1 port frob
fdb add 2:0:0:0:0:47 dev vx1 port 70000
+ fdb add 2:0:0:0:0:47 dev vx1 port ntp dst 10.0.0.9
fdb add 2:0:0:0:0:47 dev vx1 vni x
fdb add 2:0:0:0:0:47 dev vx1 vni -1
fdb add 2:0:0:0:0:47 dev vx1 src_vni 16777216
fdb add 2:0:0:0:0:47 dev vx1 via nope
fdb add 2:0:0:0:0:47 dev vx1 nhid x
+ fdb add 2:0:0:0:0:47 dev vx1 nhid 5 vni 5
+ fdb add 2:0:0:0:0:47 dev vx1 nhid 5
fdb get 02:00:00:00:00:77 br br0
fdb get 02:00:00:00:00:77 dev v1 master
-j fdb get 02:00:00:00:00:77 br br0
fdb get 02:00:00:00:00:99 br br0
fdb get 02:00:00:00:00:77 br nope
fdb get 02:00:00:00:00:77 dev nope
fdb get 02:00:00:00:00:77
fdb get zz dev v1
fdb get help
fdb get 02:00:00:00:00:01 br br0 dynamic
fdb show br nope
fdb show dev nope
fdb show brport v1 state permanent
fdb show state frob
fdb show br br0 vlan 5
fdb show vlan 5 vlan 6
fdb show br br0 dynamic
fdb show help
fdb show frob br br0 state static
+ fdb flush
+ fdb flush dev nope
+ fdb flush dev br0 brport nope
fdb flush dev br0 brport v1 brport v3
+ fdb flush dev br0 vlan 4096
fdb flush dev br0 vlan 5 vlan 6
+ fdb flush dev br0 brport v1 dynamic
+ fdb flush dev br0 brport v1 static
fdb flush dev br0 help
fdb fl dev br0
fdb show br br0 state permanent
+ fdb del 02:00:00:00:00:77 dev v1 master
+ fdb del 02:00:00:00:00:79 dev vx1 dst 10.0.0.8
+ fdb replace 02:00:00:00:00:79 dev vx1 dst 10.0.0.9
+ mdb add
+ mdb add dev br0 port v1
mdb add dev nope port v1 grp 239.1.1.1
mdb add dev br0 port nope grp 239.1.1.1
+ mdb add dev br0 port v1 grp x
+ mdb add dev br0 port v1 grp 1.2.3
+ mdb add dev br0 port v1 grp 2:0:0
+ mdb add dev br0 port v1 grp 300:0:0:0:0:0
+ mdb add dev br0 port v1 grp 1:0:5e:0:0:1
+ mdb add dev br0 port v1 grp 239.1.1.1 src x
+ mdb add dev br0 port v1 grp 239.1.1.1 src ff::1
+ mdb add dev br0 port v1 grp 239.1.1.1 frob
mdb add help
mdb show dev nope
mdb show dev br0 dev br0
mdb show vid 5
mdb show vid 5 vid 6
+ mdb del dev br0 port v1 grp 239.1.1.1
+ mdb del dev br0 port v1 grp 239.1.1.1
+ vni add
+ vni add vni 5
+ vni add vni 5 dev nope
vni add vni 5 vni 6 dev vx0
vni add vni 5 group 10.0.0.1 dev vx0
vni add vni 5 remote x dev vx0
vni add vni 5 remote 10.0.0.1 remote 10.0.0.2 dev vx0
+ vni add vni 16777216 dev vx0
+ vni add vni x dev vx0
vni add help
+ vni delete vni 100 dev vx0
+ vni delete vni 777 dev vx0
vni show dev nope
vni show dev vx0 dev vx0
vni show dev vx0
vni show dev vx1
+ vlan add
+ vlan add vid 5
+ vlan add vid x dev nope
+ vlan add vid 4096 dev v1
+ vlan add vid 7-5 dev v1
+ vlan add vid 5- dev v1
vlan add vid 5 dev v1 tunnel_info frob
vlan add vid 5 dev v1 tunnel_info id x
vlan add vid 5 dev v1 tunnel_info id 5-x
vlan add vid 5 dev v1 help
vlan add help vid 5 dev v1
+ vlan set vid 5
+ vlan set dev nope
+ vlan set dev v1 vid 5 state frob
vlan set dev v1 vid 5 mcast_router x
+ vlan set dev v1 vid 7-5
+ vlan set dev v1 vid 4096
vlan global set dev v1 vid 5 mcast_querier 256
+ vlan global set dev nope
+ vlan global set vid 5
vlan global set dev br0 vid 5 mcast_querier_interval x
vlan show dev nope
vlan show vid 5 vid 6
vlan show dev v1 dev v1
+ mdb add dev br0 port v1 grp 239.1.1.1 permanent
+ mdb add dev br0 port v1 grp 239.1.1.1 src 10.0.0.9 permanent
-c -d mdb
-j -d vlan
-j -p -d vlan
-j vni show dev vx1
link set dev v1 guard maybe
vni show dev vx1
mdb add dev br0 port v1 grp
-j monitor frob
-b /nonexistent
-4 fdb add 2:0:0:0:0:47 dev vx1 dst fd00::1
-6 fdb add 2:0:0:0:0:47 dev vx1 dst fd00::1
-s -s -d -d -o -o link
-h
-he
+ fdb ap
+ fdb a 2:0:0:0:0:48 dev v1 ma sta
+ fdb add 2:0:0:0:0:49 dev v1 ma sti
+ fdb add 2:0:0:0:0:50 dev v1 ma loc u e r
+ fdb add 2:0:0:0:0:51 dev v1 s
+ fdb add 2:0:0:0:0:51 dev v1 p
+ fdb add 2:0:0:0:0:51 dev v1 d
+ fdb add 02:00:00:00:00:52:77 dev v1 master
+ fdb add 0x2:00:00:00:00:153 dev v1 master
fdb add 02:00:00:00:00:5 dev v1 master h
fdb show br br0 state permanent
fdb sh br br0 state stat
fdb show br br0 state d
fdb show br br0 state 0x40
fdb show br br0 state all
+ fdb delete 2:0:0:0:0:48 dev v1 master
fdb get 2:0:0:0:0:49 br br0 vlan 5
fdb get 2:0:0:0:0:49 br br0 vlan 5 vlan 6
fdb g to 2:0:0:0:0:49 br br0
fdb get 2:0:0:0:0:49 2:0:0:0:0:49 br br0
+ link set dev v1 priority -1 cost 0 mcast_router 200 state -1
+ link set dev v1 priority 99999
+ link set dev v1 priority 63
+ link set dev v1 mcast_router 7
+ link set dev v3 state 3
+ link set dev v3 hwmode veb
+ link set dev v3 self
+ link set dev v3 master
+ link ch dev v3 cost 9
link s
link set help
+ mdb add dev br0 port v1 grp ff05::2 src fd00::1 permanent vid 0
+ mdb add dev br0 port v1 grp 239.1.1.9 temp
+ mdb a
+ mdb d
mdb show help
mdb s vid 5
vni s
vni list
vni lst
vlan s
vlan t
+ vlan se
vlan g
vlan l
+ fdb flush dev br0 brport v3 self
+ fdb flush dev br0 master static nopermanent added_by_user noextern_learn sticky nooffloaded
+ fdb flush dev vx1
fdb
+ vlan add dev v1 vid 65535
+ vlan add dev v1 vid 65530
+ vlan add dev v1 vid 99999999999
vlan add dev v1 vid 5 tunnel_info id 16777216
vlan add dev v1 vid 5 tunnel_info
+ vlan add dev v1 vid 5-6 tunnel_info id 5
"""


def batched(lines: str) -> str:
    """Return the same commands with those in a row that begin with + as one batch: errors do not end it, they exit with 255."""
    found: list[str] = []
    for line in lines.strip().splitlines():
        if line.startswith("+ ") and found and found[-1].startswith(BATCH):
            found[-1] += line[2:] + r"\n"
        else:
            found.append(f"{BATCH}{line[2:]}\\n" if line.startswith("+ ") else line)
    return "\n".join(found)


BATCH = "-force -b - <<< "


def test_the_same_answers(both: Both) -> None:
    found = both.differences(batched(LINES), VOLATILE, same_help=True)
    assert not found, "\n".join(found)


def test_batches(both: Both) -> None:
    """An error that ends the real process ends the batch, with -force as well."""
    lines = r"""
-b - <<< link set dev v1 cost 9\nlink show dev v1\nlink set dev nope cost 9\nlink set dev v1 cost 10\n
-force -b - <<< link set dev nope cost 9\n# nothing\nlink set dev v1 \\\ncost 11\nfdb add zz dev v1\nlink set dev v1 guard x\n
-force -b - <<< frob\nlink\n
-force -b - <<< fdb frob\nlink set dev v1 cost 12\n
-force -b - <<< fdb add 2:0:0:0:0:1 dev v1 vni x\nlink set dev v1 cost 13\n
-b - <<< link help\nlink set dev v1 cost 14\n
-j -b - <<< link set dev v1 'cost' "15"\nlink show dev v1\n
-b /nonexistent
"""
    found = both.differences(lines, same_help=True)
    assert not found, "\n".join(found)


# -- events ---------------------------------------------------------------------------------------------------------------

CHANGES = """
bridge fdb add 02:00:00:00:00:91 dev v1 master static
bridge fdb del 02:00:00:00:00:91 dev v1 master
bridge mdb add dev br0 port v1 grp 239.9.9.9 permanent
bridge mdb del dev br0 port v1 grp 239.9.9.9
bridge link set dev v1 mcast_router 2
bridge vni add vni 77 dev vx0
bridge vni delete vni 77 dev vx0
bridge link set dev v1 isolated on
bridge fdb add 02:00:00:00:00:92 dev vx1 dst 10.0.0.9
bridge vni add vni 79 dev vx0
bridge fdb add 02:00:00:00:00:99 dev v3 master
"""


def events(universe: Universe, words: str) -> str:
    """Return what a monitor prints until the last of the changes."""
    monitor = universe.start([*universe.program, *shlex.split(words)])
    assert monitor.stdout is not None
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    with bounded(monitor):
        _wait_until_it_listens(monitor)
        changes = [*CHANGES.strip().splitlines(), "bridge vni delete vni 79 dev vx0"]
        script = "\n".join(
            [*changes, "bridge fdb del 02:00:00:00:00:92 dev vx1", "bridge fdb del 02:00:00:00:00:99 dev v3 master"]
        )
        done = universe.run(["sh", "-ec", script], env=path)
        assert done.returncode == 0, done.stderr
        lines = []
        for line in monitor.stdout:
            lines.append(line.decode())
            if "Deleted 02:00:00:00:00:99" in lines[-1]:
                break
        monitor.terminate()
        monitor.wait(SECONDS)
    return "".join(lines)


@pytest.mark.parametrize("words", ["monitor", "-t monitor all", "-s -d -j monitor all", "monitor vni fdb"])
def test_the_same_events(both: Both, words: str) -> None:
    time = r"Timestamp: .*\n|used \d+/\d+"
    real, ours = (re.sub(time, "T", events(universe, words)) for universe in (both.real, both.ours))
    assert ours == real and real.count("\n") > 3


def message(described: Message, **body: Any) -> bytes:
    return Request(described, body, 0).pack(0)


def vlan_info(vid: int, flags: int = 0) -> dict[str, int]:
    return {"vid": vid, "flags": flags}


PVID, UNTAGGED = uapi.BRIDGE_VLAN_INFO_PVID, uapi.BRIDGE_VLAN_INFO_UNTAGGED
BEGIN, END = uapi.BRIDGE_VLAN_INFO_RANGE_BEGIN, uapi.BRIDGE_VLAN_INFO_RANGE_END
COUNTERS = {f"BRIDGE_VLANDB_STATS_{name}": number for number, name in enumerate(("RX_BYTES", "RX_PACKETS", "TX_BYTES"), 1 << 40)}
ROUTER_PORTS = [{"ifindex": 1, "MDBA_ROUTER_PATTR_TIMER": 1234, "MDBA_ROUTER_PATTR_TYPE": 1}, {"ifindex": 99}]
GLOBAL = {
    f"BRIDGE_VLANDB_GOPTS_MCAST_{name}": number
    for number, name in enumerate(
        "SNOOPING QUERIER IGMP_VERSION MLD_VERSION LAST_MEMBER_CNT LAST_MEMBER_INTVL STARTUP_QUERY_CNT STARTUP_QUERY_INTVL "
        "MEMBERSHIP_INTVL QUERIER_INTVL QUERY_INTVL QUERY_RESPONSE_INTVL".split(),
        1,
    )
}
OPTIONS = b"".join(
    [
        message(
            rtnl.NEWVLAN,
            family=uapi.AF_BRIDGE,
            ifindex=1,
            BRIDGE_VLANDB_ENTRY=[
                {"BRIDGE_VLANDB_ENTRY_INFO": vlan_info(1, PVID | UNTAGGED), "BRIDGE_VLANDB_ENTRY_STATE": 3},
                {
                    "BRIDGE_VLANDB_ENTRY_INFO": vlan_info(5, UNTAGGED),
                    "BRIDGE_VLANDB_ENTRY_RANGE": 9,
                    "BRIDGE_VLANDB_ENTRY_STATE": 7,
                    "BRIDGE_VLANDB_ENTRY_MCAST_ROUTER": 1,
                    "BRIDGE_VLANDB_ENTRY_STATS": COUNTERS,
                },
            ],
        ),
        message(
            rtnl.NEWVLAN, family=uapi.AF_BRIDGE, ifindex=1, BRIDGE_VLANDB_ENTRY=[{"BRIDGE_VLANDB_ENTRY_INFO": vlan_info(11)}]
        ),
        message(
            rtnl.NEWVLAN,
            family=uapi.AF_BRIDGE,
            ifindex=99,
            BRIDGE_VLANDB_GLOBAL_OPTIONS=[
                {"BRIDGE_VLANDB_GOPTS_ID": 1, **GLOBAL},
                {
                    "BRIDGE_VLANDB_GOPTS_ID": 5,
                    "BRIDGE_VLANDB_GOPTS_RANGE": 9,
                    "BRIDGE_VLANDB_GOPTS_MCAST_ROUTER_PORTS": {"MDBA_ROUTER": {"MDBA_ROUTER_PORT": ROUTER_PORTS}},
                },
            ],
        ),
    ]
)
GROUP = {"ifindex": 11, "addr.u": bytes([239, 1, 1, 1]).ljust(16, b"\0"), "addr.proto": b"\x08\x00"}
SOURCES = [
    {"MDBA_MDB_SRCATTR_ADDRESS": "10.0.0.1", "MDBA_MDB_SRCATTR_TIMER": 26001},
    {"MDBA_MDB_SRCATTR_ADDRESS": "10.0.0.2", "MDBA_MDB_SRCATTR_TIMER": 5},
]
WHOLE_GROUP = {
    **GROUP,
    "vid": 5,
    "flags": 15,
    "state": 1,
    "MDBA_MDB_EATTR_TIMER": 123456,
    "MDBA_MDB_EATTR_GROUP_MODE": 0,
    "MDBA_MDB_EATTR_SRC_LIST": {"MDBA_MDB_SRCLIST_ENTRY": SOURCES},
    "MDBA_MDB_EATTR_SOURCE": "10.0.0.9",
    "MDBA_MDB_EATTR_RTPROT": 4,
}
OTHER_GROUP = {
    **GROUP,
    "addr.u": bytes.fromhex("02aabbccddee").ljust(16, b"\0"),
    "addr.proto": bytes(2),
    "MDBA_MDB_EATTR_GROUP_MODE": 1,
    "MDBA_MDB_EATTR_RTPROT": 201,
}
GROUPS = {"MDBA_MDB_ENTRY": [{"MDBA_MDB_ENTRY_INFO": [WHOLE_GROUP]}, {"MDBA_MDB_ENTRY_INFO": [OTHER_GROUP]}]}
ADDRESS = {"ndm_family": uapi.AF_BRIDGE, "ndm_ifindex": 11, "NDA_LLADDR": "02:00:00:00:00:05"}
EVERY_ADDRESS = {
    **ADDRESS,
    "ndm_flags": 0xFF,
    "ndm_state": uapi.NUD_STALE,
    "NDA_DST": "fd00::1",
    "NDA_VLAN": 5,
    "NDA_PORT": 6,
    "NDA_VNI": 7,
    "NDA_SRC_VNI": 8,
    "NDA_IFINDEX": 12,
    "NDA_NH_ID": 9,
    "NDA_LINK_NETNSID": -1,
    "NDA_MASTER": 20,
    "NDA_CACHEINFO": {"ndm_used": 12345, "ndm_updated": 6789},
}
LINK = {"ifi_index": 11, "IFLA_IFNAME": "v1"}


def stored() -> bytes:
    """Return messages that no kernel here sends, or not at will; what they are is compared in tests/unit."""
    routers = mdb.ROUTER.pack({"MDBA_ROUTER_PORT": ROUTER_PORTS}, {})  # the kernel sends it without NLA_F_NESTED
    return OPTIONS + b"".join(
        [
            message(
                rtnl.DELVLAN, family=uapi.AF_BRIDGE, ifindex=1, BRIDGE_VLANDB_ENTRY=[{"BRIDGE_VLANDB_ENTRY_INFO": vlan_info(7)}]
            ),
            message(rtnl.NEWMDB, family=uapi.AF_BRIDGE, ifindex=20, MDBA_MDB=GROUPS),
            Request(rtnl.DELMDB, {"family": uapi.AF_BRIDGE, "ifindex": 20, uapi.MDBA_ROUTER: routers}, 0).pack(0),
            message(rtnl.NEWNEIGH, **EVERY_ADDRESS),
            message(rtnl.DELNEIGH, **{**ADDRESS, "ndm_state": 0x20}),
            message(rtnl.DELNEIGH, **ADDRESS),
            message(rtnl.NEWNEIGH, ndm_family=uapi.AF_INET, ndm_ifindex=11, NDA_DST="10.0.0.1"),
            message(rtnl.NEWLINK, **LINK, ifi_family=uapi.AF_BRIDGE, IFLA_AF_SPEC={"IFLA_BRIDGE_MODE": 1}, IFLA_MTU=1500),
            message(rtnl.NEWLINK, **LINK, ifi_family=uapi.AF_BRIDGE, IFLA_AF_SPEC={"IFLA_BRIDGE_MODE": 7}, IFLA_MASTER=20),
            message(rtnl.NEWLINK, **LINK, ifi_family=uapi.AF_BRIDGE, IFLA_PROTINFO={"IFLA_BRPORT_STATE": 9}),
            message(rtnl.NEWLINK, **LINK, ifi_flags=uapi.IFF_UP | 1 << 25, IFLA_LINK=12),
            message(rtnl.NEWLINK, **LINK, ifi_family=uapi.AF_INET6),
            message(
                rtnl.DELTUNNEL,
                family=uapi.AF_BRIDGE,
                ifindex=30,
                VXLAN_VNIFILTER_ENTRY=[
                    {"VXLAN_VNIFILTER_ENTRY_START": 5, "VXLAN_VNIFILTER_ENTRY_END": 5, "VXLAN_VNIFILTER_ENTRY_GROUP": "0.0.0.0"},
                    {
                        "VXLAN_VNIFILTER_ENTRY_START": 7,
                        "VXLAN_VNIFILTER_ENTRY_END": 16777215,
                        "VXLAN_VNIFILTER_ENTRY_GROUP6": "ff05::1",
                        "VXLAN_VNIFILTER_ENTRY_STATS": {"VNIFILTER_ENTRY_STATS_RX_PKTS": 5, "VNIFILTER_ENTRY_STATS_TX_ERRORS": 6},
                    },
                    {"VXLAN_VNIFILTER_ENTRY_START": 9, "VXLAN_VNIFILTER_ENTRY_GROUP": "239.1.1.1"},
                ],
            ),
            struct.pack("=IHHIIII", 24, 15, 0, 0, 0, 1700000000, 1234),
            message(rtnl.DELLINK, **LINK, ifi_family=uapi.AF_BRIDGE),
        ]
    )


def test_stored_events(both: Both, tmp_path: Path) -> None:
    (tmp_path / "all").write_bytes(stored())
    lines = [f"{options} monitor file {tmp_path}/all {words}" for options in OPTION_SETS for words in ("", "all")]
    found = both.differences("\n".join(lines))
    assert not found, "\n".join(found)


def test_damaged_events(said: tuple[list[str], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a file has in place of events is shown or refused in words."""
    monkeypatch.setattr(monitor, "complain", said[1].append)
    dice, data = random.Random(20261125), stored()
    for number in range(300):
        damaged = bytearray(data)
        for _ in range(dice.randint(1, 12)):
            damaged[dice.randrange(len(data))] = dice.choice((*range(17), 255))
        (tmp_path / "events").write_bytes(damaged)
        colour = ["-color=always"] if number % 2 else []
        assert command.main(["-d", "-s", *colour, "monitor", "file", str(tmp_path / "events")]) in (0, 1)
    assert said[0] and said[1]


OPTION_SETS = (
    "",
    "-d",
    "-s",
    "-o",
    "-d -s",
    "-d -s -o",
    "-j -d",
    "-j -p -d -s",
    "-c=always -d -s",
    "-compressvlans",
    "-j -s",
    "-j",
)


# -- lists of VLANs -------------------------------------------------------------------------------------------------------

TUNNEL = "IFLA_BRIDGE_VLAN_TUNNEL"


def tunnel(id: int, vid: int, flags: int = 0) -> dict[str, int]:
    return {f"{TUNNEL}_ID": id, f"{TUNNEL}_VID": vid, f"{TUNNEL}_FLAGS": flags}


VLAN_LISTS = [vlan_info(1, PVID | UNTAGGED), vlan_info(5, BEGIN), vlan_info(9, END), vlan_info(4000, BEGIN | UNTAGGED)]
PORTS: list[dict[str, Any]] = [
    {
        "ifi_index": 1,
        "IFLA_AF_SPEC": {
            "IFLA_BRIDGE_VLAN_INFO": [*VLAN_LISTS, vlan_info(4094, END | UNTAGGED)],
            f"{TUNNEL}_INFO": [
                tunnel(100, 1),
                tunnel(200, 5, BEGIN),
                tunnel(204, 9, END),
                tunnel(7, 4000, BEGIN),
                tunnel(9, 4094, END),
            ],
        },
    },
    {"ifi_index": 99, "IFLA_AF_SPEC": {"IFLA_BRIDGE_VLAN_INFO": [vlan_info(7)]}},
    {"ifi_index": 98},
]
XSTATS = {
    "LINK_XSTATS_TYPE_BRIDGE": {
        "BRIDGE_XSTATS_VLAN": [
            {"rx_bytes": 1 << 40, "rx_packets": 2, "tx_bytes": 3, "tx_packets": 4, "vid": 7, "flags": PVID | UNTAGGED},
            {"rx_bytes": 5, "vid": 8, "flags": uapi.BRIDGE_VLAN_INFO_MASTER},
            {"rx_bytes": 6, "vid": 9, "flags": uapi.BRIDGE_VLAN_INFO_MASTER | uapi.BRIDGE_VLAN_INFO_BRENTRY},
        ]
    }
}
ANSWERS = {
    uapi.RTM_GETLINK: b"".join(message(rtnl.NEWLINK, ifi_family=uapi.AF_BRIDGE, **port) for port in PORTS),
    uapi.RTM_GETVLAN: OPTIONS,
    uapi.RTM_GETSTATS: b"".join(
        [
            message(rtnl.NEWSTATS, ifindex=1, IFLA_STATS_LINK_XSTATS=XSTATS),
            message(rtnl.NEWSTATS, ifindex=99, IFLA_STATS_LINK_XSTATS_SLAVE=XSTATS),
            message(rtnl.NEWSTATS, ifindex=98),
        ]
    ),
}
LISTS = (
    "vlan",
    "vlan show vid 7",
    "vlan show dev lo",
    "vlan tunnelshow",
    "vlan tunnelshow dev lo vid 6",
    "vlan global",
    "vlan global show vid 6",
)


@pytest.fixture(scope="module", name="library")
def library_with_answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile `netlink_answers.c`."""
    library = tmp_path_factory.mktemp("answers") / "netlink_answers.so"
    source = Path(__file__).parent / "netlink_answers.c"
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.fixture(name="said")
def caught_output(monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    """Return the lists of what our program writes to standard output and standard error."""
    written: list[str] = []
    complaints: list[str] = []
    monkeypatch.setattr(IpContext, "write", lambda ip, pieces: written.extend(pieces))
    for module in (program, context):
        monkeypatch.setattr(module, "complain", complaints.append)
    return written, complaints


def kind_of_list(words: list[str]) -> int:
    """Return the type of the message that a list of VLANs is asked for with."""
    if "global" in words or "-d" in words and "tunnelshow" not in words:
        return uapi.RTM_GETVLAN
    return uapi.RTM_GETSTATS if "-s" in words else uapi.RTM_GETLINK


def test_lists_of_vlans(
    library: Path, said: tuple[list[str], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stream(ip: IpContext, request: Request, *rest: object) -> Iterator[Reply]:
        data = ANSWERS[request.message.number]
        return iter([nlmsg.decode(data, frame, rtnl.MESSAGES) for frame in nlmsg.split(data)])

    monkeypatch.setattr(command.BridgeContext, "stream", stream)
    for kind, data in ANSWERS.items():
        (tmp_path / str(kind)).write_bytes(data)
    found = []
    for line in [f"{options} {words}" for options in OPTION_SETS for words in LISTS]:
        words = line.replace("-c=always", "-color=always").split()
        kind = kind_of_list(words)
        family = 0 if kind == uapi.RTM_GETSTATS else uapi.AF_BRIDGE
        environment = {
            "LD_PRELOAD": str(library),
            "RT_TYPE": str(kind),
            "RT_FAMILY": str(family),
            "RT_ANSWERS": str(tmp_path / str(kind)),
        }
        done = subprocess.run(
            ["bridge", *words], capture_output=True, text=True, env={"PATH": "/usr/sbin:/sbin:/usr/bin", **environment}
        )
        said[0].clear()
        status = command.main(words)
        if (done.returncode, done.stdout, done.stderr) != (status, "".join(said[0]), "".join(said[1])):
            found.append(f"bridge {line}\nreal: {done.stdout}{done.stderr}\nours: {''.join(said[0])}{said[1]}")
    assert not found, "\n".join(found)


# -- requests -------------------------------------------------------------------------------------------------------------

REQUESTS = """
link set dev v1 guard on hairpin off fastleave on root_block off learning on learning_sync off flood on mcast_flood off
link set dev v1 bcast_flood on mcast_to_unicast off neigh_suppress on vlan_tunnel off isolated on locked off
link set dev v1 cost 4294967295 priority 63 state 4 mcast_router 1 backup_port v2 self
link set dev v1 cost 0 priority -5 mcast_router -1 nobackup_port
link set dev v1 state 200 master hwmode veb
link set dev v1 hwmode vepa master
vlan add dev v1 vid 5
vlan add dev v1 vid 5 pvid untagged master self
vlan add dev v1 vid 5-9 untagged
vlan add dev v1 vid 1-4094 vid 7
vlan add dev v1 vid 65530
vlan add vid -9 dev v1
vlan add dev v1 vid 5 tunnel_info id 100
vlan add dev v1 vid 5 tunnel_info id 100-104
vlan add dev v1 vid 5-9 tunnel_info i 100-104
vlan add dev v1 vid 5-9 tunnel_info id 0x10 self
vlan add dev v1 vid 5 help dev frob
vlan del dev v1 vid 5-9
vlan del dev v1 vid 5 tunnel_info id 100
vlan set dev v1 vid 5 state 3
vlan set dev v1 vid 5-9 state blocking mcast_router 2
vlan set dev v1 vid -9 state 257
vlan set vid 5 dev v1
vlan global set dev br0 vid 5
vlan global set dev br0 vid 5-9 mcast_snooping 0 mcast_querier 1 mcast_igmp_version 3 mcast_mld_version 2
vlan global set dev br0 vid 5 mcast_last_member_count 4294967295 mcast_last_member_interval -1 mcast_startup_query_count 0x10
vlan global set dev br0 vid 5 mcast_startup_query_interval 1 mcast_membership_interval 2 mcast_querier_interval 3
vlan global set dev br0 vid 5 mcast_query_interval 4 mcast_query_response_interval 18446744073709551615
fdb add 2:0:0:0:0:77 dev v1
fdb add 2:0:0:0:0:77 dev v1 vlan 70000 nhid 0 port 0 vni 0 src_vni 0
fdb append 2:0:0:0:0:77 dev v1 dst any via v2 router use extern_learn sticky local
fdb replace 2:0:0:0:0:77 dev v1 dynamic temp nhid 0x10
fdb del 0x2:+0:-1:0:0:1ff dev v1 dst fd00::1 port domain
fdb get 2:0:0:0:0:77 dev v1 br br0 vlan 5 vni 6 self master
fdb flush dev br0 permanent static dynamic nopermanent brport v1
fdb flush dev br0 nodynamic nostatic added_by_user noextern_learn nosticky offloaded vlan 0
mdb add dev br0 port v1 grp 239.1.1.1 permanent vid 70000
mdb add dev br0 port v1 grp 1:0:5e:1:2:3 src fd00::1
mdb del dev br0 port v1 grp ff05::1 permanent src 10.0.0.1
vni add vni 5 dev vx0 group ff05::1
vni add vni 5,7-9,,x,10-5 dev vx0 remote 10.0.0.1
vni add vni 5 dev vx0 remote any
vni delete vni 16777216-4294967295 dev vx0
"""
CHANGED = (
    uapi.RTM_SETLINK,
    uapi.RTM_DELLINK,
    uapi.RTM_NEWVLAN,
    uapi.RTM_NEWNEIGH,
    uapi.RTM_DELNEIGH,
    uapi.RTM_GETNEIGH,
    uapi.RTM_NEWMDB,
    uapi.RTM_DELMDB,
    uapi.RTM_NEWTUNNEL,
    uapi.RTM_DELTUNNEL,
)
HEADERS = {uapi.RTM_SETLINK: 32, uapi.RTM_DELLINK: 32, uapi.RTM_NEWNEIGH: 28, uapi.RTM_DELNEIGH: 28, uapi.RTM_GETNEIGH: 28}


def compared(data: bytes) -> tuple[Any, ...]:
    """Return a request as type, flags, header and a tree of attributes, whose order does not count."""
    length, kind, flags = struct.unpack_from("=IHH", data)
    header = HEADERS.get(kind, 24)
    return kind, flags & ~uapi.NLM_F_ACK, data[16:header].hex(), tree(data[header:length])


def test_the_same_requests(
    both: Both, tmp_path: Path, said: tuple[list[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process of each runs all lines; that the kernel has refused some does not end it."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    (tmp_path / "lines").write_text(REQUESTS.lstrip())
    trace, batch = tmp_path / "trace", ["-force", "-batch", str(tmp_path / "lines")]
    both.real.run(
        ["strace", "-qq", "-o", str(trace), "-e", "trace=sendto,sendmsg", "-e", "write=all", both.real.program[0], *batch]
    )
    messages: list[bytearray] = []
    for start, row in re.findall(r"^ \| ([0-9a-f]{5})  (.{49})", trace.read_text(), re.MULTILINE):
        if start == "00000":
            messages.append(bytearray())
        messages[-1] += bytes.fromhex(row.replace(" ", ""))
    real = [compared(bytes(one)) for one in messages if struct.unpack_from("=IHH", one)[1] in CHANGED and len(one) > 24]
    sent: list[bytes] = []
    indexes = {"br0": 20, "v1": 11, "v2": 12, "vx0": 30}

    class Kernel:
        warnings = ()

        def do(self, request: Request) -> list[list[Reply]]:
            sent.append(request.pack(0))
            return [[]]

        def get(self, request: Request) -> Reply:
            sent.append(request.pack(0))
            return Reply(uapi.RTM_NEWNEIGH, "RTM_NEWNEIGH", 0, {"ndm_family": 0})

        def close(self) -> None:
            pass

    monkeypatch.setattr(IpContext, "kernel", Kernel())
    monkeypatch.setattr(IpContext, "index_of", lambda ip, name: indexes.get(name, 0))
    command.main(batch)
    assert [compared(one) for one in sent] == real and len(real) == len(REQUESTS.split("\n")) - 2
