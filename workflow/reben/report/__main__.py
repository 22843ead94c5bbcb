"""Step report: write the dataset as pages for a browser.

In: a finished build, optionally country outlines, Sentinel-1 patches and the audit's
manifest. Out: a folder with ``index.html`` and a page for each tile, each self-contained:
they send no requests. ``index.html`` has a row for each patch of the dataset, the page of a tile
one for each of its patches, and pictures of some.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from reben.countries import read_countries
from reben.land_cover.nomenclature import read_nomenclature
from reben.report.datasheet import write_datasheet
from reben.report.gallery import Gallery, choose_cards, sheet
from reben.report.pages import Writer
from reben.report.world_map import default_outlines
from reben.results.facts import gather_facts
from reben.results.finished import read_build
from reben.runtime import cli
from reben.runtime.files import atomic_directory, read_json, write_text

log = logging.getLogger(__name__)

#: Of every tile, so many partly labelled patches have pictures, too.
_PARTLY_LABELLED = 3
#: Patches on the first screen.
_STRIP = 8


def main(argv: Sequence[str] | None = None) -> None:
    """Write the report of a build."""
    parser = cli.parser(__doc__)
    parser.add_argument("--results", required=True, help="results folder of a finished build")
    parser.add_argument("--nomenclature", required=True, help="CSV: code, class")
    parser.add_argument("--name", default="The dataset", help="name of the dataset")
    parser.add_argument("--version", default="", help="version of the dataset")
    parser.add_argument("--licence", default="CDLA-Permissive-1.0", help="SPDX name of its licence")
    parser.add_argument("--citation", help="how to cite it")
    parser.add_argument("--published", type=cli.day, help="day, YYYY-MM-DD")
    parser.add_argument("--land-cover", help="name and release of the land cover map")
    parser.add_argument("--countries", help="country outlines to draw below the tiles")
    parser.add_argument("--countries-layer", help="layer of the outlines, where there are several")
    parser.add_argument("--name-column", help="column of the country names")
    parser.add_argument("--sentinel1", type=Path, help="folder of the Sentinel-1 patches")
    parser.add_argument("--manifest", help="what the audit recorded (JSON)")
    parser.add_argument(
        "--files", nargs="*", default=[], help="files of other targets to link, below the results"
    )
    parser.add_argument(
        "--patches-per-tile", type=cli.count, default=12, help="patches of each tile with pictures"
    )
    parser.add_argument("--out", required=True, help="folder of the pages")
    args = parser.parse_args(argv)

    build = read_build(args.results)
    classes = read_nomenclature(args.nomenclature)
    facts = gather_facts(
        build,
        name=args.name,
        version=args.version,
        licence=args.licence,
        citation=args.citation,
        published=args.published,
        land_cover=args.land_cover,
    )
    outlines = (
        read_countries(args.countries, args.name_column, layer=args.countries_layer)
        if args.countries
        else default_outlines()
    )
    datasheet = write_datasheet(build, facts, args.files)
    gallery = Gallery(build, classes, args.sentinel1)
    has_sentinel1 = args.sentinel1 is not None or facts.with_sentinel1 > 0
    writer = Writer(build, facts, classes, has_sentinel1=has_sentinel1)
    candidates, sheets = [], []
    accepted = max(1, sum(verdict.accepted for verdict in build.verdicts))
    with atomic_directory(args.out) as folder:
        for verdict, patches in build.by_tile():
            cards = gallery.cards(verdict, patches, args.patches_per_tile, _PARTLY_LABELLED)
            write_text(folder / f"{verdict.tile}.html", writer.tile(verdict, patches, cards))
            kept = [card for card in cards if card.is_kept]
            candidates += kept[: -(-_STRIP // accepted)]
            sheets += [sheet(kept)] if kept else []
        manifest = read_json(args.manifest) if args.manifest else None
        strip = choose_cards(candidates, _STRIP)
        write_text(
            folder / "index.html", writer.index(datasheet, strip, sheets, outlines, manifest)
        )
    log.info("%d pages in %s", 1 + len(build.tiles), args.out)


if __name__ == "__main__":
    cli.run(main)
