"""Trained models as folders: ``model.safetensors`` and ``config.json``, as published.

In: a model. Out: a folder that timm, this project and the authors' class load. The keys of the
weights are timm's behind a prefix; ``config.json`` is flat, has what the authors' class needs,
and beyond that names the bands, their statistics and the classes. The weights that the authors
have published lack these: there they follow from the modality in the name of the folder.
"""

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from reben.domain.bands import S1_BANDS, S2_BANDS
from reben.results.dataset_folder import bigearthnet_classes
from reben.results.model_layout import MODEL_CONFIG, WEIGHTS
from reben.runtime.errors import ConfigError, StoreError
from reben.runtime.files import atomic_file, read_json
from reben.training.bands import MODALITIES, PUBLISHED_STATISTICS, BandStatistics
from reben.training.models import SIZE_PX, create_model
from reben.training.pytorch import torch

#: In front of timm's keys, so that the authors' class (configilm) finds them.
PREFIX = "model.vision_encoder."
#: The name of a published model; v0.1.1 had its bands in another order.
_PUBLISHED = re.compile(r"-(s1|s2|all)-v0\.2\.0$")


@dataclass(frozen=True)
class ModelConfig:
    """What a model is and what it takes.

    Attributes:
        model: name in timm.
        bands: its channels, in order.
        statistics: mean and standard deviation of each band, for normalising.
        classes: its outputs, in order.
        drop_rate: dropout before the classifier, in training.
        drop_path_rate: share of residual paths to drop, in training.
    """

    model: str
    bands: tuple[str, ...]
    statistics: Mapping[str, BandStatistics]
    classes: tuple[str, ...]
    drop_rate: float
    drop_path_rate: float

    def as_json(self) -> dict[str, Any]:
        """The content of ``config.json``; the first five keys are those of the authors' class."""
        return {
            "timm_model_name": self.model,
            "channels": len(self.bands),
            "classes": len(self.classes),
            "drop_rate": self.drop_rate,
            "drop_path_rate": self.drop_path_rate,
            "image_size": SIZE_PX,
            "bands": list(self.bands),
            "band_means": [self.statistics[band].mean for band in self.bands],
            "band_stds": [self.statistics[band].std for band in self.bands],
            "class_names": list(self.classes),
        }

    @classmethod
    def read(cls, folder: str | os.PathLike[str], modality: str | None = None) -> Self:
        """Read the ``config.json`` of a folder.

        Args:
            folder: of the model.
            modality: ``s1``, ``s2`` or ``all``, for weights whose config does not name the bands.

        Raises:
            ConfigError: it is not the config of such a model, or the bands are not known.
        """
        path = Path(folder, MODEL_CONFIG)
        value = read_json(path, "copy the folder again")
        try:
            channels, classes = int(value["channels"]), int(value["classes"])
            bands = value.get("bands") or MODALITIES[_modality(path, modality)]
            names = value.get("class_names") or bigearthnet_classes()
            means, stds = value.get("band_means"), value.get("band_stds")
            statistics = (
                {
                    b: BandStatistics(float(m), float(s))
                    for b, m, s in zip(bands, means, stds, strict=True)
                }
                if means
                else {band: PUBLISHED_STATISTICS[band] for band in bands}
            )
            config = cls(
                model=str(value["timm_model_name"]),
                bands=tuple(map(str, bands)),
                statistics=statistics,
                classes=tuple(map(str, names)),
                drop_rate=float(value.get("drop_rate") or 0),
                drop_path_rate=float(value.get("drop_path_rate") or 0),
            )
            if unknown := set(map(str, bands)) - {*S1_BANDS, *S2_BANDS}:
                raise ValueError(f"unknown bands {sorted(unknown)}")
            if len(set(bands)) < len(bands) or len(set(names)) < len(names):
                raise ValueError("a band or class twice")
            if not all(math.isfinite(s.mean) and 0 < s.std < math.inf for s in statistics.values()):
                raise ValueError("band_means or band_stds that nothing can be normalised by")
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ConfigError(
                f"{path}: expected the config of a model with timm_model_name, channels and "
                f"classes, found another ({error!r}); copy the folder again"
            ) from error
        if (len(config.bands), len(config.classes)) != (channels, classes):
            raise ConfigError(
                f"{path}: expected {channels} bands and {classes} classes, found the names of "
                f"{len(config.bands)} ({', '.join(config.bands)}) and {len(config.classes)}; "
                "pass the modality that the model was trained on, or copy the folder again"
            )
        return config

    def create(self) -> torch.nn.Module:
        """The model with random weights."""
        return create_model(
            self.model, len(self.bands), len(self.classes), self.drop_rate, self.drop_path_rate
        )

    def check_classes(self, classes: Sequence[str], dataset: object) -> None:
        """Check that the labels of a dataset are the outputs of the model.

        Raises:
            ConfigError: they are not, or not in this order.
        """
        if tuple(classes) != self.classes:
            ours = "; ".join(sorted(set(self.classes) - set(classes))) or "none"
            theirs = "; ".join(sorted(set(classes) - set(self.classes))) or "none"
            raise ConfigError(
                f"{dataset}: expected the {len(self.classes)} classes of the model {self.model}, "
                f"found {len(classes)} (only in the model: {ours}; only in the dataset: {theirs}); "
                "use a model that was trained on this nomenclature"
            )


