"""What a finished build deletes: the stages that `keep` does not name, and nothing else."""

import json
import os
import shutil
from pathlib import Path

import pytest

from reben.results import keeping
from reben.results.keeping import delete, not_kept
from reben.results.layout import Layout
from tests.rules import ROOT

TILES = ["S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"]
OTHER = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UVP"
KINDS = ("s2", "s1", "reference_maps")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Results with every folder of two tiles, of which the build has one."""
    layout = Layout(tmp_path / "results")
    for tile in (*TILES, OTHER):
        folders = [layout.l1c(tile), layout.l2a(tile), layout.cut_sentinel1(tile)]
        folders += [layout.patches(tile), layout.reference_maps(tile)]
        for folder in (*folders, *(layout.shard(kind, tile) for kind in KINDS)):
            (folder / "inside").mkdir(parents=True)
            (folder / "inside/file").write_bytes(b"x" * 10_000)
    layout.patch_table(TILES[0]).parent.mkdir(parents=True)
    layout.patch_table(TILES[0]).touch()
    return layout


def files(layout: Layout) -> set[str]:
    return {path.relative_to(layout.root).as_posix() for path in Path(layout.root).rglob("*")}


def tidy(layout: Layout, *keep: str) -> int:
    return sum(delete(path) for paths in not_kept(layout, keep, TILES).values() for path in paths)


def test_the_schema_has_the_stages_and_keeps_them_all(layout: Layout) -> None:
    schema = json.loads((ROOT / "workflow/schemas/config.schema.json").read_text())
    keep = schema["properties"]["keep"]
    assert keep["items"]["enum"] == keep["default"] == list(not_kept(layout, [], TILES))
    assert not_kept(layout, keep["default"], TILES) == {}


def test_only_tiles_of_the_build_go_and_only_of_stages_that_are_not_named(layout: Layout) -> None:
    before = files(layout)
    freed = tidy(layout, "patches", "reference_maps", "sentinel1")
    gone = {name.split("/inside")[0] for name in before - files(layout)}
    shards = {f"encoded/{kind}/{TILES[0]}.lmdb" for kind in KINDS}
    assert gone == {f"l1c/{TILES[0]}", f"l2a/{TILES[0]}.SAFE", *shards}
    assert freed >= 5 * 10_000
    assert tidy(layout, "patches", "reference_maps", "sentinel1") == 0


def test_links_are_not_followed(layout: Layout, tmp_path: Path) -> None:
    """Neither one in place of a tile, nor one inside it, nor one in place of a stage."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "file").touch()
    shutil.rmtree(layout.l1c(TILES[0]))
    layout.l1c(TILES[0]).symlink_to(mine)
    (layout.l2a(TILES[0]) / "inside/link").symlink_to(mine)
    elsewhere = tmp_path / "elsewhere"
    layout.patches(TILES[0]).parent.rename(elsewhere)
    (Path(layout.root) / "patches").symlink_to(elsewhere)
    assert "patches" not in not_kept(layout, [], TILES)
    tidy(layout)
    assert (mine / "file").exists()
    assert (elsewhere / TILES[0] / "inside/file").exists()
    assert not os.path.lexists(layout.l1c(TILES[0]))
    assert not layout.l2a(TILES[0]).exists()


def test_results_behind_a_link_are_tidied(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(layout.root)
    tidy(Layout(tmp_path / "link"))
    assert not layout.l2a(TILES[0]).exists()


def test_an_interrupted_deletion_leaves_nothing_that_looks_finished(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(keeping.shutil, "rmtree", interrupt)
        with pytest.raises(KeyboardInterrupt):
            delete(layout.l2a(TILES[0]))
    assert not layout.l2a(TILES[0]).exists()
    assert any(".part-old-" in name for name in files(layout))
    assert tidy(layout) > 0
    assert not any(".part-old-" in name for name in files(layout)), "the next one removes the rest"
