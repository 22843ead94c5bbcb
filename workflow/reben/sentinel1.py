"""Steps index_sentinel1 and pair_sentinel1: find the Sentinel-1 patch of each patch.

In: a folder of BigEarthNet-S1 patches, ``<root>/<scene>/<patch>/`` as published or
``<root>/<patch>/`` as in v1. Out of ``index``: their names and places, once. Out of
``pair``: `tables.SENTINEL1` of one tile, every pair opened and checked for size, type,
CRS, place and pixels. With an alignment, the v1 row determines the pair; without one, the patch
nearest in time, if it is near enough, in a tie the first by name.
"""

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import polars as pl

from reben.domain.bands import S1_BANDS, S1_M, S1_MAX_GAP_H
from reben.domain.name_columns import parts_of_tile
from reben.domain.names import Sentinel1Name, parse_time
from reben.domain.tables import (
    ALIGNMENT,
    PATCHES,
    SENTINEL1,
    SENTINEL1_INDEX,
    read_table,
    write_table,
)
from reben.encode import Encoder
from reben.runtime import cli
from reben.runtime.errors import ProductError, RasterError
from reben.storage.image_check import FormChecker, ImageForm
from reben.storage.patch_files import PatchReader

log = logging.getLogger(__name__)

#: Some copies of BigEarthNet-S1 pad column and row with zeros; the tables do not.
_UNPADDED = pl.col("s1_name").str.replace(r"_0*(\d+)_0*(\d+)$", "_${1}_${2}")


def index_sentinel1(root: str | os.PathLike[str]) -> pl.DataFrame:
    """Find all Sentinel-1 patches below a folder (`tables.SENTINEL1_INDEX`), sorted by name.

    Raises:
        ProductError: there are none, or two folders hold the same patch.
    """
    names = []
    for folder in sorted(PatchReader(root).folders()):
        try:
            names.append((Sentinel1Name.parse(folder.rpartition("/")[2]), folder))
        except ProductError:
            log.warning("%s: %s is not a Sentinel-1 patch, skipped", root, folder)
    if not names:
        raise ProductError(
            f"{root}: expected folders of BigEarthNet-S1 patches such as "
            "S1A_IW_GRDH_1SDV_20170613T165043/S1A_IW_GRDH_1SDV_20170613T165043_33UUP_70_40, "
            "found none; correct sentinel1.root"
        )
    index = pl.DataFrame(
        {
            "s1_name": [name.name for name, _ in names],
            "folder": [folder for _, folder in names],
            "mgrs": [name.mgrs for name, _ in names],
            "col": [name.col for name, _ in names],
            "row": [name.row for name, _ in names],
            "sensing": [parse_time(name.sensing) for name, _ in names],
        }
    ).sort("s1_name", "folder")
    if len(twice := index.filter(index.select(_UNPADDED)["s1_name"].is_duplicated())):
        raise ProductError(f"{root}: the same patch occurs twice: {twice['folder'].to_list()[:2]}")
    return index


def choose(
    patches: pl.DataFrame,
    index: pl.DataFrame,
    alignment: pl.DataFrame | None,
    max_gap_h: float = S1_MAX_GAP_H,
) -> pl.DataFrame:
    """The Sentinel-1 patch of each patch that has one.

    Args:
        patches: `tables.PATCHES` of one tile.
        index: `tables.SENTINEL1_INDEX`.
        alignment: `tables.ALIGNMENT`, or None to match by place and time.
        max_gap_h: hours that the two may be apart, where time decides.

    Returns:
        Rows of `patches` with ``s1_name`` (from the alignment or the folder) and ``folder``,
        sorted by patch_id.
    """
    if alignment is not None:
        named = patches.join(alignment.select("patch_id", "s1_name"), on="patch_id")
        folders = index.select(_UNPADDED.alias("unpadded"), "folder")
        return named.join(folders, left_on=_UNPADDED, right_on="unpadded").sort("patch_id")
    parts = parts_of_tile().struct
    sensed = parts.field("sensing").str.to_datetime("%Y%m%dT%H%M%S", time_zone="UTC")
    nearest = (
        patches.with_columns(parts.field("mgrs"), sensed=sensed)
        .join(index, on=["mgrs", "col", "row"])
        .with_columns(apart=(pl.col("sensing") - pl.col("sensed")).abs())
        .sort("patch_id", "apart", "s1_name")
        .unique("patch_id", keep="first", maintain_order=True)
    )
    near = nearest.filter(pl.col("apart") <= timedelta(hours=max_gap_h))
    if len(near) < len(nearest):
        log.warning(
            "%s: %d patches have no Sentinel-1 patch within %g hours (sentinel1.max_gap_h), only "
            "others at their place, such as %s",
            nearest["tile"][0],
            len(nearest) - len(near),
            max_gap_h,
            nearest.filter(pl.col("apart") > timedelta(hours=max_gap_h))["s1_name"][0],
        )
    return near


