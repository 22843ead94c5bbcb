"""The metrics equal those of torchmetrics, on random inputs and where little is defined."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="`make install-training` was not run")

import torch
from torchmetrics.functional.classification import (
    multilabel_average_precision,
    multilabel_f1_score,
    multilabel_precision,
)

from reben.results.model_layout import METRICS
from reben.runtime.errors import TableError
from reben.training.metrics import Scores, score

CLASSES = ("a", "b", "c", "d", "e")


def a_case(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels of 400 patches."""
    rng = np.random.default_rng(5)
    labels = (rng.random((400, 5)) < [0.5, 0.3, 0.1, 0.02, 0.9]).astype(np.float32)
    logits = 2 * labels + rng.normal(-1, 1.5, labels.shape).astype(np.float32)
    if name == "no positives of a class":
        labels[:, 2] = 0
    elif name == "no positives at all":
        labels[:] = 0
    elif name == "all positive":
        labels[:] = 1
    elif name == "logits from 0 to 1":
        logits = rng.random(labels.shape)
    elif name == "ties":
        logits = np.round(logits)
    elif name == "everything the same":
        logits[:] = 0.3
    elif name == "nothing predicted":
        logits -= 100
    elif name == "saturated":
        logits *= 40
    elif name == "one patch":
        labels, logits = labels[:1], logits[:1]
    return torch.from_numpy(logits.astype(np.float32)).sigmoid().numpy(), labels


CASES = (
    *("random", "no positives of a class", "no positives at all", "all positive"),
    *("logits from 0 to 1", "ties", "everything the same", "nothing predicted", "saturated"),
    "one patch",
)


def theirs(probabilities: np.ndarray, labels: np.ndarray, average: str | None) -> dict[str, object]:
    given = torch.from_numpy(probabilities), torch.from_numpy(labels).long()
    count = labels.shape[1]
    return {
        "average_precision": multilabel_average_precision(*given, count, average=average),
        "f1": multilabel_f1_score(*given, count, average=average),
        "precision": multilabel_precision(*given, count, average=average),
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_metrics_are_those_of_torchmetrics(name: str) -> None:
    probabilities, labels = a_case(name)
    scores = score(probabilities, labels, CLASSES)
    present = labels.any(axis=0)
    by_class, micro = (theirs(probabilities, labels, average) for average in (None, "micro"))
    for metric in METRICS:
        found = scores.per_class[metric]
        assert np.isnan(found).tolist() == (~present).tolist()
        np.testing.assert_allclose(found[present], by_class[metric][present], atol=1e-6)
        if present.any():
            assert scores.micro[metric] == pytest.approx(float(micro[metric]), abs=1e-6)
        else:
            assert np.isnan(scores.micro[metric])
            assert np.isnan(scores.macro[metric])
    if present.all():
        macro = theirs(probabilities, labels, "macro")
        for metric in METRICS:
            assert scores.macro[metric] == pytest.approx(float(macro[metric]), abs=1e-6)


def test_macro_is_over_the_classes_that_occur_and_says_how_many() -> None:
    probabilities, labels = a_case("no positives of a class")
    scores = score(probabilities, labels, CLASSES)
    assert scores.classes_present == 4
    without = score(np.delete(probabilities, 2, 1), np.delete(labels, 2, 1), ("a", "b", "d", "e"))
    assert scores.macro == pytest.approx(without.macro)
    plain = scores.as_json()
    assert (plain["classes"], plain["classes_present"]) == (5, 4)
    assert plain["per_class"][2] == {
        "class": "c", "positives": 0, "average_precision": None, "f1": None, "precision": None
    }  # fmt: skip


def test_average_precision_does_not_depend_on_the_order_of_ties() -> None:
    probabilities, labels = a_case("ties")
    order = np.random.default_rng(1).permutation(len(labels))
    scores: list[Scores] = [
        score(probabilities[rows], labels[rows], CLASSES) for rows in (slice(None), order)
    ]
    assert scores[0].flat() == pytest.approx(scores[1].flat(), rel=1e-12)


@pytest.mark.parametrize(
    ("probabilities", "labels", "words"),
    [
        (np.full((3, 5), 1.5), np.ones((3, 5)), "these are logits"),
        (np.full((3, 5), np.nan), np.ones((3, 5)), "NaN"),
        (np.ones((3, 4)), np.ones((3, 5)), r"\(3, 4\) and \(3, 5\)"),
        (np.ones((0, 5)), np.ones((0, 5)), "found none"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    probabilities: np.ndarray, labels: np.ndarray, words: str
) -> None:
    with pytest.raises(TableError, match=words):
        score(probabilities.astype(np.float32), labels, CLASSES)
