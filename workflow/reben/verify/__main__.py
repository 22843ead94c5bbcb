"""Check that a build matches its audit.

In: a results folder with its audit. Recomputes the digests of all files, then checks the
content: the LMDB against the metadata and the shards, labels against reference maps,
split against names, flags against the tables, and the ground that splits share. Prints
every finding with its file as it is made, and exits with 1 if there is one. What is not there any
more although later steps do not need it, is said and not a finding.

The work is done in a process of its own: should a file end that process (a disk that cannot be
read under an LMDB), this one says so.
"""

import argparse
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from reben.runtime import cli
from reben.runtime.files import sha256_file
from reben.verify.audited_build import AuditedBuild
from reben.verify.checks import found

#: Do the work in this process.
_HERE = "--in-this-process"


def positive(text: str) -> int:
    """Parse a number of patches."""
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def main(argv: Sequence[str] | None = None) -> None:
    """Verify one build."""
    parser = cli.parser(__doc__, example="results", failure="an error or a finding")
    parser.add_argument("results", type=Path)
    parser.add_argument("--sample", type=positive, help="patches of each tile to look at")
    parser.add_argument(_HERE, action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)

    build = AuditedBuild.open(args.results, args.sample)
    count = 0
    for finding in found(build):
        print(finding, flush=True)
        count += 1
    for note in build.remarks():
        print(note)
    files = sum(sum(t["files"].values()) for t in build.manifest["outputs"]["tiles"].values())
    manifest = build.layout.manifest
    print(f"held against {manifest}, SHA-256 {sha256_file(manifest)}")
    print(f"{count} findings in {len(build.tiles)} tiles, {files} GeoTIFFs")
    if count:
        sys.exit(1)


def watched(argv: Sequence[str] | None = None) -> None:
    """`main` in a child process; reports it if that is killed."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if _HERE in arguments:
        main(arguments)
        return
    command = [sys.executable, "-m", "reben.verify", _HERE, *arguments]
    status = subprocess.run(command).returncode
    if status >= 0:
        sys.exit(status)
    print(
        f"the check was ended by {signal.Signals(-status).name}: a file under it is damaged or "
        "cannot be read, or memory ran out. What is printed above counts; the rest was not checked"
    )
    sys.exit(1)


if __name__ == "__main__":
    cli.run(watched)
