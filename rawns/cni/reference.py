"""The plugins and their keys as text: what `rawns cni` prints, and the tables of the manual."""

from __future__ import annotations

from .failure import CODES
from .keys import ConfigKey
from .program import PLUGINS, plugin_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def describe(name: str | None) -> str:
    """Return the list of the plugins, or the keys of one.  Raises `CniError` if there is none of this name."""
    if name is None:
        width = max(map(len, PLUGINS))
        return "\n".join(f"{one:{width}}  {plugin_class(one).summary}" for one in PLUGINS)
    kind = plugin_class(name)
    rows = list(rows_of(kind.keys)) + [(f"runtimeConfig.{word}", type.name, "", "") for word, type in kind.capabilities.items()]
    width = max([0, *(len(row[0]) for row in rows)])
    lines = [f"{kind.name}: {kind.summary}", ""]
    for word, type, default, help in rows:
        lines.append(f"  {word:{width}}  {help or type}" + (f" ({default})" if default else ""))
    return "\n".join(lines)


def rows_of(keys: Sequence[ConfigKey], place: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Yield the name, type, default and help of keys, and of those within them."""
    for key in keys:
        name = f"{place}.{key.name}" if place else key.name
        default = "required" if key.required else "" if key.default in (None, [], {}, "") else _word(key.default)
        yield name, key.type.name, default, key.help
        yield from rows_of(key.type.keys, f"{name}[]" if key.type.name.startswith("a list") else name)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def manual() -> str:
    """Return the tables of the manual's page."""
    parts = []
    for name in PLUGINS:
        kind = plugin_class(name)
        parts.append(f"### {name}\n\n{kind.summary[0].upper()}{kind.summary[1:]}.\n")
        rows = list(rows_of(kind.keys))
        rows += [(f"runtimeConfig.{word}", type.name, "", "given by the engine") for word, type in kind.capabilities.items()]
        if rows:
            parts.append("| key | type | default | |\n|---|---|---|---|")
            parts += [f"| `{word}` | {type} | {default} | {help} |" for word, type, default, help in rows]
            parts.append("")
    parts.append("### Codes of errors\n\n| code | |\n|---|---|")
    parts += [f"| {code} | {what} |" for code, what in CODES.items()]
    return "\n".join(parts) + "\n"
