"""Builds for tests: a copy of the project with its own inputs and results."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from reben.synthetic import (
    write_corine,
    write_countries,
    write_product,
    write_sentinel1,
)
from reben.synthetic.demo import demo_specs
from tests.rules import TARGETS

PROJECT = Path(__file__).parents[2]
#: Parts of the project that a build needs.
_PARTS = ("Snakefile", "config", "envs", "resources", "workflow")
_JOB = re.compile(r"^(?:local)?(?:rule|checkpoint) (\w+):$")
_TILE = re.compile(r"^    wildcards: tile=(\S+)$")

#: Two tiles of 3 x 3 patches in two zones; the second has snow, and a check that is not
#: required has FAILED.
_FIRST, _SECOND, *_ = demo_specs()
SPECS = (
    replace(_FIRST, side_m=3720, cloud_fraction=0.05),
    replace(
        _SECOND,
        side_m=3720,
        nodata_wedge=0,
        snow_fraction=0.5,
        quality={"FORMAT_CORRECTNESS": "FAILED"},
    ),
)
TILES = tuple(spec.product.tile for spec in SPECS)
_SCENE_TIMES = ("20170613T165043", "20180421T172307")

#: Jobs of a tile in their order, and the jobs for all tiles.
Jobs = dict[str, set[str]]


@dataclass
class Project:
    """A copy of the project in `root`, with its config; results in ``root/results``."""

    root: Path
    config: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def new(cls, root: Path, config: dict[str, Any]) -> "Project":
        """Copy the project; nothing has run yet."""
        root.mkdir(parents=True)
        for part in _PARTS:
            source = PROJECT / part
            if source.is_dir():
                ignore = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, root / part, ignore=ignore)
            else:
                shutil.copy2(source, root / part)
        return cls(root, {"results": "results", **config})

    @property
    def results(self) -> Path:
        """The folder of the results."""
        return self.root / self.config["results"]

    def copy(self, root: Path) -> "Project":
        """A copy with all time stamps, as `cp -a` makes it."""
        shutil.copytree(self.root, root, symlinks=True)
        return Project(root, deepcopy(self.config))

    def write_products(self, paths: Mapping[str, str]) -> None:
        """Write the table of products: path by name."""
        rows = [f"{name}\tL2A\tlocal\t{path}" for name, path in paths.items()]
        text = "\n".join(("product\tlevel\tsource\tpath", *rows)) + "\n"
        (self.root / "products.tsv").write_text(text)

    def snakemake(
        self, *args: str, cores: int = 2, env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run Snakemake in the copy and insist that it succeeds; stderr holds its output."""
        return self.run([*self.command(cores), *args], env)

    def failing(self, *args: str) -> str:
        """Run Snakemake in the copy and insist that it fails; its output."""
        done = subprocess.run(
            [*self.command(2), *args], cwd=self.root, capture_output=True, text=True
        )
        assert done.returncode != 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def command(self, cores: int) -> list[str]:
        """The command line of a build with the current config."""
        (self.root / "build.yaml").write_text(yaml.safe_dump(self.config))
        command = [sys.executable, "-m", "snakemake", "--configfile", "build.yaml"]
        return [*command, "--cores", str(cores)]

    def shell(
        self, command: str, env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a line of shell in the copy and insist that it succeeds."""
        return self.run(["bash", "-c", command], env)

    def run(
        self, command: list[str], env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program in the copy and insist that it succeeds."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def jobs(self, *args: str) -> Jobs:
        """Run Snakemake; the jobs that ran, by rule: their tiles, none for fan-in jobs."""
        found: Jobs = {}
        rule = ""
        done = self.snakemake(*args)
        for line in (done.stdout + done.stderr).splitlines():
            if match := _JOB.match(line):
                rule = match[1]
                found.setdefault(rule, set())
            elif match := _TILE.match(line):
                found[rule].add(match[1])
        for target in TARGETS:
            found.pop(target, None)
        return found


def new_small_build(root: Path) -> Project:
    """Two tiles of 3 x 3 patches with all optional parts of a dataset, not yet built."""
    build = Project.new(
        root,
        {
            "products": "products.tsv",
            "corine": {"path": "inputs/corine.gpkg"},
            "countries": {"path": "inputs/countries.gpkg", "name_column": "name"},
            "sentinel1": {"root": "inputs/BigEarthNet-S1"},
        },
    )
    inputs = root / "inputs"
    products = {}
    for spec, time in zip(SPECS, _SCENE_TIMES, strict=True):
        safe = write_product(inputs, spec, 0.1)
        products[spec.name] = f"inputs/{safe.name}"
        places = [(col, row) for col in range(3) for row in range(3)]
        write_sentinel1(inputs / "BigEarthNet-S1", spec, places, [time])
    build.write_products(products)
    write_corine(inputs / "corine.gpkg", SPECS)
    write_countries(inputs / "countries.gpkg", SPECS)
    return build


def new_scene_build(root: Path, reference: Path) -> Project:
    """The published scene, all inputs given, not yet built."""
    v1 = reference / "bigearthnet_v1"
    countries = (
        "Austria Belgium Finland Ireland Kosovo Lithuania Luxembourg Portugal Serbia Switzerland"
    )
    build = Project.new(
        root,
        {
            "products": "products.tsv",
            "corine": {"path": str(reference / "scene/U2018_CLC2018_V2020_20u1.gpkg")},
            "countries": {
                "path": str(reference / "countries/naturalearth_lowres.shp"),
                "names": countries.split(),
            },
            "alignment": {"pairs": str(v1 / "s1_s2_name_country_season.csv.bz2")},
            "sentinel1": {"root": str(reference / "scene/BigEarthNet-S1")},
            "snow_cloud": {
                "seasonal_snow": str(v1 / "patches_with_seasonal_snow.csv.bz2"),
                "cloud_or_shadow": str(v1 / "patches_with_cloud_and_shadow.csv.bz2"),
            },
        },
    )
    (safe,) = (reference / "scene").glob("*.SAFE")
    build.write_products({safe.stem: str(safe)})
    return build
