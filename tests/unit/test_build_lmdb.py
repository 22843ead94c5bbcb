"""Collecting entries from shards: exactly the kept ones, in order, or a clear error."""

from collections import namedtuple
from pathlib import Path

import lmdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reben import build_lmdb
from reben.build_lmdb import main
from reben.domain.names import patch_id
from reben.domain.tables import SELECTION, SENTINEL1, write_table
from reben.runtime.errors import SpaceError, StoreError
from reben.storage.lmdb_store import content_digest, write_lmdb

TILES = [f"S2A_MSIL2A_{day}T101031_N9999_R022_T33UU{letter}" for day, letter in
         ((20170611, "P"), (20170612, "Q"), (20170613, "R"))]  # fmt: skip


def s1_name(tile: str, col: int, row: int) -> str:
    """Sentinel-1 scenes cover several tiles, so their order differs."""
    return f"S1A_IW_GRDH_1SDV_201706{10 + col % 2}T165043_{tile[-5:]}_{col}_{row}"


def value_of(key: str) -> bytes:
    return key.encode() * 100


def write_shards(folder: Path, size: int) -> dict[str, list[str]]:
    """Shards of three tiles with size² patches each; returns their paths by kind."""
    paths: dict[str, list[str]] = {"s2": [], "s1": [], "reference_maps": []}
    for tile in TILES:
        cells = [(col, row) for col in range(size) for row in range(size)]
        keys = {
            "s2": [patch_id(tile, *cell) for cell in cells],
            "s1": [s1_name(tile, *cell) for cell in cells],
            "reference_maps": [f"{patch_id(tile, *cell)}_reference_map" for cell in cells],
        }
        for kind, names in keys.items():
            path = folder / kind / f"{tile}.lmdb"
            with write_lmdb(path) as writer:
                for name in sorted(names):
                    writer.put(name, value_of(name))
            paths[kind].append(str(path))
    return paths


Cell = tuple[str, int, int]


def tables(
    folder: Path, kept: list[Cell], dropped: list[Cell] | None = None, paired: bool = True
) -> list[str]:
    """The tables of kept patches, as arguments of the step."""
    cells = kept + (dropped or [])
    frame = pl.DataFrame(
        {
            "patch_id": [patch_id(*cell) for cell in cells],
            "tile": [cell[0] for cell in cells],
            "dropped_for": [None] * len(kept) + ["nodata"] * (len(cells) - len(kept)),
            "s1_name": [s1_name(*cell) for cell in cells],
            "folder": [s1_name(*cell) for cell in cells],
        },
        schema=dict.fromkeys(("patch_id", "tile", "dropped_for", "s1_name", "folder"), pl.String),
    ).sort("patch_id")
    write_table(folder / "selection.parquet", frame, SELECTION)
    write_table(folder / "pairs.parquet", frame if paired else frame.clear(), SENTINEL1)
    paths = {"--selection": folder / "selection.parquet", "--pairs": folder / "pairs.parquet"}
    return [str(word) for pair in paths.items() for word in pair]


def entries_of(path: Path) -> dict[str, bytes]:
    with lmdb.open(str(path), readonly=True, lock=False) as env, env.begin() as txn:
        return {key.decode(): value for key, value in txn.cursor()}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return write_shards(tmp_path_factory.mktemp("shards"), 4)


CELLS = st.lists(
    st.tuples(st.sampled_from(TILES), st.integers(0, 3), st.integers(0, 3)), unique=True
)


KINDS = st.sets(st.sampled_from(["s2", "s1", "reference_maps"]), min_size=1)


@settings(max_examples=25)
@given(kept=CELLS, dropped=CELLS, kinds=KINDS, chunk=st.sampled_from([1, 3, 1000]))
def test_exactly_what_is_kept(
    tmp_path_factory: pytest.TempPathFactory,
    shards: dict[str, list[str]],
    kept: list[Cell],
    dropped: list[Cell],
    kinds: set[str],
    chunk: int,
) -> None:
    folder = tmp_path_factory.mktemp("build")
    dropped = [cell for cell in dropped if cell not in kept]
    arguments = [
        argument
        for kind in kinds
        for argument in (f"--{kind.replace('_', '-')}", *reversed(shards[kind]))
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_lmdb, "_CHUNK", chunk)
        main([*tables(folder, kept, dropped), *arguments, "--out", str(folder / "x.lmdb")])
    keys = []
    for cell in kept:
        keys += [patch_id(*cell)] * ("s2" in kinds) + [s1_name(*cell)] * ("s1" in kinds)
        keys += [f"{patch_id(*cell)}_reference_map"] * ("reference_maps" in kinds)
    assert entries_of(folder / "x.lmdb") == {key: value_of(key) for key in keys}
    assert list(entries_of(folder / "x.lmdb")) == sorted(keys)


