"""Predict the classes of every patch of a dataset, or of one Sentinel-2 L2A product.

In: the folder of a model, trained here or published, and a dataset or the folder of a product.
Out: a Parquet table with the probability of each class, a row for each patch; for a product also
the corners of the patches in metres::

    reben predict --model resnet50-s2-v0.2.0 --product S2A_MSIL2A_….SAFE --out p.parquet

The product is cut and encoded as for a dataset, in a temporary folder: 3 GB for a whole tile.
"""

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from reben.domain.bands import PATCH_SIDE_M, S1_BANDS
from reben.domain.names import ProductName
from reben.domain.split_geometry import SPLITS
from reben.domain.tables import METADATA, PATCHES, write_table
from reben.encode import encode, sources_in_table
from reben.evaluate import predict
from reben.patches import cut_product, patch_table
from reben.runtime import cli
from reben.runtime.errors import ConfigError, ProductError
from reben.safe.metadata import L2AProduct
from reben.storage.patch_container import patch_writer
from reben.training.batches import BatchedBigEarthNet
from reben.training.command_line import add_compute, add_dataset, add_model
from reben.training.processes import join
from reben.training.pytorch import torch
from reben.training.weights import load_model

log = logging.getLogger(__name__)

_PLACE = ["epsg", "x_min", "y_min", "x_max", "y_max"]


def dataset_of_product(
    product: Path, folder: Path, bands: Sequence[str], threads: int
) -> tuple[BatchedBigEarthNet, pl.DataFrame]:
    """Cut and encode a product, as the workflow does.

    The offset of later products is removed, since models are trained without it.

    Args:
        product: L2A ``.SAFE`` folder.
        folder: empty, for the patches.
        bands: those of a model.
        threads: number of threads that read and write.

    Returns:
        The valid patches, and the rows of `tables.PATCHES` of all patches.

    Raises:
        ConfigError: the model sees Sentinel-1, which a product has not.
        ProductError: no patch of the product is valid.
    """
    if unknown := [band for band in bands if band in S1_BANDS]:
        raise ConfigError(
            f"--product: expected a model of Sentinel-2 alone, found one that also sees "
            f"{' and '.join(unknown)}; use one of modality s2, or build a dataset with Sentinel-1"
        )
    source = L2AProduct.open(product)
    tile = ProductName.parse(source.path.name.removesuffix(".SAFE")).tile
    grid = source.grid(PATCH_SIDE_M)
    images = folder / "patches"
    images.mkdir()
    with patch_writer(images, "tar") as writer:
        found = cut_product(source, grid, tile, writer, harmonise_offset=True, threads=threads)
    rows = patch_table(tile, grid, found)
    valid = rows.filter("valid")
    if not len(valid):
        raise ProductError(
            f"{product}: expected patches without nodata, found none in {len(rows)}; nothing can "
            "be predicted"
        )
    write_table(folder / "patches.parquet", rows, PATCHES)
    lmdb = folder / "patches.lmdb"
    sources = sources_in_table("s2", str(images), str(folder / "patches.parquet"), PATCH_SIDE_M)
    encode(sources, str(lmdb), threads)
    absent = {name: pl.lit(None) for name in METADATA.names if name != "patch_id"}
    metadata = folder / "metadata.parquet"
    write_table(metadata, valid.select("patch_id", **absent).sort("patch_id"), METADATA)
    return BatchedBigEarthNet(metadata, lmdb, bands), rows


def prediction_table(
    patch_ids: Sequence[str], probabilities: NDArray[np.float32], classes: Sequence[str]
) -> pl.DataFrame:
    """A row for each patch: its id, and a column for each class."""
    columns = {name: probabilities[:, i] for i, name in enumerate(classes)}
    return pl.DataFrame({"patch_id": patch_ids, **columns})


def write_predictions(path: Path, frame: pl.DataFrame) -> None:
    """Write a table of predictions, sorted by patch_id."""
    known = {name: PATCHES.field(name).type for name in ("patch_id", *_PLACE)}
    schema = pa.schema([(name, known.get(name, pa.float32())) for name in frame.columns])
    write_table(path, frame.sort("patch_id"), schema)


def main(argv: Sequence[str] | None = None) -> None:
    """Predict."""
    parser = cli.parser(
        __doc__,
        example="--model resnet50-s2 --product S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP.SAFE "
        "--out probabilities.parquet",
    )
    add_model(parser)
    add_dataset(parser, required=False)
    parser.add_argument("--split", choices=SPLITS, help="of the dataset; default: all")
    parser.add_argument("--product", type=Path, help="instead of a dataset: L2A .SAFE folder")
    add_compute(parser)
    parser.add_argument("--out", type=Path, required=True, help="Parquet")
    args = parser.parse_args(argv)
    if bool(args.product) == bool(args.metadata and args.lmdb) or (args.product and args.split):
        parser.error("pass either --metadata and --lmdb, with or without --split, or --product")

    model, config = load_model(args.model, args.modality)
    torch.set_num_threads(args.threads)
    with join(args.device) as processes, tempfile.TemporaryDirectory() as scratch:
        rows = None
        if args.product:
            patches, rows = dataset_of_product(
                args.product, Path(scratch), config.bands, max(1, args.workers)
            )
        else:
            patches = BatchedBigEarthNet(args.metadata, args.lmdb, config.bands, split=args.split)
        found, _ = predict(model, config, patches, processes, args.batch_size, args.workers)
        if not processes.is_first:
            return
    frame = prediction_table(patches.metadata["patch_id"].to_list(), found, config.classes)
    if rows is not None:
        frame = frame.join(rows.select("patch_id", *_PLACE), on="patch_id", how="left")
    write_predictions(args.out, frame)
    log.info("%s: %d patches", args.out, len(frame))


if __name__ == "__main__":
    cli.run(main)
