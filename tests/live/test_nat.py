"""Out under the router's address, and ports forwarded in: three namespaces, real packets, all or nothing."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable

import pytest
from conftest import Ordinary

from rawns import Interrupted, InvalidValue, KernelError, NetNS, Observer, RawnsError, SyscallError, observed, uapi
from rawns.net import Net
from rawns.netlink import Netlink
from rawns.nft import messages as nft_messages
from rawns.nft import nat
from rawns.nft.nat import Forward, Nat
from rawns.nlmsg import Request

PATIENCE = 10  # seconds, only ever waited for what has gone wrong
ROUTER: dict[int, str] = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
OUTSIDE: dict[int, str] = {socket.AF_INET: "192.0.2.2", socket.AF_INET6: "2001:db8::2"}
INSIDE: dict[int, str] = {socket.AF_INET: "10.0.0.2", socket.AF_INET6: "fd00::2"}
FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
KINDS = pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["tcp", "udp"])

WANTED = [
    Nat(
        "up0",
        ("10.0.0.0/24", "fd00::/64"),
        [Forward(kind, 8080, INSIDE[family], 80) for kind in ("tcp", "udp") for family in INSIDE],
    )
]


@pytest.fixture
def router(netns: NetNS) -> NetNS:
    """A namespace with nothing in it, where the kernel has nf_tables."""
    try:
        netns.nft.chains()
    except (KernelError, SyscallError) as error:
        if error.errno in (errno.EINVAL, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT):
            pytest.skip(str(error))
        raise
    return netns


@pytest.fixture
def wired(router: NetNS, netns_factory: Callable[[], NetNS]) -> tuple[NetNS, NetNS, NetNS]:
    """inside -- router -- outside; the outside knows no way to the inside."""
    inside, outside = netns_factory(), netns_factory()
    for ns, name, near, far in ((inside, "in0", "1", INSIDE), (outside, "up0", "1", OUTSIDE)):
        router.net.add_veth(name, "eth0", peer_ns=ns)
        for family, bits in ((socket.AF_INET, 24), (socket.AF_INET6, 64)):
            mine = f"{far[family][:-1]}{near}"
            for one, link, address in ((router, name, mine), (ns, "eth0", far[family])):
                one.net.add_address(link, f"{address}/{bits}", nodad=family == socket.AF_INET6)
        for one, link in ((router, name), (ns, "eth0")):
            one.net.set_link(link, up=True)
            if one is router:  # to ask for a neighbour it needs this, and the kernel's own is in doubt for a second or two
                one.net.add_address(link, "fe80::1/64", nodad=True)
    for gateway in ("10.0.0.1", "fd00::1"):
        inside.net.add_route("default" if "." in gateway else "::/0", via=gateway)
    configure(router, {"ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1})
    return inside, router, outside


def configure(ns: NetNS, settings: dict[str, int]) -> None:
    with ns.entered():
        for setting, value in settings.items():
            with open(f"/proc/sys/net/{setting}", "w") as file:
                file.write(str(value))


def listening(ns: NetNS, family: int, kind: int, port: int) -> socket.socket:
    sock = ns.socket(family, kind)
    sock.settimeout(PATIENCE)
    sock.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
    if kind == socket.SOCK_STREAM:
        sock.listen()
    return sock


def seen(client: NetNS, server: NetNS, family: int, kind: int, to: str, port: int, at: int) -> str:
    """The address under which a client appears to the server, after a word in each direction."""
    with listening(server, family, kind, at) as listener, client.socket(family, kind) as caller:
        caller.settimeout(PATIENCE)
        caller.connect((to, port))
        caller.send(b"there")
        if kind == socket.SOCK_DGRAM:
            word, peer = listener.recvfrom(99)
            listener.sendto(b"back", peer)
        else:
            accepted, peer = listener.accept()
            with accepted:
                accepted.settimeout(PATIENCE)
                word = accepted.recv(99)
                accepted.send(b"back")
        assert (word, caller.recv(99)) == (b"there", b"back")
        return str(peer[0])


@FAMILIES
@KINDS
def test_the_inside_appears_as_the_router(wired: tuple[NetNS, NetNS, NetNS], family: int, kind: int) -> None:
    inside, router, outside = wired
    router.net.nft.set_nat("rt", WANTED)
    assert seen(inside, outside, family, kind, OUTSIDE[family], 7777, 7777) == ROUTER[family]


@FAMILIES
def test_its_echo_requests_too(wired: tuple[NetNS, NetNS, NetNS], family: int) -> None:
    inside, router, outside = wired
    router.net.nft.set_nat("rt", WANTED)
    protocol, kind = (socket.IPPROTO_ICMP, 8) if family == socket.AF_INET else (socket.getprotobyname("ipv6-icmp"), 128)
    with outside.socket(family, socket.SOCK_RAW, protocol) as ear, inside.socket(family, socket.SOCK_RAW, protocol) as mouth:
        ear.settimeout(PATIENCE)
        checksum = ~(kind << 8 | 0x42) & 0xFFFF  # of the words below; for ICMPv6 the kernel computes its own
        mouth.sendto(struct.pack("!BBHHH", kind, 0, checksum, 0x41, 1), (OUTSIDE[family], 0))
        while True:  # neighbour discovery is ICMPv6 as well
            data, peer = ear.recvfrom(999)
            if data[20 if family == socket.AF_INET else 0] == kind:
                break
        assert peer[0] == ROUTER[family]


@FAMILIES
@KINDS
def test_a_port_forwarded_in(wired: tuple[NetNS, NetNS, NetNS], family: int, kind: int) -> None:
    inside, router, outside = wired
    router.net.nft.set_nat("rt", WANTED)
    assert seen(outside, inside, family, kind, ROUTER[family], 8080, 80) == OUTSIDE[family]


def test_without_it_nothing_of_this_works(wired: tuple[NetNS, NetNS, NetNS]) -> None:
    inside, router, outside = wired
    router.net.nft.set_nat("rt", WANTED)
    router.net.nft.delete_table("rt")
    with outside.socket(socket.AF_INET, socket.SOCK_STREAM) as caller:
        caller.settimeout(PATIENCE)
        with pytest.raises(ConnectionRefusedError):
            caller.connect((ROUTER[socket.AF_INET], 8080))
    with pytest.raises(OSError):
        seen(outside, inside, socket.AF_INET, socket.SOCK_STREAM, INSIDE[socket.AF_INET], 80, 80)


def test_only_the_sources_said_are_masqueraded(wired: tuple[NetNS, NetNS, NetNS]) -> None:
    inside, router, outside = wired
    outside.net.add_route("10.0.0.0/24", via="192.0.2.1")
    for sources, appears in ((("10.0.0.0/27",), "192.0.2.1"), (("10.0.0.4/30", "10.0.1.0/24"), "10.0.0.2")):
        router.net.nft.set_nat("rt", [Nat("up0", sources)])
        assert seen(inside, outside, socket.AF_INET, socket.SOCK_DGRAM, "192.0.2.2", 5000, 5000) == appears
        # the kernel would send what belongs to a known conversation on as before: each has a port of its own


# -- reading, replacing, deleting ---------------------------------------------------------------------------------------


def test_what_was_said_is_read_back(router: NetNS) -> None:
    assert router.net.nft.nat("rt") is None
    router.net.nft.set_nat("rt", WANTED, "rawns lab rt")
    assert router.net.nft.nat("rt") == nat.NatTable("rawns lab rt", WANTED)
    more = [Nat("a", ("10.4.0.0/20", "fd00::/67", "0.0.0.0/0", "::/0", "192.0.2.7/32")), *WANTED]
    router.net.nft.set_nat("rt", more)
    assert router.net.nft.nat("rt") == nat.NatTable("", more)
    router.net.nft.set_nat("rt", [])
    assert router.net.nft.nat("rt") == nat.NatTable("", [])
    router.net.nft.set_nat("other", WANTED)
    assert router.net.nft.nat("rt") == nat.NatTable("", []) and len(router.net.nft.chains()) == 4
    router.net.nft.delete_table("rt")
    router.net.nft.delete_table("other")
    assert router.net.nft.chains() == [] == router.net.nft.rules()


def test_what_somebody_adds_differs(router: NetNS) -> None:
    router.net.nft.set_nat("rt", WANTED, "ours")
    accept = {"NFTA_IMMEDIATE_DREG": 0, "NFTA_IMMEDIATE_DATA": {"NFTA_DATA_VERDICT": {"NFTA_VERDICT_CODE": uapi.NF_ACCEPT}}}
    router.net.nft.netfilter.transact(foreign({"NFTA_EXPR_NAME": "immediate", "NFTA_EXPR_DATA": accept}))
    assert router.net.nft.nat("rt") == nat.NatTable("ours", None)
    router.net.nft.set_nat("rt", WANTED, "ours")
    assert router.net.nft.nat("rt") == nat.NatTable("ours", WANTED)


def foreign(*expressions: dict[str, object]) -> Request:
    body = {
        "nfgen_family": uapi.NFPROTO_INET,
        "NFTA_RULE_TABLE": "rt",
        "NFTA_RULE_CHAIN": "prerouting",
        "NFTA_RULE_EXPRESSIONS": {"NFTA_LIST_ELEM": list(expressions)},
    }
    return Request(nft_messages.NEWRULE, body, uapi.NLM_F_CREATE | uapi.NLM_F_APPEND, "a rule of another program")


def test_many_forwards_are_still_one_transaction(router: NetNS) -> None:
    """More bytes than a socket's send buffer takes at first; and read back in many datagrams."""
    many = [Nat("up0", (), [Forward("tcp", port, "10.0.0.2") for port in range(1, 701)])]
    router.net.nft.set_nat("rt", many)
    assert router.net.nft.nat("rt") == nat.NatTable("", many)


