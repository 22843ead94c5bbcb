"""Time and size of the report of a dataset as large as BigEarthNet v2, from tables alone.

python tests/benchmarks/bench_report.py [FOLDER]
"""

import sys
import tempfile
import time
from pathlib import Path

from reben.config.product_table import read_products
from reben.domain.names import ProductName
from reben.report import __main__ as report
from reben.results.finished import read_build

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.builds import NOMENCLATURE, write_build

PRODUCTS = NOMENCLATURE.parents[1] / "bigearthnet_products.tsv"


def main(folder: Path) -> None:
    """Make the tables, then the report."""
    names = sorted(read_products(PRODUCTS))[:115]
    tiles = [ProductName.parse(name).tile for name in names]
    results = folder / "results"
    if not results.exists():
        # A full grid without the wedge has 8280 patches; about 549,500 of 115 tiles are kept.
        write_build(
            results, tiles, patch_side_m=1200, count=91, rejected=(), unlabelled_fraction=0.4225
        )
    rows = len(read_build(results).metadata)
    start = time.perf_counter()
    report.main(
        ["--results", str(results), "--nomenclature", str(NOMENCLATURE)]
        + ["--out", str(folder / "report")]
    )
    seconds = time.perf_counter() - start
    pages = sorted((folder / "report").iterdir())
    index = (folder / "report" / "index.html").stat().st_size
    print(f"{len(tiles)} tiles, {rows:,} rows: {seconds:.1f} s, index.html {index / 1e6:.2f} MB,")
    print(f"all {len(pages)} pages {sum(p.stat().st_size for p in pages) / 1e6:.2f} MB")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
