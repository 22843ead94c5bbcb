"""Step clip_corine: clip the CORINE polygons of every tile, in the tile's own zone.

In: a CORINE release (`reben.land_cover.corine_polygons`) and the quality verdicts, which hold the
tiles' grids. Out: one GeoParquet per tile, named after its content, and a manifest that
assigns the files to tiles. Files with unchanged content are not touched, so that a CORINE
update rasterises and labels only the tiles that it affects.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reben.domain.verdict import Verdict
from reben.land_cover.corine_polygons import Clip, PolygonLayer
from reben.results.tile_paths import TilePaths
from reben.runtime import cli
from reben.runtime.errors import VectorError
from reben.runtime.files import write_json

log = logging.getLogger(__name__)


def clip_corine(layer: PolygonLayer, verdicts: Sequence[Verdict], folder: Path) -> dict[str, Any]:
    """Write the missing clips; return the manifest."""
    tiles: dict[str, Any] = {}
    written = 0
    for verdict in sorted(verdicts, key=lambda v: v.tile):
        if verdict.accepted:
            try:
                clip = layer.clip(verdict.square)
            except VectorError as error:
                raise VectorError(f"{verdict.tile}: {error}") from error
        else:  # the tile will have no patches, so it needs no polygons
            clip = Clip(verdict.square, np.empty(0, np.int16), [])
        name = f"{verdict.tile}-{clip.digest()}.parquet"
        if not (folder / name).exists():
            clip.write(folder / name)
            written += 1
        tiles[verdict.tile] = {
            "clip": name,
            "polygons": len(clip.codes),
            "repaired": clip.repaired,
        }
    log.info("%d tiles, %d clips written, the others unchanged", len(tiles), written)
    return {
        "layer": layer.name,
        "code_column": layer.code_column,
        "without_geometry": layer.layer.without_geometry,
        "tiles": tiles,
    }


def remove_old_clips(folder: Path, manifest: dict[str, Any]) -> None:
    """Remove the clips that no tile of the manifest has."""
    current = {entry["clip"] for entry in manifest["tiles"].values()}
    for path in folder.glob("*.parquet"):
        if path.name not in current:
            path.unlink()


def main(argv: Sequence[str] | None = None) -> None:
    """Clip a CORINE release for all tiles."""
    parser = cli.parser(__doc__)
    parser.add_argument("--corine", required=True, help="vector file, e.g. a GeoPackage")
    parser.add_argument("--layer", help="layer, if the file has several")
    parser.add_argument("--code-column", help="column of the codes, if it is not Code_<year>")
    parser.add_argument(
        "--quality", nargs="+", action=TilePaths, required=True, help="verdicts of all tiles (JSON)"
    )
    parser.add_argument("--manifest", required=True, help="JSON; the clips are written next to it")
    args = parser.parse_args(argv)

    layer = PolygonLayer.open(args.corine, args.layer, args.code_column)
    manifest = Path(args.manifest)
    verdicts = [Verdict.read(path) for path in args.quality]
    clips = clip_corine(layer, verdicts, manifest.parent)
    write_json(manifest, clips)
    remove_old_clips(manifest.parent, clips)  # only now: until then a manifest names them


if __name__ == "__main__":
    cli.run(main)
