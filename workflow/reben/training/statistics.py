"""Mean and standard deviation of each band over a split, and the file that holds them.

In: patches. Out: `DatasetStatistics`. In single pixels at native resolution, which is the same as
at 120 px, where each is repeated equally often.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from reben.runtime.errors import TableError
from reben.runtime.files import read_json
from reben.training.bands import PUBLISHED_STATISTICS, BandStatistics
from reben.training.batch import Batch


@dataclass(frozen=True)
class DatasetStatistics:
    """What `reben.band_statistics` finds out about a dataset.

    Attributes:
        bands: statistics of each band over the train split.
        metadata_sha256: of the file of the metadata.
        lmdb_sha256: of the entries of the LMDB (`reben.storage.lmdb_store.content_digest`).
    """

    bands: dict[str, BandStatistics]
    metadata_sha256: str
    lmdb_sha256: str

    def as_json(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        return {
            "bands": {band: found._asdict() for band, found in self.bands.items()},
            "metadata_sha256": self.metadata_sha256,
            "lmdb_sha256": self.lmdb_sha256,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The inverse of `as_json`."""
        bands = {
            band: BandStatistics(float(found["mean"]), float(found["std"]))
            for band, found in value["bands"].items()
        }
        return cls(bands, value["metadata_sha256"], value["lmdb_sha256"])


def read_statistics(path: str | os.PathLike[str]) -> DatasetStatistics:
    """Read what `reben.band_statistics` wrote.

    Raises:
        TableError: it is missing or malformed.
    """
    value = read_json(path)
    try:
        return DatasetStatistics.from_json(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TableError(
            f"{path}: expected what reben.band_statistics writes, found something else "
            f"({error!r}); remove the file, so that the workflow makes it again"
        ) from error


def compute_statistics(batches: Iterable[Batch], bands: Sequence[str]) -> dict[str, BandStatistics]:
    """Mean and standard deviation over all pixels of each band.

    Sums are taken around the published mean, where little is lost by rounding, and batch by
    batch in their order, so that they do not depend on how many processes read.
    """
    shift = {band: PUBLISHED_STATISTICS[band].mean for band in bands}
    count, total, squares = (dict.fromkeys(bands, 0.0) for _ in range(3))
    for batch in batches:
        for band in bands:
            pixels = batch.bands([band]).numpy().astype(np.float64) - shift[band]
            count[band] += pixels.size
            total[band] += float(pixels.sum())
            squares[band] += float(np.vdot(pixels, pixels))
    found = {}
    for band in bands:
        mean = total[band] / count[band]
        variance = max(0.0, squares[band] / count[band] - mean**2)
        found[band] = BandStatistics(mean + shift[band], variance**0.5)
    return found
