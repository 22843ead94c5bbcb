"""The tar of a tile's patches: same files as the folder, same bytes whatever the threads."""

import errno
import subprocess
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reben.audit.digests import digest_all, geotiffs
from reben.encode import encode, sources_in_folder
from reben.patches import main as make_patches
from reben.runtime.errors import RasterError, TableError
from reben.runtime.files import atomic_directory, sha256_file
from reben.storage.lmdb_store import read_lmdb
from reben.storage.patch_container import CONTAINERS, patch_reader, patch_writer
from reben.storage.patch_files import Patch, PatchReader, PatchWriter
from reben.storage.patch_tar import INDEX, TAR, TarReader, TarWriter

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
ROWS = 4


def patches_of(row: int) -> Iterator[Patch]:
    """None in row 1, else as many as the row; layers of odd lengths, in pieces."""
    for col in range(row if row != 1 else 0):
        name = f"{TILE}_{col:02d}_{row:02d}"
        yield (
            name,
            iter(
                [
                    ("B02", [b"header", memoryview(bytes([row, col]) * (300 * row))]),
                    ("SCL", [b"", b"x" * col]),
                ]
            ),
        )


def write(folder: Path, order: list[int], threads: int = 1) -> Path:
    folder.mkdir(parents=True)
    with TarWriter(folder) as writer, ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda row: writer.add_row(row, patches_of(row)), order))
    return folder


@settings(deadline=None)
@given(order=st.permutations(range(ROWS)), threads=st.integers(1, 4))
def test_same_bytes_in_whatever_order_rows_come(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], threads: int
) -> None:
    base = tmp_path_factory.mktemp("tar")
    one, other = write(base / "one", list(range(ROWS))), write(base / "other", order, threads)
    for name in (TAR, INDEX):
        assert sha256_file(one / name) == sha256_file(other / name)


def test_plain_tar_extracts_the_published_layout(tmp_path: Path) -> None:
    write(tmp_path / "tar", list(range(ROWS)))
    plain = tmp_path / "plain"
    plain.mkdir()
    for row in range(ROWS):
        PatchWriter(plain).add_row(row, patches_of(row))
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "-xf", str(tmp_path / "tar" / TAR)], cwd=out, check=True)
    assert contents(out) == contents(plain) != {}
    # The audit's checksums are those of the GeoTIFFs, not of the tar.
    assert digest_all(geotiffs(tmp_path / "tar"), 2) == digest_all(geotiffs(plain)) != {}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_members_carry_nothing_of_this_machine(tmp_path: Path) -> None:
    with tarfile.open(write(tmp_path / "t", list(range(ROWS))) / TAR) as tar:
        members = tar.getmembers()
    assert len(members) == 10
    for member in members:
        found = (member.mtime, member.uid, member.gid, member.uname, member.gname, member.mode)
        assert found == (0, 0, 0, "", "", 0o644)


def test_reader_gives_what_the_folder_gives(tmp_path: Path) -> None:
    store = patch_reader(write(tmp_path / "t", [3, 1, 0, 2]))
    assert isinstance(store, TarReader)
    folders = list(store.folders())
    assert folders == [f"{TILE}_{col:02d}_{row:02d}" for row in (2, 3) for col in range(row)]
    assert store.read(folders[-1], "B02") == b"header" + bytes([3, 2]) * 900
    # A file that is shorter than requested fills only its own length.
    head, rest, tail = bytearray(6), bytearray(1800), bytearray(b"?")
    assert store.read_into(folders[-1], "B02", [head, rest, tail]) == 1806
    assert (bytes(head), bytes(rest), bytes(tail)) == (b"header", bytes([3, 2]) * 900, b"?")


def test_missing_layer_and_index_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "t", list(range(ROWS)))
    with pytest.raises(RasterError, match=rf"{TAR}: B99 of {TILE}_00_02 is missing; expected"):
        TarReader(folder).read(f"{TILE}_00_02", "B99")
    (folder / INDEX).unlink()
    with pytest.raises(TableError, match=INDEX):
        TarReader(folder)


def test_a_missing_row_is_a_bug(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match=r"rows \[1\] wait for row 0"),
        TarWriter(tmp_path) as w,
    ):
        w.add_row(1, [])


def test_nothing_is_left_of_a_failed_tar(tmp_path: Path) -> None:
    def broken() -> None:
        with atomic_directory(tmp_path / "out") as folder, patch_writer(folder, "tar") as writer:
            writer.add_row(0, patches_of(2))
            raise ValueError("decoding failed")

    with pytest.raises(ValueError, match="decoding failed"):
        broken()
    assert list(tmp_path.iterdir()) == []


def test_full_disk_names_the_tar(tmp_path: Path) -> None:
    def write() -> None:
        with TarWriter(tmp_path) as writer:
            writer._file.close()
            writer._file = Path("/dev/full").open("wb", buffering=2)  # noqa: SIM115
            writer.add_row(0, patches_of(2))

    with pytest.raises(OSError, match="No space left") as caught:
        write()
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / TAR))


def test_steps_give_the_same_shard_from_either(product: Path, tmp_path: Path) -> None:
    """From a product to an LMDB, via a folder and via a tar."""
    shards = []
    for container in CONTAINERS:
        root = tmp_path / container
        make_patches(
            ["--product", str(product), "--tile", TILE]
            + ["--container", container, "--threads", "3", "--out", str(root / TILE)]
            + ["--table", str(tmp_path / f"{container}.parquet")]
        )
        for source in (root, root / TILE):  # also found below the root of all tiles
            shards.append(tmp_path / f"{container}{len(shards)}.lmdb")
            assert encode(sources_in_folder("s2", str(source), 1200), str(shards[-1]), 2) == 4
    with read_lmdb(shards[0]) as txn:
        assert txn.stat()["entries"] == 4
    assert len({sha256_file(shard / "data.mdb") for shard in shards}) == 1
    assert {path.name for path in (tmp_path / "tar" / TILE).iterdir()} == {INDEX, TAR}
    assert isinstance(patch_reader(tmp_path / "directory" / TILE), PatchReader)
    assert sha256_file(tmp_path / "directory.parquet") == sha256_file(tmp_path / "tar.parquet")
