"""The dataset card: what to know before using the dataset, in Markdown.

It begins with the YAML that dataset hubs read: name, licence, size, and which tables to load.
"""

import html
import json
import re
from pathlib import Path
from typing import Any

from reben.domain.split_geometry import SPLITS
from reben.land_cover.legend import corine_legend
from reben.results.facts import METHOD, Facts

_TEMPLATES = Path(__file__).with_name("templates")
#: Sizes as hubs name them: fewer patches than this.
_SIZES = {
    1_000: "n<1K",
    10_000: "1K<n<10K",
    100_000: "10K<n<100K",
    1_000_000: "100K<n<1M",
    10_000_000: "1M<n<10M",
}
#: Licences that hubs know by their SPDX name in lower case; they want to hear more of others.
_KNOWN_LICENCES = {
    *("apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0"),
    *("cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0", "etalab-2.0", "lgpl-3.0"),
    *("cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0"),
}
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
    facts: Facts, form: str, class_counts: list[dict[str, Any]], sentinel1: str | None = None
) -> str:
    """The card as Markdown.

    Args:
        facts: facts about the dataset.
        form: how it is published, the name of a `Form`: ``lmdb`` or ``archives``.
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
    is_corine = facts.land_cover_credit == corine_legend().credit
    citations = [_TAG.sub("&lt;", facts.citation)] if facts.citation else []
    clear, obscured = facts.clear, facts.patches - facts.clear
    return _template("card").format(
        title=json.dumps(facts.name, ensure_ascii=False),  # a text of YAML, too
        licence_lines=_licence_lines(facts),
        size=next((size for limit, size in _SIZES.items() if facts.patches < limit), "n>10M"),
        images=_template(form).format(clear=clear, obscured=obscured).strip(),
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
        classes="\n".join(rows),
        licence=facts.licence,
        licence_url=facts.licence_url,
        attribution=plain(facts.attribution),
        land_cover=plain(facts.land_cover),
        limits=_LIMITS_OF_CORINE if is_corine else _LIMITS,
        citation="\n\n".join([*citations, f"The method: {METHOD}."]),
    )


def _template(name: str) -> str:
    return (_TEMPLATES / f"{name}.md").read_text(encoding="utf-8")


def _licence_lines(facts: Facts) -> str:
    """The licence as hubs want it, YAML."""
    name = facts.licence.lower()
    if name in _KNOWN_LICENCES:
        return f"license: {name}"
    return f"license: other\nlicense_name: {json.dumps(name)}\nlicense_link: {facts.licence_url}"
