"""Solve the conda environments and pin each of their packages with its address and checksum.

In: environment files, ``envs/*.yaml``, and a channel: ``conda-forge`` as it is now, or folders
with saved records of it (``linux-64/repodata.json``, ``noarch/repodata.json``). Out: next to each
file ``….linux-64.pin.txt``, which Snakemake uses automatically.

A package without an address cannot be pinned. An environment that needs one gets
``….linux-64.incomplete.txt`` instead, a name that Snakemake ignores: a pin file with a missing
package would install without an error, and then fail in a job.
"""

import argparse
import asyncio
import logging
import multiprocessing
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import rattler
import yaml

from reben.runtime import cli
from reben.runtime.errors import ToolError
from reben.runtime.files import atomic_file

PLATFORM: Final = "linux-64"
PIN, INCOMPLETE = f".{PLATFORM}.pin.txt", f".{PLATFORM}.incomplete.txt"
#: What conda calls virtual packages, for two generations: an old cluster and a new machine.
SYSTEMS = {
    "old": {"__linux": "4.18", "__glibc": "2.28", "__archspec": "1=x86_64"},
    "new": {"__linux": "6.8", "__glibc": "2.39", "__archspec": "1=x86_64_v4"},
}
_WHOLE_ADDRESS = re.compile(r"https://\S+\.(conda|tar\.bz2)")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Package:
    """One package of a solved environment.

    Attributes:
        name: name on conda.
        version: exact version.
        url: address of its file.
        md5: MD5 of its file, hexadecimal digits; empty if no record has it.
        built: time of the build, UTC; None if no record has it.
    """

    name: str
    version: str
    url: str
    md5: str
    built: datetime | None

    @property
    def has_address(self) -> bool:
        """Whether anyone can fetch and check it."""
        return bool(_WHOLE_ADDRESS.fullmatch(self.url) and self.md5)


def read_specs(environment: Path) -> list[str]:
    """The requirements of an environment file, each ``name==version``."""
    return list(yaml.safe_load(environment.read_text("utf-8"))["dependencies"])


def solve(
    wanted: Mapping[str, Sequence[str]], channels: Sequence[str], system: str = "old"
) -> dict[str, list[Package]]:
    """Solve environments, each on its own.

    Args:
        wanted: requirements of each environment, by name.
        channels: names, addresses or folders.
        system: key of `SYSTEMS`.

    Returns:
        The packages of each environment, by name; each package after its dependencies.

    Raises:
        ToolError: an environment cannot be solved, or a channel cannot be read.
    """
    # In a separate process: rattler's threads occasionally abort Python at exit.
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_solve, dict(wanted), list(channels), system).result()


def _solve(
    wanted: dict[str, Sequence[str]], channels: list[str], system: str
) -> dict[str, list[Package]]:
    return asyncio.run(_solve_all(wanted, channels, system))


async def _solve_all(
    wanted: dict[str, Sequence[str]], channels: list[str], system: str
) -> dict[str, list[Package]]:
    virtual = [_virtual("__unix", "0")]
    virtual += [_virtual(name, version) for name, version in SYSTEMS[system].items()]
    gateway = rattler.Gateway()
    found = {}
    for name, specs in wanted.items():
        try:
            records = await rattler.solve(
                [_channel(channel) for channel in channels],
                list(specs),
                gateway=gateway,
                platforms=[PLATFORM, "noarch"],
                virtual_packages=virtual,
                # Packages that a folder of stand-ins adds to a folder of records are found too.
                channel_priority=rattler.ChannelPriority.Disabled,
            )
        except Exception as error:  # several unrelated types; each message says what is wrong
            raise ToolError(
                f"environment {name}: expected to solve from {', '.join(channels)}, found: "
                f"{str(error).strip()}"
            ) from None
        by_name = {record.name.normalized: record for record in records}
        # Sorting returns records without their addresses.
        order = rattler.PackageRecord.sort_topologically(list(records))
        found[name] = [_package(by_name[record.name.normalized]) for record in order]
    return found


def _package(record: rattler.RepoDataRecord) -> Package:
    return Package(
        name=record.name.normalized,
        version=str(record.version),
        url=record.url,
        md5=record.md5.hex() if record.md5 else "",
        built=record.timestamp,
    )


def _virtual(name: str, version: str) -> rattler.GenericVirtualPackage:
    number, _, build = version.partition("=")
    return rattler.GenericVirtualPackage(
        rattler.PackageName(name), rattler.Version(number), rattler.BuildString(build or "0")
    )


def _channel(name: str) -> rattler.Channel:
    folder = Path(name)
    return rattler.Channel(folder.resolve().as_uri() if folder.is_dir() else name)


def pin_text(environment: str, packages: Sequence[Package], source: str) -> str:
    """The content of a pin file, or of the file that replaces it.

    Args:
        environment: name of the environment file.
        packages: in the order in which they are to be linked.
        source: description of where the records are from.
    """
    missing = [package for package in packages if not package.has_address]
    newest = max(package.built for package in packages if package.built)
    lines = [
        f"# The packages of envs/{environment} for {PLATFORM}, solved by `make pin-envs`.",
        f"# Source: {source}; the newest package is of {newest.astimezone(UTC):%Y-%m-%d}.",
    ]
    if missing:
        lines += [
            "#",
            f"# NOT COMPLETE: {len(missing)} of {len(packages)} packages have no address below,",
            f"# since no record of them was found: {', '.join(p.name for p in missing)}.",
            "# Snakemake does not use this file but the yaml file. With a network, `make pin-envs`",
            "# writes the complete file in its place.",
        ]
    else:
        lines += ["# Snakemake installs exactly these with --sdm conda.", "@EXPLICIT"]
    lines += [f"{p.url}#{p.md5}" if p.has_address else f"{p.name}=={p.version}" for p in packages]
    return "\n".join(lines) + "\n"


def write_pins(environment: Path, packages: Sequence[Package], source: str) -> Path:
    """Write the file of an environment and remove the one that it replaces.

    Returns:
        The file: a pin file only if every package has an address and a checksum.
    """
    complete = all(package.has_address for package in packages)
    file, other = (
        environment.with_name(environment.stem + ending)
        for ending in ((PIN, INCOMPLETE) if complete else (INCOMPLETE, PIN))
    )
    other.unlink(missing_ok=True)
    with atomic_file(file) as part:
        part.write_text(pin_text(environment.name, packages, source), "utf-8")
    return file


def source_of(channels: Sequence[str]) -> str:
    """Description of the records' source, without paths of this machine."""
    folders = [channel for channel in channels if Path(channel).is_dir()]
    if folders:
        return "kept records of conda-forge"
    return f"the channel {', '.join(channels)}"


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--channel", nargs="+", default=["conda-forge"], help="name, address or folder; or several"
    )
    parser.add_argument("--envs", nargs="+", type=Path, required=True, help="environment files")
    args: argparse.Namespace = parser.parse_args(argv)
    wanted = {path.name: read_specs(path) for path in args.envs}
    solved = solve(wanted, args.channel)
    source = source_of(args.channel)
    files = [write_pins(path, solved[path.name], source) for path in args.envs]
    for file in files:
        _log.info("wrote %s", file)
    complete = sum(file.name.endswith(PIN) for file in files)
    _log.info("%d environments, %d pinned in full", len(files), complete)


if __name__ == "__main__":
    cli.run(main)
