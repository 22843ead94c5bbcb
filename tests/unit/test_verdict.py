"""The verdict on a product, as passed between steps."""

import json
from pathlib import Path

import pytest

from reben.domain.grid import TileSquare
from reben.domain.verdict import Verdict
from reben.runtime.errors import TableError
from tests.builds import TILES, a_verdict

SQUARE = TileSquare(32633, 300_000, 5_400_000, 4200)


@pytest.mark.parametrize("accepted", [True, False])
def test_a_verdict_survives_the_round_trip_byte_for_byte(tmp_path: Path, accepted: bool) -> None:
    path = tmp_path / "verdict.json"
    verdict = a_verdict(TILES[0], SQUARE, accepted=accepted, boa_add_offset={"B02": -1000})
    verdict.write(path)
    before = path.read_bytes()
    again = Verdict.read(path)
    assert (again.accepted, again.square, again.reasons) == (accepted, SQUARE, verdict.reasons)
    again.write(path)
    assert path.read_bytes() == before


def test_the_file_holds_what_it_always_held(tmp_path: Path) -> None:
    path = tmp_path / "verdict.json"
    a_verdict(TILES[0], SQUARE).write(path)
    value = json.loads(path.read_text())
    assert value["verdict"] == "accepted"
    assert value["grid"] == {"epsg": 32633, "x_min": 300000, "y_max": 5400000, "side_m": 4200}
    assert sorted(value) == [
        "boa_add_offset", "cloud_cover_percent", "footprint_lon_lat", "grid",
        "image_checksums", "indicators", "nodata_percent", "processing_baseline", "product",
        "reasons", "relative_orbit", "sensing_time", "tile", "verdict",
    ]  # fmt: skip


@pytest.mark.parametrize("content", ["{}", "[]", "3", '{"verdict": "accepted"}', "{", None])
def test_what_is_no_verdict_is_refused_with_its_path(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "verdict.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(TableError, match=r"verdict\.json: expected"):
        Verdict.read(path)


def test_a_tile_smaller_than_a_patch_of_bigearthnet_has_a_verdict_and_small_patches() -> None:
    verdict = a_verdict(TILES[0], TileSquare(32633, 300_000, 5_400_000, 660))
    assert verdict.grid(60).count == 11
