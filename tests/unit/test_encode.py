"""Encoding gives the same as safetensors itself and the published converter."""

from pathlib import Path

import lmdb
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load, save

from reben.domain.names import patch_id
from reben.domain.tables import PATCHES, SENTINEL1, write_table
from reben.encode import main
from reben.runtime.errors import RasterError, StoreError
from reben.storage.lmdb_store import content_digest
from reben.storage.safetensors_value import ValueLayout, tensors
from tests.geotiffs import SCENE, TILE, reference_map, s1_arrays, s2_arrays, write_patch

Arrays = dict[str, NDArray[np.generic]]


def entries_of(path: Path) -> dict[str, bytes]:
    """Read with standard tools."""
    with lmdb.open(str(path), readonly=True, lock=False) as env, env.begin() as txn:
        return {key.decode(): value for key, value in txn.cursor()}


def write_patches_table(path: Path, ids: list[str], valid: list[bool]) -> Path:
    frame = pl.DataFrame({"patch_id": ids, "valid": valid})
    rest = [pl.lit(None).alias(name) for name in PATCHES.names if name not in frame.columns]
    write_table(path, frame.with_columns(rest), PATCHES)
    return path


@pytest.fixture(scope="module")
def download(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Arrays]]:
    """Folders in the published layout, and the tensors of their entries."""
    root = tmp_path_factory.mktemp("download")
    expected: dict[str, Arrays] = {}
    for i, (col, row) in enumerate([(0, 0), (0, 1), (10, 3), (90, 90)]):
        patch, s1 = patch_id(TILE, col, row), f"{SCENE}_33UUP_{col}_{row}"
        expected[patch], expected[s1], labels = s2_arrays(i), s1_arrays(i), reference_map(i)
        expected[f"{patch}_reference_map"] = {"Data": labels["reference_map"]}
        corner = (300_000 + 1200 * col, 5_800_000 - 1200 * row)
        write_patch(root / "s2" / TILE / patch, expected[patch], corner=corner)
        write_patch(root / "s1" / SCENE / s1, expected[s1], corner=corner)
        write_patch(root / "maps" / TILE / patch, labels, corner=corner)
    return root, expected


@pytest.mark.parametrize("threads", ["1", "3"])
def test_stand_alone_gives_what_safetensors_gives(
    download: tuple[Path, dict[str, Arrays]], tmp_path: Path, threads: str
) -> None:
    root, expected = download
    out = tmp_path / "x.lmdb"
    main(["--s2", f"{root}/s2", "--s1", f"{root}/s1", "--reference-maps", f"{root}/maps",
          "--threads", threads, "--out", str(out)])  # fmt: skip
    found = entries_of(out)
    assert list(found) == sorted(expected)
    assert found == {key: save(arrays) for key, arrays in expected.items()}


def test_any_subset_and_the_flat_layout(
    download: tuple[Path, dict[str, Arrays]], tmp_path: Path
) -> None:
    root, expected = download
    main(["--s1", f"{root}/s1/{SCENE}", "--out", str(tmp_path / "x.lmdb")])
    assert entries_of(tmp_path / "x.lmdb") == {
        key: save(arrays) for key, arrays in expected.items() if key.startswith("S1")
    }


def test_v1_layout(tmp_path: Path) -> None:
    name = "S2A_MSIL2A_20170613T101031_0_45"
    arrays = s2_arrays(0)
    write_patch(tmp_path / "v1" / name, arrays)
    main(["--s2", f"{tmp_path}/v1", "--out", str(tmp_path / "x.lmdb")])
    assert entries_of(tmp_path / "x.lmdb") == {name: save(arrays)}


