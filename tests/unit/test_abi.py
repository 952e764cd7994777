"""The ABI oracle: every number and every structure of ours, compared with what the C compiler makes of the headers.

Nothing here is listed by hand: the constants are what `uapi` holds, the structures are found by walking the modules
that describe messages.  So a number added there is checked here, and one that no header knows fails by name.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import shlex
import subprocess
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rawns import genl, nlmsg, packet_ring, packets, rtnl, sock_diag, tap, tunnel_ioctl, uapi
from rawns.nft import messages as nft_messages
from rawns.rtnl import neighbour
from rawns.wire import U32, Raw, Struct, Type

cffi = pytest.importorskip("cffi")

RTNL = [importlib.import_module(f"rawns.rtnl.{one.name}") for one in pkgutil.iter_modules(rtnl.__path__)]
DESCRIPTIONS = [nlmsg, *RTNL, tap, tunnel_ioctl, nft_messages, genl, sock_diag, packet_ring, packets]

HEADERS = """
#include <stdint.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/inotify.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <linux/version.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <linux/if_bridge.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/if_packet.h>
#include <linux/if_vlan.h>
#include <linux/fib_rules.h>
#include <linux/pkt_sched.h>
#include <linux/pkt_cls.h>
#include <linux/tc_act/tc_gact.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/tc_act/tc_vlan.h>
#include <linux/tc_act/tc_skbedit.h>
#include <linux/gen_stats.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/lwtunnel.h>
#include <linux/nexthop.h>
#include <linux/mpls_iptunnel.h>
#include <linux/mpls.h>
#include <linux/if_bonding.h>
#include <linux/seg6_iptunnel.h>
#include <linux/seg6_local.h>
#include <linux/rpl_iptunnel.h>
#include <linux/ioam6_iptunnel.h>
#include <linux/ila.h>
#include <linux/net_namespace.h>
#include <linux/sockios.h>
#include <linux/ethtool.h>
#include <linux/netconf.h>
#include <linux/if_tunnel.h>
#include <linux/ip6_tunnel.h>
#include <linux/ip6_tunnel.h>
#include <linux/if_addrlabel.h>
#include <linux/netfilter.h>
#include <linux/netfilter_arp.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/nsfs.h>
#include <linux/magic.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/snmp.h>
#include <linux/devlink.h>
#if __has_include(<linux/dpll.h>)
#include <linux/dpll.h>
#endif
#include <linux/can/vxcan.h>
#include <linux/genetlink.h>
#include <linux/sock_diag.h>
#include <linux/inet_diag.h>
#include <linux/unix_diag.h>
#include <linux/netlink_diag.h>
#include <linux/packet_diag.h>
#include <linux/tcp.h>
#include <linux/udp.h>
"""

# The release whose headers know all of uapi.py, and whose structures ours are.  Older headers may lack what came
# later, and the kernel lets the structures that are payloads of attributes grow at their end.
RELEASE = (6, 1)

# What later kernels send, and the release whose headers know it first: older ones are
# not asked.  Each stands at the end of its list, so no header that knows the number has it for something else.
NEWER = {
    "FRA_DSCP": (6, 13),
    "FRA_FLOWLABEL": (6, 14),
    "FRA_FLOWLABEL_MASK": (6, 14),
    "FRA_SPORT_MASK": (6, 15),
    "FRA_DPORT_MASK": (6, 15),
    "FRA_DSCP_MASK": (6, 15),
    "NETCONFA_FORCE_FORWARDING": (6, 17),
    "IFLA_MACVLAN_BC_CUTOFF": (6, 4),
    "IFLA_VXLAN_LOCALBYPASS": (6, 5),
    "IFLA_VXLAN_LABEL_POLICY": (6, 8),
    "IFLA_VXLAN_RESERVED_BITS": (6, 14),
    **dict.fromkeys(
        [f"IFLA_BRPORT_{name}" for name in "MAB MCAST_N_GROUPS MCAST_MAX_GROUPS NEIGH_VLAN_SUPPRESS".split()], (6, 4)
    ),
    "IFLA_BRPORT_BACKUP_NHID": (6, 6),
    **dict.fromkeys(["IFLA_BR_FDB_N_LEARNED", "IFLA_BR_FDB_MAX_LEARNED"], (6, 8)),
    "IFLA_DEVLINK_PORT": (6, 2),
    "IFLA_GSO_IPV4_MAX_SIZE": (6, 3),
    "IFLA_GRO_IPV4_MAX_SIZE": (6, 3),
    "IFLA_DPLL_PIN": (6, 7),
    "DPLL_A_PIN_ID": (6, 7),
    **dict.fromkeys([f"IFLA_NETKIT_{name}" for name in "PEER_INFO PRIMARY POLICY PEER_POLICY MODE".split()], (6, 7)),
    **dict.fromkeys([f"IFLA_NETKIT_{name}" for name in "SCRUB PEER_SCRUB".split()], (6, 13)),
    **dict.fromkeys([f"IFLA_NETKIT_{name}" for name in "HEADROOM TAILROOM".split()], (6, 14)),
    "IFLA_MAX_PACING_OFFLOAD_HORIZON": (6, 13),
    "IFLA_NETNS_IMMUTABLE": (6, 15),
    "DEVCONF_FORCE_FORWARDING": (6, 17),
    "IFLA_HEADROOM": (6, 18),
    "PIDFD_GET_NET_NAMESPACE": (6, 11),
    **dict.fromkeys(["NS_GET_ID", "FD_NSFS_ROOT"], (6, 18)),
    **dict.fromkeys(["NS_ID_REQ_SIZE_VER0", "__NR_listns"], (6, 19)),
    "IFLA_TAILROOM": (6, 18),
}

# What we describe as a structure and C does not.
NO_SUCH_STRUCT = {
    "done": "netlink(7): NLMSG_DONE carries a bare int",
    "router_port": "the header has it in a comment: a u32, then attributes",
}
NO_SUCH_FIELD = {
    ("rtnl_link_ifmap", "__pad"): "the compiler's own padding to the widest member",
    ("tc_stats", "__pad"): "the same",
    ("br_port_msg", "__pad1"): "the same",
    ("br_port_msg", "__pad2"): "the same",
    ("br_mdb_entry", "__pad"): "the same",
    ("ip6_tnl_parm2", "__pad"): "the same",
    ("ifreq", "__rest"): "what is left of a union",
    ("gnet_stats_basic", "__pad"): "the same",
    ("tc_u32_sel", "__pad"): "the compiler's own padding to the next member",
    ("iphdr", "version_ihl"): "two bit fields in C: ihl and version",
    ("tcp_info", "tcpi_wscale"): "two bit fields in C: tcpi_snd_wscale and tcpi_rcv_wscale",
    ("tcp_info", "tcpi_app_limited"): "two bit fields in C: tcpi_delivery_rate_app_limited and tcpi_fastopen_client_fail",
}


# -- what we claim --------------------------------------------------------------------------------------------------


def constants() -> dict[str, int]:
    return {name: value for name, value in vars(uapi).items() if isinstance(value, int)}


def structs() -> dict[str, Struct]:
    """Every `Struct` that the descriptions lead to, by C name."""
    found: dict[str, Struct] = {}
    for module in DESCRIPTIONS:
        for one in walk(list(vars(module).values()), set()):
            assert layout(found.setdefault(one.name, one)) == layout(one), f"two different structs called {one.name}"
    return found


def walk(value: Any, seen: set[int]) -> Iterator[Struct]:
    """All structs inside a value: through containers, and through every slot of a description."""
    if id(value) in seen or isinstance(value, type):
        return
    seen.add(id(value))
    if isinstance(value, Struct):
        yield value
    if isinstance(value, dict):
        below = list(value.values())
    elif isinstance(value, (list, tuple)):
        below = list(value)
    elif isinstance(value, Type) or type(value).__module__ == "rawns.wire":
        below = [getattr(value, slot, None) for kind in type(value).__mro__ for slot in getattr(kind, "__slots__", ())]
    else:
        return
    for one in below:
        yield from walk(one, seen)


def layout(struct: Struct) -> dict[str, tuple[int, int, bool]]:
    """Offset, size and signedness of each member, as the order of members makes them."""
    places, offset = {}, 0
    for name, kind in struct.members:
        signed = not isinstance(kind, Raw) and kind.code[-1] in "bhiq"
        places[name] = (offset, kind.size, signed)
        offset += kind.size
    return places


# -- what the compiler says -----------------------------------------------------------------------------------------

Answers = dict[str, int]
SIGNED = "signed char: 1, short: 1, int: 1, long: 1, long long: 1, default: 0"


def questions() -> dict[str, str]:
    """A label and a C expression for everything there is to compare."""
    asked = {name: name for name in (*constants(), "RAWNS_NO_SUCH_NUMBER", "LINUX_VERSION_CODE")}
    for struct in structs().values():
        asked[f"sizeof {struct.name}"] = f"sizeof(struct {struct.name})"
        for member, _ in struct.members:
            where = f"{struct.name}.{member}"
            lvalue = f"((struct {struct.name} *)0)->{member}"
            asked[f"offsetof {where}"] = f"__builtin_offsetof(struct {struct.name}, {member})"
            asked[f"sizeof {where}"] = f"sizeof({lvalue})"
            asked[f"signed {where}"] = f"_Generic({lvalue}, {SIGNED})"
    return asked


def source(asked: dict[str, str]) -> str:
    """One function for each question, on a line whose file, for the compiler's complaints, is the label."""
    lines = ["#define _GNU_SOURCE", HEADERS]
    for number, (label, expression) in enumerate(asked.items()):
        lines += [f'#line 1 "?{label}?"', f"static long long q{number}(void) {{ return (long long)({expression}); }}"]
    table = ", ".join(f"q{number}" for number in range(len(asked)))
    lines += [f"static long long (*const all[])(void) = {{ {table} }};", "long long answer(int n) { return all[n](); }"]
    return "\n".join(lines)


