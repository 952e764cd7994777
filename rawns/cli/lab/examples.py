"""`rawns lab examples`: the example descriptions, read as package data, which works in a zip file too."""

from __future__ import annotations

from ...terminal import printable
from . import emit, stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..options import Parsed

NAMES = ("article", "bridge", "router", "nat", "star", "dual", "vxlan", "confined")


def text_of(name: str, ending: str = "toml") -> str:
    """Return the text of an example, as TOML or, with the ending ``json``, as JSON."""
    from pkgutil import get_data

    data = get_data("rawns", f"examples/{name}.{ending}")
    assert data is not None
    return data.decode()


def examples(options: Parsed) -> int:
    """List the examples, or print one."""
    name = options.operand(0)
    if name is None:
        titles = {one: text_of(one).partition("\n")[0].lstrip("# ") for one in NAMES}
        if options["--json"]:
            emit(titles)
        else:
            print("".join(f"{one:<8} {title}\n" for one, title in titles.items()), end="")
            print("\n`rawns lab examples NAME > NAME.toml` saves one; with --json as JSON, which every Python reads")
        return 0
    if name not in NAMES:
        stop(f"there is no example {printable(name)}; there is {', '.join(NAMES)}")
    print(text_of(name, "json" if options["--json"] else "toml"), end="")
    return 0


def schema(options: Parsed) -> int:
    """Print the JSON Schema of lab files, or the reference page."""
    from ...lab import reference

    if options["--markdown"]:
        print(reference.reference(), end="")
    else:
        emit(reference.schema())
    return 0
