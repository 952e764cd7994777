"""nf_tables: its messages four ways against what the real `nft` says and hears, and a lab's NAT made of them and read.

`captured_nft.txt` holds bytes that this project had no part in making (`capture.py nft`).
"""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from samples import captured, skip_on_big_endian

from rawns import InvalidValue, explain, nlmsg, nlmsg_spans, uapi
from rawns.errors import KernelError, WireError
from rawns.exchange import Exchange
from rawns.nft import evaluate, nat, records
from rawns.nft import messages as nft_messages
from rawns.nft.build import delete_table
from rawns.nft.nat import Forward, Nat
from rawns.nlmsg import Reply, Request
from rawns.observer import Event
from rawns.wire import Message, Span

skip_on_big_endian()
CAPTURED = captured("captured_nft.txt")
MADE = next(command for command in CAPTURED if command.startswith("nft add table inet lab"))
FILTER = next(command for command in CAPTURED if command.startswith("nft add table ip filter"))

PACKET = evaluate.Packet("10.0.0.1", "10.9.0.1", iif="a", oif="b", protocol="tcp", port=80)

# What `MADE` says.
NATS = [
    Nat(
        "eth0",
        ("10.0.0.0/24", "10.4.0.0/20", "192.0.2.7", "fd00::/64", "fd01::/67"),
        (Forward("tcp", 8080, "10.0.0.2", 80), Forward("udp", 53, "fd00::2", 5353)),
    ),
    Nat("eth1", ("0.0.0.0/0", "::/0")),
]


def messages(command: str, arrow: str) -> list[tuple[Message, bytes]]:
    """Our description of each message sent or received under a command, and its payload."""
    found = []
    for way, data in CAPTURED[command]:
        for frame in nlmsg.split(data):
            if way == arrow and frame.kind in nft_messages.MESSAGES:
                found.append((nft_messages.MESSAGES[frame.kind], data[frame.start : frame.end]))
    return found


def transaction(command: str) -> bytes:
    """What was sent between brackets."""
    (found,) = [data for way, data in CAPTURED[command] if way == ">" and nlmsg.NLMSGHDR.read(data, 0)[1] == 16]
    return found


PAYLOADS = [one for command in CAPTURED for arrow in "<>" for one in messages(command, arrow)]


def replies(command: str, name: str) -> list[Reply]:
    bodies = [(message, message.unpack(payload)) for message, payload in messages(command, "<")]
    return [Reply(message.number, message.name, 0, body) for message, body in bodies if message.name == name]


# -- four ways ----------------------------------------------------------------------------------------------------------


def test_every_message_has_a_sample() -> None:
    assert {message.number for message, _ in PAYLOADS} == set(nft_messages.MESSAGES)


def test_a_message_is_called_what_its_number_is_called() -> None:
    for number, message in nft_messages.MESSAGES.items():
        subsystem = uapi.NFNL_SUBSYS_NFTABLES if message.name.startswith("NFT_") else 0
        assert number == subsystem << 8 | getattr(uapi, message.name)


def test_the_transaction_is_the_one_that_nft_sends() -> None:
    """`nft` sends it without asking for an acknowledgement; and its NEWTABLE, which needs no flag, has none."""
    begin, *made, end = list(nlmsg.split(transaction(MADE)))
    requests = nat.replace("lab", NATS, "st")
    assert [request.message.number for request in requests] == [frame.kind for frame in made]
    for request, frame in zip(requests, made):
        ours, theirs = request.message.pack(request.body), transaction(MADE)[frame.start : frame.end]
        assert ours.hex() == theirs.hex()
        assert request.flags | uapi.NLM_F_REQUEST == frame.flags or request.message is nft_messages.NEWTABLE
    for message, frame in ((nft_messages.BATCH_BEGIN, begin), (nft_messages.BATCH_END, end)):
        theirs = transaction(MADE)[frame.start : frame.end]
        assert message.number == frame.kind and message.pack({"res_id": uapi.NFNL_SUBSYS_NFTABLES}) == theirs


def hook(number: int, priority: int) -> dict[str, int]:
    return {"NFTA_HOOK_HOOKNUM": number, "NFTA_HOOK_PRIORITY": priority}


