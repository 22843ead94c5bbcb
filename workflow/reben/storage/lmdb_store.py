"""LMDBs: the only module that opens them, for writing and for reading.

A store is a folder with one file, ``data.mdb``. Keys are names in UTF-8; values are
safetensors. Readers need neither a lock file nor write access.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from weakref import WeakValueDictionary

import lmdb

from reben.runtime.errors import StoreError
from reben.runtime.files import atomic_directory
from reben.storage import lmdb_structure

AnyPath = str | os.PathLike[str]
#: Bytes of values in one write transaction, about 200 patches. LMDB keeps the pages of a
#: transaction in memory until it is committed; larger ones were slower, since the memory is
#: then requested from the system again each time.
TRANSACTION_BYTES = 32 << 20
_MIN_MAP_BYTES = 1 << 20
#: What may be in the folder of a store, which is replaced: also what readers leave there, and
#: Snakemake where the folder was its output.
_FILES = ("data.mdb", "lock.mdb", ".snakemake_timestamp")
_PAGES_BESIDE_VALUE = 2 * 4096


class LmdbWriter:
    """Appends entries in key order.

    The map grows with the data, always one transaction ahead: a huge fixed map fails on
    machines without overcommit.
    """

    def __init__(
        self, env: lmdb.Environment, folder: Path, path: AnyPath, transaction_bytes: int
    ) -> None:
        self._env, self._folder, self._path, self._limit = env, folder, path, transaction_bytes
        self._txn: lmdb.Transaction | None = None
        self._room = 0
        self._last = ""
        self.entries = 0

    def put(self, key: str, value: bytes | bytearray | memoryview) -> None:
        """Append one entry; `value` may be reused afterwards.

        Raises:
            StoreError: `key` does not sort after the previous one.
        """
        # The value's last page is not full, and its key takes part of another page.
        nbytes = len(value) + _PAGES_BESIDE_VALUE
        if self._txn is None or nbytes > self._room:
            self._txn = self._begin(nbytes)
        if not self._txn.put(key.encode(), value, append=True):
            raise StoreError(
                f"{self._path}: expected unique keys in sorted order, "
                f"found {key!r} after {self._last!r}"
            )
        self._room -= nbytes
        self._last = key
        self.entries += 1

    def finish(self) -> None:
        """Write everything to disk.

        Raises:
            OSError: the disk is full.
        """
        self._commit()
        self._env.sync(True)

    def abort(self) -> None:
        """Drop the running transaction, if any."""
        if self._txn is not None:
            self._txn.abort()

    def _commit(self) -> None:
        if self._txn is None:
            return
        txn, self._txn = self._txn, None
        try:
            txn.commit()
        except lmdb.Error:
            # LMDB reports a full disk or exceeded quota as an input/output error; request
            # the space from the system, which reports the cause.
            with (self._folder / "probe").open("wb") as probe:
                try:
                    os.posix_fallocate(probe.fileno(), 0, self._limit)
                except OSError as error:
                    error.filename = os.fspath(self._path)
                    raise
            raise

    def _begin(self, nbytes: int) -> lmdb.Transaction:
        self._commit()
        self._room = max(self._limit, nbytes)
        info = self._env.info()
        used = (info["last_pgno"] + 1) * self._env.stat()["psize"]
        need = used + self._room + _MIN_MAP_BYTES
        if need > info["map_size"]:
            self._env.set_mapsize(need)
        return self._env.begin(write=True)


@contextmanager
def write_lmdb(path: AnyPath, transaction_bytes: int = TRANSACTION_BYTES) -> Iterator[LmdbWriter]:
    """Yield a writer; if the block succeeds, its store is complete, on disk and at `path`.

    Raises:
        StoreError: keys came out of order.
        OwnershipError: `path` has something else in it.
        OSError: the disk is full.
    """
    with (
        atomic_directory(path, replaces=_FILES) as folder,
        # One writer and no readers, in a private folder: no lock, and one sync at the
        # end. Not writemap: it is not faster, and a full disk would be a SIGBUS.
        lmdb.open(
            os.fspath(folder), map_size=_MIN_MAP_BYTES, lock=False, sync=False, metasync=False
        ) as env,
    ):
        writer = LmdbWriter(env, folder, path, transaction_bytes)
        try:
            yield writer
            writer.finish()
        finally:
            writer.abort()


@contextmanager
def read_lmdb(path: AnyPath) -> Iterator[lmdb.Transaction]:
    """Yield a read transaction whose values are views into the map, valid inside the block.

    Every page is looked at first (`reben.storage.lmdb_structure`): LMDB would follow a damaged
    one to where nothing is, and die.

    Raises:
        StoreError: there is no LMDB at `path`, or it is damaged.
    """
    _check_pages(path)
    with _open(path) as env, env.begin(buffers=True) as txn:
        try:
            yield txn
        except lmdb.Error as error:
            raise _damaged(path, str(error)) from error


#: By device and inode: LMDB refuses to open a store twice in the same process.
_SHARED: WeakValueDictionary[tuple[int, int], lmdb.Environment] = WeakValueDictionary()
_OPENING = Lock()


def shared_lmdb(path: AnyPath) -> lmdb.Environment:
    """Open a store for reading, once per process; it closes when no longer referenced.

    Read-only and without locks, it can also be used by a process forked from this one.

    Raises:
        StoreError: there is no LMDB at `path`.
    """
    status = _data_file(path).stat()
    key = status.st_dev, status.st_ino
    with _OPENING:
        env = _SHARED.get(key)
        if env is None:
            env = _SHARED[key] = _open(path)
    return env


def _data_file(path: AnyPath) -> Path:
    file = Path(path) / "data.mdb"
    if not file.is_file():
        raise StoreError(f"{path}: expected an LMDB, a folder with the file data.mdb; found none")
    return file


def _open(path: AnyPath) -> lmdb.Environment:
    file = _data_file(path)
    if flaw := lmdb_structure.header_flaw(file):
        raise _damaged(path, flaw)
    try:
        # Read-ahead also helps random reads: a value has about forty consecutive pages.
        env = lmdb.open(os.fspath(path), readonly=True, lock=False, readahead=True)
    except lmdb.Error as error:
        if isinstance(error, _DAMAGED):
            raise _damaged(path, str(error)) from error
        # It may be sound: open already in this process, too large to be mapped, not readable.
        raise StoreError(
            f"{path}: data.mdb cannot be opened now ({error}); nothing says that it is damaged"
        ) from error
    # Reading a page beyond the end of the file would kill the process.
    expected = _used_bytes(env)
    found = file.stat().st_size
    if found < expected:
        env.close()
        raise StoreError(
            f"{path}: data.mdb is truncated, expected {expected} bytes, found {found}; "
            "copy or make it again"
        )
    return env


_DAMAGED = (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.CorruptedError)


def _check_pages(path: AnyPath) -> None:
    if flaw := lmdb_structure.flaw(_data_file(path)):
        raise _damaged(path, flaw)


def _damaged(path: AnyPath, flaw: str) -> StoreError:
    return StoreError(
        f"{path}: data.mdb cannot be opened as an LMDB, it is damaged ({flaw}); copy or make it "
        "again"
    )


def trailing_bytes(path: AnyPath) -> int:
    """Number of bytes in the file after its last page; LMDB writes none.

    Raises:
        StoreError: there is no LMDB at `path`, or it is damaged.
    """
    _check_pages(path)
    with _open(path) as env:
        return _data_file(path).stat().st_size - _used_bytes(env)


def _used_bytes(env: lmdb.Environment) -> int:
    pages: int = env.info()["last_pgno"] + 1
    return pages * int(env.stat()["psize"])


def content_digest(path: AnyPath) -> str:
    """SHA-256 over all entries in the order of their keys, as hexadecimal digits.

    Each key and value is preceded by its length (8 bytes, little-endian), so the digest
    depends only on the entries, not on how LMDB stores them.
    """
    digest = hashlib.sha256()
    with read_lmdb(path) as txn:
        for entry in txn.cursor():
            for part in entry:
                digest.update(len(part).to_bytes(8, "little"))
                digest.update(part)
    return digest.hexdigest()
