"""Inputs from outside the results: their files, and whether they are what they were.

In: a path of the user's. Out: its files, a stamp of their names, sizes and times, and a digest
of their content. Equal stamps mean equal content; where they differ, the digest decides. The
time of change (ctime) counts, since tools that keep the time of modification (unzip, `cp -p`)
cannot set it back.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from reben.domain.bands import S1_BANDS
from reben.runtime.files import files_below, sha256_file, subfolders
from reben.storage.file_patterns import fixed_part, matching
from reben.storage.patch_files import file_name
from reben.storage.virtual_raster import is_virtual, sources

#: Files that belong to a Shapefile, by their suffix.
_SHAPEFILE = frozenset((".shp", ".shx", ".dbf", ".prj", ".cpg", ".sbn", ".sbx", ".qix"))
#: Behind a GeoPackage's name: rows that are not in the file itself yet (SQLite).
_JOURNALS = ("-wal", "-journal")
#: What GDAL, QGIS and Snakemake leave in folders; no step reads it.
_NOT_READ = (".aux.xml", ".snakemake_timestamp")
#: More than the header of any GeoTIFF of a patch.
_HEAD_BYTES = 1024
_THREADS = 4
#: Files that a thread hashes at a time: enough that handing them over costs nothing.
_BATCH = 64


@dataclass(frozen=True)
class Source:
    """An input from outside, or the part of it that a step reads.

    Attributes:
        path: a file or folder.
        kind: ``all``, a file with what belongs to it (the parts of a Shapefile, the journal of a
            GeoPackage, the header of an ENVI image) or all files of a folder; ``pattern``, files
            of the folder; ``folders``, the names of the folders in it and in those; ``images``,
            the Sentinel-1 images below it that a table lists; ``headers``, of these the size
            and the first kilobyte; ``rasters``, the files that the path, a pattern, names, and what
            virtual ones among them read.
        detail: the pattern, or the table whose column ``folder`` lists patches.
    """

    path: Path
    kind: str = "all"
    detail: str = ""

    def exists(self) -> bool:
        """Whether it is there."""
        return bool(matching(str(self.path))) if self.kind == "rasters" else self.path.exists()

    def files(self) -> list[str]:
        """The names that it consists of, relative to its folder, sorted.

        Listed images are named whether they are there or not; none before there is a table.
        """
        if self.kind in ("images", "headers"):
            return self._listed() if Path(self.detail).exists() else []
        if self.kind == "folders":
            return sorted(_folders_below(self.path))
        if self.kind == "rasters":
            return [os.path.relpath(path, self.root) for path in self._rasters()]
        if not self.path.is_dir():
            return sorted(self._companions())
        if self.kind == "pattern":
            found = self.path.glob(self.detail)
            return sorted(p.relative_to(self.path).as_posix() for p in found if p.is_file())
        every = files_below(self.path, follow_links=True)
        return sorted(name for name in every if not name.endswith(_NOT_READ))

    def _listed(self) -> list[str]:
        # Here, since the environments of steps that list nothing have no pyarrow.
        import pyarrow.parquet as pq

        folders = pq.read_table(self.detail, columns=["folder"])["folder"].unique().to_pylist()
        return sorted(file_name(folder, band) for folder in folders for band in S1_BANDS)

    def _rasters(self) -> list[Path]:
        found = matching(str(self.path))
        read = {source for path in found if is_virtual(path) for source in sources(path)}
        return found + sorted(read - set(found))

    def _companions(self) -> Iterator[str]:
        yield self.path.name
        if self.path.suffix.lower() == ".shp":
            for other in self.path.parent.glob(f"{escape(self.path.stem)}.*"):
                if other.suffix.lower() in _SHAPEFILE and other != self.path:
                    yield other.name
        header = self.path.with_suffix(".hdr")
        if self.path.suffix.lower() == ".img" and header.is_file():
            yield header.name  # what the pixels of an ENVI image are
        for journal in _JOURNALS:
            other = self.path.with_name(self.path.name + journal)
            if other.is_file() and other.stat().st_size:
                yield other.name

    def is_as_read(self, entries: Iterable[Mapping[str, str]]) -> bool:
        """Whether its content is still the one that records state: ``stamp`` and ``sha256``."""
        known = list(entries)
        files = self.files() if self.exists() else []
        if not files:
            return False
        if any(self.stamp(files) == entry["stamp"] for entry in known):
            return True
        return self.digest(files) in {entry["sha256"] for entry in known}

    @property
    def root(self) -> Path:
        """The folder that `files` are relative to."""
        if self.kind == "rasters":
            return fixed_part(str(self.path))
        return self.path if self.path.is_dir() else self.path.parent

    def stamp(self, files: Sequence[str]) -> str:
        """A digest over names, sizes and times of `files`; costs a look at each, no reading."""
        digest = hashlib.sha256()
        root = os.fspath(self.root)
        for name in files:
            facts = "" if self.kind == "folders" else _facts(f"{root}/{name}")
            digest.update(f"{name}\0{facts}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()[:32]

    def digest(self, files: Sequence[str]) -> str:
        """The SHA-256 of the content of `files`.

        Of a single file its own; else that of the table ``name,sha256``, in their order.

        Raises:
            OSError: a file cannot be read.
        """
        if not self.path.is_dir() and list(files) == [self.path.name]:
            return sha256_file(self.path)
        hashed: Iterable[str] = _hash_all(self.root, files, self.kind == "headers")
        if self.kind == "folders":
            hashed = ("" for _ in files)
        table = hashlib.sha256(b"name,sha256\n")
        for name, value in zip(files, hashed, strict=True):
            table.update(f"{name},{value}\n".encode(errors="surrogateescape"))
        return table.hexdigest()


def _facts(path: str) -> str:
    try:
        status = os.stat(path)  # noqa: PTH116 - there may be a million of them
    except OSError:
        return "absent"
    if path.endswith(_JOURNALS):  # SQLite sets their owner whenever root opens the file
        return f"{status.st_size} {status.st_mtime_ns}"
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _hash_all(root: Path, names: Sequence[str], headers: bool) -> Iterator[str]:
    """The SHA-256 of each file, or of its size and beginning; ``absent`` where it is not there."""

    def hash_file(path: Path) -> str:
        if not path.exists():
            return "absent"
        if not headers:
            return sha256_file(path)
        with path.open("rb") as file:
            return hashlib.sha256(file.read(_HEAD_BYTES)).hexdigest() + f" {path.stat().st_size}"

    def hash_batch(batch: Sequence[str]) -> list[str]:
        return [hash_file(root / name) for name in batch]

    # Few files are large ones (a product's images), many are small ones (patches).
    size = 1 if len(names) <= 1000 else _BATCH
    batches = [names[i : i + size] for i in range(0, len(names), size)]
    with ThreadPoolExecutor(_THREADS) as pool:
        for values in pool.map(hash_batch, batches):
            yield from values


def _folders_below(root: Path) -> Iterator[str]:
    for folder in subfolders(root):
        yield folder
        yield from (f"{folder}/{name}" for name in subfolders(root / folder))