def test_unpaired_patches_and_shards_that_are_not_asked_for(
    shards: dict[str, list[str]], tmp_path: Path
) -> None:
    table = tables(tmp_path, [(TILES[0], 0, 0)], paired=False)
    main([*table, "--s2", *shards["s2"], "--s1", *shards["s1"],
          "--out", str(tmp_path / "x.lmdb")])  # fmt: skip
    assert list(entries_of(tmp_path / "x.lmdb")) == [patch_id(TILES[0], 0, 0)]


def test_a_sentinel1_patch_shared_by_two_dates_is_stored_once(tmp_path: Path) -> None:
    tiles = [TILES[0], TILES[0].replace("20170611", "20170612")]
    name = s1_name(TILES[0], 0, 0)
    paths = []
    for tile in tiles:
        with write_lmdb(tmp_path / f"{tile}.lmdb") as writer:
            writer.put(name, b"pixels")
        paths.append(str(tmp_path / f"{tile}.lmdb"))
    table = tables(tmp_path, [(tile, 0, 0) for tile in tiles])
    main([*table, "--s1", *paths, "--out", str(tmp_path / "x.lmdb")])
    assert entries_of(tmp_path / "x.lmdb") == {name: b"pixels"}


def test_missing_entry_names_shard_and_key(shards: dict[str, list[str]], tmp_path: Path) -> None:
    table = tables(tmp_path, [(TILES[1], 3, 3), (TILES[1], 9, 9)])
    with pytest.raises(StoreError) as error:
        main([*table, "--s2", *shards["s2"], "--out", f"{tmp_path}/x.lmdb"])
    message = f"{shards['s2'][1]}: the entry '{TILES[1]}_09_09' of a kept patch is missing"
    assert message in str(error.value)
    assert not (tmp_path / "x.lmdb").exists()


def test_missing_shard_is_named(shards: dict[str, list[str]], tmp_path: Path) -> None:
    table = tables(tmp_path, [(TILES[0], 0, 0), (TILES[2], 0, 0)])
    with pytest.raises(StoreError, match=f"{TILES[2]}: 1 .* kept, .* no s2 shard"):
        main([*table, "--s2", shards["s2"][0], "--out", f"{tmp_path}/x.lmdb"])


def test_shard_with_too_few_entries_is_named(tmp_path: Path) -> None:
    with write_lmdb(tmp_path / f"{TILES[0]}.lmdb"):
        pass
    table = tables(tmp_path, [(TILES[0], 0, 0)])
    with pytest.raises(StoreError, match="1 of its entries are kept, but it has 0"):
        main([*table, "--s2", f"{tmp_path}/{TILES[0]}.lmdb",
              "--out", f"{tmp_path}/x.lmdb"])  # fmt: skip


def test_space_is_checked_before_it_starts(
    shards: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [(tile, col, row) for tile in TILES for col in range(4) for row in range(4)]
    table = tables(tmp_path, cells)
    needed = sum((Path(path) / "data.mdb").stat().st_size for path in shards["s2"])
    usage = namedtuple("usage", "total used free")
    arguments = [*table, "--s2", *shards["s2"], "--out", f"{tmp_path}/x.lmdb"]
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(0, 0, needed - 1))
    with pytest.raises(
        SpaceError, match=r"expected 0\.\d GB of free disk for the LMDB, found 0\.\d"
    ):
        main(arguments)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(0, 0, needed))
    main(arguments)
    assert (tmp_path / "x.lmdb/data.mdb").stat().st_size <= needed


def test_same_shards_give_the_same_bytes(shards: dict[str, list[str]], tmp_path: Path) -> None:
    cells = [(tile, col, row) for tile in TILES for col in range(3) for row in range(3)]
    table = tables(tmp_path, cells)
    outs = [tmp_path / "a.lmdb", tmp_path / "elsewhere/b.lmdb"]
    for out in outs:
        main([*table, "--s2", *shards["s2"], "--s1", *shards["s1"],
              "--out", str(out)])  # fmt: skip
    one, other = (out / "data.mdb" for out in outs)
    assert one.read_bytes() == other.read_bytes()
    assert content_digest(outs[0]) == content_digest(outs[1])


def test_no_shards_at_all_is_refused(tmp_path: Path) -> None:
    table = tables(tmp_path, [])
    with pytest.raises(SystemExit) as error:
        main([*table, "--out", f"{tmp_path}/x.lmdb"])
    assert error.value.code == 2
