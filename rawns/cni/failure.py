"""The errors of CNI plugins: a code of the specification, one sentence, and perhaps details."""

from __future__ import annotations

from ..errors import RawnsError

INCOMPATIBLE_VERSION = 1
UNSUPPORTED_FIELD = 2
UNKNOWN_CONTAINER = 3
INVALID_ENVIRONMENT = 4
IO_FAILURE = 5
DECODE_FAILURE = 6
INVALID_CONFIG = 7
TRY_AGAIN = 11
NOT_AVAILABLE = 50
LIMITED = 51
# From 100 on each plugin defines its own; these are the same for all plugins here.
REFUSED = 100
EXHAUSTED = 101
EXISTS = 102
DIFFERENT = 103
CODES = {
    INCOMPATIBLE_VERSION: "the version of the specification is not supported",
    UNSUPPORTED_FIELD: "a key of the configuration is not supported",
    UNKNOWN_CONTAINER: "the container's network namespace does not exist",
    INVALID_ENVIRONMENT: "a CNI_* variable is missing or invalid",
    IO_FAILURE: "a system call failed, or a file is not to be trusted",
    DECODE_FAILURE: "standard input is not JSON",
    INVALID_CONFIG: "the configuration is invalid",
    TRY_AGAIN: "something else is changing the same; call again later",
    NOT_AVAILABLE: "STATUS: ADD would fail",
    LIMITED: "STATUS: ADD would fail, and containers that are connected may have limited connectivity",
    REFUSED: "the kernel refused a request",
    EXHAUSTED: "no address is free",
    EXISTS: "the interface, or an address of this attachment, exists already",
    DIFFERENT: "CHECK: something is not as ADD has left it",
}


class CniError(RawnsError):
    """A plugin failed.  ``code`` is one of `CODES`; ``str()`` is a sentence; ``details`` may say more."""

    def __init__(self, code: int, sentence: str, details: str = "") -> None:
        super().__init__(sentence)
        self.code, self.details = code, details
