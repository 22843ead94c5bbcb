"""Checksums of files as the manifests of products write them.

In: a file, and what it should be. Out: what is wrong with it. BLAKE3, which the catalogue has and
the standard library has not, is in `reben.cdse.archive_check`.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reben.runtime.files import file_digest


def check_file(
    path: Path, size: int, checksum: str, blake3: Callable[[], Any] | None = None
) -> str | None:
    """What is wrong with a file, or None.

    Args:
        path: the file.
        size: expected bytes, or 0 where unknown.
        checksum: expected ``algorithm:hexdigest``, or empty; the algorithm is a name that
            `hashlib` knows, or ``blake3``.
        blake3: makes an empty digest of that algorithm.
    """
    found = path.stat().st_size
    if size and found != size:
        return f"expected {size} bytes, found {found}"
    algorithm, _, expected = checksum.partition(":")
    if checksum and (digest := _digest(path, algorithm, blake3)) != expected:
        return f"expected {checksum}, found {algorithm}:{digest}"
    return None


def _digest(path: Path, algorithm: str, blake3: Callable[[], Any] | None) -> str:
    if algorithm == "blake3" and blake3 is not None:
        return file_digest(path, blake3)
    # MD5 is what the catalogue has; it finds damage, and is not meant to find malice.
    return file_digest(path, lambda: hashlib.new(algorithm, usedforsecurity=False))
