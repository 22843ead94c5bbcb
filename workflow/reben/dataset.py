"""Read a finished dataset: patches as arrays, selected by split, country and class.

In: ``metadata.parquet`` and the LMDB. Out: for every patch a dict of arrays of one size,
ready to be stacked into batches::

    patches = BigEarthNet("metadata.parquet", "BigEarthNet.lmdb", split="train")
    patches[0]["s2"]        # (12, 120, 120) uint16
    patches[0]["labels"]    # (19,) uint8, one for each of patches.classes

It is a map-style dataset, so ``torch.utils.data.DataLoader`` accepts it as it is;
`reben.torch_dataset` yields tensors.
"""

import operator
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import polars as pl
from lmdb import Environment, Transaction
from numpy.typing import NDArray

from reben.domain.bands import S1_BANDS, S2_BANDS
from reben.domain.names import entry_key
from reben.domain.split_geometry import SPLITS
from reben.domain.tables import METADATA, read_tables
from reben.results.layout import OBSCURED_TABLE
from reben.runtime.errors import ConfigError, StoreError
from reben.storage.lmdb_store import shared_lmdb
from reben.storage.safetensors_value import Buffer, stack_bands

#: Bands of each image.
BANDS = {"s2": S2_BANDS, "s1": S1_BANDS}
#: Images of a patch in each modality.
MODALITIES = {"s2": ("s2",), "s1": ("s1",), "both": ("s2", "s1")}


class Patch(TypedDict, total=False):
    """One patch; `s2`, `s1` and `reference_map` are present if requested.

    Attributes:
        patch_id: name of the patch.
        labels: (classes,) uint8, 1 for each class in the patch.
        s2: (bands, size_px, size_px) reflectance, uint16 unless `dtype` was given.
        s1: (bands, size_px, size_px) backscatter in dB, float32 unless `dtype` was given.
        reference_map: (size_px, size_px) CORINE codes, uint16.
    """

    patch_id: str
    labels: NDArray[np.uint8]
    s2: NDArray[Any]
    s1: NDArray[Any]
    reference_map: NDArray[np.uint16]


