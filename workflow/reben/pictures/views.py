"""Every picture of a patch, the same in the report and in `reben.show`.

In: the folders of its images. Out: `View`s, in the order in which they are shown.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reben.land_cover.legend import Legend
from reben.pictures.painting import (
    GAMMA,
    WHITE,
    Picture,
    paint_codes,
    paint_ndvi,
    paint_reflectance,
)
from reben.pictures.patch_images import backscatter, read_layer, reference_map
from reben.pictures.scene_classes import SCENE_CLASSES

TRUE_COLOUR = "True colour"
REFERENCE_MAP = "Reference map"
SENTINEL1 = "Sentinel-1"
SCENE = "Scene classification"
#: Composites of Sentinel-2: title, bands in red, green and blue, reflectance x 10,000 of each
#: that is shown at full brightness, and the gamma. Plants reflect infrared twice as much as light.
COMPOSITES = (
    (TRUE_COLOUR, ("B04", "B03", "B02"), (WHITE, WHITE, WHITE), GAMMA),
    ("False colour", ("B08", "B04", "B03"), (6000, 2500, 2500), 1.4),
    ("Short-wave infrared", ("B12", "B8A", "B04"), (4000, 6500, 2500), 1.2),
)
_BANDS = sorted({band for _, bands, _, _ in COMPOSITES for band in bands})


@dataclass(frozen=True)
class View:
    """One picture of a patch.

    Attributes:
        title: what it shows.
        picture: RGB, uint8, (rows, columns, 3).
        is_map: whether its colours stand for classes, so that none may be mixed.
        shares: what its colours mean, where only it says so: name, colour, share of the pixels.
    """

    title: str
    picture: Picture
    is_map: bool = False
    shares: tuple[tuple[str, str, float], ...] = ()


def patch_views(
    images: Path,
    maps: Path,
    legend: Legend,
    sentinel1: Path | None = None,
    scene: NDArray[np.uint8] | None = None,
) -> list[View]:
    """The pictures of a patch.

    Args:
        images: folder of its bands.
        maps: folder of its reference map.
        legend: what its codes mean.
        sentinel1: folder of its Sentinel-1 patch, if it has one.
        scene: its scene classification, if it is known.

    Raises:
        RasterError: a file is missing or unreadable.
    """
    bands = {band: read_layer(images, band) for band in _BANDS}
    size = max(len(band) for band in bands.values())
    bands = {name: _enlarged(band, size) for name, band in bands.items()}
    views = [
        View(title, paint_reflectance([bands[name] for name in rgb], white, gamma))
        for title, rgb, white, gamma in COMPOSITES
    ]
    views.append(View("NDVI", paint_ndvi(bands["B04"], bands["B08"])))
    if sentinel1 is not None:
        views.append(View(SENTINEL1, backscatter(sentinel1)))
    if scene is not None:
        views.append(_scene_view(scene))
    views.append(View(REFERENCE_MAP, reference_map(maps, legend), is_map=True))
    return views


def _scene_view(scene: NDArray[np.uint8]) -> View:
    codes, pixels = np.unique(scene, return_counts=True)
    order = np.argsort(-pixels, kind="stable")
    shares = tuple(
        (SCENE_CLASSES.name(code), SCENE_CLASSES.colour(code), count / scene.size)
        for code, count in zip(codes[order].tolist(), pixels[order].tolist(), strict=True)
    )
    return View(SCENE, paint_codes(scene, SCENE_CLASSES), is_map=True, shares=shares)


def _enlarged(band: NDArray[Any], size: int) -> NDArray[Any]:
    """A band at the resolution of the finest one, each pixel repeated."""
    factor = size // len(band)
    return band.repeat(factor, axis=0).repeat(factor, axis=1)
