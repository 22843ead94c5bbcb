"""Reading and checking the product table."""

import csv
from pathlib import Path

import pytest

from reben.config.product_table import Product, read_products, write_products
from reben.runtime.errors import ConfigError

L1C = "S2A_MSIL1C_20170613T101031_N0205_R022_T33UUP_20170613T101608"
L2A = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_20240101T000000"
ID = "f602623e-fd82-5a53-ba09-b05ce085e40c"


def table(path: Path, *rows: str) -> Path:
    header = "product\tlevel\tsource\tpath\tid\tchecksum"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_tables_survive_the_round_trip(tmp_path):
    products = [
        Product(L1C, "L1C", "cdse", id=ID, checksum="md5:" + "0" * 32, size="12"),
        Product(L2A.replace("33UUP", "33UVP"), "L2A", "local", path="a b/x.SAFE"),
    ]
    write_products(tmp_path / "p.tsv", products)
    assert sorted(read_products(tmp_path / "p.tsv").values(), key=lambda p: p.tile) == products


def test_a_name_may_end_in_safe(tmp_path):
    (product,) = read_products(
        table(tmp_path / "p.tsv", f"{L1C}.SAFE\tL1C\tcdse\t\t{ID}\t")
    ).values()
    assert product.product == L1C


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("S2A\tL1C\tcdse\t\t" + ID + "\t", r"'S2A' does not match .* such as S2A_MSIL1C_2017"),
        (f"{L1C}\tL1C\tftp\t\t{ID}\t", r"line 2, source: 'ftp' is not one of"),
        (f"{L1C}\tL1C\tlocl\tx\t\t", r"line 2, source: 'locl' is not one of"),
        (f"{L1C}\tL1C\tcdse\t\t\t", r"line 2, row: 'id' is a required property"),
        (f"{L1C}\tL1C\tlocal\t\t{ID}\t", r"line 2, row: 'path' is a required property"),
        (f"{L1C}\tL2A\tcdse\t\t{ID}\t", r"line 2: level is L2A, but .* is L1C"),
        (f"{L1C}\tL1C\tcdse\t\t{ID}\tcrc:12", r"line 2, checksum: 'crc:12' does not match"),
    ],
)
def test_a_bad_row_is_named_with_its_line_and_column(tmp_path, row, message):
    with pytest.raises(ConfigError, match=message):
        read_products(table(tmp_path / "p.tsv", row))


def test_two_products_of_one_tile_are_refused(tmp_path):
    path = table(tmp_path / "p.tsv", f"{L1C}\tL1C\tcdse\t\t{ID}\t", f"{L2A}\tL2A\tlocal\tx\t\t")
    with pytest.raises(
        ConfigError, match="line 3: .* both become tile S2A_MSIL2A_20170613T101031_N9999"
    ):
        read_products(path)


@pytest.mark.parametrize(
    ("other", "level"),
    [
        (L1C.replace("N0205", "N0500").replace("T101608", "T235959"), "L1C"),
        (L1C.replace("T101608", "T102000"), "L1C"),
        (L2A, "L2A"),
        (L2A.replace("N9999", "N0208"), "L2A"),
        (L2A.replace("N9999", "N0500"), "L2A"),
    ],
)
def test_one_observation_in_two_rows_is_refused(tmp_path, other, level):
    """Else each of its patches is in the dataset twice, partly with the same pixels."""
    rows = [f"{L1C}\tL1C\tlocal\tx\t\t", f"{other}\t{level}\tlocal\ty\t\t"]
    for order in (rows, rows[::-1]):
        with pytest.raises(ConfigError, match="line 3: .*; keep one of them") as error:
            read_products(table(tmp_path / "p.tsv", *order))
        assert L1C in str(error.value)
        assert other in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        ("S2A", "S2B"),
        ("T101031", "T101032"),
        ("R022", "R065"),
        ("33UUP", "33UVP"),
        ("0613", "0614"),
    ],
)
def test_other_observations_stand_beside_each_other(tmp_path, change):
    rows = [f"{name}\tL1C\tlocal\tx\t\t" for name in (L1C, L1C.replace(*change))]
    assert len(read_products(table(tmp_path / "p.tsv", *rows))) == 2


ROW = f"{L1C}\tL1C\tcdse\t\t{ID}\t"
HEADER = "product\tlevel\tsource\tpath\tid\tchecksum"


@pytest.mark.parametrize(
    "text",
    [
        f"\ufeff{HEADER}\r\n{ROW}\r\n",  # as spreadsheets on Windows write it
        f"{HEADER}\t\t\n{ROW}\t\t\t\n",
        f"# what I want\n\n{HEADER}\n# {ROW}\n\n{ROW}\n",
        f"{HEADER}\n{ROW}".replace("\t", " \t "),
    ],
)
def test_tables_from_elsewhere_are_read(tmp_path, text):
    (tmp_path / "p.tsv").write_bytes(text.encode())
    assert list(read_products(tmp_path / "p.tsv").values()) == [Product(L1C, "L1C", "cdse", id=ID)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{HEADER}\tplace\n{ROW}\tx\n", r"header line with the columns .* \| checksum \| place"),
        (f"{HEADER}\tid\n{ROW}\tx\n", r"header line .* \| checksum \| id$"),
        (f"{HEADER}\n{ROW}\n".replace("\t", ","), r"separated by tabs; found product,level,source"),
        (f"{ROW}\n", r"expected a header line with the columns .*; found S2A_MSIL1C"),
        (f"{HEADER}\n\n# x\n{ROW}\t\tmine\n", r"line 4: expected 6 cells, found 8: .*mine"),
        (f"{HEADER}\n{ROW.replace('0613T', '1313T', 1)}\n", r"line 2, product: '20171313T101031'"),
    ],
)
def test_another_table_is_refused_with_what_was_found(tmp_path, text, message):
    (tmp_path / "p.tsv").write_text(text)
    with pytest.raises(ConfigError, match=r"p\.tsv.*" + message):
        read_products(tmp_path / "p.tsv")


def test_a_stray_quotation_mark_swallows_no_row(tmp_path):
    other = L1C.replace("33UUP", "33UVP")
    path = table(tmp_path / "p.tsv", f'{L1C}\tL1C\tlocal\t"x\t\t', f"{other}\tL1C\tlocal\ty\t\t")
    assert [p.path for p in read_products(path).values()] == ['"x', "y"]


@pytest.mark.parametrize(
    ("path", "in_place"), [("x.SAFE", True), ("x.zip", False), ("X.ZIP", False)]
)
def test_a_local_l2a_folder_is_used_in_place(path, in_place):
    assert Product(L2A, "L2A", "local", path=path).is_used_in_place is in_place


def test_an_empty_or_missing_table_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"p\.tsv: no products"):
        read_products(table(tmp_path / "p.tsv"))
    with pytest.raises(ConfigError, match=r"there is no product table .*absent\.tsv, seen from /"):
        read_products(tmp_path / "absent.tsv")
    (tmp_path / "p.tsv").write_text(f"product,level,source,path\n{L2A},L2A,local,x\n")
    with pytest.raises(ConfigError, match=r"separated by tabs; found product,level"):
        read_products(tmp_path / "p.tsv")


def test_the_bigearthnet_table_is_the_published_list(reference):
    ours = read_products("resources/bigearthnet_products.tsv")
    with (reference / "tiles/bigearthnet_s2_tile_ids.csv").open() as file:
        published = {(row["tile"].removesuffix(".SAFE"), row["id"]) for row in csv.DictReader(file)}
    assert {(p.product, p.id) for p in ours.values()} == published
    assert len(ours) == 125
