"""The scene classification of a patch: read from the product of a build, if it is there."""

import logging
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from reben import show
from reben.memory.record import Record, record_path
from reben.report import __main__ as report
from reben.results.finished import FinishedBuild, read_build
from reben.results.scene_classification import scene_classification
from reben.safe.metadata import L2AProduct
from reben.synthetic.product import write_product
from reben.synthetic.spec import ProductSpec
from tests.builds import NOMENCLATURE, TILES, write_build

TILE = TILES[0]
NAME = f"{TILE}_20240101T000000"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> FinishedBuild:
    folder = tmp_path_factory.mktemp("scene")
    return read_build(write_build(folder / "results", [TILE], rejected=(), count=5, pictures=True))


@pytest.fixture(scope="module")
def product(built: FinishedBuild, tmp_path_factory: pytest.TempPathFactory) -> Path:
    square = built.verdicts[0].square
    spec = ProductSpec(
        NAME, square.epsg, square.x_min, square.y_max, square.tile_side_m, cloud_fraction=0.4
    )
    return write_product(tmp_path_factory.mktemp("products"), spec, entropy=0.1)


def write_record(build: FinishedBuild, product: Path) -> None:
    """The record that says where the product was when its patches were cut."""
    entry = {"path": str(product), "sha256": "0", "stamp": "0"}
    path = record_path(build.layout.root, "make_patches", TILE)
    Record({}, sources={"product": entry}).write(path)


@pytest.fixture
def recorded(built: FinishedBuild, product: Path, tmp_path: Path) -> FinishedBuild:
    """A copy of the build whose product is known."""
    shutil.copytree(built.layout.root, tmp_path / "results")
    build = read_build(tmp_path / "results")
    write_record(build, product)
    return build


def pages(build: FinishedBuild, out: Path) -> str:
    words = ["--results", str(build.layout.root), "--nomenclature", str(NOMENCLATURE)]
    report.main([*words, "--out", str(out)])
    return (out / f"{TILE}.html").read_text(encoding="utf-8")


def test_every_patch_gets_its_own_part_of_the_image(recorded: FinishedBuild, product: Path) -> None:
    path = L2AProduct.open(product).image("SCL", 20)
    with rasterio.open(path) as image:  # type: ignore[arg-type]
        whole = image.read(1)
    count = range(recorded.grid(recorded.verdicts[0]).count)
    with scene_classification(recorded, recorded.verdicts[0]) as scene:
        rows = [np.hstack([scene.of_patch(col, row) for col in count]) for row in count]  # type: ignore[misc]
    assert len(np.unique(whole)) > 2
    assert np.array_equal(np.vstack(rows), whole)


def test_without_its_product_there_is_none_and_no_complaint(
    recorded: FinishedBuild, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_record(recorded, tmp_path / "gone.SAFE")
    with caplog.at_level(logging.WARNING):
        text = pages(recorded, tmp_path / "out")
    assert "Scene classification" not in text
    assert "True colour" in text
    assert caplog.messages == []


@pytest.mark.parametrize("flaw", ["place", "cut off", "a virtual raster"])
def test_an_image_that_is_not_as_it_was_is_left_out_with_a_warning(
    flaw: str,
    recorded: FinishedBuild,
    product: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    copy = shutil.copytree(product, tmp_path / "l2a" / product.name)
    write_record(recorded, copy)
    path = L2AProduct.open(copy).image("SCL", 20)
    assert path
    verdict = recorded.verdicts[0]
    if flaw == "place":
        verdict = replace(verdict, square=replace(verdict.square, x_min=verdict.square.x_min + 60))
    elif flaw == "cut off":
        path.write_bytes(path.read_bytes()[:200])
    else:
        path.write_text("<VRTDataset/>")
    with caplog.at_level(logging.WARNING), scene_classification(recorded, verdict) as scene:
        assert scene.of_patch(0, 0) is None
    assert len(caplog.messages) == 1
    assert str(path) in caplog.messages[0]


def test_pages_and_pictures_show_it_with_its_legend(
    recorded: FinishedBuild, tmp_path: Path
) -> None:
    text = pages(recorded, tmp_path / "out")
    cards = text.split('<button type="button" class="card"')[1:]
    assert len(cards) > 10
    for card in cards:
        views = card.split('<span class="view')[1:]
        (view,) = [view for view in views if ">Scene classification</span>" in view]
        shares = [float(share) for share in re.findall(r"<span>([\d.]+)%</span>", view)]
        assert sum(shares) == pytest.approx(100, abs=0.3)
    assert "background:#00a000" in text, "vegetation"
    assert "background:#c0c0c0" in text, "clouds"
    row = show.find_patch(recorded, recorded.metadata["patch_id"][0])
    figure = show.draw(recorded, row, None)
    assert "Scene classification" in [axes.get_title() for axes in figure.axes]
    words = [entry.get_text() for legend in figure.legends for entry in legend.get_texts()]
    assert any(word.startswith("Scene classification: ") for word in words)
