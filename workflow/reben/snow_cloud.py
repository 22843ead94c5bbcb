"""Step flag_snow_cloud: flag patches with seasonal snow, and with cloud or shadow.

In: the patches of all tiles; optionally the alignment with v1, all v1 pairs, and two lists of
v1 names (or patch_ids). Out: `tables.SNOW_CLOUD` of the valid patches. A flag comes from its list
where there is one, else from sen2cor's scene classification; without either it is null. A
list of which nothing is known would flag no patch and is refused.
"""

import logging
import os
from collections.abc import Sequence

import polars as pl

from reben.alignment import read_pairs
from reben.domain.name_columns import tile_of_patch
from reben.domain.names import is_patch_id, is_v1_name
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
    """The names in a list, one per line, without a header; plain or ``.bz2``.

    Empty lines and lines that start with ``#`` are passed over.

    Args:
        path: the list.
        aligned: whether patches have v1 names; otherwise the list must contain patch_ids.

    Raises:
        TableError: the list cannot be read, is empty, or a line is no name of a patch.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: expected a list of patch names: {error}") from error
    if not text.strip():
        raise TableError(
            f"{path}: expected names of patches, found an empty file; fetch or make it again. A "
            "list of no patches holds a comment, such as `# none`"
        )
    names = []
    for number, line in enumerate(text.splitlines(), start=1):
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        if not is_patch_id(name) and not (aligned and is_v1_name(name)):
            raise TableError(f"{path}, line {number}: {_expected(name, aligned)}")
        names.append(name)
    return names


def _expected(name: str, aligned: bool) -> str:
    """What is wrong with a line of a list."""
    if not aligned and is_v1_name(name):
        return (
            f"expected patch_ids, found {name!r}; names of BigEarthNet v1 need alignment.pairs, "
            "which maps them to patches"
        )
    v1 = ", or a name of BigEarthNet v1 such as S2A_MSIL2A_20170613T101031_7_40" if aligned else ""
    return (
        "expected one name of a Sentinel-2 patch and nothing else, such as "
        f"S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_07_40{v1}; found {name!r}"
    )


def check_names(
    path: str,
    names: Sequence[str],
    patches: pl.DataFrame,
    alignment: pl.DataFrame,
    pairs: pl.DataFrame | None,
) -> int:
    """Check that a list belongs to this build.

    A list of a larger area may hold no patch of this build, but then the v1 pairs have its names.

    Args:
        path: of the list.
        names: in it.
        patches: `tables.PATCHES`, with those that are not valid.
        alignment: `tables.ALIGNMENT`, empty without v1.
        pairs: column s2v1_name of all v1 pairs, or None without them.

    Returns:
        How many of the names are patches of this build.

    Raises:
        TableError: none of the names is known, or one is of no patch of its tile.
    """
    listed = pl.DataFrame({"name": names}, schema={"name": pl.String}).unique()
    ours = pl.concat([patches["patch_id"], alignment["s2v1_name"]])
    found = len(listed.filter(pl.col("name").is_in(ours.implode())))
    tiles = patches["tile"].unique()
    strange = listed.filter(
        tile_of_patch("name").is_in(tiles.implode()),
        ~pl.col("name").is_in(patches["patch_id"].implode()),
    )
    if len(strange):
        raise TableError(
            f"{path}: {len(strange)} names are of no patch of their tile, such as "
            f"{min(strange['name'].to_list())}; give a list made for patches of this size "
            "(patches.side_m)"
        )
    known = found
    if pairs is not None:
        known += len(listed.filter(pl.col("name").is_in(pairs["s2v1_name"].implode())))
    if len(listed) and len(patches) and not known:
        raise TableError(
            f"{path}: none of its {len(listed)} names, such as {names[0]}, is a patch of this "
            f"build, such as {ours.head(1).to_list()[0]}"
            + (", or in the table of alignment.pairs" if pairs is not None else "")
            + "; give the list of these patches. A list of no patches holds a comment, such as "
            "`# none`"
        )
    return found


def flag(
    patches: pl.DataFrame, names: Sequence[str] | None, fractions: list[str], minimum: float
) -> pl.Series:
    """One flag for each patch.

    Args:
        patches: with patch_id and s2v1_name; without `names` also rows of `tables.PATCHES`.
        names: patches that have it, by v1 name or patch_id; None uses the SCL.
        fractions: shares of the patch that show it in the SCL (`tables.PATCHES`).
        minimum: share from which on they count, together.

    Returns:
        True, False, or null if there is neither list nor SCL.
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
        scl_cover_fraction: fraction of SCL pixels from which a flag is set.
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
    parser.add_argument("--pairs", help="all v1 pairs, whose names a list may hold (CSV, Parquet)")
    parser.add_argument("--seasonal-snow", help="list of patches with seasonal snow")
    parser.add_argument("--cloud-or-shadow", help="list of patches with cloud or shadow")
    parser.add_argument("--scl-cover-fraction", type=cli.share, default=0.5)
    parser.add_argument("--out", required=True, help="flags (Parquet)")
    args = parser.parse_args(argv)

    aligned = args.alignment is not None
    patches = read_tables(args.patches, PATCHES)
    alignment = read_table(args.alignment, ALIGNMENT) if aligned else read_tables([], ALIGNMENT)
    pairs = read_pairs(args.pairs) if args.pairs else None

    def listed(path: str | None) -> list[str] | None:
        if path is None:
            return None
        names = read_names(path, aligned=aligned)
        found = check_names(path, names, patches, alignment, pairs)
        log.info("%s: %d of %d names are patches of this build", path, found, len(set(names)))
        return names

    flags = flag_snow_cloud(
        patches.filter("valid"),
        alignment,
        listed(args.seasonal_snow),
        listed(args.cloud_or_shadow),
        args.scl_cover_fraction,
    )
    write_table(args.out, flags, SCHEMA)
    counts = [flags[name].sum() for name in flags.columns[1:]]
    log.info("%d patches, %d with snow, %d with cloud or shadow", len(flags), *counts)


if __name__ == "__main__":
    cli.run(main)
