"""`rawns trace`: what a program says to the kernel about namespaces and networks, while it says it."""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # `signal` imports enum: 5 ms
import os

from ..errors import RawnsError
from ..terminal import printable
from .options import Command, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..tracing.emit import Emitter
    from ..tracing.faults import InjectedFault
    from ..tracing.ptrace import Tracer
    from ..tracing.record import TracedCall
    from ..tracing.summary import Summary
    from ..tracing.text import Formatter
    from .options import Parsed

TEXT: dict[str, Any] = {"encoding": "utf-8", "errors": "backslashreplace", "buffering": 1}
ENDING = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)
MAX_LEFT_SHOWN = 5  # processes that are still followed when the program has ended
KINDS = ("link", "addr", "route", "rule", "neigh", "nft", "ns")


def _pid(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 31:
        raise ValueError(f'"{printable(text)}" is not the number of a process')
    return int(text)


def _kinds(text: str) -> list[str]:
    words = text.split(",")
    wrong = next((word for word in words if word not in KINDS), None)
    if wrong is not None:
        raise ValueError(f'"{printable(wrong)}" is not one of {", ".join(KINDS)}')
    return words


def _failure(text: str) -> InjectedFault:
    from ..tracing.faults import parse_failure

    return parse_failure(printable(text))


def _delay(text: str) -> InjectedFault:
    from ..tracing.faults import parse_delay

    return parse_delay(printable(text))


COMMAND = Command(
    "trace",
    "Show the system calls with which a program creates and configures namespaces and networks, and their netlink messages.",
    "[CMD...]",
    options=[
        Option("-p", "--pid", argument="PID", parse=_pid, many=True, help="follow a running process, until it ends or Ctrl-C"),
        Option("-v", "--verbose", help="one line for each attribute of each message"),
        Option("-b", "--bytes", help="every byte of every message"),
        Option("-e", "--only", argument="KINDS", parse=_kinds, help=f"only these, separated by commas: {', '.join(KINDS)}"),
        Option("--netns", argument="NAME", help="only calls made in this network namespace"),
        Option("--failed", help="only calls that failed, and requests that the kernel refused"),
        Option("--fail", argument="NAME=ERROR[:when=N]", parse=_failure, many=True, help="let a call or a message fail"),
        Option("--delay", argument="NAME=TIME[:when=N]", parse=_delay, many=True, help="let a call or a message wait before it"),
        Option("--files", help="also files that are opened: namespaces, /proc/sys/net, /sys/class/net (slower)"),
        Option("--summary", help="calls and messages by number and time, at the end, instead of each"),
        Option("--emit", argument="python", choices=["python"], help="a program that sends the same bytes, instead of each call"),
        Option("--diff", help="the operands are two commands, each one word for a shell: show where they differ"),
        Option("-j", "--json", help="one JSON object per line"),
        Option("--html", argument="FILE", help="write a page with a time line, in which messages unfold to their bytes, too"),
        Option("--pcap", argument="FILE", help="write the netlink messages to a file for Wireshark, too"),
        Option("-o", "--output", argument="FILE", help="write to a file instead of standard error"),
    ],
    exclusive=[("-v", "-b", "-j", "--summary", "--emit"), ("--verbose", "--bytes", "--json", "--summary", "--emit")],
    details="Processes and threads that the program starts are followed.  The trace goes to standard error, or to a file with "
    "-o.  Without --files, a program that makes no such calls runs at full speed.  A program started by `trace` ends with it; "
    "a process followed with -p is left unharmed.  Set-user-ID programs run without their privileges, as under strace.\n\n"
    "Exit status: that of the program, 128 and the number of the signal that killed it; with -p 0; 1 if tracing is forbidden, "
    "2 if the command line is wrong.",
)


def main(argv: list[str]) -> int:
    """Run ``rawns trace``; return the exit status."""
    options = COMMAND.parse(argv)
    if bool(options["--pid"]) == bool(options.rest):
        raise COMMAND.error("either a command or --pid must be given")
    if options["--diff"]:
        return _diff(options)
    from ..tracing import tracer

    with _Output(options) as output:
        report: Callable[[TracedCall], None] = output.report
        if options["--only"] or options["--netns"] is not None or options["--failed"]:
            from ..tracing.select import Selection

            report = Selection(options["--only"] or (), options["--netns"], options["--failed"]).before(report)
        following = tracer(report, options["--files"], [*options["--fail"], *options["--delay"]])
        status = _follow(following, options["--pid"], options.rest)
    return status if output.complete else status or 1


def _diff(options: Parsed) -> int:
    """Trace two commands one after the other; show what differs; return 1 if anything does.

    What the commands print goes to standard error, so that standard output holds the differences only.
    """
    from ..tracing import trace
    from ..tracing.diff import Said, compare

    if len(options.rest) != 2:
        raise COMMAND.error("--diff needs two commands, each as one word: 'ip link' 'busybox ip link'")
    runs = [trace(["sh", "-c", f"exec >&2; exec {line}"], options["--files"]) for line in options.rest]
    for line, run in zip(options.rest, runs):
        if run.status in (126, 127):  # the shell has said why
            raise RawnsError(f"{printable(line)} could not be executed, so there is nothing to compare")
    differences = compare(*map(Said, runs))
    for line in differences:
        print(printable(line))
    return 1 if differences else 0


def _follow(tracer: Tracer, pids: list[int], argv: list[str]) -> int:
    """Follow until the end; return the exit status.

    Signals of the terminal reach a program that was started here, which decides what they mean; when it has ended they end the
    tracer, and with it what the program has left running.
    """
    if pids:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: tracer.detach_all())
        for pid in dict.fromkeys(pids):
            tracer.attach(pid)
        tracer.run()
        return 0
    child = 0
    too_early: list[int] = []  # signals that came before there was a program

    def pass_on(number: int, frame: object) -> None:
        if child:
            os.kill(child, number)
        else:
            too_early.append(number)

    def program_ended(left: list[int]) -> None:
        nonlocal child
        child = 0
        for number in ENDING:
            signal.signal(number, lambda *_: tracer.stop())
        names = ", ".join(f"{printable(program_name(one))}({one})" for one in left[:MAX_LEFT_SHOWN])
        more = f" and {len(left) - MAX_LEFT_SHOWN} more" if len(left) > MAX_LEFT_SHOWN else ""
        complain(f"rawns trace: {printable(argv[0])} has ended; still following {names}{more} (Ctrl-C ends them, too)")

    from ..tracing.ptrace import program_name
    from .output import complain

    tracer.after_main = program_ended
    inherited = [number for number in ENDING if signal.getsignal(number) == signal.SIG_IGN]  # nohup
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if number not in inherited:
            signal.signal(number, pass_on)
    child = tracer.start(argv, inherited)
    for number in too_early:
        os.kill(child, number)
    code = os.waitstatus_to_exitcode(tracer.run())
    return code if code >= 0 else 128 - code


