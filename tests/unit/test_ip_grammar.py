"""The grammar: words go in, and the bytes of the message that the real `ip` sends come out.

`CAPTURED` was recorded with strace from iproute2 6.1, each command in a fresh namespace with v1 (index 11) and its peer
v2 (12), the bridge br0 (20) and a namespace b, whose descriptor was 4.  The sequence number is set to 0.
"""

from __future__ import annotations

import random
import shlex
from collections.abc import Iterator

import pytest

from rawns import rtnl, uapi
from rawns.cli.ip import arguments, context, grammar, kinds, link_set, name_tables, program, render
from rawns.cli.ip import command as ip
from rawns.cli.ip.context import Args, IpContext
from rawns.cli.ip.grammar import CommandError
from rawns.errors import DecodeError, WireError
from rawns.nlmsg import Reply, Request

CAPTURED = r"""
link set v1 up
    20000000100005000000000000000000000000000b0000000100000001000000
link set v1 down
    20000000100005000000000000000000000000000b0000000000000001000000
link set dev v1 up mtu 1400
    28000000100005000000000000000000000000000b00000001000000010000000800040078050000
link set mtu 1400 up dev v1
    28000000100005000000000000000000000000000b00000001000000010000000800040078050000
link set up dev v1 mtu 0x578 address 02:00:00:00:00:77
    34000000100005000000000000000000000000000b000000010000000100000008000400780500000a0001000200000000770000
link set v1 addr 2:0:0:0:0:77
    2c000000100005000000000000000000000000000b00000000000000000000000a0001000200000000770000
link set v1 brd ff:ff:ff:ff:ff:fe
    2c000000100005000000000000000000000000000b00000000000000000000000a000200fffffffffffe0000
link set v1 txqueuelen 500
    28000000100005000000000000000000000000000b000000000000000000000008000d00f4010000
link set v1 qlen 0400
    28000000100005000000000000000000000000000b000000000000000000000008000d0000010000
link set v1 txql 7
    28000000100005000000000000000000000000000b000000000000000000000008000d0007000000
link set v1 name v9
    28000000100005000000000000000000000000000b00000000000000000000000700030076390000
link set v1 mtu -1
    28000000100005000000000000000000000000000b000000000000000000000008000400ffffffff
link set alias some-text dev v1
    30000000100005000000000000000000000000000b00000000000000000000000d001400736f6d652d74657874000000
link set v1 alias ""
    24000000100005000000000000000000000000000b000000000000000000000004001400
link set v1 alias x mtu 1300
    30000000100005000000000000000000000000000b000000000000000000000005001400780000000800040014050000
link set v1 group 7
    28000000100005000000000000000000000000000b000000000000000000000008001b0007000000
link set v1 group default
    28000000100005000000000000000000000000000b000000000000000000000008001b0000000000
link set group 7 down
    280000001000050000000000000000000000000000000000000000000100000008001b0007000000
link set v1 master br0
    28000000100005000000000000000000000000000b000000000000000000000008000a0014000000
link set v1 nomaster
    28000000100005000000000000000000000000000b000000000000000000000008000a0000000000
link set v1 m br0
    28000000100005000000000000000000000000000b000000000000000000000008000a0014000000
link set v1 arp off multicast off
    20000000100005000000000000000000000000000b0000008000000080100000
link set v1 arp on multicast on allmulticast on promisc on
    20000000100005000000000000000000000000000b0000000013000080130000
link set v1 trailers off dynamic on
    20000000100005000000000000000000000000000b0000002080000020800000
link set v1 carrier off
    28000000100005000000000000000000000000000b00000000000000000000000500210000000000
link set v1 protodown on
    28000000100005000000000000000000000000000b00000000000000000000000500270001000000
link set v1 mode dormant state up
    30000000100005000000000000000000000000000b000000000000000000000005001100010000000500100006000000
link set v1 addrgenmode stable_secret
    30000000100005000000000000000000000000000b000000000000000000000010001a000c000a000500080002000000
link set v1 netns b
    28000000100005000000000000000000000000000b000000000000000000000008001c0004000000
link set v1 netns /run/netns/b
    28000000100005000000000000000000000000000b000000000000000000000008001c0004000000
link set v1 netns 4194304
    28000000100005000000000000000000000000000b00000000000000000000000800130000004000
link set v1 name x1 netns b index 55
    38000000100005000000000000000000000000000b000000000000000000000008001c000400000008003100370000000700030078310000
link set v1 gso_max_size 3000 gso_max_segs 9 gro_max_size 4000
    38000000100005000000000000000000000000000b000000000000000000000008002900b80b0000080028000900000008003a00a00f0000
link set br0 type bridge stp_state 1 forward_delay 400 hello_time 100 max_age 700 ageing_time 0 priority 4096
    6400000010000500000000000000000000000000140000000000000000000000440012000a00010062726964676500003400020008000500
    010000000800010090010000080002006400000008000300bc02000008000400000000000600060000100000
link set br0 type bridge vlan_filtering 1 vlan_protocol 802.1ad vlan_default_pvid 5 group_fwd_mask 0x8
    5400000010000500000000000000000000000000140000000000000000000000340012000a00010062726964676500002400020005000700
    010000000600080088a8000006002700050000000600090008000000
link set br0 type bridge group_address 01:80:c2:00:00:05 fdb_flush
    4400000010000500000000000000000000000000140000000000000000000000240012000a0001006272696467650000140002000a001400
    0180c2000005000004001500
link set br0 type bridge mcast_router 2 mcast_snooping 0 nf_call_iptables 1 nf_call_ip6tables 1 nf_call_arptables 1
    5c000000100005000000000000000000000000001400000000000000000000003c0012000a00010062726964676500002c00020005001600
    020000000500170000000000050024000100000005002500010000000500260001000000
link set br0 type bridge mcast_querier 1 mcast_hash_max 512 mcast_last_member_interval 77 mcast_igmp_version 3
    5800000010000500000000000000000000000000140000000000000000000000380012000a00010062726964676500002800020005001900
    0100000008001b00000200000c001e004d0000000000000005002b0003000000
link set br0 type bridge no_linklocal_learn 1 mcast_vlan_snooping 0
    4000000010000500000000000000000000000000140000000000000000000000200012000a0001006272696467650000100002000c002e00
    0100000003000000
link set v1 type bridge_slave cost 7 priority 3 state 3 guard on hairpin on root_block off fastleave on
    70000000100005000000000000000000000000000b000000000000000000000050001200100001006272696467655f736c6176653c000500
    0800030007000000060002000300000005000100030000000500050001000000050004000100000005000600000000000500070001000000
link set v1 type bridge_slave learning off flood off mcast_flood off bcast_flood off mcast_to_unicast on isolated on
    68000000100005000000000000000000000000000b000000000000000000000048001200100001006272696467655f736c61766534000500
    0500080000000000050009000000000005001b000000000005001e000000000005001c00010000000500210001000000
link set v1 type bridge_slave mcast_router 2 group_fwd_mask 8 vlan_tunnel on locked on proxy_arp on backup_port v2
    68000000100005000000000000000000000000000b000000000000000000000048001200100001006272696467655f736c61766534000500
    050019000200000006001f000800000005001d0001000000050027000100000005000a0001000000080022000c000000
link set v1 type bridge_slave nobackup_port neigh_suppress on fdb_flush
    4c000000100005000000000000000000000000000b00000000000000000000002c001200100001006272696467655f736c61766518000500
    0800220000000000050020000100000004001800
-6 link set v1 up
    200000001000050000000000000000000a0000000b0000000100000001000000
link add x1 type veth
    340000001000050600000000000000000000000000000000000000000000000007000300783100000c0012000800010076657468
link add type veth
    2c000000100005060000000000000000000000000000000000000000000000000c0012000800010076657468
link add x1 type veth peer
    4c00000010000506000000000000000000000000000000000000000000000000070003007831000024001200080001007665746818000200
    1400010000000000000000000000000000000000
link add x1 type veth peer name x2
    540000001000050600000000000000000000000000000000000000000000000007000300783100002c001200080001007665746820000200
    1c000100000000000000000000000000000000000700030078320000
link add x1 type veth peer x2
    540000001000050600000000000000000000000000000000000000000000000007000300783100002c001200080001007665746820000200
    1c000100000000000000000000000000000000000700030078320000
link add x1 type veth peer dev x2
    540000001000050600000000000000000000000000000000000000000000000007000300783100002c001200080001007665746820000200
    1c000100000000000000000000000000000000000700030078320000
link add name x1 mtu 1400 type veth peer name x2 mtu 1400
    6400000010000506000000000000000000000000000000000000000000000000080004007805000007000300783100003400120008000100
    7665746828000200240001000000000000000000000000000000000008000400780500000700030078320000
link add name x1 address 02:00:00:00:00:66 type veth peer name x2 address 02:00:00:00:00:67 netns b
    74000000100005060000000000000000000000000000000000000000000000000a0001000200000000660000070003007831000040001200
    08000100766574683400020030000100000000000000000000000000000000000a000100020000000067000008001c000400000007000300
    78320000
link add x1 up index 55 group 3 txqueuelen 9 type veth peer name x2 index 56 group 4 netns 4194304
    740000001000050600000000000000000000000037000000010000000100000008001b000300000008000d00090000000700030078310000
    3c0012000800010076657468300002002c0001000000000038000000000000000000000008001b0004000000080013000000400007000300
    78320000
link add x1 numtxqueues 4 numrxqueues 2 type veth
    440000001000050600000000000000000000000000000000000000000000000008001f000400000008002000020000000700030078310000
    0c0012000800010076657468
link add link v2 name x1 type macvlan
    4000000010000506000000000000000000000000000000000000000000000000080005000c0000000700030078310000100012000b000100
    6d6163766c616e00
link add link v2 dev x1 mtu 1300 type dummy
    48000000100005060000000000000000000000000000000000000000000000000800040014050000080005000c0000000700030078310000
    100012000900010064756d6d79000000
link add x1 type bridge
    38000000100005060000000000000000000000000000000000000000000000000700030078310000100012000a0001006272696467650000
link add x1 type bridge stp_state 1 vlan_filtering 0
    4c000000100005060000000000000000000000000000000000000000000000000700030078310000240012000a0001006272696467650000
    1400020008000500010000000500070000000000
link add x1 link-netnsid 5 type veth
    3c00000010000506000000000000000000000000000000000000000000000000080025000500000007000300783100000c00120008000100
    76657468
link replace x1 type dummy
    38000000100005050000000000000000000000000000000000000000000000000700030078310000100012000900010064756d6d79000000
link del v1
    20000000110005000000000000000000000000000b0000000000000000000000
link delete dev v1
    20000000110005000000000000000000000000000b0000000000000000000000
link d v1 type veth
    2c000000110005000000000000000000000000000b00000000000000000000000c0012000800010076657468
link del group 7
    280000001100050000000000000000000000000000000000000000000000000008001b0007000000
addr add 10.9.0.1/24 dev v1
    28000000140005060000000000000000021800000b000000080002000a090001080001000a090001
addr add dev v1 10.9.0.1/24
    28000000140005060000000000000000021800000b000000080002000a090001080001000a090001
addr add local 10.9.0.1/24 dev v1
    28000000140005060000000000000000021800000b000000080002000a090001080001000a090001
addr add 10.9.0.1 dev v1
    28000000140005060000000000000000022000000b000000080002000a090001080001000a090001
addr add 10.9/16 dev v1
    28000000140005060000000000000000021000000b000000080002000a090000080001000a090000
addr add 0x0a.011.0.1/255.255.0.0 dev v1
    28000000140005060000000000000000021000000b000000080002000a090001080001000a090001
addr add 10.9.0.1/24 brd + dev v1
    30000000140005060000000000000000021800000b000000080002000a090001080001000a090001080004000a0900ff
addr add 10.9.0.1/24 broadcast - dev v1
    30000000140005060000000000000000021800000b000000080002000a090001080001000a090001080004000a090000
addr add 10.9.0.1/24 brd 10.9.0.255 dev v1 label v1:x
    3c000000140005060000000000000000021800000b000000080002000a090001080004000a0900ff0900030076313a780000000008000100
    0a090001
addr add 10.9.0.1/31 brd + dev v1
    28000000140005060000000000000000021f00000b000000080002000a090001080001000a090001
addr add 10.9.0.1 peer 10.9.0.2 dev v1
    28000000140005060000000000000000022000000b000000080002000a090001080001000a090002
addr add 10.9.0.1 peer 10.9.0.2/24 brd + dev v1
    30000000140005060000000000000000021800000b000000080002000a090001080001000a090002080004000a0900ff
addr add 10.9.0.1 remote 10.9.0.2/32 dev v1
    28000000140005060000000000000000022000000b000000080002000a090001080001000a090002
addr add 127.0.0.5/8 dev v1
    28000000140005060000000000000000020800fe0b000000080002007f000005080001007f000005
addr add 10.9.0.1/24 scope link dev v1
    28000000140005060000000000000000021800fd0b000000080002000a090001080001000a090001
addr add 10.9.0.1/24 scope 200 dev v1 metric 77
    30000000140005060000000000000000021800c80b000000080002000a090001080009004d000000080001000a090001
addr add 10.9.0.1/24 valid_lft 300 preferred_lft 100 dev v1
    3c000000140005060000000000000000021800000b000000080002000a090001080001000a09000114000600640000002c01000000000000
    00000000
addr add 10.9.0.1/24 valid_lft forever pref 100 dev v1
    44000000140005060000000000000000021800000b000000080002000a0900010800090064000000080001000a09000114000600ffffffff
    ffffffff0000000000000000
addr add 10.9.0.1/24 noprefixroute dev v1
    30000000140005060000000000000000021800000b000000080002000a0900010800080000020000080001000a090001
addr add fd09::1/64 dev v1
    400000001400050600000000000000000a4000000b00000014000200fd09000000000000000000000000000114000100fd09000000000000
    0000000000000001
addr add fd09::1/64 nodad home dev v1
    400000001400050600000000000000000a4012000b00000014000200fd09000000000000000000000000000114000100fd09000000000000
    0000000000000001
addr add fd09::1/64 mngtmpaddr noprefixroute nodad dev v1
    480000001400050600000000000000000a4000000b00000014000200fd090000000000000000000000000001080008000203000014000100
    fd090000000000000000000000000001
addr add fd09::1 peer fd09::2/128 dev v1
    400000001400050600000000000000000a8000000b00000014000200fd09000000000000000000000000000114000100fd09000000000000
    0000000000000002
addr add ff02::9/128 autojoin dev v1
    480000001400050600000000000000000a8000000b00000014000200ff020000000000000000000000000009080008000004000014000100
    ff020000000000000000000000000009
addr add 239.1.1.1/32 autojoin dev v1
    30000000140005060000000000000000022000000b00000008000200ef010101080008000004000008000100ef010101
addr add 10.9.0.1/24 anycast 10.9.0.9 dev v1
    30000000140005060000000000000000021800000b000000080002000a090001080005000a090009080001000a090001
addr add default dev v1
    1c000000140005060000000000000000000000000b00000004000200
addr add dev v1
    18000000140005060000000000000000000000000b000000
-4 addr add default dev v1
    28000000140005060000000000000000020000000b00000008000200000000000800010000000000
-6 addr add fd09::1/64 dev v1
    400000001400050600000000000000000a4000000b00000014000200fd09000000000000000000000000000114000100fd09000000000000
    0000000000000001
addr change 10.9.0.1/24 dev v1 valid_lft 300 preferred_lft 300
    3c000000140005010000000000000000021800000b000000080002000a090001080001000a090001140006002c0100002c01000000000000
    00000000
addr chg 10.9.0.1/24 dev v1
    28000000140005010000000000000000021800000b000000080002000a090001080001000a090001
addr replace fd09::1/64 dev v1
    400000001400050500000000000000000a4000000b00000014000200fd09000000000000000000000000000114000100fd09000000000000
    0000000000000001
addr del 10.9.0.1/24 dev v1
    28000000150005000000000000000000021800000b000000080002000a090001080001000a090001
addr del 10.9.0.1 dev v1
    20000000150005000000000000000000022000000b000000080002000a090001
addr del fd09::1 dev v1
    400000001500050000000000000000000a8000000b00000014000200fd09000000000000000000000000000114000100fd09000000000000
    0000000000000001
addr del 10.9.0.1 peer 10.9.0.2/32 dev v1
    28000000150005000000000000000000022000000b000000080002000a090001080001000a090002
a a 10.9.0.1/24 dev v1
    28000000140005060000000000000000021800000b000000080002000a090001080001000a090001
"""


