"""Step evaluate_model: score a model on a split, as the paper does.

In: the folder of a model, trained here or published, and a dataset. Out: a JSON with average
precision, F1 and precision, macro, micro and by class, and the same on the terminal::

    reben evaluate --model resnet50-all-v0.2.0 \
        --metadata metadata.parquet --lmdb BigEarthNet.lmdb --out metrics.json
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reben.domain.split_geometry import SPLITS
from reben.results.model_layout import AVERAGES, METRICS
from reben.runtime import cli
from reben.runtime.files import sha256_file, write_json
from reben.training.batches import BatchedBigEarthNet
from reben.training.command_line import add_compute, add_dataset, add_model
from reben.training.inference import Predictor, probabilities
from reben.training.metrics import Scores, score
from reben.training.processes import Processes, join
from reben.training.pytorch import torch
from reben.training.weights import ModelConfig, load_model

log = logging.getLogger(__name__)


def predict(
    model: torch.nn.Module,
    config: ModelConfig,
    patches: BatchedBigEarthNet,
    processes: Processes,
    batch_size: int,
    workers: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probabilities and labels of a dataset, both (patches, classes)."""
    predictor = Predictor(patches, config, processes, batch_size=batch_size, workers=workers)
    logits, labels = predictor.predict(model.to(processes.device))
    return probabilities(logits), labels


def words(scores: Scores) -> str:
    """Scores as a line: in percent, macro and micro."""
    flat = scores.flat()
    return ", ".join(
        f"{metric.replace('_', ' ')} "
        + " / ".join(f"{100 * flat[f'{average}_{metric}']:.2f}" for average in AVERAGES)
        for metric in METRICS
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Score a model."""
    parser = cli.parser(
        __doc__,
        example="--model resnet50-all --metadata metadata.parquet --lmdb BigEarthNet.lmdb "
        "--out metrics.json",
    )
    add_model(parser)
    add_dataset(parser)
    parser.add_argument("--split", choices=SPLITS, default="test")
    add_compute(parser)
    parser.add_argument("--out", type=Path, help="JSON")
    args = parser.parse_args(argv)

    model, config = load_model(args.model, args.modality)
    patches = BatchedBigEarthNet(args.metadata, args.lmdb, config.bands, split=args.split)
    config.check_classes(patches.classes, args.metadata)
    torch.set_num_threads(args.threads)
    with join(args.device) as processes:
        found, labels = predict(model, config, patches, processes, args.batch_size, args.workers)
        if not processes.is_first:
            return
    scores = score(found, labels, config.classes)
    result: dict[str, Any] = scores.as_json() | {
        "split": args.split,
        "dataset": {"metadata_sha256": sha256_file(args.metadata)},
    }
    if args.out:
        write_json(args.out, result)
    if scores.classes_present < len(scores.classes):
        log.warning(
            "the split %s has patches of %d of the %d classes; macro is the mean over these",
            args.split,
            scores.classes_present,
            len(scores.classes),
        )
    log.info("%d patches, macro / micro: %s", scores.patches, words(scores))


if __name__ == "__main__":
    cli.run(main)
