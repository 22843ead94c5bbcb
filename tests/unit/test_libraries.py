"""Settings of GDAL and PROJ in the environment do not reach a step."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reben.runtime.code_version import PACKAGE
from reben.runtime.libraries import hidden_drivers, settle, without_library_settings
from reben.sen2cor_version import environment

#: Each turns something: the place of an image, its values, its drivers, the transformation.
FOREIGN = {
    "PROJ_LIB": "{empty}",
    "PROJ_DATA": "{empty}",
    "PROJ_AUX_DB": "{empty}/proj.db",
    "PROJ_IGNORE_USER_SETTINGS": "NO",
    "PROJ_NETWORK": "ON",
    "GDAL_DATA": "{empty}",
    "GDAL_DRIVER_PATH": "{empty}",
    "GDAL_CONFIG_FILE": "{empty}/gdalrc",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "NONE",
    "GDAL_IGNORE_AXIS_ORIENTATION": "TRUE",
    "GMLJP2OVERRIDE": "{empty}/other.gml",
    "GTIFF_POINT_GEO_IGNORE": "TRUE",
    "GTIFF_SRS_SOURCE": "EPSG",
    "OGR_CT_FORCE_TRADITIONAL_GIS_ORDER": "NO",
    "OGR_ENABLE_PARTIAL_REPROJECTION": "TRUE",
    "OGR_SQLITE_LOAD_EXTENSIONS": "{empty}/x.so",
    "OSR_DEFAULT_AXIS_MAPPING_STRATEGY": "AUTHORITY_COMPLIANT",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".jp2",
    "SHAPE_ENCODING": "CP437",
    "CHECK_WITH_INVERT_PROJ": "YES",
    "USE_OSR_FIND_MATCHES": "NO",
    "OPJ_NUM_THREADS": "64",
}


@pytest.fixture
def foreign(tmp_path: Path) -> dict[str, str]:
    """The variables of another installation, which has nothing that ours needs."""
    (tmp_path / "empty").mkdir()
    return {name: value.format(empty=tmp_path / "empty") for name, value in FOREIGN.items()}


def test_a_step_sees_no_settings_of_another_installation(foreign: dict[str, str]) -> None:
    code = (
        "import os, sys; import reben.runtime.cli, rasterio, pyproj\n"
        "from rasterio.crs import CRS\n"
        "print(CRS.from_epsg(32633).to_epsg(), pyproj.CRS('EPSG:3035').to_epsg(),"
        " os.environ['PROJ_NETWORK'], *sorted(os.environ.keys() & set(sys.argv[1].split(','))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv[0] = '-m'; {code}", ",".join(foreign)],
        env={**os.environ, **foreign, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.split() == [
        *("32633", "3035", "OFF"),
        *("CPL_VSIL_CURL_ALLOWED_EXTENSIONS", "GDAL_CONFIG_FILE", "PROJ_NETWORK"),
    ], done.stderr


def test_the_command_reben_sees_none_of_them_either(foreign: dict[str, str]) -> None:
    """Its script is no `python -m reben...`, where the package settles as it is found."""
    code = (
        "import atexit, os, sys; from reben.__main__ import main\n"
        "atexit.register(lambda: print(*sorted(os.environ.keys() & set(sys.argv[1].split(',')))))\n"
        "main(['show', '--help'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, ",".join(foreign)],
        env={**os.environ, **foreign, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    kept = ["CPL_VSIL_CURL_ALLOWED_EXTENSIONS", "GDAL_CONFIG_FILE", "PROJ_NETWORK"]
    assert done.stdout.splitlines()[-1].split() == kept


def cut(product: Path, out: Path, variables: dict[str, str]) -> dict[str, bytes]:
    """What the step make_patches makes of a product."""
    tile = product.stem.rpartition("_")[0]
    subprocess.run(
        [sys.executable, "-m", "reben.patches", "--product", product, "--tile", tile]
        + ["--out", out / "patches", "--table", out / "table.parquet"],
        env={**os.environ, **variables, "PYTHONPATH": str(PACKAGE.parent)},
        check=True,
    )
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def test_patches_are_the_same_whatever_the_environment(
    pristine_product: Path, tmp_path: Path, foreign: dict[str, str]
) -> None:
    ours = cut(pristine_product, tmp_path / "ours", {})
    assert len(ours) > 12
    assert cut(pristine_product, tmp_path / "foreign", foreign) == ours


def test_what_conda_sets_for_this_python_stays() -> None:
    ours = {"PROJ_DATA": f"{sys.prefix}/lib", "GDAL_DATA": "/usr/share/nowhere", "HOME": "/root"}
    settle(ours)
    assert ours["PROJ_DATA"] == f"{sys.prefix}/lib"
    assert ours["HOME"] == "/root"
    assert "GDAL_DATA" not in ours
    assert ours["GDAL_CONFIG_FILE"] == os.devnull


@pytest.mark.parametrize(
    ("given", "names"),
    [("PNG,ESRI Shapefile", ["PNG", "ESRI Shapefile"]), ("PNG GIF", ["PNG", "GIF"]), ("", [])],
)
def test_drivers_that_are_hidden_stay_hidden(given: str, names: list[str]) -> None:
    environment = {"GDAL_SKIP": given}
    settle(environment)
    assert hidden_drivers(environment) == names
    assert hidden_drivers({}) == []


def test_settings_stay_where_the_package_is_imported(foreign: dict[str, str]) -> None:
    """Training code has a GDAL of its own to think of."""
    done = subprocess.run(
        [sys.executable, "-c", "import reben.dataset, os; print(os.environ['GDAL_DATA'])"],
        env={**os.environ, **foreign, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == foreign["GDAL_DATA"]


def test_sen2cor_sees_none_of_them(
    monkeypatch: pytest.MonkeyPatch, foreign: dict[str, str]
) -> None:
    for name, value in foreign.items():
        monkeypatch.setenv(name, value)
    assert not environment().keys() & foreign.keys()
    assert without_library_settings({"PATH": "/bin", "PROJ_LIB": "x"}) == {"PATH": "/bin"}
