"""The demo of a place without CORINE: labels from ESA WorldCover, Sentinel-1 from scenes."""

import os
from pathlib import Path

import yaml

from reben.domain.tables import METADATA, SENTINEL1_SCENES, read_table
from reben.results.layout import Layout
from reben.synthetic.world import SCENES, write_world
from tests.workflow.builds import Project


def test_sao_tome_is_labelled_from_worldcover_and_paired_from_scenes(
    reference: Path, tmp_path: Path
) -> None:
    build = Project.new(tmp_path / "project", {})
    (worldcover,) = (reference / "land_cover/esa_worldcover").glob("*.tif")
    before = Path.cwd()
    os.chdir(build.root)
    try:
        build.config = yaml.safe_load(write_world(Path("demo-world"), worldcover).read_text())
    finally:
        os.chdir(before)
    jobs = build.jobs("all", "report")
    assert {"clip_land_cover", "cut_sentinel1"} <= jobs.keys()
    assert not {"clip_corine", "pair_sentinel1"} & jobs.keys()

    layout = Layout(build.results)
    metadata = read_table(layout.metadata, METADATA)
    assert metadata["s1_name"].null_count() == 0
    labels = set(metadata["labels"].explode())
    assert {"Tree cover", "Built-up", "Permanent water bodies"} <= labels
    (tile,) = {patch.rsplit("_", 2)[0] for patch in metadata["patch_id"]}
    pairs = read_table(layout.sentinel1(tile), SENTINEL1_SCENES)
    # The nearer pass where it is, the other one elsewhere.
    passes = set(pairs["s1_name"].str.slice(0, 32))
    assert passes == {scene.name[:32] for scene in SCENES}
    pages = [page.read_text("utf-8") for page in layout.report.glob("*.html")]
    assert len(pages) == 2
    assert not any("CORINE" in page for page in pages)
    assert any("land cover from ESA WorldCover 2021 v200" in page for page in pages)
    assert any("background:#fa0000" in page for page in pages), "built-up, in the map's own red"
    assert any("Scene classification" in page for page in pages)
    assert build.jobs("-n", "all", "report") == {}
