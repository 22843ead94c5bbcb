"""What a build would fail for after hours, checked before the first job.

In: the config and the environment. Out: what is wrong, or None: with sen2cor, with the account
that products are fetched with, the disk, and inputs that are read late. These are opened by the
functions of the steps, which are imported only where a job is due, and their beginnings are
read: all that takes about a second. Inputs that do not exist are found by `reben.config.check`.
"""

import logging
import os
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import Any

from reben.config.product_table import Product
from reben.runtime.errors import RebenError
from reben.runtime.libraries import settled

Config = dict[str, Any]

#: The rules that write most of a build.
_LARGE = frozenset(
    ("acquire", "acquire_l2a", "run_sen2cor", "make_patches", "make_reference_maps")
    + ("cut_sentinel1", "encode_sentinel2", "encode_sentinel1", "build_lmdb")
)
#: Rows of a table, and files of a map or scenes, that are looked at.
_ROWS, _FILES = 10_000, 100


def sen2cor_fault(config: Config) -> str | None:
    """What is wrong with sen2cor: it is not installed, or of another version."""
    from reben.sen2cor_version import check_version

    try:
        check_version(config["sen2cor"]["command"], config["sen2cor"]["version"])
    except RebenError as error:
        return str(error)
    return None


def account_fault() -> str | None:
    """What is wrong with the credentials of CDSE; it does not ask the service."""
    from reben.cdse import credentials  # planning needs it only where something is fetched
    from reben.cdse.service import Service

    try:
        service = Service.from_environment()
        if credentials.s3_keys(service.s3) is None:
            credentials.account(service.identity)
    except RebenError as error:
        return str(error)
    return None


def space_fault(
    config: Config, products: dict[str, Product], due: Mapping[str, Collection[str]]
) -> str | None:
    """Whether the disk of the results is too small for the jobs that are due.

    Args:
        config: merged with the defaults, and checked.
        products: by tile.
        due: by rule, the tiles of the jobs; an empty text for the one job of all tiles.

    Products of which nobody knows the size do not count: a build is not stopped for a guess.
    """
    if not due.keys() & _LARGE or os.environ.get("REBEN_DISK_CHECK") == "off":
        return None
    from reben.plan import shortage
    from reben.results.needs import Machine, needs

    need = needs(config, products, lambda rule, tile: tile in due.get(rule, ()), guess=False)
    fault = shortage(need, Machine.of(config["results"]), config["results"])
    return fault and (
        f"{fault}. Where many patches will be dropped, less is enough: REBEN_DISK_CHECK=off "
        "before the command builds all the same"
    )


def input_fault(rule: str, config: Config) -> str | None:
    """What is wrong with the inputs of a rule of `OPENED`, which exist.

    A step looks at all of them again: an error may still be found in what is not read here.
    """
    logger = logging.getLogger("reben")
    level = logger.level
    logger.setLevel(logging.ERROR)  # warnings are for the log of the step
    try:
        with settled():
            OPENED[rule](config)
    except RebenError as error:
        return str(error)
    except ModuleNotFoundError:
        return None  # Snakemake need not have the libraries of a step's conda environment
    finally:
        logger.setLevel(level)
    return None


def _open_corine(config: Config) -> None:
    from reben.land_cover.corine_polygons import PolygonLayer
    from reben.storage.vector_archive import check_archive, is_packed

    corine = config["corine"]
    if is_packed(corine["path"]):
        check_archive(corine["path"])  # unpacking takes minutes
    else:
        PolygonLayer.open(corine["path"], corine["layer"], corine["code_column"])


def _open_land_cover_map(config: Config) -> None:
    from reben.config.land_cover import patterns
    from reben.land_cover.legend import read_legend
    from reben.land_cover.raster_mosaic import RasterMosaic
    from reben.land_cover_map import find_files

    settings = config["land_cover"]
    files = find_files(list(patterns(config).values()))
    RasterMosaic.open(files[:_FILES], read_legend(settings["legend"]), settings["nodata"])


def _open_countries(config: Config) -> None:
    from reben.countries import check_names, open_countries

    settings = config["countries"]
    layer, column = open_countries(settings["path"], settings["name_column"], settings["layer"])
    if settings["names"]:
        known = [str(name) for name in layer.values(column) if name is not None]
        check_names(layer, column, known, settings["names"])


def _open_pairs(config: Config) -> None:
    from reben.alignment import read_pairs

    read_pairs(config["alignment"]["pairs"], rows=_ROWS)


def _open_lists(config: Config) -> None:
    from reben.snow_cloud import read_names

    aligned = config["alignment"]["pairs"] is not None
    for key in ("seasonal_snow", "cloud_or_shadow"):
        if path := config["snow_cloud"][key]:
            read_names(path, aligned=aligned)


def _open_scenes(config: Config) -> None:
    from reben.config.scene_table import read_scenes
    from reben.scene_index import index_scenes

    settings = config["sentinel1"]
    rows = read_scenes(settings["scenes"], settings["backscatter"])
    index_scenes(islice(rows.values(), _FILES))


#: By rule, how the inputs are opened that it reads.
OPENED: dict[str, Callable[[Config], None]] = {
    "clip_corine": _open_corine,
    "clip_land_cover": _open_land_cover_map,
    "assign_country": _open_countries,
    "align_patches": _open_pairs,
    "flag_snow_cloud": _open_lists,
    "index_scenes": _open_scenes,
}


if __name__ == "__main__":
    from reben.runtime.library import answer

    answer(__doc__)
