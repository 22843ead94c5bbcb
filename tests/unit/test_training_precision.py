"""Settings of a training that change how its steps are computed, tried on the CPU."""

from pathlib import Path

import pytest

pytest.importorskip("timm", reason="`make install-training` was not run")

import torch
from safetensors.torch import load_file

from reben import train
from reben.results.dataset_folder import bigearthnet_classes
from tests.datasets import SmallDataset, write_dataset

RECIPE = "--model test_resnet --modality s2 --seed 5 --epochs 1 --batch-size 8 --warmup-steps 1"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> SmallDataset:
    counts = {"train": 8, "validation": 4}
    folder = tmp_path_factory.mktemp("dataset")
    return write_dataset(folder, bigearthnet_classes()[:4], counts, side_m=240)


def step(dataset: SmallDataset, out: Path, *more: str) -> dict[str, torch.Tensor]:
    """The weights after one step."""
    alone = ["--device", "cpu", "--threads", "1", "--workers", "0"]
    train.main([*RECIPE.split(), *dataset.options, *alone, "--out", str(out), *more])
    return load_file(out / "model.safetensors")


@pytest.fixture(scope="module")
def plain(dataset: SmallDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain") / "run"
    step(dataset, folder)
    return folder


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """The largest difference of two weights; a step of AdamW moves each by 0.0001 or so."""
    assert one.keys() == other.keys()
    return max(float((one[key].double() - other[key].double()).abs().max()) for key in one)


def test_bf16_computes_in_bfloat16_and_keeps_weights_in_float32(
    dataset: SmallDataset, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed_in = set()
    convolve = torch.nn.functional.conv2d

    def watched(*args: object, **options: object) -> torch.Tensor:
        result = convolve(*args, **options)
        computed_in.add(result.dtype)
        return result

    monkeypatch.setattr(torch.nn.functional, "conv2d", watched)
    found = step(dataset, tmp_path / "run", "--precision", "bf16")
    assert computed_in == {torch.bfloat16}
    assert {value.dtype for value in found.values() if value.is_floating_point()} == {torch.float32}
    expected = load_file(plain / "model.safetensors")
    assert 0 < apart(found, expected) < 0.01


def test_a_compiled_model_makes_the_same_step(
    dataset: SmallDataset, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Graphs are captured as always, but not made into machine code, which takes 100 s."""
    compiled, compile_ = [], torch.compile

    def quick(model: torch.nn.Module) -> torch.nn.Module:
        compiled.append(model)
        return compile_(model, backend="aot_eager", fullgraph=True)

    monkeypatch.setattr(torch, "compile", quick)
    found = step(dataset, tmp_path / "run", "--compile")
    assert len(compiled) == 1
    assert apart(found, load_file(plain / "model.safetensors")) < 0.01
