"""Training: it learns, it stops in time, and cut off it ends with the same weights."""

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

pytest.importorskip("timm", reason="`make install-training` was not run")

import torch

from reben import band_statistics, evaluate, train
from reben.results.dataset_folder import bigearthnet_classes
from reben.runtime.errors import ConfigError, StoppedError, ToolError
from reben.training.bands import MODALITIES, PUBLISHED_STATISTICS
from reben.training.batches import BatchedBigEarthNet
from reben.training.checkpoint import Checkpoint
from reben.training.inference import Predictor
from reben.training.loop import Training
from reben.training.processes import Processes
from reben.training.recipe import Recipe
from reben.training.weights import ModelConfig, load_model
from tests.datasets import SmallDataset, write_dataset

CLASSES = bigearthnet_classes()[:6]
COUNTS = {"train": 26, "validation": 12, "test": 18}
RECIPE = "--model test_resnet --modality all --seed 5 --epochs 4 --batch-size 8 --warmup-steps 4"
RECIPE += " --learning-rate 0.01"
#: 26 patches in batches of 8: three whole ones and one of two.
STEPS = 4


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> SmallDataset:
    """Patches of 240 m whose classes show in their bands."""
    return write_dataset(tmp_path_factory.mktemp("dataset"), CLASSES, COUNTS, side_m=240)


def run(dataset: SmallDataset, out: Path, *more: str) -> Path:
    words = [*RECIPE.split(), "--device", "cpu", "--threads", "1", "--workers", "0"]
    train.main([*dataset.options, *words, "--out", str(out), *more])
    return out


def score(folder: Path, dataset: SmallDataset, *more: str) -> None:
    words = ["--model", str(folder), "--threads", "1", "--workers", "0"]
    evaluate.main([*words, *dataset.options, *more])


