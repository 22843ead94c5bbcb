"""Flags, selection, metadata and funnel on a handful of patches."""

import numpy as np
import polars as pl
import pytest

from reben import alignment, snow_cloud
from reben.alignment import align_patches, read_pairs
from reben.domain.bands import S2_BANDS
from reben.domain.grid import TileSquare
from reben.domain.reasons import HAS_NODATA, NO_SENTINEL1, NOT_ALIGNED, TOO_FEW_LABELLED
from reben.domain.tables import ALIGNMENT, PATCHES, SNOW_CLOUD, read_table, read_tables, write_table
from reben.funnel import funnel_table, quality_table
from reben.metadata import build_metadata, count_classes, divide
from reben.patches import TilePatches, patch_table
from reben.results.offset_warning import offset_warnings
from reben.runtime.errors import TableError
from reben.selection import select_patches
from reben.snow_cloud import check_names, flag_snow_cloud, read_names
from tests.builds import a_verdict

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
IDS = [f"{TILE}_00_{row:02d}" for row in range(5)]
NO_ALIGNMENT = read_tables([], ALIGNMENT)


def patches(**columns):
    base = {"patch_id": IDS, "tile": [TILE] * 5, "col": [0] * 5, "row": list(range(5))}
    base |= {"x_min": [300_000] * 5, "x_max": [301_200] * 5}
    shares = {f"{name}_fraction": [0.0] * 5 for name in ("snow", "cloud", "shadow")}
    frame = pl.DataFrame(base | {"valid": [True] * 5} | shares | columns)
    return frame.with_columns(pl.col("col", "row").cast(pl.Int16))


def test_flags_from_the_scene_classification():
    frame = patches(
        snow_fraction=[0.5, 0.49, 0.0, 0.0, 0.0],
        cloud_fraction=[0.0, 0.0, 0.3, 0.3, 0.0],
        shadow_fraction=[0.0, 0.0, 0.2, 0.1, 0.0],
    )
    flags = flag_snow_cloud(frame, NO_ALIGNMENT, None, None, 0.5)
    assert flags["contains_seasonal_snow"].to_list() == [True, False, False, False, False]
    assert flags["contains_cloud_or_shadow"].to_list() == [False, False, True, False, False]


@pytest.mark.parametrize("minimum", [0.1, 0.3, 0.7, 0.8, 0.9])
def test_a_share_that_is_reached_exactly_counts_however_it_is_divided(minimum):
    """The oracle has whole numbers; the sum of two quotients misses every fourth."""
    total, least = 3600, round(minimum * 3600)
    cloud = list(range(least + 1))
    for short in (0, 1):
        frame = pl.DataFrame(
            {
                "patch_id": [f"{TILE}_00_{i:02d}" for i in cloud],
                "x_min": [0] * len(cloud),
                "x_max": [1200] * len(cloud),
                "snow_fraction": [(least - short) / total] * len(cloud),
                "cloud_fraction": [i / total for i in cloud],
                "shadow_fraction": [max(0, least - i - short) / total for i in cloud],
            }
        ).filter(pl.col("cloud_fraction") * total <= least - short)
        flags = flag_snow_cloud(frame, NO_ALIGNMENT, None, None, minimum)
        for column in flags.columns[1:]:
            assert flags[column].unique().to_list() == [not short]


def test_flags_from_lists_by_v1_name_or_patch_id():
    alignment = pl.DataFrame({"patch_id": [IDS[1]], "s1_name": ["s"], "s2v1_name": ["S2A_x_0_1"]})
    flags = flag_snow_cloud(patches(), alignment, ["S2A_x_0_1"], [IDS[2]], 0.5)
    assert flags["contains_seasonal_snow"].to_list() == [False, True, False, False, False]
    assert flags["contains_cloud_or_shadow"].to_list() == [False, False, True, False, False]


