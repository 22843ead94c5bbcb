"""A damaged LMDB is refused before LMDB reads it: nothing kills the process."""

import os
import random
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest

from reben.runtime.code_version import PACKAGE
from reben.runtime.errors import StoreError
from reben.storage import lmdb_structure
from reben.storage.lmdb_store import content_digest, read_lmdb, shared_lmdb, write_lmdb

#: Reads all of the stores, as the tools do; prints what came of each.
READ_ALL = """
import sys
from reben.runtime.errors import StoreError
from reben.storage.lmdb_store import content_digest, shared_lmdb, trailing_bytes
for path in sys.argv[1:]:
    print(path, flush=True)
    for read in (content_digest, trailing_bytes, shared_lmdb):
        try:
            read(path)
        except StoreError as error:
            assert path in str(error), error
            print("refused", flush=True)
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Branches, leaves, values in a leaf and in pages of their own."""
    path = tmp_path_factory.mktemp("lmdb") / "x"
    with write_lmdb(path) as writer:
        for i in range(300):
            writer.put(f"S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_{i:04}", bytes(100 + i * 40))
    return path


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Another file: bits, words and runs changed, mostly in the pages that LMDB follows."""
    changed = bytearray(data)
    pages = len(data) // 4096
    index = [
        page
        for page in range(pages)
        if page < 2 or int.from_bytes(data[page * 4096 + 10 : page * 4096 + 12], "little") in (1, 2)
    ]
    for _ in range(rng.choice([1, 1, 2, 8])):
        page = rng.choice([*index[:2] * 3, *index])
        within = rng.choice([rng.randrange(160), rng.randrange(4096)])
        at = page * 4096 + within
        word = rng.choice([b"\0", b"\xff", b"\xff\xff", bytes(8), b"\xff" * 8, rng.randbytes(8)])
        changed[at : at + len(word)] = word
    if rng.random() < 0.2:
        del changed[rng.randrange(len(changed)) :]
    return bytes(changed)


def test_no_damaged_store_kills_the_process(store: Path, tmp_path: Path) -> None:
    """Each is read or refused by name; see tests/fuzz for many more."""
    rng, data = random.Random(7), (store / "data.mdb").read_bytes()
    paths = []
    for i in range(120):
        paths.append(tmp_path / f"{i:03}")
        paths[-1].mkdir()
        (paths[-1] / "data.mdb").write_bytes(damaged(data, rng))
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, *map(str, paths)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stdout[-200:], done.stderr[-800:])
    assert done.stdout.count("refused") > 60


def test_a_value_that_is_said_to_reach_beyond_the_file_is_refused(
    store: Path, tmp_path: Path
) -> None:
    """What LMDB itself does not check: it dies of SIGBUS."""
    data = bytearray((store / "data.mdb").read_bytes())
    key = data.index(b"S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_0299")
    assert int.from_bytes(data[key - 8 : key - 4], "little") == 100 + 299 * 40
    data[key - 8 : key - 4] = (2**31).to_bytes(4, "little")
    (tmp_path / "data.mdb").write_bytes(data)
    with pytest.raises(StoreError, match=r"a value that lies beyond the end of the file"):
        content_digest(tmp_path)


def test_sound_stores_are_sound(store: Path, tmp_path: Path) -> None:
    assert lmdb_structure.flaw(store / "data.mdb") is None
    with write_lmdb(tmp_path / "empty"):
        pass
    assert lmdb_structure.flaw(tmp_path / "empty/data.mdb") is None
    with write_lmdb(tmp_path / "one") as writer:
        writer.put("a", bytes(5))
    assert lmdb_structure.flaw(tmp_path / "one/data.mdb") is None
    # Written by others: any order, deletions, several transactions.
    rng = random.Random(1)
    with lmdb.open(str(tmp_path / "other"), map_size=1 << 26) as env:
        for _ in range(40):
            with env.begin(write=True) as txn:
                for _ in range(50):
                    txn.put(rng.randbytes(rng.randint(1, 200)), bytes(rng.randint(0, 9000)))
                for key in [key for key, _ in txn.cursor()][:: rng.randint(2, 9)]:
                    txn.delete(key)
    assert lmdb_structure.flaw(tmp_path / "other/data.mdb") is None
    with read_lmdb(tmp_path / "other") as txn:
        assert txn.stat()["entries"] > 100


def test_a_sound_store_that_is_open_is_not_said_to_be_damaged(store: Path) -> None:
    held = shared_lmdb(store)
    with pytest.raises(StoreError, match="already open") as error:
        content_digest(store)
    assert "again" not in str(error.value)
    assert "nothing says that it is damaged" in str(error.value)
    del held
    content_digest(store)
