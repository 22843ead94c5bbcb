"""Step report: write the dataset as pages for a browser.

In: a finished build, optionally country outlines, Sentinel-1 patches and the audit's
manifest. Out: a folder with ``index.html`` and a page for each tile, each self-contained:
they send no requests.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from reben.countries import read_countries
from reben.land_cover.nomenclature import read_nomenclature
from reben.report.gallery import Gallery
from reben.report.pages import Writer
from reben.results.finished import read_build
from reben.runtime import cli
from reben.runtime.files import atomic_directory, read_json, write_text

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Write the report of a build."""
    parser = cli.parser(__doc__)
    parser.add_argument("--results", required=True, help="results folder of a finished build")
    parser.add_argument("--nomenclature", required=True, help="CSV: code, class")
    parser.add_argument("--name", default="The dataset", help="name of the dataset")
    parser.add_argument("--version", default="", help="version of the dataset")
    parser.add_argument("--countries", help="country outlines to draw below the tiles")
    parser.add_argument("--countries-layer", help="layer of the outlines, where there are several")
    parser.add_argument("--name-column", help="column of the country names")
    parser.add_argument("--sentinel1", type=Path, help="folder of the Sentinel-1 patches")
    parser.add_argument("--manifest", help="what the audit recorded (JSON)")
    parser.add_argument("--out", required=True, help="folder of the pages")
    args = parser.parse_args(argv)

    build = read_build(args.results)
    classes = read_nomenclature(args.nomenclature)
    outlines = {}
    if args.countries:
        outlines = read_countries(args.countries, args.name_column, layer=args.countries_layer)
    writer = Writer(
        build,
        name=args.name,
        version=args.version,
        classes=list(dict.fromkeys(classes.values())),
        gallery=Gallery(build, classes, args.sentinel1),
        outlines=list(outlines.values()),
        manifest=read_json(args.manifest) if args.manifest else None,
    )
    with atomic_directory(args.out) as folder:
        write_text(folder / "index.html", writer.index())
        for verdict, patches in build.by_tile():
            write_text(folder / f"{verdict.tile}.html", writer.tile(verdict, patches))
    log.info("%d pages in %s", 1 + len(build.tiles), args.out)


if __name__ == "__main__":
    cli.run(main)
