"""The configuration for editors and for people: its JSON Schema and an example with comments.

Both are made from the model, or held against it by tests; the descriptions are the docstrings that
stand under its fields.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import resources
from itertools import pairwise
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import NODEFAULT, structs

from lightkeeper.config import model
from lightkeeper.config.values import Rate

Json: TypeAlias = dict[str, Any]

SCHEMA_FILE: Final = "lightkeeper.schema.json"
"""What the example calls the file into which `lightkeeper schema` was written."""

_NEEDED: Final = ("type", "secret", "lease")
"""What a mapping must have; all else has a default, be it one that the environment decides."""


def json_schema() -> Json:
    """The JSON Schema of the configuration file, as the loader reads it."""
    schema = msgspec.json.schema(model.Config, schema_hook=_hook)
    told = dict(_docstrings())
    for name, definition in schema["$defs"].items():
        kind = getattr(model, name)
        said = [field.name for field in structs.fields(kind) if _is_said(field)]
        definition["required"] = [key for key in _NEEDED if key in (*definition["required"], *said)]
        for field in structs.fields(kind):
            owner = next(cls.__name__ for cls in kind.__mro__ if (cls.__name__, field.name) in told)
            written = definition["properties"][field.name]
            definition["properties"][field.name] = {
                **_as_written(written, field),
                "description": told[owner, field.name],
            }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Lightkeeper",
        **schema,
    }


def example() -> str:
    """A configuration file that loads as it is, with every key in it or in a comment."""
    return resources.files(__package__).joinpath("example.yaml").read_text(encoding="utf-8")


def _hook(kind: type) -> Json:
    """How a value of ours is written: as a text, and one that is a number without quotes too."""
    return {"type": ["string", "integer"] if kind is Rate else "string"}


def _as_written(schema: Json, field: structs.FieldInfo) -> Json:
    """What stands in a file: no null, the word `none`, and a default as it is typed."""
    options = [one for one in schema.pop("anyOf", []) if one != {"type": "null"}]
    if schema.get("default", "") is None:
        del schema["default"]
    if field.default_factory is NODEFAULT:
        return schema | (options[0] if options else {})
    default = field.default_factory()
    if not isinstance(default, msgspec.Struct | None):
        is_plain = isinstance(default, dict | Rate)
        schema["default"] = default if is_plain else str(default)
    return {**schema, "anyOf": [*options, {"const": model.NONE}]} if options else schema


def _is_said(field: structs.FieldInfo) -> bool:
    """Whether `none` may be written and has to be."""
    return field.default_factory is not NODEFAULT and field.default_factory() is None


def _docstrings() -> Iterator[tuple[tuple[str, str], str]]:
    """The text under each field of the model, by class and field."""
    source = resources.files(__package__).joinpath("model.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            for field, text in pairwise(node.body):
                match field, text:
                    case (
                        ast.AnnAssign(target=ast.Name(id=name)),
                        ast.Expr(value=ast.Constant(value=str(told))),
                    ):
                        yield (node.name, name), " ".join(told.split())
                    case _:
                        pass
