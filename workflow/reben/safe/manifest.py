"""Check that a product folder is complete according to its ``manifest.safe``.

Source: Sentinel-2 Products Specification Document, section 3.3 (manifest); MD5 sums up
to baseline 04.00, SHA3-256 since.
"""

import hashlib
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

from reben.domain.bands import BAND_IDS, RESOLUTION_M
from reben.domain.names import ProductName
from reben.runtime.checksum import check_file
from reben.runtime.errors import ProductError
from reben.safe.xml_file import Metadata

log = logging.getLogger(__name__)

MANIFEST = "manifest.safe"
_ALGORITHMS = {"MD5": "md5", "SHA-256": "sha256", "SHA3-256": "sha3_256"}
#: For viewing in a browser; CDSE omits it from downloads, and nothing reads it.
_DISPENSABLE = "HTML"
_MAX_NAMED = 3
#: Parts of a path that name an image: IMG_DATA, its resolution, its own name.
_IMAGE_PARTS = 3


@dataclass(frozen=True)
class Stated:
    """What a manifest says of a file.

    Attributes:
        size: bytes, or 0 where it does not say.
        checksum: ``algorithm:hexdigest``.
    """

    size: int
    checksum: str

    def check(self, path: Path) -> None:
        """Check the file.

        Raises:
            ProductError: it is not as stated.
        """
        if problem := check_file(path, self.size, self.checksum):
            raise ProductError(
                f"{path}: damaged: by {MANIFEST} of its product {problem}; fetch or process the "
                "product again"
            )


def stated_images(folder: Path, images: Iterable[Path]) -> dict[Path, Stated]:
    """What a product's manifest says of its images, those left out of which it says nothing.

    Manifests that nobody can fetch again are taken as they are: ESA's of baseline 02.08 are no
    XML at times and have paths of the machine that made them; sen2cor's of early versions have no
    checksums.

    Args:
        folder: the ``.SAFE`` folder.
        images: files below its ``IMG_DATA``.
    """
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return {}
    try:
        streams = Metadata(manifest).find("byteStream")
    except ProductError as error:
        log.warning("the images of the product are not checked: %s", error)
        return {}
    stated = {}
    for stream in streams:
        children = {child.tag.rpartition("}")[2]: child for child in stream}
        location, checksum = children.get("fileLocation"), children.get("checksum")
        if location is None or checksum is None:
            continue
        href = PurePosixPath("".join(location.get("href", "").split()))
        algorithm = _ALGORITHMS.get(checksum.get("checksumName", ""), "")
        digest = (checksum.text or "").strip().lower()
        if _is_digest(algorithm, digest):
            size = stream.get("size", "")
            known = Stated(
                int(size) if size.isascii() and size.isdigit() else 0, f"{algorithm}:{digest}"
            )
            stated[href.parts[-_IMAGE_PARTS:]] = known
    found = {image: stated.get(image.parts[-_IMAGE_PARTS:]) for image in images}
    return {image: known for image, known in found.items() if known is not None}


def _is_digest(algorithm: str, text: str) -> bool:
    if not algorithm:
        return False
    length = 2 * hashlib.new(algorithm, usedforsecurity=False).digest_size
    return re.fullmatch(f"[0-9a-f]{{{length}}}", text) is not None


def check_whole(folder: Path, product: str) -> int:
    """Check that every file in the manifest exists, with its size and checksum.

    Files that the manifest does not list (previews that CDSE adds) are ignored.

    Args:
        folder: the ``.SAFE`` folder.
        product: its expected name, without ``.SAFE``.

    Returns:
        The number of files checked.

    Raises:
        ProductError: a file is missing or differs, the manifest does not list all bands,
            the XML is malicious, or it is another product.
    """
    manifest = folder / MANIFEST
    problems, checked = [], 0
    listed = set()
    for stream in Metadata(manifest).find("byteStream"):
        href, size, checksum = _describe(stream, manifest)
        listed.add(href)
        path = folder.joinpath(*href.parts)
        if not path.is_file():
            if href.parts[0] != _DISPENSABLE:
                problems.append(f"{href} is missing")
            continue
        if problem := check_file(path, size, checksum):
            problems.append(f"{href}: {problem}")
        checked += 1
    if problems:
        more = f" and {len(problems) - _MAX_NAMED} more" if len(problems) > _MAX_NAMED else ""
        raise ProductError(
            f"{folder}: the product {product} is incomplete: "
            f"{'; '.join(problems[:_MAX_NAMED])}{more}. Fetch it again"
        )
    _check_contents(folder, product, listed)
    return checked


def _check_contents(folder: Path, product: str, listed: set[PurePosixPath]) -> None:
    """Raise unless metadata and all bands are among the files and the name is correct."""
    level = ProductName.parse(product).level
    metadata = PurePosixPath(f"MTD_MSI{level}.xml")
    bands = {
        band
        for path in listed
        if "IMG_DATA" in path.parts and path.suffix == ".jp2"
        for band in path.stem.split("_")
        if band in BAND_IDS
    }
    missing = sorted(set(BAND_IDS if level == "L1C" else RESOLUTION_M) - bands)
    if metadata not in listed or missing:
        raise ProductError(
            f"{folder / MANIFEST}: expected {metadata} and an image of every band, found "
            f"none of {', '.join(missing) or metadata}; the manifest is cut, fetch {product} again"
        )
    names = {
        (element.text or "").strip().removesuffix(".SAFE")
        for element in Metadata(folder / metadata).find("PRODUCT_URI", f"PRODUCT_URI_{level[1:]}")
    }
    if product not in names:
        raise ProductError(
            f"{folder / metadata}: expected the product {product}, found "
            f"{', '.join(sorted(names)) or 'no PRODUCT_URI'}; check the id in the product table"
        )


def _describe(stream: Element, manifest: Path) -> tuple[PurePosixPath, int, str]:
    """Path, size and ``algorithm:hexdigest`` of a listed file."""
    children = {child.tag.rpartition("}")[2]: child for child in stream}
    try:
        location, checksum = children["fileLocation"], children["checksum"]
        href = PurePosixPath(location.attrib["href"])
        size = int(stream.attrib["size"])
        algorithm = _ALGORITHMS[checksum.attrib["checksumName"]]
        digest = (checksum.text or "").strip().lower()
    except (KeyError, ValueError) as error:
        raise ProductError(
            f"{manifest}: expected href, size and a checksum (one of {', '.join(_ALGORITHMS)}) "
            f"of every file, found an entry without {error}; fetch the product again"
        ) from error
    if href.is_absolute() or ".." in href.parts or not href.parts:
        raise ProductError(
            f"{manifest}: refused: it lists {str(href)!r}, which is outside the product"
        )
    return href, size, f"{algorithm}:{digest}"
