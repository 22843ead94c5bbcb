"""Where a build came from: its inputs, its settings, its software, its code."""

import ctypes
import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pyproj
import rasterio
import shapely

from reben.config.check import named_inputs
from reben.config.product_table import read_products
from reben.domain.verdict import Verdict
from reben.memory.record import Record, inputs_read, record_path
from reben.memory.sources import Source
from reben.results.layout import Layout
from reben.runtime.code_version import ENVIRONMENTS, PACKAGE, code_version, environment_version
from reben.safe.jpeg2000_driver import load_openjpeg

_RULES = PACKAGE.parent / "rules"
_USER_OF_URL = re.compile(r"(?<=://)[^/@\s]+@")


def public(value: Any) -> Any:
    """A config value that is safe to show: URLs without user and password, short paths."""
    if isinstance(value, dict):
        return {key: public(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [public(inner) for inner in value]
    if not isinstance(value, str):
        return value
    path = Path(value)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        return path.relative_to(Path.cwd()).as_posix()
    return _USER_OF_URL.sub("", value)


def software() -> dict[str, Any]:
    """The versions of everything that can change output bytes, and the platform."""
    names = [(dist.metadata["Name"].lower(), dist) for dist in distributions()]
    return {
        "python": platform.python_version(),
        "gdal": rasterio.__gdal_version__,
        "proj": pyproj.proj_version_str,
        "geos": shapely.geos_version_string,
        "openjpeg": openjpeg_version(),
        "packages": {name: dist.version for name, dist in sorted(names, key=lambda n: n[0])},
        "platform": {
            "system": platform.system(),
            "release": platform.release(),
            "machine": platform.machine(),
            "libc": " ".join(platform.libc_ver()),
        },
    }


def openjpeg_version(maps: Path = Path("/proc/self/maps")) -> str | None:
    """The version of GDAL's OpenJPEG; None if unknown.

    Args:
        maps: libraries that this process has loaded, as Linux lists them.
    """
    # If the driver is a plugin, its library is loaded with the first image.
    if not maps.exists() or not load_openjpeg():
        return None
    loaded = re.findall(r"/[^\n]*/libopenjp2[^/\n]*$", maps.read_text(), re.MULTILINE)
    if not loaded:
        return None
    # Each wheel has its own: Pillow's may be loaded too, and is not GDAL's.
    beside = Path(rasterio.__file__).parents[1] / "rasterio.libs"
    library = min(loaded, key=lambda path: Path(path).parent != beside)
    ask = ctypes.CDLL(library).opj_version
    ask.restype = ctypes.c_char_p
    return str(ask().decode())


def git_state(folder: Path = PACKAGE) -> dict[str, Any]:
    """The commit of the project, and whether its tracked files were those of it.

    None where the folder is in no repository, or in one of something else, as an installed copy
    in an environment below a user's own project is.
    """

    def git(*args: str) -> str | None:
        try:
            command = ["git", "-C", str(folder), *args]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            return None

    if not git("ls-files", "--", "."):
        return {"commit": None, "clean": None}
    # A config or results of the user's own in the clone change nothing that runs.
    changed = ("status", "--porcelain", "--untracked-files=no", "--", ":/")
    commit, changes = git("rev-parse", "HEAD"), git(*changed)
    return {
        "commit": commit.strip() if commit else None,
        "clean": None if changes is None else not changes.strip(),
    }


def steps() -> list[str]:
    """The modules that rules run, sorted."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(_RULES.glob("*.smk")))
    return sorted(set(re.findall(r'\bstep="([\w.]+)"', text)))


def code() -> dict[str, dict[str, str]]:
    """The digest of every step's code and of every environment, as used in the rules."""
    return {
        "steps": {step: code_version(step) for step in steps()},
        "environments": {
            name: environment_version(name)
            for name in sorted(
                path.relative_to(ENVIRONMENTS).with_suffix("").as_posix()
                for path in ENVIRONMENTS.rglob("*.yaml")
            )
        },
    }


#: The rules that read all of an input, by its key in the config.
_READERS = {
    "corine.path": ["clip_corine"],
    "land_cover.files": ["clip_land_cover"],
    "land_cover.legend": ["clip_land_cover"],
    "labels.nomenclature": ["label_patches"],
    "countries.path": ["assign_country"],
    "alignment.pairs": ["align_patches"],
    "sentinel1.root": ["encode_sentinel1"],
    "sentinel1.scenes": ["index_scenes"],
    "snow_cloud.seasonal_snow": ["flag_snow_cloud"],
    "snow_cloud.cloud_or_shadow": ["flag_snow_cloud"],
    "sen2cor.gipp": ["run_sen2cor"],
}


def inputs(layout: Layout, config: dict[str, Any], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Every file that the config names, with the SHA-256 of what was read; every product's origin.

    The digests are those that the steps recorded while reading. An input that has changed since,
    or is gone, is listed with ``changed_since``. Inputs that no step has read are digested now.
    The products' digests are part of the tiles' digests.
    """
    tiles = [verdict.tile for verdict in verdicts]
    files = {k: _input(layout, k, Path(path), tiles) for k, path in named_inputs(config).items()}
    files |= _rasters(layout, tiles)
    for key, entry in files.items():
        if (section := key.partition(".")[0]) in ("corine", "land_cover"):
            entry["release"] = config[section]["release"]
    judged = {verdict.tile: verdict for verdict in verdicts}
    products = {
        tile: {
            "product": product.product,
            "level": product.level,
            "source": product.source,
            "path": public(product.path) or None,
            "id": product.id or None,
            "checksum": product.checksum or None,
            "verdict": judged[tile].word,
            "image_checksums": judged[tile].image_checksums,
            # Where its patches lie: by it and their names the splits can be told again.
            "grid": judged[tile].square.to_dict(),
        }
        for tile, product in read_products(_product_table(config)).items()
    }
    return {"files": files, "products": products}


def _rasters(layout: Layout, tiles: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The rasters of the Sentinel-1 scenes that patches were cut from, by name."""
    read: dict[str, dict[str, dict[str, str]]] = {}
    for tile in tiles:
        record = Record.read(record_path(layout.root, "cut_sentinel1", tile))
        for name, entry in (record.sources if record else {}).items():
            read.setdefault(name, {})[tile] = entry
    return {
        name: _as_read(Path(next(iter(entries.values()))["path"]), entries)
        for name, entries in sorted(read.items())
    }


def _product_table(config: dict[str, Any]) -> str:
    """The product table as it was when the build began; outside a build, that of the config."""
    frozen = os.environ.get("REBEN_PRODUCTS", "")
    return frozen if Path(frozen).is_file() else str(config["products"])


def _input(layout: Layout, key: str, path: Path, tiles: Sequence[str]) -> dict[str, Any]:
    rules = _READERS.get(key.partition("[")[0], [])  # of several files, each has a key
    read = inputs_read(layout.root, key, rules, tiles)
    kind = "images"
    if key == "sentinel1.root" and not read:  # nothing of it is in the LMDB
        read, kind = inputs_read(layout.root, key, ["pair_sentinel1"], tiles), "headers"
    source = Source(path, "rasters" if key.startswith("land_cover.files") else "all")
    if not read:
        digest = source.digest(source.files()) if source.exists() else None
        return {"path": public(str(path)), "sha256": digest, **_size(path)}
    if key == "sentinel1.root":  # a part of it for each tile
        same = all(
            Source(path, kind, str(layout.sentinel1(tile))).is_as_read([entry])
            for tile, entry in read.items()
        )
        return _as_read(path, read, same)
    return _as_read(path, read)


def _as_read(
    path: Path, read: Mapping[str, Mapping[str, str]], same: bool | None = None
) -> dict[str, Any]:
    """An input with the digest of what steps have read of it, by tile."""
    if same is None:
        same = Source(path).is_as_read(read.values())
    digests = {entry["sha256"] for entry in read.values()}
    entry: dict[str, Any] = {"path": public(str(path)), "sha256": digests.pop()}
    if digests:
        table = "".join(f"{tile},{e['sha256']}\n" for tile, e in read.items())
        entry["sha256"] = hashlib.sha256(f"name,sha256\n{table}".encode()).hexdigest()
    return entry | (_size(path) if same else {"changed_since": True})


def _size(path: Path) -> dict[str, int]:
    return {"bytes": path.stat().st_size} if path.is_file() else {}
