"""Sentinel-1 from scenes, from the table to the archives; a new scene redoes only what it meets."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import lmdb
import numpy as np
import polars as pl
import pytest
import rasterio
import safetensors.numpy
import zstandard

from reben.compare import compare
from reben.domain.reasons import NO_SENTINEL1
from reben.domain.tables import METADATA, SENTINEL1, read_table
from reben.runtime.files import sha256_file
from reben.synthetic import SceneSpec, write_scenes
from tests.scenes import EVENING, MORNING
from tests.workflow.builds import SPECS, TILES, Project, new_small_build

SECOND = "S1A_IW_GRDH_1SDV_20180421T172307_20180421T172332_021563_02529A_0A1B"
NEARER = "S1B_IW_GRDH_1SDV_20180421T054113_20180421T054138_010574_0134C5_C0DE"


def add_scenes(build: Project, spec, scenes) -> None:
    """With paths relative to the build, where the workflow runs."""
    before = os.getcwd()  # noqa: PTH109
    os.chdir(build.root)
    try:
        write_scenes(Path("inputs/scenes"), spec, scenes)
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Two passes over the first tile, the nearer one over its east alone; one over the second."""
    build = new_small_build(tmp_path_factory.mktemp("scenes") / "project")
    first = [SceneSpec(EVENING, epsg=32632, swath=(0.4, 3)), SceneSpec(MORNING, scale="db")]
    add_scenes(build, SPECS[0], first)
    add_scenes(build, SPECS[1], [SceneSpec(SECOND, offset_m=0, scale="amplitude")])
    build.config["sentinel1"] = {"scenes": "inputs/scenes/scenes.tsv", "backscatter": "sigma0"}
    build.config["patches"] = {"container": "tar"}
    jobs = build.jobs("all", "audit", "archive", "catalogue")
    assert jobs["cut_sentinel1"] == set(TILES)
    assert jobs["index_scenes"] == jobs["match_scenes"] == set()
    assert "pair_sentinel1" not in jobs
    return build


def metadata(build):
    names = ("metadata", "metadata_for_patches_with_snow_cloud_or_shadow")
    tables = [read_table(build.results / f"dataset/{name}.parquet", METADATA) for name in names]
    return pl.concat(tables).sort("patch_id")


def test_every_patch_has_a_pair_of_the_nearest_scene(build):
    frame = metadata(build)
    assert len(frame) == 15  # of 18, the others have too few labelled pixels
    assert frame["s1_name"].null_count() == 0
    scenes = frame["s1_name"].str.head(32).to_list()
    assert set(scenes) == {name[:32] for name in (EVENING, MORNING, SECOND)}
    table = pl.read_parquet(build.results / f"tables/sentinel1/{TILES[0]}.parquet")
    ascends = table["s1_pass"] == "ascending"
    assert ascends.equals(table["s1_name"].str.starts_with(EVENING[:32]))
    assert METADATA.names == frame.columns


def test_the_lmdb_and_the_archive_have_them(build):
    names = metadata(build)["s1_name"].to_list()
    path = str(build.results / "dataset/BigEarthNet.lmdb")
    with lmdb.open(path, readonly=True, lock=False) as env, env.begin() as txn:
        for name in names:
            bands = safetensors.numpy.load(bytes(txn.get(name.encode())))
            assert {band: a.shape for band, a in bands.items()} == {
                "VV": (120, 120),
                "VH": (120, 120),
            }
    packed = (build.results / "archives/BigEarthNet-S1.tar.zst").open("rb")
    with packed, zstandard.ZstdDecompressor().stream_reader(packed) as stream:
        found = tarfile.open(fileobj=stream, mode="r|").getnames()  # noqa: SIM115
    assert set(found) == {
        f"BigEarthNet-S1/{name[:32]}/{name}/{name}_{band}.tif"
        for name in names
        for band in ("VV", "VH")
    }


def test_audit_and_card_tell_of_the_scenes_and_every_raster_has_its_checksum(build):
    manifest = json.loads((build.results / "audit/manifest.json").read_text())
    files = manifest["inputs"]["files"]
    rasters = {
        f"sentinel1.scenes/{scene}/{band}": f"inputs/scenes/{scene}_{band}.tif"
        for scene in (EVENING, MORNING, SECOND)
        for band in ("VV", "VH")
    }
    for key, path in {"sentinel1.scenes": "inputs/scenes/scenes.tsv", **rasters}.items():
        assert files[key]["path"] == path
        assert files[key]["sha256"] == sha256_file(build.root / path)
    assert any("sensed before March 2018" in text for text in manifest["warnings"])
    assert manifest["config"]["sentinel1"]["backscatter"] == "sigma0"
    card = (build.results / "dataset/README.md").read_text()
    assert "Sentinel-1 patches: cut from scenes, sigma0." in card
    crate = json.loads((build.results / "audit/ro-crate-metadata.json").read_text())
    known = {entity["@id"] for entity in crate["@graph"]}
    assert {f"#input-{key}" for key in rasters} <= known


