"""Land cover as raster maps: the same dataset as from polygons, and nothing redone without need."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import rasterio

from reben import changes
from reben.compare import compare
from reben.domain.verdict import Verdict
from reben.land_cover.legend import read_legend
from reben.land_cover.tile_codes import read_clip, tile_codes
from reben.results.layout import Layout
from reben.runtime.files import read_json, sha256_file
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


def test_a_change_of_one_file_redoes_its_tile_alone(mapped: Project, tmp_path: Path) -> None:
    build = mapped.copy(tmp_path / "project")
    build.snakemake()
    path = build.root / f"inputs/maps/{SECOND}.tif"
    with rasterio.open(path, "r+") as dataset:
        pixels = dataset.read(1)
        pixels[:50, :50] = 44  # sea and ocean
        dataset.write(pixels, 1)
    changes.main(
        [str(build.results), f"{build.root}/inputs/maps/*.tif"]
        + ["--out", str(tmp_path / "changes.csv")]
    )  # legend and nodata are those of the build
    jobs = build.jobs("audit", "report")
    assert jobs["clip_land_cover"] == set()
    assert {rule: jobs[rule] for rule in AFTER} == {rule: {SECOND} for rule in AFTER}
    assert not {"make_patches", "encode_sentinel2"} & jobs.keys()
    changed = changes.patch_changes(*map(changes.State.of_build, (mapped.results, build.results)))
    assert changed["patch_id"].to_list() == [f"{SECOND}_00_00"]
    foretold = pl.read_csv(tmp_path / "changes.csv")
    assert foretold["patch_id"].to_list() == changed["patch_id"].to_list()

    assert not verify(build)
    manifest = read_json(build.results / "audit/manifest.json")
    inputs = manifest["inputs"]["files"]
    assert inputs["land_cover.files"]["path"] == "inputs/maps/*.tif"
    assert inputs["land_cover.files"]["release"] == "CORINE 2018, rasterised"
    lines = [f"{p.name},{sha256_file(p)}\n" for p in sorted(path.parent.glob("*.tif"))]
    table = "name,sha256\n" + "".join(lines)
    assert inputs["land_cover.files"]["sha256"] == hashlib.sha256(table.encode()).hexdigest()
    assert inputs["land_cover.legend"]["sha256"] == sha256_file(build.root / LEGEND)
    assert "corine.path" not in inputs
    assert "from CORINE 2018, rasterised" in manifest["dataset"]["summary"]
    crate = (build.results / "audit/ro-crate-metadata.json").read_text()
    assert "#input-land_cover.files" in crate

    # Other names and colours make new pages, and no new labels.
    legend = build.root / "inputs/own.csv"
    legend.write_text(
        (build.root / LEGEND).read_text().replace("Sea and ocean,#e6f2ff", "Sea,#0000ff")
    )
    build.config["land_cover"]["legend"] = "inputs/own.csv"
    build.config["labels"] = {"nomenclature": "resources/nomenclature/bigearthnet_19.csv"}
    assert build.jobs("report").keys() == {"clip_land_cover", "audit", "report"}
    # A map that contradicts the clip is found.
    clip = next((build.results / "land_cover").glob(f"{FIRST}-*.tif"))
    with rasterio.open(clip, "r+") as dataset:
        dataset.write(np.full(dataset.shape, 111, np.uint16), 1)
    found = "\n".join(verify(build))
    assert f"{clip.name}: its content has the digest" in found
    assert "pixels are not what the land cover gives" in found


def test_polygons_and_rasters_take_turns(
    small_project: Project, mapped: Project, tmp_path: Path
) -> None:
    build = mapped.copy(tmp_path / "project")
    build.snakemake()
    build.config = {**small_project.config}
    shutil.rmtree(build.root / ".snakemake")  # which would notice it, too
    jobs = build.jobs()
    assert jobs["clip_corine"] == set()
    assert {rule: jobs[rule] for rule in AFTER} == {rule: {FIRST, SECOND} for rule in AFTER}
    assert {path.suffix for path in (build.results / "land_cover").iterdir()} == {
        ".json",
        ".parquet",
    }
    assert compare(small_project.results, build.results)["equal"]


def verify(build: Project) -> list[str]:
    """What verification finds in a build."""
    done = subprocess.run(
        [sys.executable, "-m", "reben.verify", "results"],
        cwd=build.root, capture_output=True, text=True,
    )  # fmt: skip
    return [line for line in done.stdout.splitlines() if line.startswith("results/")]
    build.config = {**mapped.config}
    shutil.rmtree(build.root / ".snakemake")
    assert build.jobs("-n")["clip_land_cover"] == set()


def test_a_config_of_reben_new_for_a_raster_map_can_be_built(
    small_project: Project, reference: Path, tmp_path: Path
) -> None:
    """All that a dry run checks: settings, inputs and what late steps open."""
    (worldcover,) = (reference / "land_cover/esa_worldcover").glob("*.tif")
    inputs = small_project.root / "inputs"
    words = ["--products", *map(str, sorted(inputs.glob("*.SAFE")))]
    words += ["--land-cover", str(worldcover), "--sentinel1", str(inputs / "BigEarthNet-S1")]
    env = {"PYTHONPATH": str(PROJECT / "workflow")}
    reben = [sys.executable, "-m", "reben"]
    outside = Project(tmp_path)
    outside.run([*reben, "new", "mine", *words], env)
    folder = Project(tmp_path / "mine")
    done = folder.run([*reben, "build", "dataset.yaml", "--dry-run"], env)
    said = done.stdout + done.stderr
    assert "clip_land_cover" in said
    assert "pair_sentinel1" in said
    assert "cannot run yet" not in said
