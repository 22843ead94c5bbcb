"""The report of a generated build, for tests of its pages."""

from pathlib import Path

from reben.report import __main__ as report
from tests.builds import NOMENCLATURE, write_build


def make(folder: Path, **options: object) -> Path:
    """A build and its report; the folder of the pages."""
    results = write_build(folder / "results", **options)  # type: ignore[arg-type]
    sentinel1 = options.get("sentinel1")
    more = ["--sentinel1", str(sentinel1)] if sentinel1 else []
    report.main(
        ["--results", str(results), "--nomenclature", str(NOMENCLATURE), "--name", "A <b> & c"]
        + ["--out", str(folder / "report"), *more]
    )
    return folder / "report"
