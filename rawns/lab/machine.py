"""The machines of a lab that spans several: how each is reached.

This is the description only; `rawns.machines` connects to them.
"""

from __future__ import annotations

from ..errors import InvalidValue
from .words import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Machine:
    """One machine: a command that gives a POSIX shell there on its standard input and output.

    ``address`` is that by which the other machines reach it; None for the one that ``ssh`` has connected to.
    """

    __slots__ = ("address", "command", "file_value", "name", "python", "sudo", "where")

    def __init__(
        self,
        name: str,
        ssh: str | None = None,
        run: Sequence[str] | None = None,
        address: str | None = None,
        sudo: bool = False,
        python: str = "python3",
    ) -> None:
        if (ssh is None) is (run is None):
            raise InvalidValue(f'machine {name} is reached by a command: ssh = "user@host", or run = ["docker", "exec", ...]')
        if ssh is not None and (ssh.startswith("-") or not ssh.strip()):
            raise InvalidValue(f"{quote(ssh)} is not a destination of ssh(1)")
        if run is not None and (not run or not run[0]):
            raise InvalidValue(f"run of machine {name} names no program")
        if not python.strip():
            raise InvalidValue(f"python of machine {name} names no program")
        if address is None and ssh is None:
            raise InvalidValue(f'machine {name} needs the address by which the other machines reach it: address = "192.0.2.1"')
        # BatchMode: a password cannot be asked for, because standard input is the connection.
        prefix = ["ssh", "-T", "-oBatchMode=yes", "-oConnectTimeout=20", "-oServerAliveInterval=15", "--"]
        self.command = list(run) if run is not None else [*prefix, ssh or "", "exec /bin/sh"]
        said = {
            "ssh": ssh,
            "run": run,
            "address": address,
            "sudo": sudo or None,
            "python": python if python != "python3" else None,
        }
        self.file_value = {key: value for key, value in said.items() if value is not None}
        self.name, self.address, self.sudo, self.python, self.where = name, address, sudo, python, ""

    def __repr__(self) -> str:
        return f"<Machine {self.name}>"
