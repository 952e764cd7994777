"""A connection to one machine: the command that gives a shell there, and the agent that is started through it."""

from __future__ import annotations

import os
import select
import shlex
import threading
from importlib.util import MAGIC_NUMBER
from signal import SIGKILL
from time import monotonic

from ..errors import RawnsError
from ..terminal import printable
from ..threads import start_background
from . import frames
from .bundle import bundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import Popen
    from typing import Any

    from ..lab.machine import Machine

START_SECONDS = 60.0  # for the shell and Python to start
SILENCE_SECONDS = 30.0  # without a frame from an agent, which sends one each second
END_SECONDS = 20.0  # for what ends after its input has ended
MAX_GREETING = 1 << 16  # bytes that the login there may print before Python starts
MAX_ERRORS = 4096  # bytes of standard error that are kept for a message
MAX_TEXT = 2000  # characters of an error from the other side

# What Python executes there.  It must not read more than it needs: what follows is for the agent.
BOOT = """\
import os, sys
if sys.version_info < (3, 9):
    os.write(1, ("rawns-old %d.%d.%d\\n" % tuple(sys.version_info[:3])).encode())
    sys.exit(1)
import marshal, zlib
from _frozen_importlib_external import MAGIC_NUMBER
os.write(1, b"rawns-python " + MAGIC_NUMBER.hex().encode() + b"\\n")
def read(length):
    data = b""
    while len(data) < length:
        part = os.read(0, min(65536, length - len(data)))
        if not part:
            sys.exit(1)
        data += part
    return data
modules = marshal.loads(zlib.decompress(read(int.from_bytes(read(8), "big"))))
loader = {"__name__": "rawns_loader"}
exec(compile(modules.pop("")[1], "rawns_loader", "exec"), loader)
loader["start"](modules)
"""


class MachineError(RawnsError):
    """A machine cannot be reached, or refuses: the message names it, and ``machine`` is its name."""

    def __init__(self, machine: str, text: str) -> None:
        super().__init__(f"machine {machine}: {text}")
        self.machine = machine


