"""The picture of the dataset and its summary."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import rasterio
from PIL import Image
from rich.console import Console

from reben import overview, summary
from reben.domain.names import tile_of
from reben.land_cover.legend import corine_legend
from reben.pictures.painting import paint_codes, rgb_of
from reben.pictures.palette import DROPPED_COLOURS, SPLIT_COLOURS
from reben.pictures.patch_images import choose_patches, true_colour
from reben.results.finished import read_build
from reben.runtime.errors import TableError
from tests.builds import NOMENCLATURE, TILES, write_build


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_build(tmp_path_factory.mktemp("build") / "results", pictures=True)


def draw(results: Path, out: Path) -> bytes:
    overview.main(
        ["--results", str(results), "--nomenclature", str(NOMENCLATURE), "--out", str(out)]
    )
    return out.read_bytes()


def test_the_same_build_gives_the_same_picture(results: Path, tmp_path: Path) -> None:
    first = draw(results, tmp_path / "a.png")
    assert first == draw(results, tmp_path / "b.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width == 1430
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 20)}
    assert {rgb_of(colour) for colour in SPLIT_COLOURS.values()} <= colours
    assert rgb_of(DROPPED_COLOURS["rejected product"]) in colours


def test_a_build_without_patches_has_no_gallery(results: Path, tmp_path: Path) -> None:
    rejected = write_build(tmp_path / "results", rejected=TILES)
    draw(results, tmp_path / "a.png")
    draw(rejected, tmp_path / "b.png")
    heights = [Image.open(tmp_path / name).height for name in ("a.png", "b.png")]
    assert heights[1] < heights[0] / 2


def test_tile_picture_shows_what_became_of_each_patch(results: Path) -> None:
    build = read_build(results)
    patches = build.patches.filter(pl.col("tile") == TILES[0])
    picture = overview.tile_picture(patches, 8)
    for row in patches.iter_rows(named=True):
        colour = SPLIT_COLOURS.get(row["split"]) if row["dropped_for"] is None else None
        colour = colour or DROPPED_COLOURS[row["dropped_for"]]
        assert tuple(picture[row["row"], row["col"]]) == rgb_of(colour), row


def test_summary_counts_as_the_tables_do(
    results: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    summary.main(["--results", str(results)])
    words = capsys.readouterr().out.split()
    kept = len(read_build(results).metadata)
    assert words[words.index("kept,") + 4] == str(kept)
    assert "dataset/metadata.parquet" in words


def test_summary_leaves_out_what_is_older(results: Path) -> None:
    path = results / "report/index.html"
    path.parent.mkdir()
    path.write_text("pages")
    after = max(p.stat().st_mtime for p in (results / "dataset").iterdir()) + 1
    os.utime(path, (after, after))
    said = summary.words(summary.made(results, since=after), Console(width=100))
    assert said.split()[-3:] == ["5", "bytes", "report/index.html"]
    assert "metadata" not in said
    assert summary.made(results, since=after + 1) == []


def test_a_build_ends_with_its_counts_and_where_to_look(results: Path) -> None:
    page = results / "report/index.html"
    page.parent.mkdir(exist_ok=True)
    page.write_text("pages")
    made_at = max(p.stat().st_mtime for p in (results / "dataset").iterdir())
    os.utime(page, (made_at + 1, made_at + 1))
    for since in (0, made_at + 1):
        said = summary.build_words(results, since=since)
        assert "The dataset" in said, "also if only the page is new"
        assert said.endswith(f"\nOpen {page.resolve()}")
    os.utime(page, (made_at - 9, made_at - 9))
    assert summary.build_words(results).endswith(f"\nSee {(results / 'dataset').resolve()}")
    assert summary.build_words(results, since=made_at + 1, is_counted=False) == ""


def test_summary_counts_patches_of_which_nothing_tells_snow_or_cloud(tmp_path: Path) -> None:
    results = write_build(tmp_path / "results", scl=False)
    said = summary.words(summary.made(results), Console(width=100))
    assert f"of these unknown {len(read_build(results).metadata)}" in " ".join(said.split())


def test_last_words_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "step.log"
    assert summary.last_words([log]) == f"{log}\n  (empty)"
    log.write_bytes(b"INFO one\nerror: \xff two\n\n")
    assert summary.last_words([log]) == f"{log}\n  error: \ufffd two"


def test_jobs_that_say_the_same_are_one_line(tmp_path: Path) -> None:
    logs = [tmp_path / f"{number}.log" for number in range(4)]
    for log in logs[1:]:
        log.write_text(f"INFO {log.name}\nerror: no account\n")
    logs[0].write_text("error: the disk is full\n")
    assert summary.last_words(logs).split("\n") == [
        str(logs[0]), "  error: the disk is full",
        f"3 jobs, such as {logs[1]}", "  error: no account",
    ]  # fmt: skip


def test_a_dataset_without_a_patch_says_why_by_product(results: Path, tmp_path: Path) -> None:
    assert summary.nothing_kept(read_build(results)) is None
    empty = read_build(
        write_build(tmp_path / "results", TILES, rejected=TILES[2:], unlabelled_fraction=1)
    )
    lines = str(summary.nothing_kept(empty)).split("\n")
    assert lines[0].startswith("NO PATCH IS IN THE DATASET, of 3 products with ")
    said = {line.split(":")[0].strip(): line for line in lines[1:-1]}
    assert said.keys() == set(TILES)
    assert "too few labelled pixels" in said[TILES[0]]
    assert "rejected product" in said[TILES[2]]


def test_an_unfinished_build_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"dataset/quality\.csv: expected a table of a finished"):
        read_build(tmp_path)


def test_what_has_no_polygon_is_striped() -> None:
    picture = paint_codes(np.array([[999] * 8, [211] * 8], np.uint16), corine_legend())
    assert {tuple(pixel) for pixel in picture[0].tolist()} == {(255, 255, 255), (190, 190, 190)}
    assert {tuple(pixel) for pixel in picture[1].tolist()} == {rgb_of("#ffffa8")}


def test_true_colour_is_red_green_blue(results: Path, tmp_path: Path) -> None:
    patch = read_build(results).patches.filter("valid")["patch_id"][0]
    folder = results / "patches" / tile_of(patch) / patch
    picture = true_colour(folder)
    assert picture.shape == (24, 24, 3)
    with rasterio.open(folder / f"{patch}_B04.tif") as dataset:
        red = dataset.read(1)
    assert np.corrcoef(red.ravel(), picture[..., 0].ravel())[0, 1] > 0.95


def test_gallery_takes_turns_among_tiles_and_shows_many_classes() -> None:
    rows = [("a1", "a", ["x"]), ("a2", "a", ["x", "y"]), ("b1", "b", ["x"]), ("b2", "b", ["z"])]
    frame = pl.DataFrame(rows, schema=["patch_id", "tile", "labels"], orient="row")
    chosen = choose_patches(frame, 2)
    assert chosen == ["a2", "b2"]
    assert sorted(choose_patches(frame, 9)) == ["a1", "a2", "b1", "b2"]
