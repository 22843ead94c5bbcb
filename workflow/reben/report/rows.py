"""The patches of a dataset as compact data in a page, which scripts filter and look up.

In: tables of a finished build. Out: text for a ``<script type="application/json">``: columns as
JSON, compressed, since half a million rows as elements would be a hundred times as large. What
many rows share stands once, and rows name its place.
"""

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from pyproj import Transformer

from reben.domain.grid import TileGrid
from reben.domain.lon_lat import beside
from reben.domain.names import ProductName
from reben.domain.split_geometry import SPLITS
from reben.land_cover.legend import Legend
from reben.pictures.painting import STRIPE
from reben.pictures.palette import STATE_COLOURS
from reben.report.gallery import Sheet
from reben.results.finished import FinishedBuild

#: Places along a side of a tile whose longitude and latitude the page interpolates between.
#: At 11 km, patches of a tile far in the north are 5 m off.
_NODES = 11
#: Bits of the sky of a patch.
_SNOW, _CLOUD = 1, 2


def pack(value: Any) -> str:
    """A value as text that `unpack` of ``common.js`` reads."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def dataset_rows(build: FinishedBuild, classes: list[str]) -> dict[str, Any]:
    """All patches of the dataset, for the first page.

    Args:
        build: a finished build.
        classes: the nomenclature's classes, in its order.

    Returns:
        ``classes``, ``splits``, their ``colours``, ``countries``; ``tiles``: name, day, patches
        along a side, rows of each; ``sets``: classes of the patches that have the same, as places
        in ``classes``; ``facets``: split, country (-1: none) and sky of those that have the same.
        Of each row, by patch_id: ``place``, col * side + row less that of the row before;
        ``set``; ``facet``.
    """
    kept = build.patches.filter(pl.col("dropped_for").is_null())
    # Both are sorted by patch_id.
    kept = kept.with_columns(build.metadata.select(sky=sky()))
    countries = kept["country"].drop_nulls().unique().sort().to_list()
    sides = {verdict.tile: build.grid(verdict).count for verdict in build.verdicts}
    numbers = dict(kept["tile"].value_counts().rows())
    sets, set_of = dictionary(_class_numbers(kept, classes))
    facets, facet_of = dictionary(
        kept.select(
            facet=pl.concat_list(
                number_of(pl.col("split"), list(SPLITS)),
                number_of(pl.col("country"), countries).fill_null(-1),
                pl.col("sky"),
            )
        )["facet"]
    )
    side = pl.col("tile").replace_strict(sides, return_dtype=pl.Int64)
    place = pl.col("col").cast(pl.Int64) * side + pl.col("row")
    steps = kept.select(place=place.diff().over("tile").fill_null(place))["place"]
    tiles = [(tile, _day(tile), sides[tile], numbers.get(tile, 0)) for tile in build.tiles]
    return {
        "classes": classes,
        "splits": list(SPLITS),
        "colours": [STATE_COLOURS[split] for split in SPLITS],
        "countries": countries,
        "tiles": tiles,
        "sets": sets,
        "facets": facets,
        "place": steps.to_list(),
        "set": set_of,
        "facet": facet_of,
    }


def numbered(sheets: Sequence[Sheet], dataset: pl.DataFrame) -> list[dict[str, Any]]:
    """Sheets of thumbnails, with the rows of their patches in `dataset_rows`.

    Args:
        sheets: of patches of the dataset.
        dataset: its patches, sorted by patch_id.
    """
    shown = [patch for sheet in sheets for patch in sheet.patches]
    found = dataset.select("patch_id").with_row_index("row").filter(pl.col("patch_id").is_in(shown))
    row_of = dict(found.select("patch_id", "row").rows())
    return [{"rows": [row_of[p] for p in sheet.patches], "uri": sheet.uri} for sheet in sheets]


def tile_rows(
    grid: TileGrid,
    tile: str,
    patches: pl.DataFrame,
    counts: pl.DataFrame,
    classes: dict[int, str],
    legend: Legend,
) -> dict[str, Any]:
    """All patches of a tile, kept or dropped, for its page.

    Args:
        grid: of the tile.
        tile: its name.
        patches: rows of `FinishedBuild.patches` of the tile.
        counts: rows of `tables.CODE_COUNTS` of the tile.
        classes: class by code.
        legend: what the codes of its reference maps mean.

    Returns:
        ``tile, day, side, epsg, corner`` (x, y of the upper left) and ``side_m`` of a patch;
        ``lon_lat``: degrees of `_NODES` by `_NODES` places, row by row; ``fates``: name and
        colour; ``countries``; ``codes``: name, colours, class or null. Of each patch: ``place``
        (col * side + row), ``fate``, ``dim`` (with snow, cloud or shadow), ``country`` (-1: none),
        ``s1`` (name or null), ``scene`` (percent that are cloud, shadow and snow by the scene
        classification, or nulls) and ``shares``: codes and their pixels, most first.
    """
    fates = list(STATE_COLOURS)
    countries = patches["country"].drop_nulls().unique().sort().to_list()
    shares = (
        counts.sort("patch_id", "pixels", "code", descending=[False, True, False])
        .group_by("patch_id", maintain_order=True)
        .agg(shares=pl.concat_list(pl.col("code", "pixels").cast(pl.Int64)).flatten())
    )
    frame = patches.join(shares, on="patch_id", how="left", maintain_order="left").select(
        place=pl.col("col").cast(pl.Int64) * grid.count + pl.col("row"),
        fate=number_of(pl.coalesce("dropped_for", "split"), fates),
        dim=pl.col("obscured").fill_null(False).cast(pl.Int8),
        country=number_of(pl.col("country"), countries).fill_null(-1),
        s1="s1_name",
        scene=pl.concat_list(
            (pl.col(f"{kind}_fraction") * 100).round(1).fill_nan(None)
            for kind in ("cloud", "shadow", "snow")
        ),
        shares=pl.col("shares").fill_null([]),
    )
    return {
        "tile": tile,
        "day": _day(tile),
        "side": grid.count,
        "epsg": grid.epsg,
        "corner": [grid.x_min, grid.y_max],
        "side_m": grid.patch_side_m,
        "lon_lat": lon_lat_nodes(grid),
        "fates": list(STATE_COLOURS.items()),
        "countries": countries,
        "codes": {
            str(code): [legend.name(code), _colours(code, legend), classes.get(code)]
            for code in counts["code"].unique().sort().to_list()
        },
        **frame.to_dict(as_series=False),
    }


def lon_lat_nodes(grid: TileGrid) -> list[list[float]]:
    """Longitude and latitude of evenly spaced places of the patches' area, row by row from above.

    Longitudes do not jump at the antimeridian: they go past 180 there.
    """
    steps = np.linspace(0, grid.count * grid.patch_side_m, _NODES)
    to_degrees = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    x, y = np.meshgrid(grid.x_min + steps, grid.y_max - steps)
    lon, lat = to_degrees.transform(x.ravel(), y.ravel())
    nodes: list[list[float]] = np.column_stack([beside(lon, lon[0]), lat]).round(6).tolist()
    return nodes


def sky() -> pl.Expr:
    """Bits of a row of `tables.METADATA`: snow, cloud or shadow; unknown counts as neither."""
    snow = pl.col("contains_seasonal_snow").fill_null(False).cast(pl.Int64)
    cloud = pl.col("contains_cloud_or_shadow").fill_null(False).cast(pl.Int64)
    return snow * _SNOW + cloud * _CLOUD


def number_of(column: pl.Expr, names: list[str]) -> pl.Expr:
    """The place of each value in `names`; null stays null."""
    numbers = {name: place for place, name in enumerate(names)}
    return column.replace_strict(numbers, default=None, return_dtype=pl.Int64)


def dictionary(values: pl.Series) -> tuple[list[list[int]], list[int]]:
    """The different lists of a column, sorted, and for each row the place of its own."""
    different = pl.DataFrame({"value": values.unique()}).sort("value").with_row_index("place")
    rows = pl.DataFrame({"value": values}).join(
        different, on="value", how="left", maintain_order="left"
    )
    return different["value"].to_list(), rows["place"].to_list()


def _class_numbers(kept: pl.DataFrame, classes: list[str]) -> pl.Series:
    return kept.select(
        pl.col("labels").list.eval(number_of(pl.element(), classes)).list.sort()
    ).to_series()


def _day(tile: str) -> str:
    return ProductName.parse(tile).day


def _colours(code: int, legend: Legend) -> list[str]:
    """The colours of a code on a reference map: two where it is striped."""
    colour = legend.colour(code)
    return [colour] if code in legend.classes else [colour, STRIPE]