def _modality(path: Path, modality: str | None) -> str:
    """The modality that was stated, or that the name of a published model states.

    Raises:
        ConfigError: there is none.
    """
    if modality is not None:
        return modality
    if named := _PUBLISHED.search(path.parent.resolve().name):
        return named[1]
    raise ConfigError(
        f"{path}: expected the names of the bands, found none, and the folder is not named like "
        "published weights (resnet50-all-v0.2.0); say what the model was trained on with "
        "--modality. Weights before v0.2.0 have their bands in another order"
    )


def write_weights(path: str | os.PathLike[str], state: Mapping[str, torch.Tensor]) -> None:
    """Write the state of a model with the keys of the published weights."""
    tensors = {
        PREFIX + key: value.detach().cpu().contiguous().numpy() for key, value in state.items()
    }
    with atomic_file(path) as part:
        save_file(tensors, part, metadata={"format": "pt"})


def load_model(
    folder: str | os.PathLike[str], modality: str | None = None
) -> tuple[torch.nn.Module, ModelConfig]:
    """Load a model that was trained here, exported or published, in evaluation mode.

    Args:
        folder: with ``model.safetensors`` and ``config.json``.
        modality: see `ModelConfig.read`.

    Raises:
        ConfigError: the config is not one of a model, or the weights are not of this model, these
            bands and classes, or not finite.
        StoreError: the weights cannot be read.
    """
    config = ModelConfig.read(folder, modality)
    path = Path(folder, WEIGHTS)
    model = config.create()
    try:
        with safe_open(path, framework="pt") as file:  # type: ignore[no-untyped-call]
            state = {key.removeprefix(PREFIX): file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise StoreError(
            f"{path}: expected weights, found none ({error}); copy it again"
        ) from error
    flaws = _differences(model.state_dict(), state)
    if flaws:
        raise ConfigError(
            f"{path}: expected weights of {config.model} for {len(config.bands)} bands and "
            f"{len(config.classes)} classes, as {MODEL_CONFIG} has it; found {'; '.join(flaws[:3])}"
            f"{f' and {len(flaws) - 3} more' if len(flaws) > 3 else ''}. Copy both files from one "
            "model"
        )
    if damaged := [key for key, value in state.items() if not value.isfinite().all()]:
        raise ConfigError(
            f"{path}: expected finite weights, found NaN or infinite ones in {len(damaged)} of "
            f"{len(state)} tensors, such as {damaged[0]}: the training diverged, or the file is "
            "damaged; take other weights"
        )
    model.load_state_dict(state)
    return model.eval(), config


def _differences(
    expected: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]
) -> list[str]:
    """How the keys and shapes of a state differ from those of a model, shapes first."""
    shapes = [
        f"{key} of shape {tuple(found[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in expected
        if key in found and found[key].shape != expected[key].shape
    ]
    missing = [f"no {key}" for key in expected if key not in found]
    return [*shapes, *missing, *(f"{key} that it has not" for key in found if key not in expected)]