def verify(build):
    return subprocess.run(
        [sys.executable, "-m", "reben.verify", "results"],
        cwd=build.root,
        capture_output=True,
        text=True,
    )


def test_verify_reads_them_again(build):
    done = verify(build)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_all_that_may_be_deleted_nothing_is_due_and_verify_says_so(build, tmp_path):
    copy = build.copy(tmp_path / "copy")
    copy.config["keep"] = []
    said = copy.snakemake().stderr
    assert "Deleted patches, reference_maps, sentinel1, encoded, which `keep` does not" in said
    done = verify(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("patches", "reference_maps", "sentinel1", "encoded/s1"):
        assert f"results/{name}: not there, not checked: " in done.stdout
    assert copy.jobs("all", "audit", "archive", "catalogue") == {}


def test_report_and_archives_get_the_sentinel1_patches_that_they_show(build, tmp_path):
    copy = build.copy(tmp_path / "copy")
    copy.config["keep"] = ["patches", "reference_maps", "encoded"]
    assert copy.jobs() == {}
    shutil.rmtree(copy.results / "archives")
    for targets in (["all", "pack_archives"], ["report"]):
        assert not any((copy.results / "sentinel1").iterdir())
        assert copy.jobs(*targets)["cut_sentinel1"] == set(TILES)


def test_a_scene_that_is_added_redoes_only_the_tile_that_it_meets(build, tmp_path):
    copy = build.copy(tmp_path / "copy")
    add_scenes(copy, SPECS[1], [SceneSpec(NEARER, swath=(-1, 0.5))])
    jobs = copy.jobs()
    assert {rule for rule, tiles in jobs.items() if not tiles} == {
        *("index_scenes", "match_scenes", "select_patches"),
        *("build_metadata", "build_lmdb", "count_funnel"),
    }
    assert {rule: tiles for rule, tiles in jobs.items() if tiles} == {
        "cut_sentinel1": {TILES[1]},
        "encode_sentinel1": {TILES[1]},
    }
    pairs = read_table(copy.results / f"tables/sentinel1/{TILES[1]}.parquet", SENTINEL1)
    assert pairs["s1_name"].str.starts_with(NEARER[:32]).sum() in range(1, 9)
    # Another content redoes the tile that was cut from it, and what is gone matters only to jobs
    # that have to run.
    raster = copy.root / f"inputs/scenes/{EVENING}_VV.tif"
    with rasterio.open(raster, "r+") as dataset:
        dataset.write(dataset.read() * np.float32(1.5))
    jobs = copy.jobs("--until", "cut_sentinel1")
    assert jobs["cut_sentinel1"] == {TILES[0]}
    raster.unlink()
    copy.config["labels"] = {"min_labelled_fraction": 0.9}
    assert copy.jobs("-n", "--until", "label_patches", "cut_sentinel1") == {
        "label_patches": set(TILES)
    }
    copy.config["sentinel1"]["backscatter"] = None
    failed = copy.failing()  # the index is to be made again, and stops before the first job
    assert "these inputs do not exist" in failed
    assert f"{EVENING} VV: inputs/scenes/{EVENING}_VV.tif" in failed


def test_patches_without_a_scene_within_the_limit_are_counted(build, tmp_path):
    copy = build.copy(tmp_path / "copy")
    # 6.7 hours to a scene of the first tile that has data in its east, 7.4 to the second's.
    copy.config["sentinel1"]["max_gap_h"] = 7
    copy.jobs()
    funnel = pl.read_csv(copy.results / "dataset/funnel.csv")
    near, far = (funnel.filter(tile=tile).row(0, named=True) for tile in TILES)
    assert near[NO_SENTINEL1] > 0 and near["kept"] > 0
    assert far[NO_SENTINEL1] == far["patches"] - far["nodata"] > 0 and far["kept"] == 0
    log = (copy.results / "logs/match_scenes.log").read_text()
    assert f"{TILES[1]}: no scene meets it within 7 hours (sentinel1.max_gap_h)" in log


def test_a_folder_of_patches_and_scenes_take_turns(build, tmp_path):
    other = build.copy(tmp_path / "project")
    other.config["sentinel1"] = {"root": "inputs/BigEarthNet-S1"}
    assert other.jobs()["pair_sentinel1"] == set(TILES)
    other.config["sentinel1"] = build.config["sentinel1"]
    shutil.rmtree(other.root / ".snakemake")  # which would notice it, too
    assert other.jobs()["cut_sentinel1"] == set(TILES)
    assert compare(build.results, other.results)["equal"]
