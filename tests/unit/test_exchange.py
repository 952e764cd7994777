"""The conversation, against a kernel that is played here: it answers late, in pieces, twice, wrongly or not at all.

What the fake kernel says is packed with `struct`, or was captured from the real one; our encoder has no part in it.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator

import pytest
from samples import one

from rawns import nlmsg_spans, rtnl, uapi
from rawns.errors import DecodeError, KernelError, WireError
from rawns.exchange import AWAIT_ACK, AWAIT_DONE, IDLE, MAX_BATCH_MESSAGES, Exchange, batches
from rawns.nlmsg import Request

ENODEV, EEXIST, EINVAL, EOPNOTSUPP = 19, 17, 22, 95


# -- the fake kernel ------------------------------------------------------------------------------------------------


def message(kind: int, seq: int, payload: bytes = b"", flags: int = 0) -> bytes:
    return struct.pack("=IHHII", 16 + len(payload), kind, flags, seq, 4711) + payload + bytes(-len(payload) % 4)


def attribute(kind: int, payload: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def answer(seq: int, error: int = 0, extack: bytes = b"") -> bytes:
    """NLMSG_ERROR as it comes to a socket with NETLINK_CAP_ACK: the error, the request's header, the extack."""
    echoed = struct.pack("=IHHII", 16, 16, 5, seq, 0)
    return message(2, seq, struct.pack("=i", -error) + echoed + extack, 0x100 | (0x200 if extack else 0))


def done(seq: int, error: int = 0, flags: int = 2) -> bytes:
    return message(3, seq, struct.pack("=i", -error), flags)


def link(seq: int, index: int, flags: int = 2) -> bytes:
    return message(16, seq, struct.pack("=BxHiII", 0, 1, index, 1, 0) + attribute(3, f"v{index}".encode() + b"\0"), flags)


def sequences(data: bytes) -> list[int]:
    """The sequence numbers of what we are about to send."""
    found, at = [], 0
    while at < len(data):
        length, _, _, seq, _ = struct.unpack_from("=IHHII", data, at)
        found.append(seq)
        at += (length + 3) & ~3
    return found


def flags(data: bytes) -> list[int]:
    found, at = [], 0
    while at < len(data):
        length, _, flag = struct.unpack_from("=IHH", data, at)
        found.append(flag)
        at += (length + 3) & ~3
    return found


def partitions(pieces: list[bytes]) -> Iterator[list[bytes]]:
    """The pieces in order, in as many datagrams as can be: every way to cut them."""
    for cuts in itertools.product((False, True), repeat=len(pieces) - 1):
        datagrams = [pieces[0]]
        for cut, piece in zip(cuts, pieces[1:]):
            if cut:
                datagrams.append(piece)
            else:
                datagrams[-1] += piece
        yield datagrams


def up(index: int) -> Request:
    return Request(rtnl.NEWLINK, {"ifi_index": index, "ifi_flags": 1, "ifi_change": 1}, context=f"v{index} up")


DUMP = Request(rtnl.GETLINK, {}, uapi.NLM_F_DUMP)


@pytest.fixture
def exchange() -> Exchange:
    return Exchange(rtnl.MESSAGES)


# -- sending ----------------------------------------------------------------------------------------------------------


def test_a_batch_is_one_datagram_that_asks_for_one_acknowledgement(exchange: Exchange) -> None:
    data = exchange.send([up(1), up(2), up(3)])
    first, second, third = sequences(data)
    assert (second, third) == (first + 1, first + 2)
    assert flags(data) == [uapi.NLM_F_REQUEST, uapi.NLM_F_REQUEST, uapi.NLM_F_REQUEST | uapi.NLM_F_ACK]
    assert exchange.state == AWAIT_ACK and not exchange.finished


def test_a_dump_asks_for_none(exchange: Exchange) -> None:
    assert flags(exchange.send([DUMP])) == [uapi.NLM_F_REQUEST | uapi.NLM_F_DUMP]
    assert exchange.state == AWAIT_DONE


def test_sequence_numbers_are_never_used_twice(exchange: Exchange) -> None:
    seen = sequences(exchange.send([up(1), up(2)])) + sequences(exchange.send([DUMP])) + sequences(exchange.send([up(3)]))
    assert len(set(seen)) == 4


