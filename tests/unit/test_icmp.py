"""The rules of a run of echo requests: no socket, and a clock that only the test moves (milliseconds here)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from rawns import InvalidValue, observer, sockets
from rawns.icmp import ping, socket
from rawns.icmp.session import MAX_KEPT, EchoError, EchoReply, EchoSession, PingResult

MS = 1_000_000
PEER = ("10.0.0.2", 0)


def session(count: int | None = None, interval: int = 1000, timeout: int | None = 10_000, **options: object) -> EchoSession:
    deadline = options.pop("deadline", None)
    assert deadline is None or isinstance(deadline, int)
    end = None if deadline is None else deadline * MS
    return EchoSession(count, interval * MS, None if timeout is None else timeout * MS, end, bool(options.get("patient")))


def reply(sequence: int, when: int, corrupt: bool = False) -> EchoReply:
    return EchoReply(sequence, PEER, b"", 64, when * MS, corrupt, False)


def error(sequence: int) -> EchoError:
    return EchoError("Destination Host Unreachable", sequence, ("10.0.0.1", 0))


def wait(run: EchoSession, now: int) -> float | None:
    """In milliseconds."""
    left = run.wait(now * MS)
    return None if left is None else left / MS


def send(run: EchoSession, now: int) -> int:
    assert run.wait(now * MS) == 0
    sequence = run.sequence
    run.sent(now * MS)
    return sequence


# -- when to send, when to give up -----------------------------------------------------------------------------------


def test_requests_are_an_interval_apart() -> None:
    run = session()
    assert send(run, 5000) == 1
    assert wait(run, 5000) == 1000
    assert wait(run, 5400) == 600
    assert run.arrived(reply(1, 5400)) is not None
    assert wait(run, 5400) == 600
    assert send(run, 6003) == 2
    assert wait(run, 6003) == 1000  # counted from when it was really sent, as ping does


def test_it_is_over_when_all_are_answered() -> None:
    run = session(count=2, interval=10)
    send(run, 0)
    run.arrived(reply(1, 1))
    send(run, 10)
    assert wait(run, 10) == 10
    run.arrived(reply(2, 11))
    assert wait(run, 11) is None


def test_errors_are_answers_too() -> None:
    run = session(count=2, interval=10)
    send(run, 0)
    send(run, 10)
    run.arrived(error(1))
    run.arrived(error(2))
    assert wait(run, 20) is None
    assert (run.result.received, run.result.failures, run.result.pipe) == (0, 2, 2)


def test_without_a_reply_the_timeout_is_waited_for() -> None:
    run = session(count=1, timeout=300)
    send(run, 0)
    assert wait(run, 1) == 299
    assert wait(run, 300) is None
    assert run.result.loss == 1.0


def test_once_there_was_a_reply_twice_the_longest_is_enough() -> None:
    run = session(count=2, interval=10)
    send(run, 0)
    run.arrived(reply(1, 40))
    send(run, 50)
    assert wait(run, 50) == 80
    run = session(count=2, interval=100)
    send(run, 0)
    run.arrived(reply(1, 1))
    send(run, 100)
    assert wait(run, 100) == 100  # but never less than the interval


def test_unless_patient() -> None:
    run = session(count=2, interval=10, timeout=500, patient=True)
    send(run, 0)
    run.arrived(reply(1, 1))
    send(run, 10)
    assert wait(run, 10) == 500


def test_no_timeout_is_for_ever() -> None:
    run = session(count=1, timeout=None)
    send(run, 0)
    left = wait(run, 10_000_000)
    assert left is not None and left > 1000


def test_with_a_deadline_it_is_replies_that_count() -> None:
    run = session(count=1, interval=100, deadline=1000)
    for now in (0, 100, 200):
        send(run, now)
    run.arrived(reply(2, 210))
    assert wait(run, 210) is None
    run = session(count=1, interval=100, deadline=250)
    for now in (0, 100, 200):
        send(run, now)
    assert wait(run, 249) == 1
    assert wait(run, 250) is None


def test_with_a_deadline_an_error_is_the_end() -> None:
    run = session(interval=100, deadline=1000)
    send(run, 0)
    run.arrived(error(1))
    assert wait(run, 1) is None


def test_interval_zero_follows_the_replies() -> None:
    run = session(count=3, interval=0)
    send(run, 0)
    assert wait(run, 0) == 10  # not as fast as it can: there is no answer
    run.arrived(reply(1, 1))
    assert wait(run, 1) == 0
    send(run, 1)
    assert send(run, 11) == 3


def test_stopped() -> None:
    run = session()
    send(run, 0)
    run.stopped = True
    assert wait(run, 0) is None


def test_no_room_to_send_is_tried_again_but_not_for_ever() -> None:
    run = session(count=1, timeout=50)
    assert wait(run, 0) == 0
    tries, now = 0, 0
    while run.postpone(now * MS):
        assert wait(run, now) == 10
        now += 10
        assert wait(run, now) == 0
        tries += 1
    assert tries == 4 and run.result.transmitted == 0


def test_what_cannot_be_sent_counts_as_sent() -> None:
    run = session(count=1)
    assert wait(run, 0) == 0
    run.sent(0, EchoError("sendmsg: Network is unreachable", 1, None, counted=False))
    assert wait(run, 0) is None
    assert (run.result.transmitted, run.result.failures, len(run.result.errors)) == (1, 0, 1)


# -- what comes in --------------------------------------------------------------------------------------------------


def test_a_reply_to_nothing_is_no_reply() -> None:
    run = session()
    send(run, 0)
    assert run.arrived(reply(2, 1)) is None
    assert run.arrived(reply(0, 1)) is None
    assert run.arrived(error(7)) is None
    assert run.arrived(None) is None
    assert (run.result.received, run.result.errors) == (0, [])


def test_duplicates() -> None:
    run = session(count=2, interval=10)
    send(run, 0)
    first, second = run.arrived(reply(1, 1)), run.arrived(reply(1, 3))
    assert isinstance(first, EchoReply) and isinstance(second, EchoReply)
    assert (first.duplicate, second.duplicate) == (False, True)
    assert wait(run, 3) is not None  # a duplicate does not stand for the reply to another
    assert (run.result.received, run.result.duplicates, run.result.rtts) == (1, 1, [0.001, 0.003])


def test_a_wrong_checksum_answers_nothing() -> None:
    run = session(count=1)
    send(run, 0)
    assert run.arrived(reply(1, 1, corrupt=True)) is not None
    assert (run.result.received, run.result.corrupted, run.result.rtts) == (0, 1, [])
    assert wait(run, 1) is not None


def test_sequence_numbers_wrap() -> None:
    run = session(interval=1)
    last = 0
    for now in range(65_537):
        last = send(run, now)
        if now < 65_536:
            run.arrived(reply(last, now))
    assert (last, run.result.received) == (1, 65_536)
    again = run.arrived(reply(1, 65_537))
    assert isinstance(again, EchoReply) and not again.duplicate and again.rtt == 0.001
    assert run.result.duplicates == 0
    assert len(run.result.rtts) == MAX_KEPT  # and no more, however long it runs


def test_a_reply_from_before_it_was_sent_took_no_time() -> None:
    run = session()
    send(run, 100)
    run.arrived(reply(1, 99))
    assert run.result.rtts == [0.0]


# -- result ----------------------------------------------------------------------------------------------------------


def test_figures() -> None:
    """Against the formulas of statistics: population deviation, not sample."""
    run = session(count=4, interval=1000)
    for number, took in enumerate((1, 2, 4, 9)):
        send(run, number * 1000)
        run.arrived(reply(number + 1, number * 1000 + took))
    result = run.result
    assert (result.min, result.avg, result.max) == (0.001, 0.004, 0.009)
    assert result.mdev == pytest.approx(0.003082207)
    assert result.rtts == [0.001, 0.002, 0.004, 0.009]
    assert result.spread() == "1.000/4.000/9.000/3.082"
    result.host = "10.0.0.2"
    assert str(result) == "10.0.0.2: 4 transmitted, 4 received, 0% loss, rtt min/avg/max/mdev = 1.000/4.000/9.000/3.082 ms"


def test_figures_of_nothing() -> None:
    result = PingResult("10.0.0.2", "10.0.0.2")
    assert (result.loss, result.min, result.avg, result.max, result.mdev) == (0, 0, 0, 0, 0)
    assert str(result) == "10.0.0.2: 0 transmitted, 0 received, 0% loss"


def test_figures_tell_of_errors() -> None:
    run = session(count=3, interval=1000)
    for number in range(3):
        send(run, number * 1000)
    run.arrived(error(1))
    run.arrived(reply(2, 2001))
    assert str(run.result).startswith(": 3 transmitted, 1 received, 66.6667% loss, rtt")
    assert str(run.result).endswith("; From 10.0.0.1 icmp_seq=1 Destination Host Unreachable")


# -- the numbers of the socket ------------------------------------------------------------------------------------------


def test_the_compiler_has_the_same_numbers(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    origins = {name: value for name, value in vars(socket).items() if name.startswith("SO_EE_ORIGIN_")}
    levels = {name: number for number, name in sockets.LEVELS.items()}
    protocols = {name: number for number, name in sockets.PROTOCOLS.items() if number}
    options = {name: number for name, (_, number) in sockets.OPTIONS.items()}
    ours = {**origins, **levels, **protocols, **options, "MSG_ERRQUEUE": sockets.MSG_ERRQUEUE}
    names = list(ours)
    assert len(origins) == 3 and len(names) > 25
    headers = ["<sys/socket.h>", "<netinet/in.h>", "<netinet/tcp.h>", "<linux/errqueue.h>", "<linux/icmp.h>", "<stdio.h>"]
    headers.append("<linux/icmpv6.h>")
    body = [f'printf("{name} %d\\n", (int){name});' for name in names]
    for name, struct in (("size", "sock_extended_err"), ("AF_INET", "sockaddr_in"), ("AF_INET6", "sockaddr_in6")):
        body.append(f'printf("{name} %d\\n", (int)sizeof(struct {struct}));')
    source = "\n".join([*(f"#include {header}" for header in headers), "int main(void) {", *body, "return 0; }"])
    (tmp_path / "numbers.c").write_text(source)
    subprocess.run([compiler, "-o", str(tmp_path / "numbers"), str(tmp_path / "numbers.c")], check=True)
    told = subprocess.run([str(tmp_path / "numbers")], stdout=subprocess.PIPE, text=True, check=True).stdout
    theirs = {name: int(number) for name, number in (row.split() for row in told.splitlines())}
    assert theirs == {**ours, **sockets.ADDRESS_BYTES, "size": socket.SOCK_EXTENDED_ERR.size}


# -- how they are spelled -----------------------------------------------------------------------------------------------


def test_the_compiler_reads_the_same_bytes(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    for data in (bytes(range(256)), b"\x001", b"\x1b]0;\x07", b'say "\\n"\r\n'):
        literal = observer.quoted(data, 256)
        assert literal.isascii() and literal.isprintable()
        (tmp_path / "literal.c").write_text(
            f"#include <stdio.h>\nint main(void) {{ fwrite({literal}, 1, sizeof({literal}) - 1, stdout); return 0; }}"
        )
        subprocess.run([compiler, "-o", str(tmp_path / "literal"), str(tmp_path / "literal.c")], check=True)
        assert subprocess.run([str(tmp_path / "literal")], stdout=subprocess.PIPE, check=True).stdout == data
    assert observer.quoted(b"x" * 33) == '"' + "x" * 32 + '"...'


# -- numbers that could never be right ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        *({"timeout": value} for value in (float("inf"), float("nan"), -1, 1e300, 10**400, "1", None)),
        *({"interval": value} for value in (float("inf"), float("nan"), -0.1, 1e300, "1")),
        *({"count": value} for value in (2.5, 1.0, 0, -1, True, "1", None)),
        *({"size": value} for value in (2.5, -1, 65528, True, "1", None)),
    ],
    ids=str,
)
def test_what_could_never_be_right_is_refused(options: dict[str, object]) -> None:
    (name,) = options
    with pytest.raises(InvalidValue, match=f"ping: {name}"):
        ping(None, "127.0.0.1", **options)  # type: ignore[arg-type]
