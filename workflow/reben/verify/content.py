"""The content of a build against itself; the checks of `reben.verify` beyond checksums."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from reben.bands import REFERENCE_MAP_M, RESOLUTION_M, S1_BANDS
from reben.lmdb_store import read_lmdb
from reben.names import entry_key
from reben.nomenclature import read_nomenclature
from reben.split import assign_split
from reben.tables import LABELS, METADATA, PATCHES, SNOW_CLOUD, read_table, read_tables
from reben.verify.overlap import shared_ground

CLEAR = "dataset/metadata.parquet"
OBSCURED = "dataset/metadata_for_patches_with_snow_cloud_or_shadow.parquet"
LMDB = "dataset/BigEarthNet.lmdb"
_S1_M = 10


@dataclass(frozen=True)
class Finding:
    """Something that is not as claimed: the file, and what is wrong with it."""

    path: Path
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


def layout(kind: str, patch_m: int) -> dict[str, tuple[tuple[int, int], str]]:
    """Shape and dtype of every tensor in an entry of a kind."""
    if kind == "s2":
        return {b: ((patch_m // r, patch_m // r), "uint16") for b, r in RESOLUTION_M.items()}
    if kind == "s1":
        return dict.fromkeys(S1_BANDS, ((patch_m // _S1_M, patch_m // _S1_M), "float32"))
    px = patch_m // REFERENCE_MAP_M
    return {"Data": ((px, px), "uint16")}


class Content:
    """The tables of a build, read once.

    Args:
        results: the folder.
        manifest: of the audit.
        sample: how many patches of each tile to open; None opens all.
        notes: takes what is to be said but is no finding.
    """

    def __init__(
        self, results: Path, manifest: dict[str, Any], sample: int | None, notes: list[str]
    ) -> None:
        self.results, self.config, self.sample, self.notes = (
            results, manifest["config"], sample, notes
        )  # fmt: skip
        self.patch_m: int = self.config["patches"]["side_m"]
        self.clear = read_table(results / CLEAR, METADATA)
        self.obscured = read_table(results / OBSCURED, METADATA)
        self.metadata = pl.concat([self.clear, self.obscured])
        kinds = self.config["lmdb"]["include"]
        has_s1 = self.config["sentinel1"]["root"] is not None
        self.kinds = [kind for kind in kinds if kind != "s1" or has_s1]

    def keys(self) -> dict[str, str]:
        """The keys that the metadata asks for, and their kind."""
        wanted: dict[str, str] = {}
        for kind in self.kinds:
            column = "s1_name" if kind == "s1" else "patch_id"
            names = self.metadata[column].drop_nulls()
            wanted |= {entry_key(kind, name): kind for name in names}
        return wanted

    def check_rows(self) -> Iterator[Finding]:
        """Both tables: each patch once, in the right table, and every kept patch in one."""
        for path, frame in ((CLEAR, self.clear), (OBSCURED, self.obscured)):
            if not frame["patch_id"].is_sorted():
                yield Finding(self.results / path, "the rows are not sorted by patch_id")
        for name in self.metadata.filter(self.metadata["patch_id"].is_duplicated())["patch_id"]:
            yield Finding(self.results / CLEAR, f"{name} stands twice in the metadata")
        selection = self.results / "tables/selection.parquet"
        if selection.is_file():
            kept = pl.read_parquet(selection).filter(pl.col("dropped_for").is_null())["patch_id"]
            listed = set(self.metadata["patch_id"])
            for name in sorted(set(kept) - listed):
                yield Finding(self.results / CLEAR, f"{name} is kept but its row is missing")
            for name in sorted(listed - set(kept)):
                yield Finding(self.results / CLEAR, f"{name} has a row but is not kept")

    def check_lmdb(self) -> Iterator[Finding]:
        """Every row has its entries and every entry its row; shapes, types, labels in them."""
        path = self.results / LMDB
        wanted = self.keys()
        with read_lmdb(path) as txn:
            there = {bytes(key).decode() for key in txn.cursor().iternext(values=False)}
            for key in sorted(wanted.keys() - there):
                yield Finding(path, f"the entry {key!r} is missing, which the metadata lists")
            for key in sorted(there - wanted.keys()):
                yield Finding(path, f"the entry {key!r} belongs to no row of the metadata")
            for key in self.sampled(wanted.keys() & there):
                yield from self.check_entry(path, key, wanted[key], txn.get(key.encode()))

    def check_entry(self, path: Path, key: str, kind: str, value: Any) -> Iterator[Finding]:
        """One entry: its tensors, and for a reference map the labels in the metadata."""
        try:
            tensors = load(bytes(value))
        except SafetensorError as error:
            yield Finding(path, f"the entry {key!r} is no safetensors value: {error}")
            return
        found = {name: (array.shape, array.dtype.name) for name, array in tensors.items()}
        if found != (expected := layout(kind, self.patch_m)):
            yield Finding(path, f"the entry {key!r}: expected {expected}, found {found}")
        elif kind == "reference_maps":
            yield from self.check_labels(path, key, tensors["Data"])

    def check_labels(self, path: Path, key: str, pixels: NDArray[np.uint16]) -> Iterator[Finding]:
        """The labels of a patch against its reference map."""
        if not hasattr(self, "_labels"):
            self._labels = dict(self.metadata.select("patch_id", "labels").rows())
            self._classes = read_nomenclature(self.config["labels"]["nomenclature"])
        patch = key.removesuffix(entry_key("reference_maps", ""))
        codes = np.unique(pixels).tolist()
        derived = sorted({self._classes[code] for code in codes if code in self._classes})
        if derived != list(self._labels[patch]):
            yield Finding(
                path,
                f"{patch}: the metadata's labels are {self._labels[patch]}, those of its "
                f"reference map {derived}",
            )

    def check_shards(self) -> Iterator[Finding]:
        """Every entry of the LMDB against the shard that it was copied from."""
        wanted = self.keys()
        tile_of = {
            row["s1_name"] if kind == "s1" else entry_key(kind, row["patch_id"]): row["patch_id"]
            for kind in self.kinds
            for row in self.metadata.select("patch_id", "s1_name").iter_rows(named=True)
        }
        groups: dict[Path, list[str]] = {}
        for key in self.sampled(wanted):
            tile = tile_of[key].rsplit("_", 2)[0]
            groups.setdefault(self.results / f"encoded/{wanted[key]}/{tile}.lmdb", []).append(key)
        with read_lmdb(self.results / LMDB) as whole:
            for path, keys in sorted(groups.items()):
                if not path.is_dir():
                    self.notes.append(f"{path}: not there, not compared with the LMDB")
                    continue
                with read_lmdb(path) as shard:
                    for key in keys:
                        copy, source = whole.get(key.encode()), shard.get(key.encode())
                        if source is None:
                            yield Finding(path, f"the entry {key!r} is missing")
                        elif copy is not None and copy != source:
                            yield Finding(path, f"the entry {key!r} differs from {LMDB}")

    def check_tables(self) -> Iterator[Finding]:
        """Split from the places, flags and labels from the tables that decide them."""
        patches = self.patches()
        if patches is not None:
            split = assign_split(patches, self.config["split"]["p"], self.config["split"]["q"])
            yield from self.compare("split", split, "its place in the tile")
        for name, schema, columns in (
            ("snow_cloud", SNOW_CLOUD, SNOW_CLOUD.names[1:]),
            ("labels", LABELS, ["labels"]),
        ):
            path = self.results / f"tables/{name}.parquet"
            if path.is_file():
                frame = read_table(path, schema)
                for column in columns:
                    yield from self.compare(column, frame, path.name)
        dark = pl.any_horizontal("contains_seasonal_snow", "contains_cloud_or_shadow")
        for table, frame, flagged in ((CLEAR, self.clear, False), (OBSCURED, self.obscured, True)):
            wrong = frame.filter(dark.fill_null(False) != flagged)["patch_id"]
            for name in wrong:
                yield Finding(self.results / table, f"{name}: its flags belong in the other table")

    def compare(self, column: str, source: pl.DataFrame, where: str) -> Iterator[Finding]:
        """A column of the metadata against the table that decides it."""
        for path, frame in ((CLEAR, self.clear), (OBSCURED, self.obscured)):
            both = frame.select("patch_id", column).join(
                source.select("patch_id", derived=column), on="patch_id", how="left"
            )
            for name, stated, derived in both.filter(
                pl.col(column).ne_missing(pl.col("derived"))
            ).rows():
                yield Finding(
                    self.results / path, f"{name}: {column} is {stated}, by {where} it is {derived}"
                )

    def check_ground(self) -> Iterator[Finding]:
        """State how much ground patches of different splits share in a season.

        Neighbouring tiles of a zone overlap by less than the outer frame is wide, so that
        both call the overlap train; tiles of two zones can overlap deeper, and what the
        places then give is allowed and stated. A pair whose splits are not those of their
        places is a finding.
        """
        patches = self.patches()
        if patches is None:
            return
        by_place = assign_split(patches, self.config["split"]["p"], self.config["split"]["q"])
        stated = self.metadata.select("patch_id", "split").join(patches, on="patch_id")
        pairs = shared_ground(stated)
        place = dict(by_place.iter_rows())
        sharing = set(pairs["patch_id"]) | set(pairs["other"])
        self.notes.append(
            f"{len(sharing)} of {len(stated)} patches ({len(sharing) / max(1, len(stated)):.2%}) "
            "share ground with a patch of another split in the same season"
        )
        for one, other, split, other_split, share in pairs.rows():
            if (split, other_split) != (place[one], place[other]):
                yield Finding(
                    self.results / CLEAR,
                    f"{one} ({split}) and {other} ({other_split}) share {share:.1%} of ground; "
                    f"by their places they are {place[one]} and {place[other]}",
                )

    def patches(self) -> pl.DataFrame | None:
        """The places of all patches; None where the tables are gone."""
        paths = sorted((self.results / "tables/patches").glob("*.parquet"))
        return read_tables(paths, PATCHES) if paths else None

    def sampled(self, keys: Iterable[str]) -> list[str]:
        """All keys, or every so many of them; sorted."""
        ordered = sorted(keys)
        if self.sample is None:
            return ordered
        return ordered[:: max(1, len(ordered) // self.sample)]


def check_content(
    results: Path, manifest: dict[str, Any], sample: int | None, notes: list[str]
) -> list[tuple[str, Callable[[], Iterable[Finding]]]]:
    """The checks of a build's content, by name."""
    content = Content(results, manifest, sample, notes)
    return [
        ("rows", content.check_rows),
        ("lmdb", content.check_lmdb),
        ("shards", content.check_shards),
        ("tables", content.check_tables),
        ("ground", content.check_ground),
    ]