def test_nothing_is_sent_of_a_batch_with_a_wrong_value(exchange: Exchange) -> None:
    with pytest.raises(WireError, match="RTM_NEWLINK.*IFLA_NAME"):
        exchange.send([up(1), Request(rtnl.NEWLINK, {"IFLA_NAME": "v1"})])
    assert exchange.state == IDLE
    (seq,) = sequences(exchange.send([up(1)]))
    exchange.receive(answer(seq))
    assert exchange.result() == [[]]


def test_requests_are_cut_into_batches() -> None:
    requests = [up(index) for index in range(2 * MAX_BATCH_MESSAGES + 1)]
    cut = batches(requests)
    assert [len(batch) for batch in cut] == [MAX_BATCH_MESSAGES, MAX_BATCH_MESSAGES, 1]
    assert [request for batch in cut for request in batch] == requests
    assert batches([]) == []


# -- receiving --------------------------------------------------------------------------------------------------------


def test_a_dump_may_be_split_in_every_way(exchange: Exchange) -> None:
    for number in range(64):
        (seq,) = sequences(exchange.send([DUMP]))
        pieces = [*(link(seq, index) for index in range(1, 7)), done(seq)]
        datagrams = list(partitions(pieces))[number]
        for datagram in datagrams:
            assert not exchange.finished
            exchange.receive(datagram)
        assert exchange.finished and exchange.state == IDLE
        (replies,) = exchange.result()
        assert [reply.body["IFLA_IFNAME"] for reply in replies] == ["v1", "v2", "v3", "v4", "v5", "v6"]
        assert {reply.name for reply in replies} == {"RTM_NEWLINK"}


def test_answers_find_their_requests(exchange: Exchange) -> None:
    """A get in the middle of a batch: its reply is its own, wherever the datagrams are cut."""
    for datagram_count in (1, 2):
        first, second, third = sequences(exchange.send([up(1), Request(rtnl.GETLINK, {"ifi_index": 2}), up(3)]))
        pieces = [link(second, 2, flags=0), answer(third)]
        for datagram in [b"".join(pieces)] if datagram_count == 1 else pieces:
            exchange.receive(datagram)
        assert [[reply.body["ifi_index"] for reply in replies] for replies in exchange.result()] == [[], [2], []]
    assert first < second


def test_an_error_in_the_middle_of_a_batch_is_raised_when_all_is_in(exchange: Exchange) -> None:
    pieces_of = lambda second, third: [answer(second, EEXIST), answer(third)]  # noqa: E731
    for count in range(2):
        _, second, third = sequences(exchange.send([up(1), up(2), up(3)]))
        for datagram in list(partitions(pieces_of(second, third)))[count]:  # type: ignore[no-untyped-call]
            exchange.receive(datagram)
        assert exchange.finished
        with pytest.raises(FileExistsError, match=r"RTM_NEWLINK \(v2 up\) refused: File exists \(EEXIST\)") as caught:
            exchange.result()
        assert isinstance(caught.value, KernelError) and caught.value.context == "v2 up"


def test_the_first_of_several_errors_is_the_one(exchange: Exchange) -> None:
    first, second, third = sequences(exchange.send([up(1), up(2), up(3)]))
    exchange.receive(answer(second, EINVAL) + answer(third, EEXIST))
    with pytest.raises(KernelError) as caught:
        exchange.result()
    assert (caught.value.errno, caught.value.context) == (EINVAL, "v2 up")
    assert first


def test_an_error_of_the_last_message_ends_the_batch(exchange: Exchange) -> None:
    *_, last = sequences(exchange.send([up(1), up(2)]))
    exchange.receive(answer(last, ENODEV))
    assert exchange.finished
    with pytest.raises(KernelError, match="ENODEV"):
        exchange.result()


def test_a_dump_may_be_refused_at_once(exchange: Exchange) -> None:
    (seq,) = sequences(exchange.send([DUMP]))
    exchange.receive(answer(seq, EINVAL))
    assert exchange.finished
    with pytest.raises(KernelError, match="RTM_GETLINK refused: Invalid argument"):
        exchange.result()