def rejected(text: str) -> set[str]:
    """The labels of the questions that the compiler does not understand."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    command = [compiler[0], "-xc", "-std=gnu11", "-w", "-fsyntax-only", "-fmax-errors=0", "-"]
    done = subprocess.run(command, input=text, text=True, capture_output=True, env={**os.environ, "LC_ALL": "C"})
    found = set(re.findall(r"^\?(.+?)\?:\d+(?::\d+)?: error", done.stderr, re.MULTILINE))
    assert done.returncode == 0 or found, f"the compiler cannot read the headers:\n{done.stderr[:4000]}"
    return found


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """The compiler's answer to each question it understands."""
    asked = questions()
    for label in rejected(source(asked)):
        del asked[label]
    name, folder = f"_rawns_abi_{os.getpid()}", tmp_path_factory.mktemp("abi")
    ffi = cffi.FFI()
    ffi.cdef("long long answer(int n);")
    ffi.set_source(name, source(asked), extra_compile_args=["-w", "-O0"])
    library = Path(ffi.compile(tmpdir=str(folder)))
    sys.path.insert(0, str(library.parent))
    try:
        answer = importlib.import_module(name).lib.answer
    finally:
        sys.path.remove(str(library.parent))
    return {label: answer(number) for number, label in enumerate(asked)}


