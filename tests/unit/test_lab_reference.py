"""The reference page and the JSON Schema: derived from the rows, and in agreement with the parser about labs by chance."""

from __future__ import annotations

import json
import re
import sys
from random import Random
from typing import Any

import pytest
from generated_labs import generated
from test_lab_file import WHOLE, mutated

from rawns import InvalidValue, Lab
from rawns.cli.lab.examples import NAMES, text_of
from rawns.cli.main import run
from rawns.lab import document
from rawns.lab.reference import reference, schema, sections


def mismatch(data: Any, shape: dict[str, Any], path: str = "") -> str:
    """Where data does not fit a schema (of the words that ours uses); empty if it does.  Checked against jsonschema below."""
    if "anyOf" in shape:
        found = [mismatch(data, one, path) for one in shape["anyOf"]]
        return "" if "" in found else f"{path}: fits none: {found}"
    if "enum" in shape and data not in shape["enum"]:
        return f"{path}: {data!r}"
    wanted = shape.get("type", [])
    kinds = [wanted] if isinstance(wanted, str) else wanted
    types: dict[str, Any] = {
        "string": str,
        "array": list,
        "object": dict,
        "boolean": bool,
        "integer": int,
        "number": (int, float),
    }
    right = any(isinstance(data, types[kind]) and (kind == "boolean" or not isinstance(data, bool)) for kind in kinds)
    if kinds and not right:
        return f"{path}: {data!r} is not of type {kinds}"
    if isinstance(data, str):
        if "pattern" in shape and not re.search(shape["pattern"], data):
            return f"{path}: {data!r} does not match {shape['pattern']}"
        if not shape.get("minLength", 0) <= len(data) <= shape.get("maxLength", 1 << 20):
            return f"{path}: {data!r} has a wrong length"
    number = isinstance(data, (int, float)) and not isinstance(data, bool)
    if number and not shape.get("minimum", data) <= data <= shape.get("maximum", data):
        return f"{path}: {data!r} is out of range"
    if isinstance(data, list):
        if not shape.get("minItems", 0) <= len(data) <= shape.get("maxItems", 1 << 20):
            return f"{path}: {len(data)} items"
        return next(filter(None, (mismatch(one, shape.get("items", {}), f"{path}[{n}]") for n, one in enumerate(data))), "")
    if isinstance(data, dict):
        for key in shape.get("required", []):
            if key not in data:
                return f"{path}: lacks {key}"
        for key, one in data.items():
            if mismatch(key, shape.get("propertyNames", {})):
                return f"{path}: {key!r} is no name"
            inner = shape.get("properties", {}).get(key, shape.get("additionalProperties", {}))
            if inner is False:
                return f"{path}: {key!r} is unknown"
            wrong = mismatch(one, inner, f"{path}.{key}")
            if wrong:
                return wrong
    return ""


def test_the_examples_and_labs_by_chance_fit_the_schema() -> None:
    shape = schema()
    for name in NAMES:
        assert mismatch(json.loads(text_of(name, "json")), shape) == ""
    for seed in range(200):
        assert mismatch(generated(seed), shape) == "", seed
    assert mismatch(WHOLE, shape) == ""


def test_what_does_not_fit_the_schema_is_refused_by_the_parser() -> None:
    """The other way round a schema cannot go: it knows nothing of other tables."""
    shape, random, refused = schema(), Random(7), 0
    for _ in range(1500):
        data = mutated(WHOLE, random)
        if mismatch(data, shape):
            with pytest.raises(InvalidValue):
                Lab.from_source(document.Source(data, "shop.json"))
                raise AssertionError(f"accepted, but {mismatch(data, shape)}")
            refused += 1
    assert refused > 300


def test_the_schema_is_what_a_validator_takes() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema())
    for seed in range(50):
        jsonschema.validate(generated(seed), schema())


def test_every_key_is_on_the_page_once_in_its_table() -> None:
    page = reference()
    tables = dict(zip(re.findall(r"^## `(.*)`$", page, re.M), re.split(r"^## .*$", page, flags=re.M)[1:]))
    assert list(tables) == [header for header, _, _ in sections()]
    for header, doc, keys in sections():
        assert re.findall(r"^\| `(\w+)` \|", tables[header], re.M) == list(keys)
        assert doc and all(key.doc for key in keys.values())
    assert all(len(line) < 200 for line in page.splitlines())


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lab", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()


if __name__ == "__main__":
    sys.stdout.write(reference())