def test_more_errors_than_the_answers_have_room_for(router: NetNS) -> None:
    """The first is the one; the socket is as good as new afterwards."""
    rules = nat.replace("rt", [Nat("up0", (), [Forward("tcp", port, "10.0.0.2") for port in range(1, 701)])])[5:]
    with pytest.raises(FileNotFoundError, match=r"NFT_MSG_NEWRULE \(tcp port 1 to 10.0.0.2:1 of up0\).*NFTA_RULE_TABLE = \"rt\""):
        router.net.nft.netfilter.transact(*rules)
    assert router.net.nft.nat("rt") is None
    router.net.nft.set_nat("rt", WANTED)
    assert router.net.nft.nat("rt") == nat.NatTable("", WANTED)


# -- all or nothing -------------------------------------------------------------------------------------------------------


def test_a_table_that_is_not_there_cannot_be_deleted(router: NetNS) -> None:
    with pytest.raises(FileNotFoundError) as refused:
        router.net.nft.delete_table("rt")
    assert str(refused.value).endswith('refused: No such file or directory (ENOENT) at byte 20, NFTA_TABLE_NAME = "rt"')


def test_what_the_kernel_lacks_is_named_and_nothing_changes(router: NetNS) -> None:
    router.net.nft.set_nat("rt", WANTED)
    for wrong in (foreign({"NFTA_EXPR_NAME": "wormhole", "NFTA_EXPR_DATA": b""}), *nat.replace("rt", [])[4:5]):
        body = dict(wrong.body)
        if wrong.message is nft_messages.NEWCHAIN:
            body.update(NFTA_CHAIN_TYPE="wormhole", NFTA_CHAIN_NAME="another")
        made = nat.replace("rt", [Nat("other")])
        with pytest.raises(KernelError, match="this kernel has no such part of nf_tables") as refused:
            router.net.nft.netfilter.transact(*made, Request(wrong.message, body, wrong.flags, wrong.context))
        assert refused.value.errno == errno.ENOENT and "\n" not in str(refused.value)
        assert router.net.nft.nat("rt") == nat.NatTable("", WANTED)


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.ENOBUFS])
def test_each_call_failed_in_turn_leaves_one_or_the_other(router: NetNS, number: int) -> None:
    class FailingCall(Observer):
        def __init__(self, victim: int) -> None:
            self.victim, self.calls = victim, list[str]()

        def before(self, call: str, arguments: str) -> None:
            self.calls.append(call)
            if len(self.calls) - 1 == self.victim and call != "close":
                raise OSError(number, "a test lets this call fail")

    before, after = nat.NatTable("before", [Nat("up0")]), nat.NatTable("after", WANTED)

    def told(failing: Observer) -> BaseException | None:
        """With a socket that is not open yet, so that its calls are failed too."""
        with router.entered():
            fresh = Net(Netlink())
        try:
            with observed(failing):
                fresh.nft.set_nat("rt", WANTED, "after")
        except RawnsError as error:
            return error
        finally:
            fresh.close()
        return None

    rehearsal = FailingCall(-1)
    assert told(rehearsal) is None and {"ioctl", "setns", "socket", "sendto", "recvfrom"} <= set(rehearsal.calls)
    outcomes = set()
    for victim, call in enumerate(rehearsal.calls):
        if call in ("close", "setns"):
            continue  # a thread that cannot come back does not go on: tested elsewhere
        router.net.nft.set_nat("rt", before.nats or [], before.stamp)
        error = told(FailingCall(victim))
        there = router.net.nft.nat("rt")
        assert there in (before, after), call
        assert there == after or error is not None, f"{call}: nobody noticed"
        outcomes.add((call, there == after, error is None))
    assert ("sendto", False, False) in outcomes and {one[1] for one in outcomes if one[0] == "recvfrom"} == {True}
    # An overrun is no end: what was answered is still there to be read.
    assert (("recvfrom", True, True) in outcomes) == (number == errno.ENOBUFS)


