"""Virtual rasters (VRT): which files one reads, if it is a plain mosaic.

In: a VRT as gdalbuildvrt writes it. Out: the files that it names. A VRT can also run code, ask
hosts and read any file of the machine by any driver, so whatever a plain mosaic does not have is
refused. So is what GDAL would read in another way than an XML parser does: it takes a name up to
the first comment in it, for example, and attributes in any case. Only the standard library is
imported: plans list these files too.
"""

import os
from pathlib import Path
from xml.parsers import expat

from reben.runtime.errors import RasterError

#: How it begins, and the elements of a plain mosaic (GDAL, raster driver VRT).
VRT_BEGINNING = b"<VRTDataset"
_ELEMENTS = frozenset(
    (
        *("VRTDataset", "SRS", "GeoTransform", "Metadata", "MDI", "BlockXSize", "BlockYSize"),
        *("OverviewList", "VRTRasterBand", "NoDataValue", "HideNoDataValue", "ColorInterp"),
        *("ColorTable", "Entry", "CategoryNames", "Category", "Description", "UnitType"),
        *("SimpleSource", "ComplexSource", "SourceFilename", "SourceBand", "SourceProperties"),
        *("SrcRect", "DstRect", "NODATA"),
    )
)
#: A source has about a kilobyte, and WorldCover 2651 of them.
_MAX_BYTES = 64 << 20


def is_virtual(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as a VRT does."""
    with Path(path).open("rb") as file:
        return file.read(len(VRT_BEGINNING)) == VRT_BEGINNING


def sources(path: str | os.PathLike[str]) -> list[Path]:
    """The files that a VRT reads, each once, in its order; whether they are there is not asked.

    Raises:
        RasterError: it is damaged, or has more than a plain mosaic of local files.
    """
    folder = Path(path).parent
    found: dict[Path, None] = {}
    texts: list[str] = []
    relative: bool | None = None  # of the name that is read

    def refuse(what: str) -> RasterError:
        return RasterError(
            f"{path}: expected a VRT that mosaics files of this machine, as gdalbuildvrt writes "
            f"it, found {what}; name the files in land_cover.files instead"
        )

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal relative
        given = {attribute.lower(): value for attribute, value in attributes.items()}
        if name not in _ELEMENTS or relative is not None or "subclass" in given:
            raise refuse(f"<{name}{' subClass' if 'subclass' in given else ''}>")
        texts.clear()
        if name == "SourceFilename":
            value = given.get("relativetovrt", "0")
            if value not in ("0", "1") or len(given) < len(attributes):
                raise refuse(f"a source with {attributes}")
            relative = value == "1"

    def end(name: str) -> None:
        nonlocal relative
        if name == "SourceFilename":
            text = "".join(texts)
            if (
                not text
                or text != text.strip()
                or text.startswith(("/vsi", "<"))
                or ":" in text.replace("\\", "/")
            ):
                raise refuse(f"the source {text!r}")
            found[folder / text if relative else Path(text)] = None
            relative = None
        texts.clear()

    def no_text(*_: object) -> None:
        if relative is not None:
            raise refuse("a source whose name is not plain text")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler = texts.append
    parser.CommentHandler = parser.ProcessingInstructionHandler = no_text
    parser.StartCdataSectionHandler = no_text
    try:
        with Path(path).open("rb") as file:
            parser.Parse(file.read(_MAX_BYTES), True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise refuse(f"no XML ({error})") from error
    if not found:
        raise refuse("no source")
    return list(found)