IP = {"nfgen_family": uapi.NFPROTO_IPV4, "version": 0, "res_id": 0}
MORE = {**IP, "NFTA_CHAIN_TABLE": "filter", "NFTA_CHAIN_NAME": "forward"}
JUMP = {"NFTA_VERDICT_CODE": uapi.NFT_JUMP, "NFTA_VERDICT_CHAIN": "more"}

# By the number of the message in what was sent under a command: its body, read off the command by a person.
SENT: dict[tuple[str, str, int], dict[Any, Any]] = {
    (FILTER, "NFT_MSG_NEWTABLE", 0): {**IP, "NFTA_TABLE_NAME": "filter", "NFTA_TABLE_FLAGS": 0},
    (FILTER, "NFT_MSG_NEWCHAIN", 0): {
        **MORE,
        "NFTA_CHAIN_TYPE": "filter",
        "NFTA_CHAIN_POLICY": uapi.NF_DROP,
        "NFTA_CHAIN_HOOK": hook(uapi.NF_INET_FORWARD, 0),
    },
    (FILTER, "NFT_MSG_NEWRULE", 4): {
        **IP,
        "NFTA_RULE_TABLE": "filter",
        "NFTA_RULE_CHAIN": "forward",
        "NFTA_RULE_EXPRESSIONS": {
            "NFTA_LIST_ELEM": [
                {
                    "NFTA_EXPR_NAME": "immediate",
                    "NFTA_EXPR_DATA": {"NFTA_IMMEDIATE_DREG": 0, "NFTA_IMMEDIATE_DATA": {"NFTA_DATA_VERDICT": JUMP}},
                }
            ]
        },
    },
    ("nft delete rule ip filter forward handle 4", "NFT_MSG_DELRULE", 0): {
        **IP,
        "NFTA_RULE_TABLE": "filter",
        "NFTA_RULE_CHAIN": "forward",
        "NFTA_RULE_HANDLE": 4,
    },
    ("nft flush chain ip filter forward ; delete chain ip filter forward", "NFT_MSG_DELCHAIN", 0): MORE,
    ("nft delete table inet nope", "NFT_MSG_DELTABLE", 0): {**IP, "nfgen_family": 1, "NFTA_TABLE_NAME": "nope"},
    ("nft -a list table inet lab", "NFT_MSG_GETTABLE", 0): {**IP, "nfgen_family": 1, "NFTA_TABLE_NAME": "lab"},
    ("nft -a list table inet lab", "NFT_MSG_GETRULE", 0): {**IP, "nfgen_family": 1, "NFTA_RULE_TABLE": "lab"},
    ("nft -a list table inet lab", "NFT_MSG_GETCHAIN", 0): {**IP, "nfgen_family": 0},
}


@pytest.mark.parametrize("which", SENT, ids=lambda which: f"{which[1]}-{which[0][:24]}")
def test_encodes_to_what_nft_sends_and_decodes_it(which: tuple[str, str, int]) -> None:
    command, name, number = which
    message, theirs = [one for one in messages(command, ">") if one[0].name == name][number]
    assert message.pack(SENT[which]).hex() == theirs.hex()
    assert message.unpack(theirs) == SENT[which]


def test_our_own_requests_are_what_nft_asks() -> None:
    def asked(command: str, name: str) -> bytes:
        return next(payload for message, payload in messages(command, ">") if message.name == name)

    theirs = asked("nft -a list table inet lab", "NFT_MSG_GETRULE")
    assert nft_messages.GETRULE.pack(records.rules(uapi.NFPROTO_INET, "lab").body) == theirs
    for request in (records.tables(), records.chains()):
        assert request.dump and request.message.pack(request.body) == asked("nft list ruleset", request.message.name)
    assert delete_table("nope").message.pack(delete_table("nope").body) == asked("nft delete table inet nope", "NFT_MSG_DELTABLE")


def test_what_was_decoded_encodes_and_decodes_to_the_same() -> None:
    for message, payload in PAYLOADS:
        body = message.unpack(payload)
        assert message.unpack(message.pack(body)) == body == message.unpack(payload, trace=[])


