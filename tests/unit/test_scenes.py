"""The table of scenes written from the names, headers and texts of what people have."""

import shutil

import pytest

from reben import scenes
from reben.config.scene_table import read_scenes
from reben.runtime.errors import ConfigError
from tests.scenes import EVENING, MORNING, power, write_scene

HYP3 = "S1A_IW_20170613T165043_DVP_RTC10_G_{}_7EEC"


def put(folder, name):
    """A pair of rasters under a name with `{}` for the band, as its writer spells that."""
    row = write_scene(folder)
    for band, path in (("VV", row.vv), ("VH", row.vh)):
        target = folder / (name.format(band.lower() if "nrb" in name else band) + ".tif")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)


def table(folder):
    scenes.main([str(folder), f"--out={folder}/scenes.tsv"])
    header, *rows = [line.split("\t") for line in (folder / "scenes.tsv").read_text().splitlines()]
    return [dict(zip(header, row, strict=True)) for row in rows]


@pytest.mark.parametrize(
    ("letters", "scale", "filtered"),
    [("gpuned", "power", "no"), ("gdufem", "db", "yes"), ("gauned", "amplitude", "no")],
)
def test_products_of_hyp3_are_read(tmp_path, letters, scale, filtered):
    stem = HYP3.format(letters)
    put(tmp_path, f"{stem}/{stem}_{{}}")
    readme = tmp_path / stem / f"{stem}.README.md.txt"
    readme.write_text(f"Made from {EVENING}. Another example: {MORNING}.")
    (row,) = table(tmp_path)
    assert row["scene"] == EVENING
    assert (row["scale"], row["speckle_filtered"]) == (scale, filtered)
    assert row["vv"].endswith(f"{stem}_VV.tif")
    assert row["vh"].endswith(f"{stem}_VH.tif")
    assert list(read_scenes(tmp_path / "scenes.tsv", "gamma0")) == [EVENING]


@pytest.mark.parametrize(("ending", "scale"), [("lin", "power"), ("log", "db")])
def test_products_of_s1ard_are_read(tmp_path, ending, scale):
    product = tmp_path / "S1A_IW_NRB__1SDV_20170613T165043_017018_01C579_33UUP_1234"
    name = f"s1a-iw-nrb-20170613t165043-017018-01c579-33uup-{{}}-g-{ending}"
    put(product, f"measurement/{name}")
    (product / "product.json").write_text(f'{{"derived_from": "{EVENING}.SAFE"}}')
    (row,) = table(tmp_path)
    assert (row["scene"], row["scale"], row["speckle_filtered"]) == (EVENING, scale, "")


@pytest.mark.parametrize(
    ("name", "scale", "filtered"),
    [
        (f"{EVENING}_Orb_NR_Cal_TC.data/Sigma0_{{}}", "power", ""),
        (f"{EVENING}_Orb_Cal_Spk_TC.data/Gamma0_{{}}_db", "db", "yes"),
    ],
)
def test_products_of_snap_are_read(tmp_path, name, scale, filtered):
    put(tmp_path, name)
    (row,) = table(tmp_path)
    assert (row["scene"], row["scale"], row["speckle_filtered"]) == (EVENING, scale, filtered)


def test_what_nothing_says_stays_empty_and_is_named(tmp_path, caplog):
    put(tmp_path, "S1A__IW___A_20170613T165043_{}_grd_mli")
    (row,) = table(tmp_path)
    assert (row["scene"], row["scale"], row["speckle_filtered"]) == ("", "", "")
    assert "1 rows lack their scene, which nothing says: fill it in" in caplog.text
    assert "1 rows lack their scale" in caplog.text
    with pytest.raises(ConfigError, match="line 2, row: 'scene' is a required property"):
        read_scenes(tmp_path / "scenes.tsv")


def test_rasters_that_are_no_pair_are_left_out_and_named(tmp_path, caplog):
    row = write_scene(tmp_path)
    write_scene(tmp_path, MORNING, vh=power((10, 270)))
    (tmp_path / "alone_VV.tif").write_bytes(b"")
    assert [found["vv"] for found in table(tmp_path)] == [row.vv]
    assert "left out: " in caplog.text
    assert f"{MORNING}_VH.tif: expected the grid of" in caplog.text
    assert "alone_VV.tif has no alone_VH.tif beside it" in caplog.text


def test_several_rasters_of_a_scene_are_said(tmp_path, caplog):
    put(tmp_path, f"{EVENING}.data/Sigma0_{{}}")
    put(tmp_path, f"{EVENING}_b.data/Sigma0_{{}}")
    assert len(table(tmp_path)) == 2
    assert f"1 scenes have several rasters, such as {EVENING}; leave one row" in caplog.text


def test_a_folder_without_pairs_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="expected rasters of VV and VH, named alike"):
        table(tmp_path)
    with pytest.raises(ConfigError, match="absent: expected a folder of rasters"):
        scenes.main([str(tmp_path / "absent"), f"--out={tmp_path}/t.tsv"])
