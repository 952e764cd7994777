"""`rawns lab examples`: descriptions to begin with, as the package ships them.

Floor 7.  Read as the package's own data, so that they are there in a zip file too.
"""

from __future__ import annotations

from . import emit, stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import Options

NAMES = ("article", "bridge", "router", "nat", "star", "dual", "vxlan")


def text_of(name: str, ending: str = "toml") -> str:
    """The text of an example."""
    from pkgutil import get_data

    data = get_data("rawns", f"examples/{name}.{ending}")
    assert data is not None
    return data.decode()


def examples(options: Options) -> int:
    if not options.words:
        titles = {name: text_of(name).partition("\n")[0].lstrip("# ") for name in NAMES}
        if options.json:
            emit(titles)
        else:
            print("".join(f"{name:<8} {title}\n" for name, title in titles.items()), end="")
            print("\n`rawns lab examples NAME > NAME.toml` writes one down; with --json as JSON, which every Python reads")
        return 0
    name = options.words[0]
    if name not in NAMES:
        stop(f"there is no example {name}; there is {', '.join(NAMES)}")
    print(text_of(name, "json" if options.json else "toml"), end="")
    return 0
