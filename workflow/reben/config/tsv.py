"""Tab-separated tables as people write them by hand: the product table.

In: a file. Out: its lines as cells. What the cells mean is for `reben.config.product_table`;
steps that need only the names of products read them here, without its schema.
"""

import os
from pathlib import Path


def read_cells(path: str | os.PathLike[str]) -> list[tuple[int, list[str]]]:
    """The lines of a tab-separated table with their numbers, as people write them by hand.

    Empty lines and those that start with ``#`` are passed over. Split, not parsed as CSV: a
    stray quotation mark must not swallow the lines behind it.
    """
    lines = enumerate(Path(path).read_text(encoding="utf-8-sig").split("\n"), start=1)
    return [
        (number, [cell.strip() for cell in line.rstrip().split("\t")])
        for number, line in lines
        if line.strip() and not line.startswith("#")
    ]
