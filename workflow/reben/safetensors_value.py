"""The values of the LMDB: safetensors of a patch's layers, put together without copies.

Among patches of one kind only the pixels differ. So safetensors itself serialises one of
each layout, and every value is that header followed by the pixels of each layer at the
place that the header names: the same bytes as from `safetensors.numpy.save`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from safetensors.numpy import save


@dataclass(frozen=True)
class ValueLayout:
    """Where the layers of one kind of patch lie in their value.

    Attributes:
        header: length and JSON of safetensors.
        slices: by layer, the bytes of its pixels in the value.
        nbytes: length of the whole value.
    """

    header: bytes
    slices: Mapping[str, slice]
    nbytes: int

    @classmethod
    def of(cls, layers: Mapping[str, tuple[int, str]]) -> Self:
        """The layout of square layers, each given as {name: (size_px, dtype)}."""
        value = save({name: np.zeros((px, px), dtype) for name, (px, dtype) in layers.items()})
        start = 8 + int.from_bytes(value[:8], "little")
        slices = {
            name: slice(*(start + offset for offset in tensor["data_offsets"]))
            for name, tensor in json.loads(value[8:start]).items()
        }
        return cls(value[:start], slices, len(value))

    def new(self) -> bytearray:
        """A value whose pixels are still to be filled in."""
        value = bytearray(self.nbytes)
        value[: len(self.header)] = self.header
        return value
