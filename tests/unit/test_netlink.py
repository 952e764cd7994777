"""The socket's share of a conversation, against a kernel made of paper: restless dumps, overruns, strangers.

The bytes of the answers are laid out here by `struct`, after netlink(7).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from errno import EAFNOSUPPORT, EAGAIN, EBUSY, EINVAL, EMSGSIZE, ENOBUFS, EOPNOTSUPP, EPERM, EPROTONOSUPPORT
from socket import AF_INET, AF_INET6, SOCK_DGRAM

import pytest

from rawns import Interrupted, KernelError, Observer, SyscallError, netlink, observed, rtnl, sockets, uapi
from rawns.errors import DecodeError
from rawns.netlink import MAX_DUMP_ATTEMPTS, Netlink
from rawns.netlink_families import Netfilter
from rawns.nft import nat, records
from rawns.nlmsg import Request

Answers = Callable[[int], "list[bytes | int]"]  # by sequence number: datagrams, or errnos of recv
KERNEL, STRANGER = 0, 4711
MULTI, INTERRUPTED = 0x02, 0x10


def message(kind: int, seq: int, payload: bytes, flags: int = MULTI) -> bytes:
    return struct.pack("=IHHII", 16 + len(payload), kind, flags, seq, 0) + payload


def link(seq: int, index: int, flags: int = MULTI) -> bytes:
    return message(16, seq, struct.pack("=BBHiII", 0, 0, 1, index, 0, 0), flags)


def done(seq: int) -> bytes:
    return message(3, seq, struct.pack("=i", 0))


def acknowledged(seq: int) -> bytes:
    return message(2, seq, struct.pack("=iIHHII", 0, 32, 16, 5, seq, 0), 0)


class Paper:
    """A socket to a kernel that answers each datagram as it was told to."""

    port = KERNEL

    def __init__(self, *answers: Answers) -> None:
        self.answers, self.waiting, self.sent = iter(answers), list[object](), 0
        self.slept: list[float] = []

    def __call__(self, *kind: int) -> Paper:
        return self

    def setsockopt(self, *option: object) -> None:
        pass

    def fileno(self) -> int:
        return 99

    def close(self) -> None:
        pass

    def send(self, data: bytes) -> int:
        if self.waiting:
            self.waiting.append(EBUSY)  # as the kernel refuses a dump while another runs
        self.sent += 1
        self.waiting += next(self.answers)(struct.unpack_from("=IHHI", data)[3])
        return len(data)

    def recv_into(self, buffer: bytearray, size: int, flags: int) -> int:
        """The length of the next datagram, which stays (MSG_PEEK | MSG_TRUNC); an error is reported once."""
        answer = self.waiting[0] if self.waiting else EAGAIN
        if isinstance(answer, int):
            del self.waiting[:1]
            raise OSError(answer, "")
        assert isinstance(answer, bytes)
        return len(answer)

    def recvfrom(self, size: int, flags: int) -> tuple[bytes, tuple[int, int]]:
        answer = self.waiting.pop(0) if self.waiting else EAGAIN
        if isinstance(answer, int):
            raise OSError(answer, "")
        assert isinstance(answer, bytes)
        return answer[:size], (self.port, 0)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Netlink, Paper]]]:
    def made(*answers: Answers) -> tuple[Netlink, Paper]:
        paper = Paper(*answers)
        monkeypatch.setattr("_socket.socket", paper)
        monkeypatch.setattr(netlink, "_wait", lambda fd: None)
        monkeypatch.setattr(netlink, "_sleep", paper.slept.append)
        return Netlink(), paper

    yield made


DUMP = Request(rtnl.GETLINK, {}, uapi.NLM_F_DUMP)


def test_an_interrupted_dump_is_begun_again(kernel: Callable[..., tuple[Netlink, Paper]]) -> None:
    restless = lambda seq: [link(seq, 1) + link(seq, 2, MULTI | INTERRUPTED), done(seq)]  # noqa: E731
    calm = lambda seq: [link(seq, 1), done(seq)]  # noqa: E731
    socket, paper = kernel(restless, restless, calm)
    assert [reply.body["ifi_index"] for reply in socket.dump(DUMP)] == [1] and paper.sent == 3


def test_but_not_for_ever(kernel: Callable[..., tuple[Netlink, Paper]]) -> None:
    """After the last attempt there is an answer, marked as what it is; before each further attempt some time passes."""
    restless = lambda seq: [link(seq, 1, MULTI | INTERRUPTED), done(seq)]  # noqa: E731
    socket, paper = kernel(*[restless] * 100)
    listing = socket.dump(DUMP)
    assert [reply.body["ifi_index"] for reply in listing] == [1] and not listing.complete
    assert paper.sent == MAX_DUMP_ATTEMPTS and len(paper.slept) == MAX_DUMP_ATTEMPTS - 1
    assert 0 < paper.slept[0] < paper.slept[-1] and sum(paper.slept) < 1
    assert not socket.dump(DUMP, attempts=1).complete and paper.sent == MAX_DUMP_ATTEMPTS + 1


def test_a_message_longer_than_any_buffer_is_received_whole(kernel: Callable[..., tuple[Netlink, Paper]]) -> None:
    alternative = b"".join(struct.pack("=HH", 4 + 124, 53) + b"%0123d\0" % number for number in range(500))
    names = struct.pack("=HH", 4 + len(alternative), 0x8000 | 52)
    long = message(16, 0, struct.pack("=BBHiII", 0, 0, 1, 7, 0, 0) + names + alternative)
    assert len(long) > 64000

    def twice(seq: int) -> list[bytes | int]:
        return [2 * (long[:8] + struct.pack("=I", seq) + long[12:]), done(seq)]

    socket, paper = kernel(twice, twice, twice)
    found = socket.dump(DUMP)
    assert paper.sent == 2  # its length is asked for only when it has turned out to be long
    assert [len(reply.body["IFLA_PROP_LIST"]["IFLA_ALT_IFNAME"]) for reply in found] == [500, 500] and found.complete
    assert socket.dump(DUMP, attempts=1).complete and paper.sent == 3


def test_an_overrun_dump_is_read_to_its_end_and_begun_again(kernel: Callable[..., tuple[Netlink, Paper]]) -> None:
    overrun = lambda seq: [link(seq, 1), ENOBUFS, link(seq, 3), done(seq)]  # noqa: E731
    calm = lambda seq: [link(seq, 1), link(seq, 2), done(seq)]  # noqa: E731
    socket, paper = kernel(overrun, calm)
    assert [reply.body["ifi_index"] for reply in socket.dump(DUMP)] == [1, 2] and paper.sent == 2


def test_a_change_whose_answer_was_lost_is_not_repeated(kernel: Callable[..., tuple[Netlink, Paper]]) -> None:
    socket, paper = kernel(lambda seq: [ENOBUFS], lambda seq: [acknowledged(seq)])
    with pytest.raises(Interrupted, match="ENOBUFS"):
        socket.do(Request(rtnl.NEWLINK, {"ifi_index": 1}))
    assert paper.sent == 1
    socket.do(Request(rtnl.NEWLINK, {"ifi_index": 1}))


def test_an_answer_that_never_comes_is_an_error_by_name(kernel: Callable[..., tuple[Netlink, Paper]]) -> None:
    socket, _ = kernel(lambda seq: [])
    with pytest.raises(OSError, match=r"recvfrom\(99, .*EAGAIN"):
        socket.do(Request(rtnl.NEWLINK, {"ifi_index": 1}))


def test_only_the_kernel_is_listened_to(kernel: Callable[..., tuple[Netlink, Paper]]) -> None:
    socket, paper = kernel(lambda seq: [acknowledged(seq)])
    paper.port = STRANGER
    with pytest.raises(OSError, match="EAGAIN"):
        socket.do(Request(rtnl.NEWLINK, {"ifi_index": 1}))


def test_an_acknowledgement_where_an_answer_was_due(kernel: Callable[..., tuple[Netlink, Paper]]) -> None:
    socket, _ = kernel(lambda seq: [acknowledged(seq)])
    with pytest.raises(DecodeError, match="RTM_GETLINK: acknowledged without an answer"):  # the kernel has refused nothing
        socket.get(Request(rtnl.GETLINK, {"ifi_index": 1}))


# -- nf_tables --------------------------------------------------------------------------------------------------------


@pytest.fixture
def netfilter(kernel: Callable[..., tuple[Netlink, Paper]]) -> Callable[..., tuple[Netfilter, Paper]]:
    def made(*answers: Answers) -> tuple[Netfilter, Paper]:
        _, paper = kernel(*answers)
        return Netfilter(), paper

    return made


def refused(seq: int, number: int) -> bytes:
    return message(2, seq, struct.pack("=iIHHII", -number, 20, 16, 1, seq, 0), 0x100)


REPLACED = nat.replace("lab", [nat.Nat("eth0")])


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (EOPNOTSUPP, "this kernel has no nf_tables (CONFIG_NF_TABLES)"),
        (EPERM, "rawns rootless"),
        (EBUSY, ""),
    ],
)
def test_a_transaction_refused_as_a_whole(
    netfilter: Callable[..., tuple[Netfilter, Paper]], number: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    socket, paper = netfilter(lambda seq: [refused(seq, number)], lambda seq: [acknowledged(seq + len(REPLACED))])
    with pytest.raises(KernelError) as caught:
        socket.transact(*REPLACED, context="table inet lab")
    assert caught.value.request == "NFNL_MSG_BATCH_BEGIN" and caught.value.errno == number
    assert "(table inet lab) refused" in str(caught.value) and said in caught.value.hint and bool(said) == bool(caught.value.hint)
    assert socket.transact(*REPLACED) == [[] for _ in REPLACED] and paper.sent == 2
    assert socket.transact() == [] and paper.sent == 2


def test_a_dump_of_what_the_kernel_does_not_have(netfilter: Callable[..., tuple[Netfilter, Paper]]) -> None:
    socket, _ = netfilter(lambda seq: [refused(seq, EINVAL)])
    with pytest.raises(KernelError, match=r"NFT_MSG_GETCHAIN refused: .*; this kernel has no nf_tables \(CONFIG_NF_TABLES\)"):
        socket.dump(records.chains())


def test_answers_lost_behind_the_first_error(netfilter: Callable[..., tuple[Netfilter, Paper]]) -> None:
    """The buffer held two, and the kernel dropped the rest: the first of them is raised, and nothing waits any more."""
    socket, paper = netfilter(lambda seq: [ENOBUFS, refused(seq + 4, EBUSY), ENOBUFS, refused(seq + 5, EINVAL)])
    with pytest.raises(KernelError, match=r"NFT_MSG_NEWCHAIN \(chain inet lab prerouting\) refused: .*EBUSY"):
        socket.transact(*REPLACED)
    assert paper.waiting == []


def test_an_overrun_that_lost_nothing_of_ours(netfilter: Callable[..., tuple[Netfilter, Paper]]) -> None:
    socket, _ = netfilter(lambda seq: [ENOBUFS, acknowledged(seq + len(REPLACED))], lambda seq: [ENOBUFS])
    assert socket.transact(*REPLACED) == [[] for _ in REPLACED]
    with pytest.raises(Interrupted, match="ENOBUFS"):
        socket.transact(*REPLACED)


class Failing(Observer):
    def __init__(self, call: str, number: int) -> None:
        self.call, self.number, self.seen = call, number, list[str]()

    def before(self, call: str, arguments: str) -> None:
        self.seen.append(f"{call}({arguments})")
        if call == self.call:
            raise OSError(self.number, "")


def test_a_kernel_without_netfilter(netfilter: Callable[..., tuple[Netfilter, Paper]]) -> None:
    with observed(Failing("socket", EPROTONOSUPPORT)), pytest.raises(SyscallError) as caught:
        netfilter()
    assert str(caught.value).startswith("socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE")
    with observed(watch := Failing("", 0)):
        socket, _ = netfilter()
    assert "socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_NETFILTER)" in watch.seen
    with observed(Failing("socket", EPROTONOSUPPORT)), pytest.raises(SyscallError, match=r"CONFIG_NETFILTER_NETLINK\)$"):
        Netfilter()
    socket.close()


def test_a_kernel_without_ipv6() -> None:
    with observed(Failing("socket", EAFNOSUPPORT)):
        with pytest.raises(SyscallError, match=r"\(EAFNOSUPPORT\); this kernel has no IPv6 \(CONFIG_IPV6"):
            sockets.socket(AF_INET6, SOCK_DGRAM)
        with pytest.raises(SyscallError, match=r"\(EAFNOSUPPORT\)$"):
            sockets.socket(AF_INET, SOCK_DGRAM)


def test_a_transaction_that_no_datagram_holds(netfilter: Callable[..., tuple[Netfilter, Paper]]) -> None:
    """First more room is asked for, by the way that root has and by the one that all have."""
    forwards = [nat.Forward("tcp", port, "10.0.0.2") for port in range(1, 300)]
    long = nat.replace("lab", [nat.Nat("eth0", (), forwards)])
    socket, _ = netfilter(lambda seq: [acknowledged(seq + len(long))])
    with observed(watch := Failing("", 0)):
        socket.transact(*long)
    assert [call.split(", ")[2] for call in watch.seen if "SOL_SOCKET" in call] == ["SO_SNDBUFFORCE"]
    watch = Failing("setsockopt", EPERM)
    with observed(Both(watch, Failing("sendto", EMSGSIZE))), pytest.raises(SyscallError, match=r"EMSGSIZE.*net\.core\.wmem_max"):
        socket.transact(*long)
    assert [call.split(", ")[2] for call in watch.seen if "SOL_SOCKET" in call] == ["SO_SNDBUFFORCE", "SO_SNDBUF"]


class Both(Observer):
    def __init__(self, *watchers: Failing) -> None:
        self.watchers = watchers

    def before(self, call: str, arguments: str) -> None:
        for one in self.watchers:
            one.before(call, arguments)
