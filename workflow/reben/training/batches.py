"""Batches fast enough for a fast GPU: read whole, kept small, made floats on the device.

In: a dataset as for `reben.dataset`. Out: `Batch` objects with pixels as they are stored, at their
native resolution and type. `reben.training.prepare` turns them on the device into images::

    patches = BatchedBigEarthNet("metadata.parquet", "BigEarthNet.lmdb", MODALITIES["all"],
                                 split="train")
    loader = BatchLoader(patches, BatchOrder(len(patches), 512, seed=42), workers=4)
    for batch in loader.epoch(0):
        images = prepare(batch, device, MODALITIES["all"])      # (512, 12, 120, 120) float32
        labels = batch.labels.to(device)                        # (512, 19) float32

What costs is bytes, not reading: a patch has 0.27 MB as stored and 0.69 MB as float32 at 120 px. So
the readers are threads: processes would have to hand over every byte once more.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import KW_ONLY, dataclass
from itertools import islice
from typing import Any

import numpy as np
from lmdb import Transaction
from numpy.typing import NDArray

from reben.dataset import BigEarthNet
from reben.domain.names import entry_key
from reben.runtime.errors import ConfigError, StoreError
from reben.storage.value_window import ValueWindow
from reben.training.batch import Batch
from reben.training.pytorch import torch


class BatchedBigEarthNet(BigEarthNet, torch.utils.data.Dataset):  # type: ignore[misc]
    """`BigEarthNet` that reads whole batches, for `BatchLoader`.

    Args:
        metadata: path of ``metadata.parquet``.
        lmdb: folder of the LMDB.
        bands: bands to read; their order does not matter here.
        options: as for `BigEarthNet`.

    Raises:
        ConfigError: no patch is left; see also `BigEarthNet`.
        TableError: see `BigEarthNet`.
    """

    def __init__(
        self,
        metadata: str | os.PathLike[str],
        lmdb: str | os.PathLike[str],
        bands: Sequence[str] | str,
        **options: Any,
    ) -> None:
        if unused := {"size_px", "dtype"} & options.keys():
            raise ConfigError(
                f"{', '.join(unused)}: batches have the pixels as they are stored; pass size_px to "
                "`reben.training.prepare.prepare`"
            )
        super().__init__(metadata, lmdb, bands=bands, **options)
        if not len(self):
            raise ConfigError(
                f"{metadata}: expected patches of {self.split or 'any split'} with "
                f"{' and '.join(self.bands)}, found none; look at its columns split and s1_name"
                + (f", and at {options}" if options else "")
            )
        self._windows: dict[str, ValueWindow] = {}

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """`read`, as PyTorch's own loader calls it."""
        return self.read(indices)

    def read(self, indices: Sequence[int], *, pin_memory: bool = False) -> Batch:
        """Read a batch.

        Args:
            indices: one or more patches.
            pin_memory: read into memory that a GPU can fetch from by itself.

        Raises:
            StoreError: the LMDB lacks an entry, an entry is damaged or has other bands, sizes or
                types than the first one, or Sentinel-1 has pixels that are no numbers.
        """
        ids = [self._ids[i] for i in indices]
        keys = {"s2": ids}
        if "s1" in self.bands:
            keys["s1"] = [self._s1_names[i] for i in indices]
        pixels, places = {}, {}
        with self._environment().begin(buffers=True) as txn:
            for image, bands in self.bands.items():
                window = self._window(txn, image, keys[image][0], bands)
                pixels[image] = self._rows(txn, window, keys[image], pin_memory)
                places[image] = window.places
            maps = None
            if self.reference_maps:
                names = [entry_key("reference_maps", name) for name in ids]
                window = self._window(txn, "reference_maps", names[0], ("Data",))
                size_px = window.places["Data"].size_px
                maps = self._rows(txn, window, names, pin_memory).unflatten(1, (size_px, size_px))
        labels = torch.from_numpy(self._labels[list(indices)].astype(np.float32))
        return Batch(ids, pixels, places, labels.pin_memory() if pin_memory else labels, maps)

    def _window(self, txn: Transaction, kind: str, key: str, bands: Sequence[str]) -> ValueWindow:
        """Where the bands are; the first value of a kind tells."""
        if kind not in self._windows:
            try:
                self._windows[kind] = ValueWindow.of(self._value(txn, key), bands)
            except (KeyError, ValueError) as error:
                raise self._unlike(key, bands, error) from error
        return self._windows[kind]

    def _rows(
        self, txn: Transaction, window: ValueWindow, keys: Sequence[str], pin_memory: bool
    ) -> torch.Tensor:
        """The window of each value, (keys, pixels)."""
        found = []
        for key in keys:
            value = self._value(txn, key)
            try:
                found.append(window.of_value(value))
            except (KeyError, ValueError) as error:
                raise self._unlike(key, list(window.places), error) from error
        rows = _empty((len(keys), window.row_pixels), window.dtype, pin_memory)
        array = rows.numpy()
        # At once: other threads run meanwhile, and seldom have to wait for each other.
        np.concatenate(found, out=array.view(np.uint8).reshape(-1))
        if window.dtype.kind == "f":
            _check_finite(self.lmdb, keys, array, window)
        return rows

    def _unlike(self, key: str, bands: Sequence[str], error: Exception) -> StoreError:
        return StoreError(
            f"{self.lmdb}: {key}: expected {', '.join(bands)} as in the other entries, found: "
            f"{error}; copy or make the LMDB again"
        )


