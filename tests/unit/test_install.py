"""`pip install .`: an installed copy has all that the workflow needs, and is found as one."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from reben import __version__
from reben.synthetic import ProductSpec, write_corine

ROOT = Path(__file__).parents[2]
#: What the start of Python does, with the packages of this environment but not its reben.
_START = """
import runpy, site, sys
sys.path.append(sys.argv.pop(1))
site.addsitedir(sys.argv.pop(1))
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a wheel of the project is unpacked to, as pip does it."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--wheel-dir", str(folder), str(ROOT)], check=True)
    (wheel,) = folder.glob(f"reben-{__version__}-*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "site")
    return folder / "site"


def run(installed: Path, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    packages = sysconfig.get_path("purelib")
    command = [sys.executable, "-I", "-S", "-c", _START, packages, str(installed), *words]
    return subprocess.run(
        command, cwd=folder, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def test_an_installed_copy_plans_a_build_from_an_empty_folder(
    installed: Path, spec: ProductSpec, pristine_product: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    # On nodes of a cluster, homes may not be there, or cannot be written.
    monkeypatch.setenv("HOME", "/dev/null/home")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    write_corine(tmp_path / "corine.gpkg", [spec])
    done = run(
        installed, tmp_path, "reben", "new", "mine", "--products", str(pristine_product),
        "--land-cover", "corine.gpkg",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    mine = tmp_path / "mine"
    done = run(installed, mine, "reben", "plan", "dataset.yaml")
    assert "1 tiles to make" in done.stdout, done.stdout
    snakefile = str(installed / "reben-workflow/workflow/Snakefile")
    words = ("snakemake", "--snakefile", snakefile, "--configfile", "dataset.yaml", "--dry-run")
    done = run(installed, mine, *words)
    assert done.returncode == 0, done.stdout
    assert "reben-workflow/workflow/profiles/default" in done.stdout, "the profile is found"
    assert "make_patches" in done.stdout
    assert "do not exist" not in done.stdout


def test_nothing_but_the_package_is_on_the_path_of_jobs(installed: Path) -> None:
    """Or a job in a conda environment would import the packages that pip put beside it."""
    assert (installed / "reben.pth").read_text().strip() == "reben-workflow/workflow"
    packages = {
        path.parent.name for path in installed.glob("reben-workflow/workflow/*/__init__.py")
    }
    assert packages == {"reben"}
    assert {path.name for path in installed.iterdir()} == {
        "reben.pth", "reben-workflow", f"reben-{__version__}.dist-info"
    }  # fmt: skip
