"""Without a driver for JPEG 2000 a step stops before any work and names the missing package."""

import ast
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import rasterio

from reben.audit import provenance
from reben.runtime.code_version import PACKAGE
from reben.runtime.errors import ToolError
from reben.safe import jpeg2000_driver
from reben.safe.jpeg2000 import StripReader
from reben.synthetic import ProductSpec, write_product
from tests.unit.test_environments import opens_any_image, rules

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"


def run(step: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a step with a GDAL that lacks the driver, like conda-forge's alone."""
    return subprocess.run(
        [sys.executable, "-m", f"reben.{step}", *map(str, arguments)],
        env=os.environ | {"GDAL_SKIP": "JP2OpenJPEG", "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def assert_names_the_package(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: GDAL {rasterio.__gdal_version__}: expected a driver for JPEG")
    assert "install the package libgdal-jp2openjpeg=" in last
    assert "not recognized" not in done.stderr


def cut(product: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    places = ["--out", out / "patches", "--table", out / "table.parquet"]
    return run("patches", "--product", product, "--tile", TILE, *places, *more)


def test_patches_stop_before_the_first_image(pristine_product: Path, tmp_path: Path) -> None:
    assert_names_the_package(cut(pristine_product, tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_rejected_tile_needs_no_driver(spec: ProductSpec, tmp_path: Path) -> None:
    rejected = replace(spec, quality={"GENERAL_QUALITY": "FAILED"})
    product = write_product(tmp_path, rejected)
    done = cut(product, tmp_path, "--required", "GENERAL_QUALITY")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "table.parquet").exists()


def test_sen2cor_is_not_started(tmp_path: Path) -> None:
    command = tmp_path / "L2A_Process"
    command.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    command.chmod(0o755)
    (tmp_path / "l1c").mkdir()
    done = run(
        "sen2cor", "--l1c", tmp_path / "l1c", "--out", tmp_path / f"{TILE}.SAFE",
        "--command", command, "--version", "2.11", "--limit-min", "1",
    )  # fmt: skip
    assert_names_the_package(done)
    assert not (tmp_path / "started").exists()


def test_the_steps_that_read_images_are_those_tested_here() -> None:
    """Those whose own code uses the reader; others import its module for something else."""
    steps = {step for _, step, _ in rules() if opens_any_image(step)}
    reading = set()
    for step in steps:
        place = PACKAGE.joinpath(*step.split("."))
        module = place / "__main__.py" if place.is_dir() else place.with_suffix(".py")
        tree = ast.parse(module.read_bytes())
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        if StripReader.__name__ in names:
            reading.add(step)
    assert reading == {"patches", "sen2cor"}


def test_an_image_without_a_driver_is_not_called_broken(
    pristine_product: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(jpeg2000_driver, "drivers", lambda: ["GTiff", "JPEG"])
    broken = tmp_path / "image.jp2"
    broken.write_bytes(b"not an image")
    with pytest.raises(ToolError, match="libgdal-jp2openjpeg"):
        StripReader(broken, None, 10)  # type: ignore[arg-type]


@pytest.mark.parametrize("driver", ["JP2OpenJPEG", "JP2KAK", "JP2ECW"])
def test_any_driver_for_it_will_do(monkeypatch: pytest.MonkeyPatch, driver: str) -> None:
    monkeypatch.setattr(jpeg2000_driver, "drivers", lambda: ["GTiff", driver])
    jpeg2000_driver.require_jpeg2000()


def test_openjpeg_is_the_library_that_rasterio_brought() -> None:
    """A wheel names the library's version in its file name."""
    libraries = Path(rasterio.__file__).parents[1] / "rasterio.libs"
    names = [path.name for path in libraries.glob("libopenjp2*")]
    if not names:
        pytest.skip("this rasterio is not a wheel: its OpenJPEG is elsewhere")
    import PIL._imaging  # has its own OpenJPEG, which does not count

    assert PIL._imaging.jp2klib_version
    version = provenance.openjpeg_version()
    assert version
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert [name for name in names if version in name]


def test_openjpeg_is_looked_for_after_an_image_was_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """If it is in a plugin, the process has no such library before that."""
    real = Path("/proc/self/maps").read_text()
    lines = [line for line in real.splitlines() if "libopenjp2" in line]
    line = next((line for line in lines if "rasterio.libs" in line), lines[0])
    # A path with a space, as in some home folders.
    library = tmp_path / "a folder" / "libopenjp2.so.7"
    library.parent.mkdir()
    library.symlink_to(line[line.index("/") :])
    maps = tmp_path / "maps"
    maps.write_text("7f0-7f1 r-xp 0 fd:00 1    /usr/lib/libc.so.6\n")
    load = provenance.load_openjpeg

    def load_late() -> bool:
        maps.write_text(f"{maps.read_text()}7f2-7f3 r-xp 0 fd:00 2    {library}\n")
        return load()

    monkeypatch.setattr(provenance, "load_openjpeg", load_late)
    assert provenance.openjpeg_version(maps) == provenance.openjpeg_version()
    assert provenance.openjpeg_version(tmp_path / "none") is None


def test_without_a_driver_there_is_no_openjpeg() -> None:
    code = "from reben.audit.provenance import openjpeg_version; print(openjpeg_version())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"GDAL_SKIP": "JP2OpenJPEG", "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "None\n"
