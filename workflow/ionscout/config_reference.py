"""The reference of all configuration keys, made from the pydantic models.

`python -m ionscout.config_reference` rewrites `config/README.md` below its
marker, and the JSON schema that editors use to complete and check a campaign.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo

from ionscout.config import SOURCE_KINDS, Campaign, Settings

ROOT = Path(__file__).parents[2]
README = ROOT / "config" / "README.md"
SCHEMA = ROOT / "workflow" / "schemas" / "campaign.schema.json"
MARKER = "<!-- Written by `make schemas`; edit workflow/ionscout/config.py instead. -->\n"


def reference() -> str:
    """Return the Markdown tables of all keys."""
    parts = [_table("Top level", Campaign, "")]
    parts += [
        _table(f"A source of kind `{model.model_fields['kind'].annotation.__args__[0]}`", model, "")
        for model in SOURCE_KINDS
    ]
    for name, field in Campaign.model_fields.items():
        if _is_section(field):
            parts.append(_table(f"`{name}`", field.annotation, f"{name}."))
    return "\n".join(parts)


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, Settings)


def _table(title: str, model: type[Settings], prefix: str) -> str:
    """Return one Markdown table: a row a key, nested sections flattened."""
    rows = [
        f"| `{key}` | {field.description} | {_type_name(field.annotation)} | {_default(default)} |"
        for key, field, default in _keys(model, prefix, None)
    ]
    summary = (model.__doc__ or "").splitlines()[0]
    head = ["| key | meaning | type | default |", "|---|---|---|---|"]
    return "\n".join([f"### {title}", "", summary, "", *head, *rows, ""])


def _keys(
    model: type[Settings], prefix: str, instance: Settings | None
) -> Iterator[tuple[str, FieldInfo, object]]:
    for name, field in model.model_fields.items():
        default = field.get_default() if instance is None else getattr(instance, name)
        if not _is_section(field):
            yield (
                f"{prefix}{name}",
                field,
                "required" if field.is_required() and instance is None else default,
            )
        elif prefix:
            yield from _keys(field.annotation, f"{prefix}{name}.", default)


def _type_name(annotation: object) -> str:
    """Write a type as a person would."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type_name(arguments[0])
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (list, tuple):
        return f"list of {_type_name(arguments[0])}"
    if origin is dict:
        return "values by name" if arguments[1] is typing.Any else "sources by name"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type_name(part) for part in arguments if part is not type(None))
    names = {bool: "yes or no", int: "whole number", float: "number", str: "text"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(value: object) -> str:
    return "required" if value == "required" else f"`{json.dumps(value)}`"


def write_reference() -> None:
    """Rewrite the tables in `config/README.md` and the JSON schema."""
    introduction = README.read_text().split(MARKER)[0]
    README.write_text(introduction + MARKER + "\n" + reference())
    SCHEMA.write_text(json.dumps(Campaign.model_json_schema(), indent=2) + "\n")


if __name__ == "__main__":
    write_reference()
