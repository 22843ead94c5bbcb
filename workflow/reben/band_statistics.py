"""Step band_statistics: mean and deviation of each band, and the digest of the dataset.

In: ``metadata.parquet`` and the LMDB. Out: a JSON that `reben.train` normalises with if
``training.statistics`` is ``computed``, and that says what the models were trained on.
"""

import logging
from collections.abc import Sequence

from reben.runtime import cli
from reben.runtime.errors import TableError
from reben.runtime.files import sha256_file, write_json
from reben.storage.lmdb_store import content_digest
from reben.training.bands import MODALITIES, PUBLISHED_STATISTICS
from reben.training.batches import BatchedBigEarthNet, BatchLoader, BatchOrder
from reben.training.command_line import add_dataset
from reben.training.statistics import DatasetStatistics, compute_statistics

log = logging.getLogger(__name__)

_BATCH_SIZE = 256


def main(argv: Sequence[str] | None = None) -> None:
    """Compute the statistics of a train split."""
    parser = cli.parser(__doc__)
    add_dataset(parser)
    parser.add_argument("--modality", choices=tuple(MODALITIES), default="all")
    parser.add_argument("--threads", type=cli.count, default=1, help="that read")
    parser.add_argument("--out", required=True, help="JSON")
    args = parser.parse_args(argv)

    bands = MODALITIES[args.modality]
    digest = content_digest(args.lmdb)  # before the batches, which keep the LMDB open
    patches = BatchedBigEarthNet(args.metadata, args.lmdb, bands, split="train")
    loader = BatchLoader(patches, BatchOrder(len(patches), _BATCH_SIZE), workers=args.threads)
    statistics = compute_statistics(loader.epoch(0), bands)
    for band, found in statistics.items():
        if not found.std:
            raise TableError(
                f"{args.lmdb}: expected different pixels in {band} of the split train, found "
                f"{found.mean:g} everywhere; images without content cannot be normalised"
            )
        log.info("%s: %s; published: %s", band, _words(found), _words(PUBLISHED_STATISTICS[band]))
    result = DatasetStatistics(statistics, sha256_file(args.metadata), digest)
    write_json(args.out, result.as_json())


def _words(found: tuple[float, float]) -> str:
    return f"{found[0]:.2f} ± {found[1]:.2f}"


if __name__ == "__main__":
    cli.run(main)
