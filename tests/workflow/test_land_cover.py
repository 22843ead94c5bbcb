"""Land cover as raster maps: the same dataset as from polygons, and nothing redone without need."""

from pathlib import Path

import numpy as np
import pytest

from reben.compare import compare
from reben.domain.verdict import Verdict
from reben.land_cover.legend import read_legend
from reben.land_cover.tile_codes import read_clip, tile_codes
from reben.results.layout import Layout
from reben.runtime.files import read_json
from reben.synthetic.raster import write_raster
from tests.workflow.builds import PROJECT, TILES, Project

FIRST, SECOND = TILES
LEGEND = "resources/legends/corine.csv"
#: Stands for no data in CORINE's rasters.
NO_DATA = 48
#: What follows from other land cover of a tile.
AFTER = ("make_reference_maps", "label_patches", "encode_reference_maps")


def write_maps(build: Project, folder: Path) -> None:
    """The clips of a build of polygons as rasters on the grids of its tiles, stored as 1 to 44."""
    layout = Layout(build.results)
    legend = read_legend(PROJECT / LEGEND)
    values = {code: value for value, code in legend.codes.items() if code in legend.classes}
    clips = read_json(layout.clip_manifest)["tiles"]
    for tile in TILES:
        grid = Verdict.read(layout.verdict(tile)).grid(1200)
        codes = tile_codes(read_clip(layout.clip(clips[tile]["clip"]), grid), grid)
        stored = np.full(codes.shape, NO_DATA, np.uint8)
        for code in np.unique(codes).tolist():
            stored[codes == code] = values.get(code, NO_DATA)
        folder.mkdir(exist_ok=True)
        write_raster(folder / f"{tile}.tif", stored, grid.epsg, (grid.x_min, grid.y_max), 10)


@pytest.fixture(scope="module")
def mapped(small_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The build of two tiles, its polygons replaced by rasters of them."""
    build = small_project.copy(tmp_path_factory.mktemp("mapped") / "project")
    write_maps(build, build.root / "inputs/maps")
    del build.config["corine"]
    build.config["land_cover"] = {
        "files": "inputs/maps/*.tif",
        "legend": LEGEND,
        "nodata": NO_DATA,
        "release": "CORINE 2018, rasterised",
    }
    return build


def test_rasterised_polygons_give_the_dataset_of_the_polygons(
    small_project: Project, mapped: Project
) -> None:
    jobs = mapped.jobs()
    assert jobs["clip_land_cover"] == set()
    assert not {"make_patches", "encode_sentinel2", "check_quality"} & jobs.keys()
    assert compare(small_project.results, mapped.results)["equal"]
    ours, theirs = (
        sorted((p.results / "reference_maps").rglob("*.tif")) for p in (mapped, small_project)
    )
    assert [a.read_bytes() for a in ours] == [b.read_bytes() for b in theirs]
    assert mapped.jobs() == {}
