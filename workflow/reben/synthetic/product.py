"""Complete synthetic ``.SAFE`` products: JPEG 2000 images and their XML."""

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reben.domain.bands import BAND_IDS, RESOLUTION_M, S2_BANDS
from reben.runtime.files import atomic_directory, write_text
from reben.synthetic import metadata
from reben.synthetic.identifiers import Identifiers
from reben.synthetic.land import Land
from reben.synthetic.manifest import manifest_xml
from reben.synthetic.raster import write_raster
from reben.synthetic.scene import Scene
from reben.synthetic.spec import QUALITY_CHECKS, ProductSpec

log = logging.getLogger(__name__)

#: What is in the folder of a product, at its first level.
_PRODUCT = (
    *("AUX_DATA", "DATASTRIP", "GRANULE", "HTML", "rep_info"),
    *("INSPIRE.xml", "MTD_MSIL1C.xml", "MTD_MSIL2A.xml", "manifest.safe"),
)

#: Side of the internal tiles of real images, by resolution.
JP2_TILE_PX = {10: 1024, 20: 640, 60: 192}
_HTML = "<!DOCTYPE html>\n<title>{name}</title>\n<p>An invented Sentinel-2 product.</p>\n"
_INSPIRE = """<?xml version="1.0" encoding="UTF-8"?>
<gmd:MD_Metadata xmlns:gmd="http://www.isotc211.org/2005/gmd" \
xmlns:gco="http://www.isotc211.org/2005/gco">
  <gmd:fileIdentifier><gco:CharacterString>{name}.SAFE</gco:CharacterString></gmd:fileIdentifier>
</gmd:MD_Metadata>
"""


def write_product(
    root: Path, spec: ProductSpec, entropy: float = 1.0, land: Land | None = None
) -> Path:
    """Write a synthetic product.

    Args:
        root: folder to write it to.
        spec: specification of the product.
        entropy: factor on the sensor's noise. At 1 a full 10 m band takes about as many
            bytes as a real one; lower values make smaller files.
        land: what it shows; by default the generated land of its place.

    Returns:
        Path of the ``.SAFE`` folder.
    """
    names = Identifiers(spec)
    scene = Scene(spec, land)
    safe = root / f"{spec.name}.SAFE"
    with atomic_directory(safe, replaces=_PRODUCT) as part:
        for folder in _folders(names):
            (part / folder).mkdir(parents=True, exist_ok=True)
        images = image_list(spec)
        paths = [names.image(band, resolution_m) for band, resolution_m in images]
        for (band, resolution_m), path in zip(images, paths, strict=True):
            if band == "SCL":
                pixels: NDArray[np.uint16] | NDArray[np.uint8] = scene.classification(resolution_m)
            else:
                pixels = scene.band(band, resolution_m, entropy)
            write_jp2(part / f"{path}.jp2", pixels, spec, resolution_m)
        classes = scene.classification()
        for file, text in _texts(spec, names, paths, classes).items():
            write_text(part / file, text)
        files = sorted(p.relative_to(part).as_posix() for p in part.rglob("*") if p.is_file())
        write_text(part / "manifest.safe", manifest_xml(spec, part, files))
    log.info("%s: %d images, %d px at 10 m", spec.name, len(images), scene.size_px)
    return safe


def image_list(spec: ProductSpec) -> list[tuple[str, int]]:
    """The images of a product: (band, resolution in metres) in the order of the XML."""
    if not spec.is_l2a:
        return [(band, RESOLUTION_M.get(band, 60)) for band in BAND_IDS]
    images = [(band, r) for r in (10, 20, 60) for band in S2_BANDS if RESOLUTION_M[band] == r]
    if spec.resampled_copies:
        # Baseline 04.00 and later: all except B08 and B09 at 20 m, all except B08 at 60 m.
        images += [(b, 20) for b in S2_BANDS if b not in ("B08", "B09") and RESOLUTION_M[b] != 20]
        images += [(b, 60) for b in S2_BANDS if b != "B08" and RESOLUTION_M[b] != 60]
        if spec.scl:
            images.append(("SCL", 60))
    if spec.scl:
        images.append(("SCL", 20))
    return sorted(images, key=lambda image: (image[1], image[0]))


def write_jp2(
    path: Path,
    pixels: NDArray[np.uint16] | NDArray[np.uint8],
    spec: ProductSpec,
    resolution_m: int,
) -> None:
    """Write a lossless JPEG 2000 image, georeferenced, with a real product's inner tiles."""
    tile_px = JP2_TILE_PX[resolution_m]
    write_raster(
        path,
        pixels,
        spec.epsg,
        (spec.x_min, spec.y_max),
        resolution_m,
        "JP2OpenJPEG",
        QUALITY=100,
        REVERSIBLE="YES",
        BLOCKXSIZE=tile_px,
        BLOCKYSIZE=tile_px,
    )


def _folders(names: Identifiers) -> list[str]:
    granule, datastrip = f"GRANULE/{names.granule}", f"DATASTRIP/{names.datastrip}"
    images = [f"/R{r}m" for r in (10, 20, 60)] if names.spec.is_l2a else [""]
    return [
        "AUX_DATA",
        "HTML",
        "rep_info",
        f"{granule}/AUX_DATA",
        f"{granule}/QI_DATA",
        f"{datastrip}/QI_DATA",
        *(f"{granule}/IMG_DATA{image}" for image in images),
    ]


def _texts(
    spec: ProductSpec, names: Identifiers, images: list[str], classes: NDArray[np.uint8]
) -> dict[str, str]:
    """Every text file of a product except the manifest, by path."""
    granule, datastrip = f"GRANULE/{names.granule}", f"DATASTRIP/{names.datastrip}"
    texts = {
        f"MTD_MSI{spec.product.level}.xml": metadata.product_xml(spec, images, classes),
        f"{granule}/MTD_TL.xml": metadata.granule_xml(spec, classes),
        f"{datastrip}/MTD_DS.xml": metadata.datastrip_xml(spec),
        "INSPIRE.xml": _INSPIRE.format(name=spec.name),
        "HTML/UserProduct_index.html": _HTML.format(name=spec.name),
    }
    for check in QUALITY_CHECKS:
        report = metadata.report_xml(spec, check)
        texts[f"{datastrip}/QI_DATA/{check}.xml"] = report
        if check != "RADIOMETRIC_QUALITY":
            texts[f"{granule}/QI_DATA/{check}.xml"] = report
    return texts
