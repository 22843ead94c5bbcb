"""Step train_model: train a model on a dataset, by the recipe of the BigEarthNet v2 paper.

In: ``metadata.parquet`` and the LMDB of a dataset. Out: a folder with the weights of the best
epoch (``model.safetensors``), what they take (``config.json``), the epochs (``history.csv``) and
how they came about (``run.json``)::

    reben train --model resnet50 --modality all --seed 42 \
        --metadata metadata.parquet --lmdb BigEarthNet.lmdb --out resnet50-all

On several GPUs: ``torchrun --nproc-per-node 4 -m reben.train ...``. The same command again goes on
after a kill, a time limit or SIGTERM, from the checkpoint in ``--checkpoint``.
"""

import logging
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from reben.results.model_layout import HISTORY, MODEL_CONFIG, RUN_FACTS, WEIGHTS
from reben.runtime import cli
from reben.runtime.code_version import code_version
from reben.runtime.errors import ConfigError
from reben.runtime.files import sha256_file, write_json, write_text
from reben.training.bands import MODALITIES, PUBLISHED_STATISTICS
from reben.training.batches import BatchedBigEarthNet
from reben.training.checkpoint import Checkpoint
from reben.training.command_line import add_compute, add_dataset
from reben.training.loop import Outcome, Training
from reben.training.processes import Processes, join
from reben.training.pytorch import torch
from reben.training.recipe import PRECISIONS, Recipe
from reben.training.statistics import read_statistics
from reben.training.weights import ModelConfig, write_weights

log = logging.getLogger(__name__)


def train(
    recipe: Recipe,
    config: ModelConfig,
    train_split: BatchedBigEarthNet,
    validation: BatchedBigEarthNet,
    checkpoint: Checkpoint,
    processes: Processes,
    workers: int,
) -> Outcome:
    """Train a model from its first weights, or from the checkpoint.

    Args:
        recipe: how.
        config: what the model takes.
        train_split: patches to train on.
        validation: patches that decide which epoch is the best.
        checkpoint: where to save.
        processes: those that train.
        workers: threads that read, for each of these.
    """
    torch.manual_seed(recipe.seed)
    model = config.create()
    training = Training(
        model, config, recipe, train_split, validation, processes, checkpoint, workers
    )
    return training.run()


def run_facts(
    recipe: Recipe, outcome: Outcome, processes: Processes, dataset: dict[str, Any]
) -> dict[str, Any]:
    """What ``run.json`` says of a training."""
    progress = outcome.progress
    seconds = max(progress.seconds, 1e-9)
    best = progress.history[progress.best_epoch]
    return {
        "recipe": recipe.as_json(),
        "dataset": dataset,
        "epochs": len(progress.history),
        "best_epoch": progress.best_epoch + 1,
        "validation": {name: best[name] for name in best if name.startswith(("macro", "micro"))},
        "steps": progress.steps,
        "device": processes.device_name,
        "patches_per_s": round(progress.patches / seconds, 1),
        "share_of_waiting": round(progress.waited / seconds, 4),
        "versions": _versions(),
    }


def _versions() -> dict[str, str | None]:
    return {
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda,
        "timm": version("timm"),
    }


def warn_of_unseen_classes(patches: BatchedBigEarthNet) -> None:
    """Say which classes no patch of the train split has: a model cannot learn them."""
    if unseen := [name for name, count in patches.class_counts.items() if not count]:
        log.warning(
            "the split train has no patch with %s: the model will not learn %s",
            "; ".join(unseen),
            "it" if len(unseen) == 1 else "them",
        )