def _empty(shape: tuple[int, int], dtype: np.dtype[Any], pin_memory: bool) -> torch.Tensor:
    if pin_memory:  # PyTorch keeps this memory and uses it again
        kind = torch.uint16 if dtype == np.uint16 else torch.float32
        return torch.empty(shape, dtype=kind, pin_memory=True)
    # Not by PyTorch: NumPy asks for huge pages, which come in half the time.
    return torch.from_numpy(np.empty(shape, dtype))


def _check_finite(lmdb: str, keys: Sequence[str], rows: NDArray[Any], window: ValueWindow) -> None:
    # The sum of a row is not finite if a pixel is not: a quarter of the time of looking at each.
    for i in np.flatnonzero(~np.isfinite(rows.sum(axis=1))).tolist():
        for band, place in window.places.items():
            bad = np.count_nonzero(~np.isfinite(rows[i, place.start : place.stop]))
            if bad:
                raise StoreError(
                    f"{lmdb}: {keys[i]}: expected numbers in {band}, found {bad} pixels that are "
                    "NaN or infinite, which would make every weight of a model NaN; leave the "
                    "patch out of the metadata, or encode it from a sound file"
                )


@dataclass(frozen=True)
class BatchOrder:
    """The patches of each batch of an epoch.

    The order depends on seed and epoch alone. Of several processes, each takes its share of every
    batch, so that what a step sees does not depend on their number.

    Attributes:
        count: number of patches.
        batch_size: patches of a batch, in all processes together.
        seed: shuffles every epoch differently; None keeps the order of the dataset.
        rank: number of this process.
        world_size: number of processes.
        drop_last: leave out the last batch if it is smaller. Processes that wait for each other in
            every step need this, since not each may have a share of it.

    Raises:
        ConfigError: a batch has fewer patches than there are processes.
    """

    count: int
    batch_size: int
    _: KW_ONLY
    seed: int | None = None
    rank: int = 0
    world_size: int = 1
    drop_last: bool = False

    def __post_init__(self) -> None:
        if self.batch_size < self.world_size:
            raise ConfigError(
                f"batch_size: expected at least one patch for each of {self.world_size} processes, "
                f"found {self.batch_size}; take a larger batch or fewer processes"
            )

    def __len__(self) -> int:
        """Steps of an epoch."""
        full, rest = divmod(self.count, self.batch_size)
        return full + (rest > self.rank and not self.drop_last)

    def epoch(self, number: int, first_step: int = 0) -> Iterator[list[int]]:
        """The patches of each batch, from step `first_step` on."""
        order = np.arange(self.count)
        if self.seed is not None:
            order = np.random.default_rng([self.seed, number]).permutation(self.count)
        for step in range(first_step, len(self)):
            batch = order[step * self.batch_size : (step + 1) * self.batch_size]
            yield batch[self.rank :: self.world_size].tolist()


class BatchLoader:
    """Batches in a given order, read by other threads while a model computes.

    Args:
        patches: the dataset.
        order: which patches each batch has.
        workers: threads that read, each a batch of its own; 0 reads when a batch is asked for.
        pin_memory: read into memory that a GPU can fetch from by itself; without GPU no effect.
    """

    def __init__(
        self,
        patches: BatchedBigEarthNet,
        order: BatchOrder,
        *,
        workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        self.patches, self.order, self.workers = patches, order, workers
        self._pin_memory = pin_memory and torch.cuda.is_available()
        self._pool = ThreadPoolExecutor(max(workers, 1), "read", *self._on_this_gpu())

    def __len__(self) -> int:
        """Steps of an epoch."""
        return len(self.order)

    def epoch(self, number: int, first_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from step `first_step` on.

        Raises:
            StoreError: see `BatchedBigEarthNet.read`.
        """
        batches = self.order.epoch(number, first_step)
        return self._ahead(batches) if self.workers else map(self._read, batches)

    def _read(self, indices: Sequence[int]) -> Batch:
        return self.patches.read(indices, pin_memory=self._pin_memory)

    def _ahead(self, batches: Iterator[list[int]]) -> Iterator[Batch]:
        """Read so far ahead that each worker has one batch to read and one that waits."""
        reading = deque(self._pool.submit(self._read, b) for b in islice(batches, 2 * self.workers))
        try:
            while reading:
                batch = reading.popleft().result()
                reading.extend(self._pool.submit(self._read, b) for b in islice(batches, 1))
                yield batch
        finally:  # also if the caller leaves the epoch
            for future in reading:
                future.cancel()

    def _on_this_gpu(self) -> tuple[Any, ...]:
        """Threads begin on the first GPU: pinned memory would take some of it for each process."""
        if not self._pin_memory:
            return ()
        return torch.cuda.set_device, (torch.cuda.current_device(),)
