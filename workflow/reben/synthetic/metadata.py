"""The XML of a synthetic product: user product, granule, datastrip, quality reports.

Source: Sentinel-2 Products Specification Document (S2-PDGS-TAS-DI-PSD), sections 4.5 to
4.9, with the nodes that GDAL's SENTINEL2 driver and reben read.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from reben.domain.bands import BAND_IDS, RESOLUTION_M
from reben.synthetic.identifiers import Identifiers, iso
from reben.synthetic.spec import QUALITY_CHECKS, ProductSpec

_PSD = "https://psd-14.sentinel2.eo.esa.int/PSD"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n'
#: By ``bandId``: central wavelength in nm, solar irradiance in W/m²/µm (Sentinel-2A).
_WAVELENGTH_NM = "442.3 492.3 559.0 665.0 703.8 739.1 779.7 833.0 864.0 943.2 1376.9 1610.4 2185.7"
_IRRADIANCE = (
    "1874.3 1959.75 1824.93 1512.79 1425.78 1291.13 1175.57 1041.28 953.93 817.58 365.41 247.08 "
    "87.75"
)
#: Share of each scene class in percent, by its name in the XML.
_SCENE_CLASSES = {
    "NODATA_PIXEL_PERCENTAGE": 0,
    "SATURATED_DEFECTIVE_PIXEL_PERCENTAGE": 1,
    "DARK_FEATURES_PERCENTAGE": 2,
    "CLOUD_SHADOW_PERCENTAGE": 3,
    "VEGETATION_PERCENTAGE": 4,
    "NOT_VEGETATED_PERCENTAGE": 5,
    "WATER_PERCENTAGE": 6,
    "UNCLASSIFIED_PERCENTAGE": 7,
    "MEDIUM_PROBA_CLOUDS_PERCENTAGE": 8,
    "HIGH_PROBA_CLOUDS_PERCENTAGE": 9,
    "THIN_CIRRUS_PERCENTAGE": 10,
    "SNOW_ICE_PERCENTAGE": 11,
}


def product_xml(spec: ProductSpec, images: Sequence[str], classes: NDArray[np.uint8]) -> str:
    """MTD_MSIL2A.xml or MTD_MSIL1C.xml.

    Args:
        spec: the product.
        images: paths of its images without ``.jp2``.
        classes: scene classification, for the shares of clouds and of the rest.
    """
    names = Identifiers(spec)
    level = "2A" if spec.is_l2a else "1C"
    files = "\n".join(f"            <IMAGE_FILE>{image}</IMAGE_FILE>" for image in images)
    spectra = "\n".join(
        f"""        <Spectral_Information bandId="{k}" physicalBand="{_physical(band)}">
          <RESOLUTION>{RESOLUTION_M.get(band, 60)}</RESOLUTION>
          <Wavelength><CENTRAL unit="nm">{wavelength}</CENTRAL></Wavelength>
        </Spectral_Information>"""
        for k, (band, wavelength) in enumerate(zip(BAND_IDS, _WAVELENGTH_NM.split(), strict=True))
    )
    irradiance = _per_band("SOLAR_IRRADIANCE", "bandId", _IRRADIANCE.split(), ' unit="W/m²/µm"')
    return (
        _HEAD
        + f"""<n1:Level-{level}_User_Product xmlns:n1="{_PSD}/User_Product_Level-{level}.xsd">
  <n1:General_Info>
    <Product_Info>
      <PRODUCT_START_TIME>{names.sensing_iso}</PRODUCT_START_TIME>
      <PRODUCT_STOP_TIME>{names.sensing_iso}</PRODUCT_STOP_TIME>
      <PRODUCT_URI>{spec.name}.SAFE</PRODUCT_URI>
      <PROCESSING_LEVEL>Level-{level}</PROCESSING_LEVEL>
      <PRODUCT_TYPE>S2MSI{level}</PRODUCT_TYPE>
      <PROCESSING_BASELINE>{names.baseline}</PROCESSING_BASELINE>
      <GENERATION_TIME>{names.processing_iso}</GENERATION_TIME>
      <PREVIEW_IMAGE_URL>Not applicable</PREVIEW_IMAGE_URL>
      <PREVIEW_GEO_INFO>Not applicable</PREVIEW_GEO_INFO>
{_datatake(names, "Datatake", "      ")}
      <Query_Options completeSingleTile="true">
        <PRODUCT_FORMAT>SAFE_COMPACT</PRODUCT_FORMAT>
      </Query_Options>
      <Product_Organisation>
        <Granule_List>
          <Granule datastripIdentifier="{names.datastrip_id}" \
