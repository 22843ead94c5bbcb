"""All inputs of ``make demo``."""

import logging
from pathlib import Path

import yaml

from reben.runtime.files import write_text
from reben.synthetic.corine import write_corine, write_countries
from reben.synthetic.product import write_product
from reben.synthetic.sentinel1 import write_sentinel1
from reben.synthetic.spec import ProductSpec

log = logging.getLogger(__name__)

#: Factor on the sensor's noise that keeps the demo's images small.
ENTROPY = 0.1
_CORINE = "U2018_CLC2018_V2020_20u1"


def demo_specs(seed: int = 0) -> list[ProductSpec]:
    """The demo's products: three good ones in two UTM zones, one that fails its quality check."""
    return [
        ProductSpec(
            "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_20240101T000000",
            epsg=32633,
            x_min=342_000,
            y_max=5_340_000,
            side_m=15_000,
            cloud_fraction=0.06,
            seed=seed,
        ),
        ProductSpec(
            "S2B_MSIL2A_20180421T102019_N9999_R065_T32TMT_20240101T000000",
            epsg=32632,
            x_min=441_000,
            y_max=5_222_400,
            side_m=12_600,
            nodata_wedge=0.18,
            snow_fraction=0.12,
            seed=seed + 1,
        ),
        ProductSpec(
            "S2A_MSIL2A_20170717T103021_N9999_R108_T32ULU_20240101T000000",
            epsg=32632,
            x_min=333_000,
            y_max=5_358_000,
            side_m=10_200,
            indicator_style="flag",
            resampled_copies=True,
            cloud_fraction=0.03,
            seed=seed + 2,
        ),
        ProductSpec(
            "S2A_MSIL2A_20180831T100021_N9999_R122_T33UVP_20240101T000000",
            epsg=32633,
            x_min=420_000,
            y_max=5_340_000,
            side_m=7_800,
            quality={"GEOMETRIC_QUALITY": "FAILED"},
            seed=seed + 3,
        ),
    ]


def write_demo(out: Path, seed: int = 0) -> Path:
    """Write the demo's inputs.

    Paths in the tables and the config start with `out` as given, so that the workflow finds
    them from the folder where this was run.

    Args:
        out: folder for everything, including results.
        seed: seed of the landscape.

    Returns:
        Path of the config.
    """
    specs = demo_specs(seed)
    lines = ["product\tlevel\tsource\tpath\tid\tchecksum"]
    for spec in specs:
        safe = write_product(out / "products", spec, ENTROPY)
        lines.append(f"{spec.name}\tL2A\tlocal\t{safe.as_posix()}\t\t")
    write_text(out / "products.tsv", "\n".join(lines) + "\n")
    write_corine(out / f"{_CORINE}.gpkg", specs, seed, layer=_CORINE)
    write_countries(out / "countries.gpkg", specs)
    for spec, scene_times in zip(specs, _SCENE_TIMES, strict=False):
        write_sentinel1(out / "BigEarthNet-S1", spec, _swath(spec), scene_times)
    config = {
        "results": (out / "results").as_posix(),
        "products": (out / "products.tsv").as_posix(),
        "corine": {"path": (out / f"{_CORINE}.gpkg").as_posix()},
        "countries": {"path": (out / "countries.gpkg").as_posix(), "name_column": "name"},
        "sentinel1": {"root": (out / "BigEarthNet-S1").as_posix()},
    }
    path = out / "demo.yaml"
    write_text(path, yaml.safe_dump(config, sort_keys=False))
    log.info("%s: %d products", path, len(specs))
    return path


#: Sentinel-1 scenes of the products that pass their checks.
_SCENE_TIMES = (
    ("20170613T165043", "20170612T165809"),
    ("20180421T172307",),
    ("20170716T054113",),
)


def _swath(spec: ProductSpec) -> list[tuple[int, int]]:
    """Columns and rows covered by Sentinel-1: those covered by Sentinel-2, except for a corner."""
    count = spec.grid.count
    first = int(spec.nodata_wedge * count)
    return [
        (col, row)
        for col in range(first, count)
        for row in range(count)
        if col + row < 2 * count - 4
    ]