def test_every_byte_has_a_name() -> None:
    for datagrams in CAPTURED.values():
        for _, data in datagrams:
            event = Event("recvfrom", "3, ...", "nftables")
            event.payload = data
            rows = [row for _, _, found in explain.messages(event) for row in found]
            assert b"".join(row.data for row in rows) == data
            echoed = any(frame.kind == uapi.NLMSG_ERROR for frame in nlmsg.split(data))  # `nft` has it whole, we never
            assert echoed or not [row for row in rows if row.name.startswith("malformed")]


def test_every_truncation_is_an_error_or_a_part() -> None:
    for message, payload in PAYLOADS:
        whole, errors = message.unpack(payload), 0
        for size in range(len(payload)):
            try:
                part = message.unpack(payload[:size], trace=[] if size % 2 else None)
            except WireError:
                errors += 1
            else:
                assert all(whole[key] == value for key, value in part.items()), f"{message.name} cut to {size} bytes invents"
        assert errors >= len(payload) // 4


def test_unknown_attributes_are_kept() -> None:
    for message, payload in PAYLOADS:
        enlarged = payload + bytes(-len(payload) % 4) + struct.pack("=HH3sx", 7, 4001, b"new")
        assert message.unpack(enlarged) == {**message.unpack(payload), 4001: b"new"}
        assert message.pack({4001: b"new"})[-8:] == enlarged[-8:]


def test_an_expression_without_a_description_keeps_its_bytes() -> None:
    data = struct.pack("=HHI", 8, 1, 0xCAFE)
    one = struct.pack("=HH9s3x", 13, uapi.NFTA_EXPR_NAME, b"wormhole\0") + struct.pack("=HH", 12, uapi.NFTA_EXPR_DATA) + data
    listed = struct.pack("=HH", 4 + len(one), uapi.NFTA_LIST_ELEM) + one
    payload = bytes(4) + struct.pack("=HH", 4 + len(listed), uapi.NFTA_RULE_EXPRESSIONS) + listed
    (found,) = nft_messages.NEWRULE.unpack(payload)["NFTA_RULE_EXPRESSIONS"]["NFTA_LIST_ELEM"]
    assert found == {"NFTA_EXPR_NAME": "wormhole", "NFTA_EXPR_DATA": data}


@pytest.mark.no_cover  # measuring it takes three times as long
def test_no_mutation_does_worse_than_a_wire_error() -> None:
    dice = random.Random(20260102)
    datagrams = [data for group in CAPTURED.values() for _, data in group]
    outcomes = {True: 0, False: 0}
    for _ in range(3000):
        data = bytearray(dice.choice(datagrams))
        for _ in range(dice.randint(1, 6)):
            data[dice.randrange(len(data))] = dice.choice((0, 255, 128, dice.randrange(256)))
        try:
            for _, trace in nlmsg_spans.spans(data, nft_messages.MESSAGES):
                assert len(trace) <= len(data) and all(isinstance(span.text(), str) for span in trace[:40])
            for frame in nlmsg.split(data):
                if frame.kind in nft_messages.MESSAGES:
                    body = nft_messages.MESSAGES[frame.kind].unpack(data, frame.start, frame.end)
                    one = records.NftRule(body)
                    assert isinstance(str(one), str) and isinstance(records.NftChain(body).hook, (str, type(None)))
                    assert evaluate.matches(one, PACKET) in (True, False, None) and isinstance(evaluate.action(one), tuple)
            outcomes[True] += 1
        except WireError:
            outcomes[False] += 1
    assert min(outcomes.values()) > 100


