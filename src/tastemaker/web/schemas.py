"""Schemas in words: describes types of JSON Schema for the tables of the reference page."""

from collections.abc import Iterator
from typing import Any, NamedTuple

Schema = dict[str, Any]

WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "null": "null",
}


class Part(NamedTuple):
    """A piece of the description of a type, and the API type that it links to, if any."""

    text: str
    type: str = ""


class Field(NamedTuple):
    """One row of a table: a property or a parameter."""

    name: str
    kind: list[Part]
    required: bool
    default: str
    words: str


def kind_of(schema: Schema) -> list[Part]:
    """The type of a value in words: `list of Event`, `whole number, 1 to 500`, `text or null`."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return [Part(name, name)]
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return [Part(" or ".join(f'"{value}"' for value in values))]
    if _alternatives(schema):
        return _joined([kind_of(each) for each in _alternatives(schema)], " or ")
    if schema.get("type") == "array":
        max_items = schema.get("maxItems")
        item_kind = kind_of(schema.get("items", {}))
        return [
            Part("list of "),
            *item_kind,
            *([Part(f", at most {max_items:,}")] if max_items else []),
        ]
    word = WORDS.get(schema.get("type", ""), "anything")
    return [Part(word + _range(schema))]


def fields_of(schema: Schema) -> list[Field]:
    """The properties of an object."""
    required = schema.get("required", ())
    return [
        Field(
            name,
            kind_of(property_schema),
            name in required,
            _default(property_schema),
            property_schema.get("description", ""),
        )
        for name, property_schema in schema.get("properties", {}).items()
    ]


def example_of(schema: Schema, types: dict[str, Schema], depth: int = 0) -> Any:
    """An example of a type, with its required properties, or its first one if none is required."""
    if "$ref" in schema:
        return example_of(types[schema["$ref"].rpartition("/")[2]], types, depth)
    if _alternatives(schema):
        # Of a batch and a single object, the example is the single object, which is the last.
        alternatives = [each for each in _alternatives(schema) if each.get("type") != "null"]
        return example_of(
            alternatives[-1] if "$ref" in alternatives[-1] else alternatives[0], types, depth
        )
    if "properties" in schema:
        names = schema.get("required") or list(schema["properties"])[:1]
        return {name: example_of(schema["properties"][name], types, depth + 1) for name in names}
    if schema.get("type") == "array":
        return [example_of(schema.get("items", {}), types, depth + 1)] if depth < 3 else []
    return {"integer": 42, "number": 0.5, "boolean": True}.get(schema.get("type", ""), "…")


def _alternatives(schema: Schema) -> list[Schema]:
    """The alternatives of a union (anyOf or oneOf); empty for any other type."""
    alternatives: list[Schema] = schema.get("anyOf") or schema.get("oneOf") or []
    return alternatives


def _range(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None and abs(low) < 2**53:
        return f", {low:,} to {high:,}"
    longest = schema.get("maxLength")
    return f", at most {longest:,} characters" if longest else ""


def _default(schema: Schema) -> str:
    value = schema.get("default")
    if value is None or value == []:
        return ""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _joined(kinds: list[list[Part]], word: str) -> list[Part]:
    def parts() -> Iterator[Part]:
        for position, kind in enumerate(kinds):
            if position:
                yield Part(word)
            yield from kind

    return list(parts())