@pytest.fixture(scope="module")
def whole(dataset: SmallDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nothing has cut off."""
    return run(dataset, tmp_path_factory.mktemp("whole") / "run")


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_a_model_learns_classes_that_show_in_the_bands(
    dataset: SmallDataset, whole: Path, tmp_path: Path
) -> None:
    rows = pl.read_parquet(dataset.metadata).filter(split="validation")
    share = rows["labels"].list.len().sum() / len(rows) / len(CLASSES)
    history = pl.read_csv(whole / "history.csv")
    assert history["macro_average_precision"].max() > share + 0.3
    assert history["train_loss"][-1] < history["train_loss"][0]
    out = tmp_path / "metrics.json"
    score(whole, dataset, "--out", str(out))
    scores = json.loads(out.read_text())
    assert (scores["patches"], scores["classes"], scores["classes_present"]) == (18, 19, 6)
    assert scores["macro"]["average_precision"] > share + 0.3


def test_the_folder_tells_what_the_model_is_and_how_it_came_about(
    dataset: SmallDataset, whole: Path
) -> None:
    config = json.loads((whole / "config.json").read_text())
    assert config["bands"][:3] == ["VV", "VH", "B02"]
    assert config["class_names"] == list(bigearthnet_classes())
    facts = json.loads((whole / "run.json").read_text())
    assert config["dataset"] == facts["dataset"]
    assert facts["dataset"]["patches"] == {"train": 26, "validation": 12}
    assert facts["recipe"]["seed"] == 5
    assert facts["steps"] == 4 * STEPS
    assert facts["patches_per_s"] > 0
    assert 0 <= facts["share_of_waiting"] <= 1
    history = pl.read_csv(whole / "history.csv")
    assert history["steps"].to_list() == [STEPS * epoch for epoch in (1, 2, 3, 4)]
    best = history["macro_average_precision"].arg_max()
    assert facts["best_epoch"] == best + 1


def test_the_same_seed_gives_the_same_weights_and_another_others(
    dataset: SmallDataset, whole: Path, tmp_path: Path
) -> None:
    # Processes that read change nothing.
    assert weights(run(dataset, tmp_path / "again", "--workers", "2")) == weights(whole)
    assert weights(run(dataset, tmp_path / "other", "--seed", "6")) != weights(whole)


class Killed(BaseException):
    """As if the process was gone: nothing of the package catches it."""


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, do: Callable[[], None]) -> None:
    """Do something before a step, once."""
    original = Training._step
    done: list[int] = []

    def stepping(self: Training, batch: Any) -> int:
        if self._progress.steps == step and not done:
            done.append(step)
            do()
        return original(self, batch)

    monkeypatch.setattr(Training, "_step", stepping)


@pytest.mark.parametrize(
    ("minutes", "step", "epoch"),
    [("60", STEPS - 1, None), ("60", STEPS + 2, 2), ("0", 2 * STEPS + 3, 3), ("0", 3 * STEPS, 4)],
)
def test_a_killed_training_ends_with_the_weights_of_a_whole_one(
    dataset: SmallDataset,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    minutes: str,
    step: int,
    epoch: int | None,
) -> None:
    def kill() -> None:
        raise Killed

    out = tmp_path / "run"
    at_step(monkeypatch, step, kill)
    with pytest.raises(Killed):
        run(dataset, out, "--checkpoint-minutes", minutes)
    assert not out.exists()
    caplog.set_level("INFO")
    run(dataset, out, "--checkpoint-minutes", minutes)
    # Within an epoch only if checkpoints are that frequent; before its end there is none.
    where = f"resumed in epoch {epoch} after step {step % STEPS if minutes == '0' else 0}"
    assert (where in caplog.text) == (epoch is not None)
    assert weights(out) == weights(whole)
    assert (out / "history.csv").read_text() == (whole / "history.csv").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["run"], "the checkpoint is gone"


def test_a_training_that_is_asked_to_end_saves_where_it_is(
    dataset: SmallDataset, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    at_step(monkeypatch, 6, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(StoppedError, match="SIGTERM in epoch 2 after step 3; run the same command"):
        run(dataset, out)
    assert weights(run(dataset, out)) == weights(whole)


def test_a_checkpoint_of_another_training_is_not_taken(
    dataset: SmallDataset,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    out = tmp_path / "run"
    at_step(monkeypatch, STEPS, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(StoppedError):
        run(dataset, out, "--learning-rate", "0.001")
    run(dataset, out)
    assert "of a training with other recipe" in caplog.text
    assert weights(out) == weights(whole)


def test_a_damaged_checkpoint_costs_only_the_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = Checkpoint(tmp_path / "folder", {"recipe": 1}, 60)
    assert checkpoint.load() is None
    checkpoint.save({"model": {"weight": torch.ones(2)}})
    again = Checkpoint(tmp_path / "folder", {"recipe": 1}, 60).load()
    assert again is not None
    assert torch.equal(again["model"]["weight"], torch.ones(2))
    (file,) = (tmp_path / "folder").iterdir()
    file.write_bytes(file.read_bytes()[:-50])
    assert checkpoint.load() is None
    assert "cannot be read" in caplog.text
    checkpoint.remove()
    assert list(tmp_path.iterdir()) == []


def test_training_stops_when_validation_does_not_improve_and_keeps_the_best_epoch(
    dataset: SmallDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.zeros((4, len(bigearthnet_classes())), np.float32)
    labels[:2, 0] = 1
    ranking = {"bad": [0, 1, 2, 3], "good": [3, 0, 2, -1], "better": [4, 3, 1, 0]}
    order = ["bad", "good", "better", "good", "better", "bad", "better", "better"]
    states = []

    def canned(self: Predictor, model: torch.nn.Module) -> tuple[np.ndarray, np.ndarray]:
        logits = np.zeros_like(labels)
        logits[:, 0] = ranking[order[len(states)]]
        states.append({k: v.clone() for k, v in model.state_dict().items()})
        return logits, labels

    monkeypatch.setattr(Predictor, "predict", canned)
    out = run(dataset, tmp_path / "run", "--patience", "3", "--epochs", "8")
    facts = json.loads((out / "run.json").read_text())
    assert (facts["best_epoch"], facts["epochs"]) == (3, 6), "an equal score is no better one"
    monkeypatch.undo()
    model, _ = load_model(out)
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, states[2][key], rtol=0, atol=0)


def test_two_processes_train_one_model(dataset: SmallDataset, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = [*RECIPE.split(), "--device", "cpu", "--threads", "1", "--workers", "0"]
    words += ["--out", str(out)]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*torchrun, "-m", "reben.train", *dataset.options, *words],
        env={**os.environ, "PYTHONPATH": "workflow", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("best of 4 epochs") == 1, "one of them tells and writes"
    facts = json.loads((out / "run.json").read_text())
    assert facts["steps"] == 4 * STEPS
    assert facts["validation"]["macro_average_precision"] > 0.5


# What is refused, or warned of.


def metadata_with(dataset: SmallDataset, tmp_path: Path, rows: pl.DataFrame) -> SmallDataset:
    rows.write_parquet(tmp_path / "metadata.parquet")
    return SmallDataset(tmp_path / "metadata.parquet", dataset.lmdb)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_split_without_patches_is_refused(
    dataset: SmallDataset, tmp_path: Path, split: str
) -> None:
    rows = pl.read_parquet(dataset.metadata).filter(pl.col("split") != split)
    with pytest.raises(
        ConfigError, match=f"expected patches of {split} with s2 and s1, found none"
    ):
        run(metadata_with(dataset, tmp_path, rows), tmp_path / "run")


def test_more_processes_than_patches_are_refused(dataset: SmallDataset, tmp_path: Path) -> None:
    """Before they wait for each other: some would have no patch in any step."""
    patches = BatchedBigEarthNet(dataset.metadata, dataset.lmdb, MODALITIES["s2"], split="train")
    config = ModelConfig(
        "test_resnet", MODALITIES["s2"], PUBLISHED_STATISTICS, patches.classes, 0.15, 0.15
    )
    many = Processes(0, len(patches) + 1, torch.device("cpu"))
    with pytest.raises(
        ConfigError, match="split train: .* each of 27 processes, found 26; start fewer"
    ):
        Training(
            config.create(), config, Recipe("test_resnet", "s2", 0), patches, patches, many,
            Checkpoint(tmp_path, {}, 60),
        )  # fmt: skip


def test_a_validation_split_without_labels_is_refused(
    dataset: SmallDataset, tmp_path: Path
) -> None:
    emptied = pl.when(split="validation").then([]).otherwise("labels").alias("labels")
    rows = pl.read_parquet(dataset.metadata).with_columns(emptied)
    with pytest.raises(ConfigError, match="validation: expected patches with one of the classes"):
        run(metadata_with(dataset, tmp_path, rows), tmp_path / "run")


def test_classes_that_are_never_seen_are_named(
    dataset: SmallDataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(dataset, tmp_path / "run", "--epochs", "1")
    assert "the split train has no patch with Coniferous forest; " in caplog.text
    assert "Arable land" not in caplog.text
    score(tmp_path / "run", dataset)
    assert "has patches of 6 of the 19 classes; macro is the mean over these" in caplog.text


def test_too_little_memory_is_told_with_a_batch_to_try(
    dataset: SmallDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    at_step(monkeypatch, 1, full)
    with pytest.raises(
        ConfigError, match=r"batches of 8 patches; try a batch size of 4, or .*bf16"
    ):
        run(dataset, tmp_path / "run")


def test_a_loss_that_is_no_number_ends_the_training(dataset: SmallDataset, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="epoch 1: expected a loss that is a number, found nan"):
        run(dataset, tmp_path / "run", "--learning-rate", "1e38")


def test_arguments_are_refused_before_the_training(dataset: SmallDataset, tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(ConfigError, match="x: expected a new folder, found a file"):
        run(dataset, tmp_path / "x")
    for words in (["--seed", str(2**63)], ["--seed", "-1"], ["--learning-rate", "nan"]):
        with pytest.raises(SystemExit):
            run(dataset, tmp_path / "run", *words)


def test_a_card_that_is_asked_for_must_be_there(dataset: SmallDataset, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ConfigError, match="--device: expected a GPU"):
        run(dataset, tmp_path / "run", "--device", "cuda")


def test_computed_statistics_normalise_the_bands(
    dataset: SmallDataset, whole: Path, tmp_path: Path
) -> None:
    gc.collect()  # of the trainings before, which hold the LMDB open
    file = tmp_path / "statistics.json"
    band_statistics.main([*dataset.options, "--out", str(file)])
    found = json.loads(file.read_text())
    out = run(dataset, tmp_path / "run", "--statistics", "computed", "--statistics-file", str(file))
    config = json.loads((out / "config.json").read_text())
    assert config["band_means"] == [found["bands"][band]["mean"] for band in config["bands"]]
    assert config["dataset"]["lmdb_sha256"] == found["lmdb_sha256"]
    assert weights(out) != weights(whole)
