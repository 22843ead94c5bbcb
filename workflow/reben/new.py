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
from reben.config.scene_table import read_scenes
from reben.config.user_file import HOME
from reben.domain.bands import S1_BANDS
from reben.domain.names import ProductName
from reben.land_cover.known_maps import is_raster, legend_of
from reben.land_cover.legend import read_legend
from reben.products import search, search_areas
from reben.runtime import cli
from reben.runtime.errors import ConfigError
from reben.runtime.files import write_text
from reben.storage.file_patterns import matching
from reben.storage.patch_files import PatchReader
from reben.storage.vector_files import pyogrio
from reben.storage.vector_layer import VectorLayer

CONFIG, PRODUCTS = "dataset.yaml", "products.tsv"
_LEGENDS = HOME / "resources" / "legends"
_TEMPLATE = """\
# A dataset of reben: what differs from its defaults; config/README.md explains every key.
# Paths are relative to the folder where you run the commands:
#
#   reben plan {config}            what the build will take
#   reben build {config}           build; after an error or a change, the same command goes on
#   reben build {config} report    and make its pages

results: results           # everything is written here
products: {products}     # what the dataset is made of

{land_cover}
sen2cor:                   # for products of level L1C; docs/inputs.md says where to get it
  command: L2A_Process     # or its path, .../bin/L2A_Process

dataset:
  name: {name}
  version: "1.0.0"
  licence: CDLA-Permissive-1.0

{sentinel1}
# countries:
#   path: ne_110m_admin_0_countries.shp   # the country of every patch
"""
_CORINE = """\
corine:
  path: {path}
  # release: CLC 2018      # for the record
  # layer: null            # where the file has several layers of polygons

labels:
  nomenclature: resources/nomenclature/bigearthnet_19.csv
  # min_labelled_fraction: 0.75   # patches with less are dropped
"""
_KNOWN_MAP = """\
land_cover:
  files: {files}
  legend: resources/legends/{legend}.csv
  # release: {name}, and the year   # for the record
  # nodata: null           # the value that stands for no data, where the files do not say it

labels:
  nomenclature: resources/nomenclature/{nomenclature}.csv
  # min_labelled_fraction: 0.75   # patches with less are dropped
"""
_OTHER_MAP = """\
land_cover:
  files: {files}
  # legend: legend.csv     # TO BE FILLED IN: what the values mean; value,code,name,colour
  # release: name and year # for the record
  # nodata: null           # the value that stands for no data, where the files do not say it

# labels:                  # TO BE FILLED IN
#   nomenclature: classes.csv     # the class of each code; code,class
#   min_labelled_fraction: 0.75   # patches with less are dropped
"""
_SENTINEL1 = {
    "": "# sentinel1:\n#   root: BigEarthNet-S1                  # pairs with Sentinel-1\n",
    "root": "sentinel1:\n  root: {path}     # patches of BigEarthNet-S1\n",
    "scenes": "sentinel1:\n  scenes: {path}     # patches are cut from these\n",
}
_TO_FILL_IN = """\
to be filled in first: land_cover.legend and labels.nomenclature, for by the names of its files this
is none of the maps whose legends are in resources/legends; docs/land_cover.md shows how\
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


def land_cover_section(paths: Sequence[str], folder: Path) -> str:
    """The sections of the config about land cover and labels.

    Raises:
        ConfigError: there is no such file, or polygons and rasters are mixed.
    """
    if not paths:
        return _CORINE.format(path="U2018_CLC2018_V2020_20u1.gpkg   # your file")
    files = {path: [Path(path)] if Path(path).exists() else matching(path) for path in paths}
    if missing := [path for path, found in files.items() if not found]:
        raise ConfigError(f"--land-cover {missing[0]}: expected land cover, found no such file")
    places = [seen_from(folder, path) for path in paths]
    if not any(map(is_raster, paths)) and len(paths) == 1:
        return _CORINE.format(path=_text(places[0]))
    if not all(map(is_raster, paths)):
        raise ConfigError(
            f"--land-cover {' '.join(paths)}: expected one file of polygons, or GeoTIFFs and VRTs"
        )
    listed = _text(places if len(places) > 1 else places[0])
    legend = legend_of(file for found in files.values() for file in found)
    if legend is None:
        return _OTHER_MAP.format(files=listed)
    return _KNOWN_MAP.format(
        files=listed,
        legend=legend,
        name=read_legend(_LEGENDS / f"{legend}.csv").map_name,
        # The 19 classes are defined by CORINE's; every other map has only its own.
        nomenclature="bigearthnet_19" if legend == "corine" else legend,
    )


def sentinel1_section(path: str | None, folder: Path) -> str:
    """The section of the config about Sentinel-1: patches in a folder, or a table of scenes.

    Raises:
        ConfigError: it is neither.
    """
    if path is None:
        return _SENTINEL1[""]
    if Path(path).is_file():
        read_scenes(path)
        kind = "scenes"
    elif PatchReader(path).first(S1_BANDS[0]) is not None:
        kind = "root"
    else:
        raise ConfigError(
            f"--sentinel1 {path}: expected the folder of BigEarthNet-S1 or a table of scenes, "
            "found neither; `reben scenes` writes the table for a folder of scenes"
        )
    return _SENTINEL1[kind].format(path=_text(seen_from(folder, path)))


def _text(value: str | Sequence[str]) -> str:
    """A value in YAML, on one line."""
    return json.dumps(value, ensure_ascii=False)


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
    parser.add_argument(
        "--land-cover",
        nargs="+",
        default=[],
        metavar="FILE",
        help="CORINE Land Cover or other polygons with its codes; or the GeoTIFFs of a raster map, "
        "also as a VRT or a pattern in quotes",
    )
    parser.add_argument(
        "--sentinel1",
        metavar="FOLDER_OR_TABLE",
        help="folder of BigEarthNet-S1, or table of scenes (`reben scenes`)",
    )
    args = parser.parse_args(argv)
    if args.area and (args.products or None in (args.start, args.end)):
        parser.error("--area goes with --start and --end, and not with --products")
    target = args.folder / CONFIG
    if args.folder.exists() and not args.folder.is_dir():
        raise ConfigError(f"{args.folder}: expected a folder, found a file; name another one")
    if target.exists():
        raise ConfigError(f"{target} exists; name another folder, or edit it")

    land_cover = land_cover_section(args.land_cover, args.folder)
    sentinel1 = sentinel1_section(args.sentinel1, args.folder)
    rows: list[Product] = []
    if args.area:
        rows = [entry.to_product() for entry in _found(args)]
    elif args.products:
        rows = local_products(args.products, args.folder)
    write_products(args.folder / PRODUCTS, rows)
    text = _TEMPLATE.format(
        config=CONFIG,
        products=PRODUCTS,
        land_cover=land_cover,
        sentinel1=sentinel1,
        name=_text(args.folder.resolve().name),
    )
    write_text(target, text)
    where = f"cd {args.folder}" if args.folder.resolve() != Path.cwd() else ""
    print(f"wrote {target}, and {len(rows)} products in {args.folder / PRODUCTS}")
    if "TO BE FILLED IN" in land_cover:
        print(_TO_FILL_IN)
    print("next:")
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
