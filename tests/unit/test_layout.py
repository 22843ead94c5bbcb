"""The paths of results: one module shared by rules and tools."""

import subprocess
import sys
from pathlib import Path

import pytest

from reben.domain.names import ENTRY_KINDS
from reben.results.layout import IMAGE_STAGES, Layout
from reben.runtime.code_version import PACKAGE

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"


def places(layout: Layout, tile: str) -> dict[str, Path]:
    """All places of a build with one tile, by name."""
    found = {
        name: getattr(layout, name)
        for name, value in vars(Layout).items()
        if isinstance(value, property)
    }
    for name in ("l1c", "l2a", "verdict", "patches", "reference_maps", "patch_table"):
        found[name] = getattr(layout, name)(tile)
    for name in ("code_counts", "labels", "split", "sentinel1", "tile_digest"):
        found[name] = getattr(layout, name)(tile)
    found |= {f"shard {kind}": layout.shard(kind, tile) for kind in ENTRY_KINDS}
    for stage in IMAGE_STAGES:
        found[f"{stage} hashes"] = layout.hashes(stage)
        found[f"{stage} digest of hashes"] = layout.hashes_digest(stage)
        found[f"{stage} tile hashes"] = layout.tile_hashes(stage, tile)
    return found | {"log": layout.log("audit"), "tile log": layout.log("make_patches", tile)}


def test_every_place_lies_below_the_root_and_no_two_are_the_same() -> None:
    found = places(Layout("results"), TILE)
    assert all(path.is_relative_to("results") for path in found.values())
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize("word", ["{tile}", "*"])
def test_a_pattern_instead_of_a_tile_stays_as_it_is(word: str) -> None:
    layout = Layout("results")
    assert str(layout.patch_table(word)) == f"results/tables/patches/{word}.parquet"
    assert str(layout.labels(word)) == f"results/tables/labels/{word}.parquet"
    assert str(layout.split(word)) == f"results/tables/split/{word}.parquet"
    assert str(layout.shard("s1", word)) == f"results/encoded/s1/{word}.lmdb"
    assert str(layout.tile_hashes("patches", word)) == f"results/audit/tiles/{word}.patches.csv"


def test_an_empty_root_gives_the_places_below_the_results() -> None:
    assert Layout("").selection.as_posix() == "tables/selection.parquet"
    assert Layout(Path()).clip_manifest.as_posix() == "land_cover/manifest.json"


def test_it_costs_the_snakefile_nothing_but_the_standard_library() -> None:
    code = "import sys, reben.results.layout; print(*sys.modules)"
    env = {"PYTHONPATH": str(PACKAGE.parent), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert {name.partition(".")[0] for name in done.stdout.split()} <= {
        *sys.stdlib_module_names, "reben", "__main__"
    }  # fmt: skip
