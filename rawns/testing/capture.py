"""Capture of the ports of a lab into one pcapng file for each port, for tests that fail."""

from __future__ import annotations

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
    """Captures what passes some ports, each in ``DIRECTORY/HOST-PORT.pcapng``, until `close`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._captures: dict[int, tuple[Path, FrameCapture]] = {}  # by the id of the port

    def add(self, hosts: Iterable[Host]) -> None:
        """Capture the ends of wires of some hosts, except those that are captured already.  Raises as `FrameCapture`."""
        for host in hosts:
            for port in host.ports:
                if id(port) not in self._captures:
                    path = self._path(host, port)
                    self._captures[id(port)] = path, FrameCapture([(host, port)], str(path), MAX_FILE_BYTES)

    def _path(self, host: Host, port: Port) -> Path:
        return self._directory / f"{host.label}-{port.name}.pcapng".replace("/", "-")

    def close(self) -> None:
        """Complete the files."""
        for _, capture in self._captures.values():
            capture.stop()

    def __str__(self) -> str:
        lines = []
        for path, capture in self._captures.values():
            dropped = sum(capture.dropped.values())
            lost = f", {dropped} dropped" if dropped else ""
            lines.append(f"{printable(str(path))}: {capture.packets} frames{lost}{', full' if capture.full else ''}")
        return "\n".join(lines)
