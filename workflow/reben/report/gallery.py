"""The patches that the report shows, with pictures, labels and fate."""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from reben.domain.names import PatchName, ProductName
from reben.domain.reasons import TOO_FEW_LABELLED
from reben.domain.tables import SENTINEL1, read_tables
from reben.domain.verdict import Verdict
from reben.pictures import views
from reben.pictures.painting import Picture, rgb_of
from reben.pictures.palette import DROPPED_COLOURS, OBSCURED_COLOUR, SPLIT_COLOURS, STATE_COLOURS
from reben.pictures.patch_images import choose_patches, codes_shown, has_images
from reben.results.finished import FinishedBuild
from reben.results.scene_classification import scene_classification

#: Side of a thumbnail, pixels.
THUMBNAIL_PX = 60
#: Pictures on a card; the others are on the page of the patch alone.
_ON_CARDS = (views.TRUE_COLOUR, views.SENTINEL1, views.REFERENCE_MAP)


@dataclass(frozen=True)
class Shown:
    """One picture of a patch on a page.

    Attributes:
        title: what it shows.
        uri: the image as a data URI.
        on_card: whether it is on the card, not only on the page of the patch.
        is_map: whether its pixels must stay sharp.
        shares: what its colours mean, where only it says so: name, colour, share of the pixels.
    """

    title: str
    uri: str
    on_card: bool
    is_map: bool
    shares: tuple[tuple[str, str, float], ...]


@dataclass(frozen=True)
class Card:
    """A patch with pictures.

    Attributes:
        patch: its name.
        place: tile, column and row as readable text.
        fate: its split, or why it was dropped.
        colour: colour of the fate.
        facts: short lines about it.
        views: its pictures.
        classes: labels, each with its colours in the reference map.
        unlabelled: the same for land cover outside the nomenclature.
        thumbnail: true colour in small.
    """

    patch: str
    place: str
    fate: str
    colour: str
    facts: list[str]
    views: list[Shown]
    classes: list[tuple[str, list[str]]]
    unlabelled: list[tuple[str, list[str]]]
    thumbnail: Picture

    @property
    def col(self) -> int:
        """Its column in the tile."""
        return PatchName.parse(self.patch).col

    @property
    def row(self) -> int:
        """Its row in the tile."""
        return PatchName.parse(self.patch).row

    @property
    def is_kept(self) -> bool:
        """Whether it is in the dataset."""
        return self.fate in SPLIT_COLOURS


@dataclass(frozen=True)
class Sheet:
    """Thumbnails of patches of one tile, side by side in one image.

    Attributes:
        patches: their names, from the left.
        uri: the image as a data URI.
    """

    patches: list[str]
    uri: str


class Gallery:
    """Makes the cards of a build.

    Args:
        build: a finished build.
        classes: class by code of the land cover.
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

    def cards(self, verdict: Verdict, patches: pl.DataFrame, kept: int, dropped: int) -> list[Card]:
        """Cards of some patches of a tile whose images exist; the others are as in `choose`."""
        chosen = choose(patches, kept, dropped)
        rows = {
            row["patch_id"]: row
            for row in patches.filter(pl.col("patch_id").is_in(chosen)).iter_rows(named=True)
        }
        shown = [rows[p] for p in chosen if has_images(self._build.layout.patch(p))]
        with scene_classification(self._build, verdict) as scene:
            return [self._card(row, scene.of_patch(row["col"], row["row"])) for row in shown]

    def _card(self, row: dict[str, Any], scene: NDArray[np.uint8] | None) -> Card:
        patch = str(row["patch_id"])
        layout, legend = self._build.layout, self._build.legend
        maps = layout.reference_map(patch)
        paired = self._folders.get(patch)
        pictures = views.patch_views(
            layout.patch(patch),
            maps,
            legend,
            self._sentinel1 / paired if self._sentinel1 and paired else None,
            scene,
        )
        colours: dict[str, list[str]] = {}
        unlabelled: dict[str, list[str]] = {}
        for code in codes_shown(maps):
            target = colours if code in self._classes else unlabelled
            label = self._classes.get(code, legend.name(code))
            target.setdefault(label, []).append(legend.colour(code))
        facts = [f"{row['labelled_fraction']:.1%} labelled"]
        facts += [str(row["country"])] if row["country"] else []
        if row["obscured"]:
            facts.append("has snow, cloud or shadow")
        fate = str(row["dropped_for"] or row["split"])
        name = PatchName.parse(patch)
        return Card(
            patch=patch,
            place=f"{ProductName.parse(name.tile).mgrs} {name.place}",
            fate=fate,
            colour=STATE_COLOURS[fate],
            facts=facts,
            views=[
                Shown(
                    view.title,
                    (map_uri if view.is_map else photo_uri)(view.picture),
                    view.title in _ON_CARDS,
                    view.is_map,
                    view.shares,
                )
                for view in pictures
            ],
            classes=sorted(colours.items()),
            unlabelled=sorted(unlabelled.items()),
            thumbnail=thumbnail(pictures[0].picture),
        )


def choose(patches: pl.DataFrame, kept: int, dropped: int) -> list[str]:
    """Patches of a tile that are worth a picture.

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
    # Spread over the tile: of thousands of patches, every so many will do.
    some = source.gather_every(max(1, len(source) // max(400, kept)))
    chosen = choose_patches(some.select("patch_id", "tile", "labels"), kept)
    return chosen + partly.head(dropped)["patch_id"].to_list()


def thumbnail(picture: Picture) -> Picture:
    """A picture in small, `THUMBNAIL_PX` wide."""
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def choose_cards(cards: Sequence[Card], count: int) -> list[Card]:
    """Some of the cards, of as many tiles and with as many classes as possible."""
    by_name = {card.patch: card for card in cards}
    candidates = pl.DataFrame(
        {
            "patch_id": list(by_name),
            "tile": [PatchName.parse(patch).tile for patch in by_name],
            "labels": [[name for name, _ in card.classes] for card in by_name.values()],
        },
        schema={"patch_id": pl.String, "tile": pl.String, "labels": pl.List(pl.String)},
    )
    return [by_name[patch] for patch in choose_patches(candidates, count)]


def sheet(cards: Sequence[Card]) -> Sheet:
    """The thumbnails of cards in one image."""
    pictures = np.hstack([card.thumbnail for card in cards])
    return Sheet([card.patch for card in cards], photo_uri(pictures))


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


def photo_uri(picture: Picture) -> str:
    """A photo-like picture as a data URI."""
    return _uri(Image.fromarray(picture), "webp", quality=82, method=4)


def map_uri(picture: Picture) -> str:
    """A picture of at most 256 colours as a data URI that has exactly these."""
    colours, place = np.unique(picture.reshape(-1, 3), axis=0, return_inverse=True)
    image = Image.fromarray(place.reshape(picture.shape[:2]).astype(np.uint8))
    image.putpalette(colours.ravel().tolist())
    return _uri(image, "png", optimize=True)


def fates_of(cards: Iterable[Card]) -> list[str]:
    """The fates that occur on the cards, in legend order."""
    found = {card.fate for card in cards}
    return [fate for fate in STATE_COLOURS if fate in found]


def _uri(image: Image.Image, media: str, **options: object) -> str:
    data = io.BytesIO()
    image.save(data, media, **options)
    return f"data:image/{media};base64,{base64.b64encode(data.getvalue()).decode()}"
