"""Steps catalogue and archive: describe a published folder for catalogues, tools and people.

In: a finished build, and its LMDB or its archives. Out, beside these: ``collection.json`` and
``items.parquet`` (STAC), ``croissant.json``, ``README.md`` (the card) and
``footprints.parquet`` (GeoParquet). All state the same licence, version and counts.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from reben.domain.names import ENTRY_KINDS
from reben.land_cover.nomenclature import read_nomenclature
from reben.publish import card, croissant, stac
from reben.publish.footprints import footprints, write_geoparquet
from reben.publish.forms import archives_form, lmdb_form
from reben.results.facts import gather_facts
from reben.results.finished import read_build
from reben.runtime import cli
from reben.runtime.errors import TableError
from reben.runtime.files import write_json, write_text

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Describe a dataset."""
    parser = cli.parser(__doc__)
    parser.add_argument("--results", required=True, help="results folder of a finished build")
    parser.add_argument("--nomenclature", required=True, help="CSV: code, class")
    parser.add_argument("--name", required=True, help="name of the dataset")
    parser.add_argument("--version", required=True, help="version of the dataset")
    parser.add_argument("--licence", required=True, help="SPDX name of its licence")
    parser.add_argument("--citation", help="how to cite it")
    parser.add_argument("--published", type=cli.day, help="day, YYYY-MM-DD")
    parser.add_argument("--land-cover", help="name and release of the land cover map")
    parser.add_argument("--sentinel1", help="where its Sentinel-1 patches come from, for the card")
    parser.add_argument(
        "--lmdb", nargs="+", choices=ENTRY_KINDS, help="describe the LMDB, which has these kinds"
    )
    parser.add_argument("--out", required=True, type=Path, help="folder of the files")
    args = parser.parse_args(argv)

    # It logs its own memory and time at our log level.
    logging.getLogger("stac_geoparquet").setLevel(logging.WARNING)
    build = read_build(args.results)
    layout = build.layout
    if not len(build.metadata):
        raise TableError(
            f"{layout.root}: expected patches in the metadata tables, found none; "
            f"{layout.funnel} says why they were dropped"
        )
    facts = gather_facts(
        build,
        name=args.name,
        version=args.version,
        licence=args.licence,
        citation=args.citation,
        published=args.published,
        land_cover=args.land_cover,
    )
    form = lmdb_form(layout, args.lmdb) if args.lmdb else archives_form(layout)
    classes = list(dict.fromkeys(read_nomenclature(args.nomenclature).values()))
    # Both are sorted by patch_id, so footprints belong to the same rows of both.
    patches = build.patches.filter(pl.col("dropped_for").is_null())
    polygons = footprints(patches)
    described = stac.collection(facts, form, polygons, classes)
    write_json(args.out / layout.collection.name, described)
    items = stac.items(patches, form, polygons, facts.identifier)
    stac.write_items(args.out / layout.items.name, items, described)
    write_json(args.out / layout.croissant.name, croissant.describe(facts, form))
    text = card.write_card(facts, form.name, build.class_counts, args.sentinel1)
    write_text(args.out / layout.card.name, text)
    write_geoparquet(args.out / layout.footprints.name, build.metadata, polygons)
    log.info("%d patches described in %s", facts.patches, args.out)


if __name__ == "__main__":
    cli.run(main)