# -- the comparison -------------------------------------------------------------------------------------------------


def wrong_numbers(claimed: dict[str, int], compiled: Answers) -> tuple[list[str], list[str]]:
    """The constants that differ from the compiler's, as sentences, and those it does not know."""
    known = {name: value for name, value in claimed.items() if name in compiled}
    wrong = [f"{name} is {compiled[name]:#x}, not {value:#x}" for name, value in known.items() if value != compiled[name]]
    return wrong, [name for name in claimed if name not in compiled]


def release(compiled: Answers) -> tuple[int, int]:
    """Of which Linux the headers are."""
    return compiled["LINUX_VERSION_CODE"] >> 16, compiled["LINUX_VERSION_CODE"] >> 8 & 0xFF


def has_grown(struct: Struct, compiled: Answers) -> bool:
    """Whether another release's struct may end elsewhere than ours."""
    size = compiled[f"sizeof {struct.name}"]
    return not struct.whole and (size > struct.size if release(compiled) > RELEASE else release(compiled) < RELEASE)


def wrong_places(struct: Struct, compiled: Answers) -> list[str]:
    """In what a struct of ours differs from the compiler's, as sentences."""
    if f"sizeof {struct.name}" not in compiled:
        return [] if struct.name in NO_SUCH_STRUCT else [f"no header has a struct {struct.name}"]
    wrong = []
    size = compiled[f"sizeof {struct.name}"]
    if struct.size != size and not has_grown(struct, compiled):
        wrong.append(f"struct {struct.name} has {size} bytes, not {struct.size}")
    for member, ours in layout(struct).items():
        where = f"{struct.name}.{member}"
        if f"offsetof {where}" not in compiled:
            if (struct.name, member) not in NO_SUCH_FIELD and release(compiled) >= RELEASE:
                wrong.append(f"struct {struct.name} has no {member}")
            continue
        theirs = (compiled[f"offsetof {where}"], compiled[f"sizeof {where}"], bool(compiled[f"signed {where}"]))
        if ours != theirs:
            wrong.append(f"{where} is (offset, size, signed) {theirs}, not {ours}")
    return wrong


