"""Check the tables of a build by deriving them again with the same functions.

Each is derived from its sources: places from the grids in the manifest, labels from the
pixels of the reference maps, splits from the places, flags and countries from lists and
outlines if available, and so on up to the metadata and the counts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
import pyarrow as pa

from reben.alignment import align_patches, read_pairs
from reben.countries import assign_country, read_countries
from reben.domain.bands import S2_BANDS
from reben.domain.names import tile_of
from reben.domain.tables import (
    ALIGNMENT,
    CODE_COUNTS,
    COUNTRIES,
    LABELS,
    PATCHES,
    SELECTION,
    SENTINEL1,
    SNOW_CLOUD,
    SPLIT,
    read_tables,
)
from reben.domain.verdict import ACCEPTED, REJECTED, Verdict
from reben.funnel import funnel_table, quality_table
from reben.labels import label_patches
from reben.land_cover.nomenclature import read_nomenclature
from reben.metadata import build_metadata, count_classes, divide
from reben.patches import TilePatches, patch_table
from reben.quality import failed
from reben.results.csv_text import to_csv
from reben.results.layout import Layout
from reben.selection import select_patches
from reben.snow_cloud import CLOUD_OR_SHADOW, SNOW, flag, read_names
from reben.split import assign_split
from reben.verify.audited_build import AuditedBuild, Finding
from reben.verify.metadata import Metadata

_PLACE = PATCHES.names[: PATCHES.names.index("valid")]


def compare(
    path: Path, stated: pl.DataFrame, derived: pl.DataFrame, where: str, *, whole: bool = True
) -> Iterator[Finding]:
    """Compare a table with the expected one.

    Args:
        path: path of the table, or folder of the tables of all tiles.
        stated: its rows, by patch_id.
        derived: the expected rows; columns that it lacks are not compared.
        where: what they were derived from.
        whole: whether both must have the same patches; otherwise common ones are compared.
    """

    def file(patch: str) -> Path:
        return path if path.suffix else path / f"{tile_of(patch)}.parquet"

    if not stated["patch_id"].is_sorted():
        yield Finding(path, "the rows are not sorted by patch_id")
    for name in stated.filter(stated["patch_id"].is_duplicated())["patch_id"].unique().sort():
        yield Finding(file(name), f"{name} has several rows")
    if whole:
        for name in derived.join(stated, on="patch_id", how="anti")["patch_id"].sort():
            yield Finding(file(name), f"{name} has no row; by {where} it should have one")
        for name in stated.join(derived, on="patch_id", how="anti")["patch_id"].sort():
            yield Finding(file(name), f"{name} has a row; by {where} it should have none")
    columns = [name for name in derived.columns[1:] if name in stated.columns]
    both = stated.join(derived.select("patch_id", *columns), on="patch_id", suffix="_derived")
    for name in columns:
        wrong = both.filter(pl.col(name).ne_missing(pl.col(f"{name}_derived")))
        for patch, found, expected in wrong.select("patch_id", name, f"{name}_derived").rows():
            text = f"{patch}: {name} is {found}, by {where} it is {expected}"
            yield Finding(file(patch), text)


@dataclass
class Tables:
    """The tables of a build being verified.

    Args:
        build: the build.
        metadata: its metadata.
        counts: rows of `tables.CODE_COUNTS`, from the reference maps that were checked.
    """

    build: AuditedBuild
    metadata: Metadata
    counts: pl.DataFrame
    _read: dict[str, pl.DataFrame | None] = field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        """The places of the results."""
        return self.build.layout

    def table(self, name: str, schema: pa.Schema) -> pl.DataFrame | None:
        """A table of all tiles, or the joined tables of each tile; None if it is gone."""
        if name not in self._read:
            layout = self.layout
            files = [self.build.results / file for file in self.build.manifest["outputs"]["files"]]
            paths = [
                path
                for path in files
                if path == layout.table(name) or path.parent == layout.tile_tables(name)
            ]
            there = bool(paths) and all(path.is_file() for path in paths)
            self._read[name] = read_tables(paths, schema, sort=False) if there else None
        return self._read[name]

    @cached_property
    def verdicts(self) -> dict[Path, Verdict]:
        """The existing verdicts on products, by file."""
        files = map(self.layout.verdict, self.build.tiles)
        return {path: Verdict.read(path) for path in files if path.is_file()}

    @cached_property
    def places(self) -> pl.DataFrame:
        """The places of all patches, from the grids of their tiles."""
        frames = [read_tables([], PATCHES).select(_PLACE)]
        for tile, grid in self.build.grids.items():
            nowhere = np.zeros((grid.count, grid.count), bool)
            found = TilePatches(dict.fromkeys(S2_BANDS, nowhere), None)
            frames.append(patch_table(tile, grid, found).select(_PLACE))
        return pl.concat(frames, how="vertical_relaxed")

    @property
    def valid_places(self) -> pl.DataFrame:
        """The places of the patches that the audit lists."""
        return self.places.filter(pl.col("patch_id").is_in(self.metadata.audited.implode()))

    @property
    def classes(self) -> dict[int, str]:
        """The nomenclature, as kept in the audit."""
        return read_nomenclature(self.layout.audit_nomenclature)

    def check_verdicts(self) -> Iterator[Finding]:
        """Check verdicts against the quality indicators, and grids against the manifest."""
        products = self.build.manifest["inputs"]["products"]
        required = sorted(self.build.config["quality"]["required"])
        for path, verdict in self.verdicts.items():
            reasons = failed(verdict.indicators, required)
            expected = {key: products[path.stem][key] for key in ("verdict", "grid")}
            expected["reasons"] = reasons
            if verdict.accepted == bool(reasons):
                expected["verdict"] = REJECTED if reasons else ACCEPTED
            found = verdict.to_dict()
            for key, value in expected.items():
                if found[key] != value:
                    yield Finding(path, f"{key}: expected {value}, found {found[key]}")

    def check_patches(self) -> Iterator[Finding]:
        """Check patches against their tiles' grids; the valid ones are those with GeoTIFFs."""
        if (patches := self.table("patches", PATCHES)) is not None:
            folder = self.layout.tile_tables("patches")
            valid = pl.col("patch_id").is_in(self.metadata.audited.implode())
            derived = self.places.with_columns(valid=valid)
            yield from compare(folder, patches, derived, "the grid of its tile and the audit")

    def check_labels(self) -> Iterator[Finding]:
        """Check labels against the pixels of the reference maps."""
        labels = self.build.config["labels"]
        options = (
            self.classes,
            labels["min_labelled_fraction"],
            labels["threshold"],
        )
        derived = label_patches(self.counts, *options)
        for path, frame in self.metadata.both():
            yield from compare(path, frame, derived.drop("kept"), "its reference map", whole=False)
        counted = self.table("code_counts", CODE_COUNTS)
        if counted is not None:
            folder = self.layout.tile_tables("code_counts")
            one_a_patch = pl.struct("code", "pixels").sort_by("code")
            stated, pixels = (
                frame.group_by("patch_id").agg(codes=one_a_patch).sort("patch_id")
                for frame in (counted, self.counts)
            )
            yield from compare(folder, stated, pixels, "its reference map", whole=False)
            audited = pl.DataFrame({"patch_id": self.metadata.audited})
            yield from compare(folder, stated, audited, "the audit")
            derived = label_patches(counted, *options)
        if (stated_labels := self.table("labels", LABELS)) is not None:
            where = "the pixels of its codes"
            yield from compare(
                self.layout.tile_tables("labels"),
                stated_labels,
                derived,
                where,
                whole=counted is not None,
            )

    def check_split(self) -> Iterator[Finding]:
        """Check splits against the places in the names."""
        shares = self.build.config["split"]
        derived = assign_split(self.places, shares["p"], shares["q"])
        where = "its place in the tile"
        for path, frame in self.metadata.both():
            yield from compare(path, frame, derived, where, whole=False)
        if (split := self.table("split", SPLIT)) is not None:
            valid = derived.filter(pl.col("patch_id").is_in(self.metadata.audited.implode()))
            yield from compare(self.layout.tile_tables("split"), split, valid, where)

    def check_flags(self) -> Iterator[Finding]:
        """Check flags against the lists, or the scene classification."""
        patches = self.table("patches", PATCHES)
        settings = self.build.config["snow_cloud"]
        known = self.aligned.select("patch_id", "s2v1_name")
        named = self.metadata.frame.select("patch_id").join(known, on="patch_id", how="left")
        if patches is not None:
            named = patches.filter("valid").join(known, on="patch_id", how="left")
        stated = self.table("snow_cloud", SNOW_CLOUD)
        for key, column, fractions in (
            ("seasonal_snow", "contains_seasonal_snow", SNOW),
            ("cloud_or_shadow", "contains_cloud_or_shadow", CLOUD_OR_SHADOW),
        ):
            names, where = None, "the scene classification"
            if settings[key] is not None:
                path = self.build.input_at_hand(f"snow_cloud.{key}", f"{column} was not checked")
                if path is None:
                    continue
                aligned = self.build.config["alignment"]["pairs"] is not None
                names, where = read_names(path, aligned=aligned), str(path)
            elif patches is None:
                continue
            flags = flag(named, names, fractions, settings["scl_cover_fraction"])
            derived = named.select("patch_id").with_columns(flags.alias(column))
            for path, frame in self.metadata.both():
                yield from compare(path, frame, derived, where, whole=False)
            if stated is not None:
                yield from compare(self.layout.snow_cloud, stated, derived, where, whole=False)

    @cached_property
    def pairs(self) -> Path | None:
        """The table of v1 pairs, if available."""
        return self.build.input_at_hand("alignment.pairs", "names of v1 were not checked")

    @cached_property
    def aligned(self) -> pl.DataFrame:
        """Names of the patches in v1, from the pairs or else from the build."""
        if self.pairs is not None:
            return align_patches(self.valid_places, read_pairs(self.pairs))
        if (aligned := self.table("alignment", ALIGNMENT)) is not None:
            return aligned
        return self.metadata.frame.filter(pl.col("s2v1_name").is_not_null())

    def check_countries(self) -> Iterator[Finding]:
        """Check countries against their outlines."""
        settings = self.build.config["countries"]
        path = self.build.input_at_hand("countries.path", "the countries were not checked")
        if path is None:
            return
        # A manifest of an earlier version has no layer.
        outlines = read_countries(
            path, settings["name_column"], settings["names"], settings.get("layer")
        )
        derived = assign_country(self.valid_places, outlines)
        for table, frame in self.metadata.both():
            yield from compare(table, frame, derived, str(path), whole=False)
        if (stated := self.table("countries", COUNTRIES)) is not None:
            yield from compare(self.layout.countries, stated, derived, str(path))

    def check_alignment(self) -> Iterator[Finding]:
        """Check names in v1 against the table of pairs."""
        if self.pairs is None:
            return
        names, where = self.aligned.select("patch_id", "s2v1_name"), str(self.pairs)
        for table, frame in self.metadata.both():
            yield from compare(table, frame, names, where, whole=False)
        if (stated := self.table("alignment", ALIGNMENT)) is not None:
            yield from compare(self.layout.alignment, stated, self.aligned, where)

    def _required_pairs(self) -> pl.DataFrame | None:
        drops = self.build.config["sentinel1"]["missing"] == "drop"
        required = drops and self.build.sentinel1_root is not None
        return self.table("sentinel1", SENTINEL1) if required else None

    def check_selection(self) -> Iterator[Finding]:
        """Check which patches are kept, and why the others are not."""
        patches = self.table("patches", PATCHES)
        stated, labels = self.table("selection", SELECTION), self.table("labels", LABELS)
        if stated is None or patches is None or labels is None:
            return
        aligned = self.table("alignment", ALIGNMENT)
        derived = select_patches(patches, labels, aligned, self._required_pairs())
        where = "the tables of patches, labels and names"
        yield from compare(self.layout.selection, stated, derived, where)

    def check_metadata(self) -> Iterator[Finding]:
        """Check both metadata tables against the tables of the steps."""
        selection, labels = self.table("selection", SELECTION), self.table("labels", LABELS)
        split, flags = self.table("split", SPLIT), self.table("snow_cloud", SNOW_CLOUD)
        if selection is None or labels is None or split is None or flags is None:
            return
        derived = build_metadata(
            selection,
            labels,
            split,
            flags,
            self.table("countries", COUNTRIES),
            self.table("alignment", ALIGNMENT),
            self.table("sentinel1", SENTINEL1),
        )
        for (path, frame), expected in zip(self.metadata.both(), divide(derived), strict=True):
            yield from compare(path, frame, expected, "the tables of the steps")

    def check_counts(self) -> Iterator[Finding]:
        """Check the counts against what they count."""
        verdicts = list(self.verdicts.values())
        classes = list(self.classes.values())
        layout = self.layout
        tables = {layout.class_counts: count_classes(self.metadata.clear, classes)}
        if len(verdicts) == len(self.build.tiles):
            tables[layout.quality] = quality_table(verdicts)
            if (selection := self.table("selection", SELECTION)) is not None:
                obscured, patch_side_m = self.metadata.obscured, self.build.patch_side_m
                tables[layout.funnel] = funnel_table(verdicts, selection, obscured, patch_side_m)
        for path, derived in tables.items():
            lines = zip_longest(path.read_text("utf-8").splitlines(), to_csv(derived).splitlines())
            for found, expected in lines:
                if found != expected:
                    yield Finding(path, f"expected {expected!r}, found {found!r}")

    #: The checks by table, in the order in which the tables are made.
    checks: ClassVar[dict[str, Callable[["Tables"], Iterator[Finding]]]] = {
        "verdicts": check_verdicts,
        "patches": check_patches,
        "labels": check_labels,
        "split": check_split,
        "snow_cloud": check_flags,
        "countries": check_countries,
        "alignment": check_alignment,
        "selection": check_selection,
        "metadata": check_metadata,
        "counts": check_counts,
    }
