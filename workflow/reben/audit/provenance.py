"""Where a build came from: its inputs, its settings, its software, its code."""

import ctypes
import platform
import re
import subprocess
from collections.abc import Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pyproj
import rasterio
import shapely

from reben.audit.digests import digest_tree
from reben.code_version import ENVIRONMENTS, PACKAGE, code_version, environment_version
from reben.files import sha256_file
from reben.jpeg2000_driver import load_openjpeg
from reben.product_table import read_products
from reben.settings import named_inputs

_RULES = PACKAGE.parent / "rules"
_USER_OF_URL = re.compile(r"(?<=://)[^/@\s]+@")


def public(value: Any) -> Any:
    """A value of the config fit to be shown: URLs without user and password, short paths."""
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
    """The versions of all that decides about bytes, and the platform."""
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
    """The version of GDAL's OpenJPEG; None where that cannot be found out.

    Args:
        maps: what this process has loaded, as Linux lists it.
    """
    # Where the driver is a plugin, its library comes with the first image only.
    if not maps.exists() or not load_openjpeg():
        return None
    loaded = re.findall(r"/[^\n]*/libopenjp2[^/\n]*$", maps.read_text(), re.MULTILINE)
    if not loaded:
        return None
    # Wheels bring one each: Pillow's may be there too, and is not GDAL's.
    beside = Path(rasterio.__file__).parents[1] / "rasterio.libs"
    library = min(loaded, key=lambda path: Path(path).parent != beside)
    ask = ctypes.CDLL(library).opj_version
    ask.restype = ctypes.c_char_p
    return str(ask().decode())


def git_state(folder: Path = PACKAGE) -> dict[str, Any]:
    """The commit of the project, and whether its tree was clean; None outside a repository."""

    def git(*args: str) -> str | None:
        try:
            command = ["git", "-C", str(folder), *args]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            return None

    commit, changes = git("rev-parse", "HEAD"), git("status", "--porcelain", "--", ":/")
    return {
        "commit": commit.strip() if commit else None,
        "clean": None if changes is None else not changes.strip(),
    }


def steps() -> list[str]:
    """The modules that rules run, sorted."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(_RULES.glob("*.smk")))
    return sorted(set(re.findall(r'code_version\("([\w.]+)"\)', text)))


def code() -> dict[str, dict[str, str]]:
    """The digest of every step's code and of every environment, as the rules carry them."""
    return {
        "steps": {step: code_version(step) for step in steps()},
        "environments": {
            path.stem: environment_version(path.stem)
            for path in sorted(ENVIRONMENTS.glob("*.yaml"))
        },
    }


def inputs(config: dict[str, Any], verdicts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Every file that the config names, with its SHA-256; and every product's origin.

    A file that is gone since is listed without a checksum. A folder has the digest over the
    paths and contents of its files. What the products contain is in the digests of tiles.
    """
    files = {key: _input(Path(path)) for key, path in named_inputs(config).items()}
    files["corine.path"]["release"] = config["corine"]["release"]
    judged = {verdict["tile"]: verdict for verdict in verdicts}
    products = {
        tile: {
            "product": product.product,
            "level": product.level,
            "source": product.source,
            "path": public(product.path) or None,
            "id": product.id or None,
            "checksum": product.checksum or None,
            "verdict": judged[tile]["verdict"],
            # Where its patches lie: by it and their names the splits can be told again.
            "grid": judged[tile]["grid"],
        }
        for tile, product in read_products(config["products"]).items()
    }
    return {"files": files, "products": products}


def _input(path: Path) -> dict[str, Any]:
    entry: dict[str, Any] = {"path": public(str(path)), "sha256": None}
    if path.is_dir():
        entry["sha256"] = digest_tree(path, threads=4)
    elif path.exists():
        entry |= {"sha256": sha256_file(path), "bytes": path.stat().st_size}
    return entry
