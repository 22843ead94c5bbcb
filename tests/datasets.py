"""Small datasets for the tests of training: an LMDB and its metadata, learnable or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from reben.domain.bands import RESOLUTION_M
from reben.domain.names import patch_id
from reben.domain.tables import METADATA, write_table
from reben.storage.lmdb_store import write_lmdb
from reben.storage.safetensors_value import ValueLayout
from reben.training.bands import PUBLISHED_STATISTICS
from tests.geotiffs import SCENE, TILE

#: What a class adds to its band, in standard deviations.
_SIGNAL = 2.0


@dataclass(frozen=True)
class SmallDataset:
    """Paths of a dataset."""

    metadata: Path
    lmdb: Path

    @property
    def options(self) -> list[str]:
        """It as options of a command."""
        return ["--metadata", str(self.metadata), "--lmdb", str(self.lmdb)]


def write_dataset(
    folder: Path,
    classes: Sequence[str],
    counts: dict[str, int],
    *,
    side_m: int = 1200,
    paired: bool = True,
    nan_in: str | None = None,
    seed: int = 0,
) -> SmallDataset:
    """Write patches whose i-th class makes the i-th band brighter, all else being noise.

    Args:
        folder: where.
        classes: that occur, each in about a third of the patches.
        counts: number of patches by split.
        side_m: side of a patch, metres.
        paired: whether there are Sentinel-1 patches.
        nan_in: band with a pixel that is no number, in the last patch.
        seed: of labels and noise.
    """
    rng = np.random.default_rng(seed)
    splits = [split for split, count in counts.items() for _ in range(count)]
    names = [patch_id(TILE, i // 90, i % 90) for i in range(len(splits))]
    s1_names = [f"{SCENE}_33UUP_{i // 90}_{i % 90}" for i in range(len(splits))]
    hot = rng.random((len(splits), len(classes))) < 1 / 3
    hot[np.arange(len(splits)), np.arange(len(splits)) % len(classes)] = True
    s2 = {band: (side_m // res, "uint16") for band, res in RESOLUTION_M.items()}
    s1 = dict.fromkeys(("VH", "VV"), (side_m // 10, "float32"))
    entries = {}
    # Bands that models see, so that each modality has a signal.
    signals = {band: i % len(classes) for i, band in enumerate(PUBLISHED_STATISTICS)}
    for kind, layers, keys in (("s2", s2, names), ("s1", s1, s1_names)):
        if kind == "s1" and not paired:
            continue
        layout = ValueLayout.of(layers)
        for row, key in enumerate(keys):
            value = layout.new()
            for band, place in layout.tensors.items():
                mean, std = PUBLISHED_STATISTICS.get(band, (500.0, 300.0))
                if band in signals and hot[row, signals[band]]:
                    mean += _SIGNAL * std
                pixels = mean + std * rng.standard_normal(place.shape)
                if kind == "s2":
                    pixels = np.clip(pixels, 1, 20_000)
                if band == nan_in and row == len(keys) - 1:
                    pixels[0, 0] = np.nan
                value[place.start : place.stop] = pixels.astype(place.dtype).tobytes()
            entries[key] = value
    with write_lmdb(folder / "BigEarthNet.lmdb") as writer:
        for key in sorted(entries):
            writer.put(key, entries[key])
    frame = pl.DataFrame(
        {
            "patch_id": names,
            "labels": [[c for c, on in zip(classes, row, strict=True) if on] for row in hot],
            "split": splits,
            "country": "Austria",
            "s1_name": s1_names if paired else None,
            "s2v1_name": None,
            "contains_seasonal_snow": False,
            "contains_cloud_or_shadow": False,
        },
        schema_overrides={"s1_name": pl.String, "s2v1_name": pl.String},
    )
    write_table(folder / "metadata.parquet", frame.sort("patch_id"), METADATA)
    return SmallDataset(folder / "metadata.parquet", folder / "BigEarthNet.lmdb")
