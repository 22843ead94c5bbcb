"""Tables as CSV that a spreadsheet may open.

In: a table whose texts may come from outside (names in the XML of a product, classes). Out: its
CSV. A cell that begins like a formula would be one in a spreadsheet, which runs it
(``=HYPERLINK(...)``): it gets an apostrophe in front, which says that it is text.
"""

import polars as pl

from reben.domain.plain_text import FORMULA_MARKS, is_formula


def to_csv(frame: pl.DataFrame) -> str:
    """The table as CSV, texts and the names of columns kept from being formulas."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    safe = frame.with_columns(
        pl.when(pl.any_horizontal(pl.col(name).str.starts_with(mark) for mark in FORMULA_MARKS))
        .then(pl.concat_str(pl.lit("'"), pl.col(name)))
        .otherwise(pl.col(name))
        .alias(name)
        for name in texts
    )
    return safe.rename(lambda name: f"'{name}" if is_formula(name) else name).write_csv()
