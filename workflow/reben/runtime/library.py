"""What a module answers that is only imported, when somebody runs it."""

import sys
from typing import NoReturn


def answer(doc: str | None) -> NoReturn:
    """Say what the module of ``python -m`` is for, and exit: 0 if its help was asked for, else 2.

    Args:
        doc: its docstring.
    """
    spec = sys.modules["__main__"].__spec__
    name = spec.name if spec else "this module"
    summary = (doc or "").strip().partition("\n")[0]
    print(
        f"{name}: {summary}\n\nIt is imported, not run: `import {name}`. `reben --help` lists what "
        "is run."
    )
    sys.exit(0 if {"-h", "--help"} & {*sys.argv[1:]} else 2)
