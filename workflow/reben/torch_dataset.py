"""A finished dataset as a PyTorch dataset: one patch at a time, for any `DataLoader`.

`reben.training.batches` reads whole batches, several times faster.
"""

from typing import Any

import numpy as np

from reben.dataset import BigEarthNet
from reben.training.pytorch import torch


class TorchBigEarthNet(BigEarthNet, torch.utils.data.Dataset):  # type: ignore[misc]
    """`BigEarthNet` with tensors instead of arrays; images are float32 unless `dtype` is given.

    Labels are float32, as PyTorch's multi-label losses require; reference maps int64. With
    ``dtype=None`` reflectance stays uint16: half the bytes for workers to transfer.
    """

    def __init__(self, *args: Any, dtype: str | None = "float32", **kwargs: Any) -> None:
        super().__init__(*args, dtype=dtype, **kwargs)

    def __getitem__(self, index: int) -> dict[str, Any]:  # type: ignore[override]
        """Read one patch; see `BigEarthNet`."""
        types = {"labels": "float32", "reference_map": "int64"}
        return {
            name: torch.from_numpy(value.astype(types.get(name, value.dtype), copy=False))
            if isinstance(value, np.ndarray)
            else value
            for name, value in super().__getitem__(index).items()
        }


if __name__ == "__main__":
    from reben.runtime.library import answer

    answer(__doc__)