# -- user data ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\0\3st\0", {"comment": "st"}),
        (b"\0\3st\0\7\2ab", {"comment": "st", 7: b"ab"}),
        (b"", {}),
        (b"\7\0", {7: b""}),
        (b"\0\2st", {0: b"st"}),  # a comment without its end
        (b"\0\4s\0t\0", {0: b"s\0t\0"}),
        (b"\0\0", {0: b""}),
        (b"\0\xc8" + b"x" * 199 + b"\0", {0: b"x" * 199 + b"\0"}),  # longer than `nft` would have it
        (b"\0\4st\0", b"\0\4st\0"),  # a length that lies: not a list at all
        (b"\1\0\1\0", b"\1\0\1\0"),  # one type twice
        (b"\0", b"\0"),
    ],
)
def test_user_data_is_whatever_somebody_left_there(data: bytes, value: object) -> None:
    trace: list[Span] = []
    assert nft_messages.USERDATA.unpack(data, 0, len(data), {}, trace, ()) == value
    assert nft_messages.USERDATA.pack(value, {}) == data
    assert sum(span.length for span in trace) == (0 if isinstance(value, bytes) else len(data))


def test_a_comment_that_is_too_long_is_not_sent() -> None:
    with pytest.raises(WireError):
        nft_messages.USERDATA.pack({"comment": "x" * 128}, {})
    with pytest.raises(WireError):
        nft_messages.USERDATA.pack({7: b"x" * 256}, {})


# -- a lab's NAT ------------------------------------------------------------------------------------------------------------


def there() -> tuple[list[Reply], list[Reply]]:
    """What the kernel lists of it, chains and rules; in `nft list ruleset` others' are among them."""
    return replies("nft -a list table inet lab", "NFT_MSG_NEWCHAIN"), replies("nft -a list table inet lab", "NFT_MSG_NEWRULE")


def test_what_the_kernel_lists_is_read_as_what_was_said() -> None:
    chains, rules = there()
    assert nat.read("lab", chains, rules) == NATS
    everything = [replies("nft list ruleset", f"NFT_MSG_NEW{what}") for what in ("CHAIN", "RULE")]
    assert nat.read("lab", *everything) == NATS
    table = records.NftTable(replies("nft -a list table inet lab", "NFT_MSG_NEWTABLE")[0].body)
    assert (table.name, table.comment, table.dormant) == ("lab", "st", False)


def test_what_is_written_is_read_without_a_kernel() -> None:
    for nats in (NATS, NATS[::-1], [Nat("a")], [], [Nat("x", (), [Forward("udp", 1, "::1")])]):
        made: dict[str, list[Reply]] = {"NFT_MSG_NEWCHAIN": [], "NFT_MSG_NEWRULE": []}
        for one in nat.replace("t", nats)[3:]:
            made[one.message.name].append(Reply(0, "", 0, dict(one.body)))
        assert nat.read("t", *made.values()) == sorted(nats, key=lambda one: one.out)


