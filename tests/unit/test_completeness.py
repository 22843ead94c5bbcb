"""What is there of each kind, and what of each tile has land cover."""

import logging

import numpy as np
import polars as pl
import pytest

from reben import encode
from reben.domain.bands import RESOLUTION_M, S1_BANDS
from reben.domain.tables import CODE_COUNTS, METADATA, write_table
from reben.results.coverage import coverage_warnings, land_cover_warnings
from reben.results.layout import Layout
from reben.runtime.errors import RasterError, StoreError
from reben.runtime.files import write_json
from reben.storage.lmdb_store import read_lmdb
from reben.synthetic.raster import write_raster

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
SCENE = "S1A_IW_GRDH_1SDV_20170613T165043"
PLACES = [(col, row) for col in range(2) for row in range(3)]
PATCHES = [f"{TILE}_{col:02d}_{row:02d}" for col, row in PLACES]
SENTINEL1 = [f"{SCENE}_33UUP_{col}_{row}" for col, row in PLACES]


def write(folder, layer, pixels):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{folder.name}_{layer}.tif"
    write_raster(path, pixels, 32633, (300_000, 5_400_000), 10)
    return path


@pytest.fixture
def download(tmp_path):
    """A small download: six patches with all kinds, and their metadata."""
    rng = np.random.default_rng(1)
    for patch, s1 in zip(PATCHES, SENTINEL1, strict=True):
        for band, resolution_m in RESOLUTION_M.items():
            pixels = np.full((1200 // resolution_m,) * 2, 1000, np.uint16)
            write(tmp_path / "S2" / TILE / patch, band, pixels)
        for band in S1_BANDS:
            write(tmp_path / "S1" / SCENE / s1, band, rng.normal(-12, 3, (120, 120)).astype("f4"))
        write(tmp_path / "Maps" / TILE / patch, "reference_map", np.full((120, 120), 211, "u2"))
    frame = pl.DataFrame(
        {"patch_id": PATCHES, "labels": [["Pastures"]] * 6, "split": "train", "country": None}
        | {"s1_name": SENTINEL1, "s2v1_name": None}
        | {"contains_seasonal_snow": False, "contains_cloud_or_shadow": False},
        schema_overrides={"country": pl.String, "s2v1_name": pl.String},
    )
    write_table(tmp_path / "m.parquet", frame[:4], METADATA)
    write_table(tmp_path / "n.parquet", frame[4:], METADATA)
    return tmp_path


def run(root, *more):
    arguments = ["--s2", root / "S2", "--s1", root / "S1", "--reference-maps", root / "Maps"]
    encode.main([str(word) for word in (*arguments, *more, "--out", root / "out.lmdb")])
    with read_lmdb(root / "out.lmdb") as txn:
        return txn.stat()["entries"]


def remove(folder):
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def test_a_complete_download_is_counted_by_kind_without_warnings(download, caplog):
    caplog.set_level(logging.INFO)
    assert run(download, "--metadata", download / "m.parquet", download / "n.parquet") == 18
    assert "6 of Sentinel-2, 6 of Sentinel-1, 6 of reference maps" in caplog.text
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


@pytest.mark.parametrize(
    ("folder", "name", "words"),
    [
        ("Maps", PATCHES[2], "1 of 6 patches of Sentinel-2 have none of reference maps"),
        ("S2", PATCHES[2], "1 of 6 patches of reference maps have none of Sentinel-2"),
        ("S1", SENTINEL1[2], "1 of 6 patches of Sentinel-2 have none of Sentinel-1"),
    ],
)
def test_what_is_missing_is_named_and_with_the_metadata_refused(
    download, caplog, folder, name, words
):
    (path,) = (download / folder).glob(f"*/{name}")
    remove(path)
    assert run(download) == 17
    assert f"{words}: " in caplog.text
    assert PATCHES[2] in caplog.text
    with pytest.raises(StoreError, match=rf"m\.parquet, .*: 1 of 6 of .* are missing: {name}\."):
        run(download, "--metadata", download / "m.parquet", download / "n.parquet")


def test_what_no_table_has_is_counted(download, caplog):
    assert run(download, "--metadata", download / "m.parquet") == 18
    assert "2 patches of Sentinel-2 are in none of the tables" in caplog.text


def test_padded_sentinel1_is_the_same(download, caplog):
    folder = download / "S1" / SCENE
    for name in SENTINEL1:
        padded = f"{SCENE}_33UUP_0{name[-3]}_0{name[-1]}"
        for file in (folder / name).iterdir():
            file.rename(file.with_name(file.name.replace(name, padded)))
        (folder / name).rename(folder / padded)
    assert run(download, "--metadata", download / "m.parquet", download / "n.parquet") == 18
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


@pytest.mark.parametrize(
    ("folder", "name", "layer"),
    [
        *[("S2", PATCHES[4], band) for band in RESOLUTION_M],
        *[("S1", SENTINEL1[4], band) for band in S1_BANDS],
        ("Maps", PATCHES[4], "reference_map"),
    ],
)
def test_a_file_that_is_zero_from_the_middle_is_named(download, folder, name, layer):
    """As a full disk or an interrupted copy leaves it: its size is right."""
    (path,) = (download / folder).glob(f"*/*/{name}_{layer}.tif")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    with pytest.raises(RasterError, match=rf"{path.name}: .*fetch or make it again"):
        run(download)
    assert not (download / "out.lmdb").exists()


def test_one_zero_in_a_band_is_refused(download):
    (path,) = (download / "S2").glob(f"*/*/{PATCHES[0]}_B09.tif")
    pixels = np.full((20, 20), 7, np.uint16)
    pixels[3, 4] = 0
    write(path.parent, "B09", pixels)
    with pytest.raises(RasterError, match=r"_B09\.tif: 1 of 400 pixels are 0, which stands for no"):
        run(download)


def counts(*rows, tile=TILE):
    names = [f"{tile}_{col:02d}_{row:02d}" for col, row, *_ in rows]
    frame = pl.DataFrame(
        {
            "patch_id": [name for name in names for _ in range(2)],
            "code": [211, 999] * len(rows),
            "pixels": [n for *_, without in rows for n in (14_400 - without, without)],
        },
        schema={"patch_id": pl.String, "code": pl.Int16, "pixels": pl.Int32},
    )
    return frame.filter(pl.col("pixels") > 0)


def test_much_without_polygon_is_said_with_share_and_place():
    (words,) = coverage_warnings(counts((3, 4, 14_400), (3, 5, 7200), (3, 6, 0), (2, 6, 0)))
    assert words.startswith(
        f"{TILE}: 37.5% of the pixels of its 4 valid patches have no land cover"
    )
    assert "(1 patches by more than half), in columns 3 to 3 and rows 4 to 5" in words
    assert coverage_warnings(counts((3, 4, 1400), (3, 5, 1400))) == []
    assert coverage_warnings(counts()) == []
    other = TILE.replace("UUP", "UVP")
    both = pl.concat([counts((0, 0, 14_400), tile=other), counts((100, 120, 14_400))])
    assert [words[:44] for words in coverage_warnings(both)] == [TILE, other]


def test_the_audit_says_what_the_land_cover_lacks(tmp_path):
    layout = Layout(tmp_path)
    write_table(layout.code_counts(TILE), counts((0, 0, 14_400)), CODE_COUNTS)
    write_json(layout.clip_manifest, {"tiles": {}, "without_geometry": 7})
    assert [w.partition(" features")[0][:44] for w in land_cover_warnings(layout, [TILE])] == [
        "7",
        TILE,
    ]
    write_json(layout.clip_manifest, {"tiles": {}})
    assert len(land_cover_warnings(layout, [TILE])) == 1
