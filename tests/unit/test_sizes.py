"""Files of absurd size or form are refused by name, in little memory."""

import os
import resource
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
from rasterio.transform import from_origin

from reben.domain.names import REFERENCE_MAP
from reben.domain.tables import ALIGNMENT, METADATA, SPLIT, read_table, write_table
from reben.pictures.patch_images import read_layer
from reben.runtime.code_version import PACKAGE
from reben.runtime.errors import RasterError, TableError
from reben.storage.geotiff_reader import LayerReader
from reben.storage.image_check import FormChecker, ImageForm
from reben.storage.patch_files import PatchReader
from reben.storage.patch_tar import _INDEX, INDEX, TAR, TarReader, TarWriter
from tests.geotiffs import s1_arrays, write_patch

CORNER = (300_000.0, 5_800_000.0)
FORM = ImageForm(120, 32633, 10, "float32")


def write(path: Path, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = s1_arrays(0)["VV"]
    place = from_origin(*CORNER, 10, 10)
    with rasterio.open(
        path, "w", driver="GTiff", width=120, height=120, count=1, dtype="float32",
        crs="EPSG:32633", transform=place, **options,
    ) as dataset:  # fmt: skip
        dataset.write(pixels, 1)
    return path


def readings(folder: Path) -> list[object]:
    """What reads a layer of a patch."""
    out = memoryview(bytearray(120 * 120 * 4))
    return [
        lambda: LayerReader(120, "float32").read(
            PatchReader(folder.parent), folder.name, "VV", out
        ),
        lambda: read_layer(folder, "VV"),
    ]


def test_a_block_that_is_larger_than_the_image_is_refused(tmp_path: Path) -> None:
    """One of 16384 x 16384 px, of which 120 x 120 are the image: 1 GB to decode."""
    options = {"tiled": True, "blockxsize": 16384, "blockysize": 16384, "compress": "deflate"}
    path = write(tmp_path / "p" / "p_VV.tif", **options)
    assert path.stat().st_size < 10_000_000
    for read in [*readings(path.parent), lambda: FormChecker(FORM).check(path, CORNER)]:
        with pytest.raises(RasterError, match=r"internal tiles of at most \d+ bytes"):
            read()  # type: ignore[operator]
    usual = write(tmp_path / "q" / "q_VV.tif", **options | {"blockxsize": 512, "blockysize": 512})
    for read in [*readings(usual.parent), lambda: FormChecker(FORM).check(usual, CORNER)]:
        read()  # type: ignore[operator]


def test_a_sparse_file_is_not_read_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "p" / "p_VV.tif")
    os.truncate(path, 3 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for read in readings(path.parent):
        with pytest.raises(RasterError, match=rf"p_VV\.tif.*at most \d+ bytes.*found {3 << 30}"):
            read()  # type: ignore[operator]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


@pytest.mark.parametrize("options", [{}, {"compress": "deflate"}, {"BIGTIFF": "YES"}], ids=str)
def test_an_image_that_is_cut_off_is_found_when_it_is_paired(
    tmp_path: Path, options: dict[str, object]
) -> None:
    """As the first of its kind and as a later one."""
    checker = FormChecker(FORM)
    whole = write(tmp_path / "a.tif", **options)
    for size in (whole.stat().st_size - 1, whole.stat().st_size // 2, 2000):
        short = tmp_path / "short.tif"
        short.write_bytes(whole.read_bytes()[:size])
        for later in (False, True):
            if later:
                checker.check(whole, CORNER)
            with pytest.raises(RasterError, match=r"short\.tif: .*(cut off|expected a GeoTIFF)"):
                (checker if later else FormChecker(FORM)).check(short, CORNER)
    checker.check(whole, CORNER)


def tar_with(folder: Path, change: pl.Expr | None = None, rows: pl.DataFrame | None = None) -> Path:
    """A tar of one file, with another index."""
    folder.mkdir()
    with TarWriter(folder) as writer:
        writer.add_row(0, [("p", iter([("VV", [b"pixels"])]))])
    index = read_table(folder / INDEX, _INDEX)
    index = index.with_columns(change) if change is not None else rows
    write_table(folder / INDEX, index, _INDEX)
    return folder


@pytest.mark.parametrize(
    "change",
    [
        pl.lit(-1, pl.Int64).alias("size"),
        pl.lit(2**60, pl.Int64).alias("size"),
        pl.lit(2**63 - 1, pl.Int64).alias("offset"),
        pl.lit(-512, pl.Int64).alias("offset"),
        pl.lit(10_239, pl.Int64).alias("offset"),
        pl.lit(None, pl.Int64).alias("offset"),
        pl.lit(None, pl.String).alias("patch_id"),
        pl.lit("../../etc/passwd", pl.String).alias("patch_id"),
    ],
    ids=str,
)
def test_an_index_that_names_no_place_in_the_tar_is_refused(
    tmp_path: Path, change: pl.Expr
) -> None:
    with pytest.raises(TableError, match=rf"{INDEX}: .* is no place of a file"):
        TarReader(tar_with(tmp_path / "t", change))


def test_an_index_that_names_a_file_twice_is_refused(tmp_path: Path) -> None:
    row = {"patch_id": "p", "layer": "VV", "offset": 512, "size": 6}
    with pytest.raises(TableError, match="names a file twice"):
        TarReader(tar_with(tmp_path / "t", rows=pl.DataFrame([row, row | {"size": 3}])))


def test_a_table_of_absurdly_many_rows_is_refused(tmp_path: Path) -> None:
    """A few kilobytes that say the same row a billion times."""
    path = tmp_path / "many.parquet"
    rows = 4_000_000
    arrays = [pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), ["x"])] * 2
    table = pa.Table.from_arrays(arrays, ["patch_id", "split"])
    pq.write_table(
        table, path, compression="zstd", store_schema=False, row_group_size=rows,
        data_page_size=1 << 30, write_statistics=False,
    )  # fmt: skip
    assert path.stat().st_size < 20_000
    with pytest.raises(TableError, match=rf"many\.parquet: .*found .*{rows} rows"):
        read_table(path, SPLIT)


