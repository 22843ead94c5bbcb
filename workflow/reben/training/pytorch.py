"""PyTorch, which `make install` leaves out: everything that needs it imports it from here.

Where it is missing, a command such as ``python -m reben.train`` ends with one line, and code that
imports the package gets a `ModuleNotFoundError`.
"""

import sys

try:
    import torch
except ModuleNotFoundError as error:
    _ADVICE = (
        "PyTorch is not installed; `make install-training` installs what trains models "
        "(docs/training.md)"
    )
    _command = getattr(sys.modules.get("__main__"), "__spec__", None)
    if _command is not None and _command.name.startswith("reben."):
        sys.exit(f"error: {_ADVICE}")
    raise ModuleNotFoundError(_ADVICE, name=error.name) from None

__all__ = ["torch"]