def test_a_dump_may_end_in_an_error(exchange: Exchange) -> None:
    """As the kernel ends one that it is asked to filter by an index that is not there."""
    (seq,) = sequences(exchange.send([Request(rtnl.GETADDR, {"ifa_index": 999}, uapi.NLM_F_DUMP)]))
    captured = bytearray(one("RTM_GETADDR dump for the index 999", "<"))
    captured[8:12] = struct.pack("=I", seq)
    exchange.receive(captured)
    with pytest.raises(KernelError) as caught:
        exchange.result()
    assert (caught.value.errno, caught.value.request) == (ENODEV, "RTM_GETADDR")


@pytest.mark.parametrize("where", ["a reply", "the end"])
def test_an_interrupted_dump_is_marked(exchange: Exchange, where: str) -> None:
    (seq,) = sequences(exchange.send([DUMP]))
    interrupted = 2 | uapi.NLM_F_DUMP_INTR
    exchange.receive(link(seq, 1, interrupted if where == "a reply" else 2) + link(seq, 2))
    assert not exchange.finished
    exchange.receive(done(seq, flags=interrupted if where == "the end" else 2))
    assert exchange.interrupted and len(exchange.result()[0]) == 2
    (seq,) = sequences(exchange.send([DUMP]))
    exchange.receive(link(seq, 1) + done(seq))
    assert not exchange.interrupted and len(exchange.result()[0]) == 1, "the next dump starts anew"


@pytest.mark.parametrize("error", [-(2**31), 2**31 - 1, 1, -4096])
def test_an_error_that_is_no_errno_is_malformed(exchange: Exchange, error: int) -> None:
    """<linux/err.h>: an error is from -MAX_ERRNO (-4095) to -1, and what is acknowledged has 0."""
    (seq,) = sequences(exchange.send([up(1)]))
    with pytest.raises(DecodeError, match=f"NLMSG_ERROR: error is {error}, not an errno"):
        exchange.receive(message(2, seq, struct.pack("=i", error) + bytes(16)))
    (seq,) = sequences(exchange.send([up(1)]))
    exchange.receive(answer(seq, error=4095))
    with pytest.raises(KernelError, match="Unknown error 4095|No error information"):
        exchange.result()


def test_a_dump_is_taken_as_it_comes(exchange: Exchange) -> None:
    (seq,) = sequences(exchange.send([DUMP]))
    exchange.receive(link(seq, 1) + link(seq, 2))
    assert [reply.body["ifi_index"] for reply in exchange.take()] == [1, 2] and list(exchange.take()) == []
    exchange.receive(link(seq, 3) + done(seq))
    assert [reply.body["ifi_index"] for reply in exchange.take()] == [3] and exchange.finished


def test_what_an_earlier_conversation_left_is_dropped(exchange: Exchange) -> None:
    (stale,) = sequences(exchange.send([DUMP]))
    exchange.receive(link(stale, 1))
    (seq,) = sequences(exchange.send([DUMP]))
    exchange.receive(link(stale, 2) + done(stale, EINVAL) + answer(stale, EEXIST))
    assert not exchange.finished
    exchange.receive(link(seq, 3) + done(seq) + link(seq, 4))
    assert [reply.body["ifi_index"] for reply in exchange.result()[0]] == [3]


def test_nothing_is_listened_to_before_anything_was_said(exchange: Exchange) -> None:
    exchange.receive(link(1, 1) + answer(0, EINVAL))
    assert exchange.finished and exchange.result() == []


def test_sequence_numbers_wrap_around(exchange: Exchange) -> None:
    exchange._seq = 0xFFFFFFFE
    seqs = sequences(exchange.send([up(1), up(2), up(3)]))
    assert seqs == [0xFFFFFFFF, 0, 1]
    exchange.receive(answer(0, EEXIST) + answer(1))
    with pytest.raises(KernelError, match="v2 up"):
        exchange.result()


def test_control_messages_without_meaning_are_passed_over(exchange: Exchange) -> None:
    (seq,) = sequences(exchange.send([up(1)]))
    exchange.receive(message(1, seq) + message(4, seq) + answer(seq))
    assert exchange.result() == [[]]


