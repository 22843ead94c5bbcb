"""Batches: the pixels of the reader, whole, in seeded order; and what a model gets of them."""

import itertools
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

torch = pytest.importorskip("torch", reason="PyTorch is missing: make install-training")

from reben.dataset import BigEarthNet
from reben.domain.bands import S1_BANDS, S2_BANDS
from reben.domain.names import patch_id
from reben.domain.tables import METADATA, write_table
from reben.runtime.errors import ConfigError, StoreError
from reben.storage.lmdb_store import write_lmdb
from reben.torch_dataset import TorchBigEarthNet
from reben.training.bands import MODALITIES, PUBLISHED_STATISTICS, BandStatistics
from reben.training.batches import BatchedBigEarthNet, BatchLoader, BatchOrder
from reben.training.prepare import prepare, prepare_reference_maps, random_flips
from tests.geotiffs import SCENE, TILE, reference_map, s1_arrays, s2_arrays

COUNT = 23
IDS = [patch_id(TILE, 0, row) for row in range(COUNT)]
S1_NAMES = [f"{SCENE}_33UUP_0_{row}" for row in range(COUNT)]
NO_CHANGE = dict.fromkeys((*S1_BANDS, *S2_BANDS), BandStatistics(0, 1))


def write_store(path: Path, changed: dict[str, bytes] | None = None) -> None:
    entries = {}
    for i, (name, s1_name) in enumerate(zip(IDS, S1_NAMES, strict=True)):
        entries[name] = save(s2_arrays(i))
        entries[s1_name] = save(s1_arrays(i))
        entries[f"{name}_reference_map"] = save({"Data": reference_map(i)["reference_map"]})
    with write_lmdb(path) as writer:
        for key, value in sorted((entries | (changed or {})).items()):
            writer.put(key, value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dataset")
    frame = pl.DataFrame(
        {
            "patch_id": IDS,
            "labels": [["Pastures"], ["Arable land", "Pastures"]] * 11 + [["Inland waters"]],
            "split": ["train"] * COUNT,
            "s1_name": S1_NAMES,
        }
    ).with_columns(
        pl.lit(None).alias(name)
        for name in METADATA.names
        if name not in ("patch_id", "labels", "split", "s1_name")
    )
    write_table(root / "metadata.parquet", frame, METADATA)
    write_store(root / "x.lmdb")
    return root


def batched(folder: Path, bands: Any = MODALITIES["all"], **options: Any) -> BatchedBigEarthNet:
    return BatchedBigEarthNet(folder / "metadata.parquet", folder / "x.lmdb", bands, **options)


def native(i: int, band: str) -> np.ndarray:
    return (s1_arrays(i) if band in S1_BANDS else s2_arrays(i))[band]


def test_the_channels_of_a_model_are_those_of_the_published_weights() -> None:
    assert MODALITIES["s1"] == ("VV", "VH")
    assert MODALITIES["s2"] == (
        "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12",
    )  # fmt: skip
    assert MODALITIES["all"] == MODALITIES["s1"] + MODALITIES["s2"]
    assert PUBLISHED_STATISTICS.keys() == set(MODALITIES["all"])


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_channel_is_its_band_normalised_by_its_statistics(
    folder: Path, modality: str
) -> None:
    rows = [7, 2, 20]
    bands = MODALITIES[modality]
    images = prepare(batched(folder, bands).__getitems__(rows), "cpu", bands)
    assert (images.shape, images.dtype) == ((3, len(bands), 120, 120), torch.float32)
    for (at, i), (channel, band) in itertools.product(enumerate(rows), enumerate(bands)):
        pixels = native(i, band)
        times = 120 // len(pixels)
        mean, std = PUBLISHED_STATISTICS[band]
        expected = (pixels.repeat(times, 0).repeat(times, 1) - mean) / std
        np.testing.assert_allclose(images[at, channel], expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=40)
@given(
    bands=st.lists(st.sampled_from(S1_BANDS + S2_BANDS), min_size=1, unique=True),
    size_px=st.sampled_from([20, 60, 64, 120, 128, 224, 240]),
    rows=st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=3),
)
def test_a_batch_has_the_pixels_of_the_reader_for_any_bands_and_size(
    folder: Path, bands: list[str], size_px: int, rows: list[int]
) -> None:
    images = prepare(batched(folder, bands).__getitems__(rows), "cpu", bands, NO_CHANGE, size_px)
    for (at, i), (channel, band) in itertools.product(enumerate(rows), enumerate(bands)):
        paths = folder / "metadata.parquet", folder / "x.lmdb"
        patch: Any = BigEarthNet(*paths, bands=[band], size_px=size_px)[i]
        np.testing.assert_array_equal(
            images[at, channel], patch["s1" if band in S1_BANDS else "s2"][0].astype("float32")
        )


