"""The dataset card: what to know before using the dataset, in Markdown."""

from pathlib import Path
from typing import Any

from reben.domain.split_geometry import SPLITS
from reben.results.facts import ATTRIBUTION, METHOD, Facts

#: The template of the card.
_CARD = Path(__file__).with_name("card.md")


def write_card(facts: Facts, class_counts: list[dict[str, Any]]) -> str:
    """The card as Markdown.

    Args:
        facts: facts about the dataset.
        class_counts: rows of ``class_counts.csv``.
    """
    figures = {"all": facts.patches} | facts.by_split | {"with Sentinel-1": facts.with_sentinel1}
    rows = [
        f"| {row['class']} | " + " | ".join(f"{row[key]:,}" for key in (*SPLITS, "total")) + " |"
        for row in class_counts
    ]
    citations = [facts.citation] if facts.citation else []
    return _CARD.read_text(encoding="utf-8").format(
        name=facts.name,
        version=facts.version,
        summary=facts.summary,
        figures="\n".join(f"| {name} | {count:,} |" for name, count in figures.items()),
        first=facts.first,
        last=facts.last,
        countries=f" Countries: {', '.join(facts.countries)}." if facts.countries else "",
        clear=facts.clear,
        obscured=facts.patches - facts.clear,
        classes="\n".join(rows),
        licence=facts.licence,
        licence_url=facts.licence_url,
        attribution=ATTRIBUTION,
        citation="\n\n".join([*citations, f"The method: {METHOD}."]),
    )