def test_bad_values_are_refused_before_a_byte_is_sent(router: NetNS) -> None:
    class Watcher(Observer):
        def before(self, call: str, arguments: str) -> None:
            assert call != "sendto", arguments

    assert router.net.nft.chains() == []
    with observed(Watcher()):
        for say in (
            lambda: router.net.nft.set_nat("", []),
            lambda: router.net.nft.set_nat("rt", [], "x" * 200),
            lambda: router.net.nft.set_nat("rt", [Nat("a"), Nat("a")]),
            lambda: router.net.nft.delete_table("a\0b"),
            lambda: router.net.nft.nat(""),
        ):
            with pytest.raises(InvalidValue):
                say()  # type: ignore[no-untyped-call]


def test_an_interface_that_is_not_there_is_no_error(router: NetNS) -> None:
    """It is a name, and may come."""
    router.net.nft.set_nat("rt", [Nat("not-there-yet")])
    assert router.net.nft.nat("rt") == nat.NatTable("", [Nat("not-there-yet")])


# -- the second socket ----------------------------------------------------------------------------------------------------


def test_it_is_opened_where_the_first_one_is(router: NetNS) -> None:
    """Also when the namespace object is closed by then, or has been forgotten; and closed with it."""
    with router.entered():
        net = NetNS.current().net
    net.nft.set_nat("rt", WANTED)
    assert router.net.nft.nat("rt") == nat.NatTable("", WANTED)
    net.close()
    second = router.net.nft.netfilter
    assert second is router.net.nft.netfilter and second.fileno() >= 0
    router.close()
    assert second.fileno() == -1


