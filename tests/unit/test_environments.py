"""The conda environments: exact pins, those of the lock, all that the steps import, and JPEG 2000.

That they solve is in test_pin_envs.py.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import rattler
import yaml

from reben.runtime.code_version import PACKAGE, closure
from reben.safe.jpeg2000_driver import CONDA_PACKAGE
from tests.rules import load_rules

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = sorted((ROOT / "envs").rglob("*.yaml"))
#: Names on conda-forge where they differ from those on PyPI.
CONDA_NAMES = {"lmdb": "python-lmdb", "matplotlib": "matplotlib-base", "torch": "pytorch"}
#: Names on conda-forge of imported modules, where they differ.
MODULES = {**CONDA_NAMES, "yaml": "pyyaml", "PIL": "pillow", "botocore": "boto3"}
#: Libraries bundled in wheels but packages on conda-forge; no step imports them.
LIBRARIES = {"libgdal-core", "geos", "proj"}
#: Packages whose newest version on conda-forge is older than that of the lock.
OLDER = {"pytorch"}


def pins(environment: Path) -> dict[str, str]:
    """The version of each package of an environment."""
    listed = yaml.safe_load(environment.read_text())["dependencies"]
    assert all(isinstance(line, str) for line in listed), "no pip section"
    return dict(line.split("==") for line in listed)


def locked() -> dict[str, str]:
    """Exact versions; the lock of what trains has all of the other one, at the same versions."""
    text = (ROOT / "requirements-training.lock").read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.MULTILINE))


def rules() -> list[tuple[str, str, str]]:
    """Each rule: its name, its step's module, its environment."""
    return [(rule.name, rule.step, rule.environment) for rule in load_rules().values()]


def trees(step: str) -> list[ast.AST]:
    """The code of a step and of its imports from reben."""
    found = []
    for name in sorted(closure(step)):
        path = PACKAGE.joinpath(*name.split("."))
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        found += list(ast.walk(ast.parse(source.read_bytes())))
    return found


def third_party(step: str) -> set[str]:
    """The packages needed by a step and its imports from reben, by their conda names."""
    found = set()
    for node in trees(step):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    found -= {*sys.stdlib_module_names, "reben", "_typeshed"}  # the last only for type checkers
    return {MODULES.get(name, name.replace("_", "-")) for name in found}


def opens_any_image(step: str) -> bool:
    """Whether it has the code that opens images which may be JPEG 2000."""
    return bool({"safe.jpeg2000", "results.scene_classification"} & closure(step))


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_pins_are_exact_and_those_of_the_lock(environment: Path) -> None:
    versions = {CONDA_NAMES.get(name, name): version for name, version in locked().items()}
    found = pins(environment)
    python = found.pop("python")
    assert re.fullmatch(r"3\.\d+\.\d+", python)
    ours = {name: found[name] for name in found.keys() - LIBRARIES - OLDER - {CONDA_PACKAGE}}
    assert ours == {name: versions.get(name) for name in ours}


def test_what_trains_changes_no_version_of_the_workflow() -> None:
    lines = {
        name: set(re.findall(r"^[a-z0-9._-]+==\S+", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-training.lock")
    }
    assert lines["requirements.lock"] < lines["requirements-training.lock"]


def test_another_build_of_pytorch_takes_the_place_of_all_that_is_for_cuda() -> None:
    """`make install-training TORCH=...` installs the rest of the lock, with its hashes."""
    show = "show: ; @$(WITHOUT_TORCH) requirements-training.lock"
    rest = subprocess.check_output(
        ["make", "--silent", f"--eval={show}", "show"], cwd=ROOT, text=True
    )
    left = set(re.findall(r"^([a-z0-9._-]+)==", rest, re.MULTILINE))
    gone = locked().keys() - left
    assert {"timm", "torchmetrics", "filelock"} <= left
    assert {"torch", "torchvision", "triton", "nvidia-cublas", "cuda-toolkit"} <= gone
    assert all(re.match(r"torch(vision)?$|triton$|nvidia-|cuda-", name) for name in gone)
    assert rest.count("--hash") > len(left)


def test_each_package_has_one_version_in_all_environments() -> None:
    versions: dict[str, set[str]] = {}
    for environment in ENVIRONMENTS:
        for name, version in pins(environment).items():
            versions.setdefault(name, set()).add(version)
    assert versions.keys() >= LIBRARIES
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}
    assert versions[CONDA_PACKAGE] == versions["libgdal-core"]  # a plugin for exactly this GDAL


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_a_conda_library_reads_the_pins(environment: Path) -> None:
    content = yaml.safe_load(environment.read_text())
    assert content["channels"] == ["conda-forge", "nodefaults"]
    for line in content["dependencies"]:
        spec = rattler.MatchSpec(line, strict=True)
        name, version = line.split("==")
        assert (spec.name.normalized, str(spec.version)) == (name, f"=={version}")
        assert spec.build is None


@pytest.mark.parametrize(("rule", "step", "environment"), rules(), ids=[r[0] for r in rules()])
def test_environment_has_what_the_step_imports(rule: str, step: str, environment: str) -> None:
    missing = third_party(step) - pins(ROOT / f"envs/{environment}.yaml").keys()
    assert not missing, f"envs/{environment}.yaml lacks what reben.{step} imports"


def test_rules_that_open_images_have_the_driver() -> None:
    opening = {rule: environment for rule, step, environment in rules() if opens_any_image(step)}
    assert {"make_patches", "run_sen2cor", "report"} <= opening.keys()
    assert "check_quality" not in opening
    for rule, environment in opening.items():
        assert CONDA_PACKAGE in pins(ROOT / f"envs/{environment}.yaml"), rule


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environment_has_nothing_else(environment: Path) -> None:
    place = environment.relative_to(ROOT / "envs").with_suffix("").as_posix()
    steps = [step for _, step, name in rules() if name == place]
    assert steps, "no rule uses it"
    needed = set().union(*map(third_party, steps)) | LIBRARIES
    if any(map(opens_any_image, steps)):
        needed.add(CONDA_PACKAGE)
    beyond = pins(environment).keys() - {"python"} - needed
    # The audit records the versions of packages used by other steps, without importing them.
    others = (
        set().union(*map(pins, ENVIRONMENTS)) - needed if environment.stem == "audit" else set()
    )
    assert beyond <= others
