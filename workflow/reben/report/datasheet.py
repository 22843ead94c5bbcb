"""What to know before using a dataset: a sentence, files, how to load and cite it, its limits.

In: facts about a finished build. Out: words for the first page. Splits and limits are those of the
card (`reben.publish.card`), so that both say the same.
"""

import html
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reben.domain.bands import S2_BANDS
from reben.publish.card import write_card
from reben.publish.forms import HOLDS
from reben.results.facts import METHOD, Facts
from reben.results.finished import FinishedBuild
from reben.results.layout import ARCHIVES, CLEAR_TABLE, LMDB, OBSCURED_TABLE
from reben.runtime.errors import ConfigError

#: Files that a build has, and what they hold; below the results folder.
_OF_BUILD = {
    f"dataset/{CLEAR_TABLE}": "labels and split of every clear patch",
    f"dataset/{OBSCURED_TABLE}": "the same of patches with snow, cloud or shadow",
    f"dataset/{LMDB}": "images by patch name",
    "dataset/class_counts.csv": "patches by class and split",
    "dataset/funnel.csv": "what became of every patch",
    "dataset/quality.csv": "verdicts on the products",
}
#: Files that are made on request.
_ON_REQUEST = {
    "dataset/README.md": "the card of the dataset",
    "dataset/croissant.json": "description for machine learning tools (Croissant)",
    "dataset/collection.json": "STAC collection",
    "dataset/items.parquet": "STAC items",
    "dataset/overview.png": "the dataset in one picture",
    "models/table2.html": "scores of the models trained on it",
    **{f"archives/{ARCHIVES[kind]}.tar.zst": holds for kind, holds in HOLDS.items()},
}
#: Sections of the card that the page has, too.
_SECTIONS = ("The splits", "Limits")
_FEW = 5

_LOADER = f"""\
from reben.dataset import BigEarthNet

patches = BigEarthNet(
    "dataset/{CLEAR_TABLE}", "dataset/{LMDB}", split="train"
)
patches[0]["s2"]  # {len(S2_BANDS)} bands of one size, reflectance x 10,000
"""


@dataclass(frozen=True)
class Datasheet:
    """What the first page says about a dataset.

    Attributes:
        sentence: what it is.
        files: name, address from the page, and content of each file.
        loader: code that reads it, run in the results folder.
        citations: what is cited, and how: the dataset, the method.
        licence: SPDX name.
        licence_url: address of its text.
        attribution: required by the inputs.
        sections: title and paragraphs.
    """

    sentence: str
    files: list[tuple[str, str, str]]
    loader: str
    citations: list[tuple[str, str]]
    licence: str
    licence_url: str
    attribution: str
    sections: list[tuple[str, list[str]]]


def write_datasheet(build: FinishedBuild, facts: Facts, files: Collection[str]) -> Datasheet:
    """The datasheet of a dataset.

    Args:
        build: a finished build.
        facts: facts about its dataset.
        files: those that were made on request, below the results folder.

    Raises:
        ConfigError: a file is none that can be linked.
    """
    if unknown := sorted(set(files) - _ON_REQUEST.keys()):
        raise ConfigError(
            f"--files: expected some of {', '.join(_ON_REQUEST)}, found {', '.join(unknown)}"
        )
    card = write_card(facts, "lmdb", build.class_counts)
    linked = {
        path: words for path, words in _OF_BUILD.items() if Path(build.layout.root, path).exists()
    }
    linked |= {path: words for path, words in _ON_REQUEST.items() if path in files}
    return Datasheet(
        sentence=describe(facts, build.class_counts, build.patch_side_m),
        files=[(path.rpartition("/")[2], f"../{path}", words) for path, words in linked.items()],
        loader=_LOADER,
        citations=[("The dataset", facts.citation or cite(facts)), ("The method", METHOD)],
        licence=facts.licence,
        licence_url=facts.licence_url,
        attribution=facts.attribution,
        sections=[(title, section(card, title)) for title in _SECTIONS],
    )


def cite(facts: Facts) -> str:
    """How to cite a dataset whose config does not say it: name, version, year."""
    version = f", version {facts.version}" if facts.version else ""
    return f"{facts.name}{version}{f', {facts.published:%Y}' if facts.published else ''}"


def describe(facts: Facts, class_counts: Sequence[dict[str, Any]], patch_side_m: int) -> str:
    """A dataset in one sentence: where, when, what, and what is known of it."""
    where = f"from {_number(len(facts.tiles), 'tile')}"
    if len(facts.countries) > _FEW:
        where += f" in {len(facts.countries)} countries"
    elif facts.countries:
        *others, last_one = facts.countries
        where += f" in {', '.join(others)} and {last_one}" if others else f" in {last_one}"
    first, last = f"{facts.first:%Y-%m-%d}", f"{facts.last:%Y-%m-%d}"
    when = f"sensed on {first}" if first == last else f"sensed from {first} to {last}"
    radar = ", paired with Sentinel-1 (VV, VH)" if facts.with_sentinel1 else ""
    present = sum(row["total"] > 0 for row in class_counts)
    side = f"{patch_side_m / 1000:g}"
    return (
        f"{_number(facts.patches, 'patch', 'patches')} of {side} by {side} km {where}, {when}: "
        f"{len(S2_BANDS)} bands of Sentinel-2{radar}, with pixel-level land cover from "
        f"{facts.land_cover} and {_number(present, 'class', 'classes')}."
    )


def section(card: str, title: str) -> list[str]:
    """The paragraphs of a section of a Markdown text, as plain text."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", card, re.MULTILINE | re.DOTALL)
    text = re.sub(r"\\([\\`*_\[\]|#~])", r"\1", found[1] if found else "")
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    return [html.unescape(part) for part in paragraphs if part]


def _number(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
