"""Checkpoints: where a training is, so that the next try goes on from there.

In: the state of a training. Out: one file, complete or absent, outside of what Snakemake deletes
when a job fails. Random numbers are no part of it: they depend on the seed and the step alone
(`reben.training.recipe.step_seed`).
"""

import logging
import os
import pickle
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reben.runtime.files import atomic_file
from reben.training.pytorch import torch

log = logging.getLogger(__name__)

_FILE = "checkpoint.pt"


class Checkpoint:
    """The checkpoint of one training.

    Args:
        folder: of its file.
        made_from: what the training depends on, plain JSON; a checkpoint of another is ignored.
        interval_s: seconds between two checkpoints within an epoch.
    """

    def __init__(
        self, folder: str | os.PathLike[str], made_from: Mapping[str, Any], interval_s: float
    ) -> None:
        self._path = Path(folder, _FILE)
        self._made_from = dict(made_from)
        self._interval_s = interval_s
        self._saved = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether the last one is older than the interval."""
        return time.monotonic() - self._saved >= self._interval_s

    def load(self) -> dict[str, Any] | None:
        """The state to go on from, on the CPU; None if there is none of this training."""
        if not self._path.exists():
            return None
        try:
            # Only tensors and plain values: a checkpoint cannot run code.
            value = torch.load(self._path, map_location="cpu", weights_only=True)
            made_from, state = value["made_from"], value["state"]
        except (
            OSError,
            RuntimeError,
            pickle.UnpicklingError,
            EOFError,
            KeyError,
            TypeError,
        ) as error:
            reason = (str(error).splitlines() or [repr(error)])[0]
            log.warning("%s: cannot be read (%s); training starts over", self._path, reason)
            return None
        if made_from != self._made_from:
            other = sorted(
                key
                for key in made_from.keys() | self._made_from.keys()
                if made_from.get(key) != self._made_from.get(key)
            )
            log.warning(
                "%s: is of a training with other %s; this one starts over",
                self._path,
                ", ".join(other),
            )
            return None
        loaded: dict[str, Any] = state
        return loaded

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state: tensors and plain values."""
        with atomic_file(self._path) as part:
            torch.save({"made_from": self._made_from, "state": dict(state)}, part)
        self._saved = time.monotonic()

    def remove(self) -> None:
        """Remove it with its folder: the training is finished."""
        shutil.rmtree(self._path.parent, ignore_errors=True)
