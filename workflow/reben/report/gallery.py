"""The patches that the report shows, with pictures, labels and fate."""

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from reben.domain.names import PatchName, ProductName
from reben.domain.reasons import TOO_FEW_LABELLED
from reben.domain.tables import SENTINEL1, read_tables
from reben.pictures.painting import Picture, corine_classes, rgb_of
from reben.pictures.palette import DROPPED_COLOURS, OBSCURED_COLOUR, SPLIT_COLOURS, STATE_COLOURS
from reben.pictures.patch_images import (
    backscatter,
    choose_patches,
    codes_shown,
    has_images,
    reference_map,
    true_colour,
)
from reben.results.finished import FinishedBuild


@dataclass(frozen=True)
class View:
    """One picture of a patch: its title, and the image as a data URI."""

    title: str
    uri: str


@dataclass(frozen=True)
class Card:
    """A patch of the gallery.

    Attributes:
        names: name of the patch and of its Sentinel-1 patch.
        place: tile, column and row as readable text.
        fate: its split, or why it was dropped.
        colour: colour of the fate.
        facts: short lines about it.
        views: its pictures.
        classes: labels, each with its colours in the reference map.
        unlabelled: the same for CORINE classes outside the nomenclature.
    """

    names: list[str]
    place: str
    fate: str
    colour: str
    facts: list[str]
    views: list[View]
    classes: list[tuple[str, list[str]]]
    unlabelled: list[tuple[str, list[str]]]


class Gallery:
    """Makes the cards of a build.

    Args:
        build: a finished build.
        classes: class by CORINE code.
        sentinel1: folder of the Sentinel-1 patches, if the build has any.
    """

    def __init__(
        self, build: FinishedBuild, classes: dict[int, str], sentinel1: Path | None
    ) -> None:
        self._build = build
        self._classes = classes
        self._sentinel1 = sentinel1
        pairs = map(build.layout.sentinel1, build.tiles)
        found = read_tables((p for p in pairs if p.exists()), SENTINEL1)
        self._folders = dict(found.select("patch_id", "folder").rows()) if sentinel1 else {}

    def cards(self, patches: pl.DataFrame, kept: int, dropped: int) -> list[Card]:
        """Cards of some patches whose images exist.

        Args:
            patches: rows of `FinishedBuild.patches`.
            kept: how many from the dataset, without snow or cloud if possible.
            dropped: how many partly labelled ones, those closest to the limit first.
        """
        in_dataset = patches.filter(pl.col("dropped_for").is_null())
        clear = in_dataset.filter(~pl.col("obscured"))
        source = clear if len(clear) else in_dataset
        partly = patches.filter(
            pl.col("dropped_for") == TOO_FEW_LABELLED, pl.col("labelled_fraction") > 0
        ).sort("labelled_fraction", "patch_id", descending=[True, False])
        # A gallery needs a few patches of each tile; half a million candidates would be slow.
        some = source.group_by("tile", maintain_order=True).head(400)
        chosen = choose_patches(some.select("patch_id", "tile", "labels"), kept)
        chosen += partly.head(dropped)["patch_id"].to_list()
        rows = {
            row["patch_id"]: row
            for row in patches.filter(pl.col("patch_id").is_in(chosen)).iter_rows(named=True)
        }
        return [self._card(rows[p]) for p in chosen if has_images(self._build.layout.patch(p))]

    def _card(self, row: dict[str, object]) -> Card:
        patch = str(row["patch_id"])
        layout = self._build.layout
        maps = layout.reference_map(patch)
        images = layout.patch(patch)
        views = [View("Sentinel-2", webp(true_colour(images)))]
        if patch in self._folders and self._sentinel1:
            views.append(
                View("Sentinel-1", webp(backscatter(self._sentinel1 / self._folders[patch])))
            )
        views.append(View("Reference map", png(reference_map(maps))))
        colours: dict[str, list[str]] = {}
        unlabelled: dict[str, list[str]] = {}
        for code in codes_shown(maps):
            title, colour = corine_classes().get(code, (f"CORINE {code}", "#bebebe"))
            target = colours if code in self._classes else unlabelled
            target.setdefault(self._classes.get(code, title), []).append(colour)
        facts = [f"{row['labelled_fraction']:.1%} labelled"]
        facts += [str(row["country"])] if row["country"] else []
        if row["obscured"]:
            facts.append("has snow, cloud or shadow")
        fate = str(row["dropped_for"] or row["split"])
        name = PatchName.parse(patch)
        mgrs = ProductName.parse(name.tile).mgrs
        return Card(
            names=[patch, *([str(row["s1_name"])] if row["s1_name"] else [])],
            place=f"{mgrs} {name.place}",
            fate=fate,
            colour=STATE_COLOURS[fate],
            facts=facts,
            views=views,
            classes=sorted(colours.items()),
            unlabelled=sorted(unlabelled.items()),
        )


def map_of_patches(patches: pl.DataFrame, count: int, *, rejected: bool) -> str:
    """A tile as a small PNG data URI, one pixel per patch, coloured by its fate.

    Patches with snow, cloud or shadow are half white.

    Args:
        patches: rows of `FinishedBuild.patches` of one tile.
        count: patches along a side.
        rejected: whether the product is rejected and so has no patches.
    """
    names = list(STATE_COLOURS)
    index = np.zeros((count, count), np.uint8)
    index[:] = names.index(next(iter(DROPPED_COLOURS))) if rejected else 0
    fates = patches.select(
        pl.coalesce("dropped_for", "split").replace_strict(
            {name: i for i, name in enumerate(names)}, return_dtype=pl.UInt8
        )
        + pl.when(pl.col("obscured").fill_null(False)).then(len(names)).otherwise(0)
    ).to_series()
    index[patches["row"].to_numpy(), patches["col"].to_numpy()] = fates.to_numpy()
    plain = [rgb_of(colour) for colour in STATE_COLOURS.values()]
    white = rgb_of(OBSCURED_COLOUR)
    pale = [tuple((a + 2 * b) // 3 for a, b in zip(c, white, strict=True)) for c in plain]
    image = Image.fromarray(index)
    image.putpalette([value for colour in [*plain, *pale] for value in colour])
    return _uri(image, "png", optimize=True)


def swatch_of_obscured() -> str:
    """A split's colour for patches with snow or cloud."""
    red, green, blue = rgb_of(SPLIT_COLOURS["train"])
    return f"#{(red + 510) // 3:02x}{(green + 510) // 3:02x}{(blue + 510) // 3:02x}"


def webp(picture: Picture) -> str:
    """A photo-like picture as a data URI."""
    return _uri(Image.fromarray(picture), "webp", quality=82, method=4)


def png(picture: Picture) -> str:
    """A picture of few colours as a data URI."""
    return _uri(
        Image.fromarray(picture).quantize(64, dither=Image.Dither.NONE), "png", optimize=True
    )


def fates_of(cards: Iterable[Card]) -> list[str]:
    """The fates that occur on the cards, in legend order."""
    found = {card.fate for card in cards}
    return [fate for fate in STATE_COLOURS if fate in found]


def _uri(image: Image.Image, media: str, **options: object) -> str:
    data = io.BytesIO()
    image.save(data, media, **options)
    return f"data:image/{media};base64,{base64.b64encode(data.getvalue()).decode()}"
