"""Step make_reference_maps: rasterise land cover at 10 m for every valid patch.

In: the tile's clip of the land cover, polygons or a raster (`reben.land_cover.clips`), and its
table of patches.
Out: ``<out>/<patch>/<patch>_reference_map.tif`` and the pixel counts of each code in each
patch (`tables.CODE_COUNTS`), so that a new nomenclature or threshold needs no rasterising.
A pixel gets the code at its centre, or 999 if there is none. The whole tile is rasterised at once:
the result is the same as patch by patch, and many times faster.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reben.domain.bands import REFERENCE_MAP_M
from reben.domain.grid import TileGrid
from reben.domain.names import REFERENCE_MAP, patch_id
from reben.domain.patch_arrays import blocks, grid_of, valid_array
from reben.domain.tables import CODE_COUNTS, PATCHES, read_table, read_tables, write_table
from reben.land_cover.nomenclature import CODES
from reben.land_cover.rasterise import count_codes
from reben.land_cover.tile_codes import read_clip, tile_codes
from reben.results.coverage import coverage_warnings
from reben.runtime import cli
from reben.runtime.files import atomic_directory
from reben.storage.geotiff_writer import Profile, template
from reben.storage.patch_container import CONTAINERS, Writer, patch_writer

log = logging.getLogger(__name__)


def make_reference_maps(
    tile: str,
    grid: TileGrid,
    valid: NDArray[np.bool_],
    raster: NDArray[np.uint16],
    writer: Writer,
    threads: int = 1,
) -> pl.DataFrame:
    """Write the maps of the valid patches and count their codes.

    Args:
        tile: prefix of patch names.
        grid: grid of the patches.
        valid: (row, col) whether to write the patch.
        raster: the tile as `tile_codes` returns it.
        writer: writes the GeoTIFFs.
        threads: number of threads that compress.

    Returns:
        Rows of `tables.CODE_COUNTS`, sorted by patch and code.
    """
    px = grid.patch_px(REFERENCE_MAP_M)
    form = template(Profile(grid.epsg, px, REFERENCE_MAP_M, nodata=0, deflate=True))
    maps = blocks(raster[: grid.count * px], px, grid.count)
    occurs = np.zeros(max(CODES) + 1, bool)
    for strip in maps:  # all at once, the index alone would take a gigabyte
        occurs[strip] = True
    codes = np.flatnonzero(occurs).astype(np.uint16)

    def write_row(row: int) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        cols = np.flatnonzero(valid[row])
        patches = np.ascontiguousarray(maps[row][cols])
        writer.add_row(
            row,
            (
                (
                    patch_id(tile, col, row),
                    [(REFERENCE_MAP, [form.deflated(*grid.corner(col, row), pixels)])],
                )
                for col, pixels in zip(cols.tolist(), patches, strict=True)
            ),
        )
        return cols, count_codes(patches, codes)

    with ThreadPoolExecutor(threads) as pool:
        counted = list(pool.map(write_row, range(grid.count)))
    names: list[str] = []
    for row, (cols, _) in enumerate(counted):
        names += [patch_id(tile, col, row) for col in cols.tolist()]
    pixels = np.concatenate([counts for _, counts in counted])  # (valid patches, k)
    patch, code = np.nonzero(pixels)
    return pl.DataFrame(
        {
            "patch_id": pl.Series(names, dtype=pl.String).gather(patch),
            "code": codes[code].astype(np.int16),
            "pixels": pixels[patch, code].astype(np.int32),
        }
    ).sort("patch_id", "code")


def main(argv: Sequence[str] | None = None) -> None:
    """Make the reference maps of one tile."""
    parser = cli.parser(__doc__)
    parser.add_argument("--tile", required=True)
    parser.add_argument(
        "--clip", required=True, help="land cover of the tile (GeoParquet or GeoTIFF)"
    )
    parser.add_argument("--patches", required=True, help="patches of the tile (Parquet)")
    parser.add_argument("--container", choices=CONTAINERS, default=CONTAINERS[0])
    parser.add_argument("--threads", type=cli.count, default=1)
    parser.add_argument("--out", required=True, help="folder of the GeoTIFFs")
    parser.add_argument("--table", required=True, help="pixels per patch and code (Parquet)")
    args = parser.parse_args(argv)

    patches = read_table(args.patches, PATCHES)
    frame = read_tables([], CODE_COUNTS)
    with atomic_directory(args.out) as folder, patch_writer(folder, args.container) as writer:
        if len(patches):
            grid = grid_of(patches)
            raster = tile_codes(read_clip(args.clip, grid), grid)
            valid = valid_array(patches, grid)
            frame = make_reference_maps(args.tile, grid, valid, raster, writer, args.threads)
    write_table(args.table, frame, CODE_COUNTS)
    for sentence in coverage_warnings(frame):
        log.warning("%s", sentence)
    log.info("%s: %d reference maps", args.tile, frame["patch_id"].n_unique())


if __name__ == "__main__":
    cli.run(main)
