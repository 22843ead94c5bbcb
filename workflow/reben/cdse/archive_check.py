"""Whether an archive is as the catalogue or the product table has it.

Apart from `reben.runtime.checksum`, since BLAKE3 is not in the standard library.
"""

from pathlib import Path

import blake3

from reben.runtime import checksum


def check_file(path: Path, size: int, digest: str) -> str | None:
    """What is wrong with a file, or None; `reben.runtime.checksum.check_file` with BLAKE3."""
    return checksum.check_file(path, size, digest, blake3.blake3)
