"""From the pixel values of a land cover map to codes.

In: pixels of any integer type. Out: uint16, the code of each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

#: Of pixels where a map has no data or does not reach; no code is 0.
NO_DATA = 0
#: Of values that a legend does not have; no code is so large.
UNKNOWN = 2**16 - 1

Codes = NDArray[np.uint16]
Pixels = NDArray[np.integer]


@dataclass(frozen=True)
class PixelValues:
    """The values that a map may have.

    Attributes:
        values: ascending.
        codes: of each; `NO_DATA` of a value that stands for no data.
    """

    values: NDArray[np.int64]
    codes: Codes

    @classmethod
    def of(cls, codes: Mapping[int, int]) -> Self:
        """The values of a mapping to codes."""
        values = sorted(codes)
        return cls(np.array(values, np.int64), np.array([codes[v] for v in values], np.uint16))

    def codes_of(self, pixels: Pixels) -> Codes:
        """The codes of pixels, in a new array of their shape; `UNKNOWN` for other values."""
        if pixels.dtype.itemsize <= 2:  # a look at each value that there can be, not at each pixel
            bits = np.dtype(f"u{pixels.dtype.itemsize}")
            every = np.arange(np.iinfo(bits).max + 1).astype(bits).view(pixels.dtype)
            table: Codes = self.codes_of(every.astype(np.int64))
            found: Codes = table[pixels.view(bits)]
            return found
        wanted = pixels.astype(np.int64)
        at = np.searchsorted(self.values, wanted).clip(max=len(self.values) - 1)
        codes: Codes = np.where(self.values[at] == wanted, self.codes[at], np.uint16(UNKNOWN))
        return codes


class Numbering:
    """Numbers from 1 on for the values that a map should not have, as they turn up.

    Attributes:
        values: the value of each number, in their order.
    """

    def __init__(self, known: PixelValues) -> None:
        self._known = known
        self.values: list[int] = []

    def numbers_of(self, pixels: Pixels) -> Codes:
        """The numbers of pixels; `NO_DATA` for those whose value is known."""
        unknown = self._known.codes_of(pixels) == UNKNOWN
        new = sorted({*np.unique(pixels[unknown]).tolist()} - {*self.values})
        self.values += new[: UNKNOWN - 1 - len(self.values)]
        numbers = {value: number for number, value in enumerate(self.values, start=1)}
        found = np.full(pixels.shape, NO_DATA, np.uint16)
        if numbers:
            found[unknown] = PixelValues.of(numbers).codes_of(pixels[unknown])
        return found