def test_flags_are_unknown_without_list_and_scl():
    frame = patches(snow_fraction=pl.Series([None] * 5, dtype=pl.Float64))
    flags = flag_snow_cloud(frame, NO_ALIGNMENT, None, [], 0.5)
    assert flags["contains_seasonal_snow"].null_count() == 5
    assert flags["contains_cloud_or_shadow"].to_list() == [False] * 5


def test_a_list_with_strange_lines_is_refused(tmp_path):
    (tmp_path / "l.csv").write_text(f"{IDS[0]}\nname\n")
    with pytest.raises(TableError, match=r"l\.csv, line 2: .*found 'name'"):
        read_names(tmp_path / "l.csv", aligned=True)


V1 = "S2A_MSIL2A_20170613T101031_0_1"


@pytest.mark.parametrize(
    "line",
    [
        *("{},", "{},1", "{};1", "{}\t1", "{} 1", "{}.tif", "{}/", '"{}"', "x/{}", "{}_B02"),
        *("{}_reference_map", "S1A{}", "S2A_MSIL2A_20170613T101031_00_01", f"{TILE}_0_1"),
        *("S2A_MSIL2A_20170613T101031_0_01", f"{TILE}_000_001", TILE, f"{TILE}_00_001"),
        *("S2A_MSIL1C_20170613T101031_0_1", "S2A_MSIL2A_20170613_0_1", "s2a_msil2a_20170613t1_0_1"),
    ],
)
@pytest.mark.parametrize("name", [V1, IDS[1]])
def test_every_line_of_a_list_must_be_a_name(tmp_path, line, name):
    """What is none would match no patch, and obscured patches would stand in the clean table."""
    path = tmp_path / "l.csv"
    path.write_text(f"{name}\n{line.format(name)}\n")
    with pytest.raises(TableError, match=r"l\.csv, line 2: expected one name of a Sentinel"):
        read_names(path, aligned=True)
    path.write_text(f"\ufeff{name}\r\n\n  {name}  \n# none other\n", encoding="utf-8")
    assert read_names(path, aligned=True) == [name, name]


def test_an_empty_list_says_so_or_is_refused(tmp_path):
    """A download that broke off looks like one."""
    path = tmp_path / "l.csv"
    path.write_text("\n")
    with pytest.raises(TableError, match=r"l\.csv: .*found an empty file; .*`# none`"):
        read_names(path, aligned=True)
    path.write_text("# none\n")
    assert read_names(path, aligned=True) == []


def test_a_list_of_other_patches_is_refused():
    """But one of a larger area may hold none of this build: the table of pairs has its names."""
    known = pl.DataFrame({"patch_id": IDS[:1], "s1_name": ["x"], "s2v1_name": [V1]})
    pairs = pl.DataFrame({"s2v1_name": [V1, V1.replace("0613", "0717")]})
    other = TILE.replace("0613", "0717")
    for found, names, aligned, table in (
        (1, [V1, V1.replace("0613", "0717")], known, None),
        (2, [*IDS[3:], f"{other}_00_00"], NO_ALIGNMENT, None),
        (0, [V1.replace("0613", "0717")], known, pairs),
        (0, [], known, pairs),
    ):
        assert check_names("l.csv", names, patches(), aligned, table) == found
    for names, aligned, table in (
        ([f"{other}_00_00"], NO_ALIGNMENT, None),
        ([V1.replace("0613", "0717")], known, None),
        ([V1.replace("0613", "0801")], known, pairs),
    ):
        with pytest.raises(TableError, match=rf"l\.csv: none of its 1 names, such as {names[0]}"):
            check_names("l.csv", names, patches(), aligned, table)


def test_a_list_of_patches_of_another_size_is_refused():
    names = [IDS[1], f"{TILE}_77_00"]
    with pytest.raises(TableError, match=r"l\.csv: 1 names are of no patch .*_77_00"):
        check_names("l.csv", names, patches(), NO_ALIGNMENT, None)