def test_whatever_is_not_ours_differs() -> None:
    """One rule or chain more, less, or changed in any expression: never the same description."""
    chains, rules = there()
    assert nat.read("lab", chains[:1], rules) is None and nat.read("lab", chains + chains[:1], rules) is None
    foreign = replies("nft list ruleset", "NFT_MSG_NEWRULE")[-3:]
    for one in foreign:
        moved = Reply(one.kind, one.name, 0, {**one.body, "nfgen_family": 1, "NFTA_RULE_TABLE": "lab"})
        assert nat.read("lab", chains, [*rules, moved]) is None
    for number, reply in enumerate(rules):
        less = nat.read("lab", chains, rules[:number] + rules[number + 1 :])
        assert less != NATS
        expressions = reply.body["NFTA_RULE_EXPRESSIONS"]["NFTA_LIST_ELEM"]
        for place in range(len(expressions)):
            changed = {**reply.body, "NFTA_RULE_EXPRESSIONS": {"NFTA_LIST_ELEM": expressions[:place] + expressions[place + 1 :]}}
            other = [*rules[:number], Reply(0, "", 0, changed), *rules[number + 1 :]]
            assert nat.read("lab", chains, other) != NATS, (number, place)
    wrong = {"NFTA_CHAIN_POLICY": 0, "NFTA_CHAIN_TYPE": "filter", "NFTA_CHAIN_HOOK": hook(0, -99), "NFTA_CHAIN_NAME": "x"}
    for key, value in wrong.items():
        changed_chain = Reply(0, "", 0, {**chains[0].body, key: value})
        assert nat.read("lab", [changed_chain, chains[1]], rules) is None


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (lambda: Forward("icmp", 1, "10.0.0.1"), "those of tcp and udp"),
        (lambda: Forward("tcp", 0, "10.0.0.1"), "is not a port"),
        (lambda: Forward("tcp", 65536, "10.0.0.1"), "is not a port"),
        (lambda: Forward("tcp", "80", "10.0.0.1"), "is not a port"),  # type: ignore[arg-type]
        (lambda: Forward("tcp", True, "10.0.0.1"), "is not a port"),
        (lambda: Forward("tcp", 80, "10.0.0.1", -1), "is not a port"),
        (lambda: Forward("tcp", 80, "10.0.0.1/24"), "without a prefix length"),
        (lambda: Forward("tcp", 80, "nobody"), "is not an IPv4 or IPv6 address"),
        (lambda: Forward("tcp", 80, "::"), "not the address of a host"),
        (lambda: Nat("a/b"), "cannot name an interface"),
        (lambda: Nat("x" * 16), "at most 15 bytes"),
        (lambda: Nat("a", ("10.0.0.1/24",)), r"10\.0\.0\.0/24"),
        (lambda: Nat("a", "10.0.0.0/33"), "prefix length"),
        (lambda: Nat("a", ()), "neither"),
        (lambda: Nat("a", (), ["tcp"]), "expected a Forward"),  # type: ignore[list-item]
        (lambda: Nat("a", (), [Forward("tcp", 1, "10.0.0.1"), Forward("tcp", 1, "10.0.0.2")]), "two forwards"),
        (lambda: nat.replace("t", [Nat("a"), Nat("a", "::/0")]), "two Nat of a"),
        (lambda: nat.replace("", []), "name a table"),
        (lambda: nat.replace("x" * 256, []), "name a table"),
        (lambda: nat.replace("a\0b", []), "name a table"),
        (lambda: nat.replace("\ud800", []), "name a table"),
        (lambda: nat.replace(7, []), "name a table"),  # type: ignore[arg-type]
        (lambda: nat.replace("t", [], "x" * 128), "comment"),
        (lambda: delete_table(""), "name a table"),
    ],
)
def test_what_could_never_be_right_is_refused(say: Any, words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        say()


def test_one_port_of_both_families_and_protocols() -> None:
    Nat("a", (), [Forward(one, 1, host) for one in ("tcp", "udp") for host in ("10.0.0.1", "fd00::1")])
    assert Nat("a", "10.0.0.0/8") == Nat("a", ["10.0.0.0/8"]) != Nat("a") and len({Nat("a"), Nat("a")}) == 1
    assert repr(Forward("udp", 53, "::1")) == "Forward('udp', 53, '::1', 53)"


# -- what the records say -------------------------------------------------------------------------------------------------


def test_chains_as_nft_made_them() -> None:
    chains = [records.NftChain(reply.body) for reply in replies("nft list ruleset", "NFT_MSG_NEWCHAIN")]
    assert [(str(one), one.type, one.hook, one.priority, one.policy) for one in chains] == [
        ("inet lab prerouting", "nat", "prerouting", -100, "accept"),
        ("inet lab postrouting", "nat", "postrouting", 100, "accept"),
        ("ip filter forward", "filter", "forward", 0, "drop"),
        ("ip filter more", None, None, 0, None),
    ]


@pytest.mark.parametrize(
    ("options", "verdict", "why", "undecided"),
    [
        ({}, "reject", "ip daddr 10.9.0.0/16 reject", 0),
        ({"oif": "c"}, "drop", 'iifname "a" oifname != "b" counter drop comment "not that way"', 0),
        ({"state": "established"}, "accept", "ct state established,related accept", 0),
        ({"destination": "10.8.0.1"}, "drop", None, 1),  # but for the set of ports
        ({"destination": "10.8.0.1", "protocol": "udp"}, "drop", None, 0),  # which is one of TCP's
        ({"source": "fd00::1", "destination": "fd00::2"}, "accept", None, 0),  # not this family's
    ],
)
def test_evaluated_packets(options: dict[str, str], verdict: str, why: str | None, undecided: int) -> None:
    said = {"source": "10.0.0.1", "destination": "10.9.0.1", "iif": "a", "oif": "b", "protocol": "tcp", **options}
    chains = [records.NftChain(reply.body) for reply in replies("nft list ruleset", "NFT_MSG_NEWCHAIN")]
    rules = [records.NftRule(reply.body) for reply in replies("nft list ruleset", "NFT_MSG_NEWRULE")]
    told = evaluate.evaluate(evaluate.Packet(**said), "forward", [], chains, rules)  # type: ignore[arg-type]
    assert (told.verdict, told.rule and str(told.rule), len(told.undecided)) == (verdict, why, undecided)


# -- the conversation -------------------------------------------------------------------------------------------------------


def answer(seq: int, error: int = 0, extack: bytes = b"") -> bytes:
    flags = 0x100 | (0x200 if extack else 0)
    payload = struct.pack("=iIHHII", -error, 20, 0xA06, 5, seq, 0) + extack
    return struct.pack("=IHHII", 16 + len(payload), 2, flags, seq, 0) + payload


BRACKET = {"res_id": uapi.NFNL_SUBSYS_NFTABLES}
BATCH = [
    Request(nft_messages.BATCH_BEGIN, BRACKET, context="all of it"),
    *nat.replace("lab", [Nat("eth0")]),
    Request(nft_messages.BATCH_END, BRACKET),
]


@pytest.fixture
def begun() -> tuple[Exchange, int]:
    """A transaction that was sent, and the sequence number of its opening bracket."""
    exchange = Exchange(nft_messages.MESSAGES)
    data = exchange.send(BATCH, atomic=True)
    frames = list(nlmsg.split(data))
    assert [frame.flags & uapi.NLM_F_ACK for frame in frames] == [0] * (len(frames) - 2) + [uapi.NLM_F_ACK, 0]
    return exchange, frames[0].seq


def test_the_last_message_within_is_the_one_that_is_waited_for(begun: tuple[Exchange, int]) -> None:
    exchange, first = begun
    exchange.receive(answer(first + len(BATCH) - 2))
    assert exchange.finished and exchange.result() == [[] for _ in BATCH]


def test_an_error_within_is_raised_when_all_is_in(begun: tuple[Exchange, int]) -> None:
    exchange, first = begun
    exchange.receive(answer(first + 4, 2))
    assert not exchange.finished and exchange.refused
    exchange.receive(answer(first + len(BATCH) - 2, 17))
    with pytest.raises(KernelError, match=r"NFT_MSG_NEWCHAIN \(chain inet lab prerouting\) refused: .*ENOENT"):
        exchange.result()


@pytest.mark.parametrize("late", [True, False])
def test_a_refusal_of_the_opening_ends_it(begun: tuple[Exchange, int], late: bool) -> None:
    """No privileges: nothing else comes.  A commit that fails: the acknowledgement comes too, and is dropped."""
    exchange, first = begun
    exchange.receive(answer(first, 1) + (answer(first + len(BATCH) - 2) if late else b""))
    assert exchange.finished
    with pytest.raises(PermissionError, match=r"NFNL_MSG_BATCH_BEGIN \(all of it\) refused"):
        exchange.result()
    exchange.send(BATCH, atomic=True)
    exchange.receive(answer(first + len(BATCH) - 2))
    assert not exchange.finished


def test_refusals_as_the_kernel_words_them() -> None:
    """`nft` deletes a table that is not there: the kernel points at its name."""
    theirs = CAPTURED["nft delete table inet nope"][-1][1]
    exchange = Exchange(nft_messages.MESSAGES)
    exchange.send([BATCH[0], delete_table("nope"), BATCH[-1]], atomic=True)
    echoed = bytearray(theirs[:36] + theirs[-8:])  # we ask for the header of our message only
    struct.pack_into("=IHHI", echoed, 0, len(echoed), 2, 0x300, 2)
    exchange.receive(echoed)
    with pytest.raises(FileNotFoundError) as refused:
        exchange.result()
    assert str(refused.value) == (
        'NFT_MSG_DELTABLE (table inet nope) refused: No such file or directory (ENOENT) at byte 20, NFTA_TABLE_NAME = "nope"'
    )
