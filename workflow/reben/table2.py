"""Step summarise_models: the trained models beside Table II of the BigEarthNet v2 paper.

In: the folders of runs that were trained and scored, and the paper's values. Out: a table with a
row for every model, modality and metric: mean and spread over the seeds, the paper's value and
the difference, all in percent; average precision by class; a page with both and the learning
curves. The paper's values are those of the published test split: with another dataset they
are for orientation.
"""

import csv
import logging
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from reben.report.models_page import write_page
from reben.results.csv_text import to_csv
from reben.results.model_layout import AVERAGES, METRICS
from reben.results.trained import Group, TrainedModel, group_runs
from reben.runtime import cli
from reben.runtime.errors import ConfigError
from reben.runtime.files import write_text

log = logging.getLogger(__name__)

#: Values of the paper in percent, by model, modality and metric such as ``macro_f1``.
Paper = dict[tuple[str, str, str], float]


def read_paper(path: Path) -> Paper:
    """Read the values of the paper: ``resources/table2.csv``.

    Raises:
        ConfigError: it has other columns, or a value is no number.
    """
    metrics = [f"{average}_{metric}" for metric in METRICS for average in AVERAGES]
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {
                (row["model"], row["modality"], metric): float(row[metric])
                for row in csv.DictReader(file)
                for metric in metrics
            }
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{path}: expected a CSV with the columns model, modality, {', '.join(metrics)}, found "
            f"something else ({error!r})"
        ) from error


def summarise(groups: Sequence[Group], paper: Paper) -> pl.DataFrame:
    """The rows of ``table2.csv``: one for every model, modality and metric, in percent."""
    rows = []
    for group in groups:
        for metric in METRICS:
            for average in AVERAGES:

                def value(
                    run: TrainedModel, at: tuple[str, str] = (average, metric)
                ) -> float | None:
                    return run.percent(*at)

                name = f"{average}_{metric}"
                mean, published = group.mean(value), paper.get((group.model, group.modality, name))
                both = mean is not None and published is not None
                rows.append(
                    {
                        "model": group.model,
                        "modality": group.modality,
                        "metric": name,
                        "runs": len(group.runs),
                        "mean": mean,
                        "std": group.spread(value),
                        "paper": published,
                        "difference": mean - published if both else None,  # type: ignore[operator]
                    }
                )
    numbers = dict.fromkeys(("mean", "std", "paper", "difference"), pl.Float64)
    return pl.DataFrame(rows, schema_overrides=numbers).with_columns(pl.col(list(numbers)).round(4))


def summarise_classes(groups: Sequence[Group]) -> pl.DataFrame:
    """The rows of ``class_average_precision.csv``: one for every model, modality and class."""
    rows = []
    for group in groups:
        for entry in group.runs[0].metrics["per_class"]:
            name = entry["class"]

            def value(run: TrainedModel, name: str = name) -> float | None:
                return run.class_percent(name)

            rows.append(
                {
                    "model": group.model,
                    "modality": group.modality,
                    "class": name,
                    "test_patches": entry["positives"],
                    "runs": len(group.runs),
                    "mean": group.mean(value),
                    "std": group.spread(value),
                }
            )
    return pl.DataFrame(
        rows, schema_overrides={"mean": pl.Float64, "std": pl.Float64}
    ).with_columns(pl.col("mean", "std").round(4))


def main(argv: Sequence[str] | None = None) -> None:
    """Summarise trained models."""
    parser = cli.parser(__doc__)
    parser.add_argument("--runs", nargs="+", type=Path, required=True, help="folders of runs")
    parser.add_argument("--paper", type=Path, required=True, help="resources/table2.csv")
    parser.add_argument("--name", default="The dataset", help="name of the dataset")
    parser.add_argument("--version", default="", help="version of the dataset")
    parser.add_argument("--out", type=Path, required=True, help="CSV")
    parser.add_argument("--out-classes", type=Path, required=True, help="CSV, by class")
    parser.add_argument("--out-page", type=Path, required=True, help="HTML")
    args = parser.parse_args(argv)

    groups = group_runs(map(TrainedModel.read, args.runs))
    table = summarise(groups, read_paper(args.paper))
    classes = summarise_classes(groups)
    write_text(args.out, to_csv(table))
    write_text(args.out_classes, to_csv(classes))
    write_text(args.out_page, write_page(groups, table, classes, args.name, args.version))
    log.info("%s: %d runs of %d models and modalities", args.out, len(args.runs), len(groups))


if __name__ == "__main__":
    cli.run(main)
