"""What is checked of a build: its files against the manifest, then its content."""

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from reben.audit.digests import LAYERS, geotiffs, read_csv, to_csv
from reben.audit.outputs import HASH_FILES, LMDB, MANIFEST, TILES
from reben.errors import RebenError, TableError
from reben.files import read_json, sha256_file
from reben.names import patch_id
from reben.verify.content import Finding, check_content


@dataclass
class Build:
    """A results folder under check.

    Attributes:
        results: the folder.
        manifest: what it claims.
        sample: how many files and patches of each tile to look at; None looks at all.
        notes: what could not be checked, and shares that are stated.
    """

    results: Path
    manifest: dict[str, Any]
    sample: int | None = None
    notes: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, results: Path, sample: int | None = None) -> "Build":
        """Read the manifest.

        Raises:
            TableError: there is none.
        """
        path = results / "audit" / MANIFEST
        if not path.is_file():
            raise TableError(
                f"{path}: expected the manifest of the build, found none; make it with the "
                "target `audit`"
            )
        return cls(results, read_json(path), sample)

    def tiles(self) -> list[str]:
        """The tiles that the manifest names."""
        return sorted(self.manifest["outputs"]["tiles"])


def pick(names: Iterable[str], sample: int | None) -> list[str]:
    """All names, or `sample` of them spread evenly; sorted."""
    ordered = sorted(names)
    if sample is None or sample >= len(ordered):
        return ordered
    return [ordered[i] for i in np.linspace(0, len(ordered) - 1, sample).astype(int)]


def check_geotiffs(build: Build, tile: str, layer: str) -> Iterator[Finding]:
    """The GeoTIFFs of a tile against their checksums, and these against the manifest."""
    table = build.results / "audit" / TILES / f"{tile}.{layer}.csv"
    if not table.is_file():
        yield Finding(table, "the checksums of the tile are missing")
        return
    claimed = read_csv(table)
    digest = hashlib.sha256(to_csv(claimed).encode()).hexdigest()
    if digest != build.manifest["outputs"]["tiles"][tile][layer]:
        yield Finding(table, "its digest is not the one in the manifest")
    root = build.results / layer / tile
    if not root.is_dir():
        build.notes.append(f"{root}: not there, not checked")
        return
    there = geotiffs(root)

    def place(name: str) -> Path:
        """Where the file is, or where it would be if the folder were no tar."""
        return root / name[: len(patch_id(tile, 0, 0))] / f"{name}.tif"

    for name in sorted(there.keys() - claimed.keys()):
        yield Finding(place(name), "is not in the audit's checksums")
    for name in sorted(claimed.keys() - there.keys()):
        yield Finding(place(name), "is in the audit's checksums but missing")
    names = pick(there.keys() & claimed.keys(), build.sample)
    with ThreadPoolExecutor() as pool:
        hashes = pool.map(lambda name: there[name](), names)
        for name, found in zip(names, hashes, strict=True):
            if found != claimed[name]:
                yield Finding(place(name), f"sha256: expected {claimed[name]}, found {found}")


def check_files(build: Build) -> Iterator[Finding]:
    """Tables, shards and the LMDB's file against the manifest."""
    outputs = build.manifest["outputs"]
    claimed = dict(outputs["files"]) | {f"{LMDB}/data.mdb": outputs["lmdb"]["data.mdb"]}
    for layer, name in HASH_FILES.items():
        claimed[f"audit/{name}"] = outputs["global"][layer]
    for tile, entry in outputs["tiles"].items():
        for kind, digests in entry["shards"].items():
            claimed[f"encoded/{kind}/{tile}.lmdb/data.mdb"] = digests["data.mdb"]
    for name, expected in sorted(claimed.items()):
        path = build.results / name
        if not path.is_file():
            if name.startswith(("dataset/", "audit/")):
                yield Finding(path, "is in the manifest but missing")
            else:
                build.notes.append(f"{path}: not there, not checked")
        elif (found := sha256_file(path)) != expected:
            yield Finding(path, f"sha256: expected {expected}, found {found}")


def checks(build: Build) -> list[tuple[str, Callable[[], Iterable[Finding]]]]:
    """All checks in their order, with what they look at."""
    files: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        (f"{layer} {tile}", lambda t=tile, k=layer: check_geotiffs(build, t, k))  # type: ignore[misc]
        for tile in build.tiles()
        for layer in LAYERS
    ]
    content = check_content(build.results, build.manifest, build.sample, build.notes)
    return [*files, ("files", lambda: check_files(build)), *content]


def verify(build: Build) -> list[Finding]:
    """Run all checks; a check that breaks is a finding of its own."""
    findings: list[Finding] = []
    for name, check in track(
        checks(build),
        "verifying",
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    ):
        try:
            findings += check()
        except RebenError as error:
            findings.append(Finding(build.results, f"{name}: {error}"))
    return findings
