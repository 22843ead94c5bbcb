"""``make bench``: time every step in one run and print a table.

The inputs, a dense full-size tile, are made once and kept in ``.cache/bench``. Peak memory in
the workflow rows is for the process that starts Snakemake, not for Snakemake. The part ``batches``
needs ``make install-training`` and is run by name: ``python -m tests.benchmarks batches``.
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks import bench_batches, bench_encode, bench_scenes, bench_tile, bench_workflow

KEPT = Path(".cache/bench")


def machine() -> str:
    """Processor, number of cores and Python, for the record."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        model = next(
            (s.partition(":")[2].strip() for s in lines if s.startswith("model name")), model
        )
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def main() -> None:
    """Run the requested parts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", default=["tile", "encode", "workflow"])
    parser.add_argument("--tiles", type=int, nargs="*", default=[100, 1000, 10_000])
    parser.add_argument("--patches", type=int, default=8281, help="patches to encode")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=KEPT))
    try:
        rows = []
        if "tile" in args.parts:
            rows += bench_tile.rows(scratch, KEPT, args.threads)
            rows += bench_scenes.rows(scratch, KEPT, rows[0], args.threads)
        if "encode" in args.parts:
            (scratch / "encode").mkdir()
            rows += bench_encode.rows(scratch / "encode", args.patches, args.threads)
        if "batches" in args.parts:
            (scratch / "batches").mkdir()
            rows += bench_batches.rows(scratch / "batches")
        if "workflow" in args.parts:
            rows += bench_workflow.rows(scratch, tuple(args.tiles))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    table = Table(title=machine())
    for name in ("step", "seconds", "per second", "speed", "peak MB"):
        table.add_column(name, justify="left" if name == "step" else "right")
    for row in rows:
        speed = f"{row.ratio:.2f} x {row.floor}" if row.ratio else ""
        peak = "" if row.peak_mb is None else f"{row.peak_mb:,.0f}"
        table.add_row(row.step, f"{row.seconds:.2f}", f"{row.per_second:,.0f}", speed, peak)
    Console(width=None if sys.stdout.isatty() else 130).print(table)


if __name__ == "__main__":
    main()
