"""LMDB values: safetensors of a patch's layers, written and read without copies.

Values of one kind differ only in the pixels. So safetensors itself serialises one value per
layout, and every value is that header followed by the pixels of each layer at the offsets
in the header: the same bytes as from `safetensors.numpy.save`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

Buffer = bytes | bytearray | memoryview
_DTYPES = {"U16": "<u2", "F32": "<f4"}


@dataclass(frozen=True)
class Tensor:
    """The position of a layer's pixels in a value: bytes `start` to `stop`."""

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    start: int
    stop: int


def header_of(value: Buffer) -> bytes:
    """The length and JSON before the pixels; the same for all patches of one kind."""
    return bytes(value[: 8 + int.from_bytes(value[:8], "little")])


@lru_cache(256)
def tensors(header: bytes) -> Mapping[str, Tensor]:
    """The layers of a value with this header, by name, in the order of their pixels.

    Raises:
        ValueError: it is not a safetensors header, or has another pixel type.
    """
    found = {}
    for name, entry in json.loads(header[8:]).items():
        dtype, shape = np.dtype(_DTYPES.get(entry["dtype"])), tuple(entry["shape"])
        start, stop = (len(header) + offset for offset in entry["data_offsets"])
        if entry["dtype"] not in _DTYPES or stop - start != int(np.prod(shape)) * dtype.itemsize:
            raise ValueError(f"unexpected tensor {name}: {entry}")
        found[name] = Tensor(dtype, shape, start, stop)
    return found


@lru_cache(256)
def _largest_px(header: bytes) -> int:
    return max(tensor.shape[0] for tensor in tensors(header).values())


@dataclass(frozen=True)
class ValueLayout:
    """The values of one kind of patch.

    Attributes:
        header: length and JSON of safetensors.
        tensors: position of each layer's pixels, by layer.
        nbytes: length of the value.
    """

    header: bytes
    tensors: Mapping[str, Tensor]
    nbytes: int

    @classmethod
    def of(cls, layers: Mapping[str, tuple[int, str]]) -> Self:
        """The layout of square layers, each given as {name: (size_px, dtype)}."""
        value = save({name: np.zeros((px, px), dtype) for name, (px, dtype) in layers.items()})
        header = header_of(value)
        return cls(header, tensors(header), len(value))

    def new(self) -> bytearray:
        """A value whose pixels are not filled in yet."""
        value = bytearray(self.nbytes)
        value[: len(self.header)] = self.header
        return value


def stack_bands(
    value: Buffer, bands: Sequence[str], size_px: int | None, dtype: str | None = None
) -> NDArray[Any]:
    """Stack bands of a patch, resized to one size by nearest neighbour.

    Args:
        value: safetensors of the patch.
        bands: names of one or more of its tensors, square.
        size_px: side of the result; that of the largest tensor of the patch if None.
        dtype: type of the result; that of the first band if None.

    Returns:
        (bands, size_px, size_px).

    Raises:
        KeyError: a band is missing.
        ValueError: a band is not square, or `value` is damaged.
    """
    header = header_of(value)
    places = tensors(header)
    size_px = size_px or _largest_px(header)
    image = np.empty((len(bands), size_px, size_px), dtype or places[bands[0]].dtype)
    first = 0
    while first < len(bands):
        place = places[bands[first]]
        # Bands that are adjacent in both places are copied at once.
        last, stop = first + 1, place.stop
        while last < len(bands):
            following = places[bands[last]]
            if following.start != stop or following.shape != place.shape:
                break
            last, stop = last + 1, following.stop
        px = place.shape[0]
        if place.shape != (px, px):
            raise ValueError(f"{bands[first]} has the shape {place.shape}")
        pixels = np.frombuffer(value[place.start : stop], place.dtype).reshape(-1, px, px)
        if size_px % px:
            # The same pixels as from `torch.nn.functional.interpolate`.
            nearest = np.arange(size_px) * px // size_px
            image[first:last] = pixels[:, nearest[:, np.newaxis], nearest]
        else:
            repeat_pixels(pixels, image[first:last], size_px // px)
        first = last
    return image


def repeat_pixels(pixels: NDArray[Any], out: NDArray[Any], times: int) -> None:
    """Write each pixel of (n, px, px) `times` x `times` into `out`.

    Columns first, with `times` strided copies, then complete rows: several times faster
    than `numpy.repeat` or one broadcast assignment, whose inner loops are too short.
    """
    n, px, _ = pixels.shape
    cells = out.reshape(n, px, times, px, times)
    for i in range(times):
        cells[:, :, 0, :, i] = pixels
    cells[:, :, 1:] = cells[:, :, :1]
