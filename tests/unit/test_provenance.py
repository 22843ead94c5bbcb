"""What a manifest may show, and what it knows of the project."""

import subprocess
from pathlib import Path

import pytest

from reben.audit import provenance
from reben.config.product_table import Product, write_products
from reben.config.user_file import DEFAULTS, read_config
from reben.domain.grid import TileSquare
from reben.results.layout import Layout
from reben.runtime.code_version import code_version
from tests.builds import TILES, a_verdict


def test_no_secret_and_no_place_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = {"path": f"{tmp_path}/a.gpkg", "list": ["https://me:secret@host/x", 3, None]}
    assert provenance.public(config) == {"path": "a.gpkg", "list": ["https://host/x", 3, None]}


def test_git_state_knows_commit_and_dirt(tmp_path: Path) -> None:
    assert provenance.git_state(tmp_path) == {"commit": None, "clean": None}

    def git(*args: str) -> str:
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@y", *args]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q")
    (tmp_path / "a").write_text("a")
    git("add", "a")
    git("commit", "-qm", "a")
    assert provenance.git_state(tmp_path) == {"commit": git("rev-parse", "HEAD"), "clean": True}
    (tmp_path / "mine.yaml").write_text("results: mine")
    assert provenance.git_state(tmp_path)["clean"] is True, "a config is no change of the code"
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed/reben.py").touch()
    assert provenance.git_state(tmp_path / "installed") == {"commit": None, "clean": None}
    (tmp_path / "a").write_text("b")
    assert provenance.git_state(tmp_path)["clean"] is False


def test_the_code_of_every_step_is_named() -> None:
    steps = provenance.code()["steps"]
    assert {"quality", "patches", "labels", "build_lmdb", "audit"} <= set(steps)
    assert steps["labels"] == code_version("labels")


@pytest.mark.parametrize("checked", ["manifest.safe", "unchecked"])
def test_it_says_whether_the_images_of_a_product_were_checked(tmp_path: Path, checked: str) -> None:
    product = Product(f"{TILES[0]}_20240101T000000", "L2A", "local", path="x.SAFE")
    write_products(tmp_path / "products.tsv", [product])
    config = read_config(DEFAULTS) | {"products": str(tmp_path / "products.tsv")}
    config["corine"] = {**config["corine"], "path": None}
    square = TileSquare(32633, 300_000, 5_400_000, 4200)
    verdict = a_verdict(TILES[0], square, image_checksums=checked)
    (entry,) = provenance.inputs(Layout(tmp_path / "r"), config, [verdict])["products"].values()
    assert entry["image_checksums"] == checked
