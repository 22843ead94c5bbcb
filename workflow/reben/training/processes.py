"""The processes of a training: one, or one for each GPU as `torchrun` starts them.

In: the environment that torchrun sets. Out: `Processes`, what each of them is, and the device
that it computes on.
"""

import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from reben.runtime.errors import ConfigError
from reben.training.pytorch import torch

log = logging.getLogger(__name__)

DEVICES = ("auto", "cuda", "cpu")


@dataclass(frozen=True)
class Processes:
    """The processes of one training, seen from one of them.

    Attributes:
        rank: number of this one; the first writes the files.
        count: how many there are.
        device: that this one computes on.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this one writes files and logs."""
        return self.rank == 0

    @property
    def device_name(self) -> str:
        """The card, or that there is none."""
        if self.device.type == "cuda":
            return f"{self.count} x {torch.cuda.get_device_name(self.device)}"
        return f"CPU, {torch.get_num_threads()} threads"

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, in their order."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        torch.distributed.all_gather_object(values, value)
        return values


@contextmanager
def join(device: str = "auto") -> Iterator[Processes]:
    """Join the processes that torchrun started; without it there is one.

    Args:
        device: ``cuda``, ``cpu``, or ``auto``: a GPU if there is one.

    Raises:
        ConfigError: there is no GPU, or none is free.
    """
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise ConfigError(
            "--device: expected a GPU that PyTorch can use, found none; check `nvidia-smi`, and "
            f"that this PyTorch ({torch.__version__}) is a CUDA build, or use --device cpu"
        )
    use_gpu = has_gpu and device != "cpu"
    count = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local_rank = (int(os.environ.get(name, "0")) for name in ("RANK", "LOCAL_RANK"))
    if rank:
        logging.getLogger().setLevel(logging.ERROR)  # the first process says it for all
    with ExitStack() as stack:
        place = torch.device("cpu")
        if use_gpu:
            index = local_rank if count > 1 else stack.enter_context(claim_card(_cards()))
            place = torch.device("cuda", index)
            torch.cuda.set_device(place)
        if count > 1:
            torch.distributed.init_process_group("nccl" if use_gpu else "gloo")
            stack.callback(torch.distributed.destroy_process_group)
        yield Processes(rank, count, place)


def _cards() -> list[str]:
    """A name for each visible GPU that is the same in all processes of the machine."""
    count = torch.cuda.device_count()
    return [str(torch.cuda.get_device_properties(i).uuid) for i in range(count)]


@contextmanager
def claim_card(names: Sequence[str]) -> Iterator[int]:
    """The index of a GPU that no other training of this machine uses, until the block ends.

    Snakemake counts GPUs, but does not say which one a job gets; Slurm does, and shows a job
    only its own.

    Args:
        names: of the visible GPUs.

    Raises:
        ConfigError: all of them are in use.
    """
    for index, name in enumerate(names):
        file = _lock(Path(tempfile.gettempdir(), f"reben-{os.getuid()}-{name}.lock"))
        if file is not None:
            with file:
                log.info("GPU %d of %d", index, len(names))
                yield index
            return
    raise ConfigError(
        f"expected a free GPU, found {len(names)}, all used by other trainings; wait for them, or "
        f"set `gpu={len(names)}` under `resources` of the profile, so that no more run at a time"
    )


def _lock(path: Path) -> IO[str] | None:
    """Lock a file as long as it is open; None if another process has it. Ends with the process."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file
