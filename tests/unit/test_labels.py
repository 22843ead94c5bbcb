"""Nomenclatures and labels."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reben.labels import label_patches
from reben.land_cover.nomenclature import CORINE_CODES, read_nomenclature
from reben.runtime.errors import ConfigError

NINETEEN = "resources/nomenclature/bigearthnet_19.csv"


def counts(**patches):
    rows = [(patch, code, n) for patch, found in patches.items() for code, n in found.items()]
    return pl.DataFrame(rows, ["patch_id", "code", "pixels"], orient="row")


def test_the_nineteen_classes_leave_out_what_the_facts_say():
    classes = read_nomenclature(NINETEEN)
    assert len(set(classes.values())) == 19
    unlabelled = CORINE_CODES - set(classes) - {335, 990, 995, 999}
    assert unlabelled == {122, 123, 124, 131, 132, 133, 141, 142, 332, 334, 423}


def test_the_nineteen_classes_are_the_published_ones(reference):
    published = pl.read_parquet(reference / "published/metadata.parquet")["labels"].explode()
    assert set(published) == set(read_nomenclature(NINETEEN).values())


def test_the_43_classes():
    classes = read_nomenclature("resources/nomenclature/bigearthnet_43.csv")
    assert len(classes) == len(set(classes.values())) == 43
    assert 335 not in classes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("code;class\n", "expected the columns code,class"),
        ("code,class\n777,A\n", "line 2: '777' is not a code of CORINE; labels.nomenclature needs"),
        ("code,class\n999,A\n", "line 2: '999' is not a code of CORINE"),
        ("code,class\n111,A\n111,B\n", "line 3: code 111 is repeated"),
        ("code,class\n111,\n", "line 2: code 111 is repeated or has no class"),
        ("code,class\n243,Agriculture, with trees\n", "line 2: expected 2 cells, found 3; put"),
        # It would swallow 112.
        ('code,class\n111,"A\n112,B"\n', "line 2: is no line of a CSV file .* close its quotation"),
        (f"code,class\n111,{'A' * 200_000}\n", "line 2: is no line of a CSV file"),
        (f"code,class\n{'1' * 5000},A\n", "line 2: '1111"),
        ("code,class\n\n112,B\n7,A\n", "line 4: '7' is not a code"),
        ("code,class\n²11,A\n", "line 2: '²11' is not a code of CORINE"),
        ("code,class\n", "found no line"),
        ("code,class,class\n111,A,B\n", "expected the columns code,class, found code,class,class"),
    ],
)
def test_a_bad_nomenclature_is_named_with_its_line(tmp_path, text, message):
    (tmp_path / "n.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"n\.csv.*{message}"):
        read_nomenclature(tmp_path / "n.csv", CORINE_CODES - {999}, "CORINE")


def test_labels_are_sorted_and_merged():
    table = counts(a={512: 1, 211: 10_000, 212: 4399})
    row = label_patches(table, read_nomenclature(NINETEEN), 0.75, "inclusive").row(0, named=True)
    assert row["labels"] == ["Arable land", "Inland waters"]
    assert row["labelled_fraction"] == 1


@pytest.mark.parametrize(("threshold", "kept"), [("inclusive", True), ("exclusive", False)])
def test_exactly_three_quarters(threshold, kept):
    table = counts(a={211: 10_800, 999: 3600})
    row = label_patches(table, read_nomenclature(NINETEEN), 0.75, threshold).row(0, named=True)
    assert (row["labelled_fraction"], row["kept"]) == (0.75, kept)


def test_one_pixel_less_is_too_few():
    table = counts(a={211: 10_799, 122: 3601})
    assert not label_patches(table, read_nomenclature(NINETEEN), 0.75, "inclusive")["kept"][0]


def test_a_patch_without_any_class_has_no_labels():
    row = label_patches(counts(a={999: 14_400}), {111: "x"}, 0.75, "inclusive").row(0, named=True)
    assert (row["labels"], row["labelled_fraction"], row["kept"]) == ([], 0, False)


@given(
    st.dictionaries(
        st.sampled_from("abc"),
        st.dictionaries(st.sampled_from(sorted(CORINE_CODES)), st.integers(1, 5000), min_size=1),
        min_size=1,
    )
)
def test_labels_agree_with_a_plain_count(patches):
    classes = read_nomenclature(NINETEEN)
    labelled = label_patches(counts(**patches), classes, 0.75, "inclusive")
    assert labelled["patch_id"].to_list() == sorted(patches)
    for row in labelled.iter_rows(named=True):
        found = patches[row["patch_id"]]
        inside = sum(n for code, n in found.items() if code in classes)
        assert row["labels"] == sorted({classes[code] for code in found if code in classes})
        assert row["labelled_fraction"] == inside / sum(found.values())
        assert row["kept"] == (inside / sum(found.values()) >= 0.75)
