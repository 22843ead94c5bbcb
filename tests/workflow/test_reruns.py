"""What runs again after a change, by name; and what does not."""

import os
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pyogrio
import pytest

from reben.domain.name_columns import place_of_patch
from reben.domain.names import tile_of
from tests.workflow.builds import TILES, Project

FIRST, SECOND = TILES
#: What follows from new labels of a tile; no imagery.
AFTER_LABELS = {
    "select_patches": set(),
    "build_metadata": set(),
    "count_funnel": set(),
    "build_lmdb": set(),
}
#: Jobs that open imagery.
IMAGERY = {"make_patches", "encode_sentinel2", "encode_sentinel1"}


@pytest.fixture
def build(small_project: Project, tmp_path: Path) -> Project:
    """A finished build of two tiles that a test may change."""
    return small_project.copy(tmp_path / "project")


def recode(path: Path, out: Path, place: tuple[float, float], code: str) -> None:
    """Give the polygons whose box contains `place` another code; the rest is unchanged."""
    meta, _, wkb, fields = pyogrio.raw.read(path)
    _, boxes = pyogrio.read_bounds(path)
    x, y = place
    hit = (boxes[0] <= x) & (x <= boxes[2]) & (boxes[1] <= y) & (y <= boxes[3])
    assert hit.any()
    column = list(meta["fields"]).index("Code_18")
    fields[column] = np.where(hit, code, fields[column])
    layer = pyogrio.list_layers(path)[0][0]
    out.unlink(missing_ok=True)
    pyogrio.raw.write(
        out, wkb, fields, meta["fields"],
        geometry_type=meta["geometry_type"], crs=meta["crs"], layer=layer, driver="GPKG",
    )  # fmt: skip


def a_place(path: Path) -> tuple[float, float]:
    """The place of a layer's first polygon, which is in the second tile."""
    _, boxes = pyogrio.read_bounds(path)
    return float(boxes[[0, 2], 0].mean()), float(boxes[[1, 3], 0].mean())


@pytest.mark.parametrize("new_path", [False, True], ids=["same path", "new path"])
def test_new_corine_relabels_only_the_tile_it_reaches(build: Project, new_path: bool) -> None:
    old = build.root / "inputs/corine.gpkg"
    new = old.with_name("corine_later.gpkg")
    recode(old, new, a_place(old), "523")
    if new_path:
        build.config["corine"]["path"] = "inputs/corine_later.gpkg"
    else:
        new.replace(old)
    assert build.jobs() == {
        "clip_corine": set(),
        "make_reference_maps": {SECOND},
        "encode_reference_maps": {SECOND},
        "label_patches": {SECOND},
        **AFTER_LABELS,
    }
    labels = pl.read_parquet(build.results / "tables/labels/*.parquet")
    marine = labels.filter(pl.col("labels").list.contains("Marine waters"))["patch_id"]
    assert set(map(tile_of, marine)) == {SECOND}


def test_corine_of_the_same_content_runs_the_clip_alone(build: Project) -> None:
    shutil.copy(build.root / "inputs/corine.gpkg", build.root / "inputs/copy.gpkg")
    build.config["corine"]["path"] = "inputs/copy.gpkg"
    assert build.jobs() == {"clip_corine": set()}


def test_later_corine_of_the_scene_changes_one_patch(
    scene_project: Project, reference: Path, tmp_path: Path
) -> None:
    build = scene_project.copy(tmp_path / "project")
    before = pl.read_parquet(build.results / "tables/code_counts/*.parquet")
    build.config["corine"]["path"] = str(reference / "scene/U2018_CLC2018_V2020_20u1_later.gpkg")
    jobs = build.jobs()
    assert set(jobs) == {
        *("clip_corine", "make_reference_maps", "encode_reference_maps", "label_patches"),
        *AFTER_LABELS,
    }  # fmt: skip
    after = pl.read_parquet(build.results / "tables/code_counts/*.parquet")
    changed = pl.concat([before.join(after, on=before.columns, how="anti"),
                         after.join(before, on=before.columns, how="anti")])  # fmt: skip
    assert changed.select(place_of_patch()).to_series().unique().to_list() == ["70_40"]


