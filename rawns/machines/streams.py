"""The standard streams of a command that runs on a machine, carried in frames: both sides.

With a terminal the command gets a pseudoterminal there, and ours is put into raw mode, so that Ctrl-C reaches the command.
"""

from __future__ import annotations

import os
import select
import sys

from . import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from subprocess import Popen
    from typing import Any

    from ..netns import Namespace
    from .connection import MachineConnection

MAX_WAITING = 1 << 20  # bytes of input that the command has not read
TERMINAL = 'exec <"$0" >"$0" 2>&1; exec "$@"'  # opened by a session's leader, a terminal becomes the one that controls it
KILL_SECONDS = 5.0  # for a command whose operator is gone, between SIGHUP and SIGKILL


# -- the machine's side -------------------------------------------------------------------------------------------------


class CommandServer:
    """Runs one command inside a namespace; ``source`` and ``writer`` are the connection to the operator."""

    def __init__(
        self, source: int, writer: frames.FrameWriter, namespace: Namespace, argv: Sequence[str], size: Sequence[int] | None
    ) -> None:
        import subprocess

        self.source, self.writer = source, writer
        self._waiting = bytearray()  # input that has not been written yet
        self._ended = False  # whether the operator's input has ended
        self._process: Popen[bytes]
        self._outputs: dict[int, int] = {}  # the kind of frame, by descriptor
        if size is None:
            pipe = subprocess.PIPE
            self._process = namespace.popen(list(argv), mounts=True, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
            assert self._process.stdin and self._process.stdout and self._process.stderr
            self._input = os.dup(self._process.stdin.fileno())
            self._process.stdin.close()
            self._outputs = {self._process.stdout.fileno(): frames.OUTPUT, self._process.stderr.fileno(): frames.ERRORS}
        else:
            self._input, slave = os.openpty()
            self._resize(size)
            words = ["/bin/sh", "-c", TERMINAL, os.ttyname(slave), *argv]
            given: Any = {"stdin": slave, "stdout": slave, "stderr": slave, "start_new_session": True}
            try:
                self._process = namespace.popen(words, mounts=True, **given)
            finally:
                os.close(slave)
            self._outputs = {self._input: frames.OUTPUT}
        self._terminal = size is not None
        os.set_blocking(self._input, False)

    def run(self) -> int:
        """Carry the streams until the command has ended and its output has been sent; return its exit status as a shell does."""
        try:
            while self._outputs:
                self._step()
        except (OSError, frames.FrameError):
            self._kill()
            raise
        finally:
            if self._input >= 0:
                os.close(self._input)
            for stream in (self._process.stdout, self._process.stderr):
                if stream is not None:
                    stream.close()
        status = self._process.wait()
        return status if status >= 0 else 128 - status

    def _step(self) -> None:
        poll = select.poll()
        for descriptor in self._outputs:
            poll.register(descriptor, select.POLLIN)
        if len(self._waiting) < MAX_WAITING:
            poll.register(self.source, select.POLLIN)
        if self._waiting and self._input >= 0:
            poll.register(self._input, select.POLLOUT | (select.POLLIN if self._terminal else 0))
        for descriptor, what in poll.poll():
            if descriptor == self.source:
                self._receive()
            elif descriptor == self._input and what & (select.POLLOUT | select.POLLERR):
                self._write_input()
            if descriptor in self._outputs and what & (select.POLLIN | select.POLLHUP | select.POLLERR):
                self._send(descriptor)

    def _send(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, frames.CHUNK)
        except BlockingIOError:
            return
        except OSError:  # EIO: no process has the terminal open any more
            data = b""
        if data:
            self.writer.write(self._outputs[descriptor], data)
        else:
            del self._outputs[descriptor]

    def _receive(self) -> None:
        found = frames.read(self.source)
        if found is None:
            raise frames.FrameError("the operator has gone")
        kind, data = found
        if kind == frames.JSON:
            size = frames.parse_json(data).get("size")
            if self._terminal and isinstance(size, list):
                self._resize(size)
        elif kind == frames.INPUT:
            self._ended |= not data
            self._waiting += data
            self._write_input()

    def _write_input(self) -> None:
        """Write what waits; close the pipe if that was all."""
        if self._input < 0:
            self._waiting.clear()
            return
        try:
            while self._waiting:
                del self._waiting[: os.write(self._input, self._waiting[: frames.CHUNK])]
        except BlockingIOError:
            return
        except OSError:  # the command does not read it
            self._waiting.clear()
        if self._ended and not self._terminal:
            os.close(self._input)
            self._input = -1

    def _resize(self, size: Sequence[int]) -> None:
        import fcntl
        import struct
        import termios

        rows, columns = (min(max(int(number), 0), 65535) for number in size[:2])
        fcntl.ioctl(self._input, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _kill(self) -> None:
        """End the command, and what it has started in its session."""
        import signal
        import subprocess

        for number in (signal.SIGHUP, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
                self._process.wait(KILL_SECONDS)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


# -- the operator's side ------------------------------------------------------------------------------------------------


def attach(connection: MachineConnection, host: str, argv: Sequence[str]) -> int:
    """Run a command in a host on the machine with our standard streams; return its exit status.  Raises `MachineError`.

    It gets a terminal if standard input and output are one here.  Raises OSError if our standard output or standard error
    cannot be written.
    """
    terminal = os.isatty(0) and os.isatty(1)
    request = {"operation": "execute", "host": host, "argv": list(argv), "terminal": _size() if terminal else None}
    if sys.stdout is not None:  # it is None if standard output was closed at the start
        sys.stdout.flush()
    try:
        frames.write_json(connection.input, request, connection.silence)
    except OSError as error:
        raise connection.failure(error) from None
    client = CommandClient(connection)
    return client.run_on_terminal() if terminal else client.run()


def _size() -> list[int]:
    """Return the rows and columns of our terminal."""
    columns, rows = os.get_terminal_size(0)
    return [rows, columns]


class CommandClient:
    """Carries our standard streams.  Neither direction waits for the other: the agent does not read while it writes."""

    def __init__(self, connection: MachineConnection) -> None:
        self.connection = connection
        self._waiting = bytearray()  # frames that have not been written yet
        self._ended = False  # whether our standard input has ended
        self._resized, self._wake = os.pipe()  # readable if the size of the terminal has changed

    def run_on_terminal(self) -> int:
        """Run with our terminal in raw mode, and tell the other side when its size changes."""
        import signal
        import termios
        import tty

        before = termios.tcgetattr(0)
        handler = signal.signal(signal.SIGWINCH, lambda number, frame: os.write(self._wake, b"."))
        try:
            tty.setraw(0)
            return self.run()
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, before)
            signal.signal(signal.SIGWINCH, handler)

    def run(self) -> int:
        """Carry the streams until the command's exit status comes, and return it."""
        try:
            while (status := self._step()) is None:
                continue
            return status
        finally:
            for descriptor in (self._resized, self._wake):
                os.close(descriptor)

    def _step(self) -> int | None:
        output, into = self.connection.output, self.connection.input
        typed = [0] if not self._ended and len(self._waiting) < MAX_WAITING else []
        silence = self.connection.silence
        readable, writable, _ = select.select([output, self._resized, *typed], [into] if self._waiting else [], [], silence)
        if not readable and not writable:
            raise self.connection.failure(TimeoutError())
        if 0 in readable:
            try:
                data = os.read(0, frames.CHUNK)
            except OSError:  # a directory, or EIO of a terminal that is gone: there is no input
                data = b""
            self._ended = not data
            self._waiting += frames.HEADER.pack(frames.INPUT, len(data)) + data
        if self._resized in readable:
            import json

            os.read(self._resized, frames.CHUNK)
            data = json.dumps({"size": _size()}).encode()
            self._waiting += frames.HEADER.pack(frames.JSON, len(data)) + data
        if writable:
            try:
                del self._waiting[: os.write(into, self._waiting[: frames.CHUNK])]
            except BlockingIOError:
                pass
            except OSError:
                raise self.connection.lost() from None
        return self._receive() if output in readable else None

    def _receive(self) -> int | None:
        try:
            found = frames.read(self.connection.output, self.connection.silence)
        except TimeoutError as error:
            raise self.connection.failure(error) from None
        except (OSError, frames.FrameError):
            found = None
        if found is None:
            raise self.connection.lost()
        kind, data = found
        if kind == frames.JSON:
            return self._status(self.connection.result_of(data))
        if kind != frames.ALIVE:
            frames.write_all(2 if kind == frames.ERRORS else 1, data)
        return None

    def _status(self, found: object) -> int:
        """Return the exit status that the other side has sent.  Raises `MachineError` if it is not one."""
        from .connection import MachineError

        if not isinstance(found, int) or not 0 <= found <= 255:
            raise MachineError(self.connection.machine.name, "it sent what is not an answer")
        return found
