"""Rows of the user's tables, checked against their JSON Schema: products, Sentinel-1 scenes.

In: a tab-separated file. Out: its rows, each with the place to name in a message.
"""

import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from reben.config.tsv import read_cells
from reben.runtime.errors import ConfigError

_SCHEMAS = Path(__file__).parents[2] / "schemas"
_BROKEN_ROW = " (an empty cell, or cells that are not separated by tabs)"
_EXPLAINED = "; config/README.md explains the table"


def read_rows(
    path: str | os.PathLike[str], kind: str, key: str, hints: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a table, checked against ``workflow/schemas/{kind}.schema.json``.

    Args:
        path: the table.
        kind: ``products`` or ``scenes``; one of them is a kind without its s.
        key: of the config that names the table.
        hints: what to add to the message about a column.

    Yields:
        Where the row is, ``mine.tsv, line 3``, and its cells that are not empty, by column.

    Raises:
        ConfigError: the table is unreadable, has other columns, or a row breaks the schema.
    """
    what = f"{kind.removesuffix('s')} table"
    try:
        table = read_cells(path)
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no {what} {path}, seen from {Path.cwd()}. `{key}` in the config "
            "(snakemake --configfile mine.yaml) names it; config/README.md describes its columns"
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: the {what} cannot be read ({error})") from error
    schema = _validator(kind).schema
    columns, required = list(schema["properties"]), schema["required"]
    header = table[0][1] if table else []
    if len(set(header)) < len(header) or not set(required) <= set(header) <= set(columns):
        raise ConfigError(
            f"{path}: expected a header line with the columns {' '.join(required)} and any of "
            f"{' '.join(c for c in columns if c not in required)}, separated by tabs; found "
            f"{' | '.join(header) or 'nothing'}"
        )
    for line, cells in table[1:]:
        where = f"{path}, line {line}"
        row = {name: cell for name, cell in zip(header, cells, strict=False) if cell}
        _check(row, where, kind, hints)
        if any(cells[len(header) :]):
            raise ConfigError(
                f"{where}: expected {len(header)} cells, found {len(cells)}: {' | '.join(cells)}"
            )
        yield where, row
    if not table[1:]:
        raise ConfigError(
            f"{path}: no {kind}; expected one {kind.removesuffix('s')} per line below the header"
        )


def _check(row: dict[str, str], where: str, kind: str, hints: Mapping[str, str]) -> None:
    # Report a wrong cell before an absent one, which may only follow from it.
    if flaws := sorted(_validator(kind).iter_errors(row), key=lambda flaw: not flaw.path):
        column = "/".join(map(str, flaws[0].path)) or "row"
        hint = hints.get(column, _BROKEN_ROW if column == "row" else _EXPLAINED)
        raise ConfigError(f"{where}, {column}: {flaws[0].message}{hint}")


@cache
def _validator(kind: str) -> Any:
    schema = json.loads((_SCHEMAS / f"{kind}.schema.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)
