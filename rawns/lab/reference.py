"""The reference of lab files: a page of Markdown and a JSON Schema, both derived from the tables of keys."""

from __future__ import annotations

from .kinds import TABLES, by_table
from .tables import END_TABLE, HOST_TABLE, LAB_NAME, MACHINE_TABLE, NAT, ROUTE, SPREAD, WIRE_TABLE, bridge_keys, link_keys
from .values import LABEL, Choice, ListOf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .properties import Key
    from .tables import Keys
    from .values import Value

SCHEMA = "https://json-schema.org/draft/2020-12/schema"


def sections() -> Iterator[tuple[str, str, Keys]]:
    """Yield each table of a lab file: its header, one sentence about it, and its keys."""
    yield (
        "[hosts.NAME]",
        'A network namespace, LAB.NAME under /run/netns; `hosts = ["NAME"]` if there is nothing to say',
        HOST_TABLE,
    )
    yield "routes = [{...}]", "A route as a table, instead of a text", ROUTE.keys
    yield "nat = {...}", "Address translation out of an uplink", NAT.keys
    yield "[bridges.NAME]", "An Ethernet switch, in a namespace of its own unless `host` is given", bridge_keys()
    yield "[[wires]]", "A veth pair; its keys hold for both ends", WIRE_TABLE
    yield "ends = [{...}, {...}]", 'The ends of a wire; `"HOST:NAME ADDRESS ..."` or `"BRIDGE"` is short for a table', END_TABLE
    for table in TABLES:
        kind = by_table(table)
        yield f"[[{table}]]", kind.doc[:1].upper() + kind.doc[1:], link_keys(kind)
    yield "[machines.NAME]", f'Another machine, for a lab that spans several; `spread = "even"`: {SPREAD.doc}', MACHINE_TABLE


# -- Markdown -------------------------------------------------------------------------------------------------------------


def reference() -> str:
    """Return the reference page: each table of a lab file with its keys, the types of their values, and what they mean."""
    lines = ["# The keys of a lab file", ""]
    lines += [f"`{LAB_NAME.name}`: {LAB_NAME.doc}.  Lists may be single values.  What is left out is the kernel's to choose.", ""]
    for header, doc, keys in sections():
        lines += [f"## `{header}`", "", f"{doc}.", "", "| key | value | |", "|---|---|---|"]
        lines += [_row(key) for key in keys.values()]
        lines.append("")
    return "\n".join(lines)


def _row(key: Key) -> str:
    required = " (required)" if key.required else ""
    return f"| `{key.name}` | {_type(key.value)} | {key.doc}{required} |"


def _type(value: Value) -> str:
    """Return the type of a value in words."""
    if isinstance(value, ListOf):
        return f"list of: {_type(value.item)}"
    if isinstance(value, Choice):
        return ", ".join(f"`{word}`" for word in value.numbers)
    schema = value.schema
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_word(one) for one in schema["anyOf"]))
    return _word(schema)


def _word(schema: dict[str, Any]) -> str:
    kind = schema.get("type", "")
    if isinstance(kind, list):
        return " or ".join(_word({**schema, "type": one}) for one in kind)
    words = {"boolean": "true or false", "object": "table", "array": "list", "string": "text", "integer": "number"}
    limits = f" {schema['minimum']} to {schema['maximum']}" if kind in ("integer", "number") and "maximum" in schema else ""
    return f"{words.get(kind, kind)}{limits}"


# -- JSON Schema ----------------------------------------------------------------------------------------------------------


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of lab files, for editors; `Lab.load` checks more than a schema can say."""
    labels = {"propertyNames": LABEL.schema}
    end = {"anyOf": [{"type": "string"}, _object(END_TABLE)]}
    wire = _object(WIRE_TABLE)
    wire["properties"]["ends"] = {
        "type": "array",
        "minItems": 2,
        "maxItems": 2,
        "items": end,
        "description": WIRE_TABLE["ends"].doc,
    }
    named = {"type": "array", "items": LABEL.schema}
    whole: dict[str, Any] = {
        LAB_NAME.name: {**LAB_NAME.value.schema, "description": LAB_NAME.doc},
        "hosts": {"anyOf": [named, {"type": "object", **labels, "additionalProperties": _object(HOST_TABLE)}]},
        "bridges": {"anyOf": [named, {"type": "object", **labels, "additionalProperties": _object(bridge_keys())}]},
        "wires": {"type": "array", "items": wire},
    }
    for table in TABLES:
        kind = by_table(table)
        whole[table] = {"type": "array", "items": _object(link_keys(kind)), "description": kind.doc}
    whole["machines"] = {"type": "object", **labels, "additionalProperties": _object(MACHINE_TABLE)}
    whole[SPREAD.name] = {**SPREAD.value.schema, "description": SPREAD.doc}
    return {"$schema": SCHEMA, "title": "rawns lab", "type": "object", "properties": whole, "additionalProperties": False}


def _object(keys: Keys) -> dict[str, Any]:
    """Return the schema of a table."""
    found: dict[str, Any] = {
        "type": "object",
        "properties": {key.name: {**key.value.schema, "description": key.doc} for key in keys.values()},
        "additionalProperties": False,
    }
    required = [key.name for key in keys.values() if key.required]
    return {**found, "required": required} if required else found
