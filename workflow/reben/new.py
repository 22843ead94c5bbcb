"""Write a config and a product table to start from.

In: a folder, and what the dataset is to be made of: an area and a period, whose products are looked
up at the Copernicus Data Space, or products on this machine; land cover. Out: ``dataset.yaml``
and ``products.tsv`` in the folder, with comments.
"""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

import shapely
from pyproj import Transformer

from reben.cdse.catalogue import Entry
from reben.config.product_table import Product, write_products
from reben.domain.names import ProductName
from reben.products import search, search_areas
from reben.runtime import cli
from reben.runtime.errors import ConfigError
from reben.runtime.files import write_text
from reben.storage.vector_files import pyogrio
from reben.storage.vector_layer import VectorLayer

CONFIG, PRODUCTS = "dataset.yaml", "products.tsv"
_TEMPLATE = """\
# A dataset of reben: what differs from its defaults; config/README.md explains every key.
# Paths are relative to the folder where you run the commands:
#
#   reben plan {config}            what the build will take
#   reben build {config}           build; after an error or a change, the same command goes on
#   reben build {config} report    and make its pages

results: results           # everything is written here
products: {products}     # what the dataset is made of

corine:
  path: {land_cover}
  # release: CLC 2018      # for the record
  # layer: null            # where the file has several layers of polygons

sen2cor:                   # for products of level L1C; docs/inputs.md says where to get it
  command: L2A_Process     # or its path, .../bin/L2A_Process

dataset:
  name: {name}
  version: "1.0.0"
  licence: CDLA-Permissive-1.0

# countries:
#   path: ne_110m_admin_0_countries.shp   # the country of every patch
# sentinel1:
#   root: BigEarthNet-S1                  # pairs with Sentinel-1
# labels:
#   min_labelled_fraction: 0.75           # patches with less are dropped
"""


def area_of(words: Sequence[str]) -> shapely.Geometry | None:
    """The polygons of a file in degrees; None where the words are a bounding box.

    Raises:
        ConfigError: they are neither a file nor four numbers.
        VectorError: the file cannot be read.
    """
    if len(words) == 4:
        return None
    if len(words) != 1:
        raise ConfigError(
            f"--area is {' '.join(words)!r}; expected west south east north in degrees, or a file "
            "of polygons"
        )
    layer = VectorLayer.open(words[0], "--area", None, "polygons of the area in a vector file")
    wkb = pyogrio.raw.read(layer.path, layer=layer.name, columns=[])[2]
    shapes = shapely.from_wkb(wkb[wkb != None], on_invalid="ignore")  # noqa: E711 - an array
    to_degrees = Transformer.from_crs(layer.crs, "EPSG:4326", always_xy=True)
    return shapely.transform(shapely.union_all(shapes), to_degrees.transform, interleaved=False)


def local_products(paths: Sequence[str], folder: Path) -> list[Product]:
    """The rows of products on this machine.

    Raises:
        ConfigError: one does not exist.
        ProductError: a name is not that of a product.
    """
    rows = []
    for path in map(Path, paths):
        if not path.exists():
            raise ConfigError(f"--products {path}: expected a .SAFE folder or its zip, found none")
        name = path.name.removesuffix(".zip").removesuffix(".SAFE")
        level = ProductName.parse(name).level
        rows.append(Product(name, level, "local", path=seen_from(folder, path)))
    return rows


def seen_from(folder: Path, path: str | os.PathLike[str]) -> str:
    """A path as the config has it: relative to its folder where it is in it."""
    target = Path(path).absolute()
    own = folder.absolute()
    return str(target.relative_to(own) if target.is_relative_to(own) else target)


def main(argv: Sequence[str] | None = None) -> None:
    """Write the two files."""
    parser = cli.parser(
        __doc__,
        example="tyrol --area 10 46.7 12.9 47.7 --start 2018-06-01 --end 2018-08-31 "
        "--land-cover U2018_CLC2018_V2020_20u1.gpkg",
    )
    parser.add_argument("folder", type=Path, help="folder to write to; it is made")
    parser.add_argument(
        "--area",
        nargs="+",
        metavar="FILE_OR_BBOX",
        help="west south east north in degrees, or a file of polygons",
    )
    parser.add_argument("--start", type=cli.day, help="first day, YYYY-MM-DD")
    parser.add_argument("--end", type=cli.day, help="last day, YYYY-MM-DD")
    parser.add_argument("--max-cloud-cover", type=float, default=10, help="percent (default: 10)")
    parser.add_argument(
        "--level",
        choices=("L1C", "L2A"),
        default="L1C",
        help="L1C goes through sen2cor (default); L2A is used as it is",
    )
    parser.add_argument("--products", nargs="+", help=".SAFE folders or zips, instead of an area")
    parser.add_argument("--land-cover", help="CORINE Land Cover, or other polygons with its codes")
    args = parser.parse_args(argv)
    if args.area and (args.products or None in (args.start, args.end)):
        parser.error("--area goes with --start and --end, and not with --products")
    target = args.folder / CONFIG
    if args.folder.exists() and not args.folder.is_dir():
        raise ConfigError(f"{args.folder}: expected a folder, found a file; name another one")
    if target.exists():
        raise ConfigError(f"{target} exists; name another folder, or edit it")

    rows: list[Product] = []
    if args.area:
        rows = [entry.to_product() for entry in _found(args)]
    elif args.products:
        rows = local_products(args.products, args.folder)
    write_products(args.folder / PRODUCTS, rows)
    land_cover = args.land_cover and seen_from(args.folder, args.land_cover)
    text = _TEMPLATE.format(
        config=CONFIG,
        products=PRODUCTS,
        land_cover=json.dumps(land_cover, ensure_ascii=False)
        if land_cover
        else "U2018_CLC2018_V2020_20u1.gpkg   # your file",
        name=json.dumps(args.folder.resolve().name, ensure_ascii=False),
    )
    write_text(target, text)
    where = f"cd {args.folder}" if args.folder.resolve() != Path.cwd() else ""
    print(f"wrote {target}, and {len(rows)} products in {args.folder / PRODUCTS}\nnext:")
    for line in filter(None, (where, f"reben plan {CONFIG}", f"reben build {CONFIG}")):
        print(f"  {line}")


def _found(args: argparse.Namespace) -> list[Entry]:
    area = area_of(args.area)
    if area is None:
        try:
            box = [float(word) for word in args.area]
        except ValueError as error:
            raise ConfigError(f"--area {' '.join(args.area)}: expected four numbers") from error
        areas = search_areas(box, None)
    else:
        areas = search_areas(None, str(area.convex_hull.wkt))
    return search(areas, args.start, args.end, args.level, args.max_cloud_cover, within=area)


if __name__ == "__main__":
    cli.run(main)
