"""Check the configuration when the workflow is read, before the first job.

Finds keys and values that its JSON Schema does not allow, contradictions between keys, and
missing inputs. Reports all problems at once, by key.
"""

import difflib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema

from reben.config.land_cover import check_land_cover, land_cover_inputs, pair_nomenclature
from reben.config.product_table import Product, read_products
from reben.config.scene_table import read_scenes
from reben.domain.bands import PATCH_SIDE_M, S1_BANDS
from reben.domain.split_geometry import frame_widths
from reben.results.layout import CLEAR_TABLE, LMDB
from reben.runtime.errors import ConfigError
from reben.storage.file_patterns import matching
from reben.storage.geotiff_tags import read_tags
from reben.storage.patch_files import PatchReader

#: Images that a model of each modality sees.
_MODALITY_IMAGES = {"s1": {"s1"}, "s2": {"s2"}, "all": {"s1", "s2"}}


def check_keys(
    config: dict[str, Any],
    schema: str | os.PathLike[str],
    place: Callable[[Sequence[Any]], str] = lambda _: "",
) -> None:
    """Check the configuration against its JSON Schema.

    Args:
        config: all keys.
        schema: the schema.
        place: where a key is set, put before what is wrong with it
            (`reben.config.user_file.places`).

    Raises:
        ConfigError: keys are unknown or values invalid; the message lists all of them.
    """
    validator = jsonschema.Draft202012Validator(json.loads(Path(schema).read_text("utf-8")))
    flaws = [line for error in validator.iter_errors(config) for line in _flaws(error, place)]
    if flaws:
        listed = "\n  ".join(sorted(flaws))
        raise ConfigError(f"the config has\n  {listed}\nconfig/README.md explains every key")


def _flaws(
    error: jsonschema.ValidationError, place: Callable[[Sequence[Any]], str]
) -> Iterator[str]:
    """One violation of the schema as readable text."""
    where = ".".join(map(str, error.absolute_path))
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        for key in sorted(map(str, error.instance.keys() - known.keys())):
            name = f"{where}.{key}".lstrip(".")
            near = difflib.get_close_matches(key, known, n=1)
            meant = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known)}"
            yield f"{place([*error.absolute_path, key])}{name}: an unknown key; {meant}"
        return
    there = place(list(error.absolute_path))
    message = error.message
    wanted = error.validator_value if error.validator == "type" else ()
    if isinstance(error.instance, date | int | float) and "string" in wanted:
        message = f"{error.instance} is a {type(error.instance).__name__} in YAML; put it in quotes"
    elif (
        isinstance(error.instance, str) and wanted in ("number", "integer", "boolean") and not there
    ):
        message += ", and below the first level --config gives only strings: write it in a file"
    yield f"{there}{where}: {message}"


def find_shipped(config: dict[str, Any], home: Path) -> None:
    """Resolve tables that the workflow ships, if it runs in a folder other than its own.

    Args:
        config: changed in place.
        home: folder of the workflow.
    """
    for section, key in (
        (config, "products"),
        (config["labels"], "nomenclature"),
        (config["land_cover"], "legend"),
    ):
        path = section[key]
        if path and not Path(path).exists() and (home / path).exists():
            section[key] = str(home / path)
    pair_nomenclature(config, home)


def check_settings(
    config: dict[str, Any], table: str | os.PathLike[str] | None = None
) -> dict[str, Product]:
    """Check the configuration and read the product table.

    Args:
        config: as validated by ``workflow/schemas/config.schema.json``.
        table: the product table, if it is not the one in the configuration.

    Returns:
        The products by tile.

    Raises:
        ConfigError: keys contradict each other, or a table is malformed.
    """
    frame_widths(config["split"]["p"], config["split"]["q"])
    if config["patches"]["side_m"] % 60:
        raise ConfigError(
            f"patches.side_m is {config['patches']['side_m']}; expected a multiple of 60, so that "
            "a patch is a whole number of pixels in every band"
        )
    if config["alignment"]["pairs"] and config["patches"]["side_m"] != PATCH_SIDE_M:
        raise ConfigError(
            f"patches.side_m is {config['patches']['side_m']}; expected {PATCH_SIDE_M} with "
            "alignment.pairs, for BigEarthNet v1 counts its columns and rows in such patches"
        )
    _check_sentinel1(config)
    check_land_cover(config)
    _check_training(config)
    products = read_products(table or config["products"])
    for key, path in (all_inputs(config, products) | {"results": config["results"]}).items():
        if any(ord(character) < 32 for character in path):
            raise ConfigError(f"{key} is {path!r}; expected a path without control characters")
        if "{" in path or "}" in path:
            raise ConfigError(
                f"{key} is {path!r}; expected a path without braces, which Snakemake takes for "
                "wildcards. Rename the folder, or link to it under another name"
            )
    return products