def test_published_patches(reference: Path, tmp_path: Path) -> None:
    """Byte for byte what the published converter made from the same GeoTIFFs."""
    folder = reference / "patches/tiffs/BigEarthNet"
    out = tmp_path / "x.lmdb"
    main(["--s2", f"{folder}/BigEarthNet-S2", "--s1", f"{folder}/BigEarthNet-S1",
          "--out", str(out)])  # fmt: skip
    assert entries_of(out) == entries_of(reference / "patches/BigEarthNet_LMDB")
    assert content_digest(out) == content_digest(reference / "patches/BigEarthNet_LMDB")


def test_published_reference_map(reference: Path, tmp_path: Path) -> None:
    import rasterio

    folder = reference / "patches/tiffs/BigEarthNet/Reference_Maps"
    main(["--reference-maps", str(folder), "--out", str(tmp_path / "x.lmdb")])
    with rasterio.open(next(folder.rglob("*.tif"))) as dataset:
        pixels = dataset.read(1)
    assert entries_of(tmp_path / "x.lmdb") == {
        f"{TILE}_26_57_reference_map": save({"Data": pixels})
    }


def test_published_sentinel1_scene(reference: Path, tmp_path: Path) -> None:
    main(["--s1", f"{reference}/scene/BigEarthNet-S1", "--out", str(tmp_path / "x.lmdb")])
    published = entries_of(reference / "scene/published_lmdb")
    expected = {key: value for key, value in published.items() if key.startswith("S1")}
    assert entries_of(tmp_path / "x.lmdb") == expected
    assert len(expected) == 12


def test_shard_holds_the_valid_patches_of_the_table(tmp_path: Path) -> None:
    ids = [patch_id(TILE, 0, row) for row in range(3)]
    table = write_patches_table(tmp_path / "t.parquet", ids, [True, False, True])
    for i in (0, 2):
        write_patch(tmp_path / "patches" / ids[i], s2_arrays(i))
    main(["--kind", "s2", "--root", f"{tmp_path}/patches", "--table", str(table),
          "--out", f"{tmp_path}/x.lmdb"])  # fmt: skip
    assert entries_of(tmp_path / "x.lmdb") == {ids[i]: save(s2_arrays(i)) for i in (0, 2)}


def test_sentinel1_shard_takes_key_and_folder_from_the_table(tmp_path: Path) -> None:
    names = [f"{SCENE}_33UUP_{col}_0" for col in range(2)]
    folders = [f"{SCENE}/{SCENE}_33UUP_{col:02}_00" for col in range(2)]  # padded copy
    rows = {
        "patch_id": [patch_id(TILE, col, 0) for col in range(2)],
        "s1_name": names,
        "folder": folders,
    }
    write_table(tmp_path / "t.parquet", pl.DataFrame(rows), SENTINEL1)
    for i, folder in enumerate(folders):
        write_patch(tmp_path / "s1" / folder, s1_arrays(i))
    main(["--kind", "s1", "--root", f"{tmp_path}/s1", "--table", f"{tmp_path}/t.parquet",
          "--out", f"{tmp_path}/x.lmdb"])  # fmt: skip
    assert entries_of(tmp_path / "x.lmdb") == {
        name: save(s1_arrays(i)) for i, name in enumerate(names)
    }