def pair_sentinel1(
    patches: pl.DataFrame,
    index: pl.DataFrame,
    alignment: pl.DataFrame | None,
    root: Path,
    threads: int = 1,
    max_gap_h: float = S1_MAX_GAP_H,
) -> pl.DataFrame:
    """Rows of `tables.SENTINEL1` for the patches of one tile that have a checked pair.

    Raises:
        RasterError: an image is missing, damaged, has another size, type, CRS or place, or
            pixels that are no backscatter.
    """
    pairs = choose(patches, index, alignment, max_gap_h)
    if len(pairs):
        epsg, patch_side_m = pairs.select("epsg", pl.col("x_max") - pl.col("x_min")).row(0)
        form = ImageForm(patch_side_m // S1_M, epsg, S1_M, "float32")
        checker, encoder, store = FormChecker(form), Encoder("s1", patch_side_m), PatchReader(root)

        def check(pair: tuple[str, int, int]) -> None:
            folder, x_min, y_max = pair
            for band in S1_BANDS:
                checker.check(Path(store.path(folder, band)), (x_min, y_max))
            encoder.encode(store, folder)  # the headers say nothing of the pixels

        _check_all(check, pairs.select("folder", "x_min", "y_max").rows(), threads)
    return pairs.select(SENTINEL1.names)


def _check_all(
    check: Callable[[tuple[str, int, int]], None],
    pairs: Sequence[tuple[str, int, int]],
    threads: int,
) -> None:
    try:
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(check, pairs):
                pass
    except RasterError as error:
        raise RasterError(f"{error}; take the patch out of sentinel1.root or replace it") from error


def main(argv: Sequence[str] | None = None) -> None:
    """Index a folder, or pair one tile."""
    parser = cli.parser(__doc__)
    # Before the step: the workflow puts the options of a rule first.
    parser.add_argument(
        "--max-gap-h",
        type=float,
        default=S1_MAX_GAP_H,
        help="hours that a pair may be apart, where there is no alignment",
    )
    steps = parser.add_subparsers(dest="step", required=True)
    index = steps.add_parser("index", help="names and places of all patches below the root")
    pair = steps.add_parser("pair", help="pairs of one tile")
    for step in (index, pair):
        step.add_argument("--root", required=True, help="folder of BigEarthNet-S1 patches")
        step.add_argument("--out", required=True, help="table (Parquet)")
    pair.add_argument("--index", required=True, help="output of the step index")
    pair.add_argument("--patches", required=True, help="patches of the tile (Parquet)")
    pair.add_argument("--alignment", help="alignment with v1 (Parquet)")
    pair.add_argument("--threads", type=cli.count, default=1)
    args = parser.parse_args(argv)

    if args.step == "index":
        found = index_sentinel1(args.root)
        write_table(args.out, found, SENTINEL1_INDEX)
        log.info("%d Sentinel-1 patches", len(found))
        return
    patches = read_table(args.patches, PATCHES).filter("valid")
    alignment = read_table(args.alignment, ALIGNMENT) if args.alignment else None
    names = read_table(args.index, SENTINEL1_INDEX)
    pairs = pair_sentinel1(patches, names, alignment, Path(args.root), args.threads, args.max_gap_h)
    write_table(args.out, pairs, SENTINEL1)
    log.info("%d of %d valid patches have a Sentinel-1 patch", len(pairs), len(patches))


if __name__ == "__main__":
    cli.run(main)