def captured() -> Iterator[tuple[str, str]]:
    command, data = "", ""
    for line in CAPTURED.strip("\n").split("\n"):
        if line.startswith("    "):
            data += line.strip()
            continue
        if command:
            yield command, data
        command, data = line, ""
    yield command, data


class Recorded(IpContext):
    """A session without a kernel: it has three links, and keeps what it is told to do."""

    LINKS = {"v1": 11, "v2": 12, "br0": 20}

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Request] = []

    def do(self, request: Request, *ignored: int) -> None:
        request.pack(0)
        self.sent.append(request)

    def index_of(self, name: str) -> int:
        return self.LINKS.get(name, 0)

    def link(self, index: int) -> dict[str, object] | None:
        return {"ifi_index": index, "IFLA_ADDRESS": "02:00:00:00:00:01"} if index in self.LINKS.values() else None

    def open_namespace(self, text: str) -> int | None:
        return 4 if text in ("b", "/run/netns/b") else None


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would be said on standard error."""
    said: list[str] = []
    monkeypatch.setattr(context, "complain", said.append)
    monkeypatch.setattr(program, "complain", said.append)
    return said


def run(argv: list[str]) -> Recorded:
    here = Recorded()
    options = ip.PROGRAM.read_options(argv, here)
    ip.PROGRAM.command(Args(options.words[options.at :], here))
    return here


@pytest.mark.parametrize(("command", "expected"), list(captured()))
def test_words_become_the_message_that_ip_sends(command: str, expected: str) -> None:
    sent = run(shlex.split(command)).sent
    assert len(sent) == 1
    assert sent[0].pack(0, uapi.NLM_F_ACK).hex() == expected


# -- nothing but a refusal ------------------------------------------------------------------------------------------


def outcome(argv: list[str]) -> str:
    """How a command ends; anything but these is a failure of the test."""
    try:
        run(argv)
    except CommandError as refused:
        assert refused.status in (1, 22, 255)
        return refused.text
    except WireError:
        return "WireError"
    return ""


MODIFYING = [shlex.split(command) for command, _ in captured()]


def test_every_command_cut_short_is_refused_in_a_line_or_complete() -> None:
    for argv in MODIFYING:
        for end in range(2, len(argv)):
            if argv[:end][-1] in ("link", "l", "addr", "address", "a", "-4", "-6"):
                continue  # those would list, and there is no kernel here
            outcome(argv[:end])


STRANGE = [
    "",
    " ",
    "-",
    "\udcff",
    "a" * 300,
    "99999999999999999999",
    "-1",
    "0x",
    "08",
    "1/2/3",
    ":::",
    "\x1b[31m",
    "help",
    "٣",
    "1_0",
]


@pytest.mark.parametrize("seed", range(20))
def test_strange_words_anywhere_are_refused_or_taken(seed: int) -> None:
    chance = random.Random(seed)
    for argv in MODIFYING:
        mutated = list(argv)
        mutated[chance.randrange(2, len(argv))] = chance.choice(STRANGE)
        if mutated[0] in ("-4", "-6"):
            continue
        outcome(mutated)


# -- what values are made of ------------------------------------------------------------------------------------------

# strtol(3) with base 0, all of the text used.
NUMBERS = {"0": 0, "7": 7, "+7": 7, "-7": -7, " 7": 7, "010": 8, "0x1F": 31, "-0x10": -16, "\t\n5": 5, "00": 0}
NO_NUMBERS = ["0x0x1", "", " ", "7 ", "08", "0x", "0xg", "1_0", "--1", "1.5", "٣", "seven", "+", "0b1", "0o7", "- 7"]


def test_numbers_are_read_as_c_reads_them() -> None:
    assert {text: arguments.number(text) for text in NUMBERS} == NUMBERS


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_c_would_not_read_to_its_end_is_no_number(text: str) -> None:
    with pytest.raises(ValueError):
        arguments.number(text)


@pytest.mark.parametrize(
    ("read", "least", "most"),
    [
        (arguments.integer, -(1 << 31), (1 << 31) - 1),
        (arguments.U8, 0, 255),
        (arguments.U16, 0, 65535),
        (arguments.U32, 0, (1 << 32) - 1),
    ],
)
def test_numbers_have_limits(read: object, least: int, most: int) -> None:
    assert callable(read)
    assert read(str(most)) == most
    assert read(str(least)) == least & 0xFFFFFFFF
    for beyond in (least - 1, most + 1):
        with pytest.raises(ValueError):
            read(str(beyond))


# What `ip -j addr show to ...` and `ip addr add` of iproute2 6.1 make of them.
PREFIXES = {
    "10.8": (uapi.AF_INET, "0a080000", 32),
    "10.8/16": (uapi.AF_INET, "0a080000", 16),
    "10.0.0.1/255.255.255.0": (uapi.AF_INET, "0a000001", 24),
    "0x7f.1": (uapi.AF_INET, "7f010000", 32),
    "0/0": (uapi.AF_INET, "00000000", 0),
    "fd00::1": (uapi.AF_INET6, "fd000000000000000000000000000001", 128),
    "::/0": (uapi.AF_INET6, "00" * 16, 0),
}
NO_PREFIXES = "10.0.0.1/33 10.0.0.1/ 10.0.0.256 1.2.3.4.5 fd00::1/129 fd00:::1 any/8 10.0.0.1/255.0.255.0 / x 10..1".split()


@pytest.mark.parametrize(("text", "expected"), PREFIXES.items())
def test_prefixes(text: str, expected: tuple[int, str, int]) -> None:
    found = arguments.prefix(text, 0)
    assert (found.family, found.packed.hex(), found.length) == expected


@pytest.mark.parametrize("text", NO_PREFIXES)
def test_what_is_no_prefix(text: str) -> None:
    with pytest.raises(CommandError) as refused:
        arguments.prefix(text, 0)
    assert refused.value.text == f'Error: any valid prefix is expected rather than "{text}".'
    assert refused.value.status == 1


def test_an_abbreviation_means_the_first_word_it_begins() -> None:
    def meant(word: str) -> str:
        return next((row.name for row in link_set.ROWS if row.fits(word)), "")

    short = {
        "a": "address",
        "addr": "address",
        "ali": "alias",
        "b": "broadcast",
        "m": "master",
        "n": "nomaster",
        "t": "txqueuelen",
    }
    assert {word: meant(word) for word in short} == short
    assert [meant(word) for word in ("u", "mt", "", "addresses", "grou")] == [""] * 5


def test_objects_are_abbreviated_as_ip_does() -> None:
    modules = {"a": "addr", "add": "addr", "addr": "addr", "l": "link", "lin": "link", "net": "netns", "r": "route"}
    assert {word: grammar.pick(ip.OBJECTS, word) for word in modules} == modules
    assert [grammar.pick(ip.OBJECTS, word) for word in ("mpt", "l2", "", "links")] == [None] * 4


def test_lines_of_name_files() -> None:
    lines = {"0\tdefault\n": (0, "default"), "0x10 x # y\n": (16, "x"), "# c\n": None, "\n": None, "7\n": None, "x y\n": None}
    assert {line: name_tables._numbered(line) for line in lines} == lines


# -- JSON -------------------------------------------------------------------------------------------------------------

VALUE = [
    render.JsonObject(
        [
            render.OutputField("n", 1),
            render.OutputField("", None, "only text"),
            render.OutputField("flags", ["A", "B"]),
            render.OutputField("t", render.JsonText("0.00")),
            render.OutputField("in", render.JsonObject([render.OutputField("yes", True), render.OutputField("none", None)])),
            render.OutputField("list", [render.JsonObject([render.OutputField("s", 'it\'s "q" \\ \t')]), render.JsonObject()]),
            render.OutputField("empty", []),
        ]
    ),
    render.JsonObject(),
]
PLAIN = (
    '[{"n":1,"flags":["A","B"],"t":0.00,"in":{"yes":true,"none":null},"list":[{"s":"it\'s \\"q\\" \\\\ \\t"},{}],"empty":[]},{}]'
)
# The layout of `ip -j -p addr`, which is neither that of Python's json nor of jq.
PRETTY = """[ {
        "n": 1,
        "flags": [ "A","B" ],
        "t": 0.00,
        "in": {
            "yes": true,
            "none": null
        },
        "list": [ {
                "s": "it's \\"q\\" \\\\ \\t"
            },{} ],
        "empty": [ ]
    },{} ]"""


def test_json_is_laid_out_as_ip_does_it() -> None:
    assert render.encode(VALUE, False) == PLAIN
    assert render.encode(VALUE, True) == PRETTY


def test_a_terminal_is_not_driven_by_names(monkeypatch: pytest.MonkeyPatch) -> None:
    here = IpContext()
    evil = "a\x1b[31m\x9b\x7fé"
    monkeypatch.setattr(render, "_terminal", False)
    assert render.put("%s", evil, here) == evil
    monkeypatch.setattr(render, "_terminal", True)
    assert render.put("\n%s", evil, here) == "\na\\x1b[31m\\x9b\\x7fé"
    assert render.encode(evil, False) == '"a\\u001b[31m\\u009b\\u007fé"'


def test_an_error_of_our_own_is_not_presented_as_the_kernels(quiet: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a value that does not fit its attribute, nor an answer that is not understood, was refused by the kernel."""
    for error, status in ((WireError("a value"), 2), (DecodeError("an answer"), 1)):

        def fail(args: Args, error: Exception = error) -> int:
            raise error

        monkeypatch.setattr(ip.PROGRAM, "command", fail)
        assert ip.PROGRAM.attempt(Args([], IpContext())) == status
        assert quiet.pop() == f"rawns ip: {error}"


