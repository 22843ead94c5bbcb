"""Whether the pixels of a patch can be what its kind has.

In: the pixels of one GeoTIFF. Out: what is wrong with them, if something is. A file that a full
disk or an interrupted copy cut off has zeros from there on; a valid patch of Sentinel-2 has
none (BigEarthNet v2), and a reference map has codes or 999.
"""

import numpy as np
from numpy.typing import NDArray

#: Of backscatter, far beyond what a radar measures; values for no data, such as -9999, are larger.
_MAX_DB = 200


def flaw(kind: str, pixels: NDArray[np.generic], min_valid_fraction: float = 1.0) -> str | None:
    """What is wrong with the pixels of one layer of a patch.

    Args:
        kind: ``s2``, ``s1`` or ``reference_maps``.
        pixels: (height, width).
        min_valid_fraction: of a Sentinel-1 patch, where its others may be NaN.
    """
    if kind == "s1":
        return _sentinel1_flaw(pixels, min_valid_fraction)
    zeros = pixels.size - np.count_nonzero(pixels)
    if not zeros:
        return None
    return f"{zeros} of {pixels.size} pixels are 0, which stands for no data"


def _sentinel1_flaw(pixels: NDArray[np.generic], min_valid_fraction: float) -> str | None:
    """Backscatter in decibels is finite, hardly ever 0, and not the same all over a patch."""
    wrong = pixels.size - np.count_nonzero(np.isfinite(pixels))
    if pixels.size - wrong < min_valid_fraction * pixels.size:
        return f"{wrong} of {pixels.size} pixels are not finite"
    if (pixels == pixels[0, 0]).all():
        return f"all pixels are {pixels[0, 0]}, which is no backscatter"
    if wrong := np.count_nonzero(np.abs(pixels) > _MAX_DB):
        largest = pixels.flat[np.abs(pixels).argmax()]
        return f"{wrong} of {pixels.size} pixels are beyond {_MAX_DB} dB, such as {largest}"
    zeros = pixels.size - np.count_nonzero(pixels)
    if zeros >= pixels.shape[1]:  # a row of them; 0 dB is a value like any other, and as rare
        return (
            f"{zeros} of {pixels.size} pixels are exactly 0, as where a scene ends or a file was "
            "cut off"
        )
    return None
