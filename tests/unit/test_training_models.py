"""Models and their weights: the seven of the paper, folders as published, and what is refused."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("timm", reason="`make install-training` was not run")

import timm
import torch
from safetensors.torch import load_file, save_file

from reben.results.dataset_folder import bigearthnet_classes
from reben.runtime.errors import ConfigError, StoreError, TableError
from reben.training.bands import MODALITIES, PUBLISHED_STATISTICS
from reben.training.models import create_model, needs_size
from reben.training.recipe import Recipe
from reben.training.weights import PREFIX, ModelConfig, load_model, write_weights

#: What timm 1.0.31 rejects besides; 1.0.27 ignores it.
REJECTED_LATER = {"convmixer_768_32": {"img_size", "drop_path_rate"}}
#: Of each model of the paper, the keywords that timm rejects.
REJECTED = {
    "resnet50": {"img_size"},
    "resnet101": {"img_size"},
    "vit_base_patch8_224": set(),
    "mixer_b16_224": set(),
    "convmixer_768_32": set(),
    "mobilevit_s": set(),
    "convnextv2_base": {"img_size"},
}
S2 = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
CHANNELS = {"s1": ("VV", "VH"), "s2": S2, "all": ("VV", "VH", *S2)}


def a_config(modality: str = "s2", model: str = "test_resnet") -> ModelConfig:
    bands = MODALITIES[modality]
    return ModelConfig(
        model=model,
        bands=bands,
        statistics={band: PUBLISHED_STATISTICS[band] for band in bands},
        classes=bigearthnet_classes(),
        drop_rate=0.15,
        drop_path_rate=0.15,
    )


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # more wait for each other on busy cores


@pytest.mark.parametrize("name", REJECTED)
def test_a_model_makes_a_step_with_each_modality(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = []
    build = timm.create_model

    def noted(*args: object, **options: object) -> torch.nn.Module:
        passed.append(set(options))
        return build(*args, **options)

    monkeypatch.setattr(timm, "create_model", noted)
    for modality, bands in CHANNELS.items():
        model = create_model(name, len(bands), 19, 0.15, 0.15)
        optional = {"img_size", "drop_rate", "drop_path_rate"}
        rejected = optional - passed[-1]
        assert rejected in (REJECTED[name], REJECTED[name] | REJECTED_LATER.get(name, set()))
        optimizer = Recipe(name, modality, 0).optimizer(model.parameters())
        last = list(model.parameters())[-1]
        before = last.detach().clone()
        logits = model(torch.randn(2, len(bands), 120, 120))
        assert logits.shape == (2, 19)
        torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.ones(2, 19)).backward()
        optimizer.step()
        assert not torch.equal(last, before)


def test_an_unknown_model_is_refused_with_what_was_meant() -> None:
    with pytest.raises(ConfigError, match="'resnet5o'; did you mean resnet50"):
        create_model("resnet5o", 10, 19, 0, 0)


def test_models_whose_weights_fit_one_size_are_told_it() -> None:
    assert not needs_size("test_resnet")
    assert not needs_size("convmixer_768_32")
    assert not needs_size("mobilevit_xxs"), "it takes the keyword, and is the same without"
    assert needs_size("gmixer_12_224"), "it mixes all patches of an image with one layer"


@pytest.mark.parametrize("modality", CHANNELS)
def test_the_config_names_every_channel_in_order(modality: str) -> None:
    written = a_config(modality).as_json()
    assert written["bands"] == list(CHANNELS[modality])
    assert written["channels"] == len(CHANNELS[modality])
    assert written["band_means"] == [PUBLISHED_STATISTICS[b].mean for b in CHANNELS[modality]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of Sentinel-2 as a folder."""
    torch.manual_seed(1)
    config = a_config()
    path = tmp_path / "model"
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config.as_json()))
    write_weights(path / "model.safetensors", config.create().state_dict())
    return path


def outputs(model: torch.nn.Module) -> np.ndarray:
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 10, 120, 120)))
    with torch.inference_mode():
        return model.eval()(images.float()).numpy()


def test_weights_go_round_from_ours_to_theirs_and_back(folder: Path, tmp_path: Path) -> None:
    ours, config = load_model(folder)
    assert config == a_config()
    theirs = load_file(folder / "model.safetensors")
    assert {key[: len(PREFIX)] for key in theirs} == {"model.vision_encoder."}
    plain = timm.create_model("test_resnet", num_classes=19, in_chans=10)
    plain.load_state_dict({key[len(PREFIX) :]: value for key, value in theirs.items()})
    np.testing.assert_array_equal(outputs(plain), outputs(ours))
    # As the authors publish it: five keys, and the modality in the name of the folder.
    published = tmp_path / "test_resnet-s2-v0.2.0"
    published.mkdir()
    save_file(
        {PREFIX + k: v for k, v in plain.state_dict().items()}, published / "model.safetensors"
    )
    five = {key: config.as_json()[key] for key in list(config.as_json())[:5]}
    assert set(five) == {
        "timm_model_name", "channels", "classes", "drop_rate", "drop_path_rate"
    }  # fmt: skip
    (published / "config.json").write_text(json.dumps(five))
    again, same = load_model(published)
    assert same == config
    np.testing.assert_array_equal(outputs(again), outputs(ours))


