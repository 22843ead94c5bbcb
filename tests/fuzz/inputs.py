"""Damaged and hostile input files; each must give a result that can be right, or name the file.

In: seeds. Out: how many inputs of each kind were read and how many refused, and an error for each
that ended in something else: an exception that is not a `RebenError`, a message without the file's
name, another content where a checksum vouches for it. What kills the process shows in its status.

    python -m tests.fuzz.inputs FIRST COUNT [KIND ...]
"""

import logging
import random
import shutil
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path

from reben.runtime.errors import RebenError
from tests.fuzz.kinds import KINDS, Kind


def play(kind: Kind, base: Path, files: list[Path], content: object, seed: int) -> str:
    """Damage one file and read it: ``read`` or ``refused``.

    Raises:
        AssertionError: neither is as it must be.
    """
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="reben-fuzz-") as scratch:
        folder = Path(shutil.copytree(base, Path(scratch, "input")))
        file = folder / rng.choice(files).relative_to(base)
        before = file.read_bytes()
        after = kind.damage(before, rng)
        file.write_bytes(after)
        try:
            found = kind.read(folder)
        except RebenError as error:
            if file.name not in str(error) and str(folder) not in str(error):
                raise AssertionError(f"names no file: {error}") from error
            return "refused"
        except Exception:
            raise AssertionError(traceback.format_exc()) from None
        same = found is None or found == content or after == before
        if isinstance(found, dict) and isinstance(content, dict):  # a zip may lack an entry
            same = same or all(content.get(name) == data for name, data in found.items())
        assert same, "other content than a checksum vouches for"
        return "read"


def many(first: int, count: int, kinds: list[str]) -> int:
    """Play inputs of all kinds with the seeds from `first` on; how many went wrong."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    wrong = 0
    for name in kinds:
        kind = KINDS[name]
        ends: Counter[str] = Counter()
        with tempfile.TemporaryDirectory(prefix="reben-fuzz-") as folder:
            base = Path(folder, "base")
            base.mkdir()
            files = kind.make(base)
            spare = Path(shutil.copytree(base, Path(folder, "spare")))
            content = kind.read(spare)
            for seed in range(first, first + count):
                try:
                    ends[play(kind, base, files, content, seed)] += 1
                except AssertionError as error:
                    wrong += 1
                    print(f"{name}, seed {seed}: WRONG: {error}", flush=True)
        print(f"{name}: {count} inputs, {ends['read']} read, {ends['refused']} refused", flush=True)
    return wrong


if __name__ == "__main__":
    sys.exit(bool(many(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] or list(KINDS))))
