"""The environments solve with saved records; pin files are complete and match them."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import yaml

from reben import pin_envs
from reben.pin_envs import INCOMPLETE, PIN, SYSTEMS, Package, read_specs, solve
from reben.runtime.errors import ToolError
from tests.unit.test_environments import ENVIRONMENTS as ALL
from tests.unit.test_environments import LIBRARIES, ROOT, pins

#: From pyproject.toml, up to the newest version for which the records have all packages.
PYTHONS = ("3.11", "3.12", "3.13")
#: Without those in a folder of their own: there is no record of PyTorch, nor of what it needs.
ENVIRONMENTS = [environment for environment in ALL if environment.parent == ROOT / "envs"]
NAMES = [environment.stem for environment in ENVIRONMENTS]
_ADDRESS = re.compile(
    r"https://conda\.anaconda\.org/conda-forge/(?:linux-64|noarch)/"
    r"(?P<name>[a-z0-9._-]+)-(?P<version>[^-/]+)-[^-/]+\.(?:conda|tar\.bz2)#[0-9a-f]{32}"
)


def pinned(file: Path) -> dict[str, str]:
    """The version of each package of a pin file, by its address."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "@EXPLICIT"
    found = [_ADDRESS.fullmatch(line) for line in lines[1:]]
    assert all(found), [line for line, match in zip(lines[1:], found, strict=True) if not match]
    versions = {match["name"]: match["version"] for match in found if match}
    assert len(versions) == len(found), "a package twice"
    return versions


# ---- With saved records of conda-forge.


@pytest.fixture(scope="module")
def channels(reference: Path) -> list[str]:
    return [str(reference / "conda" / part) for part in ("channel", "overlay")]


@pytest.fixture(scope="module")
def solved(channels: list[str]) -> dict[tuple[str, str, str], list[Package]]:
    """The packages by environment, Python and generation of systems."""
    found = {}
    for system in SYSTEMS:
        wanted = {
            f"{environment.stem} {python}": [
                f"python {python}.*" if spec.startswith("python==") else spec
                for spec in read_specs(environment)
            ]
            for environment in ENVIRONMENTS
            for python in PYTHONS
        }
        for key, packages in solve(wanted, channels, system).items():
            name, python = key.split()
            found[name, python, system] = packages
    return found


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", NAMES)
def test_every_environment_solves(solved, name: str, python: str, system: str) -> None:
    versions = {package.name: package.version for package in solved[name, python, system]}
    assert versions["python"].startswith(f"{python}.")
    wanted = pins(ROOT / f"envs/{name}.yaml")
    assert {key: versions[key] for key in wanted if key != "python"} == {
        key: version for key, version in wanted.items() if key != "python"
    }
    assert not [key for key in versions if re.match(r"(qt|pyqt|pyside)", key)]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_libraries_have_one_version_and_are_pinned_where_they_are(
    solved, python: str, system: str
) -> None:
    for library in sorted({*LIBRARIES, "openjpeg", "libtiff", "sqlite", "libsqlite"}):
        found = {
            name: package.version
            for name in NAMES
            for package in solved[name, python, system]
            if package.name == library
        }
        assert len(set(found.values())) <= 1, (library, found)
        if library in LIBRARIES:
            assert found.keys() == {n for n in NAMES if library in pins(ROOT / f"envs/{n}.yaml")}


def test_pin_files_are_what_the_records_give(channels: list[str]) -> None:
    """Those from saved records; pinning from the live channel gives newer builds."""
    found = solve({path.name: read_specs(path) for path in ENVIRONMENTS}, channels)
    source = pin_envs.source_of(channels)
    files = [
        file
        for environment in ENVIRONMENTS
        for ending in (PIN, INCOMPLETE)
        if (file := environment.with_name(environment.stem + ending)).exists()
        and f"Source: {source};" in file.read_text()
    ]
    if not files:
        pytest.skip("all environments are pinned from the live channel")
    for file in files:
        yaml_file = f"{file.name.partition('.')[0]}.yaml"
        expected = pin_envs.pin_text(yaml_file, found[yaml_file], source)
        assert file.read_text() == expected, f"{file.name}: run make pin-envs"


def test_what_does_not_solve_says_which_package(channels: list[str]) -> None:
    with pytest.raises(
        ToolError, match=r"(?s)environment old: expected to solve.*pyogrio ==0\.13\.0 cannot"
    ):
        solve({"old": ["rasterio==1.4.4", "pyogrio==0.13.0"]}, channels)


