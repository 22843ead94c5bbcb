"""What the sensor sees: materials, mixture, brightness, clouds, snow; and its bands.

A `Scene` stores the tile at 10 m in six bytes per pixel. Every band is computed from it in
blocks of rows and averaged to its resolution, so that all bands agree and a full tile
(10980 px) needs well under 3 GB.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import rasterio.features
from numpy.typing import NDArray
from rasterio.transform import from_origin

from reben.domain.bands import BAND_IDS, NODATA
from reben.synthetic.land import Land, land_of
from reben.synthetic.landcover import CLOUD, COVERS, HAZE, MATERIALS, SNOW, VV_DB
from reben.synthetic.noise import Float, SmoothNoise, generator, grain, hash32
from reben.synthetic.spec import ProductSpec

#: Rows at 10 m computed at a time; a whole number of pixels at 20 and 60 m.
_BLOCK_ROWS = 480
#: Standard deviation of the sensor's noise at an entropy of 1, in digital numbers.
_SENSOR_NOISE = 14
#: Directions of field boundaries: rational sines and cosines, the same on every machine.
_TRIPLES = np.array([(5, 12, 13), (3, 4, 5), (8, 15, 17), (7, 24, 25), (24, 7, 25), (15, 8, 17)])
_DIRECTIONS = (_TRIPLES[:, :2] / _TRIPLES[:, 2:]).astype(np.float32)
_PAIRS = sorted({pair for cover in COVERS.values() for pair in cover.pairs})
_EDGES = sorted({(cover.edge, cover.edge) for cover in COVERS.values()})
_ALL_PAIRS = [*_PAIRS, *(edge for edge in _EDGES if edge not in _PAIRS)]
_CODES = sorted(COVERS)


#: (code, draw) -> index of the pair, four draws each.
_PAIR_OF = np.array(
    [
        [_ALL_PAIRS.index(COVERS[c].pairs[k % len(COVERS[c].pairs)]) for k in range(4)]
        for c in _CODES
    ],
    np.uint8,
)
_EDGE_OF = np.array([_ALL_PAIRS.index((COVERS[c].edge,) * 2) for c in _CODES], np.uint8)
_WIDTH, _EDGE, _PATCH, _TEXTURE = (
    np.array([getattr(COVERS[c], key) for c in _CODES], np.float32)
    for key in ("width_m", "edge_m", "patchiness", "texture")
)
_CELLED = np.array([COVERS[c].edge_m > 0 for c in _CODES])
_SCL_OF = np.array([[MATERIALS[m][1] for m in pair] for pair in _ALL_PAIRS], np.uint8)
_VV_OF = np.array([[VV_DB.get(m, -11.5) for m in pair] for pair in _ALL_PAIRS], np.float32)


class Scene:
    """A product's view of its land.

    Attributes:
        spec: the product.
        land: what it shows; by default the generated land of its place.
        pair: index of the two materials in a pixel; (n, n) uint8 like all below.
        mix: share of the second material, 0 to 255.
        shade: brightness, 128 is 1.
        cloud: thickness of cloud, 255 is 1.5; opaque at 1 and above.
        shadow: depth of cloud shadow, 0 to 255.
        snow: share of snow, 0 to 255.
    """

    def __init__(self, spec: ProductSpec, land: Land | None = None) -> None:
        self.spec, self.land = spec, land or land_of(spec)
        self.size_px = spec.side_m // 10
        shape = (self.size_px, self.size_px)
        self.pair, self.mix, self.shade = (np.empty(shape, np.uint8) for _ in range(3))
        self.cloud, self.shadow, self.snow = (np.zeros(shape, np.uint8) for _ in range(3))
        self._axis = (np.arange(self.size_px, dtype=np.float32) + np.float32(0.5)) * np.float32(10)
        self._paint_land()
        self._paint_weather()

    def _blocks(self) -> Iterator[slice]:
        for start in range(0, self.size_px, _BLOCK_ROWS):
            yield slice(start, min(start + _BLOCK_ROWS, self.size_px))

    def _noise(self, name: str, spacing_m: float, octaves: int) -> SmoothNoise:
        return SmoothNoise((*self.spec.place[:4], name), self.spec.side_m, spacing_m, octaves)

    def _paint_land(self) -> None:
        """Fields, blocks of houses, stands of trees: pair, mixture and brightness."""
        spec, land = self.spec, self.land
        unit = rasterio.features.rasterize(
            zip(land.polygons, range(len(land.polygons)), strict=True),
            out_shape=self.pair.shape,
            transform=from_origin(spec.x_min, spec.y_max, 10, 10),
            dtype=np.uint16,
        )
        code_of = np.searchsorted(_CODES, land.codes)
        turn = hash32(np.arange(len(land.codes), dtype=np.uint32))
        direction = _DIRECTIONS[turn % len(_DIRECTIONS)]
        fine, sway_x, sway_y = (
            self._noise("fine", 320, 4),
            self._noise("sway x", 900, 2),
            self._noise("sway y", 900, 2),
        )
        x = self._axis
        for rows in self._blocks():
            y = self._axis[rows]
            units = unit[rows]
            code = code_of[units]
            cos, sin = direction[units, 0], direction[units, 1]
            east = x + sway_x(x, y) * np.float32(90)
            south = y[:, None] + sway_y(x, y) * np.float32(90)
            width = _WIDTH[code]
            u = (east * cos + south * sin) / width
            v = (south * cos - east * sin) / (width * np.float32(1.7))
            column = np.floor(u)
            # Neighbouring strips are cut at different places, as with real fields.
            v += (hash32(column.astype(np.int32), units.astype(np.uint32)) & 255) / np.float32(256)
            line = np.floor(v)
            cell = hash32(column.astype(np.int32), line.astype(np.int32), units.astype(np.uint32))
            patch, own = fine(x, y), ((cell >> 8) & 255) / np.float32(255)
            share = _PATCH[code]
            mix = own * (1 - share) + (np.float32(0.5) + np.float32(0.6) * patch) * share
            tone = ((cell >> 16) & 255) / np.float32(255) - np.float32(0.5)
            speckle = grain(generator(*spec.place[:4], "texture", rows.start), units.shape)
            # Each field has its own pair of materials; forest and heath use one pair.
            celled = _CELLED[code]
            shade = 1 + tone * np.where(celled, np.float32(0.16), np.float32(0.05))
            shade += patch * np.float32(0.06) + speckle * _TEXTURE[code]
            pair = _PAIR_OF[code, np.where(celled, cell, turn[units]) & 3]
            du, dv = u - column, (v - line) * np.float32(1.7)
            seam = (du * width < _EDGE[code]) | (dv * width < _EDGE[code])
            # A third of the fields have no hedge towards their neighbour.
            seam &= celled & ((cell >> 24) % 3 > 0)
            self.pair[rows] = np.where(seam, _EDGE_OF[code], pair)
            self.mix[rows] = _byte(mix * 255)
            self.shade[rows] = _byte(shade * 128)

    def _paint_weather(self) -> None:
        """Clouds with their shadows, and snow on the heights."""
        spec = self.spec
        if spec.cloud_fraction:
            sky = SmoothNoise((spec.seed, spec.name, "sky"), spec.side_m, 5000, 7, 0.55)
            self._fill(self.cloud, sky, spec.cloud_fraction, 170)
            # The sun is in the south-east: shadows fall 600 m to the north-west.
            self.shadow[:-60, :-60] = self.cloud[60:, 60:]
            self.shadow[self.cloud > 60] = 0
        if spec.snow_fraction:
            height = SmoothNoise((spec.seed, spec.name, "snow"), spec.side_m, 4000, 6, 0.5)
            self._fill(self.snow, height, spec.snow_fraction, 255)

    def _fill(self, layer: NDArray[np.uint8], field: SmoothNoise, share: float, limit: int) -> None:
        """Write the highest `share` of a field into a layer, rising from its edge to `limit`."""
        coarse = self._axis[3::6]
        level = np.sort(field(coarse, coarse), axis=None)
        threshold = level[int((level.size - 1) * (1 - share))]
        gain = np.float32(limit) / (np.float32(0.55) * (level[-1] - threshold) + np.float32(1e-6))
        for rows in self._blocks():
            above = (field(self._axis, self._axis[rows]) - threshold) * gain
            layer[rows] = _byte(np.minimum(above, limit))

    @cached_property
    def _spectra(self) -> NDArray[np.float32]:
        """(pairs, 2, bands) reflectance times 10,000."""
        return np.array([[MATERIALS[m][0] for m in pair] for pair in _ALL_PAIRS], np.float32)

    def band(self, band: str, resolution_m: int, entropy: float = 1.0) -> NDArray[np.uint16]:
        """The digital numbers of a band.

        Args:
            band: any of `reben.domain.bands.BAND_IDS`.
            resolution_m: 10, 20 or 60; finer pixels are averaged.
            entropy: factor on the sensor's noise, and thus on the file size.

        Returns:
            (size, size) uint16; 0 outside the swath, above 0 inside.
        """
        spec, index = self.spec, BAND_IDS.index(band)
        factor = resolution_m // 10
        image = np.empty((self.size_px // factor,) * 2, np.uint16)
        base: Float = self._spectra[:, 0, index]
        change: Float = (self._spectra[:, 1, index] - base) * np.float32(1 / 255)
        for rows in self._blocks():
            pair = self.pair[rows]
            share, shade = self.mix[rows], self.shade[rows] * np.float32(1 / 128)
            value: Float = (base[pair] + change[pair] * share) * shade
            if spec.snow_fraction:
                value += (SNOW[index] - value) * (self.snow[rows] * np.float32(1 / 255))
            if spec.cloud_fraction:
                value *= 1 - self.shadow[rows] * np.float32(0.9 / 255)
                thick = self.cloud[rows] * np.float32(1.5 / 255)
                light = CLOUD[index] * (np.float32(0.8) + np.float32(0.3) * thick)
                value += (light - value) * np.minimum(thick, 1)
            if not spec.is_l2a:
                value = value * np.float32(0.92) + np.float32(HAZE[index])
            value = _mean(value, factor)
            rng = generator(spec.seed, spec.name, band, resolution_m, rows.start)
            value += grain(rng, value.shape) * np.float32(_SENSOR_NOISE * entropy)
            target = slice(rows.start // factor, rows.start // factor + len(value))
            image[target] = np.clip(value, 1, 10_000)
        if spec.boa_offset:
            image += 1000
        if spec.nodata_wedge:
            image[spec.unsensed(resolution_m)] = NODATA
        return image

    def classification(self, resolution_m: int = 20) -> NDArray[np.uint8]:
        """The scene classification: sen2cor's classes 0, 3 to 6 and 8 to 11, (size, size)."""
        step = slice(resolution_m // 20, None, resolution_m // 10)
        pair, mix, cloud = self.pair[step, step], self.mix[step, step], self.cloud[step, step]
        scl = _SCL_OF[pair, (mix > 127).astype(np.uint8)]
        scl[self.snow[step, step] > 127] = 11
        scl[self.shadow[step, step] > 90] = 3
        for threshold, value in ((1, 10), (60, 8), (120, 9)):
            scl[cloud >= threshold] = value
        scl[self.spec.unsensed(resolution_m)] = NODATA
        return scl

    def backscatter(self) -> NDArray[np.float32]:
        """Mean Sentinel-1 VV in decibels, by material: (n, n) float32."""
        first, second = (_VV_OF[:, k][self.pair] for k in (0, 1))
        share = self.mix * np.float32(1 / 255)
        shade = (self.shade.astype(np.float32) - 128) * np.float32(1 / 40)
        mean: NDArray[np.float32] = first + (second - first) * share + shade
        return mean


def _byte(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    clipped: NDArray[np.uint8] = np.clip(values, 0, 255).astype(np.uint8)
    return clipped


def _mean(values: Float, factor: int) -> Float:
    """Averages of squares of `factor` pixels a side, summed in a fixed order."""
    total: Float = np.zeros((values.shape[0] // factor, values.shape[1] // factor), np.float32)
    for row in range(factor):
        for col in range(factor):
            total += values[row::factor, col::factor]
    total *= np.float32(1 / (factor * factor))
    return total