def test_an_interrupted_list_is_shown_and_marked(quiet: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Kernel:
        def dump_each(self, request: Request) -> tuple[Iterator[Reply], bool]:
            return iter([Reply(uapi.RTM_NEWLINK, "RTM_NEWLINK", 0, {"ifi_index": 7, "IFLA_IFNAME": "v7"})]), False

    here = IpContext()
    here._kernel = Kernel()  # type: ignore[assignment]
    assert [reply.body["ifi_index"] for reply in here.dump(Request(rtnl.GETLINK, {}, uapi.NLM_F_DUMP))] == [7]
    assert quiet == ["Dump was interrupted and may be inconsistent."]


def test_every_object_is_available_or_refused_by_name(quiet: list[str]) -> None:
    for names, module in ip.OBJECTS:
        for name in names.split("|"):
            if module is None:
                with pytest.raises(CommandError, match="is not supported by rawns") as refused:
                    ip.PROGRAM.command(Args([name], IpContext()))
                assert refused.value.status == 255
            else:
                assert f" {name} " in ip.help().text.replace("\n", " ")


def test_options_of_kinds_without_description_are_refused_by_name() -> None:
    for kind in kinds.WITHOUT_OPTIONS:
        assert kind not in kinds.MODULES
        with pytest.raises(CommandError, match=f'kind "{kind}" are not supported by rawns') as refused:
            kinds.info(kind, Args(["mode", "1"], IpContext()), 0, lambda: CommandError())
        assert refused.value.status == 255
