"""One patch, on the terminal and as a picture."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from reben import show
from reben.results.finished import read_build
from reben.runtime.errors import RasterError, TableError
from tests.builds import TILES, write_build


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    return write_build(
        folder / "results", TILES[:1], rejected=(), count=4, pictures=True, sentinel1=folder / "s1"
    )


def test_labels_and_shares_are_shown(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = read_build(results).metadata.row(0, named=True)
    show.main([row["patch_id"], "--results", str(results)])
    text = capsys.readouterr().out
    for words in (row["patch_id"], row["split"], row["s1_name"], row["country"], "50.0%  211"):
        assert words in text
    assert all(label.split(",")[0] in text for label in row["labels"])


def test_the_picture_holds_the_views_of_the_report(results: Path) -> None:
    build = read_build(results)
    row = show.find_patch(build, build.metadata["patch_id"][0])
    figure = show.draw(build, row, results.parent / "s1")
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == [
        *("True colour", "False colour", "Short-wave infrared", "NDVI"),
        *("Sentinel-1", "Reference map"),
    ]
    assert "Sentinel-1" not in [a.get_title() for a in show.draw(build, row, None).axes]


def test_the_picture_is_written(results: Path, tmp_path: Path) -> None:
    patch, out = read_build(results).metadata["patch_id"][0], tmp_path / "patch.png"
    show.main([patch, "--results", str(results), "--out", str(out)])
    with Image.open(out) as image:
        assert image.width == 4 * 440


@pytest.mark.parametrize(
    "name", ["T33UUP_01_02", "33UUP_1_2", "S1A_IW_GRDH_1SDV_20170613T165043_33UUP_1_2"]
)
def test_a_short_name_is_enough(results: Path, name: str) -> None:
    assert show.find_patch(read_build(results), name)["patch_id"] == f"{TILES[0]}_01_02"


def test_a_short_name_of_several_patches_is_refused(tmp_path: Path) -> None:
    later = TILES[0].replace("20170613", "20170706")
    build = read_build(write_build(tmp_path / "results", [TILES[0], later], rejected=(), count=4))
    with pytest.raises(TableError, match=rf"2 tiles; name one of {TILES[0]}_01_02, {later}_01_02"):
        show.find_patch(build, "T33UUP_01_02")
    with pytest.raises(TableError, match="found none; its tiles are"):
        show.find_patch(build, "T33UUQ_01_02")


def test_a_patch_that_is_not_there_is_named(results: Path) -> None:
    with pytest.raises(TableError, match=rf"expected a patch {TILES[0]}_90_90, found none; tile"):
        show.main([f"{TILES[0]}_90_90", "--results", str(results)])
    with pytest.raises(TableError, match=f"found none; its tiles are {TILES[0]}"):
        show.main([f"{TILES[1]}_00_00", "--results", str(results)])


def test_a_patch_without_images_says_which_file(results: Path, tmp_path: Path) -> None:
    dropped = read_build(results).patches.filter(~pl.col("valid"))["patch_id"][0]
    with pytest.raises(
        RasterError, match=rf"B02 is missing; expected the file .*{dropped}_B02\.tif"
    ):
        show.main([dropped, "--results", str(results), "--out", str(tmp_path / "x.png")])


@pytest.mark.parametrize("stage", ["patches", "reference_maps"])
def test_a_stage_that_was_not_kept_is_named(stage: str, tmp_path: Path) -> None:
    results = write_build(tmp_path / "r", TILES[:1], rejected=(), count=4, pictures=True)
    patch = read_build(results).metadata["patch_id"][0]
    shutil.rmtree(results / stage)
    show.main([patch, "--results", str(results)])
    with pytest.raises(RasterError, match=f"{stage}/{TILES[0]}: expected .* found none. .*`keep`"):
        show.main([patch, "--results", str(results), "--out", str(tmp_path / "x.png")])
