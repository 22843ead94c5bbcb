"""The reader: correct pixels and patches, in any process; and third-party readers."""

import multiprocessing
import pickle
import shutil
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from reben.dataset import BigEarthNet
from reben.domain.bands import S1_BANDS, S2_BANDS
from reben.domain.names import patch_id
from reben.domain.tables import METADATA, write_table
from reben.metadata import count_classes
from reben.pictures.patch_figure import BACKSCATTER, REFERENCE_MAP, TRUE_COLOUR
from reben.results.csv_text import to_csv
from reben.results.layout import OBSCURED_TABLE
from reben.runtime.errors import ConfigError, StoreError, TableError
from reben.storage.lmdb_store import write_lmdb
from reben.storage.safetensors_value import stack_bands
from reben.training.bands import MODALITIES
from tests.geotiffs import SCENE, TILE, reference_map, s1_arrays, s2_arrays

IDS = [patch_id(TILE, 0, row) for row in range(6)]
#: split, country, labels, paired, snow
ROWS = [
    ("train", "Austria", ["Arable land"], True, False),
    ("train", "Serbia", ["Arable land", "Pastures"], True, False),
    ("validation", "Austria", ["Inland waters"], False, False),
    ("test", "Serbia", ["Inland waters", "Pastures"], True, False),
    ("test", "Austria", ["Pastures"], True, False),
    ("train", "Austria", ["Pastures"], True, True),
]
#: The 19 classes of BigEarthNet v2 in the order of all its readers and models.
NINETEEN = (
    "Agro-forestry areas",
    "Arable land",
    "Beaches, dunes, sands",
    "Broad-leaved forest",
    "Coastal wetlands",
    "Complex cultivation patterns",
    "Coniferous forest",
    "Industrial or commercial units",
    "Inland waters",
    "Inland wetlands",
    "Land principally occupied by agriculture, with significant areas of natural vegetation",
    "Marine waters",
    "Mixed forest",
    "Moors, heathland and sclerophyllous vegetation",
    "Natural grassland and sparsely vegetated areas",
    "Pastures",
    "Permanent crops",
    "Transitional woodland, shrub",
    "Urban fabric",
)


