"""Which jobs are done: what their records say, against what is wanted now.

In: for every rule, what its jobs are made from (`Made`). Out: for a job, why it must run, or
None. Nothing here goes by Snakemake's own memory or by the times of files: a build may be moved,
copied, killed or planned from another clone, and its `.snakemake` deleted.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from reben.memory.record import MEMORY, Record, joint_digest, record_path
from reben.memory.sources import Source
from reben.runtime.code_version import code_version, environment_version, pins_version

Values = Mapping[str, Any]


#: The time of a record whose job is due.
_AGED = (1, 1)


def frozen(results: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Where the config and the product table of a build are kept as they were when it began."""
    folder = Path(results, MEMORY)
    return folder / ".config.json", folder / ".products.tsv"


def _nothing(*_: Any) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Made:
    """What the jobs of a rule are made from.

    Attributes:
        step: module that they run, what follows ``python -m reben.``.
        environment: name of the conda environment, or None where it must not matter.
        per_tile: a job for every tile; else one for all.
        per_run: a job for every training (`reben.results.model_layout.Run`) instead.
        options: command line options of the step that decide what it makes.
        settings: what else does, without being an option of its own.
        sources: inputs from outside, by their key in the config (or ``product``).
        needs: paths that its jobs must find besides, where there are too many for `sources`.
        after: rules before it.
        instead_of: rules that make the same outputs from something else, of which a config wants
            one: their records go when this one runs, or they would still say that they are done.
        found: of what the step found out, what it should be by now; given the tile and that.
        coded: whether another version of the code makes it again, or another command.
        command: returns the shell command of the rule, as written.
    """

    step: str
    environment: str | None
    per_tile: bool = True
    per_run: bool = False
    options: Values = field(default_factory=dict)
    settings: Callable[[str], Values] = _nothing
    sources: Callable[[str], Mapping[str, Source]] = _nothing
    needs: Callable[[], Iterable[str]] = tuple
    after: Sequence[str] = ()
    instead_of: Sequence[str] = ()
    found: Callable[[str, Values], Values] = _nothing
    coded: bool = True
    command: Callable[[], str] = str

    @property
    def jobs(self) -> str:
        """What it has a job for: ``tile``, ``run``, or all together, an empty text."""
        return "run" if self.per_run else "tile" if self.per_tile else ""

    @cached_property
    def _version(self) -> dict[str, str]:
        version = {}
        if self.coded:
            version["code"] = code_version(self.step)
            version["command"] = hashlib.sha256(self.command().encode()).hexdigest()[:12]
        if self.environment:
            version["environment"] = environment_version(self.environment)
        return version

    def wanted(self, tile: str, deployment: str = "") -> dict[str, Any]:
        """The settings of a job as its record has them, plain JSON.

        Args:
            tile: of the job.
            deployment: what provides the environment, where it is not this one: its packages
                are then those of the pin file.
        """
        values = {**self.options, **self.settings(tile), **self._version}
        if self.environment and deployment:
            values["deployment"] = f"{deployment} {pins_version(self.environment)}".strip()
        plain: dict[str, Any] = json.loads(json.dumps(values, sort_keys=True))
        return plain


