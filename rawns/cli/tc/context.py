"""One command line of tc(8): what `IpContext` has, and the options that only tc has."""

from __future__ import annotations

from ..ip.context import Args, IpContext
from ..ip.grammar import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..ip.hints import Sequence

CLASS_NAMES = "/etc/iproute2/tc_cls"


class TcContext(IpContext):
    """The options of a command line are its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.raw = self.names = False
        self.class_file: str | None = None  # -cf FILE
        self._class_names: dict[int, str] | None = None

    def class_names(self) -> dict[int, str]:
        """Return the names of classes, by handle: lines ``MAJOR:MINOR NAME`` of a file, numbers in hex."""
        if self._class_names is None:
            self._class_names = {}
            try:
                with open(self.class_file or CLASS_NAMES, encoding="utf-8", errors="surrogateescape") as lines:
                    for line in lines:
                        self._learn(line)
            except OSError:
                if self.class_file:
                    raise CommandError(f"Can't open class names file: {self.class_file}") from None
        return self._class_names

    def _learn(self, line: str) -> None:
        words = line.split("#")[0].split()
        major, colon, minor = words[0].partition(":") if len(words) == 2 else ("", "", "")
        try:
            if colon and self._class_names is not None:
                self._class_names[int(major, 16) << 16 | int(minor, 16)] = words[1]
        except ValueError:
            pass  # a line that is neither


class OptionArgs(Args):
    """The words after the kind of a discipline, and the link that they are about (of which a rate may be a share)."""

    __slots__ = ("device",)
    ip: TcContext

    def __init__(self, words: Sequence[str], ip: TcContext, device: str) -> None:
        super().__init__(words, ip)
        self.device = device
