"""A finished dataset as a PyTorch dataset; the only module that needs PyTorch."""

from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from reben.dataset import BigEarthNet


class TorchBigEarthNet(BigEarthNet, Dataset):  # type: ignore[misc]
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
