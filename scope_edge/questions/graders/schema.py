"""The grader `json_schema`: JSON in an output, against a schema or against a value it must equal.

A part of JSON Schema (draft 2020-12) is known; a keyword outside that part is an error when the question is read, so
that no requirement is skipped in silence. `pattern` and `format` are outside it: a regular expression can be made to
run for ever, and `$ref` can point to itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, cast

from scope_edge.questions.finding import fenced
from scope_edge.questions.graders.verdict import NOTHING, Judge, Verdict

__all__ = ["prepare", "valid"]

MAX_CHARS, MAX_DEPTH, MAX_TRIED = 200_000, 60, 600_000

_BEGIN = re.compile(r"[{\[]")
# A string that never ends takes the rest, else each quote would be tried up to the end.
_MARK = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)|[{}\[\]]', re.DOTALL)

_ANNOTATIONS = {"$schema", "$id", "$comment", "title", "description", "default", "examples"}
_REFUSED = {
    "$ref", "$defs", "definitions", "$anchor", "$dynamicRef", "pattern", "format", "patternProperties", "propertyNames",
    "dependentRequired", "dependentSchemas", "if", "then", "else", "contains", "minContains", "maxContains",
    "unevaluatedItems", "unevaluatedProperties", "contentEncoding", "contentMediaType", "prefixItems",
}  # fmt: skip
_COUNTS = {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
_BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
_NESTED = {"anyOf", "allOf", "oneOf"}
_KNOWN = _COUNTS | _BOUNDS | _NESTED | {"type", "enum", "const", "properties", "required", "additionalProperties"}
_KNOWN |= {"items", "uniqueItems", "not"}
_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1,
}


def prepare(answer: str, choices: Sequence[str] | None = None) -> Judge:
    """Grade by JSON: an object of schema keywords alone is a schema, any other value must be equaled.

    A value that looks like a schema is written as {"const": value}.
    """
    del choices
    gold = _loaded(answer)
    if isinstance(gold, dict) and set(gold) <= _KNOWN | _ANNOTATIONS | _REFUSED and set(gold) - _ANNOTATIONS:
        schema = cast(dict[str, Any], gold)
        check(schema, "")
    else:
        schema = {"const": gold}

    def judge(text: str) -> Verdict:
        found = _last_json(text)
        return NOTHING if found is None else Verdict(float(valid(found[0], schema)), found[1])

    return judge


def check(schema: Any, where: str, depth: int = 0) -> None:
    """Raise ValueError, naming the place, for a schema with a keyword that is refused, unknown or badly used."""
    if isinstance(schema, bool):
        return
    place = f"the schema{' at ' + where if where else ''}"
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        raise ValueError(f"{place} is no object, or nested too deeply")
    for name, value in schema.items():
        if name not in _KNOWN | _ANNOTATIONS:
            kind = "is not supported" if name in _REFUSED else "is unknown"
            raise ValueError(f"{place} has the keyword {name!r}, which {kind}")
        if not _well_formed(name, value):
            raise ValueError(f"{place} has a bad value of {name!r}: {json.dumps(value)[:60]}")
    for name, nested in _children(schema):
        check(nested, f"{where}/{name}", depth + 1)


def _well_formed(name: str, value: Any) -> bool:
    names = value if isinstance(value, list) else [value]
    if name == "type":
        return bool(names) and all(isinstance(each, str) and each in _TYPES for each in names)
    if name in _COUNTS:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if name in _BOUNDS:
        return _TYPES["number"](value) and (name != "multipleOf" or value > 0)
    if name == "enum" or name in _NESTED:
        return isinstance(value, list) and bool(value)
    if name == "required":
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if name == "properties":
        return isinstance(value, dict)
    return name != "uniqueItems" or isinstance(value, bool)


def _children(schema: Mapping[str, Any]) -> list[tuple[str, Any]]:
    children = [(f"properties/{name}", nested) for name, nested in schema.get("properties", {}).items()]
    children += [(f"{name}/{i}", nested) for name in sorted(_NESTED) for i, nested in enumerate(schema.get(name, []))]
    return children + [(name, schema[name]) for name in ("items", "additionalProperties", "not") if name in schema]


def valid(value: Any, schema: Any) -> bool:
    """Whether a JSON value fits a checked schema."""
    if isinstance(schema, bool):
        return schema
    types = schema.get("type")
    if types is not None and not any(_TYPES[name](value) for name in ([types] if isinstance(types, str) else types)):
        return False
    if "const" in schema and not _same(value, schema["const"]):
        return False
    if "enum" in schema and not any(_same(value, each) for each in schema["enum"]):
        return False
    if not all(valid(value, nested) for nested in schema.get("allOf", [])):
        return False
    if "anyOf" in schema and not any(valid(value, nested) for nested in schema["anyOf"]):
        return False
    if "oneOf" in schema and sum(valid(value, nested) for nested in schema["oneOf"]) != 1:
        return False
    if "not" in schema and valid(value, schema["not"]):
        return False
    if isinstance(value, dict):
        return _valid_object(value, schema)
    if isinstance(value, list):
        return _valid_array(value, schema)
    if isinstance(value, str):
        return _within(len(value), schema, "minLength", "maxLength")
    return not _TYPES["number"](value) or _valid_number(value, schema)


def _valid_object(value: dict[str, Any], schema: Mapping[str, Any]) -> bool:
    if not _within(len(value), schema, "minProperties", "maxProperties"):
        return False
    known, other = schema.get("properties", {}), schema.get("additionalProperties", True)
    return set(schema.get("required", [])) <= set(value) and all(
        valid(each, known.get(name, other)) for name, each in value.items()
    )


def _valid_array(value: list[Any], schema: Mapping[str, Any]) -> bool:
    if not _within(len(value), schema, "minItems", "maxItems"):
        return False
    if schema.get("uniqueItems") and len({_key(each) for each in value}) < len(value):
        return False
    return all(valid(each, schema.get("items", True)) for each in value)


def _valid_number(value: float, schema: Mapping[str, Any]) -> bool:
    return (
        value >= schema.get("minimum", value)
        and value <= schema.get("maximum", value)
        and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
        # As written: 0.3 is a multiple of 0.1, which the floats are not.
        and ("multipleOf" not in schema or Fraction(str(value)) % Fraction(str(schema["multipleOf"])) == 0)
    )


def _within(count: int, schema: Mapping[str, Any], least: str, most: str) -> bool:
    return bool(schema.get(least, count) <= count <= schema.get(most, count))


def _same(a: Any, b: Any) -> bool:
    return _key(a) == _key(b)


def _key(value: Any) -> str:
    """The same text for values that are equal in JSON: 1 and 1.0, and objects in any order."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _last_json(text: str) -> tuple[Any, str] | None:
    """The JSON value of the last fenced block that holds one, or the last object or array in the text."""
    text = text[-MAX_CHARS:]
    for candidate in (text, *reversed(fenced(text))):
        try:
            return _loaded(candidate), candidate.strip()
        except ValueError:
            continue
    found, at, tried = None, 0, 0
    while (begin := _BEGIN.search(text, at)) and tried < MAX_TRIED:
        end = _end(text, begin.start())
        piece = text[begin.start() : end]
        tried += len(piece)
        try:
            found, at = (_loaded(piece), piece), end
        except ValueError:
            at = begin.end()
    return found


def _end(text: str, begin: int) -> int:
    """Where the value that begins there ends, if it is JSON."""
    depth, place = 0, begin
    for token in _MARK.finditer(text, begin):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
        place = token.end()
        if depth == 0:
            break
    return place


def _loaded(text: str) -> Any:
    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    try:
        value = json.loads(text, parse_constant=refuse)
        if _depth(value) > MAX_DEPTH:
            raise ValueError("nested too deeply")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"JSON was expected as the answer, got {text.strip()[:60]!r} ({error})") from None
    return value


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [
        inner
        for each in level
        if isinstance(each, dict | list)
        for inner in (each.values() if isinstance(each, dict) else each)
    ]:
        depth += 1
    return depth
