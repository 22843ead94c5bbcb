"""Write the tables of config/README.md from the JSON Schemas: `make config-docs`.

The schemas in workflow/schemas/ are the one source for the meaning of every key and column.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).parents[1]
PAGE = PROJECT / "config" / "README.md"
SCHEMAS = PROJECT / "workflow" / "schemas"
DEFAULTS = PROJECT / "config" / "config.yaml"
_TYPES = {"string": "text", "integer": "whole number", "boolean": "`true`, `false`"}


def keys(schema: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key that holds a value, with dots, and its schema."""
    for name, value in schema["properties"].items():
        if value.get("type") == "object":
            yield from keys(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def allowed(schema: dict[str, Any]) -> str:
    """The values that a schema allows, in words."""
    if "enum" in schema:
        names = ("null" if value is None else value for value in schema["enum"])
        return ", ".join(f"`{name}`" for name in names)
    kind = schema["type"]
    if isinstance(kind, list):
        return " or ".join(allowed({**schema, "type": one}) for one in kind)
    if kind == "null":
        return "`null`"
    if kind == "array":
        return f"list of {allowed(schema['items'])}"
    if kind in ("number", "integer"):
        limits = {
            "minimum": "at least {}",
            "exclusiveMinimum": "above {}",
            "maximum": "at most {}",
            "exclusiveMaximum": "below {}",
        }
        words = [text.format(schema[key]) for key, text in limits.items() if key in schema]
        return " ".join([_TYPES.get(kind, "number"), ", ".join(words)]).strip()
    return _TYPES[kind]


def config_table() -> str:
    """The table of the config keys."""
    schema = json.loads((SCHEMAS / "config.schema.json").read_text("utf-8"))
    defaults = yaml.safe_load(DEFAULTS.read_text("utf-8"))
    rows = []
    for key, value in keys(schema):
        default = defaults
        for name in key.split("."):
            default = default[name]
        shown = default if isinstance(default, str) else json.dumps(default)
        rows.append((f"`{key}`", value["description"], allowed(value), f"`{shown}`"))
    return _table(("key", "meaning", "values", "default"), rows)


def columns_table(name: str) -> str:
    """The table of the columns of the product or the scene table."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    rows = []
    for column, value in schema["properties"].items():
        required = "yes" if column in schema["required"] else ""
        values = allowed(value) if "enum" in value else ""
        rows.append((f"`{column}`", value["description"], values, required))
    return _table(("column", "meaning", "values", "required"), rows)


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def render(page: str) -> str:
    """The page with its tables as the schemas have them now."""
    tables = {name: columns_table(name) for name in ("products", "scenes")}
    for name, table in {"config": config_table(), **tables}.items():
        start, end = f"<!-- {name}.schema.json -->\n", f"<!-- end of {name}.schema.json -->"
        page, count = re.subn(
            rf"{re.escape(start)}.*?{re.escape(end)}",
            lambda _, text=f"{start}{table}{end}": text,  # type: ignore[misc]
            page,
            flags=re.DOTALL,
        )
        if count != 1:
            raise ValueError(f"{PAGE}: expected one table between {start.strip()} and {end}")
    return page


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text("utf-8")), "utf-8")