def test_each_patch_and_its_reference_map_are_flipped_as_it_was_told(folder: Path) -> None:
    rows = [0, 1, 2, 3]
    flips = torch.tensor([[False, False], [True, False], [False, True], [True, True]])
    batch = batched(folder, reference_maps=True).__getitems__(rows)
    for get in (
        lambda flips: prepare(batch, "cpu", MODALITIES["all"], flips=flips),
        lambda flips: prepare_reference_maps(batch, "cpu", flips=flips),
    ):
        plain, flipped = get(None), get(flips)
        for at, axes in enumerate([(), (-2,), (-1,), (-2, -1)]):
            np.testing.assert_array_equal(flipped[at], plain[at].flip(axes))
    codes = prepare_reference_maps(batch, "cpu")
    assert codes.dtype == torch.int64
    np.testing.assert_array_equal(codes[2], reference_map(2)["reference_map"])
    half = prepare_reference_maps(batch, "cpu", size_px=60)
    np.testing.assert_array_equal(half, codes[:, ::2, ::2])


def test_flips_are_drawn_for_each_patch_and_way() -> None:
    flips = random_flips(4000, torch.Generator().manual_seed(1))
    assert flips.shape == (4000, 2)
    shares = [(flips == torch.tensor(pair)).all(1).float().mean() for pair in np.ndindex(2, 2)]
    np.testing.assert_allclose(shares, 0.25, atol=0.03)
    again = random_flips(4000, torch.Generator().manual_seed(1))
    assert (flips == again).all()


def test_a_batch_keeps_types_and_native_sizes_and_knows_its_labels(folder: Path) -> None:
    batch = batched(folder, reference_maps=True).__getitems__([1, 22])
    assert batch.patch_ids == [IDS[1], IDS[22]]
    assert (batch.pixels["s2"].dtype, batch.pixels["s1"].dtype) == (torch.uint16, torch.float32)
    assert batch.pixels["s2"].shape[1] < 4 * 120**2 + 6 * 60**2 + 2 * 20**2
    np.testing.assert_array_equal(batch.bands(["B05", "B06"])[1, 1], native(22, "B06"))
    assert batch.labels.dtype == torch.float32
    found = [
        [name for name, hot in zip(batched(folder).classes, row, strict=True) if hot]
        for row in batch.labels
    ]
    assert found == [["Arable land", "Pastures"], ["Inland waters"]]


def test_values_of_another_layout_are_read_too(folder: Path, tmp_path: Path) -> None:
    """Such as those of a merged LMDB: with further bands, or bands in another order."""
    more = save({**s2_arrays(3), "A": np.zeros((7, 7), "uint16")})
    swapped = save(s2_arrays(4)).replace(b'"B02"', b'"B??"').replace(b'"B03"', b'"B02"')
    write_store(tmp_path / "x.lmdb", {IDS[3]: more, IDS[4]: swapped.replace(b'"B??"', b'"B03"')})
    bands = MODALITIES["s2"]
    patches = BatchedBigEarthNet(folder / "metadata.parquet", tmp_path / "x.lmdb", bands)
    found = prepare(patches.__getitems__([2, 3, 4]), "cpu", bands, NO_CHANGE)
    expected = prepare(batched(folder, bands).__getitems__([2, 3, 4]), "cpu", bands, NO_CHANGE)
    assert torch.equal(found[:2], expected[:2])
    assert torch.equal(found[2, :2], expected[2, :2].flip(0))
    assert torch.equal(found[2, 2:], expected[2, 2:])


