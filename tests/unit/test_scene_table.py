"""The table of Sentinel-1 scenes: checked before any raster is opened."""

from pathlib import Path

import pytest
import yaml

from reben.config.check import check_settings
from reben.config.scene_row import SceneRow
from reben.config.scene_table import backscatter_of, border_noise_warnings, read_scenes
from reben.runtime.errors import ConfigError
from tests.scenes import EVENING, MORNING


def write(folder, *rows, columns=("scene", "vv", "vh", "scale")):
    path = folder / "scenes.tsv"
    path.write_text("\n".join("\t".join(row) for row in (columns, *rows)) + "\n")
    return path


def test_empty_cells_follow_from_the_name_and_the_scale(tmp_path):
    columns = ("scene", "vv", "vh", "scale", "nodata", "zero_is_nodata", "relative_orbit")
    path = write(
        tmp_path,
        (f"{EVENING}.SAFE", "a_VV.tif", "a_VH.tif", "power"),
        (MORNING, "b_VV.tif", "b_VH.tif", "db", "-99", "yes", "7"),
        columns=columns,
    )
    one, other = read_scenes(path).values()
    assert one == SceneRow(EVENING, "a_VV.tif", "a_VH.tif", "power", None, True, 146)
    assert other == SceneRow(MORNING, "b_VV.tif", "b_VH.tif", "db", -99.0, True, 7)
    assert SceneRow.from_dict(other.to_dict()) == other


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(EVENING, "a", "b", "linear")], "line 2, scale: 'linear' is not one of"),
        ([(EVENING, "a", "", "db")], "line 2, row: 'vh' is a required property"),
        ([(EVENING.replace("1SDV", "1SDH"), "a", "b", "db")], r"line 2, scene: .*HH\+HV; expected"),
        ([(EVENING, "a", "b", "db"), (EVENING, "c", "d", "db")], "line 3: .* same scene twice"),
        (
            [(EVENING, "a", "b", "db"), (f"{EVENING[:-4]}ABCD", "c", "d", "db")],
            "line 3: .* same scene twice, S1A_IW_GRDH_1SDV_20170613T165043, by which",
        ),
        ([(EVENING, "a", "./a", "db")], "vv and vh are the same file, a"),
        ([(EVENING, "a", "b", "db"), (MORNING, "b", "c", "db")], "b is also the raster of"),
        (
            [(EVENING, "Sigma0_VV.img", "Sigma0_VH.img", "power"),
             (MORNING, "m/Gamma0_VV.img", "m/Gamma0_VH.img", "power")],
            r"one kind of backscatter, found gamma0 \(m/Gamma0_VV.img\), sigma0 \(Sigma0_VV",
        ),
        ([], "no scenes; expected one scene per line"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_refused_with_the_line(tmp_path, rows, message):
    with pytest.raises(ConfigError, match=rf"scenes\.tsv.*{message}"):
        read_scenes(write(tmp_path, *rows))


def test_filtered_and_unfiltered_scenes_are_not_mixed(tmp_path):
    columns = ("scene", "vv", "vh", "scale", "speckle_filtered")
    rows = [(EVENING, "a", "b", "db", "yes"), (MORNING, "c", "d", "db", "no")]
    with pytest.raises(ConfigError, match=f"{EVENING} is speckle-filtered and {MORNING} is not"):
        read_scenes(write(tmp_path, *rows, columns=columns))


def test_the_config_and_names_of_rasters_must_say_the_same(tmp_path):
    path = write(tmp_path, (EVENING, "Sigma0_VV.img", "Sigma0_VH.img", "power"))
    assert read_scenes(path, "sigma0")
    with pytest.raises(ConfigError, match=r"found gamma0 \(sentinel1.backscatter\), sigma0"):
        read_scenes(path, "gamma0")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("S1A_IW_20170613T165043_DVP_RTC10_G_gpuned_7EEC_VV.tif", "gamma0"),
        ("S1A_IW_20170613T165043_DVP_RTC10_S_gpuned_7EEC_VV.tif", "sigma0"),
        ("s1a-iw-nrb-20200103t170705-030639-0382d5-32tps-vv-g-lin.tif", "gamma0"),
        ("x.data/Sigma0_VV.img", "sigma0"),
        ("Beta0_VH_db.img", "beta0"),
        ("S1A__IW___A_20150309T173017_VV_grd_mli_geo_norm_db.tif", None),
    ],
)
def test_names_of_rasters_tell_their_backscatter(name, found):
    assert backscatter_of(name) == found


def test_scenes_of_before_march_2018_may_have_noise_at_their_borders():
    (text,) = border_noise_warnings([EVENING, EVENING.replace("2017", "2019")])
    assert text.startswith("1 Sentinel-1 scenes were sensed before March 2018: their borders")
    assert text.endswith(f": {EVENING}")
    assert border_noise_warnings([EVENING.replace("2017", "2019")]) == []


def test_root_and_scenes_exclude_each_other():
    config = yaml.safe_load(Path("config/config.yaml").read_text())
    config["sentinel1"] |= {"root": "BigEarthNet-S1", "scenes": "scenes.tsv"}
    with pytest.raises(ConfigError, match=r"sentinel1\.root is .* and sentinel1\.scenes is .*one"):
        check_settings(config)