def test_every_constant(compiled: Answers) -> None:
    wrong, unknown = wrong_numbers(constants(), compiled)
    assert wrong == []
    unknown = [name for name in unknown if release(compiled) >= NEWER.get(name, (0, 0))]
    if unknown and release(compiled) < RELEASE:
        warnings.warn(f"the headers of Linux {release(compiled)} do not know {unknown}", stacklevel=1)
    else:
        assert unknown == [], "no header knows these"


@pytest.mark.parametrize("struct", structs().values(), ids=structs())
def test_every_struct(struct: Struct, compiled: Answers) -> None:
    assert wrong_places(struct, compiled) == []
    assert sum(size for _, size, _ in layout(struct).values()) == struct.size


def test_there_is_something_to_compare(compiled: Answers) -> None:
    """The walk finds what is nested deep: in a kind's data, in an attribute, in a chain of next hops."""
    assert {"nlmsghdr", "nlmsgerr", "ifinfomsg", "ifla_bridge_id", "rtnl_link_ifmap", "rtnexthop", "rtgenmsg"} <= set(structs())
    assert "nfgenmsg" in structs()
    assert len(constants()) > 400
    assert set(NEWER) <= set(constants())
    assert len(compiled) > len(constants())


def test_a_wrong_number_is_caught(compiled: Answers) -> None:
    assert wrong_numbers({"IFLA_MTU": 5}, compiled) == (["IFLA_MTU is 0x4, not 0x5"], [])
    assert wrong_numbers({"RAWNS_NO_SUCH_NUMBER": 1}, compiled) == ([], ["RAWNS_NO_SUCH_NUMBER"])


def test_a_wrong_place_is_caught(compiled: Answers) -> None:
    members = dict(neighbour.NDMSG.members)
    swapped = {"ndm_ifindex": members["ndm_state"], "ndm_state": members["ndm_ifindex"]}
    exchanged = Struct("ndmsg", *[(name, swapped.get(name, kind)) for name, kind in members.items()])
    assert [word.split()[0] for word in wrong_places(exchanged, compiled)] == ["ndmsg.ndm_ifindex", "ndmsg.ndm_state"]
    shorter = Struct("ndmsg", *list(members.items())[:-1])
    assert wrong_places(shorter, compiled) == ["struct ndmsg has 12 bytes, not 11"]
    unsigned = Struct("ndmsg", *[(name, U32 if name == "ndm_ifindex" else kind) for name, kind in members.items()])
    assert wrong_places(unsigned, compiled) == ["ndmsg.ndm_ifindex is (offset, size, signed) (4, 4, True), not (4, 4, False)"]
    assert wrong_places(Struct("rawns_nonsense"), compiled) == ["no header has a struct rawns_nonsense"]