def test_a_message_without_description_is_kept_as_bytes(exchange: Exchange) -> None:
    (seq,) = sequences(exchange.send([DUMP]))
    exchange.receive(message(999, seq, b"something", 2) + done(seq))
    ((reply,),) = exchange.result()
    assert (reply.kind, reply.name, reply.body) == (999, "999", {"": b"something"})


def test_every_truncated_datagram_is_an_error_or_a_part(exchange: Exchange) -> None:
    (seq,) = sequences(exchange.send([DUMP]))
    whole = link(seq, 1) + link(seq, 2) + done(seq)
    errors = 0
    for size in range(len(whole)):
        (seq,) = sequences(exchange.send([DUMP]))
        try:
            exchange.receive((link(seq, 1) + link(seq, 2) + done(seq))[:size])
        except WireError:
            errors += 1
        assert not exchange.finished or size > len(whole) - 4
    assert errors > len(whole) - 5
    (seq,) = sequences(exchange.send([DUMP]))
    exchange.receive(link(seq, 1) + done(seq))
    assert len(exchange.result()[0]) == 1


def test_a_length_that_lies_is_an_error(exchange: Exchange) -> None:
    (seq,) = sequences(exchange.send([up(1)]))
    for length in (0, 1, 15, 37, 0xFFFFFFFF):
        with pytest.raises(WireError, match="nlmsg_len"):
            exchange.receive(struct.pack("=I", length) + answer(seq)[4:])


# -- the kernel's own words -------------------------------------------------------------------------------------------


def refusal(exchange: Exchange, request: Request, extack: bytes, error: int = EINVAL) -> KernelError:
    (seq,) = sequences(exchange.send([request]))
    exchange.receive(answer(seq, error, extack))
    with pytest.raises(KernelError) as caught:
        exchange.result()
    return caught.value


def offset(at: int) -> bytes:
    return attribute(uapi.NLMSGERR_ATTR_OFFS, struct.pack("=I", at))


def test_the_sentence_and_the_field_of_a_captured_refusal(exchange: Exchange) -> None:
    """RTM_NEWNSID with a bad descriptor: the kernel points at byte 20, which is NETNSA_FD."""
    (seq,) = sequences(exchange.send([Request(rtnl.NEWNSID, {"NETNSA_FD": 99, "NETNSA_NSID": 5})]))
    captured = bytearray(one("RTM_NEWNSID with a descriptor that is none", "<"))
    captured[8:12] = struct.pack("=I", seq)
    exchange.receive(captured)
    with pytest.raises(KernelError) as caught:
        exchange.result()
    error = caught.value
    assert (error.message, error.offset, error.field) == ("Peer netns reference is invalid", 20, "NETNSA_FD = 99")
    assert str(error) == 'RTM_NEWNSID refused: "Peer netns reference is invalid" (EBADF) at byte 20, NETNSA_FD = 99'


def test_an_offset_in_the_header_names_the_field(exchange: Exchange) -> None:
    request = Request(rtnl.NEWADDR, {"ifa_family": 2, "ifa_prefixlen": 99, "ifa_index": 1, "IFA_LOCAL": "10.0.0.1"})
    error = refusal(exchange, request, attribute(uapi.NLMSGERR_ATTR_MSG, b"ipv4: Invalid prefix length\0") + offset(17))
    assert str(error) == 'RTM_NEWADDR refused: "ipv4: Invalid prefix length" (EINVAL) at byte 17, ifa_prefixlen = 99'


def test_an_offset_in_a_nest_names_the_innermost(exchange: Exchange) -> None:
    body = {"IFLA_LINKINFO": {"IFLA_INFO_KIND": "veth", "IFLA_INFO_DATA": {"VETH_INFO_PEER": {"IFLA_IFNAME": "v2"}}}}
    request = Request(rtnl.NEWLINK, body)
    at = request.pack(1).index(struct.pack("=HH", 7, uapi.IFLA_IFNAME) + b"v2\0")
    assert refusal(exchange, request, offset(at), EEXIST).field == 'IFLA_IFNAME = "v2"'
    kind = request.pack(1).index(struct.pack("=HH", 8, uapi.IFLA_INFO_KIND) + b"veth")
    assert refusal(exchange, request, offset(kind)).field == 'IFLA_INFO_KIND = "veth"'


