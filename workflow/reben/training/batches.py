"""Batches fast enough for a fast GPU: read whole, kept small, made floats on the device.

In: a dataset as for `reben.dataset`. Out: `Batch` objects with pixels as they are stored, at their
native resolution and type, and from them, on the device, what a model takes (`prepare`)::

    patches = BatchedBigEarthNet("metadata.parquet", "BigEarthNet.lmdb", MODALITIES["all"],
                                 split="train")
    loader = BatchLoader(patches, BatchOrder(len(patches), 512, seed=42), workers=4)
    for batch in loader.epoch(0):
        images = prepare(batch, device, MODALITIES["all"])      # (512, 12, 120, 120) float32
        labels = batch.labels.to(device)                        # (512, 19) float32

What costs is bytes, not reading: a patch has 0.27 MB as stored and 0.69 MB as float32 at 120 px.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from lmdb import Transaction
from numpy.typing import NDArray

from reben.dataset import BigEarthNet
from reben.domain.names import entry_key
from reben.runtime.errors import ConfigError, RebenError, StoreError
from reben.storage.value_window import ValueWindow
from reben.training.batch import Batch
from reben.training.memory import Allocate, RecycledMemory, fresh
from reben.training.pytorch import torch

#: Batches that each worker reads ahead.
_PREFETCH = 2


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
        self.allocate: Allocate = fresh

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Read a batch.

        Raises:
            StoreError: the LMDB lacks an entry, an entry is damaged or has other bands, sizes or
                types than the first one, or Sentinel-1 has pixels that are no numbers.
        """
        ids = [self._ids[i] for i in indices]
        names = {
            "s2": ids,
            "s1": [self._s1_names[i] for i in indices] if "s1" in self.bands else [],
        }
        pixels, places = {}, {}
        with self._environment().begin(buffers=True) as txn:
            for image, bands in self.bands.items():
                pixels[image], window = self._rows(txn, names[image], image, bands)
                places[image] = window.places
            maps = None
            if self.reference_maps:
                keys = [entry_key("reference_maps", name) for name in ids]
                maps, window = self._rows(txn, keys, "reference_maps", ("Data",))
                size_px = window.places["Data"].size_px
                maps = maps.unflatten(1, (size_px, size_px))
        labels = torch.from_numpy(self._labels[list(indices)].astype(np.float32))
        return Batch(ids, pixels, places, labels, maps)

    def _rows(
        self, txn: Transaction, keys: Sequence[str], kind: str, bands: Sequence[str]
    ) -> tuple[torch.Tensor, ValueWindow]:
        """The window of each value, (keys, pixels), and where its bands are."""
        key = keys[0]
        try:
            if kind not in self._windows:
                self._windows[kind] = ValueWindow.of(self._value(txn, key), bands)
            window = self._windows[kind]
            rows = self.allocate(kind, len(keys), window.row_pixels, window.dtype)
            target = memoryview(rows.numpy()).cast("B")
            nbytes = window.stop - window.start
            for i, key in enumerate(keys):
                window.copy(self._value(txn, key), target[i * nbytes : (i + 1) * nbytes])
        except (KeyError, ValueError) as error:
            raise StoreError(
                f"{self.lmdb}: {key}: expected {', '.join(bands)} as in the other entries, "
                f"found: {error}; copy or make the LMDB again"
            ) from error
        if window.dtype.kind == "f":
            _check_finite(self.lmdb, keys, rows.numpy(), window)
        return rows, window


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


class BatchOrder(torch.utils.data.Sampler):  # type: ignore[misc]
    """The patches of each batch of an epoch.

    The order depends on seed and epoch alone. Of several processes, each takes its share of every
    batch, so that what a step sees does not depend on their number.

    Args:
        count: number of patches.
        batch_size: patches of a batch, in all processes together.
        seed: shuffles every epoch differently; None keeps the order of the dataset.
        rank: number of this process.
        world_size: number of processes.
        drop_last: leave out the last batch if it is smaller. Processes that wait for each other in
            every step need this, since not each may have a share of it.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        *,
        seed: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        drop_last: bool = False,
    ) -> None:
        if batch_size < world_size:
            raise ConfigError(
                f"batch_size: expected at least one patch for each of {world_size} processes, "
                f"found {batch_size}"
            )
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.rank, self.world_size, self.drop_last = rank, world_size, drop_last
        self.epoch = self.first_step = 0

    def __len__(self) -> int:
        """Steps that are left of the epoch."""
        return max(self.steps - self.first_step, 0)

    @property
    def steps(self) -> int:
        """Steps of a whole epoch."""
        full, rest = divmod(self.count, self.batch_size)
        return full + (rest > self.rank and not self.drop_last)

    def __iter__(self) -> Iterator[list[int]]:
        order = np.arange(self.count)
        if self.seed is not None:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(self.count)
        for step in range(self.first_step, self.steps):
            batch = order[step * self.batch_size : (step + 1) * self.batch_size]
            yield batch[self.rank :: self.world_size].tolist()


class BatchLoader(torch.utils.data.DataLoader):  # type: ignore[misc]
    """Batches in the given order, read by other processes while a model computes.

    Args:
        patches: the dataset.
        order: which patches each batch has.
        workers: processes that read; 0 reads in this one. They live as long as the loader.
        pin_memory: copy each batch to memory that a GPU can fetch from by itself.
    """

    def __init__(
        self,
        patches: BatchedBigEarthNet,
        order: BatchOrder,
        *,
        workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        super().__init__(
            _Errors(patches),
            batch_sampler=order,
            collate_fn=_as_it_is,
            num_workers=workers,
            persistent_workers=workers > 0,
            prefetch_factor=_PREFETCH if workers else None,
            worker_init_fn=_recycle_memory,
            pin_memory=pin_memory,
        )
        self.order = order

    def __iter__(self) -> Iterator[Batch]:
        return map(_received, super().__iter__())

    def epoch(self, number: int, first_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from step `first_step` on."""
        self.order.epoch, self.order.first_step = number, first_step
        return iter(self)


class _Errors(torch.utils.data.Dataset):  # type: ignore[misc]
    """Hands over errors instead of raising them: PyTorch buries those in a worker's traceback."""

    def __init__(self, patches: BatchedBigEarthNet) -> None:
        self.patches = patches

    def __len__(self) -> int:
        return len(self.patches)

    def __getitems__(self, indices: Sequence[int]) -> Batch | RebenError:
        try:
            return self.patches.__getitems__(indices)
        except RebenError as error:
            return error


def _as_it_is(batch: Batch | RebenError) -> Batch | RebenError:
    return batch


def _received(batch: Batch | RebenError) -> Batch:
    if isinstance(batch, RebenError):
        raise batch
    return batch.owned()  # at once, since the worker fills the memory again


def _recycle_memory(worker: int) -> None:
    # What a worker has read ahead, and the batch that the main process is copying.
    memory = RecycledMemory(_PREFETCH + 1)
    torch.utils.data.get_worker_info().dataset.patches.allocate = memory.allocate
