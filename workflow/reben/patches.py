"""Step make_patches: cut a product into patches, one GeoTIFF per patch and band.

In: an L2A product. Out: ``<out>/<patch>/<patch>_<band>.tif`` of
the valid patches, and a table with one row per whole patch (`tables.PATCHES`).

The twelve native bands stream from top to bottom in strips of a few patch rows:
decoding the next strip overlaps with writing the previous one. A patch is valid if no pixel
of any band is nodata (BigEarthNet v2); merely touching an invalid region is allowed.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass

import numpy as np
import polars as pl
import rasterio
from numpy.typing import NDArray

from reben.domain.bands import NODATA, PATCH_SIDE_M, RESOLUTION_M, S2_BANDS
from reben.domain.grid import TileGrid
from reben.domain.names import patch_id
from reben.domain.patch_arrays import blocks
from reben.domain.tables import PATCHES, write_table
from reben.memory.recording import note
from reben.quality import judge
from reben.runtime import cli
from reben.runtime.errors import ProductError
from reben.runtime.files import atomic_directory
from reben.safe.jpeg2000 import GDAL_ENV, StripReader
from reben.safe.jpeg2000_driver import require_jpeg2000
from reben.safe.manifest import stated_images
from reben.safe.metadata import L2AProduct
from reben.storage.geotiff_writer import Profile, template
from reben.storage.patch_container import CONTAINERS, Writer, patch_writer
from reben.storage.patch_files import File

log = logging.getLogger(__name__)

SCL = "SCL"
#: Scene classes of sen2cor (Sentinel-2 L2A Product Format, table 3) by what they hide.
SCL_CLASSES = {"snow": (11,), "cloud": (8, 9, 10), "shadow": (3,)}

Strip = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class TilePatches:
    """Findings of one pass over a product's patches; arrays are (row, col).

    Attributes:
        nodata: whether the patch has a nodata pixel, by band.
        scl_fractions: fraction of SCL pixels that are snow, cloud, shadow; None without SCL.
    """

    nodata: dict[str, NDArray[np.bool_]]
    scl_fractions: dict[str, NDArray[np.float64]] | None

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Whether no band has nodata in the patch."""
        anywhere: NDArray[np.bool_] = np.any(list(self.nodata.values()), axis=0)
        return ~anywhere


def harmonise(strip: NDArray[np.uint16], offset: int) -> NDArray[np.uint16]:
    """Remove a negative BOA_ADD_OFFSET, clipped at 1 so that no valid pixel becomes nodata.

    Nodata pixels become 1 as well; patches with any are invalid and never written.
    """
    return np.maximum(strip, np.uint16(1 - offset)) - np.uint16(-offset)


def cut_product(
    product: L2AProduct,
    grid: TileGrid,
    tile: str,
    writer: Writer,
    *,
    harmonise_offset: bool,
    threads: int,
) -> TilePatches:
    """Write the valid patches of a product and report on all of them.

    Args:
        product: an L2A product.
        grid: grid of its patches.
        tile: prefix of the patches' names.
        writer: writes the GeoTIFFs.
        harmonise_offset: remove the reflectance offset of baseline 04.00 and later.
        threads: number of threads that decode and write.

    Raises:
        ProductError: a native band is missing, or an image is not as the manifest has it.
        RasterError: an image is damaged or not of this product.
        ToolError: GDAL has no driver for JPEG 2000.
    """
    require_jpeg2000()
    offsets = product.offsets() if harmonise_offset else {}
    scl_path = product.image(SCL, 20)
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(**GDAL_ENV))
        readers = {
            band: StripReader(product.band_file(band), grid, RESOLUTION_M[band])
            for band in S2_BANDS
        }
        if scl_path is not None:
            readers[SCL] = StripReader(scl_path, grid, 20, "uint8")
        for reader in readers.values():
            stack.enter_context(closing(reader))
        cutter = _Cutter(grid, tile, writer, offsets)
        pool = stack.enter_context(ThreadPoolExecutor(threads))
        # OpenJPEG decodes damaged images without an error. First, so that decoding finds the
        # files in memory, and beside it: what is written counts when all are through.
        checks = [
            pool.submit(stated.check, path)
            for path, stated in stated_images(product.path, product.images().values()).items()
        ]
        if len(checks) < len(readers):
            log.warning(
                "%s: %d of %d images are unchecked, since no manifest.safe has their checksums",
                tile,
                len(readers) - len(checks),
                len(readers),
            )
        written: list[Future[None]] = []
        for first_row, strip in _strips(readers, grid, pool, written):
            cutter.note(first_row, strip)
            written += [
                pool.submit(cutter.write_row, first_row + i, i, strip)
                for i in range(len(strip[S2_BANDS[0]]))
            ]
            _raise_first(checks)
        for future in (*checks, *written):
            future.result()
        return cutter.result()


