"""Step assign_country: the nearest country of each patch.

In: the patches of all tiles and country outlines. Out: `tables.COUNTRIES` of the valid
patches. Distances are from the patch's square to the outline in the tile's UTM zone, as
BigEarthNet v2 does with ten countries and Natural Earth 1:110m; a tie goes to the first
by name.
"""

import logging
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from reben.domain.lon_lat import unwrapped
from reben.domain.tables import COUNTRIES, PATCHES, read_tables, write_table
from reben.results.tile_paths import TilePaths
from reben.runtime import cli
from reben.runtime.errors import VectorError
from reben.storage.vector_layer import Features, VectorLayer

log = logging.getLogger(__name__)

#: Beyond this many degrees from the zone's meridian, UTM coordinates are meaningless.
_REACH_DEG = 60
#: Patches compared at a time with the outlines around them: a part of a tile.
_CHUNK = 1000


def open_countries(
    path: str | os.PathLike[str], name_column: str | None = None, layer: str | None = None
) -> tuple[VectorLayer, str]:
    """The layer of country outlines and its column of names; arguments as for `read_countries`.

    Raises:
        VectorError: unreadable, several layers, or no such column.
    """
    source = VectorLayer.open(path, "countries.layer", layer, "country outlines in a vector file")
    column = name_column or next((f for f in source.fields if f.lower() == "name"), None)
    if column not in source.fields:
        raise VectorError(
            f"{path}: expected a column {name_column or 'name'!r} with country names, found "
            f"{source.fields}; set countries.name_column"
        )
    return source, column


def check_names(
    source: VectorLayer, column: str, known: Iterable[str], names: Iterable[str]
) -> None:
    """Check that the layer has the countries that are asked for.

    Raises:
        VectorError: one is missing.
    """
    known = sorted(set(known))
    if missing := sorted(set(names) - set(known)):
        raise VectorError(
            f"{source.path}: expected the countries {missing}, but column {column!r} does not have "
            f"them; it has {', '.join(known[:12])}, ..."
        )


def read_countries(
    path: str | os.PathLike[str],
    name_column: str | None = None,
    names: Sequence[str] = (),
    layer: str | None = None,
) -> dict[str, shapely.Geometry]:
    """Country outlines in longitude and latitude by name, sorted by name.

    Args:
        path: a vector layer of polygons.
        name_column: column of the names; ``name`` in any case if None.
        names: countries to use; all if empty.
        layer: where the file has several of polygons.

    Raises:
        VectorError: unreadable, several layers, no such column, no polygons, or a name that the
            layer does not have.
    """
    source, column = open_countries(path, name_column, layer)
    features = source.read(column)
    to_degrees = Transformer.from_crs(source.crs, "EPSG:4326", always_xy=True)
    outlines = shapely.transform(features.shapes, to_degrees.transform, interleaved=False)
    # Before repair, which would cut a ring round the globe as it stands.
    outlines = np.array([unwrapped(outline) for outline in outlines], object)
    outlines, values = _areas(source, _valid(outlines), features)
    # Unnamed land belongs to no country.
    named = np.array([None if value is None else str(value) for value in values], object)
    known = sorted(set(named) - {None})
    check_names(source, column, known, names)
    return {name: shapely.union_all(outlines[named == name]) for name in sorted(names or known)}


