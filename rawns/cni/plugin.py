"""What all plugins have in common: a description, and one method for each verb."""

from __future__ import annotations

from .call import COMMON
from .failure import DIFFERENT, CniError
from .keys import ConfigKey, KeyType, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .call import Call
    from .result import CniResult


class CniPlugin:
    """One plugin: ``name`` is its type, ``keys`` what its configuration may contain beside `call.COMMON`.

    ``capabilities`` are the types of the values that an engine may give at run time.  ``ipam`` says that it takes addresses from
    another plugin; ``chained`` that it needs the result of a plugin before it.
    """

    name = ""
    summary = ""
    keys: tuple[ConfigKey, ...] = ()
    capabilities: dict[str, KeyType] = {}
    chained = False

    def __init__(self, call: Call) -> None:
        self.call = call
        self.config: dict[str, Any] = read((*COMMON, *self.keys), call.config)
        for name, kind in self.capabilities.items():
            value = call.capability(name)
            self.config[f"runtimeConfig.{name}"] = None if value is None else kind.read(value, f"runtimeConfig.{name}")

    def add(self) -> CniResult:
        """Connect the container; return what that has given."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise `CniError` if something is not as `add` has left it."""

    def delete(self) -> None:
        """Remove what `add` has made, if it is there."""

    def collect(self) -> None:
        """Remove what belongs to attachments of this network that are not among ``call.valid``."""

    def status(self) -> None:
        """Raise `CniError` (code 50 or 51) if `add` would fail."""


def different(sentence: str) -> CniError:
    """Return the error of CHECK."""
    return CniError(DIFFERENT, sentence)
