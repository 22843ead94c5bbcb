"""Check the metadata tables: rows, types, names; and their agreement with the LMDB."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from reben.domain.names import FileName, PatchName, ProductName, Sentinel1Name, entry_key
from reben.domain.split_geometry import SPLITS
from reben.domain.tables import METADATA, read_table
from reben.results.layout import Layout
from reben.storage.lmdb_store import read_lmdb
from reben.verify.audited_build import AuditedBuild, Finding
from reben.verify.files import claimed_hashes

_V1 = re.compile(r"(?P<mission>S2[A-D])_MSIL2A_(?P<date>\d{8})T\w*?_(?P<col>\d+)_(?P<row>\d+)")


@dataclass
class Metadata:
    """The metadata of a build.

    Attributes:
        layout: the places of the results.
        clear: rows of patches without snow, cloud or shadow.
        obscured: rows of patches with snow, cloud or shadow.
        audited: names of the valid patches, from the audit's checksums.
    """

    layout: Layout
    clear: pl.DataFrame
    obscured: pl.DataFrame
    audited: pl.Series

    @classmethod
    def read(cls, build: AuditedBuild) -> "Metadata":
        """Read both tables.

        Raises:
            TableError: one is missing or unreadable.
        """
        names = {
            name.patch
            for tile in build.tiles
            for name in map(FileName.match, claimed_hashes(build, tile, "patches"))
            if name
        }
        layout = build.layout
        clear = read_table(layout.metadata, METADATA)
        obscured = read_table(layout.obscured, METADATA)
        return cls(layout, clear, obscured, pl.Series(sorted(names), dtype=pl.String))

    @property
    def frame(self) -> pl.DataFrame:
        """The rows of both tables."""
        return pl.concat([self.clear, self.obscured])

    def both(self) -> list[tuple[Path, pl.DataFrame]]:
        """Both tables with their paths."""
        paths = self.layout.metadata, self.layout.obscured
        return list(zip(paths, (self.clear, self.obscured), strict=True))

    def of_tile(self, tile: str) -> dict[str, str | None]:
        """The Sentinel-1 name of each patch of a tile."""
        rows = self.frame.filter(pl.col("patch_id").str.starts_with(f"{tile}_"))
        return dict(rows.select("patch_id", "s1_name").rows())

    def check(self, build: AuditedBuild) -> Iterator[Finding]:
        """Check types, tables, splits, names, and the counts in the manifest."""
        flagged = pl.any_horizontal("contains_seasonal_snow", "contains_cloud_or_shadow")
        known = pl.col("patch_id").is_in(self.audited.implode())
        for (path, frame), obscured in zip(self.both(), (False, True), strict=True):
            for expected, found in zip_longest(METADATA, pq.read_schema(path)):
                if expected != found:
                    yield Finding(path, f"expected the column {expected}, found {found}")
            for name in frame.filter(flagged.fill_null(False) != obscured)["patch_id"]:
                yield Finding(path, f"{name}: its flags belong in the other table")
            for name in frame.filter(~known)["patch_id"]:
                yield Finding(path, f"{name} is not a valid patch of the audit")
            for name in frame.filter(~pl.col("split").is_in(SPLITS))["patch_id"]:
                yield Finding(path, f"{name}: its split is not one of {', '.join(SPLITS)}")
            for row in frame.filter(known).iter_rows(named=True):
                yield from check_names(path, row["patch_id"], row["s1_name"], row["s2v1_name"])
        twice = self.clear.join(self.obscured, on="patch_id", how="semi")["patch_id"]
        for name in twice:
            yield Finding(self.layout.obscured, f"{name} is also in the other table")
        claimed = build.manifest["dataset"]
        counts = dict(self.frame["split"].value_counts().rows())
        found = {split: counts.get(split, 0) for split in SPLITS}
        if (len(self.frame), found) != (claimed["patches"], claimed["patches_by_split"]):
            yield Finding(
                self.layout.dataset, f"expected {claimed['patches']} patches "
                f"{claimed['patches_by_split']}, found {len(self.frame)} {found}",
            )  # fmt: skip

    def check_keys(self, build: AuditedBuild) -> Iterator[Finding]:
        """Check that rows have their entries in the LMDB, and entries their rows."""
        path = build.layout.lmdb
        wanted: set[str] = set()
        for kind in build.kinds:
            column = "s1_name" if kind == "s1" else "patch_id"
            wanted |= {entry_key(kind, name) for name in self.frame[column].drop_nulls()}
        with read_lmdb(path) as txn:
            keys = txn.cursor().iternext(values=False)
            there = {bytes(key).decode(errors="backslashreplace") for key in keys}
        for key in sorted(wanted - there):
            yield Finding(path, f"the entry {key!r} is missing but listed in the metadata")
        for key in sorted(there - wanted):
            yield Finding(path, f"the entry {key!r} belongs to no row of the metadata")


def check_names(
    path: Path, patch: str, s1_name: str | None, s2v1_name: str | None
) -> Iterator[Finding]:
    """Check the names of a patch in Sentinel-1 and v1, which contain its place."""
    name = PatchName.parse(patch)
    product = ProductName.parse(name.tile)
    if s1_name is not None:
        other = Sentinel1Name.parse(s1_name)
        if (other.mgrs, other.col, other.row) != (product.mgrs, name.col, name.row):
            yield Finding(path, f"{patch}: its s1_name is of another place, {s1_name}")
    if s2v1_name is not None:
        match = _V1.fullmatch(s2v1_name)
        here = (product.mission, product.sensing[:8], name.col, name.row)
        if match is None or here != (match[1], match[2], int(match[3]), int(match[4])):
            yield Finding(path, f"{patch}: its s2v1_name is of another patch, {s2v1_name}")
