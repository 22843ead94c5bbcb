"""Checksums of files as the catalogue and the manifests write them."""

import hashlib
from pathlib import Path
from typing import Any, Protocol

import blake3


class _Digest(Protocol):
    def update(self, data: bytes, /) -> Any: ...

    def hexdigest(self) -> str: ...


def file_digest(path: Path, algorithm: str) -> str:
    """The digest of a file in lower-case hexadecimal digits.

    Args:
        path: the file.
        algorithm: ``blake3`` or a name that `hashlib` knows.
    """
    # MD5 is what the catalogue has; it finds damage, and is not meant to find malice.
    digest: _Digest = (
        blake3.blake3() if algorithm == "blake3" else hashlib.new(algorithm, usedforsecurity=False)
    )
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_file(path: Path, size: int, checksum: str) -> str | None:
    """What is wrong with a file, or None.

    Args:
        path: the file.
        size: expected bytes, or 0 where unknown.
        checksum: expected ``algorithm:hexdigest``, or empty.
    """
    found = path.stat().st_size
    if size and found != size:
        return f"expected {size} bytes, found {found}"
    algorithm, _, expected = checksum.partition(":")
    if checksum and (digest := file_digest(path, algorithm)) != expected:
        return f"expected {checksum}, found {algorithm}:{digest}"
    return None
