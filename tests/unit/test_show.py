"""One patch, on the terminal and as a picture."""

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


def test_the_picture_holds_all_views(results: Path, tmp_path: Path) -> None:
    patch = read_build(results).metadata["patch_id"][0]
    sizes = []
    for more in ([], ["--sentinel1", str(results.parent / "s1")]):
        out = tmp_path / "patch.png"
        show.main([patch, "--results", str(results), "--out", str(out), *more])
        with Image.open(out) as image:
            sizes.append(image.width)
    assert sizes == [880, 1320]


def test_a_patch_that_is_not_there_is_named(results: Path) -> None:
    with pytest.raises(TableError, match=rf"expected a patch {TILES[0]}_90_90, found none; tile"):
        show.main([f"{TILES[0]}_90_90", "--results", str(results)])
    with pytest.raises(TableError, match=f"found none; its tiles are {TILES[0]}"):
        show.main([f"{TILES[1]}_00_00", "--results", str(results)])


def test_a_patch_without_images_says_which_file(results: Path, tmp_path: Path) -> None:
    dropped = read_build(results).patches.filter(~pl.col("valid"))["patch_id"][0]
    with pytest.raises(
        RasterError, match=rf"B04 is missing; expected the file .*{dropped}_B04\.tif"
    ):
        show.main([dropped, "--results", str(results), "--out", str(tmp_path / "x.png")])
