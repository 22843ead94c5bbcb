"""Speed of cutting a full-size product into patches and reference maps, compared with decoding."""

import shutil
from pathlib import Path

import rasterio

from reben import corine, labels, patches, quality, reference_maps
from reben.domain.bands import S2_BANDS
from reben.safe.metadata import L2AProduct
from reben.synthetic import ProductSpec, write_corine, write_product
from tests.benchmarks.harness import Row, measured, plain

SPEC = ProductSpec(
    "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_20240101T000000", 32633, 300_000, 5_400_000
)
TILE = SPEC.product.tile
COUNT = SPEC.grid.count**2
NINETEEN = "resources/nomenclature/bigearthnet_19.csv"


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
    """What the rule make_patches does."""
    patches.main(
        ["--product", str(product), "--tile", TILE, "--threads", str(threads)]
        + ["--out", f"{out}/patches", "--table", f"{out}/patches.parquet"]
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
    """What the rules check_quality and clip_land_cover do."""
    quality.main(["--product", str(product), "--tile", TILE, "--out", f"{out}/quality.json"])
    corine.main(
        ["--corine", str(polygons), "--quality", f"{out}/quality.json"]
        + ["--manifest", f"{out}/land_cover/manifest.json"]
    )


def rows(scratch: Path, kept: Path, threads: int = 2) -> list[Row]:
    """Measure a tile below `scratch`, an empty folder; `kept` holds the inputs between runs."""
    product, polygons = inputs(kept)
    shutil.rmtree(scratch / "tile", ignore_errors=True)
    out = scratch / "tile"
    out.mkdir()
    seconds, peak = measured(plain, decode, product)
    floor = Row(
        "decode 12 bands: rasterio, all processors", seconds, COUNT / seconds, None, "", peak
    )
    found = [floor]
    for step, function, args in (
        ("make_patches", cut, (product, out, threads)),
        ("check_quality, clip_land_cover", clip, (product, polygons, out)),
        ("make_reference_maps, label_patches", label, (out, threads)),
    ):
        seconds, peak = measured(plain, function, *args)
        found.append(
            Row(step, seconds, COUNT / seconds, floor.seconds / seconds, "decode 12 bands", peak)
        )
    shutil.rmtree(out)
    return found
