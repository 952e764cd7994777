"""Import modules from a dict of their code: what a machine runs first.  Its text is sent; nothing here imports the package.

``MODULES`` has, by name, whether a module is a package, and its code: marshalled if the Python there has written it like
this one, else the source text.
"""

from __future__ import annotations

import marshal
import sys
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Union

    Modules = dict[str, tuple[bool, Union[bytes, str]]]


class BundleImporter:
    """The finder and loader of these modules."""

    def __init__(self, modules: Modules) -> None:
        self.modules = modules

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return the spec of one of the modules; None for others."""
        if name not in self.modules:
            return None
        return ModuleSpec(name, self, is_package=self.modules[name][0])  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Let Python create the module."""
        return None

    def exec_module(self, module: Any) -> None:
        """Execute the module's code."""
        code = self.modules[module.__name__][1]
        exec(marshal.loads(code) if isinstance(code, bytes) else compile(code, module.__name__, "exec"), module.__dict__)


def start(modules: Modules) -> None:
    """Import from the modules, before anything else of these names, and run the agent."""
    sys.meta_path.insert(0, BundleImporter(modules))
    main = __import__("rawns.machines.agent", fromlist=["main"]).main
    main()
