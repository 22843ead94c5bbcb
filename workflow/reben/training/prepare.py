"""Batches as a model takes them, computed on its device.

In: a `reben.training.batch.Batch`. Out: float32 images of one size, normalised, flipped.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from reben.training.bands import PUBLISHED_STATISTICS
from reben.training.batch import Batch
from reben.training.pytorch import torch


def prepare(
    batch: Batch,
    device: Any,
    bands: Sequence[str],
    statistics: Mapping[str, tuple[float, float]] = PUBLISHED_STATISTICS,
    size_px: int = 120,
    flips: torch.Tensor | None = None,
) -> torch.Tensor:
    """The images of a batch: widened, flipped, normalised and resized on the device.

    Args:
        batch: patches as they are stored.
        device: where to compute.
        bands: the channels, in order.
        statistics: mean and standard deviation of each band.
        size_px: side of the images; other sizes are resized by nearest neighbour.
        flips: (patches, 2) bool, whether to flip each patch upside down and left to right.

    Returns:
        (patches, bands, size_px, size_px) float32.

    Raises:
        ConfigError: the batch lacks a band.
    """
    images = torch.empty((len(batch), len(bands), size_px, size_px), device=device)
    batch = batch.to(device)
    first = 0
    for run in batch.runs(bands):
        # At native resolution, where most bands have a quarter of the pixels.
        pixels = batch.bands(run).to(torch.float32)
        mean, std = _on_device(tuple(tuple(statistics[band]) for band in run), images.device)
        pixels = flip((pixels - mean) / std, flips)
        images[:, first : first + len(run)] = resize(pixels, size_px)
        first += len(run)
    return images


def prepare_reference_maps(
    batch: Batch, device: Any, size_px: int = 120, flips: torch.Tensor | None = None
) -> torch.Tensor:
    """The reference maps of a batch, (patches, size_px, size_px) int64, flipped as its images are.

    Raises:
        ValueError: the batch was read without them.
    """
    if batch.reference_maps is None:
        raise ValueError("the batch has no reference maps; ask the dataset for them")
    # float32 holds every code, and `interpolate` takes no integers.
    codes = batch.reference_maps.to(device, non_blocking=True)[:, None].to(torch.float32)
    return resize(flip(codes, flips), size_px)[:, 0].to(torch.int64)


@lru_cache(64)
def _on_device(statistics: tuple[tuple[float, ...], ...], device: torch.device) -> torch.Tensor:
    """Mean and standard deviation, (2, bands, 1, 1); copied once, since a GPU waits for a copy."""
    return torch.tensor(statistics, device=device).T[:, :, None, None]


def random_flips(count: int, generator: torch.Generator) -> torch.Tensor:
    """`flips` for `prepare`: each way with a probability of one half, for each patch."""
    return torch.rand((count, 2), generator=generator, device=generator.device) < 0.5


def flip(images: torch.Tensor, flips: torch.Tensor | None) -> torch.Tensor:
    """Flip each of (patches, ..., rows, columns) upside down and left to right as `flips` says."""
    if flips is None:
        return images
    flips = flips.to(images.device, non_blocking=True).reshape(-1, 2, *[1] * (images.ndim - 1))
    images = torch.where(flips[:, 0], images.flip(-2), images)
    return torch.where(flips[:, 1], images.flip(-1), images)


def resize(images: torch.Tensor, size_px: int) -> torch.Tensor:
    """Resize (patches, bands, rows, columns) by nearest neighbour, as the authors do."""
    if images.shape[-1] == size_px:
        return images
    return torch.nn.functional.interpolate(images, size_px, mode="nearest")