def damaged(kind: str) -> dict[str, bytes]:
    if kind == "truncated":
        return {IDS[5]: save(s2_arrays(5))[:-9]}
    if kind == "other size":
        return {IDS[5]: save(s2_arrays(5, 600))}
    if kind == "no band":
        return {IDS[5]: save({b: a for b, a in s2_arrays(5).items() if b != "B05"})}
    if kind == "no safetensors":
        return {IDS[5]: b"\xff" * 4000}
    arrays = s1_arrays(5)
    arrays["VV"][3, 4:6] = {"nan": np.nan, "zero": -np.inf}[kind]
    return {S1_NAMES[5]: save(arrays)}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("truncated", rf"{IDS[5]}: expected B02, .* as in the other entries"),
        ("other size", rf"{IDS[5]}: expected B02, .*B02 has the shape \(60, 60\)"),
        ("no band", rf"{IDS[5]}: expected B02, .* found: 'B05'"),
        ("no safetensors", rf"{IDS[5]}: expected B02"),
        ("nan", rf"{S1_NAMES[5]}: expected numbers in VV, found 2 pixels that are NaN or infinite"),
        ("zero", rf"{S1_NAMES[5]}: expected numbers in VV, found 2 pixels"),
    ],
)
def test_a_damaged_entry_is_named(folder: Path, tmp_path: Path, kind: str, message: str) -> None:
    write_store(tmp_path / "x.lmdb", damaged(kind))
    bands = MODALITIES["all"]
    patches = BatchedBigEarthNet(folder / "metadata.parquet", tmp_path / "x.lmdb", bands)
    with pytest.raises(StoreError, match=message):
        patches.__getitems__([4, 5])
    if kind != "other size":  # which is right alone
        patches = BatchedBigEarthNet(folder / "metadata.parquet", tmp_path / "x.lmdb", bands)
        with pytest.raises(StoreError, match=message):
            patches.__getitems__([5])


def test_a_split_without_patches_is_refused(folder: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"metadata\.parquet: expected patches of test with s2 and s1, found none"
    ):
        batched(folder, split="test")
    with pytest.raises(ConfigError, match="size_px: batches have the pixels as they are stored"):
        batched(folder, size_px=224)


def test_an_order_depends_on_seed_and_epoch_and_goes_on_at_any_step() -> None:
    def order(epoch: int, first_step: int = 0, **options: Any) -> list[list[int]]:
        batches = BatchOrder(COUNT, 5, **options)
        found = list(batches.epoch(epoch, first_step))
        assert len(found) == max(len(batches) - first_step, 0)
        return found

    assert order(0) == [list(range(i, min(i + 5, COUNT))) for i in range(0, COUNT, 5)]
    assert order(3, seed=42) == order(3, seed=42)
    assert order(3, seed=42) != order(4, seed=42)
    assert order(3, seed=42) != order(3, seed=24)
    assert sorted(itertools.chain(*order(3, seed=42))) == list(range(COUNT))
    assert order(3, 2, seed=42) == order(3, seed=42)[2:]
    assert order(3, 9, seed=42) == []
    assert order(3, seed=42, drop_last=True) == order(3, seed=42)[:-1]


@given(count=st.integers(1, 60), batch_size=st.integers(4, 9), world_size=st.integers(1, 4))
def test_processes_share_each_batch_of_one_order(
    count: int, batch_size: int, world_size: int
) -> None:
    whole = list(BatchOrder(count, batch_size, seed=1).epoch(0))
    shares = [
        list(BatchOrder(count, batch_size, seed=1, rank=rank, world_size=world_size).epoch(0))
        for rank in range(world_size)
    ]
    assert all(batch for share in shares for batch in share)
    for step, batch in enumerate(whole):
        parts = [share[step] for share in shares if step < len(share)]
        assert sorted(itertools.chain(*parts)) == sorted(batch)


