"""Step pack_archives: pack the GeoTIFFs of the dataset into archives in the published layout.

In: the metadata tables and the folders of the patches. Out: a folder with
``BigEarthNet-S2.tar.zst``, ``BigEarthNet-S1.tar.zst`` and ``Reference_Maps.tar.zst``,
as requested, the two tables, which readers expect beside the unpacked folders, and
``SHA256SUMS``. The archives contain exactly the patches of the two tables, as
``<archive>/<tile or scene>/<patch>/<patch>_<layer>.tif``; files are packed without a second
copy. The same patches give the same bytes, with any number of threads.
"""

import hashlib
import io
import logging
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, cast

import zstandard

from reben.domain.bands import S1_BANDS, S2_BANDS
from reben.domain.names import REFERENCE_MAP, Sentinel1Name, file_stem, tile_of
from reben.domain.tables import METADATA, SENTINEL1, read_tables
from reben.results.layout import ARCHIVES, Layout
from reben.results.tile_paths import TilePaths
from reben.runtime import cli
from reben.runtime.errors import TableError
from reben.runtime.files import atomic_file, sha256_file, write_text
from reben.storage.patch_container import PatchFinder, patch_reader
from reben.storage.patch_files import PatchReader

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

log = logging.getLogger(__name__)

#: Reflectance shrinks to about two thirds; higher levels gain little for much more time.
_LEVEL = 9
#: More than the largest layer, that of a patch as large as a tile.
_MAX_BYTES = 1 << 30

#: A file of an archive: name inside, store, folder in the store, layer.
Member = tuple[str, PatchReader, str, str]


class _Digesting(io.RawIOBase):
    """Writes bytes to a file and digests them on the way."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer") -> int:
        self.digest.update(data)
        return self._file.write(data)


def members_by_tile(
    archive: str, root: Path, patches: Iterable[str], layers: Sequence[str]
) -> Iterator[Member]:
    """The files of Sentinel-2 patches or reference maps, in ``root/<tile>/<patch>``."""
    for tile, names in groupby(sorted(patches), key=tile_of):
        store = patch_reader(root / tile)
        for patch in names:
            for layer in layers:
                yield f"{archive}/{tile}/{patch}/{file_stem(patch, layer)}.tif", store, patch, layer


def members_by_scene(archive: str, root: Path, folders: dict[str, str]) -> Iterator[Member]:
    """The files of Sentinel-1 patches anywhere below `root` (name: folder)."""
    stores = PatchFinder(root)
    for name in sorted(folders):
        scene = Sentinel1Name.parse(name).scene
        store, folder = stores.find(folders[name])
        for band in S1_BANDS:
            yield f"{archive}/{scene}/{name}/{file_stem(name, band)}.tif", store, folder, band


def write_archive(path: Path, members: Iterable[Member], threads: int) -> tuple[int, str]:
    """Write an archive.

    Args:
        path: path of the archive, ``.tar.zst``.
        members: its files, in order.
        threads: compression threads; at least 1, so that the bytes do not depend on their number.

    Returns:
        Number of files, and SHA-256 of the archive.

    Raises:
        RasterError: a file is missing.
    """
    count = 0
    compressor = zstandard.ZstdCompressor(
        level=_LEVEL, threads=max(1, threads), write_checksum=True
    )
    with path.open("wb") as file:
        digesting = _Digesting(file)
        with (
            compressor.stream_writer(cast(IO[bytes], digesting), closefd=False) as stream,
            tarfile.open(fileobj=stream, mode="w|", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for name, store, folder, layer in members:
                data = store.read(folder, layer, _MAX_BYTES)
                # Owner 0, no names, time 0: what a member holds is all that it says.
                header = tarfile.TarInfo(name)
                header.size, header.mode = len(data), 0o644
                tar.addfile(header, io.BytesIO(data))
                count += 1
    return count, digesting.digest.hexdigest()


def main(argv: Sequence[str] | None = None) -> None:
    """Write the archives of a dataset."""
    parser = cli.parser(__doc__)
    parser.add_argument("--metadata", nargs="+", required=True, help="both metadata tables")
    parser.add_argument("--s2", type=Path, help="folder of the patches, by tile")
    parser.add_argument("--reference-maps", type=Path, help="folder of the reference maps, by tile")
    parser.add_argument("--s1", type=Path, help="folder of the Sentinel-1 patches")
    parser.add_argument(
        "--pairs", nargs="*", action=TilePaths, default=[], help="Sentinel-1 pairs of all tiles"
    )
    parser.add_argument("--threads", type=cli.count, default=1)
    parser.add_argument("--out", required=True, help="folder of the archives")
    args = parser.parse_args(argv)

    metadata = read_tables(args.metadata, METADATA)
    patches = metadata["patch_id"].to_list()
    archives: dict[str, Iterable[Member]] = {}
    if args.s2:
        archives[ARCHIVES["s2"]] = members_by_tile(ARCHIVES["s2"], args.s2, patches, S2_BANDS)
    if args.s1:
        pairs = dict(read_tables(args.pairs, SENTINEL1).select("s1_name", "folder").rows())
        names = metadata["s1_name"].drop_nulls().unique().to_list()
        if missing := sorted(set(names) - pairs.keys()):
            raise TableError(
                f"{len(missing)} Sentinel-1 patches of the metadata are missing in the tables of "
                f"pairs, e.g. {missing[0]}; pass the tables of all tiles"
            )
        archives[ARCHIVES["s1"]] = members_by_scene(
            ARCHIVES["s1"], args.s1, {name: pairs[name] for name in names}
        )
    if args.reference_maps:
        archives[ARCHIVES["reference_maps"]] = members_by_tile(
            ARCHIVES["reference_maps"], args.reference_maps, patches, [REFERENCE_MAP]
        )
    # File by file: people unpack the archives beside them. Without checksums it is not finished.
    folder, digests = Path(args.out), {}
    checksums = folder / Layout("").archive_checksums.name
    checksums.unlink(missing_ok=True)
    for archive, members in archives.items():
        path = folder / f"{archive}.tar.zst"
        with atomic_file(path) as part:
            count, digests[path.name] = write_archive(part, members, args.threads)
        log.info("%s: %d files, %d bytes", path.name, count, path.stat().st_size)
    for table in map(Path, args.metadata):
        with atomic_file(folder / table.name) as part:
            digests[table.name] = sha256_file(shutil.copyfile(table, part))
    lines = [f"{digest}  {name}\n" for name, digest in sorted(digests.items())]
    write_text(checksums, "".join(lines))


if __name__ == "__main__":
    cli.run(main)
