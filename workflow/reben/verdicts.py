"""The verdict on a tile, in a file of its own.

The rules that read imagery depend on the verdict alone, not on all that the quality JSON
says. A verdict that stays the same leaves its file ``<tile>-<verdict>.json`` untouched,
so that a new quality rule cuts only those tiles again that it accepts or rejects anew.
"""

from pathlib import Path

from reben.files import write_json

ACCEPTED = "accepted"
REJECTED = "rejected"


def write_verdict(folder: Path, tile: str, verdict: str) -> None:
    """Leave exactly one file for the tile in `folder`, untouched if it was there."""
    wanted = folder / f"{tile}-{verdict}.json"
    for other in folder.glob(f"{tile}-*.json"):
        if other != wanted:
            other.unlink()
    if not wanted.exists():
        write_json(wanted, {"tile": tile, "verdict": verdict})
