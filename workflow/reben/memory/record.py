"""What a job was made from: a small JSON for every job, in the folder ``.reben`` of the results.

A job counts as done only while its record says what is wanted now (`reben.memory.plan`). The
record is an output of the job: Snakemake removes it with the others before the job runs again
and when it fails. Names start with a dot, since these files are no part of the dataset.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from reben.runtime.files import write_json

#: Folder of the memory in the results.
MEMORY = ".reben"


def record_path(results: str | os.PathLike[str], rule: str, tile: str | None = None) -> str:
    """The record of a rule's job: of a tile, or of the one job for all tiles."""
    return f"{results}/{MEMORY}/{rule}/.{tile or 'all'}.json"


@dataclass(frozen=True)
class Record:
    """What a job was made from.

    Attributes:
        settings: options of the step, its code version, its environment.
        after: by rule, the digest of the records of the jobs before it (`digest`).
        sources: by name, the inputs from outside: ``path``, ``sha256``, and the ``stamp`` of
            their files (`reben.memory.sources`).
        found: what the step found out that a plan can compare, as a product's verdict.
    """

    settings: dict[str, Any]
    after: dict[str, str] = field(default_factory=dict)
    sources: dict[str, dict[str, str]] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path) -> Self | None:
        """A record; None where there is none, or none that can be read."""
        try:
            value = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(value["settings"], value["after"], value["sources"], value["found"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, path: str | Path) -> None:
        """Write it, whole or not at all."""
        write_json(
            path,
            {
                "settings": self.settings,
                "after": self.after,
                "sources": self.sources,
                "found": self.found,
            },
        )

    @cached_property
    def digest(self) -> str:
        """Sixteen digits over what decides about the outputs, not when and where inputs lay."""
        contents = {name: entry["sha256"] for name, entry in self.sources.items()}
        value = [self.settings, self.after, contents, self.found]
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def inputs_read(
    results: str | os.PathLike[str], name: str, rules: Iterable[str], tiles: Iterable[str]
) -> dict[str, dict[str, str]]:
    """What the jobs of some rules have read of an input from outside.

    Args:
        results: folder of the results.
        name: of the input, as in `Record.sources`.
        rules: which.
        tiles: those of the build; records of others are left over.

    Returns:
        The entries of the records, by tile (``all`` for a job for all tiles), sorted.
    """
    found = {}
    for rule in rules:
        for tile in ("all", *tiles):
            record = Record.read(record_path(results, rule, tile))
            if record and name in record.sources:
                found[tile] = record.sources[name]
    return dict(sorted(found.items()))


def joint_digest(digests: Iterable[tuple[str, str]]) -> str:
    """One digest for the records of several jobs, given as path (its name has the tile), digest."""
    lines = "\n".join(f"{Path(path).name} {digest}" for path, digest in digests)
    return hashlib.sha256(lines.encode()).hexdigest()[:16]
