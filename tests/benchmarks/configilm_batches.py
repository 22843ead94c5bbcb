"""Time an epoch of configilm's BigEarthNet v2 data set; runs in an environment of its own.

``python configilm_batches.py METADATA LMDB CHANNELS BATCH_SIZE WORKERS`` prints the seconds.
"""

import sys
import time

import torch
from configilm.extra.DataSets.BENv2_DataSet import BENv2DataSet

torch.set_num_threads(1)


def main(metadata: str, lmdb: str, channels: int, batch_size: int, workers: int) -> None:
    """Read every patch twice; the second time counts."""
    patches = BENv2DataSet(
        {
            "images_lmdb": lmdb,
            "metadata_parquet": metadata,
            "metadata_snow_cloud_parquet": None,
        },
        img_size=(channels, 120, 120),
    )
    loader = torch.utils.data.DataLoader(
        patches, batch_size, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    for _ in range(2):
        start, count = time.perf_counter(), 0
        for images, _ in loader:
            count += len(images)
        seconds = time.perf_counter() - start
    if count != len(patches):
        raise SystemExit(f"expected {len(patches)} patches, found {count}")
    print(f"seconds {seconds}")


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:]))
