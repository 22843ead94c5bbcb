"""Writing a job's record while its step runs.

In: the options ``--record …``, which the rules put before a step's own. Out: the record, when
the step has ended well. The digest of an input is taken after the step has read it, when the
pages are still in memory; that the stamp is the same as before says that it is what was read.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reben.memory.record import Record, joint_digest
from reben.memory.sources import Source
from reben.results.tile_paths import tile_paths
from reben.runtime.errors import InputChangedError, RebenError

_found: dict[str, Any] = {}


def note(name: str, value: Any) -> None:
    """Put what a step has found out into its record, for plans to compare with."""
    _found[name] = value


@contextmanager
def recorded(argv: Sequence[str]) -> Iterator[list[str]]:
    """Take the options of the record from a command line; yield the others.

    Args:
        argv: arguments of the step. Without ``--record`` nothing is recorded.

    Raises:
        InputChangedError: an input changed while it was read.
        RebenError: a job before this one has no record.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--record")
    parser.add_argument("--record-settings", type=json.loads, default={})
    parser.add_argument("--record-after", nargs="+", action="append", default=[])
    parser.add_argument("--record-instead-of", action="append", default=[])
    parser.add_argument("--record-source", nargs=4, action="append", default=[])
    args, others = parser.parse_known_args(argv)
    if args.record is None:
        yield list(argv)
        return
    record = Path(args.record)
    # From here on the outputs are not those that these records tell of.
    for path in (record, *map(Path, args.record_instead_of)):
        path.unlink(missing_ok=True)
    _found.clear()
    after = {Path(paths[0]).parent.name: _digest_of(paths) for paths in args.record_after}
    sources = {n: Source(Path(path), kind, detail) for n, kind, path, detail in args.record_source}
    before = {n: _stamp(source) for n, source in sources.items()}
    yield others
    entries = {}
    for name, source in sources.items():
        digest, stamp = source.digest(files := source.files()), source.stamp(files)
        # None: the step itself has listed what it reads.
        if before[name] not in (None, stamp):
            raise InputChangedError(
                f"{source.path}: changed while it was read ({name}); run the same command again "
                "when it is complete"
            )
        entries[name] = {"path": str(source.path), "sha256": digest, "stamp": stamp}
    Record(args.record_settings, after, entries, dict(_found)).write(record)


def _stamp(source: Source) -> str | None:
    files = source.files()
    return source.stamp(files) if files else None


def _digest_of(paths: Sequence[str]) -> str:
    digests = []
    for path in (path for value in paths for path in tile_paths(value)):
        if (record := Record.read(path)) is None:
            raise RebenError(f"{path}: expected a record, found none; run {path.parent.name} again")
        digests.append((str(path), record.digest))
    return joint_digest(digests)
