"""The provenance of a build from the audit's manifest, as readable tables."""

from collections import Counter
from typing import Any

#: Rows of a table: name, value, and optionally a second line.
Rows = list[tuple[str, ...]]

_SOFTWARE = ("snakemake", "sen2cor", "python", "gdal", "proj", "geos", "openjpeg")


def records(manifest: dict[str, Any]) -> list[tuple[str, Rows]]:
    """Tables by title; digests of single files and tiles, and Python packages, are left out."""
    config = dict(manifest["config"])
    config.pop("training", None)  # the dataset is the same without
    if not any(config.get("sentinel1", {}).get(key) for key in ("root", "scenes")):
        config.pop("sentinel1", None)  # what it would be is of no use without it
    software, git = manifest["software"], manifest["code"]["git"]
    state = {True: "", False: ", with uncommitted changes", None: ""}[git["clean"]]
    files = manifest["inputs"]["files"]
    inputs: Rows = [
        (key, str(entry["path"]), f"SHA-256 {entry['sha256']}" if entry["sha256"] else "gone")
        for key, entry in sorted(files.items())
        if "/" not in key
    ]
    # Rasters of scenes, of which there may be thousands.
    many = Counter(key.partition("/")[0] for key in files if "/" in key)
    inputs += [
        (key, f"{count:,} files, with their checksums in the manifest")
        for key, count in many.items()
    ]
    code = ("reben", f"git commit {git['commit']}{state}" if git["commit"] else "no git commit")
    versions = [(name, str(software[name])) for name in _SOFTWARE if software[name]]
    machine = " ".join(str(value) for _, value in sorted(software["platform"].items()))
    return [
        ("Inputs", inputs),
        ("Settings", [row for row in flatten(config) if row[0] not in files]),
        ("Software", [code, *versions, ("platform", machine)]),
        ("Digests of the outputs", sorted(manifest["outputs"]["global"].items())),
    ]


def flatten(value: Any, name: str = "") -> Rows:
    """Settings as rows (``key.key``, value), without unset ones."""
    if isinstance(value, dict):
        return [
            row
            for key in sorted(value)
            for row in flatten(value[key], f"{name}.{key}" if name else key)
        ]
    if value is None or value == []:
        return []
    return [(name, ", ".join(map(str, value)) if isinstance(value, list) else str(value))]
