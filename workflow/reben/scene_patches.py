"""Step cut_sentinel1: cut Sentinel-1 patches from scenes, on the patches of a tile.

In: the patches of a tile and its scenes (`reben.scene_index`). Out: ``<out>/<patch>/`` with
``<patch>_VV.tif``, ``<patch>_VH.tif`` and ``<patch>_labels_metadata.json`` as in BigEarthNet-S1,
and `tables.SENTINEL1_SCENES`. Each patch takes the scene nearest in time that has VV and VH there;
with an alignment, the scene that it names. Scenes never mix in a patch.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import polars as pl
import pyproj
from numpy.typing import NDArray

from reben.backscatter.on_tile import Block, SceneOnTile
from reben.backscatter.scene_raster import Float, ScaleCheck
from reben.config.scene_row import SceneRow
from reben.domain.bands import S1_BANDS, S1_M
from reben.domain.grid import TileGrid
from reben.domain.names import (
    PatchName,
    ProductName,
    Sentinel1Name,
    patch_id,
    sensing_time,
)
from reben.domain.patch_arrays import blocks, grid_of, valid_array
from reben.domain.scene_names import pass_of
from reben.domain.tables import ALIGNMENT, PATCHES, SENTINEL1_SCENES, read_table, write_table
from reben.runtime import cli
from reben.runtime.errors import RasterError
from reben.runtime.files import atomic_directory, read_json
from reben.storage.geotiff_writer import Profile, template
from reben.storage.patch_container import CONTAINERS, Writer, patch_writer
from reben.storage.patch_files import S1_METADATA, File, Patch
from reben.storage.pixel_check import flaw

log = logging.getLogger(__name__)

#: Rows and columns of pixels that are warped at a time. The approximated transform depends on them
#: in the last digits, so that they are the same whichever patches a scene is read for.
_CELL_PX = 480, 960

Bool = NDArray[np.bool_]


class SceneCutter:
    """Cuts the patches of one tile; thread-safe.

    Args:
        tile: the tile.
        grid: its patches.
        scenes: its scenes, those to be preferred first.
        allowed: for each scene, the patches that may take it, (scene, row, col).
        min_valid_fraction: of a patch's pixels that must have VV and VH.
    """

    def __init__(
        self,
        tile: str,
        grid: TileGrid,
        scenes: Sequence[SceneRow],
        allowed: Bool,
        min_valid_fraction: float = 1.0,
    ) -> None:
        self.tile, self.grid, self.scenes, self.allowed = tile, grid, scenes, allowed
        self.px = grid.patch_px(S1_M)
        self._cols = max(1, _CELL_PX[1] // self.px)
        self._min_valid_fraction = min_valid_fraction
        self._template = template(Profile(grid.epsg, self.px, S1_M, "float32", nodata=None))
        self._checks = {
            path: ScaleCheck(path, row.scale) for row in scenes for path in row.rasters.values()
        }
        self._flaws: dict[str, list[str]] = defaultdict(list)
        self._lock = Lock()
        self.number = np.full((grid.count, grid.count), -1, np.int16)

    @cached_property
    def _mgrs(self) -> str:
        return ProductName.parse(self.tile).mgrs

    @cached_property
    def _projection(self) -> str:
        return pyproj.CRS.from_epsg(self.grid.epsg).to_wkt("WKT1_GDAL")

    def name(self, scene: SceneRow, col: int, row: int) -> Sentinel1Name:
        """The name of a patch."""
        return scene.name.patch(self._mgrs, col, row)

    def cut(self, writer: Writer, threads: int) -> None:
        """Write all patches, and note in `number` which scene each was cut from.

        Raises:
            RasterError: a raster cannot be used, or its values are not of the stated scale.
        """
        rows = max(1, _CELL_PX[0] // self.px)
        starts = range(0, self.grid.count, rows)
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(lambda first: self._cut_strip(first, rows, writer), starts):
                pass
        flaws = [flaw for check in self._checks.values() if (flaw := check.flaw())]
        if flaws:
            raise RasterError(f"{flaws[0]}; correct `scale` in the scene table")
        for scene, found in sorted(self._flaws.items()):
            log.warning(
                "%s: %d patches were not taken from it, such as one with %s; a value without data "
                "belongs into `nodata` or `zero_is_nodata` of the scene table",
                scene,
                len(found),
                min(found),
            )

    def _cut_strip(self, first: int, rows: int, writer: Writer) -> None:
        rows = min(rows, self.grid.count - first)
        strip = slice(first, first + rows)
        patches: dict[tuple[int, int], Patch] = {}
        for number, scene in enumerate(self.scenes):
            wanted = self.allowed[number, strip] & (self.number[strip] < 0)
            if not wanted.any():
                continue
            with SceneOnTile.open(scene, self.grid) as opened:
                for left in range(0, self.grid.count, self._cols):
                    cols = slice(left, min(left + self._cols, self.grid.count))
                    if not wanted[:, cols].any():
                        continue
                    pixels = self._read(opened, first, rows, cols)
                    if pixels is None:
                        continue
                    usable = self._usable(scene, pixels, wanted[:, cols])
                    self.number[strip, cols][usable] = number  # its own rows: thread-safe
                    for i, j in np.argwhere(usable).tolist():
                        images = {band: pixels[band][i, j] for band in S1_BANDS}
                        row, col = first + i, left + j
                        patches[row, col] = self._patch(scene, col, row, images)
        for row in range(first, first + rows):
            writer.add_row(row, [patches[place] for place in sorted(patches) if place[0] == row])

    def _read(
        self, scene: SceneOnTile, first: int, rows: int, cols: slice
    ) -> dict[str, Float] | None:
        """Decibels of a cell of patches, (row, col, px, px) by band."""
        count = cols.stop - cols.start
        block = Block(*(self.px * n for n in (first, cols.start, rows, count)))
        found = scene.read(block)
        if found is None:
            return None
        decibels, values = found
        with self._lock:
            for band, raster in scene.rasters.items():
                self._checks[str(raster.path)].note(values[band])
        return {band: blocks(pixels, self.px, count) for band, pixels in decibels.items()}

    def _usable(self, scene: SceneRow, pixels: Mapping[str, Float], wanted: Bool) -> Bool:
        """Which of the wanted patches have VV and VH that can be backscatter: (row, col)."""
        both = np.isfinite(pixels["VV"]) & np.isfinite(pixels["VH"])
        needed_px = self._min_valid_fraction * self.px**2
        usable: Bool = wanted & (np.count_nonzero(both, axis=(2, 3)) >= needed_px)
        for row, col in np.argwhere(usable).tolist():
            for band in S1_BANDS:
                found = flaw("s1", pixels[band][row, col], self._min_valid_fraction)
                if found:
                    usable[row, col] = False
                    with self._lock:
                        self._flaws[scene.scene].append(f"{band}: {found}")
                    break
        return usable

    def _patch(self, scene: SceneRow, col: int, row: int, images: Mapping[str, Float]) -> Patch:
        """The files of a patch."""
        corner = self.grid.corner(col, row)

        def files() -> Iterator[File]:
            for band, image in images.items():
                yield band, [self._template.at(*corner), np.ascontiguousarray(image).data]
            yield S1_METADATA, [self._metadata(scene, col, row).encode()]

        return self.name(scene, col, row).name, list(files())

    def _metadata(self, scene: SceneRow, col: int, row: int) -> str:
        """What BigEarthNet-S1 says of a patch, but for its labels, which are in the metadata."""
        (ulx, uly), side = self.grid.corner(col, row), self.grid.patch_side_m
        return json.dumps(
            {
                "coordinates": {"ulx": ulx, "uly": uly, "lrx": ulx + side, "lly": uly - side},
                "projection": self._projection,
                "corresponding_s2_patch": patch_id(self.tile, col, row),
                "scene_source": scene.scene,
                "acquisition_time": f"{scene.name.start:%Y-%m-%dT%H:%M:%S}",
            }
        )

    def table(self) -> pl.DataFrame:
        """Rows of `tables.SENTINEL1_SCENES` for the patches that were cut."""
        sensed = sensing_time(self.tile)
        rows: list[dict[str, Any]] = []
        for row, col in np.argwhere(self.number >= 0).tolist():
            scene = self.scenes[self.number[row, col]]
            start, name = scene.name.start, self.name(scene, col, row).name
            rows.append(
                {
                    "patch_id": patch_id(self.tile, col, row),
                    "s1_name": name,
                    "folder": f"{self.tile}/{name}",
                    "s1_gap_h": abs((start - sensed).total_seconds()) / 3600,
                    "s1_pass": pass_of(start, self.grid.epsg, self.grid.y_max),
                    "s1_relative_orbit": scene.relative_orbit,
                }
            )
        frame = pl.DataFrame(rows, schema=dict.fromkeys(SENTINEL1_SCENES.names), orient="row")
        return frame.sort("patch_id")


def allowed_patches(
    patches: pl.DataFrame,
    grid: TileGrid,
    scenes: Sequence[SceneRow],
    alignment: pl.DataFrame | None,
) -> Bool:
    """Which patches may take each scene: (scene, row, col).

    Args:
        patches: `tables.PATCHES` of the tile.
        grid: its patches.
        scenes: its scenes.
        alignment: `tables.ALIGNMENT`, or None if time decides.
    """
    if alignment is None:
        return np.repeat(valid_array(patches, grid)[np.newaxis], len(scenes), axis=0)
    allowed = np.zeros((len(scenes), grid.count, grid.count), bool)
    numbers = {scene.name.stem: i for i, scene in enumerate(scenes)}
    aligned = alignment.join(patches.filter("valid"), on="patch_id", how="semi")
    for patch, s1_name in aligned.select("patch_id", "s1_name").iter_rows():
        place, number = PatchName.parse(patch), numbers.get(Sentinel1Name.parse(s1_name).scene)
        if number is not None:
            allowed[number, place.row, place.col] = True
    return allowed


def main(argv: Sequence[str] | None = None) -> None:
    """Cut the Sentinel-1 patches of one tile."""
    parser = cli.parser(__doc__)
    parser.add_argument("--tile", required=True)
    parser.add_argument("--scenes", required=True, help="scenes of all tiles (JSON)")
    parser.add_argument("--patches", required=True, help="patches of the tile (Parquet)")
    parser.add_argument("--alignment", help="alignment with v1 (Parquet)")
    parser.add_argument("--min-valid-fraction", type=cli.share, default=1.0)
    parser.add_argument("--container", choices=CONTAINERS, default=CONTAINERS[0])
    parser.add_argument("--threads", type=cli.count, default=1)
    parser.add_argument("--out", type=Path, required=True, help="folder of the GeoTIFFs")
    parser.add_argument("--table", required=True, help="table of the patches (Parquet)")
    args = parser.parse_args(argv)

    tile: str = args.tile
    found = read_json(args.scenes)
    scenes = [SceneRow.from_dict(found["scenes"][n]) for n in found["tiles"].get(tile, [])]
    patches = read_table(args.patches, PATCHES)
    alignment = read_table(args.alignment, ALIGNMENT) if args.alignment else None
    table = pl.DataFrame(schema=dict.fromkeys(SENTINEL1_SCENES.names, pl.Null))
    with atomic_directory(args.out) as folder, patch_writer(folder, args.container) as writer:
        if len(patches):
            grid = grid_of(patches)
            allowed = allowed_patches(patches, grid, scenes, alignment)
            cutter = SceneCutter(tile, grid, scenes, allowed, args.min_valid_fraction)
            cutter.cut(writer, args.threads)
            table = cutter.table()
    write_table(args.table, table, SENTINEL1_SCENES)
    valid = int(patches["valid"].sum() or 0)
    log.info("%s: %d of %d valid patches have a Sentinel-1 patch", tile, len(table), valid)
    for scene in scenes:
        share = table["s1_name"].str.starts_with(scene.name.stem).sum() if len(table) else 0
        log.info("%s: %d patches", scene.scene, share)


if __name__ == "__main__":
    cli.run(main)
