"""Unpack external product archives only if every entry is harmless.

In: a zip with one ``{product}.SAFE`` folder. Out: that folder. All entries are checked
before the first is written.
"""

import os
import shutil
import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from reben.runtime.errors import ProductError
from reben.runtime.files import check_space

#: A real product has about 150 entries and 1.2 GB.
_MAX_ENTRIES = 10_000
_MAX_BYTES = 16 * 2**30
#: Images are already compressed; a zipped product is about as large as the product.
_MAX_RATIO = 200
_MAX_NAME_BYTES = 255
#: Of a path below the product, far below what systems allow with the folders above it.
_MAX_PATH_BYTES = 1024
#: What products are packed with; others may take any amount of memory.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

#: What zipfile raises for damage; a ValueError is text that is no UTF-8.
_DAMAGES = (
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError),
    *(RuntimeError, ValueError, OverflowError, struct.error),
)

#: Folders that sen2cor needs even if empty, which CDSE downloads then omit.
_EMPTY = {".": ("AUX_DATA", "HTML"), "DATASTRIP/*": ("QI_DATA",), "GRANULE/*": ("AUX_DATA",)}


def unpack(archive: Path, product: str, folder: Path) -> None:
    """Unpack the product of an archive into `folder`, which becomes its ``.SAFE``.

    Args:
        archive: the zip.
        product: product name without ``.SAFE``; the only top-level folder must have this name.
        folder: destination for the content of that folder; exists and is empty.

    Raises:
        ProductError: an entry could reach outside the folder, is not a plain file, occurs
            twice or is absurdly large; the archive is damaged; or it is another product.
    """
    try:
        with zipfile.ZipFile(archive) as source:
            targets = _judge(source.infolist(), archive, f"{product}.SAFE")
            check_space(folder, sum(info.file_size for info, _ in targets), f"unpacking {archive}")
            for info, path in targets:
                target = folder.joinpath(*path.parts)
                if info.is_dir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                # Exclusive creation: an entry never overwrites or follows an existing path.
                with source.open(info) as packed, target.open("xb") as plain:
                    shutil.copyfileobj(packed, plain, 1 << 20)
                    # zipfile ends without a word where the packed bytes do.
                    if plain.tell() != info.file_size:
                        raise EOFError(
                            f"{info.filename} has {plain.tell()} bytes of {info.file_size}"
                        )
    except _DAMAGES as error:
        raise ProductError(
            f"{archive}: expected a complete zip of {product}, found a damaged one ({error}); "
            "fetch it again"
        ) from error


def _judge(
    entries: list[zipfile.ZipInfo], archive: Path, top: str
) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """The entries with their paths below `top`, if all are harmless."""

    def refuse(entry: str, why: str) -> ProductError:
        return ProductError(
            f"{archive}: the archive is refused: entry {entry!r} {why}. Nothing was unpacked; "
            "do not use this file, fetch the product again from CDSE"
        )

    unpacked = sum(info.file_size for info in entries)
    # The size of the file itself: entries may overlap, so their packed sizes prove nothing.
    packed = archive.stat().st_size
    if len(entries) > _MAX_ENTRIES or unpacked > min(
        _MAX_BYTES, max(_MAX_RATIO * packed, 64 * 2**20)
    ):
        raise ProductError(
            f"{archive}: the archive is refused: {len(entries)} entries of {unpacked} bytes "
            f"unpacked from {packed}; expected at most {_MAX_ENTRIES} entries, {_MAX_BYTES} "
            f"bytes and {_MAX_RATIO} times the packed size. Nothing was unpacked"
        )
    seen: dict[str, bool] = {}
    targets = []
    for info in entries:
        # zipfile cuts names at NUL and converts separators; check the name in the file.
        name = info.orig_filename
        path = PurePosixPath(name)
        if "\\" in name or any(ord(c) < 32 for c in name) or ":" in name:
            raise refuse(name, "has a name with a backslash, colon or control character")
        if path.is_absolute() or ".." in path.parts:
            raise refuse(name, "points outside the product's folder")
        if not path.parts or path.parts[0] != top:
            raise refuse(name, f"is not below {top}")
        if (
            any(len(os.fsencode(part)) > _MAX_NAME_BYTES for part in path.parts)
            or len(os.fsencode(name)) > _MAX_PATH_BYTES
        ):
            raise refuse(name[:80], "has a name that is too long")
        if not 0 <= info.header_offset < packed:
            raise refuse(name, f"starts at byte {info.header_offset}, outside the archive")
        if info.compress_type not in _METHODS:
            raise refuse(name, f"is packed by method {info.compress_type}, not stored or deflated")
        mode = info.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise refuse(name, "is a link or device, not a plain file")
        if info.flag_bits & 0x1:
            raise refuse(name, "is encrypted")
        # Case-folded: on some file systems both names are the same file.
        key = str(path).casefold()
        if key in seen:
            raise refuse(name, "comes twice")
        seen[key] = info.is_dir()
        targets.append((info, PurePosixPath(*path.parts[1:])))
    for key in seen:
        for parent in PurePosixPath(key).parents:
            if seen.get(str(parent)) is False:
                raise refuse(key, f"is below {str(parent)!r}, which is a file")
    return targets


def restore_empty_folders(folder: Path) -> None:
    """Create the folders that a product has even if they are empty."""
    for pattern, names in _EMPTY.items():
        for parent in [folder] if pattern == "." else sorted(folder.glob(pattern)):
            if parent.is_dir():
                for name in names:
                    (parent / name).mkdir(exist_ok=True)
