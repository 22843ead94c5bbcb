"""Summarise what a build made and where it is, or why it stopped.

Printed when Snakemake is done, and by `reben summary --results DIR`.
In: the results folder, or the logs of failed jobs. Out: text on the terminal.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from reben.domain.reasons import SNOW_CLOUD_OR_SHADOW
from reben.domain.split_geometry import SPLITS
from reben.pictures.palette import DROPPED_COLOURS
from reben.results.finished import FinishedBuild, read_build
from reben.results.layout import Layout
from reben.results.model_layout import ModelLayout
from reben.runtime import cli
from reben.runtime.errors import TableError

#: A line of a log that is no error (`reben.runtime.cli.run`).
_NEWS = re.compile(r"\d{4}-\d\d-\d\dT[\d:]+Z (DEBUG|INFO|WARNING) ")
#: Below the results folder.
_BELOW = Layout("")
#: Outputs in the results folder, most useful first.
_FILES = {
    _BELOW.lmdb: "patches, by name",
    _BELOW.metadata: "labels, split, ...",
    _BELOW.obscured: "the same, obscured",
    _BELOW.class_counts: "patches by class",
    _BELOW.funnel: "fate of the patches",
    _BELOW.quality: "fate of the products",
    _BELOW.overview: "picture of the dataset",
    _BELOW.card: "card, catalogue",
    _BELOW.report / "index.html": "pages to look at",
    _BELOW.archives: "packed for sharing",
    ModelLayout("").page: "models, Table II",
    _BELOW.manifest: "digests, provenance",
}


def made(results: str | os.PathLike[str], since: float = 0) -> list[Table]:
    """What a build made: its counts, and its files.

    Args:
        results: folder of the build.
        since: leave out older files, Unix time in seconds.
    """
    tables = []
    place = Path(results).resolve()
    files = Table(box=box.SIMPLE_HEAD, title=f"In {place}", title_justify="left")
    files.add_column("", no_wrap=True)
    files.add_column("size", justify="right", no_wrap=True)
    files.add_column("file", overflow="fold")  # the longest column is last, so that it may wrap
    for name, holds in _FILES.items():
        path = Path(results, name)
        if path.exists() and path.stat().st_mtime >= since:
            if name == _BELOW.funnel:
                tables.append(count_table(read_build(results)))
            parts = path.iterdir() if path.is_dir() else [path]
            files.add_row(holds, size_words(sum(p.stat().st_size for p in parts)), name.as_posix())
    return [*tables, files] if files.row_count else []


def build_words(
    results: str | os.PathLike[str],
    since: float = 0,
    is_counted: bool = True,
    console: Console | None = None,
) -> str:
    """What a build made and where to look at it, for its end.

    Args:
        results: folder of the build.
        since: leave out older files, Unix time in seconds.
        is_counted: whether the counts are of the dataset as it is now; then they are not left out.
        console: where it will be printed, or stderr.
    """
    layout = Layout(results)
    tables = made(results, since)
    if is_counted and layout.funnel.exists() and layout.funnel.stat().st_mtime < since:
        tables = [count_table(read_build(results)), *tables]
    if not tables:
        return ""
    console = console or Console(stderr=True, no_color=True)
    return f"{words(tables, console).rstrip()}\n\n{_where_to_look(layout)}"


def _where_to_look(layout: Layout) -> str:
    """The page of the report, unless the dataset is newer; else the dataset."""
    page, tables = layout.report / "index.html", (layout.metadata, layout.funnel)
    if page.exists() and all(
        page.stat().st_mtime >= table.stat().st_mtime for table in tables if table.exists()
    ):
        return f"Open {page.resolve()}"
    folder = layout.metadata.parent
    return f"See {(folder if folder.exists() else Path(layout.root)).resolve()}"


def count_table(build: FinishedBuild) -> Table:
    """What happened to the patches of a build."""
    counts = Table(box=box.SIMPLE_HEAD, title="The dataset", title_justify="left", min_width=52)
    counts.add_column("")
    counts.add_column("patches", justify="right")
    total = build.funnel[-1]
    accepted = sum(verdict.accepted for verdict in build.verdicts)
    counts.add_row(f"in {_products(len(build.verdicts))}", f"{total['patches']:,}")
    for reason in DROPPED_COLOURS:
        if total[reason]:
            counts.add_row(f"  dropped: {reason}", f"-{total[reason]:,}", style="dim")
    counts.add_row(f"kept, from {_products(accepted)}", f"{total['kept']:,}", style="bold")
    splits = dict(build.metadata["split"].value_counts().rows())
    for name in SPLITS:
        counts.add_row(f"  {name}", f"{splits.get(name, 0):,}")
    counts.add_row(f"  of these with {SNOW_CLOUD_OR_SHADOW}", f"{total[SNOW_CLOUD_OR_SHADOW]:,}")
    if unknown := build.metadata["contains_cloud_or_shadow"].null_count():
        counts.add_row("  of these unknown", f"{unknown:,}")
    return counts


def nothing_kept(build: FinishedBuild) -> str | None:
    """For a dataset without a patch: what became of those of every product. None for others."""
    *tiles, total = build.funnel
    if total["kept"]:
        return None
    lines = [f"NO PATCH IS IN THE DATASET, of {_products(len(tiles))} with {total['patches']:,}:"]
    for row in tiles:
        dropped = [f"{reason} {row[reason]:,}" for reason in DROPPED_COLOURS if row[reason]]
        lines.append(f"  {row['tile']}: {', '.join(dropped) or 'no patches'}")
    lines.append(f"{build.layout.quality} has the verdicts on the products")
    return "\n".join(lines)


def last_words(logs: Sequence[str | os.PathLike[str]]) -> str:
    """Why jobs failed, by their logs; those that say the same together."""
    said: dict[str, list[Path]] = {}
    for path in map(Path, logs):
        said.setdefault(_cause(path), []).append(path)
    return "\n".join(
        f"{paths[0]}\n  {line}"
        if len(paths) == 1
        else f"{len(paths)} jobs, such as {paths[0]}\n  {line}"
        for line, paths in said.items()
    )


def _cause(log: Path) -> str:
    """Why a job failed: the last line of its log that is no news of work that goes well."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line for line in lines if not _NEWS.match(line)]
    if causes:
        return causes[-1]
    return f"it ended without an error; its last line: {lines[-1]}" if lines else "(empty)"


def say(text: str, style: str = "") -> None:
    """Print on stderr, in colour if that is a terminal; nothing if there is no text."""
    if text:
        console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        console.print(text, style=style)


def words(tables: Sequence[Table], console: Console) -> str:
    """Tables as text, for a logger."""
    with console.capture() as capture:
        console.print(*tables)
    return capture.get()


def _products(count: int) -> str:
    return f"{count} product{'s' if count != 1 else ''}"


def size_words(size: float) -> str:
    """A number of bytes as ``8.9 MB``, in powers of 1000."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def main(argv: Sequence[str] | None = None) -> None:
    """Print what a build made."""
    parser = cli.parser(__doc__, example="--results results")
    parser.add_argument("--results", required=True, help="results folder of a finished build")
    args = parser.parse_args(argv)
    said = build_words(args.results, console=Console())
    if not said:
        raise TableError(
            f"{args.results}: expected the results of a build, found none of its files; pass the "
            "folder that `results` names in its config"
        )
    print(said)


if __name__ == "__main__":
    cli.run(main)