def test_texts_that_are_none_are_found_before_they_kill_the_process(tmp_path):
    """Arrow reads them, and passes them on unseen."""
    offsets, text = pa.py_buffer(np.array([0, 2], "<i8")), pa.py_buffer(b"\xff\xfe")
    damaged = pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, text])
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table(dict.fromkeys(ALIGNMENT.names, damaged)), path)
    with pytest.raises(TableError, match=r"t\.parquet: not a readable table .*UTF8"):
        read_table(path, ALIGNMENT)


def test_nobody_is_told_to_remove_a_selection_of_their_own(tmp_path: Path) -> None:
    mine = tmp_path / "mine.parquet"
    pl.DataFrame({"patch_id": ["a"], "labels": [["x"]]}).write_parquet(mine)
    with pytest.raises(TableError, match=r"mine\.parquet: expected the columns") as error:
        read_table(mine, METADATA)
    assert "remove" not in str(error.value).replace(str(mine), "")
    mine.write_bytes(zlib.compress(mine.read_bytes()))
    with pytest.raises(TableError, match=r"mine\.parquet: not a readable table") as error:
        read_table(mine, METADATA)
    assert "remove" not in str(error.value).replace(str(mine), "")


MEMORY = """
import resource, sys
from reben.storage.patch_tar import TarReader
readers = [TarReader(sys.argv[1])]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
readers += [TarReader(sys.argv[1]) for _ in range(20)]
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 20)
"""


def test_readers_of_many_tars_fit_in_memory(tmp_path: Path) -> None:
    """`encode` holds those of all tiles: 60 MB each were 7 GB for 125 of them."""
    tile = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
    folder = tmp_path / "t"
    folder.mkdir()
    layers = [*(f"B{i:02}" for i in range(12)), REFERENCE_MAP]
    with TarWriter(folder) as writer:
        for row in range(91):
            names = [f"{tile}_{col:02}_{row:02}" for col in range(91)]
            writer.add_row(row, ((n, iter([(layer, [b"x"]) for layer in layers])) for n in names))
    assert (folder / TAR).stat().st_size > 8281 * 13 * 1024
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(folder)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert float(done.stdout) < 8_000, "kB a tile"


def test_a_patch_that_is_right_is_read_as_before(tmp_path: Path) -> None:
    folder = write_patch(tmp_path / "p", s1_arrays(3), corner=CORNER)
    out = memoryview(bytearray(120 * 120 * 4))
    LayerReader(120, "float32").read(PatchReader(tmp_path), "p", "VV", out)
    assert bytes(out) == s1_arrays(3)["VV"].tobytes()
    assert (read_layer(folder, "VV") == s1_arrays(3)["VV"]).all()
