"""Kinds of files that come from outside: how one is made, read and damaged."""

import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import shapely

from reben.domain.grid import TileSquare
from reben.domain.names import file_stem
from reben.domain.tables import LABELS, read_table, write_table
from reben.land_cover.corine_polygons import PolygonLayer
from reben.patches import main as make_patches
from reben.quality import check_quality
from reben.safe.archive import unpack
from reben.safe.manifest import MANIFEST, check_whole
from reben.safe.metadata import L2AProduct
from reben.storage.geotiff_reader import LayerReader
from reben.storage.image_check import FormChecker, ImageForm
from reben.storage.lmdb_store import content_digest, trailing_bytes, write_lmdb
from reben.storage.patch_files import PatchReader
from reben.storage.patch_tar import INDEX, TarReader, TarWriter
from reben.storage.vector_files import pyogrio
from reben.synthetic import ProductSpec, write_product
from tests.fuzz.damage import of_bytes, of_pages, of_text
from tests.geotiffs import s1_arrays, write_patch

NAME = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_20240101T000000"
TILE = NAME.rpartition("_")[0]
SPEC = ProductSpec(NAME, 32633, 300_000, 5_400_000, side_m=1200)
SQUARE = TileSquare(32633, 300_000, 5_400_000, 1200)


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Attributes:
        make: writes what is needed into a folder; returns the files to damage.
        read: reads it, given the folder; returns its content, if a checksum vouches for it.
        damage: makes other bytes of a file's.
    """

    make: Callable[[Path], list[Path]]
    read: Callable[[Path], object]
    damage: Callable[[bytes, random.Random], bytes]


def make_product(folder: Path) -> list[Path]:
    """A product of one patch; its metadata are what is damaged."""
    safe = write_product(folder, SPEC)
    return [safe / "MTD_MSIL2A.xml", next(safe.glob("GRANULE/*/MTD_TL.xml"))]


def read_metadata(folder: Path) -> None:
    """The verdict on the product, as far as its metadata say."""
    product = L2AProduct.open(folder / f"{NAME}.SAFE")
    check_quality(product, TILE, ["GENERAL_QUALITY"]).to_dict()
    product.grid()


def make_manifest(folder: Path) -> list[Path]:
    """The same; its manifest is what is damaged."""
    return [write_product(folder, SPEC) / "manifest.safe"]


def read_manifest(folder: Path) -> None:
    """The check of a fetched product."""
    check_whole(folder / f"{NAME}.SAFE", NAME)


def make_images(folder: Path) -> list[Path]:
    """The same; its images are what is damaged."""
    return list(L2AProduct.open(write_product(folder, SPEC)).images().values())


def read_images(folder: Path) -> dict[str, bytes]:
    """The patches that are cut."""
    out = folder / "out"
    make_patches(
        ["--product", str(folder / f"{NAME}.SAFE"), "--tile", TILE]
        + ["--out", str(out / "patches"), "--table", str(out / "table.parquet")]
    )
    return {path.name: path.read_bytes() for path in out.rglob("*.tif")}


def make_unchecked(folder: Path) -> list[Path]:
    """The same without a manifest, as sen2cor of early versions leaves it."""
    images = make_images(folder)
    (folder / f"{NAME}.SAFE" / MANIFEST).unlink()
    return images


def read_unchecked(folder: Path) -> None:
    """The patches that are cut; what is damaged may decode to anything."""
    read_images(folder)


def make_table(folder: Path) -> list[Path]:
    """A table with texts, lists, numbers and nulls."""
    rows = [
        {"patch_id": f"{TILE}_{i:02}_00", "labels": ["a", "b"][: i % 3], "labelled_fraction": i / 9,
         "kept": None if i % 4 else True}
        for i in range(300)
    ]  # fmt: skip
    write_table(folder / "labels.parquet", pl.DataFrame(rows), LABELS)
    return [folder / "labels.parquet"]


def read_labels(folder: Path) -> None:
    """Its rows, all of them touched."""
    read_table(folder / "labels.parquet", LABELS).explode("labels").sort("patch_id").rows()


def make_tar(folder: Path) -> list[Path]:
    """A tar with its index."""
    with TarWriter(folder) as writer:
        for row in range(3):
            layers = [(layer, [f"{layer}{row}".encode() * 200]) for layer in ("B02", "B03")]
            writer.add_row(row, [(f"{TILE}_00_{row:02}", iter(layers))])
    return [folder / INDEX]


def read_tar(folder: Path) -> None:
    """All that the index names."""
    reader = TarReader(folder)
    for patch in reader.folders():
        for layer in ("B02", "B03"):
            reader.read(patch, layer, 1 << 20)
    for digest in reader.hashes().values():
        digest()
    reader.damage()


def make_polygons(folder: Path, file: str, driver: str) -> list[Path]:
    """Land cover of the tile and around it, with all files of its layer."""
    boxes = [
        shapely.box(x, y, x + 300, y + 300)
        for x in range(299_000, 302_000, 300)
        for y in range(5_398_000, 5_401_000, 300)
    ]
    codes = np.array(["211", "311", "512"], object)[np.arange(len(boxes)) % 3]
    pyogrio.raw.write(
        folder / file, shapely.to_wkb(boxes), [codes], ["Code_18"],
        geometry_type="Polygon", crs="EPSG:32633", driver=driver,
    )  # fmt: skip
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]


def read_polygons(folder: Path, file: str) -> None:
    """The clip of the tile."""
    PolygonLayer.open(folder / file).clip(SQUARE)


def make_geotiff(folder: Path) -> list[Path]:
    """A patch of Sentinel-1: one image is what is damaged."""
    write_patch(folder / "p", s1_arrays(0), corner=(300_000, 5_800_000))
    return [folder / "p" / f"{file_stem('p', 'VV')}.tif"]


def read_geotiff(folder: Path) -> None:
    """As pairing and encoding read it."""
    path = folder / "p" / "p_VV.tif"
    FormChecker(ImageForm(120, 32633, 10, "float32")).check(path, (300_000, 5_800_000))
    out = memoryview(bytearray(120 * 120 * 4))
    LayerReader(120, "float32").read(PatchReader(folder), "p", "VV", out)
    np.frombuffer(out, "<f4").sum()


def make_zip(folder: Path) -> list[Path]:
    """An archive of a product, with a few small files."""
    with zipfile.ZipFile(folder / "p.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("manifest.safe", "GRANULE/L2A/IMG_DATA/a.jp2", "GRANULE/L2A/QI_DATA/b.xml"):
            archive.writestr(f"{NAME}.SAFE/{name}", f"{name} " * 200)
    return [folder / "p.zip"]


def read_zip(folder: Path) -> dict[str, bytes]:
    """What it unpacks to, by the end of its name: names have no checksum."""
    out = folder / "out"
    out.mkdir()
    unpack(folder / "p.zip", NAME, out)
    contents = {path.read_bytes() for path in out.rglob("*") if path.is_file()}
    return {data.split(b" ")[0].decode(): data for data in contents}


def make_lmdb(folder: Path) -> list[Path]:
    """Branches, leaves, and values in pages of their own."""
    with write_lmdb(folder / "x.lmdb") as writer:
        for i in range(200):
            writer.put(f"{TILE}_{i:04}", bytes(50 + 40 * i))
    return [folder / "x.lmdb" / "data.mdb"]


def read_lmdb(folder: Path) -> None:
    """All entries."""
    content_digest(folder / "x.lmdb")
    trailing_bytes(folder / "x.lmdb")


KINDS = {
    "XML": Kind(make_product, read_metadata, of_text),
    "manifest": Kind(make_manifest, read_manifest, of_text),
    "JPEG 2000": Kind(make_images, read_images, of_bytes),
    "JPEG 2000 without checksum": Kind(make_unchecked, read_unchecked, of_bytes),
    "Parquet": Kind(make_table, read_labels, of_bytes),
    "tar index": Kind(make_tar, read_tar, of_bytes),
    "GeoTIFF": Kind(make_geotiff, read_geotiff, of_bytes),
    "zip": Kind(make_zip, read_zip, of_bytes),
    "LMDB": Kind(make_lmdb, read_lmdb, of_pages),
}
FORMATS = {
    "x.gpkg": "GPKG",
    "x.shp": "ESRI Shapefile",
    "x.gdb": "OpenFileGDB",
    "x.fgb": "FlatGeobuf",
    "x.geojson": "GeoJSON",
}
for file, driver in FORMATS.items():
    KINDS[driver] = Kind(
        partial(make_polygons, file=file, driver=driver),
        partial(read_polygons, file=file),
        of_bytes,
    )
