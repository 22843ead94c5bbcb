"""What a build made and where it is, for a person: `python -m reben.summary --results DIR`.

In: a finished build. Out: a table on the terminal.
"""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from reben import cli
from reben.frames import SPLITS
from reben.palette import DROPPED_COLOURS, OBSCURED
from reben.quality import ACCEPTED
from reben.results import Build, read_build
from reben.tables import OBSCURED_TABLE

#: What stands in the dataset folder, in the order in which a person wants it.
_FILES = {
    "BigEarthNet.lmdb": "all patches, by name",
    "metadata.parquet": "labels, split and country of every patch",
    OBSCURED_TABLE: f"the same for patches with {OBSCURED}",
    "class_counts.csv": "patches of each class, by split",
    "funnel.csv": "what became of every patch, by tile",
    "quality.csv": "verdict on every product",
    "overview.png": "the dataset in one picture",
}


def summarise(build: Build) -> list[Table]:
    """The tables that `main` prints: counts, and files."""
    counts = Table(box=box.SIMPLE_HEAD, title="The dataset", title_justify="left", min_width=52)
    counts.add_column("")
    counts.add_column("patches", justify="right")
    total = build.funnel[-1]
    accepted = sum(verdict["verdict"] == ACCEPTED for verdict in build.verdicts)
    counts.add_row(f"in {len(build.verdicts)} products", f"{total['patches']:,}")
    for reason in DROPPED_COLOURS:
        if total[reason]:
            counts.add_row(f"  dropped: {reason}", f"-{total[reason]:,}", style="dim")
    counts.add_row(f"kept, from {accepted} products", f"{total['kept']:,}", style="bold")
    splits = dict(build.metadata["split"].value_counts().rows())
    for name in SPLITS:
        counts.add_row(f"  {name}", f"{splits.get(name, 0):,}")
    counts.add_row(f"  of these with {OBSCURED}", f"{total[OBSCURED]:,}")

    files = Table(box=box.SIMPLE_HEAD, title=f"In {build.dataset}", title_justify="left")
    files.add_column("file", overflow="fold")
    files.add_column("size", justify="right")
    files.add_column("holds")
    for name, holds in _FILES.items():
        path = build.dataset / name
        if path.exists():
            parts = path.iterdir() if path.is_dir() else [path]
            files.add_row(name, size_words(sum(p.stat().st_size for p in parts)), holds)
    return [counts, files]


def size_words(size: float) -> str:
    """A number of bytes as ``8.9 MB``, in powers of 1000."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def main(argv: Sequence[str] | None = None) -> None:
    """Print what a build made."""
    parser = cli.parser(__doc__)
    parser.add_argument("--results", required=True, help="results folder of a finished build")
    args = parser.parse_args(argv)
    console = Console()
    for table in summarise(read_build(args.results)):
        console.print(table)


if __name__ == "__main__":
    cli.run(main)
