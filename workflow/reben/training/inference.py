"""Predictions of a model for all patches of a dataset, in the dataset's order."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from reben.runtime.errors import ConfigError
from reben.training.batch import Batch
from reben.training.batches import BatchedBigEarthNet, BatchLoader, BatchOrder
from reben.training.prepare import prepare
from reben.training.processes import Processes
from reben.training.pytorch import torch
from reben.training.weights import ModelConfig

Forward = Callable[[torch.Tensor], torch.Tensor]
#: What PyTorch says on a CPU, where it has no error of its own for it.
_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


class Predictor:
    """Computes logits for the patches of one dataset, with as many processes as there are.

    Args:
        patches: the dataset.
        config: of the model.
        processes: those that share the work.
        batch_size: patches at a time, in all processes together.
        workers: threads that read, for each of these.
        bf16: compute in bfloat16 where that is safe.
    """

    def __init__(
        self,
        patches: BatchedBigEarthNet,
        config: ModelConfig,
        processes: Processes,
        *,
        batch_size: int,
        workers: int,
        bf16: bool = False,
    ) -> None:
        self._patches, self._config, self._processes = patches, config, processes
        self._batch_size, self._bf16 = batch_size, bf16
        self._loader = BatchLoader(
            patches,
            self._order(processes.rank),
            workers=workers,
            pin_memory=processes.device.type == "cuda",
        )

    def _order(self, rank: int) -> BatchOrder:
        """The patches of each batch of a process."""
        count = self._processes.count
        size = max(self._batch_size, count)
        return BatchOrder(len(self._patches), size, rank=rank, world_size=count)

    def predict(self, model: torch.nn.Module) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits and labels, both (patches, classes), the same in every process.

        Raises:
            ConfigError: the memory does not suffice for a batch.
        """
        model.eval()
        shape = (len(self._patches), len(self._config.classes))
        nothing = np.empty((0, shape[1]), np.float32)
        logits, labels = [nothing], [nothing]
        with torch.inference_mode(), memory_guard(self._batch_size, self._processes):
            for batch in self._loader.epoch(0):
                logits.append(self._forward(model, batch).float().cpu().numpy())
                labels.append(batch.labels.numpy())
        all_logits, all_labels = np.empty(shape, np.float32), np.empty(shape, np.float32)
        parts = self._processes.gather((np.concatenate(logits), np.concatenate(labels)))
        for rank, (some_logits, some_labels) in enumerate(parts):
            rows = [row for batch in self._order(rank).epoch(0) for row in batch]
            all_logits[rows], all_labels[rows] = some_logits, some_labels
        return all_logits, all_labels

    def _forward(self, model: Forward, batch: Batch) -> torch.Tensor:
        device = self._processes.device
        images = prepare(batch, device, self._config.bands, self._config.statistics)
        with torch.autocast(device.type, torch.bfloat16, enabled=self._bf16):
            return model(images)


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The probability of each class on its own: the sigmoid of the logits, float32."""
    found: NDArray[np.float32] = torch.from_numpy(logits).sigmoid().numpy()
    return found


@contextmanager
def memory_guard(batch_size: int, processes: Processes) -> Iterator[None]:
    """Say which batch to try where the memory does not suffice.

    Raises:
        ConfigError: it did not.
    """
    try:
        yield
    except RuntimeError as error:  # the one of GPUs is a subclass
        if not any(words in str(error).lower() for words in _NO_MEMORY):
            raise
        each = -(-batch_size // processes.count)
        raise ConfigError(
            f"{processes.device_name}: the memory does not suffice for batches of {each} patches"
            f"{' on each of them' if processes.count > 1 else ''}; try a batch size of "
            f"{max(1, batch_size // 2)}, or use `precision: bf16` or more GPUs, which keeps the "
            f"batch ({str(error).splitlines()[0]})"
        ) from error
