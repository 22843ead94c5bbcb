"""Build the dataset of a config, or what is not made yet.

In: a config, targets, and options of Snakemake. Out: what Snakemake makes. The command that runs is
printed first: everything that this one does can be typed without it. Targets beside the
dataset are ``audit``, ``report``, ``archive``, ``catalogue``, ``draw_overview`` and ``table2``.
"""

import os
import shlex
import sys
from collections.abc import Sequence

from reben.config.check import check_keys
from reben.config.user_file import SCHEMA, places, read_config
from reben.runtime import cli
from reben.runtime.code_version import PACKAGE

SNAKEFILE = PACKAGE.parent / "Snakefile"


def snakemake_command(config: str, targets: Sequence[str], options: Sequence[str]) -> list[str]:
    """The words of the command line of Snakemake, which finds its profile beside the Snakefile."""
    snakefile = os.path.relpath(SNAKEFILE)
    if snakefile.startswith(".."):
        snakefile = str(SNAKEFILE)
    # Targets first: `--configfile` takes all words that follow it.
    return ["snakemake", *targets, "--snakefile", snakefile, "--configfile", config, *options]


def main(argv: Sequence[str] | None = None) -> None:
    """Run Snakemake in the place of this process."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = cli.parser(
        __doc__,
        example="mine.yaml all report --cores 8 --dry-run",
        failure="an error, or a job that failed",
    )
    parser.usage = f"{parser.prog} [-h] config [targets ...] [options of Snakemake ...]"
    parser.add_argument("config", help="config file (YAML); `reben new` writes one")
    parser.add_argument(
        "targets",
        nargs="*",
        help="all (the default), audit, report, archive, catalogue, draw_overview, table2, or "
        "files",
    )
    options_at = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    if words[options_at : options_at + 1] in (["-h"], ["--help"]):
        options_at += 1
    args = parser.parse_args(words[:options_at])
    # Snakemake would answer a wrong path with a traceback.
    check_keys(read_config(args.config), SCHEMA, places(args.config))
    command = snakemake_command(args.config, args.targets, words[options_at:])
    print(f"$ {shlex.join(command)}", file=sys.stderr, flush=True)
    os.execv(sys.executable, [sys.executable, "-m", *command])  # noqa: S606


if __name__ == "__main__":
    cli.run(main)
