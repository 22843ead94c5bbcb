"""Random sequences of edits, kills and runs on a small build; each must end like a new build.

In: a seed. Out: nothing, or an error that lists differences. Edits change the config, the
inputs or intermediates, or move the results; runs may be killed, only the step, only Snakemake
or both, with and without retries. At the end an undisturbed run must leave, file by file, the
same as a build from scratch of the same inputs, and then have nothing to do.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Words
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio

from reben.compare import compare
from reben.storage.lmdb_store import content_digest
from reben.synthetic import (
    write_corine,
    write_countries,
    write_product,
    write_sentinel1,
)
from reben.synthetic.demo import demo_specs
from tests.fuzz.machines import Machine, a_cluster, this_machine
from tests.manifests import restate
from tests.workflow.builds import Project

_A, _B, _C, _ = demo_specs()
#: Three tiles of 2 x 2 patches: with clouds; with a FAILED check; with a reflectance offset.
SPECS = (
    replace(_A, side_m=2520, cloud_fraction=0.05),
    replace(_B, side_m=2520, snow_fraction=0.5, quality={"FORMAT_CORRECTNESS": "FAILED"}),
    replace(_C, side_m=2520, boa_offset=True),
)
TIMES = ("20170613T165043", "20180421T172307", "20170716T054113")
#: Not part of a dataset: logs and additional outputs.
_BESIDE = ("logs", "audit", "report", "sen2cor")
LONG_AGO = (1_000_000_000, 1_000_000_000)


def new_build(root: Path) -> Project:
    """The inputs of all three products, and a config; nothing built."""
    build = Project.new(
        root,
        {
            "products": "products.tsv",
            "corine": {"path": "inputs/corine.gpkg"},
            "labels": {"nomenclature": "inputs/classes.csv"},
            "countries": {"path": "inputs/countries.gpkg", "name_column": "name"},
            "sentinel1": {"root": "inputs/BigEarthNet-S1"},
        },
    )
    inputs = root / "inputs"
    for spec, sensed in zip(SPECS, TIMES, strict=True):
        write_product(inputs, spec, 0.1)
        places = [(col, row) for col in range(2) for row in range(2)]
        write_sentinel1(inputs / "BigEarthNet-S1", spec, places, [sensed])
    write_corine(inputs / "corine.gpkg", SPECS)
    write_countries(inputs / "countries.gpkg", SPECS)
    shutil.copy(root / "resources/nomenclature/bigearthnet_19.csv", inputs / "classes.csv")
    return build


def contents(results: Path) -> dict[str, str]:
    """A digest of every file of the dataset and its intermediates, by path."""
    found = {}
    for path in sorted(results.rglob("*")):
        name = path.relative_to(results).as_posix()
        if path.is_dir() or path.name.startswith(".") or name.split("/")[0] in _BESIDE:
            continue
        is_store = path.name == "data.mdb"
        found[name] = (
            content_digest(path.parent)
            if is_store
            else hashlib.sha256(path.read_bytes()).hexdigest()
        )
    return found


def recode(path: Path, rng: random.Random) -> None:
    """Give some polygons other codes, like a new release."""
    meta, _, wkb, fields = pyogrio.raw.read(path)
    column = list(meta["fields"]).index("Code_18")
    codes = np.array(fields[column], dtype=object)
    for at in rng.sample(range(len(codes)), max(1, len(codes) // 5)):
        codes[at] = rng.choice(["523", "211", "312", "112"])
    fields[column] = codes
    draft = path.with_suffix(".new.gpkg")
    pyogrio.raw.write(
        draft, wkb, fields, meta["fields"], geometry_type=meta["geometry_type"],
        crs=meta["crs"], layer=pyogrio.list_layers(path)[0][0], driver="GPKG",
    )  # fmt: skip
    draft.replace(path)


@dataclass
class Sequence:
    """One build and what happens to it.

    Attributes:
        build: a finished build that may be changed.
        rng: source of all choices.
        machine: where it runs.
        story: description of what happened.
    """

    build: Project
    rng: random.Random
    machine: Machine = field(default_factory=lambda: Machine(os.environ))
    story: list[str] = field(default_factory=list)
    on: list[int] = field(default_factory=lambda: [0, 1])
    moves: int = 0
    kills: int = 0

    @property
    def config(self) -> dict[str, Any]:
        return self.build.config

    def set(self, section: str, **values: Any) -> str:
        self.config[section] = {**self.config.get(section, {}), **values}
        return f"{section} {values}"

    # Edits of the config.

    def threshold(self) -> str:
        fraction = self.rng.choice([0.0, 0.3, 0.75, 0.97])
        kind = self.rng.choice(["inclusive", "exclusive"])
        return self.set("labels", min_labelled_fraction=fraction, threshold=kind)

    def split(self) -> str:
        return self.set("split", p=self.rng.choice([0.1, 0.4]), q=self.rng.choice([0, 0.25]))

    def container(self) -> str:
        return self.set("patches", container=self.rng.choice(["tar", "directory"]))

    def side(self) -> str:
        side_m = self.rng.choice([1200, 600])
        if side_m != 1200:
            self.set("sentinel1", root=None)
        return self.set("patches", side_m=side_m)

    def offset(self) -> str:
        return self.set("patches", harmonise_offset=self.rng.random() < 0.5)

    def quality(self) -> str:
        more = ["FORMAT_CORRECTNESS"] if self.rng.random() < 0.5 else []
        return self.set("quality", required=["GENERAL_QUALITY", *more])

    def include(self) -> str:
        kinds = self.rng.sample(["s2", "s1", "reference_maps"], self.rng.randint(1, 3))
        return self.set("lmdb", include=kinds)

    def sentinel1(self) -> str:
        fits = self.config.get("patches", {}).get("side_m", 1200) == 1200
        root = self.rng.choice([None, "inputs/BigEarthNet-S1"]) if fits else None
        return self.set("sentinel1", root=root, missing=self.rng.choice(["keep", "drop"]))

    def countries(self) -> str:
        return self.set("countries", path=self.rng.choice([None, "inputs/countries.gpkg"]))

    def products(self) -> str:
        self.on = sorted(self.rng.sample(range(3), self.rng.choice([1, 2, 2, 3])))
        self.write_products()
        return f"products {self.on}"

    def write_products(self) -> None:
        names = [SPECS[i].name for i in self.on]
        self.build.write_products({name: f"inputs/{name}.SAFE" for name in names})

    def results(self) -> str:
        self.config["results"] = self.rng.choice(["results", "other"])
        return f"results {self.config['results']}"

    # Edits of inputs.

    def corine(self) -> str:
        path = self.build.root / self.config["corine"]["path"]
        times = path.stat().st_atime_ns, path.stat().st_mtime_ns
        recode(path, self.rng)
        if self.rng.random() < 0.5:
            os.utime(path, ns=times)
        return "corine recoded in place"

    def nomenclature(self) -> str:
        path = self.build.root / "inputs/classes.csv"
        lines = path.read_text().splitlines(True)
        gone = lines.pop(self.rng.randrange(1, len(lines)))
        path.write_text("".join(lines))
        os.utime(path, LONG_AGO)
        return f"nomenclature without {gone.strip()}"

    def image(self) -> str:
        safe = self.build.root / f"inputs/{SPECS[self.rng.choice(self.on)].name}.SAFE"
        images = [next(safe.glob(f"GRANULE/*/IMG_DATA/R10m/*_{b}_10m.jp2")) for b in ("B03", "B04")]
        first, second = self.rng.sample(images, 2)
        shutil.copyfile(first, second)
        os.utime(second, LONG_AGO)
        restate(safe)
        return f"{second.name} replaced"

    def radar(self) -> str:
        patches = sorted((self.build.root / "inputs/BigEarthNet-S1").glob("*/*"))
        patch = self.rng.choice(patches)
        image = next(patch.glob("*_VV.tif"))
        data = bytearray(image.read_bytes())
        data[-400:] = np.full(100, -9.5, "<f4").tobytes()
        image.write_bytes(data)
        return f"pixels of {image.name}"

    # Edits of outputs.

    def delete(self) -> str:
        results = self.build.results
        there = [
            p
            for pattern in ("*", "*/*", "tables/*/*", "encoded/*/*", ".reben/*")
            for p in results.glob(pattern)
            if p.name[0] != "." and "logs" not in p.parts
        ]
        chosen = self.rng.sample(there, min(len(there), self.rng.randint(1, 3)))
        for path in chosen:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        return f"deleted {[p.relative_to(results).as_posix() for p in chosen]}"

    def touch(self) -> str:
        there = [*self.build.root.glob("inputs/*"), *self.build.results.glob("tables/*/*")]
        path = self.rng.choice(there)
        os.utime(path)
        return f"touched {path.relative_to(self.build.root)}"

    def move(self) -> str:
        if not self.build.results.exists():
            return "nothing to move"
        self.moves += 1
        target = self.build.root / f"moved{self.moves}"
        self.build.results.rename(target)
        self.config["results"] = self.rng.choice([target.name, str(target)])
        return f"moved to {self.config['results']}"

    def forget(self) -> str:
        shutil.rmtree(self.build.root / ".snakemake", ignore_errors=True)
        return ".snakemake deleted"

    EDITS = (
        threshold, split, container, side, offset, quality, include, sentinel1, countries,
        products, products, results, corine, corine, nomenclature, image, radar, delete, delete,
        touch, move, forget,
    )  # fmt: skip

    # Runs.

    def run(self) -> str:
        retries = self.rng.choice(["--retries=0", "--retries=1"])
        return f"run, exit {self.machine.run(self.build, retries)}"

    def kill(self) -> str:
        """Start a run, and kill something at a random moment."""
        retries = self.rng.choice(["--retries=0", "--retries=2"])
        process = self.machine.start(self.build, retries)
        what = self.rng.choice(["step", "step", "snakemake", "group", "interrupt"])
        ends = time.monotonic() + self.rng.uniform(*self.machine.patience_s)
        while time.monotonic() < ends and process.poll() is None:
            time.sleep(0.02)
        hit = "nothing"
        if process.poll() is None:
            hit = what
            if what == "step":
                hit = self._kill_step()
                if self.rng.random() < 0.5:
                    time.sleep(self.rng.uniform(0, 2))
                    with suppress(ProcessLookupError):
                        os.kill(process.pid, signal.SIGKILL)
                        hit += " and snakemake"
            elif what == "group":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.send_signal(signal.SIGKILL if what == "snakemake" else signal.SIGINT)
            self.kills += 1
        process.wait(300)
        self.machine.recover(self.build)
        return f"killed {hit}, with {retries}"

    def _kill_step(self) -> str:
        steps = self.machine.steps(self.build)
        if not steps:
            return "no step"
        with suppress(ProcessLookupError):
            os.kill(self.rng.choice(steps), signal.SIGKILL)
        return "a step"

    # The complete sequence.

    def play(self, rounds: int) -> None:
        """Change and run, several times."""
        for _ in range(rounds):
            for edit in self.rng.sample(self.EDITS, self.rng.choice([1, 2, 2])):
                self.story.append(edit(self))
            self.story.append(self.rng.choice([Sequence.run, Sequence.kill, Sequence.kill])(self))

    def check(self, scratch: Path) -> None:
        """Run to the end and compare with a build from scratch.

        Raises:
            AssertionError: they differ, or there is something left to do.
        """
        assert self.machine.run(self.build) == 0, f"{'; '.join(self.story)}: the build fails"
        idle = self.build.jobs("-n")
        fresh = Project.new(scratch, deepcopy({**self.config, "results": "results"}))
        for name in ("inputs", "products.tsv"):
            subprocess.run(["cp", "-a", self.build.root / name, fresh.root / name], check=True)
        fresh.snakemake(env=self.machine.environment)
        mine, theirs = contents(self.build.results), contents(fresh.results)
        # Deleted intermediates that no later step needed are not restored.
        wrong = [
            name
            for name, digest in theirs.items()
            if mine.get(name) != digest
            and (name.startswith("dataset/") or (self.build.results / name).exists())
        ]
        more = [name for name in mine if name.startswith("dataset/") and name not in theirs]
        equal = compare(self.build.results, fresh.results)["equal"]
        story = "; ".join(self.story)
        assert not wrong, f"{story}: differ: {wrong[:10]}"
        assert not more, f"{story}: too many: {more[:10]}"
        assert equal, f"{story}: compare finds a difference"
        assert idle == {}, f"{story}: still to be done: {idle}"


def finished(root: Path, environment: Mapping[str, str] | None = None) -> Project:
    """A finished build of the first two products, for sequences to copy."""
    build = new_build(root)
    Sequence(build, random.Random(0)).write_products()
    build.snakemake(env=environment)
    return build


def play(
    seed: int, base: Project, scratch: Path, machine: Machine | None = None, rounds: int = 2
) -> Sequence:
    """Play one sequence and check its end."""
    build = base.copy(scratch / "build")
    sequence = Sequence(build, random.Random(seed), machine or Machine(os.environ))
    sequence.play(rounds)
    sequence.check(scratch / "fresh")
    return sequence


def many(first: int, count: int, machine: Machine, report: Callable[[str], object] = print) -> int:
    """Play sequences with the seeds from `first` on; the number of those that went wrong."""
    wrong = kills = 0
    with tempfile.TemporaryDirectory(prefix="reben-fuzz-") as folder:
        base = finished(Path(folder, "base"), machine.environment)
        for seed in range(first, first + count):
            scratch = Path(folder, str(seed))
            try:
                sequence = play(seed, base, scratch, machine)
            except AssertionError as error:
                wrong += 1
                report(f"seed {seed}: WRONG: {error}")
            else:
                kills += sequence.kills
                report(f"seed {seed}: right: {'; '.join(sequence.story)}")
            shutil.rmtree(scratch)
    report(f"{count} sequences, {kills} kills that hit, {wrong} wrong")
    return wrong


def main(argv: Words[str]) -> int:
    """Play the sequences of a command line: first seed, count, ``--slurm``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=int, nargs="?", default=0, help="first seed")
    parser.add_argument("count", type=int, nargs="?", default=20, help="how many sequences")
    parser.add_argument("--slurm", action="store_true", help="on a Slurm, which it starts")
    args = parser.parse_args(argv)
    with a_cluster() if args.slurm else this_machine() as machine:
        return many(args.first, args.count, machine)


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
