"""sen2cor's product counts when it is whole; a failed try leaves nothing but its log."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reben import sen2cor, sen2cor_version
from reben.errors import ProductError, RasterError, ToolError
from reben.files import read_json
from reben.names import ProductName
from reben.safe.metadata import L2AProduct
from tests.standins import products

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


def run(source: Path, out: Path, command: str, *more: str) -> None:
    sen2cor.main(
        [
            "--l1c",
            str(source),
            "--out",
            str(out),
            "--command",
            command,
            "--version",
            "2.11",
            "--limit-min",
            "2",
            *more,
        ]
    )


def test_the_product_comes_whole_from_another_disk(
    source: Path, tmp_path: Path, command: str
) -> None:
    out = out_of(source, tmp_path)
    beside = tmp_path / "other" / out.name
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    run(source, out, command, "--scratch", str(scratch))
    run(source, out, command, "--scratch", str(scratch))  # in place of what stands there
    assert not list(scratch.iterdir())
    assert [p.name for p in out.parent.iterdir()] == [out.name]
    run(source, beside, command)
    assert _images(out) == _images(beside) != {}


def _images(safe: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in safe.glob("GRANULE/*/IMG_DATA/*/*.jp2")}


def test_a_product_is_made_under_the_tile_name(
    source: Path, tmp_path: Path, command: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    out = out_of(source, tmp_path)
    run(source, out, command)
    assert [p.name for p in out.parent.iterdir()] == [out.name]
    assert ProductName.parse(L2AProduct.open(out).name).tile == out.stem
    assert "sen2cor: Progress[%]: 100.00 : Application terminated successfully." in caplog.text
    # Twice, and beside what a killed try left, works alike.
    left = out.parent / f".part-{out.name}-killed"
    (left / "half").mkdir(parents=True)
    run(source, out, command)
    assert [p.name for p in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize(
    ("mode", "error", "why"),
    [
        ("fail", ToolError, "expected exit status 0, found 1; the last line was 'Traceback:"),
        ("half_fail", ToolError, "expected exit status 0, found 1"),
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


def test_a_sen2cor_that_hangs_is_stopped(
    source: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_SEN2COR", "hang")
    out = out_of(source, tmp_path)
    started = time.monotonic()
    with pytest.raises(ToolError, match=r"expected an end within 0\.02 min, stopped it then"):
        run(source, out, command, "--limit-min", "0.02")
    assert time.monotonic() - started < 10
    assert list(out.parent.iterdir()) == []


def test_a_cancelled_job_takes_sen2cor_with_it(
    source: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_SEN2COR", "hang")
    out = out_of(source, tmp_path)
    job = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "reben.sen2cor",
            "--l1c",
            str(source),
            "--out",
            str(out),
            "--command",
            command,
            "--version",
            "2.11",
            "--limit-min",
            "2",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert job.stderr is not None
    while "started" not in job.stderr.readline():
        assert job.poll() is None
    job.send_signal(signal.SIGTERM)
    assert job.wait(20) == 143
    assert list(out.parent.iterdir()) == []
    running = [p for p in Path("/proc").glob("[0-9]*/cmdline") if str(out.parent) in _text(p)]
    assert running == []


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


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
    with pytest.raises(ToolError, match="does not say its version"):
        sen2cor_version.check_version("true", "2.11")
