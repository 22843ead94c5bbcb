"""Small products as delivered by CDSE."""

import io
import uuid
import zipfile
from collections.abc import Iterable
from pathlib import Path

from reben.cdse.catalogue import Entry
from reben.config.product_table import Product
from reben.synthetic import ProductSpec, write_product
from tests.standins.cdse_server import Archive

#: An MGRS tile, its UTM zone and a corner in it, for any number of names.
_EAST_M, _NORTH_M, _EPSG = 342_000, 5_340_000, 32633


def l1c_spec(number: int = 0, level: str = "L1C", **changes: object) -> ProductSpec:
    """The spec of one of many products, all small: 2 x 2 patches."""
    baseline = "N0205" if level == "L1C" else "N0500"
    return ProductSpec(
        f"S2A_MSI{level}_201706{13 + number % 15:02d}T1010{number % 60:02d}_{baseline}_R022_T33UUP"
        f"_20170613T1016{number % 60:02d}",
        **{  # type: ignore[arg-type]
            "epsg": _EPSG,
            "x_min": _EAST_M,
            "y_max": _NORTH_M,
            "side_m": 2400,
            **changes,
        },
    )


def make(root: Path, number: int = 0, level: str = "L1C", **changes: object) -> Path:
    """Write a small product; its ``.SAFE`` folder."""
    return write_product(root, l1c_spec(number, level, **changes), entropy=0.25)


def zipped(safe: Path, extra: Iterable[tuple[str, bytes]] = ()) -> bytes:
    """A product as packed by CDSE's zipper: no empty folders, no HTML, an extra preview."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as packed:
        for path in sorted(safe.rglob("*")):
            inside = path.relative_to(safe.parent)
            if path.is_file() and inside.parts[1] != "HTML":
                packed.write(path, inside.as_posix())
        packed.writestr(f"{safe.name}/{safe.stem}-ql.jpg", b"preview")
        for name, content in extra:
            packed.writestr(name, content)
    return buffer.getvalue()


def archive(safe: Path, **changes: object) -> Archive:
    """A product as the stand-in offers it."""
    identity = str(uuid.uuid5(uuid.NAMESPACE_URL, safe.stem))
    return Archive(safe.stem, identity, zipped(safe), **changes)  # type: ignore[arg-type]


def listed(archive: Archive, *, bare: bool = False) -> Product:
    """The product's row in a table: as written by `reben.products`, or only name and id."""
    if bare:
        return Product(archive.name, archive.name[7:10], "cdse", id=archive.id)
    return Entry.parse(archive.entry()).to_product()
