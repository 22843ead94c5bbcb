"""The manifest of a synthetic product: every file with its size and checksum."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from reben.synthetic.identifiers import Identifiers
from reben.synthetic.spec import ProductSpec


def manifest_xml(spec: ProductSpec, root: Path, files: Iterable[str]) -> str:
    """manifest.safe: every file with its size and checksum.

    Checksums are MD5, and SHA3-256 from baseline 05.00, as in real products.
    """
    names = Identifiers(spec)
    level = f"Level-{spec.product.level[1:]}"
    modern = "N0500" <= spec.product.baseline < "N9000"
    objects, pointers = [], []
    for number, file in enumerate(files, 1):
        data = (root / file).read_bytes()
        digest = (hashlib.sha3_256 if modern else hashlib.md5)(data).hexdigest()
        mime = {"jp2": "application/octet-stream", "html": "text/html"}.get(
            file.rpartition(".")[2], "application/xml"
        )
        identity = f"Object_{number:02d}_{Path(file).stem}_Data"
        pointers.append(
            f'      <xfdu:contentUnit unitType="Data Unit">'
            f'<dataObjectPointer dataObjectID="{identity}"/></xfdu:contentUnit>\n'
        )
        objects.append(
            f'    <dataObject ID="{identity}"><byteStream mimeType="{mime}" size="{len(data)}">'
            f'<fileLocation locatorType="URL" href="./{file}"/>'
            f'<checksum checksumName="{"SHA3-256" if modern else "MD5"}">{digest}</checksum>'
            "</byteStream></dataObject>\n"
        )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<xfdu:XFDU xmlns:xfdu="urn:ccsds:schema:xfdu:1" \
xmlns:safe="http://www.esa.int/safe/sentinel/1.1" \
version="esa/safe/sentinel/1.1/sentinel-2/msi/archive_{spec.product.level.lower()}_user_product">
  <informationPackageMap>
    <xfdu:contentUnit textInfo="SENTINEL-2 MSI {level} User Product" \
unitType="Product_{level}" pdiID="processing" dmdID="acquisitionPeriod platform">
{"".join(pointers)}    </xfdu:contentUnit>
  </informationPackageMap>
  <metadataSection>
    <metadataObject ID="acquisitionPeriod" classification="DESCRIPTION" category="DMD">
      <metadataWrap mimeType="text/xml" vocabularyName="Sentinel-SAFE"><xmlData>
        <safe:acquisitionPeriod><safe:startTime>{names.sensing_iso}</safe:startTime>\
</safe:acquisitionPeriod>
      </xmlData></metadataWrap>
    </metadataObject>
    <metadataObject ID="platform" classification="DESCRIPTION" category="DMD">
      <metadataWrap mimeType="text/xml" vocabularyName="Sentinel-SAFE"><xmlData>
        <safe:platform><safe:familyName>SENTINEL</safe:familyName>\
<safe:number>{spec.product.mission[1:]}</safe:number></safe:platform>
      </xmlData></metadataWrap>
    </metadataObject>
  </metadataSection>
  <dataObjectSection>
{"".join(objects)}  </dataObjectSection>
</xfdu:XFDU>
"""
