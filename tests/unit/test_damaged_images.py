"""A damaged image of a product in place is named by its manifest, since OpenJPEG decodes it."""

import random
import re
from pathlib import Path

import pytest

from reben import patches, quality
from reben.domain.names import ProductName
from reben.domain.verdict import Verdict
from reben.runtime.errors import ProductError, RasterError
from reben.safe.manifest import stated_images
from reben.safe.metadata import L2AProduct
from reben.sen2cor import check_product
from reben.synthetic import ProductSpec, write_product
from tests.manifests import restate

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"


def cut(product: Path, out: Path, *more: str) -> Path:
    patches.main(
        ["--product", str(product), "--tile", TILE, "--out", str(out / "patches"), *more]
        + ["--table", str(out / "table.parquet")]
    )
    return out


def pixels(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.rglob("*.tif")}


@pytest.mark.parametrize("seed", range(12))
def test_no_damage_becomes_pixels(
    product: Path, pristine_product: Path, tmp_path: Path, seed: int
) -> None:
    """Zeros, bytes of something else, a bit, an end that is missing: in any band, or in SCL."""
    rng = random.Random(seed)
    image = rng.choice(sorted(L2AProduct.open(product).images().values()))
    data = bytearray(image.read_bytes())
    at = rng.randrange(len(data) // 4, len(data))
    kind = rng.choice(["zeros", "noise", "bit", "short"])
    if kind == "bit":
        data[at] ^= 1 << rng.randrange(8)
    elif kind == "short":
        del data[at:]
    else:
        length = min(64, len(data) - at)
        data[at : at + length] = bytes(length) if kind == "zeros" else rng.randbytes(length)
    if bytes(data) == image.read_bytes():
        pytest.skip("zeros where there were zeros")
    image.write_bytes(data)
    # Where OpenJPEG notices the damage too, either error may come first.
    with pytest.raises((ProductError, RasterError), match=rf"{image.name}: (damaged: by|expected)"):
        cut(product, tmp_path / "damaged")
    assert pixels(tmp_path / "damaged") == {}
    with pytest.raises(ProductError, match=rf"{image.name}: damaged: by manifest\.safe"):
        check_product(product, TILE)


def test_a_rejected_product_need_not_be_sound(spec: ProductSpec, tmp_path: Path) -> None:
    product = write_product(
        tmp_path,
        ProductSpec(
            spec.name, spec.epsg, spec.x_min, spec.y_max, spec.side_m,
            quality={"GENERAL_QUALITY": "FAILED"},
        ),
    )  # fmt: skip
    L2AProduct.open(product).band_file("B04").write_bytes(b"\0")
    cut(product, tmp_path / "out", "--required", "GENERAL_QUALITY")


def verdict(product: Path, out: Path) -> Verdict:
    quality.main(["--product", str(product), "--tile", TILE, "--out", str(out)])
    return Verdict.read(out)


def without_manifest(product: Path) -> None:
    (product / "manifest.safe").unlink()


def unreadable(product: Path) -> None:
    """As baseline 02.08 has it at times."""
    manifest = product / "manifest.safe"
    manifest.write_text(manifest.read_text().replace("</byteStream>", "", 1))


def without_one_image(product: Path) -> None:
    manifest = product / "manifest.safe"
    text = manifest.read_text()
    name = L2AProduct.open(product).band_file("B02").name
    shorter = re.sub(
        rf"<dataObject ID=[^>]*><byteStream[^>]*><[^>]*{name}.*?</dataObject>", "", text
    )
    assert shorter != text
    manifest.write_text(shorter)


def of_early_sen2cor(product: Path) -> None:
    """Version 2.1.2 writes a path where the size should be, and no checksum."""
    manifest = product / "manifest.safe"
    text = re.sub(r'size="\d+"', 'size="/elsewhere/x.jp2"', manifest.read_text())
    manifest.write_text(re.sub(r">[0-9a-f]{32,64}</checksum>", "></checksum>", text))


def of_an_unknown_algorithm(product: Path) -> None:
    manifest = product / "manifest.safe"
    manifest.write_text(manifest.read_text().replace('checksumName="MD5"', 'checksumName="CRC"'))


@pytest.mark.parametrize(
    "change",
    [without_manifest, unreadable, without_one_image, of_early_sen2cor, of_an_unknown_algorithm],
)
def test_what_no_manifest_vouches_for_is_said_to_be_unchecked(
    product: Path, pristine_product: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    change: object,
) -> None:  # fmt: skip
    assert verdict(product, tmp_path / "before.json").image_checksums == "manifest.safe"
    assert "unchecked" not in caplog.text
    change(product)  # type: ignore[operator]
    assert verdict(product, tmp_path / "after.json").image_checksums == "unchecked"
    assert pixels(cut(product, tmp_path / "a")) == pixels(cut(pristine_product, tmp_path / "b"))
    assert re.search(r"\d+ of 13 images are unchecked", caplog.text)


def test_paths_of_the_machine_that_made_it_count_by_their_end(
    product: Path, tmp_path: Path
) -> None:
    """As in products of baseline 02.08, whose paths are also broken over lines."""
    manifest = product / "manifest.safe"
    text = manifest.read_text()
    manifest.write_text(text.replace('href="./GRANULE', 'href="/dpc/app/x/S2A_OPER\n_MSI/GRANULE'))
    assert verdict(product, tmp_path / "v.json").image_checksums == "manifest.safe"
    image = L2AProduct.open(product).band_file("B03")
    image.write_bytes(image.read_bytes()[:-1])
    with pytest.raises(ProductError, match=rf"{image.name}: damaged"):
        check_product(product, TILE)


def test_a_modern_product_has_sha3(tmp_path: Path) -> None:
    name = "S2A_MSIL2A_20230613T101031_N0509_R022_T33UUP_20240101T000000"
    product = write_product(tmp_path, ProductSpec(name, 32633, 300_000, 5_400_000, 1200))
    images = L2AProduct.open(product).images()
    stated = stated_images(product, images.values())
    assert len(stated) == len(images) == 13
    assert {known.checksum.partition(":")[0] for known in stated.values()} == {"sha3_256"}
    for path, known in stated.items():
        known.check(path)
    restate(product)
    assert stated_images(product, images.values()) == stated
    assert ProductName.parse(product.name).baseline == "N0509"
