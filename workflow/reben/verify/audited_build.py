"""A results folder being verified: its manifest, the findings, the notes."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from reben.audit import provenance
from reben.config.land_cover import is_raster
from reben.domain.grid import TileGrid, TileSquare
from reben.domain.verdict import ACCEPTED
from reben.land_cover.legend import Legend
from reben.land_cover.nomenclature import CODES, CORINE_CODES, NO_CODE
from reben.memory.sources import Source
from reben.results.layout import Layout
from reben.runtime.errors import TableError
from reben.runtime.files import read_json

_PARTS = {
    "config": (
        *("patches", "labels", "split", "lmdb", "sentinel1", "snow_cloud", "quality"),
        *("countries", "alignment"),
    ),
    "inputs": ("files", "products"),
    "outputs": ("tiles", "files", "lmdb", "global"),
    "dataset": ("patches", "patches_by_split"),
    "software": ("gdal",),
    "code": ("steps",),
}


def listed(names: Iterable[str]) -> str:
    """The first few names, and how many there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - 3} more" if ordered[3:] else ""
    return ", ".join(ordered[:3]) + more


@dataclass(frozen=True)
class Finding:
    """A deviation from the audit: the file, and what is wrong with it."""

    path: Path
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


@dataclass
class AuditedBuild:
    """A results folder being verified.

    Attributes:
        layout: the places of the results.
        manifest: content of its manifest.
        sample: how many random patches of each tile to check; None checks all.
        notes: what could not be checked, and measured shares.
        absent: names of missing files, by folder and consequence.
    """

    layout: Layout
    manifest: dict[str, Any]
    sample: int | None = None
    notes: list[str] = field(default_factory=list)
    absent: dict[tuple[Path, str], set[str]] = field(default_factory=dict)

    @classmethod
    def open(cls, results: Path, sample: int | None = None) -> "AuditedBuild":
        """Read the manifest.

        Raises:
            TableError: it is missing or not a manifest.
        """
        layout = Layout(results)
        path = layout.manifest
        if not path.is_file():
            raise TableError(
                f"{path}: expected the manifest of the build, found none; make it with the "
                "target `audit`"
            )
        try:
            manifest = read_json(path)
            for part, keys in _PARTS.items():
                for key in keys:
                    manifest[part][key]
        except (KeyError, TypeError) as error:
            raise TableError(
                f"{path}: expected the manifest of a build, found something else "
                f"({type(error).__name__}: {error}); make it again with the target `audit`"
            ) from error
        return cls(layout, manifest, sample)

    @property
    def results(self) -> Path:
        """The results folder."""
        return Path(self.layout.root)

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config."""
        config: dict[str, Any] = self.manifest["config"]
        return config

    @property
    def patch_side_m(self) -> int:
        """Side of a patch, metres."""
        return int(self.config["patches"]["side_m"])

    @property
    def kinds(self) -> list[str]:
        """What the LMDB has of every patch."""
        has_s1 = self.sentinel1_root is not None
        return [kind for kind in self.config["lmdb"]["include"] if kind != "s1" or has_s1]

    @property
    def sentinel1_root(self) -> Path | None:
        """The folder of the Sentinel-1 patches; None for a dataset without."""
        return self.layout.sentinel1_root(self.config["sentinel1"])

    @property
    def cuts_sentinel1(self) -> bool:
        """Whether its Sentinel-1 patches were cut from scenes."""
        return bool(self.config["sentinel1"].get("scenes"))

    @property
    def min_valid_fraction(self) -> float:
        """Fraction of the pixels of a Sentinel-1 patch that have data."""
        settings = self.config["sentinel1"]
        return float(settings["min_valid_fraction"]) if self.cuts_sentinel1 else 1.0

    @property
    def tiles(self) -> list[str]:
        """The tiles that the manifest names, sorted."""
        return sorted(self.manifest["outputs"]["tiles"])

    @cached_property
    def grids(self) -> dict[str, TileGrid]:
        """The patch grid of each tile; without tiles whose product was rejected."""
        products = self.manifest["inputs"]["products"]
        return {
            tile: TileSquare.from_dict(products[tile]["grid"]).grid(self.patch_side_m)
            for tile in self.tiles
            if products[tile]["verdict"] == ACCEPTED
        }

    @cached_property
    def codes(self) -> frozenset[int]:
        """The codes that a reference map can have: those of the legend or of CORINE, and none."""
        path = self.layout.clip_manifest
        legend = read_json(path).get("legend") if path.is_file() else None
        if legend is not None:
            return frozenset(Legend.from_dict(legend).classes) | {NO_CODE}
        return CODES | {NO_CODE} if is_raster(self.config) else CORINE_CODES

    def pick(self, names: Iterable[str]) -> list[str]:
        """All names, or a new random sample each time; sorted."""
        ordered = sorted(names)
        if self.sample is None or self.sample >= len(ordered):
            return ordered
        return sorted(random.sample(ordered, self.sample))

    def note_other_code(self) -> None:
        """Note which steps ran with other code than this."""
        built, here = self.manifest["code"]["steps"], provenance.code()["steps"]
        if other := {step for step in built | here if built.get(step) != here.get(step)}:
            self.notes.append(
                f"built by other code than this for {listed(other)}; what that made otherwise is "
                "a finding"
            )

    def note_absent(self, path: Path, consequence: str = "not checked") -> None:
        """Note a missing file that later steps do not need."""
        self.absent.setdefault((path.parent, consequence), set()).add(path.name)

    def remarks(self) -> list[str]:
        """What could not be checked, and other notes; one line per folder."""
        missing = [
            f"{folder}: not there, {consequence}: {listed(names)}"
            for (folder, consequence), names in sorted(self.absent.items())
        ]
        return [*missing, *self.notes]

    def input_at_hand(self, key: str, consequence: str) -> Path | None:
        """A file that the config names, if unchanged; otherwise None and a note."""
        entry = self.manifest["inputs"]["files"].get(key)
        if entry is None:
            return None
        path = Path(entry["path"])
        source = Source(path)
        if path.is_file() and source.digest(source.files()) == entry["sha256"]:
            return path
        self.notes.append(f"{path}: {key} is gone or has changed since, {consequence}")
        return None
