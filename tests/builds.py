"""Finished builds made quickly from tables alone, or with small pictures.

The rows go through the same functions as in the workflow, so the tables are consistent, as
in a real build.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pyproj import Transformer
from shapely import box, get_coordinates

from reben.domain.bands import RESOLUTION_M, S1_BANDS
from reben.domain.grid import TileSquare
from reben.domain.name_columns import tile_of_patch
from reben.domain.names import PatchName, ProductName
from reben.domain.tables import (
    CODE_COUNTS,
    COUNTRIES,
    LABELS,
    METADATA,
    PATCHES,
    SELECTION,
    SENTINEL1,
    SPLIT,
    read_tables,
    write_table,
)
from reben.domain.verdict import Verdict
from reben.funnel import funnel_table, quality_table
from reben.land_cover.nomenclature import NO_CODE, read_nomenclature
from reben.metadata import build_metadata, count_classes, divide
from reben.results.layout import OBSCURED_TABLE
from reben.runtime.files import write_text
from reben.selection import select_patches
from reben.split import assign_split
from reben.storage.lmdb_store import write_lmdb
from reben.synthetic.raster import write_raster

NOMENCLATURE = Path(__file__).parents[1] / "resources" / "nomenclature" / "bigearthnet_19.csv"
CLASSES = list(dict.fromkeys(read_nomenclature(NOMENCLATURE).values()))
TILES = (
    "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP",
    "S2B_MSIL2A_20180421T102019_N9999_R065_T32TMT",
    "S2A_MSIL2A_20180831T100021_N9999_R122_T33UVP",
)
#: The northing of the middle of each latitude band, in thousands of metres, roughly.
_BAND_KM = {"S": 4000, "T": 4870, "U": 5760, "V": 6650, "W": 7540}


def write_build(
    results: Path,
    tiles: Sequence[str] = TILES,
    *,
    patch_side_m: int = 240,
    count: int = 8,
    rejected: Sequence[str] = TILES[2:],
    sentinel1: Path | None = None,
    scl: bool = True,
    pictures: bool = False,
    unlabelled_fraction: float = 0.2,
) -> Path:
    """Write the results folder of a finished build.

    Args:
        results: where.
        tiles: all tiles, each with `count` x `count` patches.
        patch_side_m: side of a patch, metres.
        count: patches along a tile's side.
        rejected: tiles whose product failed its quality check.
        sentinel1: also write Sentinel-1 patches into this folder, and pair them.
        scl: whether there is a scene classification for snow and cloud.
        pictures: also write the GeoTIFFs.
        unlabelled_fraction: share of patches with too few labelled pixels.
    """
    rng = np.random.default_rng(7)
    verdicts = [
        a_verdict(tile, _square(tile, i, patch_side_m * count), accepted=tile not in rejected)
        for i, tile in enumerate(tiles)
    ]
    tables = results / "tables"
    patches = []
    for verdict in verdicts:
        frame = _patches(verdict, patch_side_m) if verdict.accepted else None
        frame = read_tables([], PATCHES) if frame is None else frame
        write_table(tables / "patches" / f"{verdict.tile}.parquet", frame, PATCHES)
        verdict.write(results / "quality" / f"{verdict.tile}.json")
        patches.append(frame.select(PATCHES.names))
    every = pl.concat(patches, how="vertical_relaxed").sort("patch_id")
    valid = every.filter("valid").select("patch_id")
    labels = _labels(valid, rng, unlabelled_fraction)
    split = assign_split(every, 0.25, 0.25)
    countries = valid.with_columns(country=pl.lit("Austria"))
    dark = pl.Series(rng.random(len(valid)) < 0.05)
    unknown = pl.lit(None, pl.Boolean)
    flags = valid.with_columns(
        contains_seasonal_snow=dark & ~dark if scl else unknown,
        contains_cloud_or_shadow=dark if scl else unknown,
    )
    pairs = _pairs(valid) if sentinel1 else None
    selection = select_patches(every, labels, None, pairs)
    metadata = build_metadata(selection, labels, split, flags, countries, None, pairs)
    clear, obscured = divide(metadata)
    write_table(tables / "selection.parquet", selection, SELECTION)
    of_tile = pl.col("patch_id").str.starts_with
    for tile in tiles:
        write_table(tables / f"labels/{tile}.parquet", labels.filter(of_tile(tile)), LABELS)
        write_table(tables / f"split/{tile}.parquet", split.filter(of_tile(tile)), SPLIT)
    write_table(tables / "countries.parquet", countries, COUNTRIES)
    if pairs is not None:
        for (tile,), rows in pairs.group_by(tile_of_patch()):
            write_table(tables / "sentinel1" / f"{tile}.parquet", rows, SENTINEL1)
    dataset = results / "dataset"
    write_table(dataset / "metadata.parquet", clear, METADATA)
    write_table(dataset / OBSCURED_TABLE, obscured, METADATA)
    write_text(dataset / "class_counts.csv", count_classes(clear, CLASSES).write_csv())
    write_text(dataset / "quality.csv", quality_table(verdicts).write_csv())
    funnel = funnel_table(verdicts, selection, obscured, patch_side_m)
    write_text(dataset / "funnel.csv", funnel.write_csv())
    _write_code_counts(tables / "code_counts", tiles, labels, (patch_side_m // 10) ** 2)
    with write_lmdb(dataset / "BigEarthNet.lmdb") as store:
        for patch in metadata["patch_id"]:
            store.put(patch, b"not an image")
    if pictures:
        folders = {} if pairs is None else dict(pairs.select("patch_id", "folder").rows())
        for row in every.filter("valid").iter_rows(named=True):
            write_patch(results, row, patch_side_m, rng)
            if sentinel1 and row["patch_id"] in folders:
                _write_sentinel1(sentinel1 / folders[row["patch_id"]], row, patch_side_m, rng)
    return results


def a_verdict(tile: str, square: TileSquare, *, accepted: bool = True, **more: Any) -> Verdict:
    """A verdict on a synthetic product; `more` are attributes that differ."""
    name = ProductName.parse(tile)
    to_degrees = Transformer.from_crs(square.crs, "EPSG:4326", always_xy=True)
    corners = get_coordinates(box(*square.bounds)).tolist()
    verdict = Verdict(
        tile=tile,
        product=f"{tile}_20240101T000000",
        accepted=accepted,
        reasons=[] if accepted else ["GEOMETRIC_QUALITY=FAILED"],
        indicators={
            "GENERAL_QUALITY": "PASSED",
            "GEOMETRIC_QUALITY": "PASSED" if accepted else "FAILED",
        },
        cloud_cover_percent=1.5,
        nodata_percent=0.0,
        processing_baseline="99.99",
        relative_orbit=int(name.orbit[1:]),
        sensing_time=f"{name.sensing[:4]}-{name.sensing[4:6]}-{name.sensing[6:8]}T10:10:31.000Z",
        boa_add_offset={},
        footprint_lon_lat=[to_degrees.transform(*corner) for corner in corners],
        square=square,
    )
    return replace(verdict, **more)


def _square(tile: str, place: int, side_m: int) -> TileSquare:
    """A place for a tile: in its zone and latitude band, next to previous ones."""
    mgrs = ProductName.parse(tile).mgrs
    x_min = 200_000 + 100_000 * (place % 5)
    y_max = 1000 * _BAND_KM[mgrs[2]] + 100_000 * (place // 5 % 7 - 3)
    return TileSquare(32600 + int(mgrs[:2]), x_min, y_max, side_m)


def _patches(verdict: Verdict, patch_side_m: int) -> pl.DataFrame:
    grid = verdict.grid(patch_side_m)
    col, row = grid.columns_and_rows()
    x, y = grid.x_min + col * patch_side_m, grid.y_max - row * patch_side_m
    valid = (col > 0) | (row > 1)
    frame = pl.DataFrame(
        {"patch_id": grid.patch_ids(verdict.tile), "col": col, "row": row, "valid": valid}
    )
    return frame.with_columns(
        tile=pl.lit(verdict.tile),
        epsg=pl.lit(grid.epsg),
        x_min=pl.Series(x),
        y_min=pl.Series(y - patch_side_m),
        x_max=pl.Series(x + patch_side_m),
        y_max=pl.Series(y),
        tile_x_min=pl.lit(grid.x_min),
        tile_y_max=pl.lit(grid.y_max),
        tile_side_m=pl.lit(grid.tile_side_m),
        reason=pl.when("valid").then(None).otherwise(pl.lit("nodata in B01")),
        snow_fraction=pl.lit(0.0),
        cloud_fraction=pl.lit(0.0),
        shadow_fraction=pl.lit(0.0),
    )


def _labels(valid: pl.DataFrame, rng: np.random.Generator, dropped: float) -> pl.DataFrame:
    ranks = np.minimum(rng.geometric(0.2, (len(valid), 4)) - 1, len(CLASSES) - 1)
    names = np.array(CLASSES)[ranks]
    share = np.where(rng.random(len(valid)) < dropped, 0.5, 1.0)
    return (
        valid.with_columns(labels=pl.Series(names.tolist(), dtype=pl.List(pl.String)))
        .with_columns(
            pl.col("labels").list.unique().list.sort(), labelled_fraction=pl.Series(share)
        )
        .with_columns(kept=pl.col("labelled_fraction") >= 0.75)
    )


def _write_code_counts(
    folder: Path, tiles: Sequence[str], labels: pl.DataFrame, pixels: int
) -> None:
    """Every class of a patch has the same number of pixels; some are unlabelled."""
    code_of = {name: code for code, name in reversed(read_nomenclature(NOMENCLATURE).items())}
    unlabelled = ((1 - labels["labelled_fraction"]) * pixels).cast(pl.Int32)
    each = (pixels - unlabelled) // labels["labels"].list.len()
    rows = labels.select("patch_id", "labels", pixels=each).explode("labels")
    frame = (
        pl.concat(
            [
                rows.select("patch_id", "pixels", code=pl.col("labels").replace_strict(code_of)),
                labels.select("patch_id", pixels=unlabelled, code=pl.lit(NO_CODE)),
            ],
            how="diagonal_relaxed",
        )
        .filter(pl.col("pixels") > 0)
        .sort("patch_id", "code")
    )
    of_tile = frame.with_columns(tile=tile_of_patch()).partition_by("tile", as_dict=True)
    for tile in tiles:
        here = of_tile.get((tile,), frame.clear())
        write_table(folder / f"{tile}.parquet", here, CODE_COUNTS)


def _pairs(valid: pl.DataFrame) -> pl.DataFrame:
    names = []
    for patch in valid["patch_id"]:
        name = PatchName.parse(patch)
        mgrs = ProductName.parse(name.tile).mgrs
        scene = "S1A_IW_GRDH_1SDV_20170613T165043"
        names.append((patch, f"{scene}_{mgrs}_{name.col}_{name.row}", scene))
    frame = pl.DataFrame(names, schema=["patch_id", "s1_name", "scene"], orient="row")
    return frame.select("patch_id", "s1_name", folder=pl.format("{}/{}", "scene", "s1_name"))


def write_patch(
    results: Path, row: dict[str, Any], patch_side_m: int, rng: np.random.Generator
) -> None:
    """Write the GeoTIFFs of a patch, noise, and its reference map."""
    folder = results / "patches" / row["tile"] / row["patch_id"]
    for band, resolution_m in RESOLUTION_M.items():
        size = patch_side_m // resolution_m
        pixels = rng.integers(200, 2500, (size, size)).astype(np.uint16)
        _write_tiff(folder / f"{row['patch_id']}_{band}.tif", pixels, row, resolution_m)
    codes = np.full((patch_side_m // 10, patch_side_m // 10), 211, np.uint16)
    codes[: len(codes) // 2] = rng.choice([112, 231, 311, 512, 999])
    folder = results / "reference_maps" / row["tile"] / row["patch_id"]
    _write_tiff(folder / f"{row['patch_id']}_reference_map.tif", codes, row, 10)


def _write_sentinel1(
    folder: Path, row: dict[str, Any], patch_side_m: int, rng: np.random.Generator
) -> None:
    for band in S1_BANDS:
        pixels = rng.normal(-12, 3, (patch_side_m // 10, patch_side_m // 10)).astype(np.float32)
        _write_tiff(folder / f"{folder.name}_{band}.tif", pixels, row, 10)


def _write_tiff(path: Path, pixels: np.ndarray, row: dict[str, Any], resolution_m: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_raster(path, pixels, row["epsg"], (row["x_min"], row["y_max"]), resolution_m)
