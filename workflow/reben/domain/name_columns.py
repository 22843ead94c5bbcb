"""Parse columns of names: polars expressions that complement `reben.domain.names`.

In: the name of a column of patch_ids or tiles. Out: polars expressions for their parts.
"""

import polars as pl

from reben.domain.names import PATCH_PATTERN

_PATCH = f"^{PATCH_PATTERN}$"
_TILE = (
    r"^(?<mission>S2[A-D])_MSIL2A_(?<sensing>(?<date>\d{8})T\d{6})_N\d{4}_R\d{3}"
    r"_T(?<mgrs>\d{2}[A-Z]{3})$"
)


def tile_of_patch(column: str = "patch_id") -> pl.Expr:
    """The tile of each patch (String); null if it is not a patch name."""
    return pl.col(column).str.extract(_PATCH, 1)


def place_of_patch(column: str = "patch_id") -> pl.Expr:
    """Column and row of each patch as in its name, ``70_40`` (String)."""
    return pl.col(column).str.extract(_PATCH, 2)


def parts_of_tile(column: str = "tile") -> pl.Expr:
    """Parts of the name of each tile.

    Returns:
        Struct of String: ``mission`` (S2A), ``sensing`` (20170613T101031), ``date``
        (20170613), ``mgrs`` (33UUP).
    """
    return pl.col(column).str.extract_groups(_TILE)
