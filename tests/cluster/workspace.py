"""A folder with the smallest inputs that give every rule work, and builds in it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml

from reben.runtime.files import sha256_file
from reben.synthetic.corine import write_corine, write_countries
from reben.synthetic.product import write_product
from reben.synthetic.sentinel1 import write_sentinel1
from reben.synthetic.spec import ProductSpec

T = TypeVar("T")
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
#: Settings that the profile leaves to the site, and no file system latency.
SITE = ("--jobs=8", "--slurm-status-command=squeue", "--latency-wait=5")


def write_inputs(folder: Path) -> Path:
    """Write the inputs of all workspaces; returns the folder."""
    lines = ["product\tlevel\tsource\tpath\tid\tchecksum"]
    for spec, scene_time in zip(SPECS, SCENE_TIMES, strict=True):
        safe = write_product(folder / "products", spec, entropy=0.1)
        lines.append(f"{spec.name}\tL2A\tlocal\t{safe}\t\t")
        places = [(col, row) for col in range(SIDE) for row in range(SIDE)]
        write_sentinel1(folder / "BigEarthNet-S1", spec, places, [scene_time])
    (folder / "products.tsv").write_text("\n".join(lines) + "\n")
    write_corine(folder / f"{CORINE}.gpkg", SPECS, layer=CORINE)
    write_countries(folder / "countries.gpkg", SPECS)
    return folder


class Workspace:
    """A folder that Snakemake runs in, its config and its results.

    Args:
        folder: a new one.
        inputs: inputs from `write_inputs`.
    """

    def __init__(self, folder: Path, inputs: Path) -> None:
        folder.mkdir()
        self.folder, self.results = folder, folder / "results"
        self._config: dict[str, object] = {
            "products": str(inputs / "products.tsv"),
            "corine": {"path": str(inputs / f"{CORINE}.gpkg")},
            "labels": {"nomenclature": str(ROOT / "resources/nomenclature/bigearthnet_19.csv")},
            "countries": {"path": str(inputs / "countries.gpkg"), "name_column": "name"},
            "sentinel1": {"root": str(inputs / "BigEarthNet-S1")},
        }
        self.configure()

    def configure(self, **keys: object) -> None:
        """Write the config, with other values for some keys."""
        self._config |= keys
        (self.folder / "config.yaml").write_text(yaml.safe_dump(self._config))

    def command(self, profile: str, *options: str) -> list[str]:
        """The command line of a build, which is killed when this process ends."""
        return [
            "setpriv",
            "--pdeathsig=KILL",
            sys.executable,
            f"{ROOT}/tests/cluster/impatient.py",
            f"--snakefile={ROOT}/Snakefile",
            "--configfile=config.yaml",
            f"--workflow-profile={ROOT}/workflow/profiles/{profile}",
            *options,
        ]

    def build(
        self, profile: str, *options: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Build to the end; returns the exit status and all output."""
        return subprocess.run(
            self.command(profile, *options), cwd=self.folder, env=env, timeout=SECONDS,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip

    @contextmanager
    def building(
        self, profile: str, *options: str, env: Mapping[str, str]
    ) -> Iterator["RunningBuild"]:
        """A build that runs during the block and is ended with it."""
        with (self.folder / "build.log").open("w+") as said:
            process = subprocess.Popen(
                self.command(profile, *options), cwd=self.folder, env=env,
                stdout=said, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            try:
                yield RunningBuild(process, self.folder / "build.log")
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def digests(self) -> dict[str, str]:
        """Digests of every file in the results, records included, except logs and the marker."""
        return {
            path.relative_to(self.results).as_posix(): sha256_file(path)
            for path in sorted(self.results.rglob("*"))
            if path.is_file() and path.relative_to(self.results).parts[0] != "logs"
            if path.name != ".plan"
        }


@dataclass(frozen=True)
class RunningBuild:
    """A running build."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def wait(self) -> str:
        """Wait until it succeeds; returns all its output."""
        status = self.process.wait(SECONDS)
        said = self.log.read_text()
        assert status == 0, said
        return said


def wait_for(found: Callable[[], T | None]) -> T:
    """Poll until the answer is true; returns it."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if answer := found():
            return answer
        time.sleep(0.02)
    raise TimeoutError(f"waited for {SECONDS} s")


def wait_for_step(module: str, workspace: Workspace, tile: str = "") -> int:
    """Wait until a job of a workspace runs ``python -m reben.<module>``; returns its process."""

    def find() -> int | None:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (process / "cmdline").read_text().split("\0")
                if (
                    words[1:3] == ["-m", f"reben.{module}"]
                    and any(tile in word for word in words)
                    and (process / "cwd").resolve() == workspace.folder.resolve()
                ):
                    return int(process.name)
        return None

    return wait_for(find)


def node_log(said: str, rule: str, tile: str) -> str:
    """The node's logs of a job's failures, from the paths in its messages."""
    paths = re.findall(rf"\S+/slurm_logs/rule_{rule}/{tile}/\d+\.log", said)
    assert paths, said
    return "\n".join(Path(path).read_text() for path in paths if Path(path).exists())
