"""Ground that splits share."""

from types import SimpleNamespace

import polars as pl
import pytest

from reben.results.layout import Layout
from reben.verify.audited_build import AuditedBuild
from reben.verify.checks import Content
from reben.verify.overlap import seasons, shared_ground

A = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
B = "S2A_MSIL2A_20170801T101031_N9999_R022_T33UVP"
WINTER = "S2A_MSIL2A_20171224T101031_N9999_R022_T33UVP"


def patches(*rows: tuple[str, str, int]) -> pl.DataFrame:
    """Patches in one row on the ground: tile, split, easting."""
    frame = pl.DataFrame(rows, schema=["tile", "split", "x_min"], orient="row")
    return frame.with_columns(
        patch_id=pl.col("tile") + pl.format("_{}_00", pl.int_range(10, 10 + pl.len())),
        epsg=32633,
        y_min=5_300_000,
        x_max=pl.col("x_min") + 1200,
        y_max=5_301_200,
    )


def test_pairs_of_different_splits_in_one_season_with_their_share() -> None:
    frame = patches((A, "train", 400_000), (B, "test", 400_300), (B, "train", 400_600))
    (pair,) = shared_ground(frame).filter(pl.col("split") == "train").rows(named=True)
    assert (pair["patch_id"], pair["other"]) == (f"{A}_10_00", f"{B}_11_00")
    assert pair["share"] == pytest.approx(0.75, abs=1e-4)


def test_neighbours_that_touch_and_other_seasons_do_not_count() -> None:
    frame = patches((A, "train", 400_000), (A, "test", 401_200), (WINTER, "test", 400_000))
    assert shared_ground(frame).is_empty()


def test_seasons_are_meteorological() -> None:
    tiles = [A.replace("0613", f"{month:02d}01") for month in range(1, 13)]
    found = seasons(pl.DataFrame({"tile": tiles})).to_list()
    assert found == ["winter"] * 2 + ["spring"] * 3 + ["summer"] * 3 + ["fall"] * 3 + ["winter"]


@pytest.mark.parametrize(("stated", "findings"), [("train", 0), ("test", 1)])
def test_ground_shared_beyond_what_places_give_is_a_finding(stated: str, findings: int) -> None:
    """Both patches are at the edge of their tiles, where all patches are train."""
    places = patches((A, "train", 400_000), (B, "train", 400_300)).with_columns(
        tile_x_min="x_min", tile_y_max="y_max", tile_side_m=12_000
    )
    build = AuditedBuild(Layout(""), {"config": {"split": {"p": 0.25, "q": 0.25}}})
    content = Content(build)
    frame = places.with_columns(split=pl.Series([stated, "train"]))
    content.metadata = SimpleNamespace(frame=frame)  # type: ignore[assignment]
    content.tables = SimpleNamespace(places=places.drop("split"))  # type: ignore[assignment]
    found = [str(finding) for finding in content.check_ground()]
    assert len(found) == findings
    shared = 2 * findings
    assert build.notes == [
        f"{shared} of 2 patches ({shared / 2:.2%}) share ground with a patch of another split in "
        "the same season"
    ]
    for line in found:
        assert line.startswith(f"dataset/metadata.parquet: {A}_10_00 (test) and {B}_11_00 (train)")
        assert line.endswith("by their places they are train and train")
