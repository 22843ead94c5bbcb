"""The pages of the report, from templates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import shapely

from reben.domain.names import ProductName
from reben.domain.reasons import SNOW_CLOUD_OR_SHADOW
from reben.domain.split_geometry import SPLITS
from reben.domain.verdict import Verdict
from reben.pictures.palette import DROPPED_COLOURS, STATE_COLOURS
from reben.report import charts, counts, distances, provenance, world_map
from reben.report.environment import page_templates
from reben.report.gallery import Gallery, fates_of, map_of_patches, swatch_of_obscured
from reben.results.finished import FinishedBuild

#: Cards on the first page and on a tile's page: from the dataset, and partly labelled.
_INDEX_CARDS = (18, 6)
_TILE_CARDS = (9, 3)


@dataclass(frozen=True)
class TileLink:
    """A tile on the first page: its picture and link."""

    tile: str
    mgrs: str
    date: str
    note: str
    uri: str


class Writer:
    """Writes the pages of one build.

    Args:
        build: a finished build.
        name: name of the dataset.
        version: version of the dataset, or empty.
        classes: the nomenclature's classes, in its order.
        gallery: makes the cards.
        outlines: country outlines, degrees; may be empty.
        manifest: what the audit recorded, or None.
    """

    def __init__(
        self,
        build: FinishedBuild,
        *,
        name: str,
        version: str,
        classes: list[str],
        gallery: Gallery,
        outlines: Sequence[shapely.Geometry],
        manifest: dict[str, Any] | None,
    ) -> None:
        self._build = build
        self._name = name
        self._classes = classes
        self._gallery = gallery
        self._outlines = outlines
        self._manifest = manifest
        self._pages = page_templates(name, version)
        self._pages.globals |= {
            "splits": SPLITS,
            "colours": STATE_COLOURS,
            "obscured": SNOW_CLOUD_OR_SHADOW,
            "obscured_colour": swatch_of_obscured(),
        }

    def index(self) -> str:
        """The page of the whole dataset."""
        build = self._build
        dataset = build.patches.filter(pl.col("dropped_for").is_null())
        ways = distances.compare_splits(dataset)
        cards = self._gallery.cards(build.patches, *_INDEX_CARDS)
        clear = build.metadata.filter(~pl.col("obscured"))
        pairs = counts.co_occurrence(clear, self._classes)
        return self._pages.get_template("index.html.jinja").render(
            total=build.funnel[-1],
            products=len(build.verdicts),
            accepted=sum(verdict.accepted for verdict in build.verdicts),
            with_sentinel1=int(build.metadata["s1_name"].is_not_null().sum()),
            flags_unknown=counts.snow_cloud_unknown(build),
            funnel=counts.funnel_bars(build.funnel[-1]),
            split_bars=counts.split_bars(build.metadata),
            legend=[bar for bar in counts.states_shown(build) if bar.name in STATE_COLOURS],
            class_counts=build.class_counts,
            largest=max((row["total"] for row in build.class_counts), default=0),
            countries=counts.country_counts(build.metadata),
            heatmap=charts.heatmap(pairs) if pairs.classes else "",
            map=world_map.tile_map(build, self._outlines),
            tiles=[self._link(v, p) for v, p in build.by_tile()],
            ways=ways,
            next_door=distances.NEXT_DOOR * build.patch_side_m / 1000,
            histograms=[charts.histogram(ways, way, build.patch_side_m) for way in ways],
            patch_side_m=build.patch_side_m,
            cards=cards,
            fates=fates_of(cards),
            verdicts=build.verdicts,
            reasons=list(DROPPED_COLOURS),
            funnel_rows=build.funnel,
            provenance=provenance.records(self._manifest) if self._manifest else [],
            warnings=self._manifest["warnings"] if self._manifest else [],
        )

    def tile(self, verdict: Verdict, patches: pl.DataFrame) -> str:
        """The page of one tile.

        Args:
            verdict: verdict on its product.
            patches: rows of `FinishedBuild.patches` of the tile.
        """
        build = self._build
        row = next(row for row in build.funnel if row["tile"] == verdict.tile)
        metadata = build.metadata.filter(pl.col("patch_id").str.starts_with(verdict.tile))
        cards = self._gallery.cards(patches, *_TILE_CARDS)
        clear = metadata.filter(~pl.col("obscured"))
        present = clear.select(pl.col("labels").explode(empty_as_null=False)).to_series()
        by_class = dict(present.value_counts().rows())
        return self._pages.get_template("tile.html.jinja").render(
            verdict=verdict,
            link=self._link(verdict, patches),
            row=row,
            funnel=counts.funnel_bars(row),
            split_bars=counts.split_bars(metadata),
            legend=[name for name in STATE_COLOURS if name in _fates(row, metadata)],
            class_counts=[(name, by_class.get(name, 0)) for name in self._classes],
            largest=max(by_class.values(), default=0),
            patch_side_m=build.patch_side_m,
            cards=cards,
            fates=fates_of(cards),
        )

    def _link(self, verdict: Verdict, patches: pl.DataFrame) -> TileLink:
        name = ProductName.parse(verdict.tile)
        count = self._build.grid(verdict).count
        rejected = not verdict.accepted
        kept = patches["dropped_for"].null_count()
        return TileLink(
            tile=verdict.tile,
            mgrs=name.mgrs,
            date=f"{name.sensing[:4]}-{name.sensing[4:6]}-{name.sensing[6:8]}",
            note="rejected" if rejected else f"{kept:,} of {count**2:,}",
            uri=map_of_patches(patches, count, rejected=rejected),
        )


def _fates(row: dict[str, Any], metadata: pl.DataFrame) -> set[str]:
    """What became of the patches of a tile: its splits, and reasons to drop."""
    return {*metadata["split"].unique(), *(name for name in DROPPED_COLOURS if row[name])}
