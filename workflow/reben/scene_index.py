"""Steps index_scenes and match_scenes: check Sentinel-1 scenes, and find those of each tile.

In: the table of scenes. Out of ``index``: its rows with the grids of their rasters, whose headers
are read before hours are spent on products. Out of ``match``: for each tile, the scenes that meet
it and are near enough in time; with an alignment, those that it names.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from reben.backscatter.on_tile import Placement, open_rasters
from reben.backscatter.scene_raster import COARSE_M, RasterGrid
from reben.config.scene_row import SceneRow
from reben.config.scene_table import border_noise_warnings, read_scenes
from reben.domain.bands import S1_MAX_GAP_H
from reben.domain.grid import TileSquare
from reben.domain.name_columns import tile_of_patch
from reben.domain.names import Sentinel1Name, sensing_time
from reben.domain.tables import ALIGNMENT, read_table
from reben.domain.verdict import Verdict
from reben.memory.recording import note
from reben.results.tile_paths import TilePaths
from reben.runtime import cli
from reben.runtime.errors import RasterError
from reben.runtime.files import file_facts, read_json, write_json
from reben.storage.envi_file import header_of, is_envi

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class IndexedScene:
    """A scene of the table, and the grid of its rasters."""

    row: SceneRow
    grid: RasterGrid

    def to_dict(self) -> dict[str, Any]:
        """The scene as plain JSON."""
        return {"row": self.row.to_dict(), "grid": self.grid.to_dict()}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "IndexedScene":
        """The scene as returned by `to_dict`."""
        return IndexedScene(SceneRow.from_dict(value["row"]), RasterGrid.from_dict(value["grid"]))


def index_scenes(rows: Iterable[SceneRow]) -> list[IndexedScene]:
    """Open the rasters of all scenes and note their grids.

    Raises:
        RasterError: some cannot be used; all are listed.
    """
    scenes, flaws = [], []
    for row in rows:
        try:
            rasters = open_rasters(row)
        except RasterError as error:
            flaws.append(str(error))
            continue
        grid = rasters["VV"].grid
        for raster in rasters.values():
            raster.close()
        scenes.append(IndexedScene(row, grid))
        if (spacing_m := grid.spacing_m) > COARSE_M:
            log.warning(
                "%s: pixels of %.0f m are interpolated to 10 m; expected at most %g m",
                row.scene,
                spacing_m,
                COARSE_M,
            )
    if flaws:
        raise RasterError("\n  ".join(flaws))
    return scenes


def match_scenes(
    tiles: Mapping[str, TileSquare],
    scenes: Sequence[IndexedScene],
    max_gap_h: float = S1_MAX_GAP_H,
    named: Mapping[str, set[str]] | None = None,
) -> dict[str, list[str]]:
    """The scenes of each tile, nearest in time first, in a tie by name.

    Args:
        tiles: place of each tile.
        scenes: all scenes.
        max_gap_h: hours that a scene may be sensed before or after the tile.
        named: for each tile, the first five tokens of the scenes that an alignment names; then
            time does not decide.
    """
    placements: dict[tuple[RasterGrid, TileSquare], bool] = {}
    limit = timedelta(hours=max_gap_h)
    found = {}
    for tile, square in tiles.items():
        sensed = sensing_time(tile)
        near = []
        for scene in scenes:
            name = scene.row.name
            apart = abs(name.start - sensed)
            if name.stem not in named.get(tile, ()) if named is not None else apart > limit:
                continue
            key = scene.grid, square
            if key not in placements:
                placements[key] = Placement(*key).meets()
            if placements[key]:
                near.append((apart, name.name))
        found[tile] = [scene for _, scene in sorted(near)]
        if not near:
            log.warning(
                "%s: no scene meets it%s",
                tile,
                "" if named is not None else f" within {max_gap_h:g} hours (sentinel1.max_gap_h)",
            )
    return found


def named_scenes(alignment: pl.DataFrame) -> dict[str, set[str]]:
    """For each tile, the first five tokens of the scenes in `tables.ALIGNMENT`."""
    named: dict[str, set[str]] = defaultdict(set)
    for tile, s1_name in alignment.select(tile_of_patch(), "s1_name").iter_rows():
        named[tile].add(Sentinel1Name.parse(s1_name).scene)
    return named


def read_index(path: str | Path) -> list[IndexedScene]:
    """The scenes of an index."""
    return [IndexedScene.from_dict(value) for value in read_json(path)]


def main(argv: Sequence[str] | None = None) -> None:
    """Index all scenes, or match them with all tiles."""
    parser = cli.parser(__doc__)
    # Before the step: the workflow puts the options of a rule first.
    parser.add_argument("--backscatter", help="what the rasters hold")
    parser.add_argument("--max-gap-h", type=float, default=S1_MAX_GAP_H, help="hours")
    steps = parser.add_subparsers(dest="step", required=True)
    index = steps.add_parser("index", help="rows and grids of all scenes")
    index.add_argument("--scenes", required=True, help="table of scenes (TSV)")
    match = steps.add_parser("match", help="scenes of each tile")
    match.add_argument("--index", required=True, help="output of the step index")
    match.add_argument(
        "--quality", nargs="+", action=TilePaths, required=True, help="verdicts of all tiles"
    )
    match.add_argument("--alignment", help="alignment with v1 (Parquet)")
    for step in (index, match):
        step.add_argument("--out", required=True, help="JSON")
    args = parser.parse_args(argv)

    if args.step == "index":
        rows = read_scenes(args.scenes, args.backscatter)
        for text in border_noise_warnings(rows):
            log.warning("%s: %s", args.scenes, text)
        scenes = index_scenes(rows.values())
        rasters = [path for row in rows.values() for path in row.rasters.values()]
        rasters += [str(header_of(path)) for path in rasters if is_envi(path)]
        note("rasters", {path: file_facts(path) for path in rasters})
        write_json(args.out, [scene.to_dict() for scene in scenes])
        log.info("%d scenes", len(scenes))
        return
    verdicts = [Verdict.read(path) for path in args.quality]
    tiles = {verdict.tile: verdict.square for verdict in verdicts if verdict.accepted}
    scenes = read_index(args.index)
    named = named_scenes(read_table(args.alignment, ALIGNMENT)) if args.alignment else None
    found = match_scenes(tiles, scenes, args.max_gap_h, named)
    rows_by_name = {scene.row.scene: scene.row.to_dict() for scene in scenes}
    used = sorted({name for names in found.values() for name in names})
    write_json(args.out, {"tiles": found, "scenes": {name: rows_by_name[name] for name in used}})
    log.info("%d of %d scenes meet %d tiles", len(used), len(scenes), len(tiles))


if __name__ == "__main__":
    cli.run(main)
