"""PyTorch, which `make install` leaves out: everything that needs it imports it from here."""

try:
    import torch
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "PyTorch is not installed; `make install-training` installs what trains models "
        "(docs/training.md)",
        name=error.name,
    ) from None

__all__ = ["torch"]