def test_v1_names_mean_nothing_without_an_alignment(tmp_path):
    """They would match no patch, so every flag would be false."""
    path = tmp_path / "l.csv"
    path.write_text(f"{IDS[0]}\nS2A_MSIL2A_20170613T101031_0_3\n")
    assert len(read_names(path, aligned=True)) == 2
    with pytest.raises(TableError, match=r"expected patch_ids, found 'S2A_\w+_0_3'; names of .*v1"):
        read_names(path, aligned=False)
    path.write_text(f"{IDS[0]}\n{TILE}_100_07\n")
    assert len(read_names(path, aligned=False)) == 2


def pairs_file(tmp_path, *rows):
    (tmp_path / "v1.csv").write_text("s1_name,s2_name\n" + "\n".join(rows))
    return tmp_path / "v1.csv"


@pytest.mark.parametrize("time", ["101031", "101032", "10103"])
def test_alignment_does_not_need_the_time_of_day(tmp_path, time):
    path = pairs_file(
        tmp_path, f"S1A_IW_GRDH_1SDV_20170613T165043_33UUP_0_3,S2A_MSIL2A_20170613T{time}_0_3"
    )
    found = align_patches(patches(), read_pairs(path))
    assert found.select("patch_id", "s2v1_name").rows() == [
        (IDS[3], f"S2A_MSIL2A_20170613T{time}_0_3")
    ]


def test_alignment_minds_mission_date_and_tile(tmp_path):
    s1 = "S1A_IW_GRDH_1SDV_20170613T165043"
    path = pairs_file(
        tmp_path,
        f"{s1}_33UUP_0_1,S2B_MSIL2A_20170613T101031_0_1",
        f"{s1}_33UUP_0_2,S2A_MSIL2A_20170614T101031_0_2",
        f"{s1}_33UVP_0_3,S2A_MSIL2A_20170613T101031_0_3",
    )
    assert len(align_patches(patches(), read_pairs(path))) == 0


def test_a_bad_pair_table_is_refused(tmp_path):
    with pytest.raises(TableError, match=r"v1\.csv: 1 rows are not pairs"):
        read_pairs(pairs_file(tmp_path, "x,y"))
    with pytest.raises(TableError, match=r"v1\.csv: .*found no row"):
        read_pairs(pairs_file(tmp_path))
    row = "S1A_IW_GRDH_1SDV_20170613T165043_33UUP_0_3,S2A_MSIL2A_20170613T101031_0_3"
    with pytest.raises(TableError, match=r"v1\.csv: 2 rows share"):
        read_pairs(pairs_file(tmp_path, row, row.replace("165043", "165044")))
    (tmp_path / "w.csv").write_text("a,b\n1,2\n")
    with pytest.raises(TableError, match=r"w\.csv: expected a table with the columns s1_name"):
        read_pairs(tmp_path / "w.csv")


@pytest.mark.parametrize(
    "s2", [f"{V1[:-1]}2", f"{V1[:-1]}01", f"{V1},1"[:-2] + ".tif", f"{V1}/", f"{TILE}_00_01"]
)
def test_the_names_of_a_pair_must_be_of_one_place(tmp_path, s2):
    s1 = "S1A_IW_GRDH_1SDV_20170613T165043_33UUP_0_1"
    path = pairs_file(tmp_path, f"{s1.replace('_0_1', '_0_2')},{V1[:-1]}2", f"{s1},{s2}")
    with pytest.raises(TableError, match=r"v1\.csv: 1 rows are not pairs .* row 2: "):
        read_pairs(path)


def test_pairs_of_other_patches_are_refused(tmp_path, write_patches):
    path = pairs_file(tmp_path, "S1A_IW_GRDH_1SDV_20170613T165043_33UVP_0_1," + V1)
    arguments = [
        "--patches",
        str(write_patches),
        "--pairs",
        str(path),
        "--out",
        str(tmp_path / "o"),
    ]
    with pytest.raises(
        TableError, match=r"v1\.csv: none of its 1 pairs, such as \S+, is of a valid"
    ):
        alignment.main(arguments)
    assert not (tmp_path / "o").exists()