def _check_sentinel1(config: dict[str, Any]) -> None:
    """Check what patches of Sentinel-1 are made from.

    The size of patches is compared with that of the first Sentinel-1 patch, if its header says it.

    Raises:
        ConfigError: two things are given; the scene table is malformed; or the sizes differ: the
            pairing would find out, but only after the products are cut.
    """
    settings = config["sentinel1"]
    if settings["root"] and settings["scenes"]:
        raise ConfigError(
            f"sentinel1.root is {settings['root']!r} and sentinel1.scenes is "
            f"{settings['scenes']!r}; expected one of them: patches are there already, or are cut "
            "from scenes. Set the other to null"
        )
    if settings["scenes"]:
        read_scenes(settings["scenes"], settings["backscatter"])
    root, side_m = config["sentinel1"]["root"], config["patches"]["side_m"]
    image = PatchReader(root).first(S1_BANDS[0]) if root else None
    if image is None:
        return
    try:
        with Path(image).open("rb") as file:
            width_m = 10 * read_tags(file.read(4096))[0][256].values[0]
    except (OSError, ValueError, KeyError, IndexError):
        return  # no plain GeoTIFF; the pairing says what is wrong
    if width_m != side_m:
        raise ConfigError(
            f"patches.side_m is {side_m}; expected {width_m}, for so wide are the patches of "
            f"sentinel1.root, such as {image}; change it, or set sentinel1.root to null"
        )


def trained_modalities(config: dict[str, Any]) -> list[str]:
    """The modalities to train models on: those of the config, or all that the dataset has."""
    chosen: list[str] | None = config["training"]["modalities"]
    if chosen is not None:
        return chosen
    images = set(config["lmdb"]["include"])
    if config["training"]["dataset"]:
        images = {"s1", "s2"}
    elif not config["sentinel1"]["root"]:
        images -= {"s1"}
    return [name for name, needed in _MODALITY_IMAGES.items() if needed <= images]


def _check_training(config: dict[str, Any]) -> None:
    """Check that the dataset of the build has the images that models are to be trained on.

    Raises:
        ConfigError: it has not.
    """
    if config["training"]["dataset"]:
        return
    for modality in config["training"]["modalities"] or ():
        needed = _MODALITY_IMAGES[modality]
        if "s1" in needed and not config["sentinel1"]["root"]:
            raise ConfigError(
                f"training.modalities has {modality}, and sentinel1.root is null; expected "
                "Sentinel-1 patches for it. Set sentinel1.root, or leave the modality out"
            )
        if lacking := sorted(needed - set(config["lmdb"]["include"])):
            raise ConfigError(
                f"training.modalities has {modality}, and lmdb.include lacks "
                f"{' and '.join(lacking)}; add it, or leave the modality out"
            )


def named_inputs(config: dict[str, Any]) -> dict[str, str]:
    """What the configuration names for the dataset, by key; without the products."""
    paths = {
        "products": config["products"],
        **land_cover_inputs(config),
        "labels.nomenclature": config["labels"]["nomenclature"],
        "countries.path": config["countries"]["path"],
        "alignment.pairs": config["alignment"]["pairs"],
        "sentinel1.root": config["sentinel1"]["root"],
        "sentinel1.scenes": config["sentinel1"].get("scenes"),
        "snow_cloud.seasonal_snow": config["snow_cloud"]["seasonal_snow"],
        "snow_cloud.cloud_or_shadow": config["snow_cloud"]["cloud_or_shadow"],
        "sen2cor.gipp": config["sen2cor"]["gipp"],
    }
    return {key: path for key, path in paths.items() if path}


def absent_inputs(config: dict[str, Any], products: dict[str, Product]) -> dict[str, str]:
    """The missing inputs among those that the configuration names: path by key or row."""
    return {
        key: path
        for key, path in all_inputs(config, products).items()
        if not (Path(path).exists() or (key.startswith("land_cover.files") and matching(path)))
    }


def absence(inputs: dict[str, str]) -> str:
    """The message for missing inputs."""
    listed = "".join(f"\n  {key}: {path}" for key, path in inputs.items())
    return f"these inputs do not exist, seen from {Path.cwd()}:{listed}"


def all_inputs(config: dict[str, Any], products: dict[str, Product]) -> dict[str, str]:
    """The paths of all inputs, by key or row of the product table."""
    table, scenes = config["products"], config["sentinel1"]["scenes"]
    paths = {f"{table}, {p.product}": p.path for p in products.values() if p.path}
    for row in read_scenes(scenes).values() if scenes else ():
        paths |= {f"{scenes}, {row.scene} {band}": path for band, path in row.rasters.items()}
    if dataset := config["training"]["dataset"]:
        paths["training.dataset"] = f"{dataset}/{CLEAR_TABLE}"
        paths["training.dataset, its LMDB"] = f"{dataset}/{LMDB}"
    return named_inputs(config) | paths