def expected(i: int, bands: tuple[str, ...] = S2_BANDS) -> np.ndarray:
    """By definition: repeat every pixel of each band."""
    arrays = s1_arrays(i) | s2_arrays(i)
    return np.stack(
        [arrays[b].repeat(120 // len(arrays[b]), 0).repeat(120 // len(arrays[b]), 1) for b in bands]
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dataset")
    frame = pl.DataFrame(
        ROWS, schema=["split", "country", "labels", "paired", "snow"], orient="row"
    ).with_columns(
        patch_id=pl.Series(IDS),
        s1_name=pl.when("paired").then(pl.Series([f"{SCENE}_33UUP_0_{i}" for i in range(6)])),
        s2v1_name=pl.lit(None),
        contains_seasonal_snow="snow",
        contains_cloud_or_shadow=pl.lit(value=False),
    )
    write_table(root / "metadata.parquet", frame.filter(~pl.col("snow")), METADATA)
    write_table(root / OBSCURED_TABLE, frame.filter("snow"), METADATA)
    entries = {}
    for i, name in enumerate(IDS):
        entries[name] = save(s2_arrays(i))
        entries[f"{SCENE}_33UUP_0_{i}"] = save(s1_arrays(i))
        entries[f"{name}_reference_map"] = save({"Data": reference_map(i)["reference_map"]})
    with write_lmdb(root / "x.lmdb") as writer:
        for key in sorted(entries):
            writer.put(key, entries[key])
    return root


def dataset(folder: Path, **options: Any) -> BigEarthNet:
    return BigEarthNet(folder / "metadata.parquet", folder / "x.lmdb", **options)


def test_a_patch_belongs_to_who_asked_for_it(folder: Path) -> None:
    patches = dataset(folder)
    first = patches[np.int64(0)]
    first["labels"][:], first["s2"][:] = 9, 9
    again = patches[-5]
    assert again["labels"].tolist() == [name == "Arable land" for name in NINETEEN]
    np.testing.assert_array_equal(again["s2"], expected(0))


@pytest.mark.parametrize("patch_side_m", [600, 2400])
def test_patches_of_another_side_keep_their_size(tmp_path: Path, patch_side_m: int) -> None:
    value = save(s2_arrays(0, patch_side_m))
    assert stack_bands(value, S2_BANDS, None).shape == (12, patch_side_m // 10, patch_side_m // 10)
    # Bands of 20 m alone also have the size of the patch.
    assert stack_bands(value, ["B05"], None).shape == (1, patch_side_m // 10, patch_side_m // 10)


def test_pixels_are_repeated_to_one_size(folder: Path) -> None:
    patches = dataset(folder)
    assert len(patches) == 5
    for i in range(5):
        patch = patches[i]
        assert set(patch) == {"patch_id", "labels", "s2"}
        assert patch["patch_id"] == IDS[i]
        assert patch["s2"].dtype == np.uint16
        np.testing.assert_array_equal(patch["s2"], expected(i))


def test_all_at_once(folder: Path) -> None:
    patch = dataset(folder, modality="both", reference_maps=True, dtype="float32")[1]
    np.testing.assert_array_equal(patch["s2"], expected(1).astype("float32"))
    np.testing.assert_array_equal(patch["s1"], expected(1, S1_BANDS))
    np.testing.assert_array_equal(patch["reference_map"], reference_map(1)["reference_map"])
    assert (patch["s2"].dtype, patch["reference_map"].dtype) == (np.float32, np.uint16)


@settings(max_examples=60)
@given(
    bands=st.lists(st.sampled_from(S2_BANDS), min_size=1, unique=True),
    size_px=st.one_of(st.integers(1, 300), st.sampled_from([60, 120, 128, 224, 240])),
)
def test_any_bands_in_any_order_at_any_size(bands: list[str], size_px: int) -> None:
    """By definition of the nearest neighbour, pixel by pixel."""
    arrays = s2_arrays(0)
    found = stack_bands(save(arrays), bands, size_px)
    for band, image in zip(bands, found, strict=True):
        px = len(arrays[band])
        nearest = [i * px // size_px for i in range(size_px)]
        np.testing.assert_array_equal(image, arrays[band][nearest][:, nearest])


@pytest.mark.parametrize(
    ("bands", "images"),
    [
        ("rgb", {"s2": ("B04", "B03", "B02")}),
        ("10m_20m", {"s2": MODALITIES["s2"]}),
        ("s1", {"s1": MODALITIES["s1"]}),
        ("B8A", {"s2": ("B8A",)}),
        (MODALITIES["all"], {"s2": MODALITIES["s2"], "s1": MODALITIES["s1"]}),
    ],
    ids=str,
)
def test_bands_say_which_images_are_read(
    folder: Path, bands: Any, images: dict[str, tuple[str, ...]]
) -> None:
    patch = dataset(folder, bands=bands)[0]
    assert {image for image in ("s2", "s1") if image in patch} == set(images)
    for image, chosen in images.items():
        np.testing.assert_array_equal(patch[image], expected(0, chosen))  # type: ignore[literal-required]


def test_bands_of_both_sensors_are_picked(folder: Path) -> None:
    patch = dataset(folder, modality="both", bands=("B04", "VV", "B03", "B02"))[0]
    np.testing.assert_array_equal(patch["s2"], expected(0, ("B04", "B03", "B02")))
    np.testing.assert_array_equal(patch["s1"], expected(0, ("VV",)))


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"include_snow_cloud": True}, [0, 1, 2, 3, 4, 5]),
        ({"split": "train"}, [0, 1]),
        ({"split": "train", "include_snow_cloud": True}, [0, 1, 5]),
        ({"countries": ["Austria"]}, [0, 2, 4]),
        ({"labels": ["Pastures", "Inland waters"]}, [1, 2, 3, 4]),
        ({"labels": ["Pastures", "Inland waters"], "match": "all"}, [3]),
        ({"labels": ["Arable land"], "countries": ["Serbia"], "split": "train"}, [1]),
        ({"modality": "s1"}, [0, 1, 3, 4]),
        ({"modality": "both", "split": "validation"}, []),
    ],
    ids=str,
)
def test_filters(folder: Path, options: dict[str, Any], rows: list[int]) -> None:
    patches = dataset(folder, **options)
    assert [patches[i]["patch_id"] for i in range(len(patches))] == [IDS[i] for i in rows]
    assert patches.classes == NINETEEN
    for i, row in enumerate(rows):
        assert patches[i]["labels"].tolist() == [name in ROWS[row][2] for name in patches.classes]


def test_classes_in_a_given_order(folder: Path) -> None:
    classes = ("Pastures", "Urban fabric", "Inland waters", "Arable land")
    patches = dataset(folder, classes=classes)
    assert patches[1]["labels"].tolist() == [1, 0, 0, 1]
    assert patches[1]["labels"].dtype == np.uint8


def test_the_classes_are_those_of_the_build_even_if_none_of_its_patches_has_them(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copy(folder / "metadata.parquet", tmp_path)
    counts = tmp_path / "class_counts.csv"
    classes = [name for _, _, labels, _, _ in ROWS for name in labels]
    counted = count_classes(pl.read_parquet(tmp_path / "metadata.parquet"), ["Sea", *classes])
    counts.write_text(to_csv(counted))
    patches = BigEarthNet(tmp_path / "metadata.parquet", folder / "x.lmdb", split="train")
    assert patches.classes == ("Arable land", "Inland waters", "Pastures", "Sea")
    assert patches.class_counts == {
        "Arable land": 2, "Inland waters": 0, "Pastures": 1, "Sea": 0,
    }  # fmt: skip
    assert "labels: 2 of 4 classes occur" in repr(patches)
    counts.write_text("name\nSea\n")
    with pytest.raises(TableError, match=r"class_counts\.csv: expected .* the column class"):
        BigEarthNet(tmp_path / "metadata.parquet", folder / "x.lmdb")


def test_a_dataset_says_what_it_is(folder: Path) -> None:
    patches = dataset(
        folder, split="train", bands=("VV", "B04"), dtype="float32", size_px=60, reference_maps=True
    )
    assert repr(patches).split("\n  ") == [
        "BigEarthNet: 2 patches of the train split",
        "s2: B04; float32; 60 px",
        "s1: VV; float32; 60 px",
        "reference_map: CORINE codes",
        "labels: 2 of 19 classes occur",
        str(folder / "x.lmdb"),
    ]


def test_a_plot_shows_all_that_the_lmdb_has_of_a_patch(folder: Path) -> None:
    titles = []
    for i in (0, 2):
        figure = dataset(folder, bands="20m").plot(i)
        assert IDS[i] in figure.get_suptitle()
        assert "; ".join(ROWS[i][2]) in figure.get_suptitle()
        titles.append([axes.get_title() for axes in figure.axes])
        for axes in figure.axes:
            assert axes.images[0].get_array().shape == (120, 120, 3)
    assert titles == [[TRUE_COLOUR, BACKSCATTER, REFERENCE_MAP], [TRUE_COLOUR, REFERENCE_MAP]]
    red = figure.axes[0].images[0].get_array()[..., 0]
    darkest = s2_arrays(2)["B04"].argmin()
    assert red.ravel()[darkest] == red.min()


def test_metadata_may_be_written_again_by_pandas(folder: Path, tmp_path: Path) -> None:
    """Columns in another order, further and missing ones, categories and an index."""
    frame = pd.read_parquet(folder / "metadata.parquet")
    frame = frame.sample(frac=1, random_state=1).query("split != 'validation'")
    frame["split"] = frame["split"].astype("category")
    frame["mine"] = 1.5
    columns = ["mine", "s1_name", "split", "labels", "patch_id"]
    path = tmp_path / "metadata.parquet"
    frame[columns].to_parquet(path)
    patches = BigEarthNet(path, folder / "x.lmdb", split="train", bands="s1")
    assert [patches[i]["patch_id"] for i in range(len(patches))] == IDS[:2]
    assert patches[1]["labels"].tolist() == dataset(folder)[1]["labels"].tolist()
    assert patches.metadata["country"].is_null().all()
    with pytest.raises(ConfigError, match=r"countries: .*metadata\.parquet has no countries"):
        BigEarthNet(path, folder / "x.lmdb", countries=["Austria"])
    frame[["patch_id", "split"]].to_parquet(path)
    with pytest.raises(TableError, match=r"expected the columns patch_id, labels, and if known"):
        BigEarthNet(path, folder / "x.lmdb")
    frame.assign(labels=frame["labels"].str.len()).to_parquet(path)
    with pytest.raises(TableError, match=r"not a readable table .*int64.*write or copy it again"):
        BigEarthNet(path, folder / "x.lmdb")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "val"}, r"split: expected some of train; validation; test, found \['val'\]"),
        ({"modality": "s3"}, r"modality: expected some of s2; s1; both, found \['s3'\]"),
        ({"bands": ["B10"]}, r"bands: .*found \['B10'\]"),
        ({"bands": ["VV"], "modality": "s2"}, r"bands: .*found \['VV'\]"),
        ({"bands": "RGB"}, r"bands: expected some of rgb; .*B8A.*, found \['RGB'\]"),
        ({"size_px": 0}, "size_px: expected at least 1, found 0"),
        ({"bands": []}, "bands: expected some of B01; .*, found none"),
        (
            {"bands": ["B04"], "modality": "both"},
            "bands of s1: expected some of VH; VV, found none",
        ),
        ({"countries": []}, "countries: expected some of Austria; Serbia, found none"),
        ({"labels": []}, "labels: expected some of Agro-forestry areas; .*, found none"),
        ({"countries": ["Peru"]}, r"countries: .*Austria.*found \['Peru'\]"),
        ({"labels": ["Snow"]}, r"labels: .*Arable land.*found \['Snow'\]"),
        ({"match": "most"}, r"match: expected some of any; all, found \['most'\]"),
        (
            {"classes": ["Pastures"]},
            r"metadata\.parquet: expected labels from Pastures; found \['Arable land', "
            r"'Inland waters'\]; pass all classes",
        ),
    ],
    ids=str,
)
def test_unknown_names_are_refused(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dataset(folder, **options)


def test_a_missing_entry_is_said(folder: Path, tmp_path: Path) -> None:
    with write_lmdb(tmp_path / "y.lmdb"):
        pass
    patches = BigEarthNet(folder / "metadata.parquet", tmp_path / "y.lmdb")
    with pytest.raises(StoreError, match=f"the entry '{IDS[0]}' is missing"):
        patches[0]
    with pytest.raises(StoreError, match=f"expected entries of {IDS[0]}, found none"):
        patches.plot(0)
    with pytest.raises(IndexError):
        dataset(folder)[5]


def _first(patches: BigEarthNet, results: Any) -> None:
    results.put(int(patches[0]["s2"].sum()))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_every_process_reads(folder: Path, method: str) -> None:
    patches = dataset(folder)
    total = int(patches[0]["s2"].sum())  # the LMDB is open here already
    context = multiprocessing.get_context(method)
    results = context.Queue()
    worker = context.Process(target=_first, args=(patches, results))
    worker.start()
    assert results.get(timeout=60) == total
    worker.join(60)
    assert worker.exitcode == 0


def test_several_datasets_share_one_lmdb(folder: Path) -> None:
    train, test = dataset(folder, split="train"), dataset(folder, split="test")
    assert train[0]["patch_id"] == IDS[0]
    assert test[0]["patch_id"] == IDS[3]
    assert pickle.loads(pickle.dumps(train))[1]["patch_id"] == IDS[1]


class ConfigILMReader:
    """Opens and reads like ConfigILM's BENv2 reader."""

    def __init__(self, path: Path) -> None:
        self.env = lmdb.open(
            str(path), map_size=8 * 1024**3, readonly=True, lock=False, meminit=False,
            readahead=True,
        )  # fmt: skip

    def __call__(self, key: str) -> dict[str, np.ndarray]:
        with self.env.begin(write=False, buffers=True) as txn:
            value = txn.get(key.encode("utf-8"))
            return load(bytes(value))  # type: ignore[no-any-return]


def test_other_readers_open_it(folder: Path, tmp_path: Path) -> None:
    read = ConfigILMReader(shutil.copytree(folder / "x.lmdb", tmp_path / "x.lmdb"))
    for i, name in enumerate(IDS):
        for key, arrays in ((name, s2_arrays(i)), (f"{SCENE}_33UUP_0_{i}", s1_arrays(i))):
            found = read(key)
            assert found.keys() == arrays.keys()
            for band, array in arrays.items():
                np.testing.assert_array_equal(found[band], array)
                assert found[band].dtype == array.dtype
    read.env.close()


def test_published_lmdb_is_read(reference: Path, tmp_path: Path) -> None:
    frame = pl.read_parquet(reference / "published/metadata.parquet")
    path = str(reference / "scene/published_lmdb")
    with lmdb.open(path, readonly=True, lock=False) as env, env.begin() as txn:
        values = {key.decode(): value for key, value in txn.cursor()}
    rows = frame.filter(pl.col("patch_id").is_in(list(values)))
    assert len(rows) > 0
    write_table(tmp_path / "metadata.parquet", rows, METADATA)
    patches = BigEarthNet(
        tmp_path / "metadata.parquet", reference / "scene/published_lmdb", modality="both"
    )
    for i, row in enumerate(rows.iter_rows(named=True)):
        patch = patches[i]
        for image, key, bands in (("s2", "patch_id", S2_BANDS), ("s1", "s1_name", S1_BANDS)):
            native = load(values[row[key]])
            for band, found in zip(bands, patch[image], strict=True):  # type: ignore[literal-required]
                step = 120 // len(native[band])
                np.testing.assert_array_equal(found[::step, ::step], native[band])
                assert (found == found[::step, ::step].repeat(step, 0).repeat(step, 1)).all()
