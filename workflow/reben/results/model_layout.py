"""The layout of trained models: the path of each file of them below the results folder.

In: the results folder, and a run: model, modality and seed. Out: paths, as in
`reben.results.layout`. Instead of the parts of a run, their wildcards give the pattern for a rule.
"""

import os
from dataclasses import dataclass
from pathlib import Path

#: Names in the folder of a run or of an exported model, which can be anywhere.
WEIGHTS, MODEL_CONFIG = "model.safetensors", "config.json"
HISTORY, RUN_FACTS, METRICS_FILE = "history.csv", "run.json", "metrics.json"
#: Names in a file of metrics, and how its two means are called.
METRICS = ("average_precision", "f1", "precision")
AVERAGES = ("macro", "micro")


@dataclass(frozen=True)
class Run:
    """One training: a model, the images that it sees, and a seed.

    Attributes:
        model: name in timm.
        modality: ``s1``, ``s2`` or ``all``.
        seed: of the training.
    """

    model: str
    modality: str
    seed: int | str

    @property
    def kind(self) -> str:
        """Model and modality, which runs with other seeds share."""
        return f"{self.model}-{self.modality}"

    @property
    def name(self) -> str:
        """A name for its record and log."""
        return f"{self.kind}-seed{self.seed}"


#: The wildcards of a rule with one job for every run.
ANY_RUN = Run("{model}", "{modality}", "{seed}")


@dataclass(frozen=True)
class ModelLayout:
    """The places of the models that were trained on a dataset.

    Attributes:
        root: the results folder, as the user writes it.
    """

    root: str | os.PathLike[str]

    def _at(self, *parts: str) -> Path:
        return Path(self.root, *parts)

    @property
    def statistics(self) -> Path:
        """Mean and deviation of each band, and the digest of the dataset (JSON)."""
        return self._at("models", "statistics.json")

    def run(self, run: Run) -> Path:
        """Folder of a run."""
        return self._at("models", run.kind, f"seed{run.seed}")

    def weights(self, run: Run) -> Path:
        """Weights of the best epoch (safetensors)."""
        return self.run(run) / WEIGHTS

    def config(self, run: Run) -> Path:
        """What the model is and takes (JSON)."""
        return self.run(run) / MODEL_CONFIG

    def history(self, run: Run) -> Path:
        """Learning rate, losses and validation scores by epoch (CSV)."""
        return self.run(run) / HISTORY

    def facts(self, run: Run) -> Path:
        """Recipe, versions, device and speed (JSON)."""
        return self.run(run) / RUN_FACTS

    def metrics(self, run: Run) -> Path:
        """Scores on the test split (JSON)."""
        return self.run(run) / METRICS_FILE

    def checkpoint(self, run: Run) -> Path:
        """Folder of the checkpoint, which no rule has as an output: it outlives failed jobs."""
        return self._at("checkpoints", run.kind, f"seed{run.seed}")

    @property
    def table(self) -> Path:
        """All models beside the paper's (CSV)."""
        return self._at("models", "table2.csv")

    @property
    def class_table(self) -> Path:
        """Average precision of each class (CSV)."""
        return self._at("models", "class_average_precision.csv")

    @property
    def page(self) -> Path:
        """The same with learning curves (HTML)."""
        return self._at("models", "table2.html")
