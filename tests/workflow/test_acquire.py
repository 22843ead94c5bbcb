"""From a product list to L2A despite failures, with the workflow as users run it."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml

from reben.config.product_table import Product, write_products
from reben.domain.names import ProductName, tile_of
from reben.runtime.files import read_json
from reben.synthetic.corine import write_corine
from tests.standins import products
from tests.standins.cdse_server import MISHAPS, PASSWORD, USER, CdseServer, bad_night

ROOT = Path(__file__).parents[2]
STANDIN = ROOT / "tests" / "standins" / "l2a_process"


class Project:
    """A working copy in a separate folder, so that tests do not share Snakemake's state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "scratch").mkdir()
        shutil.copy(ROOT / "Snakefile", folder)
        for name in ("workflow", "config", "envs", "resources"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "clc.gpkg").touch()
        self.command = folder / "L2A_Process"
        self.command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STANDIN}" "$@"\n')
        self.command.chmod(0o755)
        self.runs = folder / "sen2cor_runs"
        self.scratch = folder / "scratch"
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "workflow"),
            "STANDIN_SEN2COR_RUNS": str(self.runs),
            "TMPDIR": str(self.scratch),
        }
        self.config = {
            "products": "products.tsv",
            "corine": {"path": "clc.gpkg"},
            "sen2cor": {"command": str(self.command)},
        }

    def table(self, *rows: Product) -> None:
        write_products(self.folder / "products.tsv", rows)

    def command_line(self, *arguments: str) -> list[str]:
        (self.folder / "mine.yaml").write_text(yaml.safe_dump(self.config))
        profile = ("--workflow-profile", "workflow/profiles/default", "--cores", "8")
        return [
            sys.executable,
            "-m",
            "snakemake",
            "--configfile",
            "mine.yaml",
            *profile,
            *arguments,
        ]

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command_line(*arguments),
            cwd=self.folder, env=self.environment, text=True, capture_output=True, check=False,
        )  # fmt: skip

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start Snakemake as the leader of its own process group."""
        return subprocess.Popen(
            self.command_line("--nolock", *arguments),
            cwd=self.folder, env=self.environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def would_run(self, *arguments: str) -> str:
        """The output of a dry run, or an empty string if there is nothing to do."""
        done = self.snakemake("--dry-run", *arguments)
        said = done.stdout + done.stderr
        return "" if "Nothing to be done" in said else said

    def process(self, l1c: Path) -> Path:
        """The product that the stand-in makes by hand."""
        made = self.folder / "by hand `touch gotcha` 'ü'"
        subprocess.run(
            [self.command, "--output_dir", made, l1c],
            env=self.environment, check=True, capture_output=True,
        )  # fmt: skip
        [l2a] = made.iterdir()
        return l2a

    def sen2cor_runs(self) -> int:
        return len(self.runs.read_text().splitlines()) if self.runs.exists() else 0


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def digest(folder: Path) -> dict[str, str]:
    """The digest of every file below `folder`, without Snakemake's time stamps."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".snakemake_timestamp"
    }


def test_twenty_products_come_through_a_bad_night(project: Project, tmp_path: Path) -> None:
    safes = [products.make(tmp_path / "l1c", number) for number in range(20)]
    archives = [products.archive(safe) for safe in safes]
    with CdseServer(archives, bad_night(seed=11)) as server:
        server.bytes_per_s = 3_000_000  # long enough to overlap
        project.environment |= server.environment
        # For every other product, the table has neither size nor checksum.
        rows = [products.listed(a, bare=n % 2 == 1) for n, a in enumerate(archives)]
        project.table(*rows)
        targets = [f"results/l1c/{row.tile}" for row in rows]
        done = project.snakemake(*targets)
    counts = server.counts
    assert done.returncode == 0, done.stderr[-3000:]
    for safe, target in zip(safes, targets, strict=True):
        found = digest(project.folder / target / safe.name)
        preview = found.pop(f"{safe.stem}-ql.jpg")
        assert preview == hashlib.sha256(b"preview").hexdigest()
        expected = digest(safe)
        assert found == {k: v for k, v in expected.items() if not k.startswith("HTML/")}
    assert set(counts.mishaps) == set(MISHAPS)
    assert sum(counts.mishaps.values()) >= 0.2 * sum(counts.requests.values())
    assert counts.completed == {archive.id: 1 for archive in archives}
    assert not counts.after_completion
    assert 2 <= counts.most_at_once <= 4
    assert counts.leaked == []
    left = {p.name for p in (project.folder / "results" / "l1c").iterdir()}
    assert left == {row.tile for row in rows}