class BigEarthNet:
    """The patches of a dataset, sorted by name.

    The LMDB is opened once per process, at the first patch; objects can be pickled and used
    after a fork, so any kind of worker is fine.

    Args:
        metadata: path of ``metadata.parquet``.
        lmdb: folder of the LMDB.
        split: ``train``, ``validation`` or ``test``; all if None.
        countries: only patches in one of these.
        labels: only patches with `match` (``any`` or ``all``) of these classes.
        match: see `labels`.
        modality: ``s2``, ``s1`` or ``both``; with Sentinel-1, patches without a pair are left out.
        bands: bands in the order to return, such as ``("B04", "B03", "B02")``; all if None.
        reference_maps: also return the reference map.
        include_snow_cloud: also patches with seasonal snow, cloud or shadow, from the
            table next to `metadata`.
        size_px: bands of lower resolution are repeated (nearest neighbour) up to this size;
            that of the 10 m bands if None (120 for patches of 1200 m).
        dtype: type of the images; the stored type if None.
        classes: classes that `labels` of a patch refers to; every class that occurs if None.

    Raises:
        ConfigError: an argument is empty or names something that does not exist.
        TableError: the metadata cannot be read.
    """

    def __init__(
        self,
        metadata: str | os.PathLike[str],
        lmdb: str | os.PathLike[str],
        *,
        split: str | None = None,
        countries: Collection[str] | None = None,
        labels: Collection[str] | None = None,
        match: str = "any",
        modality: str = "s2",
        bands: Sequence[str] | None = None,
        reference_maps: bool = False,
        include_snow_cloud: bool = False,
        size_px: int | None = None,
        dtype: str | None = None,
        classes: Sequence[str] | None = None,
    ) -> None:
        _check("split", None if split is None else [split], SPLITS)
        _check("match", [match], ("any", "all"))
        _check("modality", [modality], tuple(MODALITIES))
        offered = {image: BANDS[image] for image in MODALITIES[modality]}
        _check("bands", bands, [band for image in offered.values() for band in image])
        self.bands = {
            image: tuple(band for band in bands or every if band in every)
            for image, every in offered.items()
        }
        for image, chosen in self.bands.items():
            _check(f"bands of {image}", chosen, offered[image])
        self.lmdb, self.size_px, self.dtype = os.fspath(lmdb), size_px, dtype
        self.reference_maps = reference_maps

        tables = [Path(metadata)]
        if include_snow_cloud:
            tables.append(tables[0].with_name(OBSCURED_TABLE))
        rows = read_tables(tables, METADATA)
        found = rows["labels"].explode().drop_nulls().unique().sort().to_list()
        self.classes = tuple(classes if classes is not None else found)
        _check("classes", found or None, self.classes)
        _check("labels", labels, self.classes)
        _check("countries", countries, rows["country"].unique().drop_nulls().sort().to_list())
        if split is not None:
            rows = rows.filter(split=split)
        if countries is not None:
            rows = rows.filter(pl.col("country").is_in(list(countries)))
        if labels is not None:
            hits = [pl.col("labels").list.contains(label) for label in labels]
            rows = rows.filter((pl.any_horizontal if match == "any" else pl.all_horizontal)(hits))
        if modality != "s2":
            rows = rows.filter(pl.col("s1_name").is_not_null())
        #: The rows of the metadata, one per patch.
        self.metadata = rows
        self._ids, self._s1_names = rows["patch_id"], rows["s1_name"]
        self._labels = _multi_hot(rows["labels"], self.classes)
        self._env: Environment | None = None

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> Patch:
        """Read one patch.

        Raises:
            IndexError: the index is out of range.
            StoreError: the LMDB lacks an entry of it.
        """
        index = operator.index(index)  # numpy's integers too
        patch_id: str = self._ids[index]
        # A copy: changes to a patch must not reach the next one.
        patch = Patch(patch_id=patch_id, labels=self._labels[index].copy())
        with self._environment().begin(buffers=True) as txn:
            if "s2" in self.bands:
                patch["s2"] = self._image(txn, patch_id, self.bands["s2"], self.dtype)
            if "s1" in self.bands:
                patch["s1"] = self._image(txn, self._s1_names[index], self.bands["s1"], self.dtype)
            if self.reference_maps:
                key = entry_key("reference_maps", patch_id)
                patch["reference_map"] = self._image(txn, key, ("Data",), None)[0]
        return patch

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_env": None}

    def _environment(self) -> Environment:
        if self._env is None:
            self._env = shared_lmdb(self.lmdb)
        return self._env

    def _value(self, txn: Transaction, key: str) -> Buffer:
        value = txn.get(key.encode())
        if value is None:
            raise StoreError(
                f"{self.lmdb}: the entry {key!r} is missing but listed in the metadata; "
                "metadata and LMDB must come from the same build"
            )
        return value

    def _image(
        self, txn: Transaction, key: str, bands: Sequence[str], dtype: str | None
    ) -> NDArray[Any]:
        value = self._value(txn, key)
        try:
            return stack_bands(value, bands, self.size_px, dtype)
        except (KeyError, ValueError) as error:
            raise StoreError(
                f"{self.lmdb}: {key}: expected {bands} that can be resized to "
                f"{self.size_px or 'one number of'} px, found: {error}"
            ) from error


def _multi_hot(labels: pl.Series, classes: Sequence[str]) -> NDArray[np.uint8]:
    """(patches, classes): 1 where a patch holds the class."""
    hot = np.zeros((len(labels), len(classes)), np.uint8)
    for i, name in enumerate(classes):
        hot[:, i] = labels.list.contains(name).fill_null(value=False).to_numpy()
    return hot


def _check(name: str, given: Collection[str] | None, offered: Collection[str]) -> None:
    if given is None:
        return
    unknown = sorted(set(given) - set(offered))
    if unknown or not given:
        raise ConfigError(
            f"{name}: expected some of {'; '.join(offered)}, found {unknown or 'none'}"
        )