def test_a_ruleset_that_never_rests_is_an_error_by_name(router: NetNS) -> None:
    """Another process changes it between any two dumps."""
    router.net.nft.set_nat("rt", WANTED)
    with router.entered():
        other = Net(Netlink())
    try:
        other.nft.set_nat("noise", [])

        class Restless(Observer):
            def before(self, call: str, arguments: str) -> None:
                if call == "sendto" and not self.busy:
                    self.busy = True
                    other.nft.set_nat("noise", [])
                    self.busy = False

            busy = False

        with observed(Restless()), pytest.raises(Interrupted, match="ruleset of nf_tables changed"):
            router.net.nft.nat("rt")
    finally:
        other.close()


@pytest.mark.really_root
def test_without_privileges_one_sentence_says_so(ordinary: Ordinary) -> None:
    script = """
from rawns import RawnsError
from rawns.netlink_families import Netfilter
from rawns.nft import nat, records
socket = Netfilter()
for ask in (lambda: socket.transact(*nat.replace("rt", []), context="table inet rt"), lambda: socket.dump(records.chains())):
    try:
        ask()
    except RawnsError as error:
        print(error)
"""
    done = ordinary.run([ordinary.python, "-c", script])
    what = "refused: Operation not permitted (EPERM); run as root, or inside `rawns rootless`"
    assert done.stdout.splitlines() == [f"NFNL_MSG_BATCH_BEGIN (table inet rt) {what}", f"NFT_MSG_GETCHAIN {what}"]
