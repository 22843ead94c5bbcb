"""The page of the trained models: Table II, average precision by class, learning curves."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from reben.report.environment import page_templates
from reben.report.learning_curves import learning_curves, score_range
from reben.results.model_layout import AVERAGES, METRICS
from reben.results.trained import Group

#: How the paper calls images and metrics.
_MODALITY_WORDS = {"s1": "S1", "s2": "S2", "all": "S1+S2"}
_METRIC_WORDS = {"average_precision": "AP", "f1": "F1", "precision": "P"}
_AVERAGE_MARKS = {"macro": "M", "micro": "μ"}


def write_page(
    groups: Sequence[Group], table: pl.DataFrame, classes: pl.DataFrame, name: str, version: str
) -> str:
    """The page as HTML.

    Args:
        groups: the runs.
        table: of `reben.table2.summarise`.
        classes: of `reben.table2.summarise_classes`.
        name: name of the dataset.
        version: version of the dataset, or empty.
    """
    pages = page_templates(name, version)
    pages.filters["number"] = _number
    pages.filters["signed"] = lambda value: f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")
    metrics = [f"{average}_{metric}" for metric in METRICS for average in AVERAGES]
    lowest, highest = score_range(groups)
    last_epoch = max(row["epoch"] for g in groups for run in g.runs for row in run.history)
    first = groups[0].runs[0].metrics
    by_class: dict[str, dict[tuple[str, str], Any]] = {}
    for row in classes.iter_rows(named=True):
        by_class.setdefault(row["class"], {})[row["model"], row["modality"]] = row
    return pages.get_template("models.html.jinja").render(
        headings=[
            (
                _METRIC_WORDS[metric],
                _AVERAGE_MARKS[average],
                f"{average} {metric}".replace("_", " "),
            )
            for metric in METRICS
            for average in AVERAGES
        ],
        rows=[(group, [_cell(table, group, metric) for metric in metrics]) for group in groups],
        words=_MODALITY_WORDS,
        groups=groups,
        by_class=by_class,
        curves=[(group, learning_curves(group, last_epoch, lowest, highest)) for group in groups],
        patches=first["patches"],
        present=first["classes_present"],
        class_count=first["classes"],
        has_paper=table["paper"].is_not_null().any(),
    )


def _cell(table: pl.DataFrame, group: Group, metric: str) -> dict[str, Any]:
    return table.row(
        by_predicate=(pl.col("model") == group.model)
        & (pl.col("modality") == group.modality)
        & (pl.col("metric") == metric),
        named=True,
    )


def _number(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.2f}"
