"""Build the dataset of a config, or what is not made yet.

In: a config, targets, and options of Snakemake. Out: what Snakemake makes. The command that runs is
printed first: everything that this one does can be typed without it. Targets beside the
dataset are ``audit``, ``report``, ``archive``, ``catalogue``, ``draw_overview`` and ``table2``.
"""

import difflib
import os
import re
import shlex
import sys
from collections.abc import Sequence

from reben.config.check import check_keys
from reben.config.user_file import SCHEMA, places, read_config
from reben.runtime import cli
from reben.runtime.code_version import PACKAGE
from reben.runtime.errors import ConfigError

SNAKEFILE = PACKAGE.parent / "Snakefile"
TARGETS = ("all", "audit", "report", "archive", "catalogue", "draw_overview", "table2")
_RULE = re.compile(r"^(?:rule|checkpoint|use rule \w+ as) (\w+)", re.MULTILINE)
#: Options with which the bars of the rich logger are of no use.
_WITHOUT_BARS = ("--logger", "--quiet", "-q", "--dry-run", "--dryrun", "-n")


def check_targets(targets: Sequence[str]) -> None:
    """Check that targets are rules, or may be files.

    Raises:
        ConfigError: one is neither.
    """
    files = [SNAKEFILE, *(SNAKEFILE.parent / "rules").glob("*.smk")]
    rules = {name for file in files for name in _RULE.findall(file.read_text(encoding="utf-8"))}
    for target in targets:
        if target not in rules and "/" not in target and "." not in target:
            near = difflib.get_close_matches(target, [*TARGETS, *sorted(rules)], n=1)
            meant = f"Did you mean {near[0]}? " if near else ""
            raise ConfigError(
                f"there is no target {target!r}. {meant}Expected {', '.join(TARGETS)}, or the path "
                "of a file below the results"
            )


def snakemake_command(config: str, targets: Sequence[str], options: Sequence[str]) -> list[str]:
    """The words of the command line of Snakemake, which finds its profile beside the Snakefile.

    A person at a terminal sees bars, which take one screen for any number of tiles.
    """
    if sys.stderr.isatty() and not any(word.startswith(_WITHOUT_BARS) for word in options):
        options = [*options, "--logger", "rich"]
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
        help=f"all (the default), {', '.join(TARGETS[1:])}, or files",
    )
    options_at = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    if words[options_at : options_at + 1] in (["-h"], ["--help"]):
        options_at += 1
    args = parser.parse_args(words[:options_at])
    # Snakemake would answer a wrong path with a traceback.
    check_keys(read_config(args.config), SCHEMA, places(args.config))
    check_targets(args.targets)
    command = snakemake_command(args.config, args.targets, words[options_at:])
    print(f"$ {shlex.join(command)}", file=sys.stderr, flush=True)
    os.execv(sys.executable, [sys.executable, "-m", *command])  # noqa: S606


if __name__ == "__main__":
    cli.run(main)
