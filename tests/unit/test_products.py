"""The search for products: none, one and several matches, and pages."""

import csv
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import shapely

from reben import products
from reben.cdse.catalogue import Catalogue, Entry
from reben.cdse.service import Service
from reben.config import product_table
from reben.runtime.errors import ConfigError, DownloadError, ProductError
from tests.standins.cdse_server import Archive, CdseServer

TILE = "S2A_MSIL1C_20170613T101031_N0205_R022_T33UUP"
IDS = [f"{n:08x}-0000-4000-8000-000000000000" for n in range(400)]
RESOURCES = Path(__file__).parents[2] / "resources"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CdseServer]:
    with CdseServer([]) as running:
        for name, value in running.environment.items():
            if not name.startswith("CDSE_"):  # the catalogue needs no credentials
                monkeypatch.setenv(name, value)
        yield running


def offer(server: CdseServer, *archives: Archive) -> None:
    server.archives = {archive.id: archive for archive in archives}


def find(tmp_path: Path, *arguments: str) -> list[dict[str, str]]:
    out = tmp_path / "products.tsv"
    products.main([*arguments, "--out", str(out)])
    product_table.read_products(out)
    return list(csv.DictReader(out.read_text().splitlines(), delimiter="\t"))


def test_one_match(server: CdseServer, tmp_path: Path) -> None:
    archive = Archive(f"{TILE}_20170613T101608", IDS[1], b"content")
    offer(server, archive, Archive(f"{TILE.replace('UUP', 'UVP')}_20170613T101608", IDS[2], b""))
    [row] = find(tmp_path, f"{archive.name}.SAFE")
    assert row == {
        "product": archive.name,
        "level": "L1C",
        "source": "cdse",
        "path": "",
        "id": IDS[1],
        "size": "7",
        "checksum": "blake3:" + archive.entry()["Checksum"][1]["Value"],
        "s3_path": f"/eodata/Sentinel-2/MSI/2017/{archive.name}.SAFE",
    }


def test_no_match_lists_all_that_are_missing(server: CdseServer, tmp_path: Path) -> None:
    present = f"{TILE}_20170613T101608"
    offer(server, Archive(present, IDS[1], b""))
    missing = [f"{TILE}_20180101T000000", f"{TILE}_20180101T000001"]
    with pytest.raises(DownloadError, match="no product of 2 of 3 names") as error:
        find(tmp_path, present, *missing)
    assert all(name in str(error.value) for name in missing)
    assert not (tmp_path / "products.tsv").exists()