@pytest.fixture
def write_patches(tmp_path):
    grid = square(6000).grid(1200)
    nowhere = dict.fromkeys(S2_BANDS, np.zeros((5, 5), bool))
    write_table(
        tmp_path / "p.parquet", patch_table(TILE, grid, TilePatches(nowhere, None)), PATCHES
    )
    return tmp_path / "p.parquet"


def test_the_command_refuses_a_wrong_list(tmp_path, write_patches):
    pairs = pairs_file(tmp_path, f"S1A_IW_GRDH_1SDV_20170613T165043_33UUP_0_1,{V1}")
    aligned, out = tmp_path / "a.parquet", tmp_path / "o.parquet"
    common = ["--patches", str(write_patches)]
    alignment.main([*common, "--pairs", str(pairs), "--out", str(aligned)])
    command = [*common, "--alignment", str(aligned), "--pairs", str(pairs), "--out", str(out)]
    command += ["--seasonal-snow", str(tmp_path / "l.csv")]
    (tmp_path / "l.csv").write_text(V1.replace("0613", "0717"))
    with pytest.raises(
        TableError, match=r"l\.csv: none of its 1 names, .*or in the table of align"
    ):
        snow_cloud.main(command)
    (tmp_path / "l.csv").write_text(V1)
    snow_cloud.main(command)
    assert read_table(out, SNOW_CLOUD).filter("contains_seasonal_snow")["patch_id"].to_list() == [
        IDS[1]
    ]


LABELS = pl.DataFrame(
    {
        "patch_id": IDS[1:],
        "labels": [["Pastures"], ["Pastures", "Urban fabric"], ["Urban fabric"], []],
        "labelled_fraction": [1.0, 0.9, 0.8, 0.1],
        "kept": [True, True, True, False],
    }
)


def test_the_first_reason_counts_and_options_are_optional():
    frame = patches(valid=[False, True, True, True, True])
    aligned = pl.DataFrame({"patch_id": [IDS[2], IDS[3], IDS[4]]})
    s1 = pl.DataFrame({"patch_id": [IDS[3], IDS[4]]})
    reasons = select_patches(frame, LABELS, aligned, s1)["dropped_for"].to_list()
    assert reasons == [HAS_NODATA, NOT_ALIGNED, NO_SENTINEL1, None, TOO_FEW_LABELLED]
    assert select_patches(frame, LABELS)["dropped_for"].to_list() == [
        HAS_NODATA, None, None, None, TOO_FEW_LABELLED,
    ]  # fmt: skip


def build(**optional):
    selection = select_patches(patches(), LABELS)
    split = pl.DataFrame(
        {"patch_id": IDS, "split": ["train", "train", "test", "validation", "test"]}
    )
    flags = pl.DataFrame(
        {"patch_id": IDS, "contains_seasonal_snow": [None, None, True, False, False]}
    ).with_columns(contains_cloud_or_shadow=False)
    return build_metadata(selection, LABELS, split, flags, **optional)


def test_what_is_not_given_is_null_and_the_rest_is_there():
    rows = build()
    assert rows["patch_id"].to_list() == IDS[1:4]
    for column in ("country", "s1_name", "s2v1_name"):
        assert rows[column].null_count() == 3
    countries = pl.DataFrame({"patch_id": IDS, "country": list("ABCDE")})
    assert build(countries=countries)["country"].to_list() == ["B", "C", "D"]
    s1 = pl.DataFrame({"patch_id": [IDS[3]], "s1_name": ["s"], "folder": ["f"]})
    assert build(sentinel1=s1)["s1_name"].to_list() == [None, None, "s"]


