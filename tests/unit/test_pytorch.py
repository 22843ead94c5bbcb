"""PyTorch is optional: nothing needs it but training, which says how to get it."""

import ast
import subprocess
import sys

from reben.runtime.code_version import PACKAGE

NEEDS = """
import importlib, sys
sys.modules["torch"] = None  # as if it were not installed
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        print(name, error.name, "make install-training" in str(error))
    else:
        print(name, "imported")
"""


def modules_that_import_torch() -> list[str]:
    """Directly, or through another module of the package."""
    needing = {"torch"}
    imports = {}
    for path in PACKAGE.glob("reben/**/*.py"):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        nodes = ast.parse(path.read_text()).body  # imports inside functions are optional
        imports[name.removesuffix(".__init__")] = {
            found
            for node in nodes
            for found in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
    while True:
        more = {
            name
            for name, found in imports.items()
            if any(f == n or f.startswith("torch.") for f in found for n in needing)
        } - needing
        if not more:
            return sorted(needing - {"torch"})
        needing |= more


def imported(*names: str) -> list[str]:
    result = subprocess.run(
        [sys.executable, "-c", NEEDS, *names], capture_output=True, text=True, check=True
    )
    return result.stdout.splitlines()


def test_every_module_that_needs_pytorch_says_how_to_install_it() -> None:
    modules = modules_that_import_torch()
    assert {"reben.torch_dataset", "reben.training.batches"} <= set(modules)
    assert imported(*modules) == [f"{name} torch True" for name in modules]


def test_reading_a_dataset_and_naming_bands_need_no_pytorch() -> None:
    names = ["reben.dataset", "reben.training.bands"]
    assert imported(*names) == [f"{name} imported" for name in names]