class MachineConnection:
    """A connection to the agent on a machine, which ends with it.  Raises `MachineError` if there is none.

    One thread at a time may use it.  ``hello`` is what the agent says of its machine.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine, self._errors, self._lock = machine, bytearray(), threading.Lock()
        self._started = False  # whether the agent has answered
        self._silent = False  # whether it has been given up
        self._broken: MachineError | None = None  # why no answer can be told from that of an earlier request any more
        self.silence = SILENCE_SECONDS
        self._process = self._start()
        self._reader = start_background(self._read_errors)
        try:
            self._boot()
            self.hello = self._answer()
            self._started = True
        except BaseException:
            self.close(kill=True)
            raise

    def _start(self) -> Popen[bytes]:
        import subprocess

        pipe = subprocess.PIPE
        try:  # in a session of its own: Ctrl-C is for us, who then undo what has been done there
            process = subprocess.Popen(self.machine.command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
        except OSError as error:
            raise MachineError(self.machine.name, f"{printable(self.machine.command[0])}: {error.strerror}") from None
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)  # so that a machine that does not read is noticed
        return process

    @property
    def input(self) -> int:
        """The descriptor that leads to the agent's standard input."""
        assert self._process.stdin is not None
        return self._process.stdin.fileno()

    @property
    def output(self) -> int:
        """The descriptor that comes from the agent's standard output."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    # -- the start ----------------------------------------------------------------------------------------------------

    def _boot(self) -> None:
        machine = self.machine
        python = shlex.quote(machine.python)
        missing = f"command -v {python} >/dev/null 2>&1 || {{ echo rawns-none; exit 127; }}"
        line = f"{missing}; exec {'sudo -n ' if machine.sudo else ''}{python} -I -S -B -c {shlex.quote(BOOT)}\n"
        try:
            frames.write_all(self.input, line.encode(), self.silence)
            bundle(MAGIC_NUMBER)  # while the machine starts its Python, which is most often the same as ours
            word, _, rest = self._greeting().partition(" ")
        except OSError as error:
            raise self.failure(error) from None
        if word == "rawns-none":
            raise MachineError(
                machine.name, f'there is no {printable(machine.python)}; name another: python = "/path/to/python3"'
            )
        if word != "rawns-python" or len(rest) != 8 or not set(rest) <= set("0123456789abcdef"):
            raise MachineError(machine.name, f"its Python is {printable(rest)[:20]}, and 3.9 or newer is needed")
        data = bundle(bytes.fromhex(rest))
        try:
            frames.write_all(self.input, len(data).to_bytes(8, "big") + data, self.silence)
        except OSError as error:
            raise self.failure(error) from None

    def _greeting(self) -> str:
        """Return the line with which Python answers; what the login printed before is passed over."""
        deadline, data = monotonic() + START_SECONDS, b""
        while b"\nrawns-" not in b"\n" + data or not data.endswith(b"\n"):
            try:
                frames.wait(self.output, select.POLLIN, max(0.0, deadline - monotonic()))
            except TimeoutError:
                text = f"its shell has not started Python within {START_SECONDS:.0f} s"
                raise MachineError(self.machine.name, text) from None
            part = os.read(self.output, frames.CHUNK)
            data += part
            if not part or len(data) > MAX_GREETING:
                raise self.lost()
        return (b"\n" + data).rpartition(b"\nrawns-")[2].join((b"rawns-", b"")).decode("ascii", "replace").strip()

    # -- requests -----------------------------------------------------------------------------------------------------

    def call(self, operation: str, **arguments: Any) -> Any:
        """Send a request and return its result.  Raises `MachineError` with the words of the machine, or if it is silent."""
        with self._lock:
            if self._silent:
                raise self.failure(TimeoutError())
            if self._broken is not None:
                raise self._broken
            try:
                frames.write_json(self.input, {"operation": operation, **arguments}, self.silence)
                return self._answer()
            except MachineError:
                raise
            except OSError as error:
                raise self.failure(error) from None
            except BaseException:
                self._broken = MachineError(self.machine.name, "an earlier request was interrupted before its answer came")
                raise

    def _answer(self) -> Any:
        found: tuple[int, bytes] | None = (frames.ALIVE, b"")
        try:
            while found is not None and found[0] == frames.ALIVE:
                found = frames.read(self.output, self.silence)
        except TimeoutError as error:
            raise self.failure(error) from None
        except OSError:
            found = None
        except frames.FrameError as error:
            self._broken = MachineError(self.machine.name, str(error))
            raise self._broken from None
        if found is None:
            raise self.lost()
        return self.result_of(found[1])

    def result_of(self, data: bytes) -> Any:
        """Return the result in an answer.  Raises `MachineError` with the words of the machine."""
        try:
            answer = frames.parse_json(data)
        except frames.FrameError as error:
            self._broken = MachineError(self.machine.name, str(error))
            raise self._broken from None
        if "error" in answer:
            raise MachineError(self.machine.name, printable(str(answer["error"]))[:MAX_TEXT])
        return answer.get("result")

    def failure(self, error: OSError) -> MachineError:
        """Return the error of a connection that cannot be written, or on which nothing comes; the latter is given up."""
        if not isinstance(error, TimeoutError):
            return self.lost()
        self._silent = True
        sentence = f"it has been silent for {self.silence:.0f} s: it hangs, or the network to it fails"
        return MachineError(self.machine.name, f"{sentence}; it may keep what was begun there: repeat up or down when it answers")

    def lost(self) -> MachineError:
        """Return the error of a connection that has ended, with the last line that the command wrote to standard error."""
        import subprocess

        self._reader.join(1.0)
        lines = [line.strip() for line in self._errors.decode(errors="replace").splitlines() if line.strip()]
        try:
            status: int | None = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            status = None  # it has closed its output, and goes on
        reason = (
            printable(lines[-1])[:MAX_TEXT] if lines else f"exit status {status}" if status is not None else "no reason given"
        )
        remedy = "" if self._started else f"; this should give a shell there: {printable(shlex.join(self.machine.command))}"
        if not self._started and self.machine.sudo and "password" in reason:
            remedy = "; sudo = true needs a rule of sudoers with NOPASSWD for the user there"
        return MachineError(self.machine.name, f"the connection has ended: {reason}{remedy}")

    def _read_errors(self) -> None:
        """Keep the end of what the command and the agent write to standard error."""
        assert self._process.stderr is not None
        while part := os.read(self._process.stderr.fileno(), frames.CHUNK):
            self._errors += part
            del self._errors[:-MAX_ERRORS]

    def close(self, kill: bool = False) -> None:
        """End the connection: the agent undoes what has not been committed, and ends.  May be called again."""
        import subprocess

        process = self._process
        if process.stdin is not None and not process.stdin.closed:
            process.stdin.close()
        try:
            process.wait(0.0 if kill or self._silent else END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, SIGKILL)  # what a wrapper has started, too
            process.wait()
        self._reader.join(1.0)
        for stream in (process.stdout, process.stderr):
            if stream is not None and (stream is process.stdout or not self._reader.is_alive()):
                stream.close()
