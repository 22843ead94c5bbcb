"""The command ``reben``: what a person runs, by name.

``reben --help`` lists the commands, and ``reben COMMAND --help`` explains one. Each is a module of
this package, so ``python -m reben.COMMAND`` is the same.
"""

import argparse
import difflib
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from reben import __version__
from reben.runtime import cli
from reben.runtime.libraries import settle

#: Every command with what it does, in the order in which they are used.
COMMANDS = {
    "new": "write a config and a product table to start from",
    "products": "find products at the Copernicus Data Space, and list them in a table",
    "scenes": "write the table of Sentinel-1 scenes below a folder",
    "plan": "say what a build will fetch, and how long and how much memory and disk it takes",
    "build": "build the dataset of a config, or what is not made yet",
    "summary": "say what a build made, and where it is",
    "show": "say what is known about a patch, and draw it",
    "verify": "check a build against its audit",
    "compare": "compare two builds, or a build with published tables",
    "changes": "say what another release of the land cover would change",
    "encode": "make an LMDB of folders of GeoTIFFs, such as the published ones",
    "train": "train a model on a dataset",
    "evaluate": "score a model on a split of a dataset",
    "predict": "predict the classes of the patches of a dataset or product",
    "export": "write a trained model as a folder for Hugging Face",
}
#: Those that need the extra `training`.
TRAINING = frozenset(("train", "evaluate", "predict", "export"))
_PACKAGE = Path(__file__).parent


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command and exit as `reben.runtime.cli.run` does; 2 if there is no such command."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    if not words:
        parser.print_help()
        sys.exit(2)
    name, *rest = words
    if name.startswith("-"):
        parser.parse_args([name])  # --help and --version exit
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        meant = f"did you mean `reben {near[0]}`?" if near else "`reben --help` lists them"
        parser.exit(2, f"error: there is no command {name!r}; {meant}\n")
    settle()
    try:
        command = import_module(f"reben.{name}{'.__main__' * (_PACKAGE / name).is_dir()}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "reben":
            raise
        extra = "training" if name in TRAINING else "workflow"
        parser.exit(
            1,
            f"error: `reben {name}` needs {error.name}, which is not installed here; install "
            f"all that it needs: pip install 'reben[{extra}]'\n",
        )
    cli.run(command.main, rest, program=f"reben {name}")


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:{width}}  {does}" for name, does in COMMANDS.items())
    parser = argparse.ArgumentParser(
        "reben",
        usage="reben [--help] [--version] COMMAND ...",
        description="Build BigEarthNet-style datasets from Sentinel-2 products.",
        epilog=f"commands:\n{listed}\n\n`reben COMMAND --help` explains a command.\n\n"
        "exit status: 0 done, 1 an error or a finding, 2 wrong arguments, 130 interrupted",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"reben {__version__}")
    return parser


if __name__ == "__main__":
    main()
