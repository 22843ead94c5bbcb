"""Step clip_corine: clip the CORINE polygons of every tile, in the tile's own zone.

In: a CORINE release (`reben.land_cover.corine_polygons`) and the quality verdicts, which hold the
tiles' grids. Out: a clip of each tile (`reben.land_cover.clips`) as GeoParquet, and a manifest
that assigns the files to tiles.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reben.domain.verdict import Verdict
from reben.land_cover.clips import remove_old_clips, write_clips
from reben.land_cover.corine_polygons import PolygonLayer
from reben.results.tile_paths import TilePaths
from reben.runtime import cli
from reben.runtime.files import write_json
from reben.storage.vector_archive import unpacked


def clip_corine(
    layer: PolygonLayer, verdicts: Sequence[Verdict], folder: Path, threads: int = 1
) -> dict[str, Any]:
    """Write the missing clips; return the manifest."""
    return {
        "layer": layer.name,
        "code_column": layer.code_column,
        "without_geometry": layer.layer.without_geometry,
        "tiles": write_clips(layer, verdicts, folder, threads),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Clip a CORINE release for all tiles."""
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--corine", required=True, help="vector file, e.g. a GeoPackage, or a zip of one"
    )
    parser.add_argument("--layer", help="layer, if the file has several")
    parser.add_argument("--code-column", help="column of the codes, if it is not Code_<year>")
    parser.add_argument(
        "--quality", nargs="+", action=TilePaths, required=True, help="verdicts of all tiles (JSON)"
    )
    parser.add_argument("--threads", type=cli.count, default=1, help="tiles at a time")
    parser.add_argument("--manifest", required=True, help="JSON; the clips are written next to it")
    args = parser.parse_args(argv)

    manifest = Path(args.manifest)
    verdicts = [Verdict.read(path) for path in args.quality]
    with unpacked(args.corine, manifest.parent) as path:
        layer = PolygonLayer.open(path, args.layer, args.code_column)
        clips = clip_corine(layer, verdicts, manifest.parent, args.threads)
    write_json(manifest, clips)
    remove_old_clips(manifest.parent, clips)  # only now: until then a manifest names them


if __name__ == "__main__":
    cli.run(main)