class _Output:
    """Where calls go, and how: as text at one of three levels, as JSON, or counted; and into a pcap file."""

    def __init__(self, options: Parsed) -> None:
        self._options = options
        self._failed: Exception | None = None

    def __enter__(self) -> _Output:
        options = self._options
        path, pcap = options["--output"], options["--pcap"]
        self._file = os.fdopen(os.dup(2), "w", **TEXT) if path is None else open(path, "w", **TEXT)
        self._packets = None
        if pcap is not None:
            from ..tracing.pcap import Writer

            self._packet_file = open(pcap, "wb")
            self._packets = Writer(self._packet_file)
        self._page = None
        if options["--html"] is not None:
            from shlex import join

            from ..tracing.page import Page

            self._page_file = open(options["--html"], "w", encoding="utf-8", errors="backslashreplace")
            words = join(options.rest) if options.rest else f"process {' '.join(map(str, options['--pid']))}"
            self._page = Page(f"rawns trace {printable(words)}")
        self._summary: Summary | Emitter | None = None
        if options["--summary"]:
            from ..tracing.summary import Summary

            self._summary = Summary()
        elif options["--emit"]:
            from shlex import join

            from ..tracing.emit import Emitter

            self._summary = Emitter(printable(join(options.rest)))
        self._formatter: Formatter | None = None
        return self

    def report(self, call: TracedCall) -> None:
        """Write one call.  What cannot be written (a full disk) is said once, and the program goes on without being disturbed."""
        if self._failed is not None:
            return
        try:
            self._write(call)
        except (OSError, ValueError) as error:  # ValueError: closed
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        """Say once that the trace cannot be written."""
        from .output import complain, reason

        if self._failed is None:
            self._failed = error
            words = reason(error) if isinstance(error, OSError) else str(error)
            complain(f"rawns trace: the trace cannot be written any more: {words}; the program goes on")

    def _write(self, call: TracedCall) -> None:
        if self._packets is not None:
            self._packets.add(call)
        if self._page is not None:
            self._page.add(call)
        if self._summary is not None:
            self._summary.add(call)
        elif self._options["--json"]:
            import json

            from ..tracing.record import as_object

            print(json.dumps(as_object(call)), file=self._file)
        else:
            if self._formatter is None:  # the program runs already while this is imported
                from ..tracing.text import ATTRIBUTES, BRIEF, BYTES, Formatter

                options = self._options
                self._formatter = Formatter(BYTES if options["--bytes"] else ATTRIBUTES if options["--verbose"] else BRIEF)
            print("\n".join(self._formatter.lines(call)), file=self._file)

    def __exit__(self, *exc: object) -> None:
        for finish in (self._finish_text, self._finish_packets, self._finish_page):
            try:
                finish()
            except (OSError, ValueError) as error:
                self._give_up(error)

    def _finish_text(self) -> None:
        with self._file:
            if self._summary is not None and self._failed is None:
                print("\n".join(self._summary.lines()), file=self._file)

    def _finish_packets(self) -> None:
        if self._packets is not None:
            self._packet_file.close()

    def _finish_page(self) -> None:
        if self._page is not None:
            with self._page_file:
                self._page_file.write(self._page.text())

    @property
    def complete(self) -> bool:
        """Whether all of the trace was written."""
        return self._failed is None
