"""A progress bar for interactive tools; jobs have none."""

import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar("Item")


def progress(items: Sequence[Item], doing: str) -> Iterable[Item]:
    """The items, with a progress bar if there is a terminal."""
    if not sys.stderr.isatty():
        return items
    return track(items, doing, console=Console(stderr=True))
