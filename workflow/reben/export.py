"""Export a trained model as a folder for Hugging Face: the seed that is best by validation.

In: the runs of one model and modality, trained and scored. Out: a folder with the weights,
``config.json``, the metrics and a model card that says how to load it with timm alone, with this
project and with the authors' class::

    reben export --runs results/models/resnet50-all --licence MIT --out resnet50-all

The test split decides nothing: who picks a seed by its test score reports too high a score.
"""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from reben.results.model_layout import (
    HISTORY,
    METRICS_FILE,
    MODEL_CONFIG,
    RUN_FACTS,
    WEIGHTS,
)
from reben.results.trained import Group, TrainedModel, group_runs
from reben.runtime import cli
from reben.runtime.errors import ConfigError
from reben.runtime.files import atomic_directory, write_text
from reben.training.card import write_model_card
from reben.training.metrics import MONITORED
from reben.training.weights import ModelConfig, load_model

log = logging.getLogger(__name__)


def best_by_validation(group: Group) -> TrainedModel:
    """The run with the best macro average precision on the validation split; of equals, the first.

    Args:
        group: runs of one model and modality.
    """
    return max(group.runs, key=lambda run: run.validation[MONITORED])


def read_group(folder: Path) -> Group:
    """Read the runs below a folder, or the one in it.

    Raises:
        ConfigError: there is no run, or they are of several models.
        TableError: a run is not complete.
    """
    folders = sorted(path.parent for path in folder.glob(f"**/{RUN_FACTS}"))
    groups = group_runs(map(TrainedModel.read, folders))
    if len(groups) != 1:
        found = ", ".join(f"{g.model}-{g.modality}" for g in groups) or "none"
        raise ConfigError(
            f"{folder}: expected the runs of one model and modality, found {found}; pass a folder "
            "such as results/models/resnet50-all"
        )
    return groups[0]


def main(argv: Sequence[str] | None = None) -> None:
    """Export a model."""
    parser = cli.parser(
        __doc__,
        example="--runs results/models/resnet50-all --licence MIT --out resnet50-all",
    )
    parser.add_argument(
        "--runs", type=Path, required=True, help="folder with the runs of one model and modality"
    )
    parser.add_argument("--name", help="of the model; default: the name of --out")
    parser.add_argument("--licence", required=True, help="of the weights, such as MIT")
    parser.add_argument("--dataset", default="BigEarthNet v2", help="name of the dataset")
    parser.add_argument("--out", type=Path, required=True, help="new folder")
    args = parser.parse_args(argv)

    group = read_group(args.runs)
    run = best_by_validation(group)
    load_model(run.folder)  # what is shared can be loaded
    card = write_model_card(
        run,
        ModelConfig.read(run.folder),
        seeds=[other.seed for other in group.runs],
        name=args.name or args.out.resolve().name,
        licence=args.licence,
        dataset=args.dataset,
    )
    with atomic_directory(args.out) as folder:
        for name in (WEIGHTS, MODEL_CONFIG, METRICS_FILE, HISTORY, RUN_FACTS):
            shutil.copyfile(run.folder / name, folder / name)
        write_text(folder / "README.md", card)
    log.info("%s: seed %d, the best of %d by validation", args.out, run.seed, len(group.runs))


if __name__ == "__main__":
    cli.run(main)
