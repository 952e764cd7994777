"""Capture of the ports of a lab into one pcapng file for each port, for tests that fail."""

from __future__ import annotations

from ..errors import RawnsError
from ..lab.capture import FrameCapture
from ..terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ..lab.host import Host
    from ..lab.kinds.veth import Port

MAX_FILE_BYTES = 64 << 20


class LabCapture:
    """Captures what passes some ports, each in ``DIRECTORY/HOST-PORT.pcapng``, until `close`.

    A file that cannot be written, because the disk is full, for example, does not fail the test: the text of the capture says so.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._captures: dict[int, tuple[Path, FrameCapture | Exception]] = {}  # by the id of the port

    def add(self, hosts: Iterable[Host]) -> None:
        """Capture the ends of wires of some hosts, except those that are captured already."""
        for host in hosts:
            for port in host.ports:
                if id(port) not in self._captures:
                    path = self._path(host, port)
                    try:
                        self._captures[id(port)] = path, FrameCapture([(host, port)], str(path), MAX_FILE_BYTES)
                    except (OSError, RawnsError) as error:
                        self._captures[id(port)] = path, error

    def _path(self, host: Host, port: Port) -> Path:
        return self._directory / f"{host.label}-{port.name}.pcapng".replace("/", "-")

    def close(self) -> None:
        """Complete the files."""
        for _, capture in self._captures.values():
            if isinstance(capture, FrameCapture):
                try:
                    capture.stop()
                except (OSError, RawnsError):
                    pass  # the report has said it, if the test has failed

    def __str__(self) -> str:
        lines = []
        for path, capture in self._captures.values():
            lines.append(f"{printable(str(path))}: {_state(capture)}")
        return "\n".join(lines)


def _state(capture: FrameCapture | Exception) -> str:
    if isinstance(capture, Exception):
        return f"not captured: {printable(str(capture))}"
    dropped = sum(capture.dropped.values())
    words = [f"{capture.packets} frames", *([f"{dropped} dropped"] if dropped else []), *(["full"] if capture.full else [])]
    if capture.error is not None:
        words.append(f"incomplete: {printable(str(capture.error))}")
    return ", ".join(words)
