"""Find products in the CDSE catalogue and write the product table.

In: names, or an area, time and cloud cover. Out: a table with the id, size, checksum and S3
path of each product. Needs no credentials.

With ``--collection1``, a name that the catalogue has no more stands for the newest reprocessing of
the same observation: ESA replaces products of old baselines by Collection-1.

Of several processings of the same observation the newest is taken: highest baseline, then latest
processing time, then latest publication; the log names the others. Where two receiving stations
have taken parts of a tile, both are kept, and the log says so.
"""

import argparse
import json
import logging
import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import shapely
from shapely.errors import ShapelyError

from reben.cdse.catalogue import Catalogue, Entry
from reben.cdse.service import Service
from reben.config.product_table import write_products
from reben.domain.names import SEN2COR_BASELINE, ProductName, parse_time
from reben.runtime import cli
from reben.runtime.errors import ConfigError, DownloadError, ProductError

log = logging.getLogger(__name__)

#: Two products show the same ground if they share so much of what they show together.
_SAME_GROUND = 0.5
_SAME_DAY = timedelta(days=1)
#: The first baseline of Collection-1.
_COLLECTION1 = "N0500"


def find_by_name(
    catalogue: Catalogue, names: Sequence[str], *, collection1: bool = False
) -> list[Entry]:
    """The product of every name; several where they show parts of a tile.

    Args:
        catalogue: where to look.
        names: product names.
        collection1: take the reprocessing of the same observation where a product is gone.

    Raises:
        ProductError: a name is not a product name.
        DownloadError: the catalogue does not have some of them; all are listed.
    """
    for name in names:
        ProductName.parse(name)
    found, missing = [], []
    for name in names:
        matches = catalogue.by_name(name)
        if not matches and collection1:
            matches = reprocessed(catalogue, name)
        if matches:
            found += newest_parts(matches)
        else:
            missing.append(name)
    if missing:
        raise DownloadError(
            f"the catalogue has no product of {len(missing)} of {len(names)} names: "
            f"{', '.join(missing)}. Check the spelling; reprocessed products have a new "
            "baseline and processing time, so try the name without its last part, a search, or "
            "--collection1"
        )
    return found


def reprocessed(catalogue: Catalogue, name: str) -> list[Entry]:
    """What Collection-1 has instead of a product that is gone; says so."""
    found = [
        entry
        for entry in catalogue.by_observation(name)
        if _COLLECTION1 <= ProductName.parse(entry.name).baseline < SEN2COR_BASELINE
    ]
    if found:
        log.warning(
            "%s is not in the catalogue any more; taking its reprocessing for Collection-1, %s. It "
            "has other geometry and a reflectance offset, and cannot give the pixels that were "
            "published",
            name,
            ", ".join(sorted(entry.name for entry in newest_parts(found))),
        )
    return found


def newest_of_each(entries: Iterable[Entry]) -> list[Entry]:
    """The newest processing of every observation, or of each of its parts; sorted."""
    observed: dict[str, list[Entry]] = {}
    for entry in entries:
        observed.setdefault(ProductName.parse(entry.name).observation, []).append(entry)
    return [entry for key in sorted(observed) for entry in newest_parts(observed[key])]


def newest_parts(matches: Sequence[Entry]) -> list[Entry]:
    """The newest processing of one observation, or of each of its parts, sorted by name.

    Those that can be fetched come first.
    """
    parts: list[list[Entry]] = []
    for entry in sorted(matches, key=_age, reverse=True):
        same = next((part for part in parts if not shows_another_part(part[0], entry)), None)
        if same is None:
            parts.append([entry])
        else:
            same.append(entry)
    for newest, *others in parts:
        if others:
            log.warning(
                "%s: %d matches; using the newest processing, not %s",
                newest.name,
                1 + len(others),
                ", ".join(f"{entry.name} ({entry.id})" for entry in reversed(others)),
            )
    taken = sorted((part[0] for part in parts), key=lambda entry: (entry.name, entry.id))
    if len(taken) > 1:
        log.warning(
            "%s: %d parts of the same observation, as two receiving stations took them; all are "
            "kept in the table. Their patches have the same names, so a build takes one of them: "
            "leave one in the table, or make a build of each",
            ", ".join(entry.name for entry in taken),
            len(taken),
        )
    return taken


def shows_another_part(one: Entry, other: Entry) -> bool:
    """Whether two products of the same observation show different parts of the tile.

    By their footprints; without these two of the same baseline do, if hardly any time passed
    between them, since nothing is processed again by the same baseline on the same day.
    """
    ground, other_ground = _polygon(one.footprint), _polygon(other.footprint)
    if ground is not None and other_ground is not None:
        shared = ground.intersection(other_ground).area
        return bool(shared < _SAME_GROUND * ground.union(other_ground).area)
    first, second = ProductName.parse(one.name), ProductName.parse(other.name)
    if (first.baseline, first.level) != (second.baseline, second.level):
        return False
    if first.processing == second.processing or not (first.processing and second.processing):
        return False
    return abs(parse_time(first.processing) - parse_time(second.processing)) < _SAME_DAY


def _polygon(value: Any) -> shapely.Geometry | None:
    """A valid polygon of GeoJSON; None for anything else, which is no reason to stop a search."""
    try:
        shape = shapely.from_geojson(json.dumps(value))
    except (ShapelyError, TypeError, ValueError):
        return None
    return shape if shape is not None and shape.is_valid and shape.area > 0 else None


def _age(entry: Entry) -> tuple[bool, str, str, str, str]:
    name = ProductName.parse(entry.name)
    return entry.online, name.baseline, name.processing or "", entry.published, entry.id