def _areas(
    source: VectorLayer, outlines: NDArray[Any], features: Features
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The outlines that have an area, and their names: a city or a river is no country."""
    areas = shapely.area(outlines) > 0
    if not areas.any():
        raise VectorError(
            f"{source.where}: expected polygons of countries, found none among its "
            f"{len(areas)} features; set countries.layer or countries.path"
        )
    if not areas.all():
        log.warning(
            "%s: %d of %d features are no polygons and are left out, such as feature %d (%s)",
            source.where,
            (~areas).sum(),
            len(areas),
            features.ids[~areas][0],
            features.values[~areas][0],
        )
    return outlines[areas], features.values[areas]


def nearest_country(
    squares: NDArray[np.int64], epsg: int, countries: dict[str, shapely.Geometry]
) -> list[str]:
    """The country nearest to each square.

    Args:
        squares: (n, 4) x_min, y_min, x_max, y_max in the zone.
        epsg: the UTM zone.
        countries: outlines in degrees by name, sorted by name.

    Returns:
        n names.

    Raises:
        VectorError: no outline is near the zone.
    """
    to_zone = Transformer.from_crs("EPSG:4326", f"EPSG:{epsg}", always_xy=True)
    meridian = 6 * (epsg % 100) - 183
    near = {name: _around(outline, meridian) for name, outline in countries.items()}
    names = [name for name, outline in near.items() if not outline.is_empty]
    if not names:
        raise VectorError(f"no country outline is within {_REACH_DEG}° of EPSG:{epsg}")
    outlines = np.array([near[name] for name in names])
    outlines = _valid(shapely.transform(outlines, to_zone.transform, interleaved=False))
    boxes = shapely.box(*squares.T)
    return [
        names[i]
        for start in range(0, len(boxes), _CHUNK)
        for i in _nearest(boxes[start : start + _CHUNK], outlines)
    ]


def _nearest(boxes: NDArray[Any], outlines: NDArray[Any]) -> NDArray[np.intp]:
    """The index of the outline nearest to each box; the first one in a tie.

    Only outlines that can be nearest to one of the boxes are considered: at 1:10m they have
    half a million vertices, most of them on other continents.
    """
    hull = shapely.box(*shapely.total_bounds(boxes))
    apart = shapely.distance(outlines, hull)
    # No point in the hull is further than half its length from the point in it that is
    # nearest to an outline.
    reach = apart.min() + shapely.length(hull) / 2
    candidates = np.flatnonzero(apart <= reach)
    around = shapely.intersection(
        outlines[candidates], shapely.box(*shapely.buffer(hull, reach).bounds)
    )
    nearest: NDArray[np.intp] = np.argmin(shapely.distance(around[:, None], boxes), axis=0)
    return candidates[nearest]


def _around(outline: shapely.Geometry, meridian: int) -> shapely.Geometry:
    """The part of an outline (degrees) within reach of a meridian, also across 180°."""
    reach = shapely.box(meridian - _REACH_DEG, -85, meridian + _REACH_DEG, 85)
    if shapely.within(outline, reach):
        return outline
    turned = [shapely.transform(outline, lambda xy, t=t: xy + (t, 0)) for t in (-360, 0, 360)]
    return shapely.union_all(shapely.intersection(turned, reach))


def _valid(shapes: NDArray[Any]) -> NDArray[Any]:
    """The shapes, repaired where they cross themselves."""
    invalid = ~shapely.is_valid(shapes)
    shapes[invalid] = shapely.make_valid(shapes[invalid], method="structure", keep_collapsed=False)
    return shapes


def assign_country(patches: pl.DataFrame, countries: dict[str, shapely.Geometry]) -> pl.DataFrame:
    """Rows of `tables.COUNTRIES` for the patches, sorted by patch_id."""
    parts = []
    for (epsg,), part in patches.group_by("epsg", maintain_order=True):
        squares = part.select("x_min", "y_min", "x_max", "y_max").to_numpy()
        names = nearest_country(squares, int(str(epsg)), countries)
        parts.append(
            part.select("patch_id").with_columns(country=pl.Series(names, dtype=pl.String))
        )
    if not parts:
        return pl.DataFrame(schema={"patch_id": pl.String, "country": pl.String})
    return pl.concat(parts).sort("patch_id")


def main(argv: Sequence[str] | None = None) -> None:
    """Find the country of the patches of all tiles."""
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--patches", nargs="+", action=TilePaths, required=True, help="tables of all tiles"
    )
    parser.add_argument("--countries", required=True, help="outlines (vector file)")
    parser.add_argument("--layer", help="layer, where the file has several of polygons")
    parser.add_argument("--name-column", help="column of the names, if it is not `name`")
    parser.add_argument("--names", nargs="*", default=[], help="countries to choose from, or all")
    parser.add_argument("--out", required=True, help="country of each patch (Parquet)")
    args = parser.parse_args(argv)

    countries = read_countries(args.countries, args.name_column, args.names, args.layer)
    frame = assign_country(read_tables(args.patches, PATCHES).filter("valid"), countries)
    write_table(args.out, frame, COUNTRIES)
    counts = sorted(frame["country"].value_counts().iter_rows())
    log.info(", ".join(f"{count} {name}" for name, count in counts))


if __name__ == "__main__":
    cli.run(main)