def test_weights_without_the_prefix_are_read_too(folder: Path) -> None:
    before = outputs(load_model(folder)[0])
    path = folder / "model.safetensors"
    save_file({key[len(PREFIX) :]: value for key, value in load_file(path).items()}, path)
    np.testing.assert_array_equal(outputs(load_model(folder)[0]), before)


def change(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_weights_with_other_bands_are_refused(folder: Path) -> None:
    change(folder, channels=12, bands=list(MODALITIES["all"]), band_means=None)
    with pytest.raises(ConfigError, match=r"for 12 bands and 19 classes.*conv1.*\(.* 10, 3, 3\)"):
        load_model(folder)


def test_weights_with_another_number_of_classes_are_refused(folder: Path) -> None:
    change(folder, classes=3, class_names=["a", "b", "c"])
    with pytest.raises(ConfigError, match=r"10 bands and 3 classes.*fc.weight.*\(19, \d+\)"):
        load_model(folder)


def test_bands_are_named_and_never_counted(folder: Path, tmp_path: Path) -> None:
    change(folder, bands=None, band_means=None)
    with pytest.raises(ConfigError, match="found none.*--modality"):
        load_model(folder)
    assert load_model(folder, "s2")[1].bands == S2
    with pytest.raises(ConfigError, match="expected 10 bands .* found the names of 12"):
        load_model(folder, "all")
    old = shutil.copytree(folder, tmp_path / "test_resnet-s2-v0.1.1")
    with pytest.raises(ConfigError, match="before v0.2.0 have their bands in another order"):
        load_model(old)


def test_classes_of_another_dataset_are_refused() -> None:
    config = a_config()
    config.check_classes(bigearthnet_classes(), "metadata.parquet")
    with pytest.raises(ConfigError, match="metadata.parquet: .*only in the dataset: Glaciers"):
        config.check_classes([*bigearthnet_classes()[1:], "Glaciers"], "metadata.parquet")
    with pytest.raises(ConfigError, match="found 19"):
        config.check_classes(bigearthnet_classes()[::-1], "metadata.parquet")


@pytest.mark.parametrize("damage", ["absent", "cut off"])
def test_weights_that_cannot_be_read_are_named(folder: Path, damage: str) -> None:
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.unlink()
    if damage == "cut off":
        path.write_bytes(data[:-100])
    with pytest.raises(StoreError, match=r"model.safetensors: expected weights"):
        load_model(folder)


@pytest.mark.parametrize("values", [{"band_stds": [0.0] * 10}, {"band_means": [math.nan] * 10}])
def test_statistics_that_nothing_can_be_normalised_by_are_refused(
    folder: Path, values: dict[str, list[float]]
) -> None:
    change(folder, **values)
    with pytest.raises(ConfigError, match=r"config.json: .*nothing can be normalised by"):
        load_model(folder)


@pytest.mark.parametrize(
    ("values", "flaw"),
    [
        ({"bands": ["B02", *S2[:9]]}, "a band or class twice"),
        ({"bands": ["B2", *S2[1:]]}, r"unknown bands \['B2'\]"),
        ({"class_names": ["A"] * 19}, "a band or class twice"),
    ],
)
def test_bands_and_classes_that_cannot_be_told_apart_are_refused(
    folder: Path, values: dict[str, list[str]], flaw: str
) -> None:
    change(folder, **values)
    with pytest.raises(ConfigError, match=f"config.json: .*{flaw}"):
        load_model(folder)


def test_weights_that_are_no_numbers_are_refused(folder: Path) -> None:
    """Otherwise every prediction is NaN."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    name = next(key for key in tensors if "fc" in key)
    tensors[name][0] = math.nan
    save_file(tensors, path)
    with pytest.raises(ConfigError, match=r"safetensors: expected finite weights.* 1 of .* fc\."):
        load_model(folder)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\udc80"], ids=["cut", "deep", "binary"])
def test_nobody_is_told_to_remove_a_model_of_others(folder: Path, text: str) -> None:
    (folder / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(TableError, match=r"config.json: expected JSON.*; copy the folder again$"):
        load_model(folder)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"channels": Infinity, "classes": 19}',
        '{"channels": 10}',
        '{"channels": "ten", "classes": 19}',
    ],
)
def test_a_config_of_something_else_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(ConfigError, match=r"config.json: expected the config of a model"):
        load_model(folder)