def test_labels_settings_rasterise_nothing(build: Project) -> None:
    build.config["labels"] = {"min_labelled_fraction": 0.9}
    assert build.jobs() == {"label_patches": {FIRST, SECOND}, **AFTER_LABELS}
    build.config["labels"] |= {"nomenclature": "resources/nomenclature/bigearthnet_43.csv"}
    assert build.jobs() == {"label_patches": {FIRST, SECOND}, **AFTER_LABELS}


def test_split_shares_leave_the_lmdb_alone(build: Project) -> None:
    build.config["split"] = {"p": 0.1, "q": 0.3}
    assert build.jobs() == {
        "assign_split": {FIRST, SECOND}, "build_metadata": set(), "count_funnel": set(),
    }  # fmt: skip


def test_quality_rule_cuts_only_tiles_whose_verdict_changes(build: Project) -> None:
    required = ["GENERAL_QUALITY", "GEOMETRIC_QUALITY", "RADIOMETRIC_QUALITY", "SENSOR_QUALITY"]
    build.config["quality"] = {"required": required[:-1]}
    assert build.jobs() == {
        "check_quality": {FIRST, SECOND}, "clip_corine": set(), "count_funnel": set(),
    }  # fmt: skip
    build.config["quality"] = {"required": [*required, "FORMAT_CORRECTNESS"]}
    jobs = build.jobs()
    assert jobs["check_quality"] == {FIRST, SECOND}
    of_tiles = {tile for rule in jobs if rule != "check_quality" for tile in jobs[rule]}
    assert of_tiles == {SECOND}
    assert jobs["make_patches"] == {SECOND}


def test_product_taken_out_and_put_back(build: Project) -> None:
    table = build.root / "products.tsv"
    both = table.read_text()
    table.write_text("".join(line for line in both.splitlines(True) if "T32TMT" not in line))
    jobs = build.jobs()
    assert set().union(*jobs.values()) == set()
    assert {"select_patches", "build_metadata", "build_lmdb"} <= set(jobs)
    table.write_text(both)
    jobs = build.jobs()
    assert set().union(*jobs.values()) <= {SECOND}
    assert not IMAGERY & set(jobs), "its imagery was still there"
    shutil.rmtree(build.results / "patches" / SECOND)
    assert build.jobs() == {}


def test_edited_code_runs_its_steps_and_comments_nothing(build: Project) -> None:
    module = build.root / "workflow/reben/split.py"
    module.write_text(
        "# Why.\n" + module.read_text().replace("\n    return ", "\n    # Why.\n    return ")
    )
    for step in build.root.glob("workflow/reben/*.py"):
        step.write_text(step.read_text() + "\n# A last remark.\n")
    assert build.jobs() == {}
    module.write_text(
        module.read_text().replace("side > widest(exact(p)))", "side >= widest(exact(p)))")
    )
    assert build.jobs() == {
        "assign_split": {FIRST, SECOND}, "build_metadata": set(), "count_funnel": set(),
    }  # fmt: skip


def test_an_edited_command_runs_its_rule(build: Project) -> None:
    rules = build.root / "workflow/rules/labels.smk"
    text = rules.read_text()
    command = "python -m {params.step} --code-counts"
    assert command in text
    rules.write_text(text.replace(command, f"nice {command}"))
    jobs = build.jobs("-n")
    assert jobs["label_patches"] == {FIRST, SECOND}
    assert "make_reference_maps" not in jobs


def test_results_may_lose_intermediates_and_move(build: Project) -> None:
    for name in ("patches", "reference_maps", "encoded/s2", "encoded/s1"):
        shutil.rmtree(build.results / name)
    (build.results / f"tables/split/{FIRST}.parquet").unlink()
    assert build.jobs() == {}
    build.results.rename(build.root / "moved")
    build.config["results"] = "moved"
    assert build.jobs() == {}


