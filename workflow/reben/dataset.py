"""Read a finished dataset: patches as arrays, selected by split, country and class.

In: ``metadata.parquet`` and the LMDB. Out: for every patch a dict of arrays of one size,
ready to be stacked into batches::

    patches = BigEarthNet("metadata.parquet", "BigEarthNet.lmdb", split="train")
    patches[0]["s2"]        # (12, 120, 120) uint16
    patches[0]["labels"]    # (19,) uint8, one for each of patches.classes
    patches.plot(0)         # true colour, Sentinel-1 and reference map

It is a map-style dataset, so ``torch.utils.data.DataLoader`` accepts it as it is;
`reben.torch_dataset` yields tensors, `reben.training.batches` whole batches.
"""

import operator
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import polars as pl
from lmdb import Environment, Transaction
from numpy.typing import NDArray

from reben.domain.bands import BAND_SETS, S1_BANDS, S2_BANDS
from reben.domain.names import entry_key
from reben.domain.split_geometry import SPLITS
from reben.results.dataset_folder import classes_of, legend_of, read_metadata
from reben.results.layout import OBSCURED_TABLE
from reben.runtime.errors import ConfigError, StoreError
from reben.storage.lmdb_store import shared_lmdb
from reben.storage.safetensors_value import Buffer, stack_bands

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
        reference_map: (size_px, size_px) land cover codes, uint16.
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
        modality: ``s2``, ``s1`` or ``both``; those of `bands` if None. With Sentinel-1, patches
            without a pair are left out.
        bands: bands in the order to return, such as ``("B04", "B03", "B02")``, or one of the names
            in `reben.domain.bands.BAND_SETS`, such as ``"rgb"``; all of the modality if None.
        reference_maps: also return the reference map.
        include_snow_cloud: also patches with seasonal snow, cloud or shadow, from the
            table next to `metadata`.
        size_px: bands are resized to this size by nearest neighbour; to that of the 10 m bands if
            None (120 for patches of 1200 m).
        dtype: type of the images; the stored type if None.
        classes: classes that `labels` of a patch refers to. If None, all classes of the dataset
            sorted by name, whether they occur or not: those of the build, if its
            ``class_counts.csv`` is beside `metadata`, otherwise the 19 classes of BigEarthNet v2.

    Attributes:
        classes: see above.
        class_counts: number of the selected patches that have each class.
        metadata: rows of the metadata, one for each patch; null where the table lacks a column.

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
        modality: str | None = None,
        bands: Sequence[str] | str | None = None,
        reference_maps: bool = False,
        include_snow_cloud: bool = False,
        size_px: int | None = None,
        dtype: str | None = None,
        classes: Sequence[str] | None = None,
    ) -> None:
        _check("split", None if split is None else [split], SPLITS)
        _check("match", [match], ("any", "all"))
        if isinstance(bands, str):
            _check("bands", [bands], [*BAND_SETS, *S2_BANDS, *S1_BANDS])
            bands = BAND_SETS.get(bands, (bands,))
        modality = modality or _modality_of(bands)
        _check("modality", [modality], tuple(MODALITIES))
        offered = {image: BANDS[image] for image in MODALITIES[modality]}
        _check("bands", bands, [band for image in offered.values() for band in image])
        self.bands = {
            image: tuple(band for band in bands or every if band in every)
            for image, every in offered.items()
        }
        for image, chosen in self.bands.items():
            _check(f"bands of {image}", chosen, offered[image])
        if size_px is not None and size_px < 1:
            raise ConfigError(f"size_px: expected at least 1, found {size_px}")
        self.lmdb, self.size_px, self.dtype = os.fspath(lmdb), size_px, dtype
        self.reference_maps = reference_maps

        tables = [Path(metadata)]
        if include_snow_cloud:
            tables.append(tables[0].with_name(OBSCURED_TABLE))
        self._table = tables[0]
        rows = read_metadata(tables)
        self.classes = tuple(classes) if classes is not None else classes_of(tables[0])
        unknown = sorted(set(rows["labels"].explode().drop_nulls()) - set(self.classes))
        if unknown:
            raise ConfigError(
                f"{metadata}: expected labels from {'; '.join(self.classes)}; found {unknown}; "
                "pass all classes of the dataset as `classes`"
            )
        _check("labels", labels, self.classes)
        known = rows["country"].drop_nulls().unique().sort().to_list()
        if countries is not None and not known:
            raise ConfigError(f"countries: {metadata} has no countries to choose from")
        _check("countries", countries, known)
        if split is not None:
            rows = rows.filter(split=split)
        if countries is not None:
            rows = rows.filter(pl.col("country").is_in(list(countries)))
        if labels is not None:
            hits = [pl.col("labels").list.contains(label) for label in labels]
            rows = rows.filter((pl.any_horizontal if match == "any" else pl.all_horizontal)(hits))
        if "s1" in self.bands:
            rows = rows.filter(pl.col("s1_name").is_not_null())
        self.metadata, self.split = rows, split
        self._ids, self._s1_names = rows["patch_id"], rows["s1_name"]
        self._labels = _multi_hot(rows["labels"], self.classes)
        self.class_counts = dict(zip(self.classes, self._labels.sum(0, int).tolist(), strict=True))
        self._env: Environment | None = None

    def __repr__(self) -> str:
        images = [
            f"{image}: {', '.join(bands)}; {self.dtype or 'stored type'}; "
            + (f"{self.size_px} px" if self.size_px else "size of the 10 m bands")
            for image, bands in self.bands.items()
        ]
        present = sum(count > 0 for count in self.class_counts.values())
        name = f"{type(self).__name__}: {len(self)} patches" + (
            f" of the {self.split} split" if self.split else ""
        )
        images += ["reference_map: CORINE codes"] * self.reference_maps
        lines = [
            name,
            *images,
            f"labels: {present} of {len(self.classes)} classes occur",
            self.lmdb,
        ]
        return "\n  ".join(lines)

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
                patch["s2"] = self._image(txn, patch_id, self.bands["s2"])
            if "s1" in self.bands:
                patch["s1"] = self._image(txn, self._s1_names[index], self.bands["s1"])
            if self.reference_maps:
                key = entry_key("reference_maps", patch_id)
                patch["reference_map"] = self._read(txn, key, ("Data",), self.size_px)[0]
        return patch

    def plot(self, index: int) -> "Figure":
        """Draw a patch with all that the LMDB has of it, whichever bands were chosen.

        Returns:
            A matplotlib figure: notebooks show it, and ``savefig`` writes it.

        Raises:
            IndexError: the index is out of range.
            StoreError: the LMDB has nothing of it.
        """
        from reben.pictures.patch_figure import draw_patch  # training does without matplotlib

        index = operator.index(index)
        name = self._ids[index]
        keys = {
            "s2": (name, BAND_SETS["rgb"]),
            "s1": (self._s1_names[index], BAND_SETS["s1"]),
            "reference_map": (entry_key("reference_maps", name), ("Data",)),
        }
        with self._environment().begin(buffers=True) as txn:
            layers = {
                image: self._read(txn, key, bands)
                for image, (key, bands) in keys.items()
                if key is not None and txn.get(key.encode()) is not None
            }
        if not layers:
            raise StoreError(f"{self.lmdb}: expected entries of {name}, found none")
        labels = [c for c, hot in zip(self.classes, self._labels[index], strict=True) if hot]
        return draw_patch("\n".join([name, "; ".join(labels)]), layers, legend_of(self._table))

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

    def _image(self, txn: Transaction, key: str, bands: Sequence[str]) -> NDArray[Any]:
        return self._read(txn, key, bands, self.size_px, self.dtype)

    def _read(
        self,
        txn: Transaction,
        key: str,
        bands: Sequence[str],
        size_px: int | None = None,
        dtype: str | None = None,
    ) -> NDArray[Any]:
        value = self._value(txn, key)
        try:
            return stack_bands(value, bands, size_px, dtype)
        except (KeyError, ValueError) as error:
            raise StoreError(
                f"{self.lmdb}: {key}: expected square images of {', '.join(bands)}, found: {error}"
            ) from error


def _modality_of(bands: Collection[str] | None) -> str:
    s1 = set(bands or ()) & set(S1_BANDS)
    return "s2" if not s1 else "s1" if s1 == set(bands or ()) else "both"


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


if __name__ == "__main__":
    from reben.runtime.library import answer

    answer(__doc__)
