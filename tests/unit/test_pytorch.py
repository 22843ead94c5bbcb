"""PyTorch is optional: nothing needs it but training, which says how to get it."""

import os
import re
import subprocess
import sys

import pytest

from reben.runtime.code_version import PACKAGE, closure

NEEDS = """
import importlib, sys
sys.modules["torch"] = None  # as if it were not installed
for name in (f"reben.{name}" for name in sys.argv[1:]):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        print(name, error.name, "make install-training" in str(error))
    else:
        print(name, "imported")
"""


def modules() -> list[str]:
    """Every module of the package, without the package's name."""
    return sorted(
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for path in PACKAGE.glob("**/*.py")
        if path.name != "__init__.py"
    )


def imported(*names: str) -> list[str]:
    result = subprocess.run(
        [sys.executable, "-c", NEEDS, *names], capture_output=True, text=True, check=True
    )
    return result.stdout.splitlines()


def test_every_module_that_needs_pytorch_says_how_to_install_it() -> None:
    names = [name for name in modules() if "training.pytorch" in closure(name)]
    assert {"torch_dataset", "training.batches"} <= set(names)
    assert imported(*names) == [f"reben.{name} torch True" for name in names]


def test_pytorch_is_imported_in_one_place() -> None:
    importing = [
        name
        for name in modules()
        if re.search(
            r"^\s*(import|from) torch\b",
            (PACKAGE / f"{name.replace('.', '/')}.py").read_text(),
            re.M,
        )
    ]
    assert importing == ["training.pytorch"]


def test_reading_a_dataset_and_naming_bands_need_no_pytorch() -> None:
    names = ["dataset", "training.bands"]
    assert imported(*names) == [f"reben.{name} imported" for name in names]


#: This clone, wherever Python would find the package.
HERE = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
RUN = """
import runpy, sys
sys.modules[sys.argv.pop(1)] = None  # as if it were not installed
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


def run_without(package: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """A command as ``python -m`` runs it, where a package is missing."""
    return subprocess.run(
        [sys.executable, "-c", RUN, package, *words], env=HERE, capture_output=True, text=True
    )


def test_a_command_without_pytorch_ends_with_one_line() -> None:
    commands = [
        name
        for name in modules()
        if "training.pytorch" in closure(name)
        and "__main__" in (PACKAGE / f"{name.replace('.', '/')}.py").read_text()
    ]
    assert {"train", "evaluate", "predict", "export", "band_statistics"} <= set(commands)
    for name in commands:
        done = run_without("torch", f"reben.{name}", "--help")
        assert done.returncode == 1, name
        assert done.stderr.startswith("error: PyTorch is not installed; `make install-training`")
        assert done.stderr.count("\n") == 1
        assert done.stdout == ""


def test_pytorch_without_timm_is_told_too() -> None:
    pytest.importorskip("torch", reason="`make install-training` was not run")
    code = "from reben.training.models import create_model as f; f('resnet50', 12, 19, 0.1, 0.1)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.modules['timm'] = None; {code}"],
        env=HERE,
        capture_output=True,
        text=True,
    )
    assert "ToolError: timm, which makes the models, cannot be imported" in done.stderr
    assert "`make install-training` installs it" in done.stderr
