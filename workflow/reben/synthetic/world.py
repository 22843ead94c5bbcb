"""All inputs of ``make demo-world``: a product over São Tomé, labelled from ESA WorldCover.

The island lies on the equator, where there is no CORINE. Its land cover map is real; the product
and two passes of Sentinel-1 are generated, and show the land that the map has there.
"""

import logging
from pathlib import Path

import numpy as np
import yaml
from rasterio.features import sieve

from reben.land_cover.legend import read_legend
from reben.land_cover.nomenclature import NO_CODE
from reben.land_cover.raster_mosaic import RasterMosaic
from reben.runtime.files import write_text
from reben.synthetic.demo import ENTROPY
from reben.synthetic.land import LAYOUT_M, Land, land_of_layout
from reben.synthetic.product import write_product
from reben.synthetic.scenes import SceneSpec, write_scenes
from reben.synthetic.spec import ProductSpec

log = logging.getLogger(__name__)

#: The north of the island: the town, the coast, forest on the hills.
SPEC = ProductSpec(
    "S2B_MSIL2A_20210713T095029_N9999_R079_T32NKF_20240101T000000",
    epsg=32632,
    x_min=229_980,
    y_max=46_020,
    side_m=18_000,
    cloud_fraction=0.02,
)
#: An evening pass over all of it, and a pass of the next morning, nearer in time, over its east.
SCENES = (
    SceneSpec("S1A_IW_GRDH_1SDV_20210712T175450_20210712T175515_038745_04927C_5A3E"),
    SceneSpec(
        "S1B_IW_GRDH_1SDV_20210713T053409_20210713T053434_027776_0350AA_7C1D",
        epsg=32631,
        swath=(0.45, 2.0),
        scale="db",
    ),
)
LEGEND = Path("resources", "legends", "esa_worldcover.csv")
#: What a class of WorldCover looks like, as a code of CORINE (`reben.synthetic.landcover`). The map
#: has no data on the high sea.
_LOOKS = {
    10: 311, 20: 323, 30: 321, 40: 211, 50: 112, 60: 331, 70: 335, 80: 523, 90: 411, 95: 421,
    100: 412, NO_CODE: 523,
}  # fmt: skip
#: Smallest area in pixels of the layout: smaller ones join a neighbour.
_SMALLEST_PX = 6


def write_world(out: Path, worldcover: Path) -> Path:
    """Write the inputs of the demo.

    Args:
        out: folder for everything, including results.
        worldcover: the tile N00E006 of ESA WorldCover.

    Returns:
        Path of the config.

    Raises:
        RasterError: the file is no land cover map of São Tomé.
    """
    land = land_of_map(SPEC, worldcover)
    safe = write_product(out / "products", SPEC, ENTROPY, land)
    scenes = out / "sentinel1" / "scenes.tsv"
    scenes.unlink(missing_ok=True)
    write_scenes(scenes.parent, SPEC, SCENES, land=land)
    rows = ["product\tlevel\tsource\tpath", f"{SPEC.name}\tL2A\tlocal\t{safe.as_posix()}"]
    write_text(out / "products.tsv", "\n".join(rows) + "\n")
    config = {
        "results": (out / "results").as_posix(),
        "products": (out / "products.tsv").as_posix(),
        "land_cover": {
            "files": worldcover.as_posix(),
            "legend": LEGEND.as_posix(),
            "release": "ESA WorldCover 2021 v200",
        },
        "sentinel1": {"scenes": scenes.as_posix(), "backscatter": "gamma0"},
        "dataset": {"name": "Sao Tome", "licence": "CC-BY-4.0"},
    }
    path = out / "world.yaml"
    write_text(path, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    log.info("%s: %s over São Tomé", path, SPEC.name)
    return path


def land_of_map(spec: ProductSpec, worldcover: Path) -> Land:
    """The land at a product's place, as WorldCover has it."""
    clip = RasterMosaic.open([worldcover], read_legend(LEGEND)).clip(spec.grid)
    step = LAYOUT_M // 10
    codes = clip.codes[step // 2 :: step, step // 2 :: step]
    looks = np.zeros(NO_CODE + 1, np.int32)
    looks[list(_LOOKS)] = list(_LOOKS.values())
    layout = sieve(looks[codes], _SMALLEST_PX, connectivity=4)
    return land_of_layout(layout, spec.x_min, spec.y_max)
