"""Time and size of the report of a dataset as large as BigEarthNet v2, and its time in a browser.

python tests/benchmarks/bench_report.py [FOLDER]
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from playwright.sync_api import sync_playwright

from reben.config.product_table import read_products
from reben.domain.names import ProductName
from reben.report import __main__ as report
from reben.report.gallery import choose
from reben.results.finished import read_build

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.builds import NOMENCLATURE, write_build, write_patch

PRODUCTS = NOMENCLATURE.parents[1] / "bigearthnet_products.tsv"
CHROMIUM = os.environ.get("REBEN_CHROMIUM", "/usr/bin/chromium")
_SIDE_M = 1200
#: Milliseconds from a change of the form to the list that is laid out.
_FILTER = """async ([name, value]) => {
  const form = document.querySelector(".filters");
  const field = form.elements[name];
  const start = performance.now();
  if (field.length && !field.options) field[0].checked = true;
  else field.value = value;
  form.dispatchEvent(new Event("input"));
  document.body.offsetHeight;
  return performance.now() - start;
}"""


def main(folder: Path) -> None:
    """Make the tables and some pictures, then the report, then open it."""
    names = sorted(read_products(PRODUCTS))[:115]
    tiles = [ProductName.parse(name).tile for name in names]
    results = folder / "results"
    if not results.exists():
        # A full grid without the wedge has 8280 patches; about 549,500 of 115 tiles are kept.
        write_build(
            results, tiles, patch_side_m=_SIDE_M, count=91, rejected=(), unlabelled_fraction=0.4225
        )
        _write_pictures(results)
    rows = len(read_build(results).metadata)
    start = time.perf_counter()
    report.main(
        ["--results", str(results), "--nomenclature", str(NOMENCLATURE)]
        + ["--out", str(folder / "report")]
    )
    seconds = time.perf_counter() - start
    pages = sorted((folder / "report").iterdir())
    index = folder / "report" / "index.html"
    print(f"{len(tiles)} tiles, {rows:,} rows: {seconds:.1f} s,")
    print(f"index.html {index.stat().st_size / 1e6:.2f} MB,")
    print(f"all {len(pages)} pages {sum(p.stat().st_size for p in pages) / 1e6:.2f} MB")
    _open(index)


def _write_pictures(results: Path) -> None:
    """The GeoTIFFs of the patches that the report shows: noise, which compresses worst."""
    rng = np.random.default_rng(7)
    for _, patches in read_build(results).by_tile():
        shown = patches.filter(pl.col("patch_id").is_in(choose(patches, kept=12, dropped=3)))
        for row in shown.iter_rows(named=True):
            write_patch(results, row, _SIDE_M, rng)


def _open(index: Path) -> None:
    """Print the time until the page can be used, that of its filters, and the processor's."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        start = time.perf_counter()
        page.goto(index.as_uri())
        page.locator(".results li").first.wait_for()
        seconds = time.perf_counter() - start
        metrics = session.send("Performance.getMetrics")["metrics"]
        busy = next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")
        print(f"opens in {seconds:.2f} s, of which the processor works {busy:.2f} s")
        for name, value in (
            *(("split", "test"), ("class", ""), ("month", "2017-08"), ("sky", "clear")),
            *(("text", "T33UUP"), ("text", "T33UUP_40_41"), ("text", "40_41")),
        ):
            print(f"filter {name} {value}: {page.evaluate(_FILTER, [name, value]):.0f} ms")
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
