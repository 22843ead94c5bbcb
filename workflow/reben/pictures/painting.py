"""Arrays of a patch as pictures: composites, NDVI, Sentinel-1, codes of land cover.

Everything returns RGB arrays, uint8, (rows, columns, 3).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reben.land_cover.legend import Legend

#: Stretch of true colour: reflectance x 10,000 shown as white, and the gamma. Land is
#: mostly below 0.3; without the gamma, forest and water would be black.
WHITE = 3000
GAMMA = 1.8
#: Stretch of Sentinel-1, decibels: from black to white.
VV_DB = (-20.0, 0.0)
VH_DB = (-27.0, -5.0)
#: Colours of NDVI: water, bare ground, sparse and dense vegetation.
_NDVI = (-0.3, 0.0, 0.2, 0.45, 0.7, 0.9)
_NDVI_COLOURS = ("#33587a", "#cfc4b0", "#eedf9d", "#b9cf74", "#5fa84c", "#12592b")

#: Between the stripes of what the legend does not have.
STRIPE = "#ffffff"

Picture = NDArray[np.uint8]


def paint_reflectance(
    rgb: Sequence[NDArray[Any]],
    white: tuple[int, int, int] = (WHITE, WHITE, WHITE),
    gamma: float = GAMMA,
) -> Picture:
    """Red, green and blue reflectance as a picture.

    Args:
        rgb: the three bands, reflectance x 10,000.
        white: of each, what is shown at full brightness.
        gamma: of all; above 1, dark places are lighter.
    """
    return _to_bytes((np.dstack(rgb) / white).clip(0, 1) ** (1 / gamma))


def paint_ndvi(red: NDArray[Any], near_infrared: NDArray[Any]) -> Picture:
    """The vegetation index (NIR - red) / (NIR + red), from water (blue) to dense (dark green)."""
    red, near_infrared = red.astype(np.float32), near_infrared.astype(np.float32)
    index = (near_infrared - red) / np.maximum(near_infrared + red, 1)
    stops = np.array([rgb_of(colour) for colour in _NDVI_COLOURS])
    channels = [np.interp(index, _NDVI, channel) / 255 for channel in stops.T]
    return _to_bytes(np.dstack(channels))


def paint_backscatter(vv_vh: Sequence[NDArray[Any]]) -> Picture:
    """VV in red, VH in green, their difference in blue; backscatter in dB."""
    vv, vh = (np.nan_to_num(band, nan=-50.0) for band in vv_vh)
    stretched = [
        ((band - low) / (high - low)).clip(0, 1)
        for band, (low, high) in ((vv, VV_DB), (vh, VH_DB), (vv - vh, (0.0, 15.0)))
    ]
    return _to_bytes(np.dstack(stretched))


def paint_codes(codes: NDArray[np.unsignedinteger[Any]], legend: Legend) -> Picture:
    """Codes in the colours of the legend; those that it does not have are striped."""
    present, place = np.unique(codes, return_inverse=True)
    colours = np.array([rgb_of(legend.colour(code)) for code in present.tolist()], np.uint8)
    picture: Picture = colours[place.reshape(codes.shape)]
    y, x = np.indices(codes.shape)
    striped = ~np.isin(codes, list(legend.classes)) & ((x + y) // 4 % 2 == 0)
    picture[striped] = rgb_of(STRIPE)
    return picture


def rgb_of(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of ``#rrggbb``."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _to_bytes(shares: NDArray[np.floating]) -> Picture:
    return (shares * 255).round().astype(np.uint8)
