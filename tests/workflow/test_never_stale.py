"""A finished build is never mistaken for one with other settings or inputs.

What a plan compares is tested in tests/unit/test_memory.py; these tests bypass Snakemake's own
records, with Snakemake.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from reben.compare import compare
from tests.workflow.builds import TILES, Project
from tests.workflow.test_reruns import a_place, recode

FIRST, SECOND = TILES
STRICT = {"min_labelled_fraction": 0.97}


@pytest.fixture
def build(small_project: Project, tmp_path: Path) -> Project:
    """A finished build of two tiles that a test may change."""
    return small_project.copy(tmp_path / "project")


def labels(build: Project) -> pl.DataFrame:
    return pl.read_parquet(build.results / "tables/labels/*.parquet")


def forget(build: Project) -> None:
    shutil.rmtree(build.root / ".snakemake")


def move(build: Project) -> None:
    build.results.rename(build.root / "tyrol")
    build.config["results"] = "tyrol"


def name_absolutely(build: Project) -> None:
    build.config["results"] = str(build.results)


def copy_without_times(build: Project) -> None:
    shutil.move(build.results, build.root / "before")
    shutil.copytree(build.root / "before", build.results, copy_function=shutil.copy)


@pytest.mark.parametrize("around", [forget, move, name_absolutely, copy_without_times])
def test_settings_changed_around_snakemakes_memory_are_noticed(
    build: Project, around: Callable[[Project], None]
) -> None:
    around(build)
    # A copy without its times is correct, but Snakemake may consider some of it outdated.
    is_as_it_was = around is not copy_without_times
    assert not build.jobs() or not is_as_it_was
    build.config["labels"] = STRICT
    jobs = build.jobs()
    assert jobs["label_patches"] == {FIRST, SECOND}
    assert not {"make_reference_maps", "make_patches"} & set(jobs) or not is_as_it_was
    assert not labels(build).filter("kept", pl.col("labelled_fraction") < 0.97).height
    assert build.jobs() == {}


def test_a_product_added_after_a_move_is_built(build: Project) -> None:
    table = build.root / "products.tsv"
    both = table.read_text()
    table.write_text("".join(line for line in both.splitlines(True) if "T32TMT" not in line))
    build.jobs()
    move(build)
    forget(build)
    shutil.rmtree(build.results / "quality")
    table.write_text(both)
    build.jobs()
    assert labels(build)["patch_id"].str.head(44).unique().sort().to_list() == sorted(TILES)


def first_step(build: Project, step: str, *args: str) -> tuple["subprocess.Popen[bytes]", int]:
    """Start a build and wait for a step of it; both, the step stopped."""
    process = subprocess.Popen(
        [*build.command(2), *args], cwd=build.root, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return process, next_step(process, step, set())


def next_step(process: "subprocess.Popen[bytes]", step: str, seen: set[int]) -> int:
    """The next process of a step, stopped."""
    ends = time.monotonic() + 120
    while time.monotonic() < ends and process.poll() is None:
        listed = subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True, text=True)
        for pid in set(map(int, listed.stdout.split())) - seen:
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"reben.{step}".encode() in words and b"python" in words[0]:
                os.kill(pid, signal.SIGSTOP)
                seen.add(pid)
                return pid
        time.sleep(0.005)
    raise AssertionError(f"{step} did not run")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_job_that_is_being_retried_is_not_forgotten(build: Project, how: signal.Signals) -> None:
    build.config["labels"] = STRICT
    seen: set[int] = set()
    process, first = first_step(build, "labels", "--retries=2", "--cores=1")
    seen.add(first)
    os.kill(first, signal.SIGKILL)  # as when out of memory
    second = next_step(process, "labels", seen)
    process.send_signal(how)
    time.sleep(0.3)
    os.kill(second, signal.SIGKILL)
    process.wait(120)
    if how == signal.SIGKILL:
        refused = build.failing()
        assert "another build is writing to this folder" in refused
        build.snakemake("--unlock")
    assert build.jobs()["label_patches"], "the one that was killed"
    assert not labels(build).filter("kept", pl.col("labelled_fraction") < 0.97).height


OUTER = """
configfile: "build.yaml"
module reben:
    snakefile: "Snakefile"
    config: config