def test_a_batch_smaller_than_the_number_of_processes_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one patch for each of 4 processes, found 3"):
        BatchOrder(10, 3, world_size=4)


@pytest.fixture(scope="module")
def loader(folder: Path) -> BatchLoader:
    patches = batched(folder, reference_maps=True)
    return BatchLoader(patches, BatchOrder(COUNT, 2, seed=1), workers=3)


def test_workers_yield_the_batches_of_the_order(loader: BatchLoader, folder: Path) -> None:
    plain = BatchLoader(batched(folder, reference_maps=True), BatchOrder(COUNT, 2, seed=1))
    for epoch in (0, 1):
        kept = list(loader.epoch(epoch))
        assert len(kept) == len(loader) == 12
        for found, expected in zip(kept, plain.epoch(epoch), strict=True):
            assert found.patch_ids == expected.patch_ids
            for image, pixels in expected.pixels.items():
                assert torch.equal(found.pixels[image], pixels)
            assert torch.equal(found.labels, expected.labels)
            assert torch.equal(found.reference_maps, expected.reference_maps)


def test_an_epoch_that_was_left_or_resumed_does_not_disturb_the_next(loader: BatchLoader) -> None:
    whole = [batch.patch_ids for batch in loader.epoch(5)]
    for batch in loader.epoch(2):
        assert len(batch) == 2
        break
    assert [batch.patch_ids for batch in loader.epoch(5, first_step=4)] == whole[4:]


def test_workers_read_at_once_and_not_too_far_ahead(folder: Path) -> None:
    """Two batches each, which bounds the memory; and reading waits for nobody."""
    together = threading.Barrier(3)
    begun = []

    class Watched(BatchedBigEarthNet):
        def read(self, indices: Any, **options: Any) -> Any:
            begun.append(indices)
            together.wait(timeout=60)
            return super().read(indices, **options)

    patches = Watched(folder / "metadata.parquet", folder / "x.lmdb", "rgb")
    epoch = BatchLoader(patches, BatchOrder(COUNT, 1), workers=3).epoch(0)
    next(epoch)
    next(epoch)
    time.sleep(0.2)
    assert len(begun) <= 2 * 3 + 2
    together.abort()


def test_an_error_in_a_worker_is_that_of_the_reader(folder: Path, tmp_path: Path) -> None:
    write_store(tmp_path / "x.lmdb", damaged("nan"))
    patches = BatchedBigEarthNet(folder / "metadata.parquet", tmp_path / "x.lmdb", MODALITIES["s1"])
    with pytest.raises(StoreError, match=rf"{S1_NAMES[5]}: expected numbers in VV"):
        list(BatchLoader(patches, BatchOrder(COUNT, 8), workers=2).epoch(0))


def test_a_plain_loader_takes_single_patches_and_whole_batches(folder: Path) -> None:
    """As in anyone's own code."""
    single = TorchBigEarthNet(
        folder / "metadata.parquet", folder / "x.lmdb", bands="rgb", reference_maps=True
    )
    patch = single[1]
    types = {name: value.dtype for name, value in patch.items() if name != "patch_id"}
    assert types == {"s2": torch.float32, "labels": torch.float32, "reference_map": torch.int64}
    stacked = list(torch.utils.data.DataLoader(single, batch_size=4, num_workers=1))
    assert stacked[0]["s2"].shape == (4, 3, 120, 120)
    whole = list(
        torch.utils.data.DataLoader(
            batched(folder, "rgb"), batch_size=4, num_workers=1, collate_fn=lambda batch: batch,
            prefetch_factor=4,
        )
    )  # fmt: skip
    for expected, batch in zip(stacked, whole, strict=True):
        found = prepare(batch, "cpu", ("B04", "B03", "B02"), NO_CHANGE)
        assert torch.equal(found, expected["s2"])