def test_tile_without_patches_gives_an_empty_shard(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    table = write_patches_table(tmp_path / "t.parquet", [], [])
    main(["--kind", "s2", "--root", f"{tmp_path}/maps", "--table", str(table),
          "--out", f"{tmp_path}/s2.lmdb"])  # fmt: skip
    main(["--kind", "reference_maps", "--root", f"{tmp_path}/maps",
          "--out", f"{tmp_path}/maps.lmdb"])  # fmt: skip
    assert entries_of(tmp_path / "s2.lmdb") == entries_of(tmp_path / "maps.lmdb") == {}


def test_patches_of_another_side(tmp_path: Path) -> None:
    arrays = s2_arrays(0, patch_side_m=600)
    write_patch(tmp_path / "s2" / f"{TILE}_00_00", arrays)
    main(["--s2", f"{tmp_path}/s2", "--patch-side-m", "600", "--out", f"{tmp_path}/x.lmdb"])
    assert entries_of(tmp_path / "x.lmdb") == {f"{TILE}_00_00": save(arrays)}
    with pytest.raises(
        RasterError, match=r"_B01\.tif.* \(1, 20, 20, 'uint16'\), found \(1, 10, 10"
    ):
        main(["--s2", f"{tmp_path}/s2", "--out", f"{tmp_path}/y.lmdb"])


def test_columns_and_rows_of_three_digits(tmp_path: Path) -> None:
    """A real tile has 183 patches of 600 m along each side."""
    ids = [patch_id(TILE, 99, 182), patch_id(TILE, 100, 5)]
    for i, name in enumerate(ids):
        write_patch(tmp_path / "s2" / TILE / name, s2_arrays(i, patch_side_m=600))
    main(["--s2", f"{tmp_path}/s2", "--patch-side-m", "600", "--out", f"{tmp_path}/x.lmdb"])
    assert list(entries_of(tmp_path / "x.lmdb")) == sorted(ids)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_missing_band_is_named(tmp_path: Path, threads: str) -> None:
    for row in range(40):
        arrays = s2_arrays(row)
        if row == 35:
            del arrays["B8A"]
        write_patch(tmp_path / "s2" / patch_id(TILE, 0, row), arrays)
    with pytest.raises(RasterError, match=r"_00_35: B8A is missing; .*_00_35/.*_00_35_B8A\.tif"):
        main(["--s2", f"{tmp_path}/s2", "--threads", threads, "--out", f"{tmp_path}/x.lmdb"])
    assert [path.name for path in tmp_path.iterdir()] == ["s2"]


def test_folder_without_patches_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s2" / TILE / "thumbnails").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"s2: expected folders <tile>/<patch> .*found none"):
        main(["--s2", f"{tmp_path}/s2", "--out", f"{tmp_path}/x.lmdb"])


def test_a_patch_in_two_folders_is_refused(tmp_path: Path) -> None:
    name = patch_id(TILE, 0, 0)
    for folder in (tmp_path / "s2" / name, tmp_path / "s2" / TILE / name):
        write_patch(folder, s2_arrays(0))
    with pytest.raises(
        StoreError, match=rf"{name}: expected one folder .*/s2/.*{name} and .*leave"
    ):
        main(["--s2", f"{tmp_path}/s2", "--out", f"{tmp_path}/x.lmdb"])


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--s2", "a", "--kind", "s2", "--root", "a", "--table", "t"],
        ["--kind", "s2", "--root", "a"],
        ["--kind", "reference_maps", "--root", "a", "--table", "t"],
        ["--kind", "s1", "--table", "t"],
    ],
)
def test_half_a_command_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main([*arguments, "--out", "x"])
    assert error.value.code == 2


def test_values_are_those_of_safetensors() -> None:
    """In any order of the layers: the library sorts them itself."""
    arrays = {"b": np.arange(9, dtype="uint16").reshape(3, 3), "c": np.ones((2, 2), "float32"),
              "a": np.arange(4, dtype="uint16").reshape(2, 2)}  # fmt: skip
    layout = ValueLayout.of({name: (len(a), str(a.dtype)) for name, a in arrays.items()})
    value = layout.new()
    for name, tensor in layout.tensors.items():
        value[tensor.start : tensor.stop] = arrays[name].tobytes()
    assert bytes(value) == save(arrays)
    assert {name: a.tolist() for name, a in load(bytes(value)).items()} == {
        name: a.tolist() for name, a in arrays.items()
    }


def test_unknown_pixel_type_in_a_header_is_refused() -> None:
    value = save({"a": np.zeros((2, 2), "float64")})
    with pytest.raises(ValueError, match="unexpected tensor a"):
        tensors(value[: 8 + int.from_bytes(value[:8], "little")])
