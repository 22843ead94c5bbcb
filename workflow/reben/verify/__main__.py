"""Check that a build matches its audit: ``python -m reben.verify RESULTS``.

In: a results folder with its audit. Recomputes the digests of all files, then checks the
content: the LMDB against the metadata and the shards, labels against reference maps,
split against names, flags against the tables, and the ground that splits share. Lists
every finding with its file and exits with 1 if there is any. Missing files that later steps
do not need are mentioned but are not findings.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from reben.runtime import cli
from reben.runtime.files import sha256_file
from reben.verify.audited_build import AuditedBuild
from reben.verify.checks import verify


def positive(text: str) -> int:
    """Parse a number of patches."""
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def main(argv: Sequence[str] | None = None) -> None:
    """Verify one build."""
    parser = cli.parser(__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--sample", type=positive, help="patches of each tile to check")
    args = parser.parse_args(argv)

    build = AuditedBuild.open(args.results, args.sample)
    findings = verify(build)
    for note in build.remarks():
        print(note)
    for finding in findings:
        print(finding)
    files = sum(sum(t["files"].values()) for t in build.manifest["outputs"]["tiles"].values())
    manifest = build.layout.manifest
    print(f"checked against {manifest}, SHA-256 {sha256_file(manifest)}")
    print(f"{len(findings)} findings in {len(build.tiles)} tiles, {files} GeoTIFFs")
    if findings:
        sys.exit(1)


if __name__ == "__main__":
    cli.run(main)