def test_kill_at_ten_random_moments(tmp_path: Path, project: Project) -> None:
    """Snakemake and its jobs, or Snakemake alone; then the same command again."""
    safe = products.make(tmp_path / "l1c")
    archive = products.archive(safe)
    row = products.listed(archive)
    project.table(row)
    target = f"results/l2a/{row.tile}.SAFE"
    rng = random.Random(11)
    with CdseServer([archive]) as server:
        project.environment |= server.environment
        server.bytes_per_s = len(archive.content) / 4
        for number in range(10):
            fetching = number < 5
            before = server.counts.requests["download"] if fetching else project.sen2cor_runs()
            with project.start(target) as job:
                while before == (
                    server.counts.requests["download"] if fetching else project.sen2cor_runs()
                ):
                    assert job.poll() is None
                    time.sleep(0.02)
                time.sleep(rng.uniform(0, 0.7 if fetching else 1))
                assert job.poll() is None
                os.kill(job.pid if number % 2 else -job.pid, signal.SIGKILL)
        done = project.snakemake("--nolock", target)
        assert done.returncode == 0, done.stderr[-3000:]
    assert server.counts.completed[archive.id] == 1
    assert not server.counts.after_completion
    assert server.counts.resumed >= 3
    assert project.sen2cor_runs() == 6
    results = project.folder / "results"
    l1c, l2a = results / "l1c" / row.tile, results / "l2a" / f"{row.tile}.SAFE"
    assert [p.name for p in l1c.parent.iterdir()] == [l1c.name]
    assert [p.name for p in l2a.parent.iterdir()] == [l2a.name]
    assert list(project.scratch.glob(".part-*")) == []
    logs = sorted(p.name for p in (results / "logs" / "run_sen2cor").iterdir())
    assert logs == [f"{row.tile}.log", *(f"{row.tile}.try-{n}.log" for n in range(1, 6))]
    found = digest(l1c / safe.name)
    found.pop(f"{safe.stem}-ql.jpg")
    assert found == {k: v for k, v in digest(safe).items() if not k.startswith("HTML/")}
    assert pixels(l2a) == pixels(project.process(l1c / safe.name))
    # Finished work is not done again, whatever happens to its inputs.
    assert project.would_run(target) == ""
    other = archive.name.replace("T33UUP", "T33UVP")
    project.table(replace(row, size="1"), Product(other, "L1C", "cdse", id=row.id))
    shutil.rmtree(l1c.parent)
    assert project.would_run(target) == ""
    # Another configuration of sen2cor makes another product.
    (project.folder / "gipp.xml").touch()
    project.config["sen2cor"]["gipp"] = "gipp.xml"
    assert "run_sen2cor" in project.would_run(target)


