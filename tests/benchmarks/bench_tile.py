"""Speed of cutting a full-size product into patches and reference maps, compared with decoding."""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

from reben import corine, labels, land_cover_map, patches, quality, reference_maps
from reben.domain.bands import S2_BANDS
from reben.domain.grid import TileSquare
from reben.safe.metadata import L2AProduct
from reben.synthetic import ProductSpec, write_corine, write_product
from tests.benchmarks.harness import Row, measured, plain
from tests.builds import a_verdict

SPEC = ProductSpec(
    "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_20240101T000000", 32633, 300_000, 5_400_000
)
TILE = SPEC.product.tile
COUNT = SPEC.grid.count**2
NINETEEN = "resources/nomenclature/bigearthnet_19.csv"
#: A tile in the tile N00E006 of WorldCover: São Tomé and the sea around it.
ISLAND = TileSquare(32632, 199_980, 100_020, 109_800)
WORLDCOVER = "ESA_WorldCover_10m_2021_v200_N00E006_Map.tif"
WORLDCOVER_LEGEND = "resources/legends/esa_worldcover.csv"


def inputs(folder: Path) -> tuple[Path, Path]:
    """The product and its CORINE, made once: a dense full-size tile takes some minutes."""
    product, polygons = folder / f"{SPEC.name}.SAFE", folder / "corine.gpkg"
    # In separate processes, so that their peak memory does not count in later measurements.
    if not product.exists():
        measured(plain, write_product, folder / "part", SPEC)
        (folder / "part" / product.name).rename(product)
    if not polygons.exists():
        measured(plain, write_corine, polygons, [SPEC])
    return product, polygons


def decode(product: Path) -> None:
    """The floor: every band decoded by rasterio, with all processors."""
    with rasterio.Env(GDAL_NUM_THREADS="ALL_CPUS"):
        for band in S2_BANDS:
            with rasterio.open(L2AProduct.open(product).band_file(band)) as dataset:
                dataset.read(1)


def cut(product: Path, out: Path, threads: int) -> None:
    """What the rule make_patches does; the images go to another folder each time."""
    images = tempfile.mkdtemp(prefix="patches-", dir=out)
    patches.main(
        ["--product", str(product), "--tile", TILE, "--threads", str(threads)]
        + ["--out", f"{images}/patches", "--table", f"{out}/patches.parquet"]
    )


def label(out: Path, threads: int) -> None:
    """What the rules make_reference_maps and label_patches do."""
    (clip,) = (out / "land_cover").glob("*.parquet")
    reference_maps.main(
        ["--tile", TILE, "--clip", str(clip), "--patches", f"{out}/patches.parquet"]
        + ["--threads", str(threads), "--out", f"{out}/maps", "--table", f"{out}/counts.parquet"]
    )
    labels.main(
        ["--code-counts", f"{out}/counts.parquet", "--nomenclature", NINETEEN]
        + ["--out", f"{out}/labels.parquet"]
    )


def clip(product: Path, polygons: Path, out: Path) -> None:
    """What the rules check_quality and clip_corine do."""
    quality.main(["--product", str(product), "--tile", TILE, "--out", f"{out}/quality.json"])
    corine.main(
        ["--corine", str(polygons), "--quality", f"{out}/quality.json"]
        + ["--manifest", f"{out}/land_cover/manifest.json"]
    )


def worldcover(folder: Path) -> Path:
    """The real tile of WorldCover or, without the reference, one of its form, made once."""
    if reference := os.environ.get("REBEN_REFERENCE"):
        return Path(reference, "land_cover/esa_worldcover", WORLDCOVER)
    path = folder / WORLDCOVER
    if not path.exists():
        measured(plain, write_worldcover, folder / "part.tif")
        (folder / "part.tif").rename(path)
    return path


def write_worldcover(path: Path) -> None:
    """A map in the form of a WorldCover tile, with a class for every 8 x 8 pixels."""
    rng, px, strip = np.random.default_rng(0), 36_000, 1024
    with rasterio.open(
        path, "w", driver="GTiff", width=px, height=px, count=1, dtype="uint8", nodata=0,
        crs="EPSG:4326", transform=from_origin(6, 3, 3 / px, 3 / px), compress="deflate",
        tiled=True, blockxsize=1024, blockysize=1024,
    ) as dataset:  # fmt: skip
        for top in range(0, px, strip):
            height = min(strip, px - top)
            classes = rng.integers(1, 10, (strip // 8, px // 8), np.uint8) * np.uint8(10)
            pixels = classes.repeat(8, 0).repeat(8, 1)[:height]
            dataset.write(pixels, 1, window=Window(0, top, px, height))


def clip_map(path: Path, out: Path, threads: int) -> None:
    """What the rule clip_land_cover does with a raster map of one tile."""
    tile = "S2B_MSIL2A_20210713T095029_N9999_R079_T32NKF"
    a_verdict(tile, ISLAND).write(out / "island.json")
    land_cover_map.main(
        ["--files", str(path), "--legend", WORLDCOVER_LEGEND, "--threads", str(threads)]
        + ["--quality", f"{out}/island.json", "--manifest", f"{out}/map/manifest.json"]
    )


def rows(scratch: Path, kept: Path, threads: int = 2) -> list[Row]:
    """Measure a tile below `scratch`, an empty folder; `kept` holds the inputs between runs."""
    product, polygons = inputs(kept)
    shutil.rmtree(scratch / "tile", ignore_errors=True)
    out = scratch / "tile"
    out.mkdir()
    seconds, peak = measured(plain, decode, product, tries=2)
    floor = Row(
        "decode 12 bands: rasterio, all processors", seconds, COUNT / seconds, None, "", peak
    )
    found = [floor]
    for step, function, args, tries in (
        ("make_patches", cut, (product, out, threads), 2),  # its first new blocks are often slow
        ("check_quality, clip_corine", clip, (product, polygons, out), 1),
        ("make_reference_maps, label_patches", label, (out, threads), 1),
        ("clip_land_cover, WorldCover", clip_map, (worldcover(kept), out, threads), 1),
    ):
        seconds, peak = measured(plain, function, *args, tries=tries)
        found.append(
            Row(step, seconds, COUNT / seconds, floor.seconds / seconds, "decode 12 bands", peak)
        )
    shutil.rmtree(out)
    return found
