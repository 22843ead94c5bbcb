"""Options that the commands which train, evaluate and predict have in common."""

import argparse
import os

from reben.runtime import cli
from reben.training.bands import MODALITIES
from reben.training.processes import DEVICES


def add_dataset(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Options for the dataset."""
    parser.add_argument("--metadata", required=required, help="metadata.parquet of the dataset")
    parser.add_argument("--lmdb", required=required, help="its LMDB, a folder")


def add_compute(parser: argparse.ArgumentParser) -> None:
    """Options for where and how to compute."""
    parser.add_argument(
        "--device", choices=DEVICES, default="auto", help="default: a GPU if there is one"
    )
    processors = len(os.sched_getaffinity(0))
    parser.add_argument(
        "--workers",
        type=cli.whole,
        default=min(8, processors - 1),
        help="threads that read, for each GPU; default: as many as there are processors, up to 8",
    )
    parser.add_argument(
        "--threads",
        type=cli.count,
        default=processors,
        help="threads that compute where there is no GPU; another number gives other last digits",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Options for a trained model."""
    parser.add_argument(
        "--model", required=True, help="folder with model.safetensors and config.json"
    )
    parser.add_argument(
        "--modality",
        choices=tuple(MODALITIES),
        help="what the model was trained on, if its config.json does not name the bands",
    )
    parser.add_argument(
        "--batch-size", type=cli.count, default=512, help="patches at a time; default: 512"
    )
