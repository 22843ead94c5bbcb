"""Step clip_land_cover: bring a land cover map of raster files to the grid of every tile.

In: the files of a map (`reben.land_cover.raster_mosaic`), its legend, and the quality verdicts,
which hold the tiles' grids. Out: a clip of each tile (`reben.land_cover.clips`) as GeoTIFF, and a
manifest that assigns the files to tiles and has the legend. `reben.corine` does so for polygons.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from reben.domain.names import ProductName
from reben.domain.verdict import Verdict
from reben.land_cover.clips import remove_old_clips, write_clips
from reben.land_cover.legend import read_legend
from reben.land_cover.raster_mosaic import RasterMosaic
from reben.results.tile_paths import TilePaths
from reben.runtime import cli
from reben.runtime.errors import RasterError
from reben.runtime.files import write_json
from reben.storage.file_patterns import matching

log = logging.getLogger(__name__)

#: Years between a map and an image from which on it is said.
_MANY_YEARS = 2


def find_files(patterns: Sequence[str]) -> list[Path]:
    """The files of a map, sorted by their paths.

    Raises:
        RasterError: a pattern has none.
    """
    files = {pattern: matching(pattern) for pattern in patterns}
    for pattern, found in files.items():
        if not found:
            raise RasterError(
                f"{pattern}: expected raster files of the land cover map, found none; correct "
                "land_cover.files"
            )
    return sorted({path for found in files.values() for path in found})


def nodata(text: str) -> int | Literal["none"]:
    """Parse the value of no data."""
    if text == "none":
        return "none"
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a whole number or none, found {text!r}"
        ) from None


def too_old(tile: str, year: int) -> str | None:
    """What to say where the map and the image of a tile are many years apart."""
    sensed = int(ProductName.parse(tile).sensing[:4])
    if abs(sensed - year) <= _MANY_YEARS:
        return None
    return f"the land cover map is of {year}, the image of {sensed}: land cover may have changed"


def main(argv: Sequence[str] | None = None) -> None:
    """Clip a land cover map for all tiles."""
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--files", nargs="+", required=True, help="GeoTIFFs, VRTs, patterns of them"
    )
    parser.add_argument("--legend", required=True, help="CSV with value,code,name,colour")
    parser.add_argument(
        "--nodata", type=nodata, help="value of no data, or none; default: that of each file"
    )
    parser.add_argument("--year", type=cli.count, help="year of the map")
    parser.add_argument(
        "--quality", nargs="+", action=TilePaths, required=True, help="verdicts of all tiles (JSON)"
    )
    parser.add_argument("--threads", type=cli.count, default=1, help="tiles at a time")
    parser.add_argument("--manifest", required=True, help="JSON; the clips are written next to it")
    args = parser.parse_args(argv)

    files = find_files(args.files)
    mosaic = RasterMosaic.open(files, read_legend(args.legend), args.nodata)
    manifest = Path(args.manifest)
    verdicts = [Verdict.read(path) for path in args.quality]
    clips = {
        "legend": mosaic.legend.to_dict(),
        "tiles": write_clips(mosaic, verdicts, manifest.parent, args.threads),
    }
    for tile, entry in clips["tiles"].items() if args.year else ():
        if remark := too_old(tile, args.year):
            entry["remarks"].append(remark)
            log.warning("%s: %s", tile, remark)
    write_json(manifest, clips)
    remove_old_clips(manifest.parent, clips)  # only now: until then a manifest names them


if __name__ == "__main__":
    cli.run(main)
