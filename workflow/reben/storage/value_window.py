"""The pixels of chosen bands from many LMDB values, one row of an array for each patch.

Values of one kind have the same layout, so the bands lie at the same place in each. One copy
takes everything from the first to the last of them, which costs less than picking bands:
what lies between is small (for the ten bands of 10 and 20 m, 800 bytes of 158,400).
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
        header: the header of the values; those with another one are copied band by band.
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

    def copy(self, value: Buffer, row: NDArray[np.uint8]) -> None:
        """Write the window of `value` into `row`, its bytes.

        NumPy lets other threads run while it copies, and while the disk is read.

        Raises:
            KeyError: the value lacks a band.
            ValueError: it is damaged, or a band has another shape or type.
        """
        if bytes(value[: len(self.header)]) == self.header:  # faster than comparing views
            row[:] = np.frombuffer(value, np.uint8, len(row), self.start)
            return
        found = tensors(header_of(value))
        for band, place in self.places.items():
            tensor = found[band]
            if tensor.shape != (place.size_px, place.size_px) or tensor.dtype != self.dtype:
                raise ValueError(f"{band} has the shape {tensor.shape} and type {tensor.dtype}")
            first, last = (i * self.dtype.itemsize for i in (place.start, place.stop))
            row[first:last] = np.frombuffer(value, np.uint8, last - first, tensor.start)
