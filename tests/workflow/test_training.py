"""From the LMDB of a build to the table of trained models, with Snakemake, on the CPU."""

import os
import signal
import subprocess
import time
from pathlib import Path

import polars as pl
import pytest

from tests.workflow.builds import Project

pytest.importorskip("timm", reason="`make install-training` was not run")

RUN = "models/test_resnet-all/seed7"
FILES = ("model.safetensors", "config.json", "history.csv", "run.json", "metrics.json")
OF_A_RUN: dict[str, set[str]] = {"train_model": set(), "evaluate_model": set()}


@pytest.fixture(scope="module")
def trained(small_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small build, split so that each split has patches, with one trained model."""
    build = small_project.copy(tmp_path_factory.mktemp("trained") / "project")
    build.config |= {
        "split": {"p": 0.1, "q": 0.31},
        "training": {
            "models": ["test_resnet"],
            "modalities": ["all"],
            "seeds": [7],
            "epochs": 12,
            "batch_size": 4,
            "warmup_steps": 3,
            "patience": 12,
        },
    }
    jobs = build.jobs("table2")
    assert jobs.keys() == {
        *("assign_split", "build_metadata"),
        *("band_statistics", "train_model", "evaluate_model", "summarise_models"),
    }
    return build


def test_the_table_has_the_scores_of_the_trained_model(trained: Project) -> None:
    table = pl.read_csv(trained.results / "models/table2.csv")
    assert table["metric"].to_list() == [
        *("macro_average_precision", "micro_average_precision", "macro_f1", "micro_f1"),
        *("macro_precision", "micro_precision"),
    ]
    assert table["runs"].unique().to_list() == [1]
    assert table["mean"].is_between(0, 100).all()
    page = (trained.results / "models/table2.html").read_text("utf-8")
    assert "test_resnet" in page
    assert {path.name for path in (trained.results / RUN).glob("[!.]*")} == set(FILES)
    assert not list(trained.results.glob("checkpoints/*/seed*")), "it is finished"


def test_a_finished_training_is_not_due_and_another_recipe_is(trained: Project) -> None:
    assert trained.jobs("table2") == {}
    other = Project(trained.root, {**trained.config})
    other.config["training"] = {**trained.config["training"], "epochs": 13}
    said = other.snakemake("table2", "--dry-run")
    assert "other_epochs" in said.stdout + said.stderr
    assert "rule band_statistics" not in said.stdout + said.stderr
    trained.command(2)  # writes its config again


def test_a_training_that_is_killed_ends_with_the_same_weights(
    trained: Project, tmp_path: Path
) -> None:
    build = trained.copy(tmp_path / "project")
    whole = (build.results / RUN / "model.safetensors").read_bytes()
    history = (build.results / RUN / "history.csv").read_text()
    for name in FILES:
        (build.results / RUN / name).unlink()
    (build.results / ".reben/train_model/.test_resnet-all-seed7.json").unlink()
    checkpoint = build.results / "checkpoints/test_resnet-all/seed7/checkpoint.pt"
    process = subprocess.Popen(
        [*build.command(2), "table2"], cwd=build.root, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    training = None
    while training is None or not checkpoint.exists():
        assert process.poll() is None, process.communicate()
        training = training or training_of(process)
        time.sleep(0.005)
    os.kill(training, signal.SIGKILL)
    said, _ = process.communicate(timeout=120)
    assert process.returncode != 0, said
    assert checkpoint.exists(), "Snakemake deletes what a failed job made, but not this"
    assert build.jobs("table2") == {**OF_A_RUN, "summarise_models": set()}
    assert "resumed in epoch" in next(build.results.glob("logs/train_model/*")).read_text()
    assert (build.results / RUN / "model.safetensors").read_bytes() == whole
    assert (build.results / RUN / "history.csv").read_text() == history


def training_of(process: "subprocess.Popen[str]") -> int | None:
    """The process of the step that trains, below a Snakemake; None before it has started."""
    listed = subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True, text=True)
    for pid in map(int, listed.stdout.split()):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:  # it has ended
            continue
        if b"reben.train" in words and b"python" in words[0]:
            return pid
    return None
