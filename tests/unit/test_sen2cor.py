"""sen2cor's product counts only if complete; a failed try leaves nothing except its log."""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import rasterio

from reben import patches, sen2cor, sen2cor_version
from reben.domain.bands import RESOLUTION_M
from reben.domain.names import ProductName
from reben.runtime.errors import ProductError, RasterError, SpaceError, ToolError
from reben.runtime.files import read_json
from reben.safe.metadata import L2AProduct
from reben.synthetic import write_product
from tests.standins import products

#: What the stand-in says of its progress: it passes over 90 %.
TENTHS = (10, 20, 30, 40, 50, 60, 70, 80, 100)
STANDIN = Path(__file__).parents[1] / "standins" / "l2a_process"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("l1c")
    safe = products.make(folder)
    shutil.rmtree(safe / "HTML")  # as the download leaves it
    return folder


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The stand-in, run by this Python."""
    script = tmp_path / "bin" / "L2A_Process"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\n"{sys.executable}" "{STANDIN}" "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in sys.path if p))
    return str(script)


def out_of(source: Path, tmp_path: Path) -> Path:
    tile = ProductName.parse(next(source.iterdir()).name).tile
    return tmp_path / "l2a" / f"{tile}.SAFE"


def arguments(source: Path, out: Path, command: str, *more: str) -> list[str]:
    given = {"l1c": source, "out": out, "command": command, "version": "2.11", "limit-min": 2}
    return [word for name, value in given.items() for word in (f"--{name}", str(value))] + [*more]


def run(source: Path, out: Path, command: str, *more: str) -> None:
    sen2cor.main(arguments(source, out, command, *more))


def test_the_product_comes_whole_from_another_disk(
    source: Path, tmp_path: Path, command: str
) -> None:
    out = out_of(source, tmp_path)
    beside = tmp_path / "other" / out.name
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    run(source, out, command, "--scratch", str(scratch))
    run(source, out, command, "--scratch", str(scratch))  # replaces the existing one
    assert not list(scratch.iterdir())
    assert [p.name for p in out.parent.iterdir()] == [out.name]
    run(source, beside, command)
    assert _images(out) == _images(beside) != {}


def test_the_offset_of_collection_1_is_told_by_what_sen2cor_makes(
    tmp_path: Path, command: str
) -> None:
    """Its name, N9999, does not say it; the patches lose it by the metadata."""
    name = "S2C_MSIL1C_20250613T101031_N0511_R022_T33UUP_20250613T120000"
    spec = replace(products.l1c_spec(boa_offset=True, side_m=1200), name=name)
    write_product(tmp_path / "l1c", spec, entropy=0.25)
    out = out_of(tmp_path / "l1c", tmp_path)
    assert out.name == "S2C_MSIL2A_20250613T101031_N9999_R022_T33UUP.SAFE"
    run(tmp_path / "l1c", out, command)
    product = L2AProduct.open(out)
    assert product.offsets() == dict.fromkeys(RESOLUTION_M, -1000)
    patches.main(
        ["--product", str(out), "--tile", out.stem, "--harmonise-offset"]
        + ["--out", str(tmp_path / "patches"), "--table", str(tmp_path / "patches.parquet")]
    )
    with rasterio.open(product.band_file("B04")) as dataset:
        raw = dataset.read(1).astype(int)
    (path,) = (tmp_path / "patches").glob("*/*_B04.tif")
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(1), np.maximum(raw - 1000, 1))


def _images(safe: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in safe.glob("GRANULE/*/IMG_DATA/*/*.jp2")}


def test_a_product_is_made_under_the_tile_name(
    source: Path,
    tmp_path: Path,
    command: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.INFO)
    out = out_of(source, tmp_path)
    run(source, out, command)
    said = capfd.readouterr().out.splitlines()
    assert said == [f"T33UUP 2017-06-13: sen2cor {percent} %" for percent in TENTHS]
    assert [p.name for p in out.parent.iterdir()] == [out.name]
    assert ProductName.parse(L2AProduct.open(out).name).tile == out.stem
    assert "sen2cor: Progress[%]: 100.00 : Application terminated successfully." in caplog.text
    run(source, out, command)  # a second run works too
    assert [p.name for p in out.parent.iterdir()] == [out.name]


def test_scratch_of_killed_tries_is_removed_and_that_of_others_kept(
    source: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, scratch = out_of(source, tmp_path), tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # killed before it
    for place in (out, tmp_path / "another build" / out.name):
        with sen2cor._scratch(place, scratch) as folder:
            (folder / "half").mkdir()
    monkeypatch.undo()
    monkeypatch.setenv("STANDIN_SEN2COR", "fail")
    with pytest.raises(ToolError):
        run(source, out, command, "--scratch", str(scratch))
    assert list(scratch.iterdir()) == [folder]


def test_a_disk_without_room_is_found_before_sen2cor_starts(
    source: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_SEN2COR_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: mock.Mock(free=10_000))
    with pytest.raises(SpaceError, match=r"expected .* GB of free disk for sen2cor, found 0\.0 GB"):
        run(source, out_of(source, tmp_path), command)
    assert not (tmp_path / "runs").exists()


def test_sen2cor_sees_nothing_of_our_python_and_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PYTHONPATH", "PYTHONHOME", "CDSE_PASSWORD", "CDSE_S3_SECRET_KEY", "SEN2COR_HOME"):
        monkeypatch.setenv(name, "x")
    seen = sen2cor_version.environment(3)
    given = {name for name in seen if name.startswith(("PYTHON", "CDSE_", "SEN2COR", "OMP_"))}
    assert given == {"PYTHONUNBUFFERED", "SEN2COR_HOME", "OMP_NUM_THREADS"}
    assert seen["OMP_NUM_THREADS"] == "3"


def test_the_logs_of_failed_tries_are_kept(
    source: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "logs" / "tile.log"
    log.parent.mkdir()
    for number, mode in enumerate(("fail", "empty", "")):
        monkeypatch.setenv("STANDIN_SEN2COR", mode)
        log.unlink(missing_ok=True)  # as Snakemake does
        log.write_text(f"try {number}")
        with contextlib.suppress(ToolError, ProductError):
            run(source, out_of(source, tmp_path), command, "--log", str(log))
    found = {path.name: path.read_text() for path in log.parent.iterdir()}
    assert found == {"tile.try-1.log": "try 0", "tile.try-2.log": "try 1", "tile.log": "try 2"}


@pytest.mark.parametrize(
    ("mode", "error", "why"),
    [
        ("fail", ToolError, "expected exit status 0, found 1; the last line was 'Traceback:"),
        ("half_fail", ToolError, "expected exit status 0, found 1"),
        ("killed", ToolError, "It was killed, probably because memory ran out"),
        ("empty", ProductError, "expected one L2A product, found none. sen2cor ended without"),
        ("half", ProductError, "band B08 has no image at its native 10 m"),
        ("other_name", ProductError, "expected a product of tile"),
    ],
)
def test_a_failed_try_leaves_nothing(
    source: Path,
    tmp_path: Path,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    error: type[Exception],
    why: str,
) -> None:
    monkeypatch.setenv("STANDIN_SEN2COR", mode)
    out = out_of(source, tmp_path)
    with pytest.raises(error) as raised:
        run(source, out, command)
    assert why in str(raised.value)
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("mode", ["half", "other_name", "our fault", "no room"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_product_whose_check_fails_is_kept(
    source: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch, mode: str,
    elsewhere: bool,
) -> None:  # fmt: skip
    """sen2cor took 40 minutes, and it may be we who are wrong."""
    monkeypatch.setenv("STANDIN_SEN2COR", mode if mode in ("half", "other_name") else "")
    out = out_of(source, tmp_path)
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def fail(*_: object) -> None:
        raise KeyError("a bug of ours")

    def check_space(folder: Path, size: int, what: str) -> None:
        if any(scratch.rglob("*.jp2")):  # since sen2cor has ended
            raise SpaceError(f"{folder}: full")

    if mode == "our fault":
        monkeypatch.setattr(sen2cor, "check_product", fail)
    if mode == "no room":
        monkeypatch.setattr(sen2cor, "check_space", check_space)
        if not elsewhere:
            pytest.skip("there it is renamed")
    more = ["--scratch", str(scratch)] if elsewhere else []
    expected = KeyError if mode == "our fault" else (ProductError, RasterError, SpaceError)
    with pytest.raises(expected) as raised:
        run(source, out, command, *more)
    kept = scratch / f"kept-{out.name}" if mode == "no room" else sen2cor.aside(out)
    if mode != "our fault":
        assert f"sen2cor's product is kept as {kept}: " in str(raised.value)
    assert len(list(kept.glob("GRANULE/*/IMG_DATA/*/*.jp2"))) >= 12
    assert not out.exists()
    assert not list(scratch.glob(".part*"))
    if mode == "our fault":  # it is right after all
        monkeypatch.undo()
        sen2cor.check_product(kept.rename(tmp_path / L2AProduct.open(kept).name), out.stem)


def test_sen2cor_is_not_started_where_proj_knows_no_zones(
    source: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_SEN2COR_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("rasterio.CRS", mock.Mock())
    with pytest.raises(ToolError, match="PROJ: expected EPSG codes"):
        run(source, out_of(source, tmp_path), command)
    assert not (tmp_path / "runs").exists()


def test_a_sen2cor_that_hangs_is_stopped(
    source: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_SEN2COR", "hang")
    out = out_of(source, tmp_path)
    started = time.monotonic()
    with pytest.raises(ToolError, match=r"expected an end within 0\.019 min, stopped it then"):
        run(source, out, command, "--limit-min", "0.02")
    assert time.monotonic() - started < 10
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_that_ends_takes_sen2cor_with_it(
    source: Path,
    tmp_path: Path,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    how: signal.Signals,
) -> None:
    """The script and its child processes; its progress is visible by then."""
    monkeypatch.setenv("STANDIN_SEN2COR", "hang")
    out = out_of(source, tmp_path)
    job = subprocess.Popen(
        [sys.executable, "-m", "reben.sen2cor", *arguments(source, out, command)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert job.stderr is not None
    while "Progress[%]:   0.00 : started" not in job.stderr.readline():
        assert job.poll() is None
    assert len(running_in(out.parent)) >= 2
    job.send_signal(how)
    assert job.wait(20) == (143 if how == signal.SIGTERM else -9)
    ends = time.monotonic() + 5
    while running_in(out.parent) and time.monotonic() < ends:
        time.sleep(0.05)
    assert running_in(out.parent) == []
    left = list(out.parent.iterdir())
    assert len(left) == (0 if how == signal.SIGTERM else 1)
    monkeypatch.setenv("STANDIN_SEN2COR", "")
    run(source, out, command)
    assert list(out.parent.iterdir()) == [out]


def running_in(folder: Path) -> list[str]:
    """Command lines of other programs than reben that name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_text().replace("\0", " "))
    return [line for line in found if str(folder) in line and "reben.sen2cor" not in line]


