"""Read the folders of trained models: what they scored, and how they learned.

In: the folder of a run, as `reben.train` and `reben.evaluate` write it. Out: `TrainedModel`. Needs
no PyTorch.
"""

import csv
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from reben.results.model_layout import HISTORY, METRICS_FILE, RUN_FACTS
from reben.runtime.errors import TableError
from reben.runtime.files import read_json


@dataclass(frozen=True)
class TrainedModel:
    """A run that was trained and scored.

    Attributes:
        folder: of its files.
        facts: content of ``run.json``.
        metrics: content of ``metrics.json``.
        history: rows of ``history.csv``.
    """

    folder: Path
    facts: dict[str, Any]
    metrics: dict[str, Any]
    history: list[dict[str, float]]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the files of a run.

        Raises:
            TableError: one is missing or malformed.
        """
        try:
            with (folder / HISTORY).open(encoding="utf-8", newline="") as file:
                rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
            run = cls(folder, read_json(folder / RUN_FACTS), read_json(folder / METRICS_FILE), rows)
            run.model, run.modality, run.seed, run.validation  # noqa: B018 - are they there?
        except FileNotFoundError as error:
            raise TableError(
                f"{folder}: expected {HISTORY} of a training, found none; run reben.train and "
                "reben.evaluate with --out in this folder"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise TableError(
                f"{folder}: expected the files of a training, found something else ({error!r}); "
                "remove the folder, so that the workflow makes it again"
            ) from error
        return run

    @property
    def model(self) -> str:
        """Name in timm."""
        return str(self.facts["recipe"]["model"])

    @property
    def modality(self) -> str:
        """``s1``, ``s2`` or ``all``."""
        return str(self.facts["recipe"]["modality"])

    @property
    def seed(self) -> int:
        """Of the training."""
        return int(self.facts["recipe"]["seed"])

    @property
    def validation(self) -> dict[str, float]:
        """Scores on the validation split in the best epoch."""
        return dict(self.facts["validation"])

    def percent(self, average: str, metric: str) -> float | None:
        """A score on the test split in percent; None where no class occurs."""
        value = self.metrics[average][metric]
        return None if value is None else 100 * value

    def class_percent(self, name: str) -> float | None:
        """Average precision of a class in percent; None where it does not occur."""
        for row in self.metrics["per_class"]:
            if row["class"] == name:
                value = row["average_precision"]
                return None if value is None else 100 * value
        return None


@dataclass(frozen=True)
class Group:
    """The runs of one model and modality, which differ in their seeds.

    Attributes:
        model: name in timm.
        modality: ``s1``, ``s2`` or ``all``.
        runs: sorted by seed.
    """

    model: str
    modality: str
    runs: list[TrainedModel]

    def mean(self, value: Callable[[TrainedModel], float | None]) -> float | None:
        """Mean of a value over the seeds; None where it is not defined."""
        found = [v for run in self.runs if (v := value(run)) is not None]
        return statistics.fmean(found) if found else None

    def spread(self, value: Callable[[TrainedModel], float | None]) -> float | None:
        """Standard deviation of a value over the seeds; None with one seed."""
        found = [v for run in self.runs if (v := value(run)) is not None]
        return statistics.stdev(found) if len(found) > 1 else None


def group_runs(runs: Iterable[TrainedModel]) -> list[Group]:
    """Group runs by model and modality, in the order in which these first come.

    Raises:
        TableError: they are of several datasets, or a seed comes twice.
    """
    found: dict[tuple[str, str], list[TrainedModel]] = {}
    datasets: dict[str, Path] = {}
    for run in runs:
        found.setdefault((run.model, run.modality), []).append(run)
        datasets.setdefault(run.metrics["dataset"]["metadata_sha256"], run.folder)
    if len(datasets) > 1:
        raise TableError(
            f"expected runs that were scored on one dataset, found several: "
            f"{', '.join(map(str, datasets.values()))} differ; score them again with one"
        )
    for (model, modality), same in found.items():
        seeds = [run.seed for run in same]
        if len(set(seeds)) < len(seeds):
            raise TableError(
                f"{model}-{modality}: expected runs with different seeds, found {seeds}; leave "
                "one of them out"
            )
    return [
        Group(model, modality, sorted(same, key=lambda run: run.seed))
        for (model, modality), same in found.items()
    ]
