"""Whether the pages of an LMDB can be read at all, found out without LMDB.

LMDB maps its file and trusts it: a damaged page number or length makes it read where nothing is,
and that kills the process (SIGBUS, SIGSEGV) without a word. Here the tree is walked with plain
reads, and every number that LMDB would follow is checked. Values are not looked at.

Source: LMDB 0.9, mdb.c (MDB_meta, MDB_page, MDB_node), data version 1, little-endian.
"""

import os
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_PAGE = struct.Struct("<QHHHH")  # number, pad, flags, end of the pointers, start of the nodes
_META = struct.Struct("<IIQQ")  # magic, version, fixed address, size of the map
_DB = struct.Struct("<IHHQQQQQ")  # pad, flags, depth, branch/leaf/overflow pages, entries, root
_TAIL = struct.Struct("<QQ")  # last page, transaction
_META_BYTES = _PAGE.size + _META.size + 2 * _DB.size + _TAIL.size
_MAGIC, _VERSION, _NO_PAGE = 0xBEEFC0DE, 1, 2**64 - 1
_BRANCH, _LEAF, _META_PAGE = 1, 2, 8
#: Flags of the list of free pages, which are also those of the whole file.
_INTEGER_KEYS = 8
#: Flags of a node whose value is in pages of its own; all others are of kinds we never write.
_BIG = 1
_NODE_BYTES = 8
_MAX_KEY_BYTES = 511


class _FlawError(Exception):
    """What is wrong with a file."""


@dataclass(frozen=True)
class _Meta:
    page_bytes: int
    last_page: int
    transaction: int
    depth: int
    entries: int
    root: int


def header_flaw(file: Path) -> str | None:
    """What is wrong with the two pages that LMDB reads as it opens a file, or None.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with Path(file).open("rb") as data:
            _metas(data.fileno())
    except _FlawError as flaw:
        return str(flaw)
    return None


def flaw(file: Path) -> str | None:
    """What is wrong with any page that LMDB would follow, or None.

    A file of the same size and times is not read again.

    Raises:
        OSError: it cannot be read.
    """
    status = file.stat()
    key = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    return _flaw(os.fspath(file), key)


@lru_cache(256)
def _flaw(file: str, key: tuple[int, ...]) -> str | None:
    try:
        with Path(file).open("rb") as data:
            _walk(data.fileno(), key[2])
    except _FlawError as flaw:
        return str(flaw)
    return None


def _metas(fd: int) -> _Meta:
    """The newer of the two headers."""
    first = _meta(fd, 0)
    second = _meta(fd, first.page_bytes)
    if second.page_bytes != first.page_bytes:
        raise _FlawError("its two headers differ in the size of pages")
    return first if first.transaction >= second.transaction else second


def _meta(fd: int, at: int) -> _Meta:
    data = os.pread(fd, _META_BYTES, at)
    if len(data) < _META_BYTES:
        raise _FlawError("it is too short for the headers of an LMDB")
    flags = _PAGE.unpack_from(data)[2]
    magic, version, address, _ = _META.unpack_from(data, _PAGE.size)
    place = _PAGE.size + _META.size
    page_bytes, *_ = _DB.unpack_from(data, place)
    _, database, depth, *_, entries, root = _DB.unpack_from(data, place + _DB.size)
    persistent = _DB.unpack_from(data, place)[1]
    last_page, transaction = _TAIL.unpack_from(data, place + 2 * _DB.size)
    if flags != _META_PAGE or (magic, version) != (_MAGIC, _VERSION):
        raise _FlawError("it has no header of an LMDB")
    if page_bytes & (page_bytes - 1) or not 512 <= page_bytes <= 65536:
        raise _FlawError(f"its header states pages of {page_bytes} bytes")
    if address or persistent != _INTEGER_KEYS or database:
        raise _FlawError("its header states another kind of LMDB than one of plain entries")
    return _Meta(page_bytes, last_page, transaction, depth, entries, root)


def _walk(fd: int, size: int) -> None:
    """Visit all pages of the tree, each once."""
    meta = _metas(fd)
    pages = min(size // meta.page_bytes, meta.last_page + 1)
    if size < (meta.last_page + 1) * meta.page_bytes:
        return  # said by whoever opens it, with the bytes expected and found
    if (meta.root == _NO_PAGE) != (meta.entries == 0):
        raise _FlawError(f"its header states {meta.entries} entries and no page of them")
    seen: set[int] = set()
    entries = 0
    level = [] if meta.root == _NO_PAGE else [meta.root]
    for depth in range(meta.depth, 0, -1):
        below: list[int] = []
        for number in level:
            if not 2 <= number < pages or number in seen:
                raise _FlawError(f"a page refers to page {number}, which is none of its own")
            seen.add(number)
            page = os.pread(fd, meta.page_bytes, number * meta.page_bytes)
            nodes = _nodes(page, number, _LEAF if depth == 1 else _BRANCH)
            if depth == 1:
                entries += len(nodes)
                _check_values(page, nodes, number, pages, meta.page_bytes)
            else:
                below += _children(page, nodes)
        level = below
    if entries != meta.entries:
        raise _FlawError(f"its header states {meta.entries} entries, its pages hold {entries}")


def _nodes(page: bytes, number: int, kind: int) -> NDArray[np.int64]:
    """Where the nodes of a page begin."""
    found, _, flags, lower, upper = _PAGE.unpack_from(page)
    if found != number or flags != kind:
        raise _FlawError(f"page {number} is not of the kind that refers to it")
    count = (lower - _PAGE.size) // 2
    if not _PAGE.size <= lower <= upper <= len(page) or count < (2 if kind == _BRANCH else 1):
        raise _FlawError(f"page {number} states bounds that it cannot have")
    nodes = np.frombuffer(page, "<u2", count, _PAGE.size).astype(np.int64)
    if (nodes % 2).any() or (nodes < upper).any() or (nodes + _NODE_BYTES > len(page)).any():
        raise _FlawError(f"page {number} has an entry outside of it")
    keys = _u2(page)[nodes // 2 + 3]
    if (nodes + _NODE_BYTES + keys > len(page)).any() or (keys > _MAX_KEY_BYTES).any():
        raise _FlawError(f"page {number} has a key outside of it")
    return nodes


def _u2(page: bytes) -> NDArray[np.int64]:
    return np.frombuffer(page, "<u2").astype(np.int64)


def _children(page: bytes, nodes: NDArray[np.int64]) -> list[int]:
    words, at = _u2(page), nodes // 2
    children: list[int] = (words[at] | words[at + 1] << 16 | words[at + 2] << 32).tolist()
    return children


def _check_values(
    page: bytes, nodes: NDArray[np.int64], number: int, pages: int, page_bytes: int
) -> None:
    """Check that the values of a leaf lie in it, or in pages that there are."""
    words, at = _u2(page), nodes // 2
    length = words[at] | words[at + 1] << 16
    flags, start = words[at + 2], nodes + _NODE_BYTES + words[at + 3]
    if (flags & ~_BIG).any():
        raise _FlawError(f"page {number} has an entry of another kind than a value")
    big = flags == _BIG
    if (start + np.where(big, 8, length) > page_bytes).any():
        raise _FlawError(f"page {number} has a value outside of it")
    for place, nbytes in zip(start[big].tolist(), length[big].tolist(), strict=True):
        (first,) = struct.unpack_from("<Q", page, place)
        if not 2 <= first <= pages - -(-(_PAGE.size + nbytes) // page_bytes):
            raise _FlawError(f"page {number} has a value that lies beyond the end of the file")
