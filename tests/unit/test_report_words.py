"""What the pages of the report say and draw, read from their text, without a browser."""

import re
from pathlib import Path

import pytest
import yaml

from reben.config.land_cover import release
from reben.domain.grid import TileSquare
from reben.report import __main__ as report
from reben.report.environment import breakable
from reben.report.provenance import records
from reben.report.world_map import default_outlines, tile_map
from reben.results.finished import FinishedBuild
from reben.results.layout import Layout
from tests.builds import NOMENCLATURE, TILES, a_verdict, write_build

DEFAULTS = yaml.safe_load(Path("config/config.yaml").read_text())


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_build(tmp_path_factory.mktemp("words"), TILES[:1], rejected=(), count=4)


def first_page(results: Path, out: Path, *options: str) -> str:
    """The text of the first page, without its style and scripts."""
    words = ["--results", str(results), "--nomenclature", str(NOMENCLATURE), "--out", str(out)]
    report.main([*words, *options])
    text = (out / "index.html").read_text(encoding="utf-8")
    return re.sub(r"<(style|script).*?</\1>", "", text, flags=re.DOTALL)


def test_the_first_sentence_names_the_release_of_the_land_cover(
    results: Path, tmp_path: Path
) -> None:
    text = first_page(results, tmp_path / "out", "--land-cover", "ESA WorldCover 2021 v200")
    (lead,) = re.findall(r'<p class="lead">(.*?)</p>', text)
    assert "with pixel-level land cover from ESA WorldCover 2021 v200 and" in lead


def test_the_release_is_that_of_the_map_or_of_corine() -> None:
    config = yaml.safe_load(yaml.safe_dump(DEFAULTS))
    assert release(config) is None
    config["corine"]["release"] = "U2018_CLC2018_V2020_20u1"
    assert release(config) == "CORINE Land Cover U2018_CLC2018_V2020_20u1"
    config["land_cover"] |= {"files": "a.tif", "release": "ESA WorldCover 2021 v200"}
    assert release(config) == "ESA WorldCover 2021 v200"


def test_limits_of_corine_are_told_of_any_release(results: Path, tmp_path: Path) -> None:
    text = first_page(results, tmp_path / "out", "--land-cover", "CORINE Land Cover U2018")
    assert "the errors of CORINE Land Cover U2018, whose smallest unit is 25 ha" in text


def test_a_dataset_without_a_citation_is_cited_by_name_version_and_year(
    results: Path, tmp_path: Path
) -> None:
    named = ("--name", "My set", "--version", "1.2.0")
    text = first_page(results, tmp_path / "out", *named, "--published", "2026-03-01")
    assert "The dataset:</span> My set, version 1.2.0, 2026<" in text
    assert re.search(r"The method:</span> K\. N\. Clasen, .*: reBEN", text)
    text = first_page(results, tmp_path / "own", *named, "--citation", "A. Author: My set")
    assert "The dataset:</span> A. Author: My set<" in text


def map_of(square: TileSquare) -> tuple[str, float]:
    """The map of a tile, and the pixels of a degree of latitude."""
    build = FinishedBuild(Layout("results"), [a_verdict(TILES[0], square)], None)  # type: ignore[arg-type]
    build.__dict__["funnel"] = [{"tile": TILES[0], "kept": 1}]
    drawn = str(tile_map(build, default_outlines()))
    (scale,) = re.findall(r'data-lat="([\d.]+)"', drawn)
    return drawn, float(scale)


def test_the_map_reaches_to_land_that_the_outlines_have() -> None:
    """Around a small island, which they do not have, it would be empty."""
    island, of_island = map_of(TileSquare(32632, 230_000, 48_000, 18_000))  # São Tomé
    assert ">Gabon<" in island
    inland, of_inland = map_of(TileSquare(32633, 342_000, 5_340_000, 18_000))
    assert 'class="land"' in inland
    assert of_inland > 1.3 * of_island
    ocean, of_ocean = map_of(TileSquare(32709, 500_000, 5_000_000, 18_000))
    assert 'class="land"' not in ocean
    assert of_ocean == pytest.approx(of_inland, rel=0.02), "nothing to reach for"


def test_the_map_across_180_degrees_has_the_land_on_both_sides() -> None:
    drawn, _ = map_of(TileSquare(32760, 816_420, 8_121_000, 6000))
    (west,) = re.findall(r'data-west="([\d.-]+)"', drawn)
    (lon,) = re.findall(r'data-lon="([\d.]+)"', drawn)
    (width,) = re.findall(r'viewBox="0 0 (\d+) ', drawn)
    assert float(width) / float(lon) < 5, "degrees"
    assert ">Fiji<" in drawn
    lands = re.findall(r'<path class="land" d="M([\d.-]+)', drawn)
    beyond = [float(west) + float(x) / float(lon) > 180 for x in lands]
    assert set(beyond) == {True, False}


def test_provenance_counts_rasters_of_scenes_and_leaves_the_training_out() -> None:
    scene = "sentinel1.scenes/S1A_IW_GRDH_1SDV_20210712T175450_20210712T175515_038745_04927C_5A3E"
    files = {f"{scene}/{band}": {"path": f"{band}.tif", "sha256": "1"} for band in ("VV", "VH")}
    files["sentinel1.scenes"] = {"path": "scenes.tsv", "sha256": "2"}
    manifest = {
        "inputs": {"files": files},
        "config": {"training": {"epochs": 100}, "split": {"p": 0.25}},
        "software": dict.fromkeys(
            ("snakemake", "sen2cor", "python", "gdal", "proj", "geos", "openjpeg"), "1"
        )
        | {"platform": {}},
        "code": {"git": {"commit": None, "clean": None}},
        "outputs": {"global": {}},
    }
    (_, inputs), (_, settings), *_ = records(manifest)
    assert inputs == [
        ("sentinel1.scenes", "scenes.tsv", "SHA-256 2"),
        ("sentinel1.scenes", "2 files, with their checksums in the manifest"),
    ]
    assert settings == [("split.p", "0.25")]


def test_long_names_may_be_broken_between_their_parts() -> None:
    assert str(breakable("snow_cloud.scl<")) == "snow_<wbr>cloud.<wbr>scl&lt;"
    assert str(breakable("max_gap_h")) == "max_<wbr>gap_h"