def pixels(safe: Path) -> dict[str, str]:
    """Digests of the images; the XML contains the time of processing."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in safe.rglob("*.jp2")}


def test_from_cdse_as_from_l2a_products_here(project: Project, tmp_path: Path) -> None:
    """An L1C product through sen2cor, and a later L2A product with an offset.

    With folder names that are dangerous in a shell.
    """
    spec = products.l1c_spec(side_m=3600)
    l1c = products.make(tmp_path / "l1c", side_m=3600)
    later = products.make(tmp_path / "l2a", 1, "L2A", side_m=3600, boa_offset=True)
    archives = [products.archive(safe) for safe in (l1c, later)]
    write_corine(project.folder / "clc.gpkg", [spec], 0, layer="clc")
    project.config["results"] = 'my results/$(touch gotcha) it\'s "ü";/'
    with CdseServer(archives) as server:
        project.environment |= server.environment
        project.table(*(products.listed(archive) for archive in archives))
        done = project.snakemake("--", "all", "audit")
        assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
        assert "\nT33UUP 2017-06-13: sen2cor 40 %\n" in done.stdout, "while it runs"
    l2a = project.process(l1c)
    tiles = [ProductName.parse(safe.name).tile for safe in (l2a, later)]
    assert tiles == [products.listed(archive).tile for archive in archives]
    project.table(*(Product(safe.stem, "L2A", "local", str(safe)) for safe in (l2a, later)))
    results = project.folder / str(project.config["results"])
    project.config["results"] = "here"
    done = project.snakemake()
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    assert digest(results / "dataset") == digest(project.folder / "here" / "dataset")
    patches = pl.read_parquet(results / "dataset" / "metadata.parquet")["patch_id"]
    assert set(map(tile_of, patches)) == set(tiles)
    mixed = "1 of 2 products carry BOA_ADD_OFFSET and the others do not"
    assert mixed in (results / "logs" / "count_funnel.log").read_text()
    assert not (project.folder / "gotcha").exists()
    [warning] = read_json(results / "audit" / "manifest.json")["warnings"]
    assert warning.startswith(mixed)


def test_products_that_are_not_kept_are_not_missed_by_what_does_not_read_them(
    project: Project, tmp_path: Path
) -> None:
    l1c = products.make(tmp_path / "l1c", side_m=3600)
    later = products.make(tmp_path / "l2a", 1, "L2A", side_m=3600)
    archives = [products.archive(safe) for safe in (l1c, later)]
    write_corine(project.folder / "clc.gpkg", [products.l1c_spec(side_m=3600)], 0, layer="clc")
    project.config["keep"] = ["patches", "reference_maps"]
    project.table(*(products.listed(archive) for archive in archives))
    with CdseServer(archives) as server:
        project.environment |= server.environment
        done = project.snakemake()
        assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
        results = project.folder / "results"
        assert "Deleted l1c, l2a, encoded, which `keep` does not name: " in done.stderr
        assert [*results.glob("l[12]*/*"), *results.glob("encoded/*/*")] == []
        assert len(list((results / "patches").iterdir())) == 2
        assert project.would_run() == ""
        # Another threshold needs the shards, which are made from the patches.
        project.config["labels"] = {"threshold": "exclusive"}
        done = project.snakemake()
        assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
        assert server.counts.completed == {archive.id: 1 for archive in archives}
        assert project.sen2cor_runs() == 1
        assert list(results.glob("encoded/*/*")) == []
        # Without the patches, it needs the products.
        project.config |= {"keep": [], "labels": {"threshold": "inclusive"}}
        done = project.snakemake()
        assert "Deleted patches, reference_maps, encoded, which" in done.stderr
        project.config["labels"] = {"threshold": "exclusive"}
        done = project.snakemake()
        assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    assert server.counts.completed == {archive.id: 2 for archive in archives}
    assert project.sen2cor_runs() == 2
    # sen2cor wrote other metadata than before, after which the land cover is clipped once more.
    assert len(list((results / "l2a").iterdir())) == 2, "not yet: something is due"
    done = project.snakemake()
    assert "Deleted l1c, l2a, patches, reference_maps, encoded, which" in done.stderr
    assert project.would_run() == ""


@pytest.fixture
def watched(project: Project) -> Iterator[tuple[Project, CdseServer]]:
    with CdseServer([]) as server:
        project.environment |= server.environment
        yield project, server


def test_credentials_appear_nowhere(watched: tuple[Project, CdseServer], tmp_path: Path) -> None:
    """Not in the logs of failing requests, the process list or Snakemake's state."""
    project, server = watched
    safe = products.make(tmp_path / "l1c")
    archive = products.archive(safe)
    server.archives = {archive.id: archive}
    server.bytes_per_s = 400_000
    mishaps = ["500", "expired", "wrong_bytes", "redirect"]
    server.plan = lambda kind, number: (
        mishaps[number] if kind == "download" and number < len(mishaps) else None
    )
    nobody = "00000000-0000-4000-8000-000000000000"
    other = safe.stem.replace("T33UUP", "T33UVP")
    broken = Product(other, "L1C", "cdse", id=nobody, size="1", checksum="md5:" + "0" * 32)
    project.table(products.listed(archive), broken)
    (project.folder / "mine.yaml").write_text(yaml.safe_dump(project.config))
    seen = []
    with subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--configfile", "mine.yaml", "--cores", "2",
         "--keep-going", "--verbose", "--printshellcmds", "--show-failed-logs",
         "--resources", "cdse=4", "--",
         *(f"results/l1c/{row.tile}" for row in (products.listed(archive), broken))],
        cwd=project.folder, env=project.environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as job:  # fmt: skip
        while job.poll() is None:
            seen += [command_line(p) for p in Path("/proc").glob("[0-9]*")]
            time.sleep(0.05)
        output = job.stdout.read() if job.stdout else ""
    assert job.returncode == 1  # the broken one
    assert (project.folder / "results" / "l1c" / products.listed(archive).tile).is_dir()
    assert any("reben.acquire" in line for line in seen)
    written = [
        path.read_bytes()
        for path in project.folder.rglob("*")
        if path.is_file() and not path.is_symlink() and path.suffix != ".jp2"
    ]
    assert any(b"404 Not Found" in content for content in written)
    for secret in (PASSWORD, USER, "access.", "refresh."):
        assert secret not in output
        assert not [line for line in seen if secret in line]
        assert not [content for content in written if secret.encode() in content]
    assert server.counts.leaked == []


def command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
