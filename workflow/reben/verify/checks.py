"""The checks of a build: its files against the manifest, then its content."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from pathlib import Path

import polars as pl

from reben.results.layout import IMAGE_STAGES
from reben.runtime.errors import RebenError
from reben.runtime.progress import progress
from reben.split import assign_split
from reben.verify.audited_build import AuditedBuild, Finding
from reben.verify.entries import Count, check_clips, check_tile
from reben.verify.files import check_audit, check_files, check_geotiffs
from reben.verify.metadata import Metadata
from reben.verify.overlap import shared_ground
from reben.verify.tables import Tables

Check = Callable[[], Iterable[Finding]]


class Content:
    """Checks the content of a build, in the order in which it is made."""

    def __init__(self, build: AuditedBuild) -> None:
        self._build = build
        self._counts: list[Count] = []
        self._said: set[tuple[Path, str]] = set()

    @cached_property
    def metadata(self) -> Metadata:
        """The metadata tables."""
        return Metadata.read(self._build)

    def checks(self) -> list[tuple[str, Check]]:
        """The checks by name."""
        build = self._build
        return [
            ("metadata", lambda: self.metadata.check(build)),
            ("keys", lambda: self.metadata.check_keys(build)),
            ("clips", lambda: check_clips(build)),
            *((f"entries of {tile}", partial(self.check_entries, tile)) for tile in build.tiles),
            *((f"table {name}", partial(self.check_table, name)) for name in Tables.checks),
            ("ground", self.check_ground),
        ]

    def check_entries(self, tile: str) -> Iterator[Finding]:
        """The pixels of one tile."""
        return check_tile(self._build, tile, self.metadata.of_tile(tile), self._counts)

    @cached_property
    def tables(self) -> Tables:
        """The tables, which need counts of pixels; so after the entries."""
        schema = {"patch_id": pl.String, "code": pl.Int16, "pixels": pl.Int32}
        counts = pl.DataFrame(self._counts, schema=schema, orient="row")
        return Tables(self._build, self.metadata, counts.sort("patch_id", "code"))

    def check_table(self, name: str) -> Iterator[Finding]:
        """Check a table against its sources; report each patch and column of a file once."""
        for finding in self.tables.checks[name](self.tables):
            subject = finding.path, finding.text.partition(" is ")[0]
            if subject not in self._said:
                self._said.add(subject)
                yield finding

    def check_ground(self) -> Iterator[Finding]:
        """Report how much ground patches of different splits share in a season.

        Neighbouring tiles of a zone overlap by less than the width of the outer frame, so the
        overlap is train in both; tiles of two zones can overlap more, which is allowed and
        reported. A pair whose splits do not follow from their places is a finding.
        """
        shares = self._build.config["split"]
        places = self.tables.places
        by_place = dict(assign_split(places, shares["p"], shares["q"]).iter_rows())
        frame = self.metadata.frame.select("patch_id", "split").unique("patch_id")
        stated = frame.join(places, on="patch_id").sort("patch_id")
        pairs = shared_ground(stated)
        sharing = set(pairs["patch_id"]) | set(pairs["other"])
        self._build.notes.append(
            f"{len(sharing)} of {len(stated)} patches ({len(sharing) / max(1, len(stated)):.2%}) "
            "share ground with a patch of another split in the same season"
        )
        for one, other, split, other_split, share in pairs.rows():
            if (split, other_split) != (by_place[one], by_place[other]):
                yield Finding(
                    self._build.layout.metadata,
                    f"{one} ({split}) and {other} ({other_split}) share {share:.1%} of ground; "
                    f"by their places they are {by_place[one]} and {by_place[other]}",
                )


def checks(build: AuditedBuild) -> list[tuple[str, Check]]:
    """All checks in order, with names."""
    geotiffs = [
        (f"{stage} {tile}", partial(check_geotiffs, build, tile, stage))
        for tile in build.tiles
        for stage in IMAGE_STAGES
    ]
    files: list[tuple[str, Check]] = [
        ("audit", lambda: check_audit(build)),
        ("files", lambda: check_files(build)),
    ]
    return [*geotiffs, *files, *Content(build).checks()]


def verify(build: AuditedBuild) -> list[Finding]:
    """All findings of `found`, when all checks are through."""
    return list(found(build))


def found(build: AuditedBuild) -> Iterator[Finding]:
    """Run all checks; each finding comes as it is made, and once.

    A check that breaks is a finding of its own.
    """
    said: set[Finding] = set()
    broken: set[str] = set()
    build.note_other_code()
    for name, check in progress(checks(build), "verifying"):
        try:
            for finding in check():
                if finding not in said:
                    said.add(finding)
                    yield finding
        except Exception as error:  # what was tampered with can break anything
            prefix = "" if isinstance(error, RebenError) else f"{type(error).__name__}: "
            if str(error) not in broken:
                yield Finding(build.results, f"{name}: {prefix}{error}")
            broken.add(str(error))