def read_names(path: Path) -> list[str]:
    """Product names from the first column of a text, CSV or TSV file, header or not.

    Raises:
        ConfigError: the file is unreadable, has no product name, or contains something else.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the list of names cannot be read ({error})") from error
    names = []
    for number, line in enumerate(text.split("\n"), start=1):
        name = re.split("[,;\t]", line)[0].strip()
        if not name or name.startswith("#"):
            continue
        try:
            ProductName.parse(name)
        except ProductError as error:
            if number == 1:  # a header
                continue
            raise ConfigError(f"{path}, line {number}: {error}") from error
        names.append(name)
    if not names:
        raise ConfigError(f"{path}: expected one product name per line, found none")
    return names


def search_areas(bbox: Sequence[float] | None, wkt: str | None) -> list[str]:
    """The area as polygons in longitude and latitude; the catalogue accepts one at a time.

    Args:
        bbox: west, south, east, north in degrees. West above east crosses the antimeridian.
        wkt: one or several polygons, instead of `bbox`.

    Raises:
        ConfigError: it is not a polygon, or exceeds 180° or 90°.
    """
    if bbox is not None:
        west, south, east, north = bbox
        # Only if narrow; otherwise the two were probably swapped.
        crosses = west > east and 360 - west + east < 180
        if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90) or not (
            west < east or crosses
        ):
            raise ConfigError(
                f"--bbox is {' '.join(f'{value:g}' for value in bbox)}; expected west south east "
                "north in degrees, west below east and south below north"
            )
        spans = [(west, 180), (-180, east)] if crosses else [(west, east)]
        return [str(shapely.box(left, south, right, north).wkt) for left, right in spans]
    try:
        area = shapely.from_wkt(wkt or "")
    except ShapelyError as error:
        raise ConfigError(f"--wkt is {wkt!r}, not a WKT geometry ({error})") from error
    if (
        area is None
        or area.geom_type not in ("Polygon", "MultiPolygon")
        or not area.is_valid
        or not shapely.box(-180, -90, 180, 90).contains(area)
    ):
        raise ConfigError(f"--wkt is {wkt!r}; expected a valid POLYGON in longitude, latitude")
    return [str(part.wkt) for part in shapely.get_parts(area)]


def search(
    areas: Sequence[str],
    start: date,
    end: date,
    level: str,
    max_cloud_cover: float,
    within: shapely.Geometry | None = None,
) -> list[Entry]:
    """The newest processing of every observation of an area in a period; sorted.

    Args:
        areas: polygons as WKT, degrees.
        start: first day.
        end: last day.
        level: ``L1C`` or ``L2A``.
        max_cloud_cover: percent.
        within: leave out products whose footprint lies beside this, degrees.

    Raises:
        ConfigError: the last day is before the first.
        DownloadError: there are none, or the catalogue does not answer.
    """
    if end < start:
        raise ConfigError(f"--start is {start} and --end is {end}; expected the earlier day first")
    service = Service.from_environment()
    with service.client() as client:
        catalogue = Catalogue(client, service)
        entries = {
            entry.id: entry
            for area in areas
            for entry in catalogue.search(area, start, end, level, max_cloud_cover)
            if within is None
            or (shown := _polygon(entry.footprint)) is None
            or shown.intersects(within)
        }
    return offered(newest_of_each(entries.values()))


def offered(found: list[Entry]) -> list[Entry]:
    """What was found, said in the log.

    Raises:
        DownloadError: nothing was.
    """
    if not found:
        raise DownloadError(
            "the search found no product; widen the area or dates, or raise --max-cloud-cover"
        )
    if offline := [entry.name for entry in found if not entry.online]:
        log.warning("not online, must be ordered first: %s", ", ".join(offline))
    log.info("%d products, %d MB", len(found), sum(entry.size for entry in found) // 10**6)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser(
        __doc__,
        example="--bbox 12.9 47.7 14.4 48.8 --start 2017-06-01 --end 2017-06-30 "
        "--max-cloud-cover 5 --out products.tsv",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="product name; its last part, the processing time, may be left out",
    )
    parser.add_argument("--names", dest="file", type=Path, help="file with one name per line")
    parser.add_argument(
        "--collection1",
        action="store_true",
        help="where a product is gone, take its reprocessing for Collection-1",
    )
    parser.add_argument("--bbox", nargs=4, type=float, metavar=("W", "S", "E", "N"))
    parser.add_argument("--wkt", help="polygons in longitude and latitude, instead of --bbox")
    parser.add_argument("--start", type=cli.day, help="first day, YYYY-MM-DD")
    parser.add_argument("--end", type=cli.day, help="last day, YYYY-MM-DD")
    parser.add_argument("--max-cloud-cover", type=float, default=100, help="percent")
    parser.add_argument("--level", choices=("L1C", "L2A"), default="L1C")
    parser.add_argument("--out", type=Path, required=True, help="product table to write")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run the search from the command line."""
    args = _parser().parse_args(argv)
    names = [*args.names, *(read_names(args.file) if args.file else [])]
    by_area = args.bbox is not None or args.wkt is not None
    if bool(names) == by_area or (by_area and None in (args.start, args.end)):
        raise ConfigError(
            "expected either product names (NAME … or --names FILE) or a search "
            "(--bbox or --wkt, with --start and --end)"
        )
    if by_area:
        areas = search_areas(args.bbox, args.wkt)
        found = search(areas, args.start, args.end, args.level, args.max_cloud_cover)
    else:
        service = Service.from_environment()
        with service.client() as client:
            every = list(dict.fromkeys(names))
            wanted = find_by_name(Catalogue(client, service), every, collection1=args.collection1)
        found = offered(newest_of_each(wanted))
    write_products(args.out, [entry.to_product() for entry in found])


if __name__ == "__main__":
    cli.run(main)