def test_an_image_that_cannot_be_read_through_is_an_error(
    source: Path, tmp_path: Path, command: str
) -> None:
    out = out_of(source, tmp_path)
    run(source, out, command)
    image = next(out.rglob("*_B11_20m.jp2"))
    image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
    safe = out.rename(out.with_name(f"{out.stem}_20240101T000000.SAFE"))
    with pytest.raises((RasterError, ProductError), match=r"_B11_20m\.jp2"):
        sen2cor.check_product(safe, out.stem)


def test_the_gipp_is_passed_on(source: Path, tmp_path: Path, command: str) -> None:
    out = out_of(source, tmp_path)
    with pytest.raises(ToolError, match=r"no\.xml: expected sen2cor's GIPP file, found none"):
        run(source, out, command, "--gipp", str(tmp_path / "no.xml"))
    gipp = tmp_path / "gipp.xml"
    gipp.touch()
    run(source, out, command, "--gipp", str(gipp))
    assert out.is_dir()


@pytest.mark.parametrize("found", ["2.11.0", "02.11.00"])
def test_the_version_is_checked(
    tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    monkeypatch.setenv("STANDIN_SEN2COR_VERSION", found)
    out = tmp_path / "version.json"
    sen2cor_version.main(["--command", command, "--version", "2.11", "--out", str(out)])
    assert read_json(out) == {"sen2cor": "2.11.0"}


@pytest.mark.parametrize("found", ["2.9.0", "2.1.1", "2.12.3"])
def test_another_version_is_an_error(
    command: str, monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    monkeypatch.setenv("STANDIN_SEN2COR_VERSION", found)
    with pytest.raises(ToolError, match=rf"expected version 2\.11, found {found}"):
        sen2cor_version.check_version(command, "2.11")


def test_a_command_that_is_no_sen2cor_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="expected to run '/nowhere/L2A_Process' --help"):
        sen2cor_version.check_version("/nowhere/L2A_Process", "2.11")
    with pytest.raises(ToolError, match="does not report its version"):
        sen2cor_version.check_version("true", "2.11")
