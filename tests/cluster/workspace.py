"""A folder with the smallest inputs that every rule has work on, and builds in it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import yaml

from reben.files import sha256_file
from reben.synthetic.corine import write_corine, write_countries
from reben.synthetic.product import write_product
from reben.synthetic.sentinel1 import write_sentinel1
from reben.synthetic.spec import ProductSpec

ROOT = Path(__file__).parents[2]
SIDE = 2  # patches
#: Two tiles, in two zones.
SPECS = [
    ProductSpec(
        "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_20240101T000000",
        epsg=32633,
        x_min=342_000,
        y_max=5_340_000,
        side_m=1200 * SIDE,
    ),
    ProductSpec(
        "S2B_MSIL2A_20180421T102019_N9999_R065_T32TMT_20240101T000000",
        epsg=32632,
        x_min=441_000,
        y_max=5_222_400,
        side_m=1200 * SIDE,
        seed=1,
    ),
]
TILES = [spec.name.rpartition("_")[0] for spec in SPECS]
SCENE_TIMES = ["20170613T165043", "20180421T172307"]
CORINE = "U2018_CLC2018_V2020_20u1"
SECONDS = 240  # for any build


def write_inputs(folder: Path) -> Path:
    """Write the inputs of all workspaces; returns the folder."""
    lines = ["product\tlevel\tsource\tpath\tid\tchecksum"]
    for spec, scene_time in zip(SPECS, SCENE_TIMES, strict=True):
        safe = write_product(folder / "products", spec, entropy=0.1)
        lines.append(f"{spec.name}\tL2A\tlocal\t{safe}\t\t")
        places = [(col, row) for col in range(SIDE) for row in range(SIDE)]
        write_sentinel1(folder / "BigEarthNet-S1", spec, places, [scene_time])
    (folder / "products.tsv").write_text("\n".join(lines) + "\n")
    (folder / "one_product.tsv").write_text("\n".join(lines[:2]) + "\n")
    write_corine(folder / f"{CORINE}.gpkg", SPECS, layer=CORINE)
    write_countries(folder / "countries.gpkg", SPECS)
    return folder


class Workspace:
    """A folder that Snakemake runs in, its config and its results.

    Args:
        folder: a new one.
        inputs: as written by `write_inputs`.
        whole: all inputs; else a build of one tile's imagery and labels alone.
    """

    def __init__(self, folder: Path, inputs: Path, *, whole: bool) -> None:
        folder.mkdir()
        self.folder, self.results = folder, folder / "results"
        config: dict[str, object] = {
            "products": str(inputs / ("products.tsv" if whole else "one_product.tsv")),
            "corine": {"path": str(inputs / f"{CORINE}.gpkg")},
            "labels": {"nomenclature": str(ROOT / "resources/nomenclature/bigearthnet_19.csv")},
        }
        if whole:
            config["countries"] = {"path": str(inputs / "countries.gpkg"), "name_column": "name"}
            config["sentinel1"] = {"root": str(inputs / "BigEarthNet-S1")}
        else:
            config["lmdb"] = {"include": ["s2"]}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))

    def command(self, profile: str, *options: str) -> list[str]:
        """The command line of a build."""
        program = shutil.which("snakemake", path=f"{Path(sys.executable).parent}:{os.defpath}")
        assert program, "snakemake not found beside this Python"
        return [
            program,
            f"--snakefile={ROOT}/Snakefile",
            "--configfile=config.yaml",
            f"--workflow-profile={ROOT}/workflow/profiles/{profile}",
            *options,
        ]

    @contextmanager
    def running(
        self, environment: Mapping[str, str], *words: str
    ) -> Iterator[subprocess.Popen[str]]:
        """A build that is going on; it is ended with the block."""
        with subprocess.Popen(
            words, cwd=self.folder, env=environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def digests(self) -> dict[str, str]:
        """Of every file of the results but logs."""
        return {
            path.relative_to(self.results).as_posix(): sha256_file(path)
            for path in sorted(self.results.rglob("*"))
            if path.is_file() and path.relative_to(self.results).parts[0] != "logs"
        }


def wait_for_step(module: str, folder: Path, seconds: float = 120) -> int:
    """Wait until a job runs ``python -m reben.<module>`` on `folder`; returns its process."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (process / "cmdline").read_bytes().decode().split("\0")
                if words[1:3] == ["-m", f"reben.{module}"] and any(
                    word.startswith("results/") for word in words
                ):
                    if (process / "cwd").resolve() == folder.resolve():
                        return int(process.name)
        time.sleep(0.01)
    raise TimeoutError(f"no job ran reben.{module} in {seconds:.0f} s")


def run(
    words: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command and return what it said, errors included."""
    return subprocess.run(
        words, cwd=folder, env=environment or os.environ, timeout=SECONDS, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