def _raise_first(checks: Iterable[Future[None]]) -> None:
    """Raise what those that have ended raised."""
    for check in checks:
        if check.done():
            check.result()


def _strips(
    readers: dict[str, StripReader],
    grid: TileGrid,
    pool: ThreadPoolExecutor,
    written: list[Future[None]],
) -> Iterator[tuple[int, Strip]]:
    """Decode strip by strip; yield {layer: (rows, cols, px, px)} and the first row of each.

    Only the next strip is decoded while the caller works on this one, so two strips are in
    memory at a time.
    """
    pixels = {layer: grid.patch_px(RESOLUTION_M.get(layer, 20)) for layer in readers}
    # About one internal tile of the finest band per strip, so that little is carried over.
    rows = max(1, readers["B02"].block_px // pixels["B02"])
    # Finest bands first: if the longest tasks start first, no thread waits long.
    order = sorted(readers, key=lambda layer: -pixels[layer])

    def decode(layer: str, count: int) -> NDArray[np.generic]:
        with rasterio.Env(**GDAL_ENV):
            strip = readers[layer].read(count * pixels[layer])
        return blocks(strip, pixels[layer], grid.count)

    def submit(first: int) -> dict[str, Future[NDArray[np.generic]]]:
        count = min(rows, grid.count - first)
        return {layer: pool.submit(decode, layer, count) for layer in order if count > 0}

    pending = submit(0)
    for first in range(0, grid.count, rows):
        strip = {layer: future.result() for layer, future in pending.items()}
        while written:
            written.pop().result()
        pending = submit(first + rows)
        yield first, strip


class _Cutter:
    """Validates and writes the patches of each strip."""

    def __init__(self, grid: TileGrid, tile: str, writer: Writer, offsets: dict[str, int]) -> None:
        if any(offset > 0 for offset in offsets.values()):
            raise ProductError(f"{tile}: expected BOA_ADD_OFFSET of zero or less, found {offsets}")
        self.grid, self.tile, self.writer, self.offsets = grid, tile, writer, offsets
        shape = (grid.count, grid.count)
        self.nodata = {band: np.zeros(shape, bool) for band in S2_BANDS}
        self.valid = np.zeros(shape, bool)
        self.fractions = {name: np.full(shape, np.nan) for name in SCL_CLASSES}
        self.templates = {
            band: template(Profile(grid.epsg, grid.patch_px(res), res, nodata=NODATA))
            for band, res in RESOLUTION_M.items()
        }

    def note(self, first_row: int, strip: Strip) -> None:
        """Find nodata and scene classes in a strip."""
        rows = slice(first_row, first_row + len(strip[S2_BANDS[0]]))
        for band in S2_BANDS:
            # Rows first: a minimum along memory is many times faster than over 4-D blocks.
            lowest = strip[band].min(axis=2).min(axis=2)
            self.nodata[band][rows] = lowest == NODATA
        self.valid[rows] = ~np.any([self.nodata[band][rows] for band in S2_BANDS], axis=0)
        if SCL in strip:
            for name, classes in SCL_CLASSES.items():
                lookup = np.isin(np.arange(256), classes)
                self.fractions[name][rows] = lookup[strip[SCL]].mean(axis=(2, 3))

    def write_row(self, row: int, index: int, strip: Strip) -> None:
        """Write the valid patches of one patch row."""
        cols = np.flatnonzero(self.valid[row])
        pixels = {}
        for band in S2_BANDS:
            patches = strip[band][index][cols]
            if self.offsets.get(band):
                patches = harmonise(patches, self.offsets[band])
            pixels[band] = np.ascontiguousarray(patches)

        def files(i: int, corner: tuple[int, int]) -> Iterator[File]:
            for band in S2_BANDS:
                yield band, [self.templates[band].at(*corner), pixels[band][i].data]

        self.writer.add_row(
            row,
            (
                (patch_id(self.tile, col, row), files(i, self.grid.corner(col, row)))
                for i, col in enumerate(cols.tolist())
            ),
        )

    def result(self) -> TilePatches:
        seen = not np.isnan(self.fractions["snow"]).any()
        return TilePatches(self.nodata, self.fractions if seen else None)


def patch_table(tile: str, grid: TileGrid, found: TilePatches) -> pl.DataFrame:
    """The table of all whole patches of a tile (`tables.PATCHES`)."""
    col, row = grid.columns_and_rows()
    bands = np.array(S2_BANDS)
    nodata = np.array([found.nodata[band][row, col] for band in S2_BANDS])  # (band, patch)
    x_min = grid.x_min + col * grid.patch_side_m
    y_max = grid.y_max - row * grid.patch_side_m
    fractions = found.scl_fractions or {}
    return pl.DataFrame(
        {
            "patch_id": grid.patch_ids(tile),
            "tile": [tile] * len(col),
            "col": col,
            "row": row,
            "x_min": x_min,
            "y_min": y_max - grid.patch_side_m,
            "x_max": x_min + grid.patch_side_m,
            "y_max": y_max,
            "valid": found.valid[row, col],
            "reason": [f"nodata in {' '.join(bands[n])}" if n.any() else None for n in nodata.T],
        }
    ).with_columns(
        epsg=pl.lit(grid.epsg),
        tile_x_min=pl.lit(grid.x_min),
        tile_y_max=pl.lit(grid.y_max),
        tile_side_m=pl.lit(grid.tile_side_m),
        **{
            f"{name}_fraction": pl.Series(fractions[name][row, col])
            if name in fractions
            else pl.lit(None, pl.Float64)
            for name in SCL_CLASSES
        },
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Cut one product."""
    parser = cli.parser(__doc__)
    parser.add_argument("--product", required=True, help="L2A .SAFE folder")
    parser.add_argument("--tile", required=True, help="prefix of patch names")
    parser.add_argument(
        "--required", nargs="*", default=[], help="quality indicators that must be PASSED"
    )
    parser.add_argument("--patch-side-m", type=int, default=PATCH_SIDE_M, help="metres")
    parser.add_argument(
        "--harmonise-offset", action="store_true", help="remove BOA_ADD_OFFSET (baseline 04.00+)"
    )
    parser.add_argument("--container", choices=CONTAINERS, default=CONTAINERS[0])
    parser.add_argument("--threads", type=cli.count, default=1)
    parser.add_argument("--out", required=True, help="folder of the GeoTIFFs")
    parser.add_argument("--table", required=True, help="table of all patches (Parquet)")
    args = parser.parse_args(argv)

    tile: str = args.tile
    with atomic_directory(args.out) as folder, patch_writer(folder, args.container) as writer:
        product = L2AProduct.open(args.product)
        note("indicators", product.indicators())
        note("verdict", reasons := judge(product, args.required))
        if not reasons:
            grid = product.grid(args.patch_side_m)
            if any(product.offsets().values()) and not args.harmonise_offset:
                log.warning(
                    "%s: has BOA_ADD_OFFSET, kept because patches.harmonise_offset is off", tile
                )
            found = cut_product(
                product,
                grid,
                tile,
                writer,
                harmonise_offset=args.harmonise_offset,
                threads=args.threads,
            )
            frame = patch_table(tile, grid, found)
        else:
            frame = pl.DataFrame(schema=dict.fromkeys(PATCHES.names, pl.Null))
    write_table(args.table, frame, PATCHES)
    log.info("%s: %d patches, %d valid", tile, len(frame), frame["valid"].sum() or 0)


if __name__ == "__main__":
    cli.run(main)
