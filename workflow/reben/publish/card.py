"""The dataset card: what to know before using the dataset, in Markdown."""

import html
import re
from pathlib import Path
from typing import Any

from reben.domain.split_geometry import SPLITS
from reben.land_cover.legend import corine_legend
from reben.results.facts import METHOD, Facts

#: The template of the card.
_CARD = Path(__file__).with_name("card.md")


#: What is true of the land cover besides its errors.
_LIMITS = "whose date may differ from that of the images"
_LIMITS_OF_CORINE = "whose smallest unit is 25 ha and whose date differs from that of the images"
#: What Markdown or HTML would take for more than text.
_MARKS = re.compile(r"([\\`*_\[\]|#~])")
#: The begin of an HTML tag; not of an address in angle brackets.
_TAG = re.compile(r"<(?!https?://[^<>\s]*>)")


def plain(text: str) -> str:
    """A text from outside as Markdown that shows just this text."""
    return _MARKS.sub(r"\\\1", html.escape(text, quote=False))


def write_card(
    facts: Facts, class_counts: list[dict[str, Any]], sentinel1: str | None = None
) -> str:
    """The card as Markdown.

    Args:
        facts: facts about the dataset.
        class_counts: rows of ``class_counts.csv``.
        sentinel1: where the Sentinel-1 patches come from, if it is to be said.
    """
    figures = {"all": facts.patches} | facts.by_split | {"with Sentinel-1": facts.with_sentinel1}
    rows = [
        f"| {plain(row['class'])} | "
        + " | ".join(f"{row[key]:,}" for key in (*SPLITS, "total"))
        + " |"
        for row in class_counts
    ]
    is_corine = facts.land_cover == corine_legend().map_name
    citations = [_TAG.sub("&lt;", facts.citation)] if facts.citation else []
    return _CARD.read_text(encoding="utf-8").format(
        name=facts.name,
        version=facts.version,
        summary=facts.summary,
        figures="\n".join(f"| {name} | {count:,} |" for name, count in figures.items()),
        first=facts.first,
        last=facts.last,
        countries=f" Countries: {', '.join(map(plain, facts.countries))}."
        if facts.countries
        else "",
        sentinel1=f" Sentinel-1 patches: {plain(sentinel1)}." if sentinel1 else "",
        clear=facts.clear,
        obscured=facts.patches - facts.clear,
        classes="\n".join(rows),
        licence=facts.licence,
        licence_url=facts.licence_url,
        attribution=plain(facts.attribution),
        land_cover=plain(facts.land_cover),
        limits=_LIMITS_OF_CORINE if is_corine else _LIMITS,
        citation="\n\n".join([*citations, f"The method: {METHOD}."]),
    )
