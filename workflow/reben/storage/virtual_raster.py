"""Virtual rasters (VRT): which files one reads, if it is a plain mosaic.

In: a VRT as gdalbuildvrt writes it. Out: the files that it names. A VRT can also run code, ask
hosts and read any file of the machine by any driver, so whatever a plain mosaic does not have is
refused. Only the standard library is imported: plans list these files too.
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
    relative = False

    def refuse(what: str) -> RasterError:
        return RasterError(
            f"{path}: expected a VRT that mosaics files of this machine, as gdalbuildvrt writes "
            f"it, found {what}; name the files in land_cover.files instead"
        )

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal relative
        if name not in _ELEMENTS or "subClass" in attributes:
            raise refuse(f"<{name}{' subClass' if 'subClass' in attributes else ''}>")
        texts.clear()
        relative = attributes.get("relativeToVRT", "0") == "1"

    def end(name: str) -> None:
        if name == "SourceFilename":
            text = "".join(texts).strip()
            if not text or text.startswith(("/vsi", "<")) or ":" in text.replace("\\", "/"):
                raise refuse(f"the source {text!r}")
            found[folder / text if relative else Path(text)] = None
        texts.clear()

    def doctype(*_: object) -> None:
        raise refuse("a document type")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = texts.append, doctype
    try:
        with Path(path).open("rb") as file:
            parser.Parse(file.read(_MAX_BYTES), True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise refuse(f"no XML ({error})") from error
    if not found:
        raise refuse("no source")
    return list(found)
