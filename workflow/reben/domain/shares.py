"""Shares of pixels and areas, compared without rounding.

In: a share as the config has it, such as 0.8, and whole numbers. Out: the whole number from which
on the share is reached. In binary 0.8 is none of the fractions that a computer has, and a sum of
two quotients may miss it where the counts reach it exactly.
"""

from fractions import Fraction
from math import ceil, isqrt

import polars as pl

#: Pixel size of sen2cor's scene classification, metres.
SCL_M = 20


def exact(share: float) -> Fraction:
    """The decimal fraction that somebody wrote: 4/5 for 0.8."""
    return Fraction(str(share))


def least_count(share: float, total: int) -> int:
    """The smallest count that is at least this share of `total`."""
    return ceil(exact(share) * total)


def widest_side(share: Fraction, side: int) -> int:
    """The largest whole side of a square with at most this share of the area of a square."""
    return isqrt(int(share * side**2))


def scl_pixels(fraction: str) -> pl.Expr:
    """How many pixels of a patch a fraction of `tables.PATCHES` stands for: a whole number.

    A quotient of two whole numbers, times the second, is nearer to the first than to any other.
    """
    return (pl.col(fraction) * _scl_total()).round().cast(pl.Int64)


def _scl_total() -> pl.Expr:
    return ((pl.col("x_max") - pl.col("x_min")) // SCL_M).cast(pl.Int64) ** 2


def reaches(patches: pl.DataFrame, fractions: list[str], share: float) -> pl.Series:
    """Whether fractions of the scene classification together reach a share; null if one is.

    Args:
        patches: rows of `tables.PATCHES`.
        fractions: its columns that count.
        share: of the pixels of a patch.
    """
    counted = patches.select(
        pixels=sum((scl_pixels(name) for name in fractions), pl.lit(0)), total=_scl_total()
    )
    totals = counted["total"].unique().to_list()
    least = counted["total"].replace_strict(
        totals, [least_count(share, total) for total in totals], return_dtype=pl.Int64
    )
    return counted["pixels"] >= least
