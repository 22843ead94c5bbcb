"""LMDBs: written in order, completely or not at all, readable by any LMDB library."""

import errno
import hashlib
import os
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reben.runtime.errors import StoreError
from reben.storage import lmdb_store
from reben.storage.lmdb_store import content_digest, read_lmdb, shared_lmdb, write_lmdb

KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)


def write(path: Path, entries: dict[str, bytes], transaction_bytes: int = 1 << 20) -> Path:
    with write_lmdb(path, transaction_bytes) as writer:
        for key in sorted(entries, key=str.encode):
            writer.put(key, entries[key])
    return path


def entries_of(path: Path) -> dict[str, bytes]:
    """Read with standard tools."""
    with lmdb.open(str(path), readonly=True, lock=False) as env, env.begin() as txn:
        return {key.decode(): value for key, value in txn.cursor()}


@settings(max_examples=50)
@given(
    entries=st.dictionaries(KEYS, st.binary(max_size=20_000), max_size=30),
    transaction_bytes=st.sampled_from([1, 30_000, 1 << 24]),
)
def test_what_goes_in_comes_out(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[str, bytes], transaction_bytes: int
) -> None:
    path = write(tmp_path_factory.mktemp("lmdb") / "x.lmdb", entries, transaction_bytes)
    assert entries_of(path) == entries
    assert [file.name for file in path.iterdir()] == ["data.mdb"]


def test_map_grows_with_the_data_alone(tmp_path: Path) -> None:
    small = write(tmp_path / "small", {"a": bytes(10)})
    large = write(tmp_path / "large", {f"{i:03}": bytes(160_000) for i in range(100)})
    for path in (small, large):
        with lmdb.open(str(path), map_size=0, readonly=True, lock=False) as env:
            size = (path / "data.mdb").stat().st_size
            assert size <= env.info()["map_size"] < size + (4 << 20)


def append(path: Path, *keys: str, interrupt: bool = False) -> None:
    with write_lmdb(path) as writer:
        for key in keys:
            writer.put(key, b"new")
        if interrupt:
            raise KeyboardInterrupt


@pytest.mark.parametrize("second", ["a", "b"])
def test_keys_must_ascend(tmp_path: Path, second: str) -> None:
    message = rf"x\.lmdb: expected unique keys in sorted order, found '{second}' after 'b'"
    with pytest.raises(StoreError, match=message):
        append(tmp_path / "x.lmdb", "b", second)
    assert not list(tmp_path.iterdir())


def test_a_failed_block_leaves_what_was_there(tmp_path: Path) -> None:
    path = write(tmp_path / "x.lmdb", {"a": b"old"})
    with pytest.raises(KeyboardInterrupt):
        append(path, "a", interrupt=True)
    assert entries_of(path) == {"a": b"old"}
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def file_limit() -> Iterator[int]:
    """No file may grow beyond 1 MB, which acts like a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    yield 1_000_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_values_that_just_miss_a_page_fit_the_map(tmp_path: Path) -> None:
    """Each takes twice its length, which the map must have grown for beforehand."""
    entries = {f"{i:04}" * 10: bytes(4090) for i in range(3000)}
    assert entries_of(write(tmp_path / "x", entries, 8 << 20)) == entries


def test_full_disk_is_said_plainly(tmp_path: Path, file_limit: int) -> None:
    with pytest.raises(OSError, match="File too large") as error:
        write(tmp_path / "x.lmdb", {"a": bytes(2 * file_limit)}, 2 * file_limit)
    assert error.value.errno == errno.EFBIG
    assert error.value.filename == str(tmp_path / "x.lmdb")
    assert not list(tmp_path.iterdir())


def test_cut_off_store_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x", {"a": bytes(100_000)})
    size = (path / "data.mdb").stat().st_size
    os.truncate(path / "data.mdb", size - 4096)
    with pytest.raises(StoreError, match=f"truncated, expected {size} bytes, found {size - 4096}"):
        content_digest(path)


@pytest.mark.parametrize("content", [None, b"", b"no LMDB" * 9000])
def test_what_is_no_lmdb_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "data.mdb").write_bytes(content)
    message = "expected an LMDB" if content is None else "cannot be opened as an LMDB"
    for reader in (content_digest, shared_lmdb):
        with pytest.raises(StoreError, match=message) as error:
            reader(tmp_path)
        assert str(tmp_path) in str(error.value)


def test_digest_follows_its_definition(tmp_path: Path) -> None:
    path = write(tmp_path / "x", {"b": b"22", "a": b"1"})
    stream = b"".join(len(part).to_bytes(8, "little") + part for part in (b"a", b"1", b"b", b"22"))
    assert content_digest(path) == hashlib.sha256(stream).hexdigest()


def test_digest_depends_on_the_entries_alone(tmp_path: Path) -> None:
    entries = {f"{i:02}": bytes([i]) * 9000 for i in range(20)}
    one, other = write(tmp_path / "a", entries, 1), write(tmp_path / "b", entries, 1 << 30)
    assert content_digest(one) == content_digest(other)
    moved = entries | {"00": entries["01"]}
    assert content_digest(write(tmp_path / "c", moved)) != content_digest(one)
    assert content_digest(write(tmp_path / "d", {"a": b"bc"})) != content_digest(
        write(tmp_path / "e", {"ab": b"c"})
    )


def test_same_entries_give_the_same_file(tmp_path: Path) -> None:
    entries = {f"{i:02}": os.urandom(9000) for i in range(20)}
    one, other = write(tmp_path / "a", entries), write(tmp_path / "b", entries)
    assert (one / "data.mdb").read_bytes() == (other / "data.mdb").read_bytes()


def test_shared_store_opens_once_and_closes(tmp_path: Path) -> None:
    path = write(tmp_path / "x", {"a": b"1"})
    first = shared_lmdb(path)
    assert shared_lmdb(tmp_path / "." / "x") is first
    with pytest.raises(StoreError, match="already open"), read_lmdb(path):
        pass
    del first
    with read_lmdb(path) as txn:
        assert bytes(txn.get(b"a")) == b"1"


def test_threads_that_start_together_share_one_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "x", {"a": b"1"})
    really_open = lmdb_store._open

    def slowly_open(path: Path) -> lmdb.Environment:
        sleep(0.1)  # so that the second thread arrives before the first has finished
        return really_open(path)

    monkeypatch.setattr(lmdb_store, "_open", slowly_open)
    with ThreadPoolExecutor(4) as pool:
        assert len({id(env) for env in list(pool.map(shared_lmdb, [path] * 4))}) == 1


def test_replaced_store_is_read_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "x", {"a": b"1"})
    old = shared_lmdb(path)
    write(path, {"a": b"2"})
    with shared_lmdb(path).begin() as new, old.begin() as before:
        assert (before.get(b"a"), new.get(b"a")) == (b"1", b"2")
