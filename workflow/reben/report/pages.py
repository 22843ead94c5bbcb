"""The pages of the report, from templates."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import shapely

from reben.domain.names import ProductName
from reben.domain.reasons import SNOW_CLOUD_OR_SHADOW
from reben.domain.split_geometry import SPLITS
from reben.domain.tables import CODE_COUNTS, read_table
from reben.domain.verdict import Verdict
from reben.pictures.palette import DROPPED_COLOURS, STATE_COLOURS
from reben.report import charts, counts, distances, provenance, rows, world_map
from reben.report.datasheet import Datasheet
from reben.report.environment import page_templates
from reben.report.gallery import Card, Sheet, fates_of, map_of_patches, swatch_of_obscured
from reben.results.facts import Facts
from reben.results.finished import FinishedBuild


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
        facts: facts about the dataset.
        classes: class by code of the land cover.
        has_sentinel1: whether Sentinel-1 was asked for.
    """

    def __init__(
        self, build: FinishedBuild, facts: Facts, classes: dict[int, str], *, has_sentinel1: bool
    ) -> None:
        self._build = build
        self._classes = classes
        self._names = list(dict.fromkeys(classes.values()))
        self._pages = page_templates(facts.name, facts.version)
        self._pages.globals |= {
            "land_cover": facts.land_cover,
            "credit": facts.land_cover_credit,
            "splits": SPLITS,
            "colours": STATE_COLOURS,
            "obscured": SNOW_CLOUD_OR_SHADOW,
            "obscured_colour": swatch_of_obscured(),
            "patch_side_m": build.patch_side_m,
            "has_sentinel1": has_sentinel1,
        }

    def index(
        self,
        datasheet: Datasheet,
        strip: Sequence[Card],
        sheets: Sequence[Sheet],
        outlines: Mapping[str, shapely.Geometry],
        manifest: dict[str, Any] | None,
    ) -> str:
        """The page of the whole dataset.

        Args:
            datasheet: what to know about it.
            strip: a few patches for the first screen.
            sheets: thumbnails of patches of the dataset.
            outlines: country outlines by name, degrees; may be empty.
            manifest: what the audit recorded, or None.
        """
        build = self._build
        dataset = build.patches.filter(pl.col("dropped_for").is_null())
        ways = distances.compare_splits(dataset)
        clear = build.metadata.filter(~pl.col("obscured"))
        pairs = counts.co_occurrence(clear, self._names)
        packed = rows.dataset_rows(build, self._names)
        return self._pages.get_template("index.html.jinja").render(
            sheet=datasheet,
            strip=strip,
            rows=rows.pack(packed),
            sheets=json.dumps(rows.numbered(sheets, dataset)),
            months=sorted({day[:7] for _, day, _, count in packed["tiles"] if count}),
            skies=counts.skies(build.metadata),
            total=build.funnel[-1],
            products=len(build.verdicts),
            accepted=sum(verdict.accepted for verdict in build.verdicts),
            with_sentinel1=int(build.metadata["s1_name"].is_not_null().sum()),
            flags_unknown=counts.snow_cloud_unknown(build),
            funnel=counts.funnel_bars(build.funnel[-1]),
            split_bars=counts.split_bars(build.metadata),
            legend=[bar for bar in counts.states_shown(build) if bar.name in STATE_COLOURS],
            class_counts=[row for row in build.class_counts if row["total"]],
            empty_classes=[row["class"] for row in build.class_counts if not row["total"]],
            largest=max((row["total"] for row in build.class_counts), default=0),
            countries=counts.country_counts(build.metadata),
            heatmap=charts.heatmap(pairs) if pairs.classes else "",
            map=world_map.tile_map(build, outlines),
            tiles=[self._link(v, p) for v, p in build.by_tile()],
            ways=ways,
            next_door=distances.NEXT_DOOR * build.patch_side_m / 1000,
            histograms=[charts.histogram(ways, way, build.patch_side_m) for way in ways],
            verdicts=build.verdicts,
            funnel_rows=build.funnel,
            provenance=provenance.records(manifest) if manifest else [],
            warnings=manifest["warnings"] if manifest else [],
        )

    def tile(self, verdict: Verdict, patches: pl.DataFrame, cards: Sequence[Card]) -> str:
        """The page of one tile.

        Args:
            verdict: verdict on its product.
            patches: rows of `FinishedBuild.patches` of the tile.
            cards: those of its patches that have pictures.
        """
        build, tile = self._build, verdict.tile
        row = next(row for row in build.funnel if row["tile"] == tile)
        metadata = build.metadata.filter(pl.col("patch_id").str.starts_with(tile))
        clear = metadata.filter(~pl.col("obscured"))
        present = clear.select(pl.col("labels").explode(empty_as_null=False)).to_series()
        by_class = dict(present.value_counts().rows())
        code_counts = read_table(build.layout.code_counts(tile), CODE_COUNTS)
        packed = rows.tile_rows(
            build.grid(verdict), tile, patches, code_counts, self._classes, build.legend
        )
        at = build.tiles.index(tile)
        return self._pages.get_template("tile.html.jinja").render(
            verdict=verdict,
            link=self._link(verdict, patches),
            before=build.tiles[at - 1] if at else None,
            after=build.tiles[at + 1] if at + 1 < len(build.tiles) else None,
            side=build.grid(verdict).count,
            rows=rows.pack(packed),
            row=row,
            funnel=counts.funnel_bars(row),
            split_bars=counts.split_bars(metadata),
            legend=[name for name in STATE_COLOURS if name in _fates(row, metadata)],
            class_counts=[(name, by_class[name]) for name in self._names if name in by_class],
            largest=max(by_class.values(), default=0),
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
            date=name.day,
            note="rejected" if rejected else f"{kept:,} of {count**2:,}",
            uri=map_of_patches(patches, count, rejected=rejected),
        )


def _fates(row: dict[str, Any], metadata: pl.DataFrame) -> set[str]:
    """What became of the patches of a tile: its splits, and reasons to drop."""
    return {*metadata["split"].unique(), *(name for name in DROPPED_COLOURS if row[name])}
