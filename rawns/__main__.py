"""``python -m rawns`` is the command `rawns`."""

from .cli.main import entry

entry()
