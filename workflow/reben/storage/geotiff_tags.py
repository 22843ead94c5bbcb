"""The first directory of a GeoTIFF in the simple layout that GDAL writes.

Source: TIFF 6.0, section 2.
"""

import struct
from dataclasses import dataclass
from itertools import pairwise

_CODES = {1: "B", 3: "H", 4: "I"}  # byte, short, long
_ITEM_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 12: 8}


@dataclass(frozen=True)
class Tag:
    """One tag.

    Attributes:
        at: offset of its values in the file.
        values: its integers; empty for text and floating-point numbers.
        nbytes: length of its values.
    """

    at: int
    values: tuple[int, ...]
    nbytes: int


def read_tags(data: bytes) -> tuple[dict[int, Tag], int]:
    """The tags of a file with one directory, and where the last of them ends.

    Raises:
        ValueError: it is no classic little-endian TIFF of one directory, is cut off, has a
            tag twice or of another type than GDAL writes, or parts of it overlap.
    """
    try:
        if data[:4] != b"II*\0":
            raise ValueError("another byte order or version")
        (directory,) = struct.unpack_from("<I", data, 4)
        (count,) = struct.unpack_from("<H", data, directory)
        (following,) = struct.unpack_from("<I", data, directory + 2 + 12 * count)
    except struct.error as error:
        raise ValueError("cut off") from error
    if following:
        raise ValueError("several directories")
    spans = [(0, 8), (directory, directory + 2 + 12 * count + 4)]
    tags = {}
    for entry in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, type_, n, where = struct.unpack_from("<HHII", data, entry)
        if tag in tags or type_ not in _ITEM_BYTES:
            raise ValueError(f"tag {tag} twice or of type {type_}")
        nbytes = n * _ITEM_BYTES[type_]
        at = where if nbytes > 4 else entry + 8
        if at + nbytes > len(data):
            raise ValueError("cut off")
        if nbytes > 4:
            spans.append((at, at + nbytes))
        values = struct.unpack_from(f"<{n}{_CODES[type_]}", data, at) if type_ in _CODES else ()
        tags[tag] = Tag(at, values, nbytes)
    spans.sort()
    if any(end > start for (_, end), (start, _) in pairwise(spans)):
        raise ValueError("overlapping parts")
    return tags, spans[-1][1]
