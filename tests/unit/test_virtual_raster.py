"""Land cover maps as VRTs: plain mosaics of files, and nothing that reads or asks elsewhere."""

from pathlib import Path

import pytest

from reben.land_cover.raster_mosaic import RasterMosaic
from reben.memory.sources import Source
from reben.runtime.errors import RasterError
from tests.maps import SQUARE, TWO, full, write_map

VRT = """<VRTDataset rasterXSize="240" rasterYSize="240">
<SRS dataAxisToSRSAxisMapping="1,2">EPSG:32633</SRS>
<GeoTransform>300000, 10, 0, 5400000, 0, -10</GeoTransform>
<VRTRasterBand dataType="Byte" band="1"><NoDataValue>0</NoDataValue>{sources}</VRTRasterBand>
</VRTDataset>
"""
SOURCE = """<ComplexSource><SourceFilename relativeToVRT="1">{name}</SourceFilename>
<SourceBand>1</SourceBand><SrcRect xOff="0" yOff="0" xSize="240" ySize="240"/>
<DstRect xOff="0" yOff="0" xSize="240" ySize="240"/><NODATA>0</NODATA></ComplexSource>"""


def write_vrt(path: Path, *names: str) -> Path:
    path.write_text(VRT.format(sources="".join(SOURCE.format(name=name) for name in names)))
    return path


def test_a_vrt_is_read_and_its_files_are_inputs(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    one = full(10)
    one[:100] = 0
    write_map(tmp_path / "maps/a.tif", one, nodata=0)
    write_map(tmp_path / "maps/b.tif", full(20), nodata=0)
    vrt = write_vrt(tmp_path / "all.vrt", "maps/b.tif", "maps/a.tif")
    codes = RasterMosaic.open([vrt], TWO).clip(SQUARE).codes
    assert (codes[:100] == 20).all()
    assert (codes[100:] == 10).all()
    source = Source(vrt, "rasters")
    files = source.files()
    assert files == ["all.vrt", "maps/a.tif", "maps/b.tif"]
    before = source.digest(files)
    write_map(tmp_path / "maps/b.tif", full(10), nodata=0)
    assert source.digest(files) != before


def test_a_name_in_a_vrt_is_relative_however_that_is_written(tmp_path: Path) -> None:
    """As GDAL takes it: it would open the file beside the VRT."""
    (tmp_path / "maps").mkdir()
    write_map(tmp_path / "maps/a.tif", full(10))
    vrt = write_vrt(tmp_path / "all.vrt", "maps/a.tif")
    vrt.write_text(vrt.read_text().replace("relativeToVRT", "relativetovrt"))
    assert (RasterMosaic.open([vrt], TWO).clip(SQUARE).codes == 10).all()
    assert Source(vrt, "rasters").files() == ["all.vrt", "maps/a.tif"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("maps/a.tif", "/vsicurl/http://host/a.tif"), "found the source '/vsicurl"),
        (("maps/a.tif", "http://host/a.tif"), "found the source 'http:"),
        (("maps/a.tif", "NETCDF:a.nc:x"), "found the source 'NETCDF"),
        (("<SourceBand>", "<LUT>0:1</LUT><SourceBand>"), "found <LUT>"),
        (
            ('band="1"', 'band="1" subClass="VRTDerivedRasterBand"'),
            "found <VRTRasterBand subClass>",
        ),
        (
            ("<VRTDataset ", '<VRTDataset subClass="VRTWarpedDataset" '),
            "found <VRTDataset subClass>",
        ),
        (("</VRTDataset>", ""), "found no XML"),
        (('band="1"', 'band="1" SUBCLASS="VRTRawRasterBand"'), "found <VRTRasterBand subClass>"),
        # What GDAL and an XML parser read in different ways.
        (('relativeToVRT="1"', 'relativeToVRT="YES"'), "found a source with .*'YES'"),
        (('relativeToVRT="1"', 'relativeToVRT="0" RELATIVETOVRT="1"'), "found a source with"),
        (("maps/a.tif", "maps/<!-- -->a.tif"), "found a source whose name is not plain text"),
        (("maps/a.tif", "<![CDATA[maps/a.tif]]>"), "found a source whose name is not plain"),
        (("maps/a.tif", "maps/<?x?>a.tif"), "found a source whose name is not plain text"),
        (("maps/a.tif", "secret.txt<MDI>x</MDI>maps/a.tif"), "found <MDI>"),
        (("maps/a.tif", " maps/a.tif"), "found the source ' maps/a.tif'"),
        ((SOURCE.format(name="maps/a.tif"), ""), "found no source"),
        (("maps/a.tif", "secret.txt"), "a GeoTIFF does not begin with b'root"),
        (("maps/a.tif", "gone.tif"), "No such file"),
    ],
)
def test_a_vrt_that_is_no_plain_mosaic_is_refused(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    (tmp_path / "maps").mkdir()
    (tmp_path / "secret.txt").write_text("root:x:0:0:root:/root:/bin/bash")
    write_map(tmp_path / "maps/a.tif", full(10))
    vrt = write_vrt(tmp_path / "all.vrt", "maps/a.tif")
    RasterMosaic.open([vrt], TWO)
    text = vrt.read_text()
    assert change[0] in text
    vrt.write_text(text.replace(*change))
    with pytest.raises(RasterError, match=f"all.vrt: .*{message}"):
        RasterMosaic.open([vrt], TWO)