def test_what_is_optional_may_be_refused(exchange: Exchange) -> None:
    """If the kernel has nothing of the kind, the rest of the batch counts; any other refusal is an error."""
    for error, refused in ((EOPNOTSUPP, False), (EEXIST, True)):
        extra = up(2)
        extra.optional, extra.context = True, "altname"
        _, second, third = sequences(exchange.send([up(1), extra, up(3)]))
        exchange.receive(answer(second, error) + answer(third))
        assert exchange.finished and exchange.refused == refused
        assert exchange.warnings == ([] if refused else ["altname: this kernel has nothing of the kind"])


def test_an_offset_into_nowhere_is_only_a_number(exchange: Exchange) -> None:
    error = refusal(exchange, up(1), offset(4000))
    assert (error.offset, error.field) == (4000, "")


def test_the_offset_counts_in_the_message_that_failed(exchange: Exchange) -> None:
    """Not in the datagram: it is the second of three that is refused here."""
    _, second, third = sequences(exchange.send([up(1), up(2), up(3)]))
    exchange.receive(answer(second, ENODEV, offset(20)) + answer(third))
    with pytest.raises(KernelError) as caught:
        exchange.result()
    assert caught.value.field == "ifi_index = 2"


def test_a_missing_attribute_is_named(exchange: Exchange) -> None:
    missing = attribute(uapi.NLMSGERR_ATTR_MISS_TYPE, struct.pack("=I", uapi.NETNSA_NSID))
    assert refusal(exchange, Request(rtnl.NEWNSID, {}), missing).field == "NETNSA_NSID is missing"
    unknown = attribute(uapi.NLMSGERR_ATTR_MISS_TYPE, struct.pack("=I", 4000))
    assert refusal(exchange, Request(rtnl.NEWNSID, {}), unknown).field == ""


def test_a_success_with_a_warning_is_a_success(exchange: Exchange) -> None:
    (seq,) = sequences(exchange.send([up(1)]))
    exchange.receive(answer(seq, 0, attribute(uapi.NLMSGERR_ATTR_MSG, b"mind the gap\0")))
    assert exchange.result() == [[]]
    assert exchange.warnings == ["mind the gap"]
    exchange.send([up(2)])
    assert exchange.warnings == []


# -- showing ----------------------------------------------------------------------------------------------------------


def test_spans_name_the_header_and_its_flags_by_the_kind_of_message() -> None:
    ((name, trace),) = nlmsg_spans.spans(Request(rtnl.NEWLINK, {}, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL).pack(7), rtnl.MESSAGES)
    assert name == "RTM_NEWLINK"
    assert {span.name: span.text() for span in trace[:5]} == {
        "nlmsg_len": "32",
        "nlmsg_type": "RTM_NEWLINK",
        "nlmsg_flags": "NLM_F_REQUEST|NLM_F_EXCL|NLM_F_CREATE",
        "nlmsg_seq": "7",
        "nlmsg_pid": "0",
    }
    ((_, trace),) = nlmsg_spans.spans(DUMP.pack(1), rtnl.MESSAGES)
    assert trace[2].text() == "NLM_F_REQUEST|NLM_F_ROOT|NLM_F_MATCH"
    ((name, trace),) = nlmsg_spans.spans(answer(1, EINVAL, offset(1)), rtnl.MESSAGES)
    assert (name, trace[2].text()) == ("NLMSG_ERROR", "NLM_F_CAPPED|NLM_F_ACK_TLVS")


def test_spans_of_what_cannot_be_decoded_end_in_the_complaint() -> None:
    ((name, trace),) = nlmsg_spans.spans(message(16, 1, b"\1\2\3\4"), rtnl.MESSAGES)
    assert name == "RTM_NEWLINK" and trace[-1].name.startswith("malformed: RTM_NEWLINK")
    ((name, trace),) = nlmsg_spans.spans(message(999, 1, b"\1\2\3\4"), rtnl.MESSAGES)
    assert name == "999" and len(trace) >= 5