# ---- Without records.


def test_four_environments_are_pinned_in_full() -> None:
    assert sum((ROOT / f"envs/{name}{PIN}").exists() for name in NAMES) >= 4


@pytest.mark.parametrize("name", NAMES)
def test_pin_files_agree_with_the_yaml_files(name: str) -> None:
    file, incomplete = (ROOT / f"envs/{name}{ending}" for ending in (PIN, INCOMPLETE))
    assert file.exists() != incomplete.exists(), "one of the two: run make pin-envs"
    wanted = pins(ROOT / f"envs/{name}.yaml")
    if file.exists():
        found = pinned(file)
    else:
        text = incomplete.read_text()
        assert "# NOT COMPLETE" in text
        assert "@EXPLICIT" not in text
        bare = dict(re.findall(r"^([a-z0-9._-]+)==(\S+)$", text, re.MULTILINE))
        assert bare
        assert f"was found: {', '.join(bare)}." in text
        addresses = [_ADDRESS.fullmatch(line) for line in text.splitlines()]
        found = bare | {match["name"]: match["version"] for match in addresses if match}
    assert {key: found.get(key) for key in wanted} == wanted


def record(name: str, *depends: str, **more: object) -> dict[str, object]:
    digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    return {
        "name": name, "version": "1.0", "build": "0", "build_number": 0, "subdir": "linux-64",
        "depends": depends, "timestamp": 1767225600000, "md5": digest, **more,
    }  # fmt: skip


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    """A channel of three packages, as conda-forge states the place of its packages."""
    packages = [record("top", "middle"), record("middle", "zbase >=1"), record("zbase")]
    for subdir in ("linux-64", "noarch"):
        folder = tmp_path / "channel" / subdir
        folder.mkdir(parents=True)
        base = "https://example.org/conda-forge/linux-64/"
        content = {
            "info": {"subdir": subdir, "base_url": base},
            "packages": {},
            "packages.conda": {f"{p['name']}-1.0-0.conda": p for p in packages}
            if subdir == "linux-64"
            else {},
            "repodata_version": 2,
        }
        (folder / "repodata.json").write_text(json.dumps(content))
    return tmp_path / "channel"


def write_environment(folder: Path, *specs: str) -> Path:
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump({"channels": ["x"], "dependencies": list(specs)}))
    return file


def test_a_pin_file_lists_every_package_behind_what_it_needs(channel: Path, tmp_path: Path) -> None:
    file = write_environment(tmp_path, "top==1.0")
    (tmp_path / f"mine{INCOMPLETE}").touch()  # of an earlier run
    pin_envs.main(["--channel", str(channel), "--envs", str(file)])
    text = (tmp_path / f"mine{PIN}").read_text()
    assert text.splitlines()[2:] == [
        "# Snakemake installs exactly these with --sdm conda.",
        "@EXPLICIT",
        *(
            f"https://example.org/conda-forge/linux-64/{name}-1.0-0.conda#"
            + hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
            for name in ("zbase", "middle", "top")
        ),
    ]
    assert "newest package is of 2026-01-01" in text
    assert str(tmp_path) not in text
    assert not (tmp_path / f"mine{INCOMPLETE}").exists()


@pytest.mark.parametrize("lacks", ["md5", "address"])
def test_an_incomplete_pin_file_is_not_left_for_snakemake(
    channel: Path, tmp_path: Path, lacks: str
) -> None:
    path = channel / "linux-64/repodata.json"
    content = json.loads(path.read_text())
    if lacks == "md5":
        del content["packages.conda"]["middle-1.0-0.conda"]["md5"]
    else:
        del content["info"]["base_url"]  # then the address is in this folder
    path.write_text(json.dumps(content))
    file = write_environment(tmp_path, "top==1.0")
    (tmp_path / f"mine{PIN}").write_text("@EXPLICIT\n")  # of an earlier, complete run
    pin_envs.main(["--channel", str(channel), "--envs", str(file)])
    assert not (tmp_path / f"mine{PIN}").exists()
    text = (tmp_path / f"mine{INCOMPLETE}").read_text()
    missing = ["middle"] if lacks == "md5" else ["zbase", "middle", "top"]
    assert f"NOT COMPLETE: {len(missing)} of 3 packages" in text
    assert re.findall(r"^(\w+)==1\.0$", text, re.MULTILINE) == missing
    assert "@EXPLICIT" not in text
    assert str(tmp_path) not in text
