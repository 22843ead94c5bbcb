"""The training loop: from random weights to those of the best epoch.

In: a dataset's train and validation splits and a recipe. Out: `Outcome`. An epoch visits every
patch once; after it the validation split is scored. A training can end at any moment and be
resumed at the step of its last checkpoint, with the same weights at the end: what a step does
depends on the weights, the recipe and its number alone.
"""

import logging
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from reben.runtime.errors import ConfigError, StoppedError, ToolError
from reben.training.batch import Batch
from reben.training.batches import BatchedBigEarthNet, BatchLoader, BatchOrder
from reben.training.checkpoint import Checkpoint
from reben.training.inference import Predictor, memory_guard, probabilities
from reben.training.metrics import MONITORED, score
from reben.training.prepare import prepare, random_flips
from reben.training.processes import Processes
from reben.training.pytorch import torch
from reben.training.recipe import Recipe, step_seed
from reben.training.weights import ModelConfig

log = logging.getLogger(__name__)

_loss_of = torch.nn.functional.binary_cross_entropy_with_logits

State = dict[str, torch.Tensor]


@dataclass
class Progress:
    """Where a training is; all of it is in the checkpoint.

    Attributes:
        epoch: number of the running epoch, from 0.
        step: steps done in it.
        steps: steps done in all epochs.
        loss: sum of the losses of the running epoch's patches that the first process saw.
        seen: how many these are.
        history: a row for each finished epoch.
        best: validation score of the best epoch.
        best_epoch: its number.
        patches: that were trained on, in all tries.
        seconds: spent on them.
        waited: seconds of these that the loop waited for data.
    """

    epoch: int = 0
    step: int = 0
    steps: int = 0
    loss: float = 0.0
    seen: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: float = -math.inf
    best_epoch: int = -1
    patches: int = 0
    seconds: float = 0.0
    waited: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """A finished training: the weights of the best epoch, and how it came to them."""

    weights: State
    progress: Progress


