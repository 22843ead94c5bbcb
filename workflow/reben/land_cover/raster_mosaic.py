"""A land cover map of raster files, clipped to a tile.

In: files in any CRS, and the legend of their values. Out: the codes at the centres of the tile's
10 m pixels. Of several files the first in the order of their paths that has data decides.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np

from reben.domain.bands import REFERENCE_MAP_M
from reben.domain.grid import TileSquare
from reben.land_cover.legend import Legend
from reben.land_cover.nomenclature import NO_CODE
from reben.land_cover.pixel_values import NO_DATA, UNKNOWN, Numbering, PixelValues
from reben.land_cover.raster_clip import RasterClip
from reben.land_cover.raster_map import RasterMap
from reben.runtime.errors import RasterError

#: At the edge of a zone, the pixels of a 10 m map are a little larger than those of the tile.
_COARSE_M = 1.05 * REFERENCE_MAP_M
#: How many values or files a message lists.
_LISTED = 10


@dataclass(frozen=True)
class RasterMosaic:
    """A land cover map of raster files.

    Attributes:
        maps: in the order in which they decide.
        legend: what their values mean.
        nodata: the value that stands for no data in all of them, or ``none``; None: that of each.
    """

    maps: Sequence[RasterMap]
    legend: Legend
    nodata: int | Literal["none"] | None = None

    @classmethod
    def open(
        cls,
        files: Sequence[Path],
        legend: Legend,
        nodata: int | Literal["none"] | None = None,
    ) -> Self:
        """Check the files.

        Raises:
            RasterError: one cannot be a land cover map, or says that a value with a code is
                nodata.
        """
        mosaic = cls([RasterMap.open(file) for file in sorted(files)], legend, nodata)
        for a_map in mosaic.maps:
            value = mosaic._nodata(a_map)
            if value is not None and (code := legend.codes.get(value, NO_CODE)) != NO_CODE:
                raise RasterError(
                    f"{a_map.path}: {value} stands for no data, but for {legend.name(code)!r} in "
                    "the legend; set land_cover.nodata to the value that stands for no data in "
                    "all files, or to none, or remove the code of the value from the legend"
                )
        return mosaic

    @property
    def name(self) -> str:
        """What the map is called."""
        return self.legend.map_name

    def empty(self, square: TileSquare) -> RasterClip:
        """The clip of a tile that will have no patches."""
        return RasterClip(square, np.full((1, 1), NO_CODE, np.uint16))

    def clip(self, square: TileSquare) -> RasterClip:
        """The codes of a tile.

        Raises:
            RasterError: no file has data of the tile, one has values that are not in the legend,
                or is damaged.
        """
        px = square.tile_px(REFERENCE_MAP_M)
        codes = np.full((px, px), NO_DATA, np.uint16)
        reaching, differing = [], 0
        for a_map in self.maps:
            for part, found in a_map.codes(square, self._values(a_map).codes_of):
                before = codes[part]
                both = (before != NO_DATA) & (found != NO_DATA)
                differing += int(np.count_nonzero(both & (before != found)))
                np.copyto(before, found, where=before == NO_DATA)
                reaching.append(a_map)
        if (codes == UNKNOWN).any():
            raise self._unknown_values(square)
        no_data = codes == NO_DATA
        if no_data.all():
            raise _nothing(square, reaching)
        remarks = [*_coarse(square, reaching)]
        if lacking := np.count_nonzero(no_data):
            remarks.append(f"{100 * lacking / codes.size:.2f} % of it have no data in the map")
        if differing:
            remarks.append(
                f"{differing} of its pixels differ between files; the first by name decides"
            )
        codes[no_data] = NO_CODE
        return RasterClip(square, codes, remarks)

    def _nodata(self, a_map: RasterMap) -> int | None:
        if self.nodata is None:
            return a_map.nodata
        return None if self.nodata == "none" else self.nodata

    def _values(self, a_map: RasterMap) -> PixelValues:
        codes = dict(self.legend.codes)
        if (nodata := self._nodata(a_map)) is not None:
            codes[nodata] = NO_DATA
        return PixelValues.of(codes)

    def _unknown_values(self, square: TileSquare) -> RasterError:
        """The error that tells which values are not in the legend; reads the files once more."""
        counts: Counter[int] = Counter()
        paths = set()
        for a_map in self.maps:
            numbering = Numbering(self._values(a_map))
            for _, numbers in a_map.codes(square, numbering.numbers_of):
                found, pixels = np.unique(numbers[numbers != NO_DATA], return_counts=True)
                for number, count in zip(found.tolist(), pixels.tolist(), strict=True):
                    counts[numbering.values[number - 1]] += count
                    paths.add(str(a_map.path))
        values = ", ".join(f"{v} ({n} px)" for v, n in counts.most_common(_LISTED))
        more = f" and {len(counts) - _LISTED} more" if len(counts) > _LISTED else ""
        return RasterError(
            f"{', '.join(sorted(paths)[:_LISTED])}: expected the values of the legend, found "
            f"{values}{more}; use the legend of this map, add the values to it (without code, if "
            "they are to be unlabelled), or set land_cover.nodata"
        )


def _coarse(square: TileSquare, maps: Sequence[RasterMap]) -> Iterator[str]:
    """What to say where maps are coarser than the reference maps."""
    sides = [a_map.pixel_m(square) for a_map in dict.fromkeys(maps)]
    if max(sides, default=0) > _COARSE_M:
        yield (
            f"the map has pixels of {max(sides):.1f} m, the reference maps have "
            f"{REFERENCE_MAP_M} m: their borders are blocks"
        )


def _nothing(square: TileSquare, reaching: Sequence[RasterMap]) -> RasterError:
    where = f"the tile at {square.bounds} ({square.crs})"
    if not reaching:
        found = f"no file of the land cover map covers {where}"
    else:
        names = ", ".join(sorted({str(a_map.path) for a_map in reaching})[:_LISTED])
        found = f"{names}: only nodata in {where}"
    return RasterError(
        f"{found}; add the file that does to land_cover.files, or remove the product from the table"
    )
