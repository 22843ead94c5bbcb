"""How a model is trained: the settings, and the formulas of the paper that follow from them.

Source: BigEarthNet v2 paper, section IV, and the training scripts and model cards of its authors.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from reben.training.pytorch import torch

PRECISIONS = ("paper", "bf16")
#: At the start of the warm-up and at the end, the learning rate is this share of its peak.
_LEAST_SHARE = 0.1


@dataclass(frozen=True)
class Recipe:
    """All that decides about the weights of a model, besides the dataset.

    Attributes:
        model: name in timm.
        modality: ``s1``, ``s2`` or ``all`` (`reben.training.bands`).
        seed: of the first weights, the order of patches, flips and dropout.
        epochs: at most so many; the schedule is made for all of them.
        batch_size: patches of a step, on all GPUs together.
        learning_rate: peak, after the warm-up.
        warmup_steps: steps of linear warm-up.
        patience: epochs without a better validation score before training stops.
        precision: ``paper``, 32-bit floats with TF32 on GPUs; ``bf16``, mixed with bfloat16.
        compile: compile the model (`torch.compile`).
        weight_decay: of AdamW, on all parameters.
        drop_rate: dropout before the classifier.
        drop_path_rate: share of residual paths to drop.
    """

    model: str
    modality: str
    seed: int
    epochs: int = 100
    batch_size: int = 512
    learning_rate: float = 1e-3
    warmup_steps: int = 1000
    patience: int = 5
    precision: str = "paper"
    compile: bool = False
    weight_decay: float = 0.01
    drop_rate: float = 0.15
    drop_path_rate: float = 0.15

    def as_json(self) -> dict[str, Any]:
        """The settings as plain JSON."""
        return asdict(self)

    def total_steps(self, patches: int) -> int:
        """Steps that the schedule is made for, as the authors count them.

        Args:
            patches: of the train split.
        """
        return self.epochs * patches // self.batch_size

    def learning_rate_at(self, step: int, patches: int) -> float:
        """The learning rate of a step, counted from 0.

        Linear from a tenth of the peak, then a cosine down to a tenth of it, which stays.

        Args:
            step: number of steps before this one.
            patches: of the train split.
        """
        peak, least = self.learning_rate, _LEAST_SHARE * self.learning_rate
        if step < self.warmup_steps:
            # The last step of the warm-up has the peak.
            return least + (peak - least) * step / max(1, self.warmup_steps - 1)
        rest = max(1, self.total_steps(patches) - self.warmup_steps)
        progress = min(1.0, (step - self.warmup_steps) / rest)
        return least + (peak - least) * (1 + math.cos(math.pi * progress)) / 2

    def optimizer(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """AdamW over all parameters alike, as the authors have it: norms and biases decay too."""
        return torch.optim.AdamW(parameters, lr=self.learning_rate, weight_decay=self.weight_decay)


def step_seed(seed: int, step: int, rank: int) -> int:
    """The seed of the random numbers of one step: flips and dropout.

    They depend on nothing else, so a training that is resumed goes on with the same ones.
    """
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1)[0])
