"""CORINE as it is delivered: zipped, several layers and years, changes beside the land cover."""

import zipfile
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from reben import changes, corine
from reben.domain.grid import TileSquare
from reben.land_cover.corine_polygons import PolygonLayer
from reben.runtime.errors import VectorError
from reben.runtime.files import read_json
from reben.storage.vector_archive import unpacked
from tests.builds import a_verdict

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
SQUARE = TileSquare(32633, 300_000, 5_400_000, 2400)
BOX = shapely.box(*SQUARE.bounds)


def write_layer(path: Path, name: str, *columns: str, driver: str = "GPKG") -> Path:
    """A layer with one polygon over the tile, and codes in some columns."""
    frame = gpd.GeoDataFrame({column: ["211"] for column in columns}, geometry=[BOX], crs=32633)
    frame.to_file(path, layer=name, driver=driver)
    return path


def zipped(path: Path, *files: Path, folder: str = "DATA") -> Path:
    """A zip of files and folders, beside documents."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("readme.pdf", "a document")
        for file in files:
            for part in sorted(file.rglob("*")) if file.is_dir() else [file]:
                archive.write(part, f"{folder}/{part.relative_to(file.parent).as_posix()}")
    return path


def clip(folder: Path, delivery: Path, *more: str) -> dict[str, object]:
    """Run the step for one tile; its manifest."""
    a_verdict(TILE, SQUARE).write(folder / "q.json")
    manifest = folder / "clips/manifest.json"
    corine.main(
        ["--corine", str(delivery), "--quality", str(folder / "q.json"), *more]
        + ["--manifest", str(manifest)]
    )
    assert not list(manifest.parent.glob(".part-*"))
    found: dict[str, object] = read_json(manifest)
    return found


@pytest.mark.parametrize(("name", "driver"), [("a.gpkg", "GPKG"), ("a.gdb", "OpenFileGDB")])
def test_a_zip_gives_the_clips_of_what_is_in_it(tmp_path: Path, name: str, driver: str) -> None:
    file = write_layer(tmp_path / name, "clc18_xx", "code_18", driver=driver)
    plain = clip(tmp_path, file)
    assert (plain["layer"], plain["code_column"]) == ("clc18_xx", "code_18")
    assert clip(tmp_path, zipped(tmp_path / "a.zip", file)) == plain


def test_a_zipped_shapefile_comes_with_its_parts(tmp_path: Path) -> None:
    (tmp_path / "shp").mkdir()
    write_layer(tmp_path / "shp/a.shp", "a", "Code_18", driver="ESRI Shapefile")
    found = clip(tmp_path, zipped(tmp_path / "a.zip", tmp_path / "shp"))
    assert found["code_column"] == "Code_18"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), r"a\.zip: expected one GeoPackage, .* found 0: readme\.pdf; unpack it, and name"),
        (("a.gpkg", "b.gpkg"), r"a\.zip: expected one .* found 2: DATA/a\.gpkg, DATA/b\.gpkg;"),
    ],
)
def test_a_zip_that_needs_a_choice_is_refused(
    tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    files = [write_layer(tmp_path / name, "x", "code_18") for name in names]
    archive = zipped(tmp_path / "a.zip", *files)
    with pytest.raises(VectorError, match=message), unpacked(archive, tmp_path / "out"):
        pass
    assert not list((tmp_path / "out").iterdir())


def test_a_zip_cannot_write_elsewhere(tmp_path: Path) -> None:
    file = write_layer(tmp_path / "a.gpkg", "x", "code_18")
    archive = zipped(tmp_path / "a.zip", file, folder="../../..")
    with unpacked(archive, tmp_path / "out") as path:
        assert Path(path).parent.parent == tmp_path / "out"
    link = zipfile.ZipInfo("a.gpkg")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as made:
        made.writestr(link, "/etc/passwd")
    refused = r"b\.zip: the entry 'a\.gpkg' is a link"
    with pytest.raises(VectorError, match=refused), unpacked(tmp_path / "b.zip", tmp_path / "out"):
        pass


def test_a_damaged_zip_is_named(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", write_layer(tmp_path / "a.gpkg", "x", "code_18"))
    data = bytearray(archive.read_bytes())
    data[2000:2100] = bytes(100)
    archive.write_bytes(data)
    said = r"a\.zip: the zip is damaged"
    with pytest.raises(VectorError, match=said), unpacked(archive, tmp_path / "out"):
        pass


def test_layers_of_changes_are_not_taken_for_land_cover(tmp_path: Path) -> None:
    path = write_layer(tmp_path / "x.gpkg", "cha1824_mt", "code_18", "code_24", "change")
    write_layer(path, "sol1824_mt", "code_18s", "code_24s")
    write_layer(path, "U2018_CHA1218_V2020_20u1", "Code_12", "Code_18")
    for layer in ("cha1824_mt", "sol1824_mt", "U2018_CHA1218_V2020_20u1"):
        said = rf"layer {layer}: expected the land cover of one year, found changes between two"
        with pytest.raises(VectorError, match=said):
            PolygonLayer.open(path, layer, "code_24" if layer.startswith("cha") else None)
    write_layer(path, "clc24_mt", "code_24")
    assert PolygonLayer.open(path).name == "clc24_mt"
    write_layer(path, "clc18_mt", "code_18")
    with pytest.raises(VectorError, match=r"one polygon layer, found 2 among: .*set corine\.layer"):
        PolygonLayer.open(path)
    write_layer(tmp_path / "only.gpkg", "layer", "code_18", "code_24")
    with pytest.raises(VectorError, match="it has polygons only where something changed"):
        PolygonLayer.open(tmp_path / "only.gpkg")
    assert PolygonLayer.open(tmp_path / "only.gpkg", None, "code_24").code_column == "code_24"
    write_layer(tmp_path / "named.gpkg", "layer", "code_18", "code_24", "chtype")
    with pytest.raises(VectorError, match="it has polygons only where something changed"):
        PolygonLayer.open(tmp_path / "named.gpkg", None, "code_24")


def test_the_deliveries_of_malta(reference: Path, tmp_path: Path) -> None:
    folder = reference / "land_cover/corine_malta"
    with unpacked(folder / "clc2018_mt.gpkg.zip", tmp_path) as path:
        old = PolygonLayer.open(path, "clc18_mt")
        assert old.code_column == "CODE_18"
        sea, gozo = (
            TileSquare(32633, x, y, 4800) for x, y in ((430_800, 3_976_800), (430_800, 3_996_000))
        )
        before = old.clip(sea).digest()
        assert set(old.clip(sea).codes.tolist()) == {523}
    with unpacked(folder / "CLC2024_MT.zip", tmp_path) as path:
        with pytest.raises(VectorError, match=r"found 2 among: .*sol1824_mt.*clc24_mt"):
            PolygonLayer.open(path)
        with pytest.raises(VectorError, match="layer cha1824_mt: .* found changes between two"):
            PolygonLayer.open(path, "cha1824_mt")
        years = [PolygonLayer.open(path, f"clc{year}_mt") for year in (18, 24)]
        assert [layer.code_column for layer in years] == ["code_18", "code_24"]
        assert years[1].clip(sea).digest() == before
        assert len({layer.clip(gozo).digest() for layer in years}) == 1
        changed = TileSquare(32633, 450_000, 3_972_000, 4800)
        assert len({layer.clip(changed).digest() for layer in years}) == 2
    assert not list(tmp_path.iterdir())


def test_a_filegdb_is_a_release_and_no_build() -> None:
    assert changes.is_release(Path("a.gdb"))
    assert not changes.is_release(Path("tests"))
