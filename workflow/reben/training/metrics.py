"""The metrics of the paper: average precision, F1 and precision, macro and micro.

In: probabilities and labels of a whole split. Out: `Scores`. They are those of torchmetrics, with
two differences. Probabilities come in, never logits, since torchmetrics takes logits that all lie
between 0 and 1 for probabilities. And the macro mean is over the classes that occur: torchmetrics
counts a class without patches as 0, so that another area would score lower for what it lacks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reben.results.model_layout import AVERAGES, METRICS
from reben.runtime.errors import TableError

#: A class is predicted where its probability is above this.
THRESHOLD = 0.5
#: What training maximises on the validation split.
MONITORED = "macro_average_precision"


@dataclass(frozen=True)
class Scores:
    """The metrics of a split.

    Attributes:
        classes: names of the classes.
        patches: number of patches.
        positives: (classes,) patches with each class.
        per_class: for each metric, (classes,); NaN where no patch has the class.
        micro: for each metric, over all decisions; NaN where no patch has any class.
    """

    classes: tuple[str, ...]
    patches: int
    positives: NDArray[np.int64]
    per_class: Mapping[str, NDArray[np.float64]]
    micro: Mapping[str, float]

    @property
    def classes_present(self) -> int:
        """Number of classes that occur: the macro mean is over these."""
        return int(np.count_nonzero(self.positives))

    @property
    def macro(self) -> dict[str, float]:
        """For each metric, the mean over the classes that occur; NaN if none does."""
        present = self.positives > 0
        return {
            name: float(values[present].mean()) if present.any() else float("nan")
            for name, values in self.per_class.items()
        }

    def flat(self) -> dict[str, float]:
        """Macro and micro as ``macro_average_precision``, ``micro_f1`` and so on."""
        return {
            f"{average}_{name}": means[name]
            for average, means in zip(AVERAGES, (self.macro, self.micro), strict=True)
            for name in METRICS
        }

    def as_json(self) -> dict[str, Any]:
        """All of it as plain JSON, null instead of NaN."""
        return {
            "patches": self.patches,
            "classes": len(self.classes),
            "classes_present": self.classes_present,
            "macro": {name: _plain(value) for name, value in self.macro.items()},
            "micro": {name: _plain(value) for name, value in self.micro.items()},
            "per_class": [
                {"class": name, "positives": int(self.positives[i])}
                | {metric: _plain(self.per_class[metric][i]) for metric in METRICS}
                for i, name in enumerate(self.classes)
            ],
        }


def score(
    probabilities: NDArray[np.float32], labels: NDArray[Any], classes: Sequence[str]
) -> Scores:
    """Score the predictions for a split.

    Args:
        probabilities: (patches, classes), from 0 to 1.
        labels: (patches, classes), 1 for each class in the patch.
        classes: their names.

    Raises:
        TableError: the two differ in shape, or there are no patches, or probabilities outside
            0 to 1.
    """
    if probabilities.shape != labels.shape or labels.shape[1:] != (len(classes),):
        raise TableError(
            f"expected probabilities and labels of {len(classes)} classes, found the shapes "
            f"{probabilities.shape} and {labels.shape}"
        )
    if not len(labels):
        raise TableError("expected patches to score, found none")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise TableError(
            "expected probabilities from 0 to 1, found others, or NaN: the model diverged, or "
            "these are logits"
        )
    truth = labels > 0.5
    per_class = [_metrics(probabilities[:, i], truth[:, i]) for i in range(len(classes))]
    return Scores(
        classes=tuple(classes),
        patches=len(labels),
        positives=truth.sum(axis=0),
        per_class={name: np.array([found[name] for found in per_class]) for name in METRICS},
        micro=_metrics(probabilities.ravel(), truth.ravel()),
    )


def average_precision(probabilities: NDArray[np.float32], truth: NDArray[np.bool_]) -> float:
    """The area under the precision-recall curve, as a sum of steps; NaN without positives.

    Predictions with the same probability count as one step, whatever their order.
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    last_of_ties = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    found = np.cumsum(truth[order])[last_of_ties]
    if not found[-1]:
        return float("nan")
    precision = found / (last_of_ties + 1)
    return float(np.sum(np.diff(found, prepend=0) * precision) / found[-1])


def _metrics(probabilities: NDArray[np.float32], truth: NDArray[np.bool_]) -> dict[str, float]:
    positives = int(np.count_nonzero(truth))
    if not positives:
        return dict.fromkeys(METRICS, float("nan"))
    predicted = probabilities > THRESHOLD
    hits, taken = int(np.count_nonzero(predicted & truth)), int(np.count_nonzero(predicted))
    return {
        "average_precision": average_precision(probabilities, truth),
        "f1": 2 * hits / (taken + positives),
        "precision": hits / taken if taken else 0.0,
    }


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
