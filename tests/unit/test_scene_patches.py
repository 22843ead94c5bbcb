"""Sentinel-1 patches cut from scenes: which scene each takes, exactness, files and table."""

import json
import logging
import re
import shutil
from collections import defaultdict

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import rasterio

from reben import scene_index, scene_patches
from reben.config.scene_row import SceneRow
from reben.domain.grid import TileGrid
from reben.domain.names import Sentinel1Name
from reben.domain.tables import ALIGNMENT, PATCHES, SENTINEL1, read_table, write_table
from reben.encode import Encoder
from reben.runtime.errors import RasterError
from reben.runtime.files import write_json
from reben.scene_index import index_scenes, match_scenes, named_scenes
from reben.storage.patch_container import PatchFinder
from tests.scenes import EVENING, GRID, MORNING, TILE, patches_of, power, write_scene


def cut(folder, rows, *, tile=TILE, patches=None, alignment=None, container="directory", **options):
    """Run both steps as the rules do; the table of the patches, and their reader."""
    patches = patches_of() if patches is None else patches
    shutil.rmtree(folder / "sentinel1", ignore_errors=True)  # as Snakemake does
    write_table(folder / "patches.parquet", patches, PATCHES)
    named = named_scenes(alignment) if alignment is not None else None
    grid = scene_patches.grid_of(patches)
    found = match_scenes({tile: grid}, index_scenes(rows), named=named)
    scenes = {row.scene: row.to_dict() for row in rows}
    write_json(folder / "scenes.json", {"tiles": found, "scenes": scenes})
    words = [f"--tile={tile}", f"--scenes={folder}/scenes.json", f"--container={container}"]
    words += [f"--patches={folder}/patches.parquet", f"--out={folder}/sentinel1/{tile}"]
    words += [f"--table={folder}/table.parquet"]
    if alignment is not None:
        write_table(folder / "alignment.parquet", alignment, ALIGNMENT)
        words.append(f"--alignment={folder}/alignment.parquet")
    words += [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    scene_patches.main(words)
    return pl.read_parquet(folder / "table.parquet"), PatchFinder(folder / "sentinel1")


def pixels(stores, folder, band):
    store, inside = stores.find(folder)
    with rasterio.MemoryFile(store.read(inside, band)) as memory, memory.open() as dataset:
        return dataset.read(1)


def half(columns, value=0.0, shape=(270, 270)):
    """Power without data in some columns."""
    values = power(shape)
    values[:, columns] = value
    return values


def test_each_patch_takes_the_nearest_scene_that_has_data_there(tmp_path):
    """The evening's scene is nearest, but ends within the second column of patches."""
    near = half(slice(150, None))
    rows = [write_scene(tmp_path, MORNING), write_scene(tmp_path, EVENING, vv=near)]
    table, stores = cut(tmp_path, rows)
    assert table["patch_id"].to_list() == patches_of()["patch_id"].to_list()
    assert table["s1_name"].to_list() == [
        f"{stem}_33UUP_{col}_{row}"
        for col, stem in ((0, EVENING[:32]), (1, MORNING[:32]))
        for row in (0, 1)
    ]
    assert table["folder"].to_list() == [f"{TILE}/{name}" for name in table["s1_name"]]
    assert table["s1_gap_h"].round(3).to_list() == [6.67, 6.67, 28.873, 28.873]
    assert table["s1_pass"].to_list() == ["ascending"] * 2 + ["descending"] * 2
    assert table["s1_relative_orbit"].to_list() == [146] * 2 + [35] * 2
    assert read_table(tmp_path / "table.parquet", SENTINEL1).columns == SENTINEL1.names
    for folder in table["folder"]:
        for band in ("VV", "VH"):
            assert np.isfinite(pixels(stores, folder, band)).all()


def test_a_patch_is_the_same_whichever_other_scenes_there_are(tmp_path):
    near = half(slice(150, None))
    write_scene(tmp_path, EVENING, vv=near)
    both, stores = cut(tmp_path, [write_scene(tmp_path, MORNING), write_scene(tmp_path, vv=near)])
    taken = [pixels(stores, folder, "VH").tobytes() for folder in both["folder"][2:]]
    alone, stores = cut(tmp_path, [write_scene(tmp_path, MORNING)])
    assert [pixels(stores, folder, "VH").tobytes() for folder in alone["folder"][2:]] == taken


@pytest.mark.parametrize("band", ["vv", "vh"])
def test_both_bands_must_have_data(tmp_path, band):
    table, _ = cut(tmp_path, [write_scene(tmp_path, **{band: half(slice(150, None))})])
    assert table["patch_id"].to_list() == patches_of()["patch_id"][:2].to_list()


def test_a_masked_pixel_takes_its_neighbours_with_it_and_the_patch(tmp_path):
    """Nothing is filled; with a smaller fraction the patch is kept, NaN there."""
    vv = power((270, 270))
    vv[60, 60] = 0
    rows = [write_scene(tmp_path, vv=vv)]
    table, _ = cut(tmp_path, rows)
    assert f"{TILE}_00_00" not in table["patch_id"].to_list()
    assert len(table) == 3
    table, stores = cut(tmp_path, rows, min_valid_fraction=0.9)
    assert len(table) == 4
    image = pixels(stores, table["folder"][0], "VV")
    assert np.isnan(image).sum() == 4  # the kernels that touch it
    assert np.isfinite(pixels(stores, table["folder"][0], "VH")).all()
    store, folder = stores.find(table["folder"][0])
    assert Encoder("s1", 1200, 0.9).encode(store, folder)
    with pytest.raises(RasterError, match="4 of 14400 pixels are not finite"):
        Encoder("s1", 1200).encode(store, folder)


def test_zero_power_is_no_data_even_where_zero_may_be_data(tmp_path):
    """It has no decibels; but its neighbours take part in the interpolation."""
    vv = power((270, 270))
    vv[60:64, 60:64] = 0
    rows = [write_scene(tmp_path, vv=vv, zero_is_nodata=False)]
    table, stores = cut(tmp_path, rows, min_valid_fraction=0.9)
    assert np.isnan(pixels(stores, table["folder"][0], "VV")).sum() == 9


@pytest.mark.parametrize(
    ("scale", "value", "said"),
    [
        ("power", 0.1, "VV: all pixels are -10.0, which is no backscatter"),
        ("db", 0, r"VV: \d+ of 14400 pixels are exactly 0, as where a scene ends"),
        ("db", -9999, r"VV: \d+ of 14400 pixels are beyond 200 dB, such as -9999"),
    ],
)
def test_values_that_are_no_backscatter_are_not_taken_and_said(
    tmp_path, caplog, scale, value, said
):
    """The encoder would refuse such a patch."""
    vv = vh = power((270, 270)) if scale == "power" else 10 * np.log10(power((270, 270)))
    vv = vv.astype(np.float32)
    vv[: 133 if scale == "power" else 40, :133] = value
    row = write_scene(
        tmp_path,
        vv=vv,
        vh=vh.astype(np.float32),
        scale=scale,
        corner=(299_870, 5_400_130),
        zero_is_nodata=False,
    )
    table, stores = cut(tmp_path, [row])
    assert table["patch_id"].to_list() == patches_of()["patch_id"][1:].to_list()
    assert re.search(f"{EVENING}: 1 patches were not taken from it, such as .*{said}", caplog.text)
    for folder in table["folder"]:
        store, inside = stores.find(folder)
        assert Encoder("s1", 1200).encode(store, inside)


def test_scenes_too_far_in_time_are_left_out_and_named(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    late = EVENING.replace("20170613", "20170620")
    table, _ = cut(tmp_path, [write_scene(tmp_path, late)])
    assert len(table) == 0
    assert f"{TILE}: no scene meets it within 144 hours (sentinel1.max_gap_h)" in caplog.text
    assert f"{TILE}: 0 of 4 valid patches have a Sentinel-1 patch" in caplog.text


def test_an_alignment_decides_whatever_the_time(tmp_path):
    late = EVENING.replace("20170613", "20170620")
    rows = [write_scene(tmp_path, late), write_scene(tmp_path, MORNING)]
    ids = patches_of()["patch_id"]
    names = [f"{late[:32]}_33UUP_0_0", f"{MORNING[:32]}_33UUP_0_1", f"{EVENING[:32]}_33UUP_1_0"]
    alignment = pl.DataFrame({"patch_id": ids[:3], "s1_name": names, "s2v1_name": ["x"] * 3})
    table, _ = cut(tmp_path, rows, alignment=alignment)
    assert table.select("patch_id", "s1_name").rows() == list(zip(ids[:2], names[:2], strict=True))


def test_invalid_patches_get_none(tmp_path):
    patches = patches_of().with_columns(valid=pl.col("col") == 0)
    table, _ = cut(tmp_path, [write_scene(tmp_path)], patches=patches)
    assert table["patch_id"].to_list() == patches["patch_id"][:2].to_list()
    (tmp_path / "rejected").mkdir()
    write_table(tmp_path / "rejected/p.parquet", patches.clear(), PATCHES)
    write_json(tmp_path / "rejected/scenes.json", {"tiles": {}, "scenes": {}})
    scene_patches.main(
        [f"--tile={TILE}", f"--scenes={tmp_path}/rejected/scenes.json", "--container=tar"]
        + [f"--patches={tmp_path}/rejected/p.parquet", f"--out={tmp_path}/rejected/out"]
        + [f"--table={tmp_path}/rejected/table.parquet"]
    )
    assert pq.read_table(tmp_path / "rejected/table.parquet").num_rows == 0


def test_files_are_those_of_bigearthnet_s1(tmp_path):
    table, _ = cut(tmp_path, [write_scene(tmp_path)])
    folder = tmp_path / "sentinel1" / table["folder"][1]
    name = f"{EVENING[:32]}_33UUP_0_1"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"{name}_{end}" for end in ("VH.tif", "VV.tif", "labels_metadata.json")
    ]
    with rasterio.open(folder / f"{name}_VV.tif") as dataset:
        assert dataset.profile["dtype"] == "float32"
        assert dataset.nodata is None
        assert dataset.compression is None
        assert (dataset.transform.c, dataset.transform.f) == (300_000, 5_398_800)
        assert dataset.crs.to_epsg() == 32633
    said = json.loads((folder / f"{name}_labels_metadata.json").read_text())
    assert said.pop("projection").startswith('PROJCS["WGS 84 / UTM zone 33N"')
    assert said == {
        "coordinates": {"ulx": 300_000, "uly": 5_398_800, "lrx": 301_200, "lly": 5_397_600},
        "corresponding_s2_patch": f"{TILE}_00_01",
        "scene_source": EVENING,
        "acquisition_time": "2017-06-13T16:50:43",
    }


def test_containers_and_threads_give_the_same_bytes(tmp_path):
    grid = TileGrid(32633, 300_000, 5_400_000, 1200, 120)
    rows = [write_scene(tmp_path), write_scene(tmp_path, MORNING)]
    found = {}
    for name, container, threads in (("a", "directory", 1), ("b", "tar", 1), ("c", "tar", 3)):
        (tmp_path / name).mkdir()
        table, stores = cut(tmp_path / name, rows, patches=patches_of(grid), container=container,
                            threads=threads)  # fmt: skip
        assert len(table) == 100
        found[name] = [
            stores.find(folder)[0].read(stores.find(folder)[1], layer)
            for folder in table["folder"]
            for layer in ("VV", "VH", "labels_metadata.json")
        ]
    assert found["a"] == found["b"] == found["c"]
    tars = [(tmp_path / name / f"sentinel1/{TILE}/patches.tar").read_bytes() for name in "bc"]
    assert tars[0] == tars[1]


@pytest.mark.parametrize(("scale", "likely"), [("db", "power"), ("power", "db")])
def test_a_wrong_scale_stops_the_tile_and_names_the_likely_one(tmp_path, scale, likely):
    values = power((270, 270)) if scale == "db" else np.full((270, 270), -12, np.float32)
    row = write_scene(tmp_path, vv=values, vh=values, scale=scale)
    with pytest.raises(RasterError, match=f"_VV.tif: the scale is {scale}, .* likely {likely};.*"):
        cut(tmp_path, [row])
    assert not (tmp_path / "sentinel1" / TILE).exists()


def published(folder):
    """The published patches below a folder: image by name and band, place."""
    for path in sorted(folder.rglob("*_V[VH].tif")):
        with rasterio.open(path) as dataset:
            yield path.stem[:-3], path.stem[-2:], dataset.read(1), dataset.profile


@pytest.mark.parametrize("source", ["scene/BigEarthNet-S1", "sentinel1/published_patches"])
def test_published_patches_come_back_value_for_value(reference, tmp_path, source):
    """Mosaicked into scenes on their own grid, and cut again."""
    images = defaultdict(dict)
    places = {}
    for name, band, image, profile in published(reference / source):
        images[name][band] = image
        places[name] = profile
    tiles = defaultdict(list)
    for name in images:
        tiles[Sentinel1Name.parse(name).mgrs].append(Sentinel1Name.parse(name))
    count = 0
    for mgrs, names in tiles.items():
        count += len(names)
        check_round_trip(tmp_path / mgrs, mgrs, names, images, places)
    assert count == len(images) >= 6


def check_round_trip(folder, mgrs, names, images, places):
    folder.mkdir()
    first, place = names[0], places[names[0].name]
    corner = (
        round(place["transform"].c) - 1200 * first.col,
        round(place["transform"].f) + 1200 * first.row,
    )
    grid = TileGrid(place["crs"].to_epsg(), *corner, 109_800)
    rows = []
    for scene in sorted({name.scene for name in names}):
        full = f"{scene}_{scene[17:]}_017018_01C579_7EEC"
        here = [name for name in names if name.scene == scene]
        cols, lines = [n.col for n in here], [n.row for n in here]
        size = [120 * (max(at) - min(at) + 1) for at in (lines, cols)]
        mosaic = {band: np.full(size, np.nan, np.float32) for band in ("VV", "VH")}
        for name in here:
            y, x = 120 * (name.row - min(lines)), 120 * (name.col - min(cols))
            for band, image in images[name.name].items():
                mosaic[band][y : y + 120, x : x + 120] = image
        rows.append(
            write_scene(
                folder,
                full,
                vv=mosaic["VV"],
                vh=mosaic["VH"],
                epsg=grid.epsg,
                scale="db",
                corner=grid.corner(min(cols), min(lines)),
            )
        )
    tile = f"S2A_MSIL2A_{names[0].sensing}_N9999_R022_T{mgrs}"
    patches = patches_of(grid, tile)
    wanted = pl.struct("col", "row").is_in([{"col": n.col, "row": n.row} for n in names])
    patches = patches.with_columns(valid=wanted)
    ids = {(n.col, n.row): n.name for n in names}
    alignment = patches.filter("valid").select(
        "patch_id",
        s1_name=pl.Series([ids[c, r] for c, r in patches.filter("valid")["col", "row"].rows()]),
        s2v1_name=pl.lit("x"),
    )
    table, stores = cut(folder, rows, tile=tile, patches=patches, alignment=alignment)
    assert sorted(table["s1_name"]) == sorted(name.name for name in names)
    for name, where in table.select("s1_name", "folder").rows():
        for band in ("VV", "VH"):
            assert pixels(stores, where, band).tobytes() == images[name][band].tobytes()


def test_the_index_lists_every_raster_that_cannot_be_used(tmp_path, caplog):
    good = write_scene(tmp_path, resolution_m=20)
    bad = write_scene(tmp_path, MORNING, vh=power((270, 271)))
    gone = SceneRow(EVENING.replace("2017", "2018"), "gone_VV.tif", "gone_VH.tif", "db")
    with pytest.raises(RasterError, match=r"(?s)expected the grid of .*\n  gone_VV\.tif: expected"):
        index_scenes([good, bad, gone])
    assert f"{EVENING}: pixels of 20 m are interpolated to 10 m; expected at most 15" in caplog.text


def test_the_index_and_the_matches_are_written(tmp_path, caplog):
    row = write_scene(tmp_path)
    table = tmp_path / "scenes.tsv"
    table.write_text(f"scene\tvv\tvh\tscale\n{row.scene}\t{row.vv}\t{row.vh}\tpower\n")
    scene_index.main(["index", f"--scenes={table}", f"--out={tmp_path}/index.json"])
    assert "1 Sentinel-1 scenes were sensed before March 2018" in caplog.text
    (scene,) = scene_index.read_index(tmp_path / "index.json")
    assert scene.row == row
    assert match_scenes({TILE: GRID}, [scene]) == {TILE: [EVENING]}
    assert match_scenes({TILE: TileGrid(32633, 500_000, 5_400_000, 2400)}, [scene]) == {TILE: []}