def test_results_on_another_machine_stay_up_to_date(small_project: Project, tmp_path: Path) -> None:
    build = small_project.copy(tmp_path / "elsewhere")
    shutil.rmtree(build.root / ".snakemake")
    assert build.jobs() == {}


def test_a_failed_job_runs_again_where_its_followers_are_there_from_before(build: Project) -> None:
    """Snakemake alone would find nothing to do, and leave labels of the old release."""
    new = build.root / "inputs/later.gpkg"
    old = build.root / "inputs/corine.gpkg"
    recode(old, new, a_place(old), "no code")  # which only the step reads
    long_ago = 1_000_000_000
    os.utime(new, (long_ago, long_ago))
    build.config["corine"]["path"] = "inputs/later.gpkg"
    for _ in range(2):
        said = build.failing()
        assert f"results/logs/clip_corine.log\n  error: {TILES[1]}: inputs/later.gpkg, " in said
    recode(old, new, a_place(old), "523")
    os.utime(new, (long_ago, long_ago))
    assert set(build.jobs()) == {
        *("clip_corine", "make_reference_maps", "encode_reference_maps", "label_patches"),
        *AFTER_LABELS,
    }  # fmt: skip
    assert build.jobs() == {}


def test_stages_that_keep_does_not_name_go_when_the_dataset_is_complete(
    build: Project,
) -> None:
    """Not before, and not where less was asked for; the dataset is the same."""
    dataset = build.results / "dataset"
    shards, patches = build.results / "encoded/s2", build.results / "patches"
    before = {path: path.read_bytes() for path in dataset.rglob("*") if path.is_file()}
    build.config |= {"keep": ["l2a"], "labels": {"threshold": "exclusive"}}
    for partial in (
        ["-n"],
        ["--until", "label_patches"],
        ["results/dataset/metadata.parquet"],
        ["--omit-from", "build_lmdb"],
    ):
        assert "`keep`" not in build.snakemake(*partial).stderr
        assert len(list(shards.iterdir())) == len(list(patches.iterdir())) == 2
    said = build.snakemake().stderr
    assert "Deleted patches, reference_maps, encoded, which `keep` does not name: " in said
    assert list(shards.iterdir()) == list(patches.iterdir()) == []
    assert len(list((build.root / "inputs").glob("*.SAFE"))) == 2, "products used in place"
    said = build.snakemake().stderr
    assert "Nothing to be done" in said
    assert "`keep`" not in said
    # What the next change needs is made again, and deleted again.
    build.config["labels"] = {"threshold": "inclusive"}
    jobs = build.jobs()
    assert {*IMAGERY, *AFTER_LABELS, "make_reference_maps"} <= jobs.keys()
    assert {path: path.read_bytes() for path in dataset.rglob("*") if path.is_file()} == before
    assert list(shards.iterdir()) == list(patches.iterdir()) == []


def test_keep_is_obeyed_when_nothing_else_is_to_be_done(build: Project) -> None:
    """Under the lock."""
    build.config["keep"] = ["patches", "reference_maps"]
    module = build.root / "workflow/reben/results/keeping.py"
    line = "    old = aside(folder)\n"
    assert line in module.read_text()
    locked = f"{line}    assert Path('results/.reben/.lock').exists()\n"
    module.write_text(module.read_text().replace(line, locked))
    for partial in (["--until", "label_patches"], ["all", f"results/encoded/s1/{FIRST}.lmdb"]):
        assert "`keep`" not in build.snakemake(*partial).stderr
    done = build.snakemake()
    assert "Nothing to be done" in done.stderr
    assert "\nDeleted encoded, which `keep` does not name: " in done.stderr
    assert list((build.results / "encoded/s1").iterdir()) == []
    assert len(list((build.results / "patches").iterdir())) == 2
    assert not (build.results / ".reben/.lock").exists()