def test_of_several_the_newest_that_is_online_is_taken(
    server: CdseServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    offer(
        server,
        Archive(f"{TILE}_20170613T101608", IDS[1], b""),
        Archive(f"{TILE}_20190613T101608", IDS[2], b"", published="2020-01-01T00:00:00Z"),
        Archive(f"{TILE}_20190613T101608", IDS[3], b"", published="2021-01-01T00:00:00Z"),
        Archive(f"{TILE}_20200613T101608", IDS[4], b"", online=False),
    )
    [row] = find(tmp_path, TILE)
    assert row["id"] == IDS[3]
    assert "4 matches; using the newest processing" in caplog.text
    assert IDS[2] in caplog.text


def test_collection_1_stands_in_for_what_is_gone(
    server: CdseServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    there, gone = (f"{tile}_20170613T101608" for tile in (TILE.replace("UUP", "UVP"), TILE))
    again = [f"{TILE.replace('N0205', n)}_2023090{n[-1]}T000000" for n in ("N0500", "N0510")]
    offer(
        server,
        Archive(there, IDS[1], b""),
        Archive(there.replace("N0205", "N0510"), IDS[2], b""),
        Archive(again[0], IDS[3], b""),
        Archive(again[1], IDS[4], b"", published="2024-01-01T00:00:00Z"),
        # Other observations, levels and baselines.
        Archive(again[1].replace("UUP", "UWP"), IDS[5], b""),
        Archive(again[1].replace("R022", "R065"), IDS[6], b""),
        Archive(again[1].replace("L1C", "L2A"), IDS[7], b""),
        Archive(again[1].replace("N0510", "N0300"), IDS[8], b""),
    )
    with pytest.raises(DownloadError, match=rf"1 of 2 names: {gone}\..*--collection1"):
        find(tmp_path, there, gone)
    rows = find(tmp_path, there, gone, "--collection1")
    assert sorted(row["product"] for row in rows) == sorted([there, again[1]])
    assert f"{gone} is not in the catalogue any more; taking its reprocessing" in caplog.text
    assert f"Collection-1, {again[1]}. It has other geometry and a reflectance" in caplog.text
    assert f"{there} is not in" not in caplog.text
    with pytest.raises(DownloadError, match="no product of 1 of 1 names"):
        find(tmp_path, gone.replace("20170613", "20170614"), "--collection1")


def test_a_search_pages_and_takes_the_newest_baseline(
    server: CdseServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = [
        f"S2A_MSIL1C_201706{day:02d}T1010{second:02d}_N0205_R022_T33UUP_20170613T101608"
        for day in range(1, 29)
        for second in range(5)
    ]
    archives = [Archive(name, IDS[n], b"") for n, name in enumerate(names)]
    again = names[50].replace("N0205", "N0500")
    archives += [
        Archive(again, IDS[300], b""),
        Archive(names[0].replace("T33UUP", "T33UVP"), IDS[301], b"", cloud_cover=80),
        Archive(names[0].replace("L1C", "L2A").replace("UUP", "UWP"), IDS[302], b""),
        Archive(names[0].replace("201706", "201707"), IDS[303], b""),
    ]
    offer(server, *archives)
    rows = find(
        tmp_path,
        "--bbox",
        "9",
        "47",
        "10",
        "48",
        "--start",
        "2017-06-01",
        "--end",
        "2017-06-28",
        "--max-cloud-cover",
        "50",
    )
    assert server.counts.requests["catalogue"] == 3
    assert sorted(row["product"] for row in rows) == sorted({*names, again} - {names[50]})
    assert "2 matches" in caplog.text


HALVES = (f"{TILE}_20170613T101608", f"{TILE}_20170613T102112")
WEST, EAST = shapely.box(12, 47, 12.6, 48), shapely.box(12.5, 47, 13, 48)


def search(tmp_path: Path, *arguments: str) -> list[str]:
    out = tmp_path / "products.tsv"
    where = ["--bbox", "12", "47", "13", "48", "--start", "2017-06-13", "--end", "2017-06-13"]
    products.main([*(arguments or where), "--out", str(out)])
    rows = csv.DictReader(out.read_text().splitlines(), delimiter="\t")
    return [row["product"] for row in rows]


@pytest.mark.parametrize("footprints", [(None, None), (WEST, None), (WEST, EAST)])
@pytest.mark.parametrize("arguments", [[], [TILE], list(HALVES)])
def test_parts_of_a_tile_from_two_stations_are_both_kept(
    server: CdseServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    footprints: tuple[shapely.Geometry | None, ...],
    arguments: list[str],
) -> None:
    shown = zip(HALVES, footprints, strict=True)
    offer(
        server,
        *(Archive(name, IDS[i], b"", footprint=shape) for i, (name, shape) in enumerate(shown)),
        # Each in an older baseline too.
        *(
            Archive(name.replace("N0205", "N0204"), IDS[i + 2], b"", footprint=shape)
            for i, (name, shape) in enumerate(zip(HALVES, footprints, strict=True))
        ),
    )
    assert search(tmp_path, *arguments) == list(HALVES)
    assert f"{', '.join(HALVES)}: 2 parts of the same observation" in caplog.text
    for line in caplog.text.splitlines():
        assert "newest processing" not in line or "N0204" in line
    with pytest.raises(ConfigError, match="line 3: .* both become tile .* two parts of a tile"):
        product_table.read_products(tmp_path / "products.tsv")


def test_the_same_ground_twice_is_another_processing(server: CdseServer, tmp_path: Path) -> None:
    nearly = shapely.box(12, 47, 12.61, 48)
    shown = zip(HALVES, (WEST, nearly), strict=True)
    offer(
        server,
        *(Archive(name, IDS[i], b"", footprint=shape) for i, (name, shape) in enumerate(shown)),
    )
    assert search(tmp_path) == [HALVES[1]]


def test_the_bigearthnet_names_resolve(server: CdseServer, tmp_path: Path) -> None:
    listed = product_table.read_products(RESOURCES / "bigearthnet_products.tsv")
    assert len(listed) == 125
    offer(server, *(Archive(p.product, p.id, p.id.encode()) for p in listed.values()))
    rows = find(tmp_path, "--names", str(RESOURCES / "bigearthnet_products.tsv"))
    assert {row["product"]: row["id"] for row in rows} == {p.product: p.id for p in listed.values()}


def test_the_recorded_answer_is_read(reference: Path) -> None:
    answer = json.loads((reference / "cdse" / "cop_dataspace_search.json").read_text())
    entry = Entry.parse(answer["value"][0])
    assert entry == Entry(
        name="S2A_MSIL1C_20200808T010311_N0500_R045_T54PXA_20230413T212505",
        id="05edf2bb-d103-49f1-a677-9e474138d84f",
        size=224105657,
        checksum="blake3:2f787caed527ffeb3245594a465abd127da5ee7eaeb974f9a9ab4342f2fba7cf",
        s3_path="/eodata/Sentinel-2/MSI/L1C_N0500/2020/08/08/"
        "S2A_MSIL1C_20200808T010311_N0500_R045_T54PXA_20230413T212505.SAFE",
        published="2023-08-23T09:26:23.105134Z",
        online=True,
    )


def test_a_catalogue_in_trouble_is_asked_again(server: CdseServer, tmp_path: Path) -> None:
    offer(server, Archive(f"{TILE}_20170613T101608", IDS[1], b""))
    mishaps = ["429", "503", "drop", "500"]
    server.plan = lambda kind, number: mishaps[number] if number < len(mishaps) else None
    assert len(find(tmp_path, TILE)) == 1
    assert server.counts.requests["catalogue"] == 5


def test_an_answer_in_another_form_is_an_error() -> None:
    with pytest.raises(DownloadError, match="unknown form .*ContentLength"):
        Entry.parse({"Name": "x", "Id": "y"})


@pytest.mark.parametrize(
    "empty",
    [
        {"ContentLength": None}, {"Checksum": None}, {"Checksum": [None]}, {"Checksum": [{}]},
        {"Checksum": [{"Algorithm": None, "Value": "a"}]}, {"Checksum": [{"Value": None}]},
    ],
    ids=str,
)  # fmt: skip
def test_a_size_or_checksum_that_is_null_is_unknown(empty: dict[str, object]) -> None:
    """One answer without them must not end the whole search."""
    whole = {"Name": "x", "Id": "y", "ContentLength": 5, "Checksum": []}
    entry = Entry.parse(whole | empty)
    assert entry.content == (0 if "ContentLength" in empty else 5, "")


def test_a_next_page_on_another_host_is_refused(
    server: CdseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"value": [], "@odata.nextLink": "http://evil.example/odata/v1/Products?x"}
    monkeypatch.setattr(Catalogue, "_get", lambda *_: answer)
    service = Service.from_environment()
    with service.client() as client, pytest.raises(DownloadError, match=r"evil\.example"):
        Catalogue(client, service).by_name(TILE)


def test_pages_in_a_circle_are_refused(server: CdseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service.from_environment()
    answer = {"value": [], "@odata.nextLink": f"{service.catalogue}/Products?skip=1"}
    monkeypatch.setattr(Catalogue, "_get", lambda *_: answer)
    with service.client() as client, pytest.raises(DownloadError, match=r"found .*\?skip=1"):
        Catalogue(client, service).by_name(TILE)


def test_products_with_names_of_another_form_are_passed_over(
    server: CdseServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = "S2A_OPER_PRD_MSIL1C_PDMC_20160613T181025_R022_V20160613T101031_20160613T101031"
    known = Archive(f"{TILE}_20170613T101608", IDS[1], b"")
    offer(server, known, Archive(f"{TILE}_20170613T101609", IDS[2], b"", renamed=old))
    [row] = find(tmp_path, TILE)
    assert row["id"] == IDS[1]
    assert f"{old}: skipped" in caplog.text


@pytest.mark.parametrize(
    ("bbox", "wkt", "bounds"),
    [
        ([12, 47, 14, 48], None, [(12, 47, 14, 48)]),
        ([178, -18, -179, -16], None, [(178, -18, 180, -16), (-180, -18, -179, -16)]),
        (None, "POLYGON ((1 2, 3 2, 3 4, 1 2))", [(1, 2, 3, 4)]),
        (
            None,
            "MULTIPOLYGON (((1 2, 3 2, 3 4, 1 2)), ((5 6, 7 6, 7 8, 5 6)))",
            [(1, 2, 3, 4), (5, 6, 7, 8)],
        ),
    ],
)
def test_areas(bbox: list[float] | None, wkt: str | None, bounds: list[tuple[float, ...]]) -> None:
    """The catalogue takes no multipolygons, and none across the antimeridian."""
    found = [shapely.from_wkt(area) for area in products.search_areas(bbox, wkt)]
    assert [area.geom_type for area in found] == ["Polygon"] * len(bounds)
    assert [area.bounds for area in found] == bounds


def test_a_product_in_two_areas_is_listed_once(
    server: CdseServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    offer(server, Archive(f"{TILE}_20170613T101608", IDS[1], b""))
    dates = ["--start", "2017-06-01", "--end", "2017-06-28"]
    assert len(find(tmp_path, "--bbox", "178", "-18", "-179", "-16", *dates)) == 1
    assert server.counts.requests["catalogue"] == 2
    assert "matches" not in caplog.text


@pytest.mark.parametrize(
    "text", [f"name\n\n# mine\n {TILE} \n", f"\ufeffproduct\tid\r\n{TILE}\tx\r\n", f"{TILE},x\n"]
)
def test_lists_of_names(tmp_path: Path, text: str) -> None:
    (tmp_path / "names.txt").write_bytes(text.encode())
    assert products.read_names(tmp_path / "names.txt") == [TILE]


def test_a_misspelt_name_in_a_list_is_no_comment(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text(f"name\n{TILE}\ns2a_msil1c_20170613\n")
    with pytest.raises(ConfigError, match=r"names\.txt, line 3: 's2a_msil1c_20170613' is not a"):
        products.read_names(tmp_path / "names.txt")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "expected either product names"),
        ([TILE, "--bbox", "1", "2", "3", "4"], "expected either product names"),
        (["--bbox", "1", "2", "3", "4"], "with --start and --end"),
        (["--bbox", "3", "2", "1", "4", "--start", "2020-01-01", "--end", "2020-01-02"], "west"),
        (["--bbox", "9", "2", "-9", "4", "--start", "2020-01-01", "--end", "2020-01-02"], "west"),
        (["--wkt", "POLYGON EMPTY", "--start", "2020-01-01", "--end", "2020-01-02"], "POLYGON"),
        (["--wkt", "POINT (1 2)", "--start", "2020-01-01", "--end", "2020-01-02"], "POLYGON"),
        (["--wkt", "POLYGON', 1", "--start", "2020-01-01", "--end", "2020-01-02"], "not a WKT"),
    ],
)
def test_contradictions_are_errors(tmp_path: Path, arguments: list[str], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        products.main([*arguments, "--out", str(tmp_path / "x")])


def test_a_name_that_is_none_is_an_error(server: CdseServer, tmp_path: Path) -> None:
    with pytest.raises(ProductError, match="not a Sentinel-2 L1C or L2A product name"):
        find(tmp_path, "S2A' or Name ne '")
    assert server.counts.requests["catalogue"] == 0


def test_counts_are_logged(
    server: CdseServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    offer(server, Archive(f"{TILE}_20170613T101608", IDS[1], bytes(3_000_000)))
    find(tmp_path, TILE)
    assert caplog.messages[-1] == "1 products, 3 MB"