granuleIdentifier="{names.granule_id}" imageFormat="JPEG2000">
{files}
          </Granule>
        </Granule_List>
      </Product_Organisation>
    </Product_Info>
    <Product_Image_Characteristics>
      <Special_Values>
        <SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT>
        <SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX>
      </Special_Values>
      <Special_Values>
        <SPECIAL_VALUE_TEXT>SATURATED</SPECIAL_VALUE_TEXT>
        <SPECIAL_VALUE_INDEX>65535</SPECIAL_VALUE_INDEX>
      </Special_Values>
      <Image_Display_Order>
        <RED_CHANNEL>3</RED_CHANNEL>
        <GREEN_CHANNEL>2</GREEN_CHANNEL>
        <BLUE_CHANNEL>1</BLUE_CHANNEL>
      </Image_Display_Order>
{_quantification(spec)}
      <Reflectance_Conversion>
        <U>0.97</U>
        <Solar_Irradiance_List>
{irradiance}
        </Solar_Irradiance_List>
      </Reflectance_Conversion>
      <Spectral_Information_List>
{spectra}
      </Spectral_Information_List>
      <REFERENCE_BAND>3</REFERENCE_BAND>
    </Product_Image_Characteristics>
  </n1:General_Info>
  <n1:Geometric_Info>
    <Product_Footprint>
      <Product_Footprint>
        <Global_Footprint>
          <EXT_POS_LIST>{footprint(spec)}</EXT_POS_LIST>
        </Global_Footprint>
      </Product_Footprint>
      <RASTER_CS_TYPE>POINT</RASTER_CS_TYPE>
      <PIXEL_ORIGIN>1</PIXEL_ORIGIN>
    </Product_Footprint>
    <Coordinate_Reference_System>
      <GEO_TABLES version="1">EPSG</GEO_TABLES>
      <HORIZONTAL_CS_TYPE>GEOGRAPHIC</HORIZONTAL_CS_TYPE>
    </Coordinate_Reference_System>
  </n1:Geometric_Info>
  <n1:Auxiliary_Data_Info/>
  <n1:Quality_Indicators_Info>
    <Cloud_Coverage_Assessment>{_share(classes, (8, 9, 10))}</Cloud_Coverage_Assessment>
    <Technical_Quality_Assessment>
      <DEGRADED_ANC_DATA_PERCENTAGE>0.0</DEGRADED_ANC_DATA_PERCENTAGE>
      <DEGRADED_MSI_DATA_PERCENTAGE>0</DEGRADED_MSI_DATA_PERCENTAGE>
    </Technical_Quality_Assessment>
    <Quality_Control_Checks>
      <Quality_Inspections>
{_inspections(spec)}
      </Quality_Inspections>
      <Failed_Inspections/>
    </Quality_Control_Checks>
{_image_content(spec, classes)}  </n1:Quality_Indicators_Info>
</n1:Level-{level}_User_Product>
"""
    )


def granule_xml(spec: ProductSpec, classes: NDArray[np.uint8]) -> str:
    """MTD_TL.xml of the granule."""
    names = Identifiers(spec)
    level = "2A" if spec.is_l2a else "1C"
    north = spec.epsg < 32700
    sizes = "\n".join(
        f"""      <Size resolution="{r}">
        <NROWS>{spec.side_m // r}</NROWS>
        <NCOLS>{spec.side_m // r}</NCOLS>
      </Size>"""
        for r in (10, 20, 60)
    )
    positions = "\n".join(
        f"""      <Geoposition resolution="{r}">
        <ULX>{spec.x_min}</ULX>
        <ULY>{spec.y_max}</ULY>
        <XDIM>{r}</XDIM>
        <YDIM>-{r}</YDIM>
      </Geoposition>"""
        for r in (10, 20, 60)
    )
    content = _image_content(spec, classes) or (
        "    <Image_Content_QI>\n"
        f"      <CLOUDY_PIXEL_PERCENTAGE>{_share(classes, (8, 9, 10))}</CLOUDY_PIXEL_PERCENTAGE>\n"
        "      <DEGRADED_MSI_DATA_PERCENTAGE>0</DEGRADED_MSI_DATA_PERCENTAGE>\n"
        "    </Image_Content_QI>\n"
    )
    return (
        _HEAD
        + f"""<n1:Level-{level}_Tile_ID xmlns:n1="{_PSD}/S2_PDI_Level-{level}_Tile_Metadata.xsd">
  <n1:General_Info>
    <TILE_ID metadataLevel="Brief">{names.granule_id}</TILE_ID>
    <DATASTRIP_ID metadataLevel="Standard">{names.datastrip_id}</DATASTRIP_ID>
    <DOWNLINK_PRIORITY metadataLevel="Standard">NOMINAL</DOWNLINK_PRIORITY>
    <SENSING_TIME metadataLevel="Standard">{names.sensing_iso}</SENSING_TIME>
  </n1:General_Info>
  <n1:Geometric_Info>
    <Tile_Geocoding metadataLevel="Brief">
      <HORIZONTAL_CS_NAME>WGS84 / UTM zone {spec.epsg % 100}{"N" if north else "S"}\
</HORIZONTAL_CS_NAME>
      <HORIZONTAL_CS_CODE>EPSG:{spec.epsg}</HORIZONTAL_CS_CODE>
{sizes}
{positions}
    </Tile_Geocoding>
  </n1:Geometric_Info>
  <n1:Quality_Indicators_Info metadataLevel="Standard">
{content}  </n1:Quality_Indicators_Info>
</n1:Level-{level}_Tile_ID>
"""
    )


def datastrip_xml(spec: ProductSpec) -> str:
    """MTD_DS.xml of the datastrip."""
    names = Identifiers(spec)
    level = "2A" if spec.is_l2a else "1C"
    root_tag = f"Level-{level}_DataStrip_ID"
    return (
        _HEAD
        + f"""<n1:{root_tag} xmlns:n1="{_PSD}/S2_PDI_Level-{level}_Datastrip_Metadata.xsd">
  <n1:General_Info>
{_datatake(names, "Datatake_Info", "    ")}
    <Datastrip_Time_Info metadataLevel="Brief">
      <DATASTRIP_SENSING_START>{names.sensing_iso}</DATASTRIP_SENSING_START>
      <DATASTRIP_SENSING_STOP>{iso(names.product.sensing, 12)}</DATASTRIP_SENSING_STOP>
    </Datastrip_Time_Info>
    <Processing_Info metadataLevel="Expertise">
      <PROCESSING_BASELINE>{names.baseline}</PROCESSING_BASELINE>
      <PROCESSING_CENTER>REBN</PROCESSING_CENTER>
      <UTC_DATE_TIME>{names.processing_iso}</UTC_DATE_TIME>
    </Processing_Info>
  </n1:General_Info>
</n1:{root_tag}>
"""
    )


def report_xml(spec: ProductSpec, check: str) -> str:
    """The report of one quality check, as in the QI_DATA folders."""
    names = Identifiers(spec)
    status = spec.quality.get(check, "PASSED")
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Earth_Explorer_File xmlns="http://gs2.esa.int/DATA_STRUCTURE/olqcReport">
  <Data_Block type="xml">
    <report gippVersion="1.0" globalStatus="{status}" date="{names.processing_iso}">
      <checkList>
        <name>{check}</name>
        <version>1.0</version>
      </checkList>
    </report>
  </Data_Block>
</Earth_Explorer_File>
"""


def footprint(spec: ProductSpec) -> str:
    """The corners of the sensed part as ``lat lon lat lon …``, closed."""
    x_min, y_min, x_max, y_max = spec.grid.bounds
    slant = min(spec.nodata_wedge, 1 - spec.nodata_wedge) / 2
    top = x_min + (spec.nodata_wedge + slant) * spec.side_m
    bottom = x_min + (spec.nodata_wedge - slant) * spec.side_m
    corners = [(top, y_max), (x_max, y_max), (x_max, y_min), (bottom, y_min), (top, y_max)]
    to_degrees = Transformer.from_crs(spec.epsg, 4326, always_xy=True)
    degrees = (to_degrees.transform(x, y) for x, y in corners)
    return " ".join(f"{lat:.8f} {lon:.8f}" for lon, lat in degrees)


def _physical(band: str) -> str:
    return f"B{band[1:].lstrip('0')}"


def _per_band(tag: str, key: str, values: Iterable[object], more: str = "") -> str:
    return "\n".join(
        f'          <{tag} {key}="{k}"{more}>{value}</{tag}>' for k, value in enumerate(values)
    )


def _datatake(names: Identifiers, tag: str, indent: str) -> str:
    lines = (
        f'<{tag} datatakeIdentifier="{names.datatake}">',
        f"  <SPACECRAFT_NAME>Sentinel-{names.product.mission[1:]}</SPACECRAFT_NAME>",
        "  <DATATAKE_TYPE>INS-NOBS</DATATAKE_TYPE>",
        f"  <DATATAKE_SENSING_START>{names.sensing_iso}</DATATAKE_SENSING_START>",
        f"  <SENSING_ORBIT_NUMBER>{int(names.product.orbit[1:])}</SENSING_ORBIT_NUMBER>",
        "  <SENSING_ORBIT_DIRECTION>DESCENDING</SENSING_ORBIT_DIRECTION>",
        f"</{tag}>",
    )
    return "\n".join(indent + line for line in lines)


def _quantification(spec: ProductSpec) -> str:
    if spec.is_l2a:
        text = """      <QUANTIFICATION_VALUES_LIST>
        <BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>
        <AOT_QUANTIFICATION_VALUE unit="none">1000.0</AOT_QUANTIFICATION_VALUE>
        <WVP_QUANTIFICATION_VALUE unit="cm">1000.0</WVP_QUANTIFICATION_VALUE>
      </QUANTIFICATION_VALUES_LIST>"""
        wrap, tag = "BOA_ADD_OFFSET_VALUES_LIST", "BOA_ADD_OFFSET"
    else:
        text = '      <QUANTIFICATION_VALUE unit="none">10000</QUANTIFICATION_VALUE>'
        wrap, tag = "Radiometric_Offset_List", "RADIO_ADD_OFFSET"
    if spec.boa_offset:
        offsets = _per_band(tag, "band_id", [-1000] * len(BAND_IDS))
        text += f"\n      <{wrap}>\n{offsets}\n      </{wrap}>"
    return text


def _inspections(spec: ProductSpec) -> str:
    checks: tuple[str, ...] = QUALITY_CHECKS
    if spec.is_l2a and spec.indicator_style == "check":
        checks = (*QUALITY_CHECKS[:3], "L2A_QUALITY", *QUALITY_CHECKS[3:])
    status = {check: spec.quality.get(check, "PASSED") for check in checks}
    if spec.indicator_style == "flag":
        lines = [f"<{check}_FLAG>{value}</{check}_FLAG>" for check, value in status.items()]
    else:
        lines = [
            f'<quality_check checkType="{check}">{value}</quality_check>'
            for check, value in status.items()
        ]
    return "\n".join("        " + line for line in lines)


def _image_content(spec: ProductSpec, classes: NDArray[np.uint8]) -> str:
    """The shares of the scene classes; L1C products have none."""
    if not spec.is_l2a:
        return ""
    lines = [f"<CLOUDY_PIXEL_PERCENTAGE>{_share(classes, (8, 9, 10))}</CLOUDY_PIXEL_PERCENTAGE>"]
    for tag, value in _SCENE_CLASSES.items():
        of_all = tag == "NODATA_PIXEL_PERCENTAGE"
        lines.append(f"<{tag}>{_share(classes, (value,), of_all)}</{tag}>")
    body = "\n".join("      " + line for line in lines)
    return f"    <Image_Content_QI>\n{body}\n    </Image_Content_QI>\n"


def _share(classes: NDArray[np.uint8], wanted: tuple[int, ...], of_all: bool = False) -> str:
    """Percentage of the sensed pixels, or of all pixels, in the given classes."""
    counts = np.bincount(classes.ravel(), minlength=12)
    total = int(counts.sum() if of_all else counts[1:].sum())
    return f"{100 * int(counts[list(wanted)].sum()) / max(total, 1):.6f}"
