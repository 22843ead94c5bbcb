"""Step count_funnel: count what happened to every product and patch.

In: quality verdicts and selection of all tiles, the metadata tables. Out:
``quality.csv``, one row per product; ``funnel.csv``, one row per tile and a total: how many
patches were dropped at each step. The numbers in a row add up.
"""

import logging
from collections.abc import Sequence

import polars as pl

from reben.domain.bands import PATCH_SIDE_M
from reben.domain.name_columns import tile_of_patch
from reben.domain.reasons import DROP_REASONS, REJECTED_PRODUCT, SNOW_CLOUD_OR_SHADOW
from reben.domain.tables import METADATA, SELECTION, read_table
from reben.domain.verdict import Verdict
from reben.results.csv_text import to_csv
from reben.results.offset_warning import offset_warnings
from reben.results.tile_paths import TilePaths
from reben.runtime import cli
from reben.runtime.files import write_text

log = logging.getLogger(__name__)

#: Without the product's own name, which contains the time when sen2cor ran.
_QUALITY = (
    "cloud_cover_percent",
    "nodata_percent",
    "processing_baseline",
    "relative_orbit",
    "sensing_time",
)


def quality_table(verdicts: Sequence[Verdict]) -> pl.DataFrame:
    """The verdicts as a table, with the failed indicators and every indicator's value.

    An indicator that is named like another column has ``indicator`` in front of its name.
    """
    names = sorted({name for v in verdicts for name in v.indicators})
    ours = {"tile", "verdict", "reasons", *_QUALITY}
    columns = {name: name for name in names}
    for name in ours & set(names):
        while columns[name] in ours | set(names):
            columns[name] = f"indicator {columns[name]}"
    rows = [
        {"tile": v.tile, "verdict": v.word}
        | {name: getattr(v, name) for name in _QUALITY}
        | {"reasons": " ".join(v.reasons)}
        | {column: v.indicators.get(name) for name, column in columns.items()}
        for v in sorted(verdicts, key=lambda v: v.tile)
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def funnel_table(
    verdicts: Sequence[Verdict],
    selection: pl.DataFrame,
    obscured: pl.DataFrame,
    patch_side_m: int,
) -> pl.DataFrame:
    """How many patches were dropped at each step, by tile, with a last row ``total``.

    Args:
        verdicts: verdicts on all products.
        selection: `tables.SELECTION`.
        obscured: metadata of the patches with snow, cloud or shadow.
        patch_side_m: side of a patch, metres.

    Returns:
        Columns ``tile, patches``, one for each reason, ``kept``, and, among these,
        ``snow, cloud or shadow`` and ``clear``.
    """
    reasons = selection.group_by("tile", "dropped_for").len()
    count = {(tile, reason): n for tile, reason, n in reasons.iter_rows()}
    dark = dict(obscured.select(tile_of_patch()).to_series().value_counts().iter_rows())
    rows = []
    for verdict in sorted(verdicts, key=lambda v: v.tile):
        tile = verdict.tile
        patches = verdict.grid(patch_side_m).count ** 2
        rejected = 0 if verdict.accepted else patches
        kept = count.get((tile, None), 0)
        rows.append(
            {"tile": tile, "patches": patches, REJECTED_PRODUCT: rejected}
            | {reason: count.get((tile, reason), 0) for reason in DROP_REASONS}
            | {
                "kept": kept,
                SNOW_CLOUD_OR_SHADOW: dark.get(tile, 0),
                "clear": kept - dark.get(tile, 0),
            }
        )
    frame = pl.DataFrame(rows)
    total = frame.select(pl.lit("total").alias("tile"), pl.exclude("tile").sum())
    return pl.concat([frame, total])


def main(argv: Sequence[str] | None = None) -> None:
    """Count what happened to every product and patch."""
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--quality", nargs="+", action=TilePaths, required=True, help="verdicts of all tiles (JSON)"
    )
    parser.add_argument("--selection", required=True)
    parser.add_argument("--obscured", required=True, help="metadata of patches with snow or cloud")
    parser.add_argument("--patch-side-m", type=int, default=PATCH_SIDE_M, help="metres")
    parser.add_argument("--harmonise-offset", action="store_true", help="the offset was removed")
    parser.add_argument("--out-quality", required=True, help="CSV")
    parser.add_argument("--out-funnel", required=True, help="CSV")
    args = parser.parse_args(argv)

    verdicts = [Verdict.read(path) for path in args.quality]
    for warning in offset_warnings(verdicts, args.harmonise_offset):
        log.warning(warning)
    write_text(args.out_quality, to_csv(quality_table(verdicts)))
    funnel = funnel_table(
        verdicts,
        read_table(args.selection, SELECTION),
        read_table(args.obscured, METADATA),
        args.patch_side_m,
    )
    write_text(args.out_funnel, to_csv(funnel))
    total = funnel.row(-1, named=True)
    log.info("%d patches, %d kept, %d clear", total["patches"], total["kept"], total["clear"])


if __name__ == "__main__":
    cli.run(main)
