"""The pixels of chosen bands from many LMDB values, one row of an array for each patch.

Values of one kind have the same layout, so the bands lie at the same place in each. A row is
everything from the first to the last of them: one copy costs less than picking bands, and what lies
between is small (for the ten bands of 10 and 20 m, 800 of 159,200 bytes).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from reben.storage.safetensors_value import Buffer, header_of, tensors


@dataclass(frozen=True)
class Place:
    """The position of a band in a row.

    Attributes:
        start: first pixel.
        size_px: side of the square of pixels that begins there.
    """

    start: int
    size_px: int

    @property
    def stop(self) -> int:
        """The pixel after the last one."""
        return self.start + self.size_px**2


@dataclass(frozen=True)
class ValueWindow:
    """Where the chosen bands are in the values of one kind, and in a row.

    Attributes:
        header: the header of the values; of those with another one, every band is looked up.
        start: first byte of the window in a value.
        stop: byte after its last one.
        dtype: type of all its pixels.
        places: position of each band in a row of `dtype`.
    """

    header: bytes
    start: int
    stop: int
    dtype: np.dtype[Any]
    places: dict[str, Place]

    @classmethod
    def of(cls, value: Buffer, bands: Sequence[str]) -> Self:
        """The window of `bands` in values like this one.

        Raises:
            KeyError: it lacks a band.
            ValueError: it is damaged, or the bands are not square or not of one type.
        """
        header = header_of(value)
        found = {band: tensors(header)[band] for band in bands}
        start = min(tensor.start for tensor in found.values())
        dtype = next(iter(found.values())).dtype
        places = {}
        for band, tensor in found.items():
            px = tensor.shape[0]
            if tensor.shape != (px, px) or tensor.dtype != dtype:
                raise ValueError(f"{band} has the shape {tensor.shape} and type {tensor.dtype}")
            places[band] = Place((tensor.start - start) // dtype.itemsize, px)
        return cls(header, start, max(t.stop for t in found.values()), dtype, places)

    @property
    def row_pixels(self) -> int:
        """Length of a row, in pixels."""
        return (self.stop - self.start) // self.dtype.itemsize

    def of_value(self, value: Buffer) -> NDArray[np.uint8]:
        """The bytes of a row; a view of `value` if it has the same layout.

        Raises:
            KeyError: the value lacks a band.
            ValueError: it is damaged, or a band has another shape or type.
        """
        if bytes(value[: len(self.header)]) == self.header:  # faster than comparing views
            return np.frombuffer(value, np.uint8, self.stop - self.start, self.start)
        found = tensors(header_of(value))
        row = np.zeros(self.row_pixels, self.dtype)
        for band, place in self.places.items():
            tensor = found[band]
            if tensor.shape != (place.size_px, place.size_px) or tensor.dtype != self.dtype:
                raise ValueError(f"{band} has the shape {tensor.shape} and type {tensor.dtype}")
            pixels = np.frombuffer(value, tensor.dtype, place.size_px**2, tensor.start)
            row[place.start : place.stop] = pixels
        return row.view(np.uint8)