class Plan:
    """The rules of a build and what its records say; reads every record once.

    Args:
        results: folder of the results.
        tiles: all tiles of the build, sorted.
        runs: names of all trainings.
        deployment: ``conda`` or the like, where steps do not run in this environment.
    """

    def __init__(
        self, results: str, tiles: Sequence[str], deployment: str = "", runs: Sequence[str] = ()
    ) -> None:
        self.results, self.tiles, self.deployment = results, list(tiles), deployment
        self._names = {"tile": self.tiles, "run": list(runs), "": [""]}
        self.rules: dict[str, Made] = {}
        self._records: dict[str, tuple[tuple[int, int], Record | None]] = {}
        self._digests: dict[tuple[Source, str], str] = {}
        #: Whether records may be changed: while the results are locked for this process.
        self.owns_results = False

    def names(self, rule: str) -> list[str]:
        """The names of all jobs of a rule: tiles, runs, or an empty one."""
        return self._names[self.rules[rule].jobs]

    def record(self, rule: str, tile: str) -> str:
        """The path of a job's record; of a rule with a job for every run, `tile` is its name."""
        return record_path(self.results, rule, tile if self.rules[rule].jobs else None)

    def records(self, rule: str) -> list[str]:
        """All records of a rule for a command line; of tiles in one word (`tile_paths`)."""
        names = ["*"] if self.rules[rule].jobs == "tile" else self.names(rule)
        return [self.record(rule, name) for name in names]

    def inputs(self, rule: str, tile: str = "") -> set[str]:
        """The paths outside the results that a job must find if it has to run."""
        made = self.rules[rule]
        return {os.fspath(source.path) for source in made.sources(tile).values()} | {*made.needs()}

    def reason(self, rule: str, tile: str = "") -> str | None:
        """Why a job must run, or None where it is done."""
        made = self.rules[rule]
        record = self._read(self.record(rule, tile))
        if record is None:
            return "not made yet"
        wanted = made.wanted(tile, self.deployment)
        if changed := _differing(record.settings, wanted):
            return f"other {', '.join(changed)}"
        if sorted(record.after) != sorted(made.after):
            return "other steps before it"
        for before in made.after:
            if record.after[before] != self._digest(before, tile, made.jobs):
                return f"other jobs of {before}"
        found = made.found(tile, record.found)
        if changed := _differing({k: record.found.get(k) for k in found}, dict(found)):
            return f"other {', '.join(changed)}"
        return self._changed_source(self.record(rule, tile), record, made.sources(tile))

    def age(self, rule: str, tile: str, is_due: bool) -> None:
        """Make the record of a job that is due older than anything, and of one that is not, young.

        So outputs whose times lie in the future, as of a node with a fast clock, are made again.
        """
        path = Path(self.record(rule, tile))
        if is_due and path.exists():
            os.utime(path, _AGED)
        elif not is_due and path.stat().st_mtime == _AGED[1]:
            os.utime(path)

    def arguments(self, rule: str, tile: str = "") -> list[str]:
        """What follows ``python -m`` for a job: the step, its record, its options."""
        made = self.rules[rule]
        words = [f"reben.{made.step}", "--record", self.record(rule, tile)]
        words += [
            "--record-settings",
            json.dumps(made.wanted(tile, self.deployment), sort_keys=True),
        ]
        for before in made.after:
            same = made.jobs == self.rules[before].jobs
            words.append("--record-after")
            words += [self.record(before, tile)] if same else self.records(before)
        for other in made.instead_of:
            path = record_path(self.results, other, tile if made.jobs else None)
            words += ["--record-instead-of", path]
        for name, source in made.sources(tile).items():
            words += ["--record-source", name, source.kind, os.fspath(source.path), source.detail]
        return words + option_words(made.options)

    def _read(self, path: str) -> Record | None:
        try:
            status = os.stat(path)  # noqa: PTH116 - thousands of them
        except OSError:
            return None
        version = status.st_mtime_ns, status.st_ctime_ns
        known = self._records.get(path)
        if known is None or known[0] != version:
            known = self._records[path] = (version, Record.read(path))
        return known[1]

    def _digest(self, rule: str, tile: str, jobs: str) -> str | None:
        """The digest of the records before a job; None where one is missing."""
        names = [tile] if jobs == self.rules[rule].jobs else self.names(rule)
        digests = []
        for path in (self.record(rule, name) for name in names):
            if (record := self._read(path)) is None:
                return None
            digests.append((path, record.digest))
        return joint_digest(digests)

    def _changed_source(
        self, path: str, record: Record, sources: Mapping[str, Source]
    ) -> str | None:
        if sorted(record.sources) != sorted(sources):
            return "other inputs"
        same = dict(record.sources)
        for name, source in sources.items():
            known = record.sources[name]
            try:
                files = source.files() if source.exists() else []
                stamp = source.stamp(files)
                if files and stamp != known["stamp"] and (source, stamp) not in self._digests:
                    self._digests[source, stamp] = source.digest(files)
            except OSError as error:  # its step will say so too, and fail
                return f"{name} cannot be read: {error}"
            if not files:
                # What was made from it is made. But a new path is a wish for something else.
                ours = source.path.is_relative_to(self.results)
                if ours or os.fspath(source.path) == known["path"]:
                    continue
                return f"another {name}"
            if stamp == known["stamp"]:
                continue
            if self._digests[source, stamp] != known["sha256"]:
                return f"another {name}"
            same[name] = known | {"stamp": stamp, "path": os.fspath(source.path)}
        if same != record.sources and self.owns_results:
            self._restamp(path, record, same)
        return None

    def _restamp(self, path: str, record: Record, sources: dict[str, dict[str, str]]) -> None:
        """Note that the content is the same, so that the next plan need not read it again."""
        status = Path(path).stat()
        Record(record.settings, record.after, sources, record.found).write(path)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _differing(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The names whose values differ, sorted."""
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def option_words(options: Values) -> list[str]:
    """Command line options for the values that are given; True stands for the option alone."""
    words = []
    for name, value in options.items():
        if value is None or value is False or value == []:
            continue
        words.append(f"--{name.replace('_', '-')}")
        if value is not True:
            words += value if isinstance(value, list) else [value]
    return [str(word) for word in words]
