"""Memory for batches: requesting 140 MB from the system costs more than filling them."""

from collections.abc import Callable, Iterator
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from reben.training.pytorch import torch

#: Returns an empty tensor for a kind of image, the number of patches, pixels of each, and type.
Allocate = Callable[[str, int, int, np.dtype[np.generic]], torch.Tensor]


def fresh(kind: str, rows: int, pixels: int, dtype: np.dtype[np.generic]) -> torch.Tensor:
    """An empty tensor (rows, pixels); NumPy asks for huge pages, which take half the time."""
    empty: NDArray[np.generic] = np.empty((rows, pixels), dtype)
    return torch.from_numpy(empty)


def fresh_copy(tensor: torch.Tensor) -> torch.Tensor:
    """A copy in memory of its own."""
    return torch.from_numpy(np.array(tensor.numpy()))


class RecycledMemory:
    """Memory that a worker shares with the main process, used again after `count` batches.

    Args:
        count: batches of which the main process may still need the content.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._turns: dict[str, Iterator[list[torch.Tensor]]] = {}

    def allocate(
        self, kind: str, rows: int, pixels: int, dtype: np.dtype[np.generic]
    ) -> torch.Tensor:
        """As `fresh`."""
        if kind not in self._turns:
            self._turns[kind] = cycle([[] for _ in range(self._count)])
        slot = next(self._turns[kind])
        if not slot or len(slot[0]) < rows:
            slot[:] = [fresh(kind, rows, pixels, dtype).share_memory_()]
        return slot[0][:rows]
