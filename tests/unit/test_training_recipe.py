"""The recipe: schedule, optimizer and random numbers, by the formulas of the paper."""

import math

import pytest

pytest.importorskip("torch", reason="`make install-training` was not run")

import torch

from reben.training.recipe import Recipe, step_seed

PATCHES = 237_871
PAPER = Recipe("resnet50", "all", 42)


def test_the_defaults_are_the_recipe_of_the_paper() -> None:
    assert PAPER.as_json() == {
        "model": "resnet50",
        "modality": "all",
        "seed": 42,
        "epochs": 100,
        "batch_size": 512,
        "learning_rate": 1e-3,
        "warmup_steps": 1000,
        "patience": 5,
        "precision": "paper",
        "compile": False,
        "weight_decay": 0.01,
        "drop_rate": 0.15,
        "drop_path_rate": 0.15,
    }
    assert PAPER.total_steps(PATCHES) == 46_459


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 1e-4),
        (1, 1e-4 + 9e-4 / 999),
        (500, 1e-4 + 9e-4 * 500 / 999),
        (999, 1e-3),
        (1000, 1e-3),
        (1000 + 45_459 // 4, 1e-4 + 4.5e-4 * (1 + math.cos(math.pi * (45_459 // 4) / 45_459))),
        (23_730, 1e-4 + 4.5e-4 * (1 + math.cos(math.pi * 22_730 / 45_459))),
        (46_459, 1e-4),
        (50_000, 1e-4),
    ],
)
def test_the_learning_rate_rises_and_falls_by_the_formulas(step: int, expected: float) -> None:
    assert PAPER.learning_rate_at(step, PATCHES) == pytest.approx(expected, rel=1e-12)


def test_the_schedule_of_a_few_steps_is_defined() -> None:
    short = Recipe("resnet50", "all", 0, epochs=1, batch_size=8, warmup_steps=100)
    assert [short.learning_rate_at(step, 5) for step in (0, 99, 100, 101)] == pytest.approx(
        [1e-4, 1e-3, 1e-3, 1e-4]
    )
    at_once = Recipe("resnet50", "all", 0, warmup_steps=0)
    assert at_once.learning_rate_at(0, PATCHES) == pytest.approx(1e-3)


def test_weights_decay_by_a_hundredth_of_the_learning_rate() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2))
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = PAPER.optimizer(model.parameters())
    assert isinstance(optimizer, torch.optim.AdamW)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    # Without gradients, all that a step does is to decay: biases and norms too.
    for parameter, old in zip(model.parameters(), before, strict=True):
        torch.testing.assert_close(parameter.detach(), old * (1 - 1e-3 * 0.01))


def test_random_numbers_depend_on_seed_step_and_process() -> None:
    seeds = {step_seed(*at) for at in [(42, 0, 0), (42, 1, 0), (42, 0, 1), (24, 0, 0), (0, 0, 42)]}
    assert len(seeds) == 5
    assert step_seed(42, 7, 0) == 1955881634  # the same in every process and version
