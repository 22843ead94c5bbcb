"""Malta from the real CORINE of 2018 to that of 2024, with generated products at its place."""

from pathlib import Path

import pytest

from reben import changes
from reben.synthetic import ProductSpec, write_product
from tests.workflow.builds import Project

#: The east of the island, where land cover changed; and the sea west of it.
LAND = ProductSpec(
    "S2A_MSIL2A_20180713T095031_N9999_R079_T33SVV_20240101T000000", 32633, 450_000, 3_972_000, 3600
)
SEA = ProductSpec(
    "S2B_MSIL2A_20180718T095029_N9999_R079_T33SVV_20240101T000000", 32633, 430_800, 3_976_800, 3600
)


def test_the_release_of_2024_redoes_the_tile_whose_polygons_changed(
    reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = reference / "land_cover/corine_malta"
    build = Project.new(
        tmp_path / "project",
        {
            "products": "products.tsv",
            "corine": {"path": f"{folder}/clc2018_mt.gpkg.zip", "layer": "clc18_mt"},
        },
    )
    safes = {spec.name: write_product(build.root, spec, 0.1).name for spec in (LAND, SEA)}
    build.write_products(safes)
    build.snakemake()
    before = changes.State.of_build(build.results)

    changes.main([str(build.results), f"{folder}/CLC2024_MT.zip", "--layer", "clc24_mt"])
    told = capsys.readouterr().out
    assert ", in 1 of 2 tiles\n" in told.partition("Other labels")[0]
    assert LAND.product.tile in told
    assert SEA.product.tile not in told

    build.config["corine"] = {"path": f"{folder}/CLC2024_MT.zip", "layer": "clc24_mt"}
    jobs = build.jobs()
    assert jobs["clip_corine"] == set()
    assert jobs["make_reference_maps"] == jobs["label_patches"] == {LAND.product.tile}
    assert not {"make_patches", "encode_sentinel2"} & jobs.keys()
    after = changes.State.of_build(build.results)
    found = changes.patch_changes(before, after)
    assert found["tile"].unique().to_list() == [LAND.product.tile]
    assert changes.summary(found, before.counts["patch_id"]) + "\n" == told, "as it was foretold"
