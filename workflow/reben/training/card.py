"""The card of an exported model: what it takes, how it scores, and how to load it (Markdown)."""

from collections.abc import Sequence
from pathlib import Path

from reben.publish.card import plain
from reben.results.model_layout import AVERAGES, METRICS
from reben.results.trained import TrainedModel
from reben.training.metrics import MONITORED
from reben.training.models import SIZE_PX, needs_size
from reben.training.weights import PREFIX, ModelConfig

_CARD = Path(__file__).with_name("card.md")
_IMAGES = {"s1": "Sentinel-1", "s2": "Sentinel-2", "all": "Sentinel-1 and Sentinel-2"}


def write_model_card(
    run: TrainedModel,
    config: ModelConfig,
    *,
    seeds: Sequence[int],
    name: str,
    licence: str,
    dataset: str,
) -> str:
    """The card as Markdown.

    Args:
        run: that is exported.
        config: of its model.
        seeds: of all runs that it was chosen from.
        name: of the model.
        licence: of the weights.
        dataset: name of the dataset.
    """
    scores = [
        f"| {metric.replace('_', ' ')} | "
        + " | ".join(_number(run.percent(average, metric)) for average in AVERAGES)
        + " |"
        for metric in METRICS
    ]
    classes = [
        f"| {plain(row['class'])} | {row['positives']:,} | "
        f"{_number(run.class_percent(row['class']))} |"
        for row in run.metrics["per_class"]
    ]
    bands = [
        f"| {i} | {band} | {config.statistics[band].mean:.5f} | {config.statistics[band].std:.5f} |"
        for i, band in enumerate(config.bands)
    ]
    facts = run.facts
    recipe = {
        **facts["recipe"],
        "train patches": facts["dataset"]["patches"]["train"],
        "device": facts["device"],
        **{f"version of {key}": value for key, value in facts["versions"].items()},
    }
    return _CARD.read_text(encoding="utf-8").format(
        name=plain(name),
        model=config.model,
        dataset=plain(dataset),
        images=_IMAGES[run.modality],
        patches=run.metrics["patches"],
        present=run.metrics["classes_present"],
        scores="\n".join(scores),
        seed_words=f"{len(seeds)} seeds ({', '.join(map(str, seeds))})"
        if len(seeds) > 1
        else f"one seed ({seeds[0]})",
        validation=100 * run.validation[MONITORED],
        best_epoch=facts["best_epoch"],
        epochs=facts["epochs"],
        classes="\n".join(classes),
        channels=len(config.bands),
        bands="\n".join(bands),
        size=f", img_size={SIZE_PX}" if needs_size(config.model) else "",
        prefix=PREFIX,
        recipe="\n".join(f"- {key.replace('_', ' ')}: {value}" for key, value in recipe.items()),
        licence=plain(licence),
        licence_tag=licence.lower(),
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"  # noqa: RUF001