def test_unknown_flags_stay_in_the_first_table():
    clear, obscured = divide(build())
    assert clear["patch_id"].to_list() == [IDS[1], IDS[3]]
    assert obscured["patch_id"].to_list() == [IDS[2]]


def test_class_counts_keep_empty_classes():
    table = count_classes(build(), ["Urban fabric", "Pastures", "Mixed forest"])
    assert table.rows() == [
        ("Urban fabric", 0, 1, 1, 2), ("Pastures", 1, 0, 1, 2), ("Mixed forest", 0, 0, 0, 0),
    ]  # fmt: skip


def square(side_m):
    return TileSquare(32633, 0, 0, side_m)


def test_every_row_of_the_funnel_adds_up():
    other = TILE.replace("33UUP", "33UVP")
    verdicts = [a_verdict(other, square(2400), accepted=False), a_verdict(TILE, square(2400))]
    selection = select_patches(patches(valid=[False, True, True, True, True]), LABELS)
    table = funnel_table(verdicts, selection[:4], divide(build())[1], 1200)
    assert table["tile"].to_list() == [TILE, other, "total"]
    for row in table.iter_rows(named=True):
        fallen = sum(
            row[key] for key in ("rejected product", HAS_NODATA, NOT_ALIGNED, NO_SENTINEL1)
        )
        assert row["patches"] == fallen + row[TOO_FEW_LABELLED] + row["kept"]
        assert row["kept"] == row["clear"] + row["snow, cloud or shadow"]
    assert table.row(-1, named=True)["rejected product"] == 4
    assert quality_table(verdicts)["verdict"].to_list() == ["accepted", "rejected"]


def test_a_table_of_other_columns_is_refused(tmp_path):
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(TableError, match=r"t\.parquet: expected the columns .*found \['a'\]"):
        read_table(tmp_path / "t.parquet", ALIGNMENT)
    with pytest.raises(TableError, match=r"u\.parquet: expected a table .*, found no file"):
        read_table(tmp_path / "u.parquet", ALIGNMENT)
    (tmp_path / "u.parquet").write_text("x")
    with pytest.raises(TableError, match=r"u\.parquet: not a readable table"):
        read_table(tmp_path / "u.parquet", ALIGNMENT)


@pytest.mark.parametrize("at", [4, 50])
def test_a_damaged_table_is_said_to_be_one(tmp_path, at):
    names = [f"{TILE}_{i:02d}_00" for i in range(1000)]
    rows = pl.DataFrame({"patch_id": names, "s1_name": names, "s2v1_name": names})
    path = tmp_path / "t.parquet"
    write_table(path, rows, ALIGNMENT)
    data = bytearray(path.read_bytes())
    data[at : at + 2] = bytes(byte ^ 0xFF for byte in data[at : at + 2])
    path.write_bytes(data)
    with pytest.raises(TableError, match=r"(?s)t\.parquet: not a readable table .*remove the file"):
        read_table(path, ALIGNMENT)


def test_the_funnel_knows_tiles_of_more_than_a_hundred_columns():
    obscured = pl.DataFrame({"patch_id": [f"{TILE}_100_05", f"{TILE}_07_100"]})
    kept = obscured.with_columns(tile=pl.lit(TILE), dropped_for=pl.lit(None, pl.String))
    table = funnel_table([a_verdict(TILE, square(109_800))], kept, obscured, 600)
    assert table.row(0, named=True)["snow, cloud or shadow"] == 2


@pytest.mark.parametrize(
    ("offsets", "count"), [([0, 0], 0), ([-1000, -1000], 0), ([0, -1000], 1), ([-1000], 0)]
)
def test_a_mix_of_baselines_is_said(offsets, count):
    verdicts = [a_verdict(TILE, square(2400), boa_add_offset={"B02": offset}) for offset in offsets]
    for harmonised, done in ((True, "was removed"), (False, "not comparable")):
        found = offset_warnings(verdicts, harmonised)
        assert len(found) == count
        assert all("1 of 2 products" in text and done in text for text in found)
