"""Step flag_snow_cloud: seasonal snow, and cloud or shadow, of each patch.

In: the patches of all tiles; optionally the alignment with v1 and two lists of v1 names
(or patch_ids). Out: `tables.SNOW_CLOUD` of the valid patches. A flag comes from its list
where there is one, else from sen2cor's scene classification; without either it is null.
"""

import logging
import os
from collections.abc import Sequence

import polars as pl

from reben.domain.names import is_patch_id
from reben.domain.shares import reaches
from reben.domain.tables import ALIGNMENT, PATCHES, read_table, read_tables, write_table
from reben.domain.tables import SNOW_CLOUD as SCHEMA
from reben.results.tile_paths import TilePaths
from reben.runtime import cli
from reben.runtime.errors import TableError
from reben.runtime.files import read_bytes

log = logging.getLogger(__name__)

#: Columns of `tables.PATCHES` that show each in the scene classification.
SNOW = ["snow_fraction"]
CLOUD_OR_SHADOW = ["cloud_fraction", "shadow_fraction"]


def read_names(path: str | os.PathLike[str], *, aligned: bool) -> list[str]:
    """The names in a list, one a line, without a header; plain or ``.bz2``.

    Args:
        path: the list.
        aligned: whether patches have v1 names; otherwise the list must be of patch_ids.

    Raises:
        TableError: the list cannot be read, or a line is no Sentinel-2 name or of no use.
    """
    try:
        text = read_bytes(path).decode()
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: expected a list of patch names: {error}") from error
    names = text.split()
    if strange := [name for name in names if not name.startswith("S2")]:
        raise TableError(f"{path}: expected names of Sentinel-2 patches, found {strange[0]!r}")
    if not aligned and (unknown := [name for name in names if not is_patch_id(name)]):
        raise TableError(
            f"{path}: expected patch_ids, found {unknown[0]!r}; names of BigEarthNet v1 mean "
            "nothing without alignment.pairs, which says whose they are"
        )
    return names


def flag(
    patches: pl.DataFrame, names: Sequence[str] | None, fractions: list[str], minimum: float
) -> pl.Series:
    """One flag for each patch.

    Args:
        patches: with patch_id and s2v1_name; without `names` also rows of `tables.PATCHES`.
        names: patches that have it, by v1 name or patch_id; None takes the SCL.
        fractions: shares of the patch that show it in the SCL (`tables.PATCHES`).
        minimum: share from which on they count, together.

    Returns:
        True, False, or null where neither list nor SCL tells.
    """
    if names is None:
        return reaches(patches, fractions, minimum)
    listed = pl.Series(names, dtype=pl.String).implode()
    found = pl.col("patch_id").is_in(listed) | pl.col("s2v1_name").is_in(listed).fill_null(False)
    return patches.select(flag=found)["flag"]


def flag_snow_cloud(
    patches: pl.DataFrame,
    alignment: pl.DataFrame,
    snow: Sequence[str] | None,
    cloud: Sequence[str] | None,
    scl_cover_fraction: float,
) -> pl.DataFrame:
    """Rows of `tables.SNOW_CLOUD` for the patches, in their order.

    Args:
        patches: `tables.PATCHES`.
        alignment: `tables.ALIGNMENT`, empty without v1.
        snow: names of patches with seasonal snow, or None.
        cloud: names of patches with cloud or shadow, or None.
        scl_cover_fraction: share of SCL pixels from which on a flag is set.
    """
    named = patches.join(alignment, on="patch_id", how="left", maintain_order="left")
    return named.select("patch_id").with_columns(
        contains_seasonal_snow=flag(named, snow, SNOW, scl_cover_fraction),
        contains_cloud_or_shadow=flag(named, cloud, CLOUD_OR_SHADOW, scl_cover_fraction),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Flag the patches of all tiles."""
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--patches", nargs="+", action=TilePaths, required=True, help="tables of all tiles"
    )
    parser.add_argument("--alignment", help="alignment with v1 (Parquet)")
    parser.add_argument("--seasonal-snow", help="list of patches with seasonal snow")
    parser.add_argument("--cloud-or-shadow", help="list of patches with cloud or shadow")
    parser.add_argument("--scl-cover-fraction", type=cli.share, default=0.5)
    parser.add_argument("--out", required=True, help="flags (Parquet)")
    args = parser.parse_args(argv)

    aligned = args.alignment is not None
    snow, cloud = (
        read_names(path, aligned=aligned) if path else None
        for path in (args.seasonal_snow, args.cloud_or_shadow)
    )
    flags = flag_snow_cloud(
        read_tables(args.patches, PATCHES).filter("valid"),
        read_table(args.alignment, ALIGNMENT) if aligned else read_tables([], ALIGNMENT),
        snow,
        cloud,
        args.scl_cover_fraction,
    )
    write_table(args.out, flags, SCHEMA)
    counts = [flags[name].sum() for name in flags.columns[1:]]
    log.info("%d patches, %d with snow, %d with cloud or shadow", len(flags), *counts)


if __name__ == "__main__":
    cli.run(main)