def repeatable() -> None:
    """Have PyTorch take the same path in every try, where it can."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # asked for by cuBLAS
    torch.use_deterministic_algorithms(mode=True, warn_only=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Train a model."""
    parser = cli.parser(
        __doc__,
        example="--model resnet50 --modality all --seed 42 --metadata metadata.parquet "
        "--lmdb BigEarthNet.lmdb --out resnet50-all",
    )
    add_dataset(parser)
    parser.add_argument("--model", required=True, help="name in timm, such as resnet50")
    parser.add_argument("--modality", choices=tuple(MODALITIES), required=True)
    parser.add_argument("--seed", type=cli.whole, required=True)
    parser.add_argument("--epochs", type=cli.count, default=Recipe.epochs, help="at most")
    parser.add_argument("--batch-size", type=cli.count, default=Recipe.batch_size)
    parser.add_argument(
        "--learning-rate", type=cli.positive, default=Recipe.learning_rate, help="peak"
    )
    parser.add_argument("--warmup-steps", type=cli.whole, default=Recipe.warmup_steps)
    parser.add_argument("--patience", type=cli.count, default=Recipe.patience, help="epochs")
    parser.add_argument("--precision", choices=PRECISIONS, default=Recipe.precision)
    parser.add_argument("--compile", action="store_true", help="use torch.compile")
    parser.add_argument(
        "--statistics",
        choices=("published", "computed"),
        default="published",
        help="mean and deviation of the bands: those of BigEarthNet v2 or of --statistics-file",
    )
    parser.add_argument("--statistics-file", help="what reben.band_statistics wrote (JSON)")
    add_compute(parser)
    parser.add_argument("--checkpoint", help="folder to go on from; default: next to --out")
    parser.add_argument(
        "--checkpoint-minutes", type=float, default=10, help="between two checkpoints"
    )
    parser.add_argument("--out", required=True, type=Path, help="folder of the model")
    args = parser.parse_args(argv)
    if args.statistics == "computed" and not args.statistics_file:
        parser.error("--statistics computed needs --statistics-file")
    if args.seed >= 2**63:
        parser.error(f"--seed: expected a number below 2^63, found {args.seed}")
    if args.out.exists() and not args.out.is_dir():  # now, not after the training
        raise ConfigError(f"--out {args.out}: expected a new folder, found a file; name another")

    recipe = Recipe(
        model=args.model,
        modality=args.modality,
        seed=args.seed,
        epochs=args.epochs,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        warmup_steps=args.warmup_steps,
        patience=args.patience,
        precision=args.precision,
        compile=args.compile,
    )
    bands = MODALITIES[recipe.modality]
    found = read_statistics(args.statistics_file) if args.statistics_file else None
    statistics = found.bands if found and args.statistics == "computed" else PUBLISHED_STATISTICS
    splits = {
        name: BatchedBigEarthNet(args.metadata, args.lmdb, bands, split=name)
        for name in ("train", "validation")
    }
    config = ModelConfig(
        model=recipe.model,
        bands=bands,
        statistics={band: statistics[band] for band in bands},
        classes=splits["train"].classes,
        drop_rate=recipe.drop_rate,
        drop_path_rate=recipe.drop_path_rate,
    )
    dataset = {
        "metadata_sha256": sha256_file(args.metadata),
        "lmdb_sha256": found.lmdb_sha256 if found else None,
        "patches": {name: len(patches) for name, patches in splits.items()},
    }
    out: Path = args.out
    checkpoint = Checkpoint(
        args.checkpoint or out.with_name(f".checkpoint-{out.name}"),
        {
            "recipe": recipe.as_json(),
            "config": config.as_json(),
            "dataset": dataset,
            "versions": _versions(),
            "code": code_version("training.loop"),
        },
        60 * args.checkpoint_minutes,
    )
    repeatable()
    torch.set_num_threads(args.threads)
    with join(args.device) as processes:
        log.info("%s", processes.device_name)
        warn_of_unseen_classes(splits["train"])
        outcome = train(
            recipe,
            config,
            splits["train"],
            splits["validation"],
            checkpoint,
            processes,
            args.workers,
        )
        if not processes.is_first:
            return
        write_weights(out / WEIGHTS, outcome.weights)
        write_json(out / MODEL_CONFIG, config.as_json() | {"dataset": dataset})
        write_text(out / HISTORY, pl.DataFrame(outcome.progress.history).write_csv())
        write_json(out / RUN_FACTS, run_facts(recipe, outcome, processes, dataset))
        checkpoint.remove()
    log.info(
        "%s: best of %d epochs is %d, validation macro average precision %.2f %%",
        out,
        len(outcome.progress.history),
        outcome.progress.best_epoch + 1,
        100 * outcome.progress.best,
    )


if __name__ == "__main__":
    cli.run(main)
