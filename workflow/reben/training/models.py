"""The models of the paper, by their names in timm.

Source: BigEarthNet v2 paper, section IV; configilm, which creates them in the same way.
"""

import difflib
import re
from collections.abc import Mapping
from typing import Any

from reben.runtime.errors import ConfigError, ToolError
from reben.training.pytorch import torch

#: Side of the images, pixels.
SIZE_PX = 120
_REJECTED = re.compile(r"unexpected keyword argument '(\w+)'")


def create_model(
    name: str, channels: int, classes: int, drop_rate: float, drop_path_rate: float
) -> torch.nn.Module:
    """Create a model with random weights from PyTorch's random numbers.

    A keyword that the model does not know is left out: ResNets, ConvMixer and ConvNeXt take
    images of any size, and ConvMixer has no paths to drop.

    Args:
        name: of the model in timm.
        channels: bands of an image.
        classes: outputs, one logit for each class.
        drop_rate: dropout before the classifier.
        drop_path_rate: share of residual paths to drop (stochastic depth).

    Raises:
        ConfigError: timm has no model of this name.
        ToolError: timm is not installed.
    """
    options = {"img_size": SIZE_PX, "drop_rate": drop_rate, "drop_path_rate": drop_path_rate}
    return _create(name, {"num_classes": classes, "in_chans": channels}, options)[0]


def needs_size(name: str) -> bool:
    """Whether the weights of a model depend on the size of its images: timm must be told it."""
    shapes = [
        {key: value.shape for key, value in _create(name, {}, size)[0].state_dict().items()}
        for size in ({"img_size": SIZE_PX}, {})
    ]
    return shapes[0] != shapes[1]


def _create(
    name: str, needed: Mapping[str, Any], optional: Mapping[str, Any]
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """A model, and those of the optional keywords that it knows."""
    try:
        import timm  # here, so that a missing PyTorch is noticed first, with advice
    except ModuleNotFoundError as error:
        raise ToolError(
            f"timm, which makes the models, cannot be imported ({error}); `make install-training` "
            "installs it with the PyTorch that it fits"
        ) from error

    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        raise ConfigError(
            f"training.models: expected the name of a model in timm {timm.__version__}, found "
            f"{name!r}; {meant}`timm.list_models()` lists all"
        )
    known = dict(optional)
    while True:
        try:
            return timm.create_model(name, pretrained=False, **needed, **known), known
        except TypeError as error:
            rejected = _REJECTED.search(str(error))
            if rejected is None or rejected[1] not in known:
                raise
            del known[rejected[1]]
