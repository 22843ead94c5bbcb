"""Rows of small CSV files that people write by hand: legends and nomenclatures.

Each line is parsed by itself: a quotation mark that is not closed must not swallow the lines
after it.
"""

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from reben.runtime.errors import ConfigError


def read_rows(
    path: str | os.PathLike[str], what: str, columns: Sequence[str], comment: str = ""
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with a header.

    Args:
        path: the file.
        what: it is, for messages.
        columns: that it has, in any order.
        comment: how lines begin that are passed over, beside empty ones; if empty, none do.

    Yields:
        The number of the line, and its cells by column, without blanks around them.

    Raises:
        ConfigError: it is unreadable, has other columns, or a line has too many cells; those that
            it lacks are empty.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: the {what} cannot be read ({error})") from error
    header: list[str] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or (comment and line.startswith(comment)):
            continue
        try:
            (cells,) = csv.reader([line], strict=True)
        except csv.Error as error:
            raise ConfigError(
                f"{path}, line {number}: is no line of a CSV file ({error}); close its quotation "
                "marks, and shorten cells of many thousand characters"
            ) from error
        cells = [cell.strip() for cell in cells]
        if header is None:
            header = cells
            if sorted(header) != sorted(columns):
                break
        elif len(cells) > len(header):
            raise ConfigError(
                f"{path}, line {number}: expected {len(header)} cells, found {len(cells)}; put a "
                'text that contains a comma in quotation marks: "Heath, scrub"'
            )
        else:
            yield number, dict.fromkeys(header, "") | dict(zip(header, cells, strict=False))
    if header is None or sorted(header) != sorted(columns):
        found = ",".join(header or ()) or "nothing"
        raise ConfigError(f"{path}: expected the columns {','.join(columns)}, found {found}")
