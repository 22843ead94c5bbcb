"""Step make_reference_maps: land cover at 10 m for every valid patch.

In: the tile's CORINE polygons in its zone (`reben.land_cover.corine_polygons`) and its table of
patches.
Out: ``<out>/<patch>/<patch>_reference_map.tif`` and the pixels of every code in every
patch (`tables.CODE_COUNTS`), so that another nomenclature or threshold needs no
rasterising. A pixel takes the code of the polygon that holds its centre; where there is
none, 999. The whole tile is rasterised at once, which gives the same pixels as patch by
patch and many times faster.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import from_origin

from reben.domain.bands import REFERENCE_MAP_M
from reben.domain.grid import TileGrid
from reben.domain.names import patch_id
from reben.domain.tables import CODE_COUNTS, PATCHES, read_table, write_table
from reben.land_cover.corine_polygons import read_clip
from reben.land_cover.nomenclature import NO_POLYGON
from reben.patches import blocks
from reben.runtime import cli
from reben.runtime.errors import TableError
from reben.runtime.files import atomic_directory
from reben.storage.geotiff_writer import Profile, template
from reben.storage.patch_tar import CONTAINERS, Writer, patch_writer

log = logging.getLogger(__name__)

LAYER = "reference_map"


def rasterise(
    grid: TileGrid, codes: NDArray[np.int16], polygons: NDArray[Any]
) -> NDArray[np.uint16]:
    """Burn polygons into the tile's 10 m grid by their pixel centres.

    Args:
        grid: the tile.
        codes: (n,) code of each polygon.
        polygons: (n,) shapely polygons in the tile's zone.

    Returns:
        (tile_px, tile_px) codes, `NO_POLYGON` outside all polygons.
    """
    px = grid.tile_px(REFERENCE_MAP_M)
    out = np.full((px, px), NO_POLYGON, np.uint16)
    if len(codes):
        rasterize(
            zip(polygons, codes.tolist(), strict=True),
            out=out,
            transform=from_origin(grid.x_min, grid.y_max, REFERENCE_MAP_M, REFERENCE_MAP_M),
        )
    return out


def count_codes(row: NDArray[np.uint16], codes: NDArray[np.uint16]) -> NDArray[np.int64]:
    """Count the pixels of each code in each patch of one patch row.

    Args:
        row: (count, patch_px, patch_px) maps.
        codes: (k,) ascending codes that occur in the tile.

    Returns:
        (count, k) pixels.
    """
    index = np.zeros(NO_POLYGON + 1, np.intp)
    index[codes] = np.arange(len(codes))
    keys = index[row.reshape(len(row), row.shape[1] * row.shape[2])] + np.arange(len(row))[
        :, None
    ] * len(codes)
    counts = np.bincount(keys.ravel(), minlength=len(row) * len(codes))
    return counts.reshape(len(row), len(codes))


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
        tile: prefix of the patches' names.
        grid: where the patches lie.
        valid: (row, col) which to write.
        raster: the tile as `rasterise` gives it.
        writer: takes the GeoTIFFs.
        threads: compress with so many.

    Returns:
        Rows of `tables.CODE_COUNTS`, sorted by patch and code.
    """
    px = grid.patch_px(REFERENCE_MAP_M)
    form = template(Profile(grid.epsg, px, REFERENCE_MAP_M, nodata=0, deflate=True))
    maps = blocks(raster[: grid.count * px], px, grid.count)
    occurs = np.zeros(NO_POLYGON + 1, bool)
    for strip in maps:  # at once, the index alone would take a gigabyte
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
                    [(LAYER, [form.deflated(*grid.corner(col, row), pixels)])],
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


def grid_of(patches: pl.DataFrame) -> TileGrid:
    """The grid of the one tile of a `tables.PATCHES` table.

    Raises:
        TableError: the rows belong to several tiles or to none.
    """
    place = patches.select("epsg", "tile_x_min", "tile_y_max", "tile_side_m").unique()
    if len(place) != 1:
        raise TableError(f"expected the patches of one tile, found those of {len(place)}")
    epsg, x_min, y_max, side_m = place.row(0)
    patch_m: int = patches["x_max"][0] - patches["x_min"][0]
    return TileGrid(epsg, x_min, y_max, side_m, patch_m)


def valid_array(patches: pl.DataFrame, grid: TileGrid) -> NDArray[np.bool_]:
    """(row, col) which patches of a tile's table are valid."""
    valid = np.zeros((grid.count, grid.count), bool)
    valid[patches["row"].to_numpy(), patches["col"].to_numpy()] = patches["valid"].to_numpy()
    return valid


def main(argv: Sequence[str] | None = None) -> None:
    """Make the reference maps of one tile."""
    parser = cli.parser(__doc__)
    parser.add_argument("--tile", required=True)
    parser.add_argument("--clip", required=True, help="polygons of the tile (GeoParquet)")
    parser.add_argument("--patches", required=True, help="patches of the tile (Parquet)")
    parser.add_argument("--container", choices=CONTAINERS, default=CONTAINERS[0])
    parser.add_argument("--threads", type=cli.count, default=1)
    parser.add_argument("--out", required=True, help="folder of the GeoTIFFs")
    parser.add_argument("--table", required=True, help="pixels per patch and code (Parquet)")
    args = parser.parse_args(argv)

    patches = read_table(args.patches, PATCHES)
    frame = pl.DataFrame(schema=dict.fromkeys(CODE_COUNTS.names, pl.Null))
    with atomic_directory(args.out) as folder, patch_writer(folder, args.container) as writer:
        if len(patches):
            grid = grid_of(patches)
            raster = rasterise(grid, *read_clip(args.clip))
            valid = valid_array(patches, grid)
            frame = make_reference_maps(args.tile, grid, valid, raster, writer, args.threads)
    write_table(args.table, frame, CODE_COUNTS)
    log.info("%s: %d reference maps", args.tile, frame["patch_id"].n_unique())


if __name__ == "__main__":
    cli.run(main)
