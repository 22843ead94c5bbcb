"""A batch of patches as they are stored: few large tensors, and where each band is in them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reben.runtime.errors import ConfigError
from reben.storage.value_window import Place
from reben.training.pytorch import torch


@dataclass(frozen=True)
class Batch:
    """Patches as they are stored.

    Attributes:
        patch_ids: their names.
        pixels: for each image (``s2``, ``s1``), (patches, pixels) of its bands, uint16 and float32.
        places: for each image, the position of each band in a row of `pixels`.
        labels: (patches, classes) float32, 1 for each class in the patch.
        reference_maps: (patches, size_px, size_px) uint16 CORINE codes, if requested.
    """

    patch_ids: list[str]
    pixels: dict[str, torch.Tensor]
    places: dict[str, dict[str, Place]]
    labels: torch.Tensor
    reference_maps: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.patch_ids)

    def bands(self, names: Sequence[str]) -> torch.Tensor:
        """Adjacent bands of one size as they are stored: (patches, bands, size_px, size_px)."""
        image = self._image_of(names[0])
        first, last = (self.places[image][name] for name in (names[0], names[-1]))
        rows = self.pixels[image][:, first.start : last.stop]
        return rows.unflatten(1, (len(names), first.size_px, first.size_px))

    def runs(self, names: Sequence[str]) -> Iterator[Sequence[str]]:
        """Split names of bands where neighbours are not adjacent in `pixels`, or differ in size."""
        first = 0
        for i in range(1, len(names) + 1):
            if i == len(names) or not self._adjacent(names[i - 1], names[i]):
                yield names[first:i]
                first = i

    def pin_memory(self) -> "Batch":
        """A copy that a GPU can fetch by itself, for `torch.utils.data.DataLoader`."""
        return self._each(torch.Tensor.pin_memory)

    def to(self, device: Any) -> "Batch":
        """The batch on a device; from pinned memory, the copy runs beside the computation."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Batch":
        maps = self.reference_maps
        return replace(
            self,
            pixels={image: change(pixels) for image, pixels in self.pixels.items()},
            labels=change(self.labels),
            reference_maps=None if maps is None else change(maps),
        )

    def _image_of(self, band: str) -> str:
        for image, places in self.places.items():
            if band in places:
                return image
        have = [band for places in self.places.values() for band in places]
        raise ConfigError(f"bands: expected some of {', '.join(have)}, found {band}")

    def _adjacent(self, band: str, following: str) -> bool:
        image = self._image_of(band)
        if image != self._image_of(following):
            return False
        a, b = self.places[image][band], self.places[image][following]
        return a.stop == b.start and a.size_px == b.size_px