use rule * from reben
rule mine:
    default_target: True
    input: rules.all.input
"""


def test_a_failed_job_of_a_module_runs_again(build: Project) -> None:
    """Snakemake registers no hooks of a module."""
    (build.root / "outer.smk").write_text(OUTER)
    outer = ("-s", "outer.smk")
    assert build.jobs(*outer, "-n") == {}
    build.config["labels"] = STRICT
    process, step = first_step(build, "labels", *outer)
    os.kill(step, signal.SIGKILL)
    assert process.wait(120) != 0
    jobs = build.jobs(*outer)
    jobs.pop("mine", None)
    assert jobs["label_patches"], "the one that was killed"
    assert not labels(build).filter("kept", pl.col("labelled_fraction") < 0.97).height


def test_a_failure_of_one_dataset_reruns_nothing_of_another(build: Project) -> None:
    (build.root / "inputs/broken.gpkg").write_text("no CORINE")
    other = Project(build.root, {**build.config, "results": "other"})
    other.config["corine"] = {"path": "inputs/broken.gpkg"}
    assert "broken.gpkg: expected a vector" in other.failing()
    assert build.jobs() == {}


def test_a_second_clone_does_not_write_to_the_same_results(build: Project, tmp_path: Path) -> None:
    second = build.copy(tmp_path / "second")
    second.config["results"] = str(build.results)
    build.config["labels"] = STRICT
    process, step = first_step(build, "labels")
    assert f"process {process.pid} on " in second.failing()
    second.snakemake("-n")  # a dry run is allowed
    os.kill(step, signal.SIGCONT)
    assert process.wait(120) == 0


def test_the_product_table_of_a_build_is_that_of_its_start(build: Project) -> None:
    table = build.root / "products.tsv"
    both = table.read_text()
    one = "".join(line for line in both.splitlines(True) if "T32TMT" not in line)
    table.write_text(one)
    process, step = first_step(build, "selection")
    table.write_text(both)
    os.kill(step, signal.SIGCONT)
    assert process.wait(120) == 0
    metadata = pl.read_parquet(build.results / "dataset/metadata.parquet")
    assert metadata["patch_id"].str.head(44).unique().to_list() == [FIRST]
    assert metadata["split"].null_count() == 0
    build.jobs()
    metadata = pl.read_parquet(build.results / "dataset/metadata.parquet")
    assert metadata["patch_id"].str.head(44).n_unique() == 2


def test_corine_replaced_while_it_is_clipped_stops_the_build(build: Project) -> None:
    corine = build.root / "inputs/corine.gpkg"
    later = corine.with_name("later.gpkg")
    recode(corine, later, a_place(corine), "523")
    first = corine.with_name("first.gpkg")
    recode(corine, first, a_place(corine), "512")
    build.config["corine"]["path"] = "inputs/first.gpkg"
    process, step = first_step(build, "corine")
    time.sleep(0.1)
    os.kill(step, signal.SIGCONT)
    ends = time.monotonic() + 60
    manifest = build.results / "land_cover"
    before = set(manifest.iterdir())
    while set(manifest.iterdir()) == before and time.monotonic() < ends and process.poll() is None:
        time.sleep(0.001)
    os.utime(first, (1, 1))
    if process.wait(120):
        log = (build.results / "logs/clip_corine.log").read_text()
        assert "inputs/first.gpkg: changed while it was read (corine.path)" in log
    build.jobs()
    assert build.jobs() == {}


def test_the_users_folders_are_not_deleted(build: Project) -> None:
    (build.root / "data/archives").mkdir(parents=True)
    (build.root / "data/archives/precious.tar").touch()
    build.config["results"] = "data"
    assert "archives was not made by this workflow" in build.failing("archive")
    assert (build.root / "data/archives/precious.tar").exists()
    assert not (build.root / "data/tables").exists()


def test_a_product_zip_may_go_once_it_is_unpacked(build: Project) -> None:
    shutil.rmtree(build.results)
    table = build.root / "products.tsv"
    safe = next(build.root.glob("inputs/*T33UUP*.SAFE"))
    zipped = shutil.make_archive(str(safe.with_suffix("")), "zip", safe.parent, safe.name)
    text = table.read_text().replace(f"inputs/{safe.name}", f"inputs/{Path(zipped).name}")
    table.write_text(text)
    build.jobs()
    Path(zipped).unlink()
    build.config["labels"] = STRICT
    jobs = build.jobs()
    assert jobs["label_patches"] == {FIRST, SECOND}
    assert "acquire_l2a" not in jobs
    build.config["patches"] = {"container": "tar"}
    shutil.rmtree(build.results / "l2a")
    assert "expected a .SAFE folder or zip" in build.failing()


def test_times_of_the_future_and_unreadable_metadata_stop_nothing_else(build: Project) -> None:
    soon = time.time() + 86_400
    for safe in build.root.glob("inputs/*.SAFE"):
        os.utime(safe, (soon, soon))
        (safe / "later.txt").touch()
        os.utime(safe, (soon, soon))
    assert build.jobs()["make_patches"] == {FIRST, SECOND}
    assert build.jobs() == {}
    metadata = next(build.root.glob("inputs/*T33UUP*.SAFE/MTD_MSIL2A.xml"))
    metadata.write_bytes(b"\xff\xfe broken")
    said = build.failing("--keep-going")
    assert "MTD_MSIL2A.xml" in said
    assert build.jobs("-n")["make_patches"] == {FIRST}


def test_a_sentinel1_patch_taken_out_or_completed_later_is_noticed(build: Project) -> None:
    patch = sorted(build.root.glob("inputs/BigEarthNet-S1/*/*33UUP*"))[0]
    image = next(patch.glob("*_VV.tif"))
    good = image.read_bytes()
    image.write_bytes(good[:-3000])
    assert image.name in build.failing()
    shutil.move(patch, build.root / "aside")
    build.jobs()
    funnel = pl.read_csv(build.results / "dataset/funnel.csv")
    assert funnel["no Sentinel-1 patch"][-1] == 1
    shutil.move(build.root / "aside", patch)
    image.write_bytes(good)
    build.jobs()
    funnel = pl.read_csv(build.results / "dataset/funnel.csv")
    assert funnel["no Sentinel-1 patch"][-1] == 0


def test_what_was_changed_and_changed_back_is_what_it_was(
    small_project: Project, build: Project
) -> None:
    build.config["labels"] = STRICT
    build.config["patches"] = {"side_m": 1200}
    build.jobs()
    build.config["labels"] = {}
    forget(build)
    assert "make_patches" not in build.jobs()
    assert compare(small_project.results, build.results)["equal"]
    assert build.run([sys.executable, "-m", "reben.compare", "results", "results"]).returncode == 0


def test_an_input_that_cannot_be_read_is_not_overlooked(build: Project) -> None:
    """Snakemake drops a job whose input function raises, if its outputs are there."""
    countries = build.root / "inputs/countries.gpkg"
    countries.unlink()
    countries.symlink_to(countries)  # a loop: there, and not to be read
    build.config["countries"]["path"] = "inputs/countries.gpkg"
    assert "inputs/countries.gpkg" in build.failing()


def test_clips_that_were_deleted_are_made_again(build: Project) -> None:
    for clip in build.results.glob("land_cover/*.parquet"):
        clip.unlink()
    assert build.jobs()["clip_corine"] == set()
    assert build.jobs() == {}


def test_a_new_quality_rule_is_applied_without_the_old_verdicts(build: Project) -> None:
    shutil.rmtree(build.results / "quality")
    build.config["quality"] = {"required": ["GENERAL_QUALITY", "FORMAT_CORRECTNESS"]}
    assert build.jobs()["make_patches"] == {SECOND}
