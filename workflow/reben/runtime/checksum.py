"""Check files against checksums as written in the catalogue and in product manifests.

In: a file, and its expected size and checksum. Out: what is wrong with it. Separate from
`reben.runtime.files`, since BLAKE3 is not in the standard library.
"""

import hashlib
from pathlib import Path

import blake3

from reben.runtime.files import file_digest


def check_file(path: Path, size: int, checksum: str) -> str | None:
    """What is wrong with a file, or None.

    Args:
        path: the file.
        size: expected bytes, or 0 if unknown.
        checksum: expected ``algorithm:hexdigest``, or empty; the algorithm is ``blake3`` or a
            name that `hashlib` knows.
    """
    found = path.stat().st_size
    if size and found != size:
        return f"expected {size} bytes, found {found}"
    algorithm, _, expected = checksum.partition(":")
    if checksum and (digest := _digest(path, algorithm)) != expected:
        return f"expected {checksum}, found {algorithm}:{digest}"
    return None


def _digest(path: Path, algorithm: str) -> str:
    if algorithm == "blake3":
        return file_digest(path, blake3.blake3)
    # The catalogue has MD5; it detects damage, and is not meant to detect tampering.
    return file_digest(path, lambda: hashlib.new(algorithm, usedforsecurity=False))
