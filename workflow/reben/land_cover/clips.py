"""Clips: the land cover of each tile in a file of its own, named after its content.

In: land cover, as polygons (`reben.land_cover.corine_polygons`) or as rasters
(`reben.land_cover.raster_mosaic`), and the verdicts, which hold the tiles' grids. Out: a file for
each tile, and which tile has which. A file with unchanged content is not touched, so that an update
of the land cover redoes only the tiles that it changes.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from reben.domain.grid import TileSquare
from reben.domain.verdict import Verdict
from reben.runtime.errors import RebenError

log = logging.getLogger(__name__)


class Clip(Protocol):
    """The land cover of one tile."""

    @property
    def suffix(self) -> str:
        """Of its file."""

    @property
    def facts(self) -> dict[str, Any]:
        """What the manifest says of it; ``remarks`` are sentences for people."""

    def digest(self) -> str:
        """16 hexadecimal digits that identify its place and content."""

    def write(self, path: Path) -> None:
        """Write its file."""


class LandCover(Protocol):
    """Land cover that can be clipped."""

    def clip(self, square: TileSquare) -> Clip:
        """That of a tile."""

    def empty(self, square: TileSquare) -> Clip:
        """None at all, for a tile that will have no patches."""


def write_clips(
    land_cover: LandCover, verdicts: Sequence[Verdict], folder: Path, threads: int = 1
) -> dict[str, Any]:
    """Write the clips that are missing.

    Args:
        land_cover: what to clip.
        verdicts: of all tiles.
        folder: of the clips.
        threads: tiles at a time.

    Returns:
        By tile, ``clip``, the name of its file, and what is to be said of it.
    """

    def write(verdict: Verdict) -> tuple[dict[str, Any], bool]:
        take = land_cover.clip if verdict.accepted else land_cover.empty
        try:
            clip = take(verdict.square)
        except RebenError as error:
            raise type(error)(f"{verdict.tile}: {error}") from error
        for remark in clip.facts.get("remarks", ()):
            log.warning("%s: %s", verdict.tile, remark)
        name = f"{verdict.tile}-{clip.digest()}{clip.suffix}"
        is_new = not (folder / name).exists()
        if is_new:
            clip.write(folder / name)
        return {"clip": name, **clip.facts}, is_new

    ordered = sorted(verdicts, key=lambda verdict: verdict.tile)
    with ThreadPoolExecutor(threads) as pool:
        written = list(pool.map(write, ordered))
    new = sum(is_new for _, is_new in written)
    log.info("%d tiles, %d clips written, the others unchanged", len(written), new)
    entries = (entry for entry, _ in written)
    return dict(zip((verdict.tile for verdict in ordered), entries, strict=True))


def remove_old_clips(folder: Path, manifest: dict[str, Any]) -> None:
    """Remove the clips that no tile of the manifest has."""
    current = {entry["clip"] for entry in manifest["tiles"].values()}
    for path in folder.iterdir():
        if path.suffix in (".parquet", ".tif") and path.name not in current:
            path.unlink()
