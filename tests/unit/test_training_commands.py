"""Predict, evaluate on several weights, export, and the claim of a card."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

pytest.importorskip("timm", reason="`make install-training` was not run")

import timm
import torch
from safetensors.torch import load_file

from reben import evaluate, export, predict
from reben.dataset import BigEarthNet
from reben.results.dataset_folder import bigearthnet_classes
from reben.runtime.errors import ConfigError, StoreError, TableError
from reben.training.bands import MODALITIES, PUBLISHED_STATISTICS
from reben.training.batches import BatchedBigEarthNet, BatchLoader, BatchOrder
from reben.training.processes import claim_card
from reben.training.statistics import compute_statistics, read_statistics
from reben.training.weights import PREFIX, ModelConfig, write_weights
from tests.datasets import SmallDataset, write_dataset

CLASSES = bigearthnet_classes()
ALONE = ["--threads", "1", "--workers", "0", "--device", "cpu"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> SmallDataset:
    folder = tmp_path_factory.mktemp("dataset")
    return write_dataset(folder, CLASSES[:4], {"train": 6, "validation": 4, "test": 5}, side_m=240)


def write_model(folder: Path, modality: str, seed: int, score: float = 0.5) -> Path:
    """A run as trained with a seed, whose weights are random."""
    torch.manual_seed(seed)
    bands = MODALITIES[modality]
    config = ModelConfig(
        model="test_resnet",
        bands=bands,
        statistics={band: PUBLISHED_STATISTICS[band] for band in bands},
        classes=CLASSES,
        drop_rate=0.15,
        drop_path_rate=0.15,
    )
    folder.mkdir(parents=True)
    write_weights(folder / "model.safetensors", config.create().state_dict())
    (folder / "config.json").write_text(json.dumps(config.as_json()))
    (folder / "history.csv").write_text(f"epoch,macro_average_precision\n1,{score}\n")
    facts = {
        "recipe": {"model": "test_resnet", "modality": modality, "seed": seed},
        "dataset": {"patches": {"train": 6, "validation": 4}},
        "validation": {"macro_average_precision": score},
        "versions": {"torch": torch.__version__},
        "device": "CPU",
        "epochs": 1,
        "best_epoch": 1,
    }
    (folder / "run.json").write_text(json.dumps(facts))
    return folder


def score(folder: Path, dataset: SmallDataset, out: Path, *more: str) -> dict[str, object]:
    words = ["--model", str(folder), *dataset.options, "--out", str(out), *ALONE, *more]
    evaluate.main(words)
    found: dict[str, object] = json.loads(out.read_text())
    return found


def test_published_weights_score_as_ours_do(dataset: SmallDataset, tmp_path: Path) -> None:
    ours = write_model(tmp_path / "ours", "all", 1)
    theirs = tmp_path / "test_resnet-all-v0.2.0"
    theirs.mkdir()
    (theirs / "model.safetensors").write_bytes((ours / "model.safetensors").read_bytes())
    config = json.loads((ours / "config.json").read_text())
    five = ("timm_model_name", "channels", "classes", "drop_rate", "drop_path_rate")
    (theirs / "config.json").write_text(json.dumps({key: config[key] for key in five}))
    first = score(ours, dataset, tmp_path / "ours.json")
    assert score(theirs, dataset, tmp_path / "theirs.json") == first
    # Smaller batches have other last digits at most.
    again = score(ours, dataset, tmp_path / "again.json", "--batch-size", "2")
    assert again["macro"] == pytest.approx(first["macro"])


def test_a_dataset_is_predicted_patch_by_patch(dataset: SmallDataset, tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", "all", 1)
    out = tmp_path / "p.parquet"
    predict.main(["--model", str(model), *dataset.options, "--out", str(out), *ALONE])
    found = pl.read_parquet(out)
    assert found.columns == ["patch_id", *CLASSES]
    assert found["patch_id"].to_list() == pl.read_parquet(dataset.metadata)["patch_id"].to_list()
    # The same by hand: bands as floats, named one by one.
    patches = BigEarthNet(
        dataset.metadata, dataset.lmdb, bands=MODALITIES["all"], size_px=120, dtype="float32"
    )
    images = np.concatenate([patches[3]["s1"], patches[3]["s2"]])
    order = [*patches.bands["s1"], *patches.bands["s2"]]
    assert order == list(MODALITIES["all"])
    for i, band in enumerate(order):
        mean, std = PUBLISHED_STATISTICS[band]
        images[i] = (images[i] - mean) / std
    weights = load_file(model / "model.safetensors")
    plain = timm.create_model("test_resnet", num_classes=19, in_chans=12)
    plain.load_state_dict({key.removeprefix(PREFIX): value for key, value in weights.items()})
    with torch.inference_mode():
        expected = plain.eval()(torch.from_numpy(images)[None]).sigmoid()[0]
    np.testing.assert_allclose(found.row(3)[1:], expected, rtol=1e-4)
    predict.main(
        ["--model", str(model), *dataset.options, "--split", "test", "--out", str(out), *ALONE]
    )
    assert len(pl.read_parquet(out)) == 5


def test_a_product_is_predicted_where_it_has_patches(
    pristine_product: Path, tmp_path: Path
) -> None:
    out = tmp_path / "p.parquet"
    model = write_model(tmp_path / "model", "s2", 1)
    words = ["--model", str(model), "--product", str(pristine_product), "--out", str(out)]
    predict.main([*words, *ALONE])
    found = pl.read_parquet(out)
    assert found.columns == ["patch_id", *CLASSES, "epsg", "x_min", "y_min", "x_max", "y_max"]
    assert 0 < len(found) < 9, "the wedge without data has no patch"
    assert found["patch_id"].is_sorted()
    assert (found["x_max"] - found["x_min"] == 1200).all()
    assert found.select(pl.col(CLASSES).is_between(0, 1).all()).row(0) == (True,) * 19
    assert found[CLASSES[0]].n_unique() > 1


def test_a_product_has_no_sentinel_1(pristine_product: Path, tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", "all", 1)
    words = ["--model", str(model), "--product", str(pristine_product), "--out", "p.parquet"]
    with pytest.raises(ConfigError, match="found one that also sees VV and VH"):
        predict.main([*words, *ALONE])


def test_a_dataset_without_sentinel_1_is_refused(tmp_path: Path) -> None:
    unpaired = write_dataset(tmp_path, CLASSES[:2], {"test": 3}, side_m=240, paired=False)
    model = write_model(tmp_path / "model", "all", 1)
    with pytest.raises(ConfigError, match="expected patches of test with s2 and s1, found none"):
        score(model, unpaired, tmp_path / "m.json")


def test_pixels_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    damaged = write_dataset(tmp_path, CLASSES[:2], {"test": 3}, side_m=240, nan_in="VH")
    model = write_model(tmp_path / "model", "s1", 1)
    with pytest.raises(StoreError, match="expected numbers in VH, found 1 pixels that are NaN"):
        score(model, damaged, tmp_path / "m.json")


def test_the_best_seed_by_validation_is_exported_with_a_card(
    dataset: SmallDataset, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    for seed, validation in ((1, 0.4), (2, 0.7), (3, 0.6)):
        folder = write_model(runs / f"seed{seed}", "s2", seed, validation)
        score(folder, dataset, folder / "metrics.json")
    out = tmp_path / "test_resnet-s2"
    export.main(["--runs", str(runs), "--licence", "MIT", "--out", str(out)])
    best = runs / "seed2"
    assert (out / "model.safetensors").read_bytes() == (best / "model.safetensors").read_bytes()
    card = (out / "README.md").read_text("utf-8")
    assert card.startswith("---\nlicense: mit\n")
    assert "Of 3 seeds (1, 2, 3), this is the one" in card
    macro = json.loads((best / "metrics.json").read_text())["macro"]
    assert f"| average precision | {100 * macro['average_precision']:.2f} |" in card
    assert "| 7 | B8A | 2235.55664 | 1356.54407 |" in card
    assert "| Agro-forestry areas |" in card
    # What the card says of timm is true.
    code = card.split("```python\n")[1].split("```")[0]
    for name in ("config.json", "model.safetensors"):
        code = code.replace(f'"{name}"', f'"{out / name}"')
    exec(code, {})
    assert score(out, dataset, tmp_path / "m.json")["macro"] == macro


def test_runs_of_several_models_are_not_exported(dataset: SmallDataset, tmp_path: Path) -> None:
    for modality in ("s1", "s2"):
        folder = write_model(tmp_path / modality / "seed1", modality, 1)
        with pytest.raises(TableError, match=r"metrics.json: expected a JSON file, found none"):
            export.read_group(folder)
        score(folder, dataset, folder / "metrics.json")
    with pytest.raises(ConfigError, match="found test_resnet-s1, test_resnet-s2"):
        export.read_group(tmp_path)


def test_statistics_are_those_of_all_pixels_at_the_size_that_models_see(
    dataset: SmallDataset, tmp_path: Path
) -> None:
    bands = MODALITIES["all"]
    patches = BatchedBigEarthNet(dataset.metadata, dataset.lmdb, bands, split="train")
    loader = BatchLoader(patches, BatchOrder(len(patches), 4))
    found = compute_statistics(loader.epoch(0), bands)
    read = BigEarthNet(
        dataset.metadata, dataset.lmdb, bands=bands, split="train", size_px=120, dtype="float64"
    )
    for image in ("s1", "s2"):
        pixels = np.stack([patch[image] for patch in read])
        for i, band in enumerate(read.bands[image]):
            assert found[band].mean == pytest.approx(pixels[:, i].mean(), rel=1e-9)
            assert found[band].std == pytest.approx(pixels[:, i].std(), rel=1e-9)
    (tmp_path / "s.json").write_text('{"bands": 1}')
    with pytest.raises(TableError, match="expected what reben.band_statistics writes"):
        read_statistics(tmp_path / "s.json")


def test_trainings_of_one_machine_do_not_share_a_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    cards = ["GPU-a", "GPU-b"]
    with claim_card(cards) as first:
        with claim_card(cards) as second:
            assert (first, second) == (0, 1)
            with (
                pytest.raises(ConfigError, match="a free GPU, found 2, all used.*`gpu=2`"),
                claim_card(cards),
            ):
                pass
        with claim_card(cards[::-1]) as other:
            assert other == 0, "by its name, whatever its number is"
    with claim_card(cards) as again:
        assert again == 0