class Training:
    """One training.

    Args:
        model: with its first weights, on the CPU.
        config: what it takes.
        recipe: how it is trained.
        train: patches of the train split.
        validation: patches of the validation split.
        processes: those that train.
        checkpoint: where to save.
        workers: threads that read, for each process that trains.

    Raises:
        ConfigError: there are more processes than patches, or than patches of a batch.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        config: ModelConfig,
        recipe: Recipe,
        train: BatchedBigEarthNet,
        validation: BatchedBigEarthNet,
        processes: Processes,
        checkpoint: Checkpoint,
        workers: int = 0,
    ) -> None:
        if len(train) < processes.count:
            raise ConfigError(
                f"the split train: expected at least one patch for each of {processes.count} "
                f"processes, found {len(train)}; start fewer (torchrun --nproc-per-node)"
            )
        self._config, self._recipe, self._processes = config, recipe, processes
        self._count, self._checkpoint = len(train), checkpoint
        self._bf16 = recipe.precision == "bf16"
        on_gpu = processes.device.type == "cuda"
        if on_gpu:
            torch.set_float32_matmul_precision("medium")  # TF32, as the authors
        self._model = model.to(processes.device)
        self._optimizer = recipe.optimizer(self._model.parameters())
        self._net = self._model
        if processes.count > 1:
            self._net = torch.nn.parallel.DistributedDataParallel(self._model)
        if recipe.compile:
            self._net = torch.compile(self._net)
        order = BatchOrder(
            len(train),
            recipe.batch_size,
            seed=recipe.seed,
            rank=processes.rank,
            world_size=processes.count,
            # A last batch with less than a patch for each process would leave some without.
            drop_last=0 < len(train) % recipe.batch_size < processes.count,
        )
        self._loader = BatchLoader(train, order, workers=workers, pin_memory=on_gpu)
        self._validation = Predictor(
            validation,
            config,
            processes,
            batch_size=recipe.batch_size,
            workers=workers,
            bf16=self._bf16,
        )
        self._progress = Progress()
        self._best: State = {}
        self._loss = torch.zeros((), dtype=torch.float64, device=processes.device)

    def run(self) -> Outcome:
        """Train to the end, from the checkpoint if there is one.

        Raises:
            ConfigError: the memory does not suffice.
            ToolError: the loss is no number.
            StoppedError: the process was asked to end.
        """
        self._restore()
        progress = self._progress
        with _stop_requests() as stop:
            while progress.epoch < self._recipe.epochs and not self._has_lost_patience():
                self._train_epoch(stop)
                self._validate()
                if self._processes.is_first:
                    self._save()
        return Outcome(self._best, progress)

    def _has_lost_patience(self) -> bool:
        progress = self._progress
        return progress.epoch - 1 - progress.best_epoch >= self._recipe.patience

    def _train_epoch(self, stop: list[int]) -> None:
        progress = self._progress
        self._net.train()
        begun = time.monotonic()
        batches = self._loader.epoch(progress.epoch, progress.step)
        with memory_guard(self._recipe.batch_size, self._processes):
            while True:
                asked = time.monotonic()
                batch = next(batches, None)
                if batch is None:
                    break
                progress.waited += time.monotonic() - asked
                progress.patches += self._step(batch)
                if self._processes.is_first and (stop or self._checkpoint.is_due):
                    progress.seconds += time.monotonic() - begun
                    begun = time.monotonic()
                    self._save()
                    if stop:
                        raise StoppedError(
                            f"stopped by {signal.Signals(stop[0]).name} in epoch "
                            f"{progress.epoch + 1} after step {progress.step}; run the same "
                            "command again to go on from there"
                        )
        progress.loss = float(self._loss)
        progress.seconds += time.monotonic() - begun

    def _step(self, batch: Batch) -> int:
        """Train on one batch; returns how many patches it has in all processes."""
        recipe, progress, processes = self._recipe, self._progress, self._processes
        torch.manual_seed(step_seed(recipe.seed, progress.steps, processes.rank))
        flips = random_flips(len(batch), torch.default_generator)
        images = prepare(
            batch, processes.device, self._config.bands, self._config.statistics, flips=flips
        )
        labels = batch.labels.to(processes.device, non_blocking=True)
        for group in self._optimizer.param_groups:
            group["lr"] = recipe.learning_rate_at(progress.steps, self._count)
        self._optimizer.zero_grad()
        with torch.autocast(processes.device.type, torch.bfloat16, enabled=self._bf16):
            logits = self._net(images)
        patches = min(recipe.batch_size, self._count - progress.step * recipe.batch_size)
        # The mean over the batch of all processes, whose gradients PyTorch averages.
        summed = _loss_of(logits.float(), labels, reduction="sum")
        summed = summed / len(self._config.classes)
        (summed * (processes.count / patches)).backward()
        self._optimizer.step()
        self._loss += summed.detach()
        progress.seen += len(batch)
        progress.step += 1
        progress.steps += 1
        return patches

    def _validate(self) -> None:
        """Score the validation split, and end the epoch."""
        progress = self._progress
        loss = progress.loss / progress.seen
        if not math.isfinite(loss):
            raise ToolError(
                f"epoch {progress.epoch + 1}: expected a loss that is a number, found {loss}; the "
                f"training diverged, try a learning rate below {self._recipe.learning_rate:g}"
            )
        logits, labels = self._validation.predict(self._model)
        scores = score(probabilities(logits), labels, self._config.classes).flat()
        validation_loss = float(_loss_of(torch.from_numpy(logits), torch.from_numpy(labels)))
        row = {
            "epoch": progress.epoch + 1,
            "steps": progress.steps,
            "learning_rate": self._recipe.learning_rate_at(progress.steps - 1, self._count),
            "train_loss": loss,
            "validation_loss": validation_loss,
            **scores,
        }
        progress.history.append(row)
        if self._processes.is_first:
            log.info(
                "epoch %d: loss %.4f, validation loss %.4f, macro average precision %.2f %%",
                row["epoch"],
                loss,
                validation_loss,
                100 * row[MONITORED],
            )
        if math.isnan(row[MONITORED]):
            raise ConfigError(
                "the split validation: expected patches with one of the classes, found none, so no "
                "epoch can be called the best"
            )
        if row[MONITORED] > progress.best:
            progress.best, progress.best_epoch = row[MONITORED], progress.epoch
            self._best = {k: v.detach().cpu().clone() for k, v in self._model.state_dict().items()}
        progress.epoch += 1
        progress.step = progress.seen = 0
        progress.loss = 0.0
        self._loss.zero_()

    def _save(self) -> None:
        self._progress.loss = float(self._loss)
        self._checkpoint.save(
            {
                "progress": dict(vars(self._progress)),
                "model": self._model.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "best": self._best,
            }
        )

    def _restore(self) -> None:
        state: dict[str, Any] | None = self._checkpoint.load()
        if state is None:
            return
        self._progress = Progress(**state["progress"])
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._best = state["best"]
        self._loss += self._progress.loss
        if self._processes.is_first:
            log.info(
                "resumed in epoch %d after step %d", self._progress.epoch + 1, self._progress.step
            )


@contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """Signals that asked this process to end: Slurm sends SIGTERM before it kills."""
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, before)
