"""Read hand-written tab-separated tables: the product table.

In: a file. Out: its lines as cells. `reben.config.product_table` interprets the cells; steps
that need only the names of products read them here, without its schema.
"""

import os
from pathlib import Path


def read_cells(path: str | os.PathLike[str]) -> list[tuple[int, list[str]]]:
    """The lines of a hand-written tab-separated table, with their numbers.

    Empty lines and those that start with ``#`` are skipped. Lines are split, not parsed as CSV: a
    stray quotation mark must not swallow the lines after it.
    """
    lines = enumerate(Path(path).read_text(encoding="utf-8-sig").split("\n"), start=1)
    return [
        (number, [cell.strip() for cell in line.rstrip().split("\t")])
        for number, line in lines
        if line.strip() and not line.startswith("#")
    ]
