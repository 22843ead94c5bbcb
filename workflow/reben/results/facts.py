"""What every description of the dataset says alike: name, version, licence, counts, files.

In: a finished build, and what its config says of the dataset. Out: `Facts`, for the audit, the
catalogue entries and the card.
"""

from dataclasses import dataclass
from datetime import date, datetime

from reben.domain.name_columns import tile_of_patch
from reben.domain.names import ProductName, parse_time
from reben.domain.split_geometry import SPLITS
from reben.results.finished import FinishedBuild
from reben.results.layout import CLEAR_TABLE, OBSCURED_TABLE
from reben.runtime.files import sha256_file

#: Where the text of a licence is, by its SPDX name.
LICENCE_URL = "https://spdx.org/licenses/{}.html"
#: The method, to be cited with any dataset that is built this way.
METHOD = (
    "K. N. Clasen, L. Hackel, T. Burgert, G. Sumbul, B. Demir, V. Markl: reBEN: Refined "
    "BigEarthNet Dataset for Remote Sensing Image Analysis. IGARSS 2025, arXiv:2407.03653"
)
#: What the inputs ask to be named.
ATTRIBUTION = (
    "Contains modified Copernicus Sentinel data. CORINE Land Cover: © European Union, "
    "Copernicus Land Monitoring Service, European Environment Agency"
)
METADATA_TABLES = {
    "metadata": CLEAR_TABLE,
    "metadata_snow_cloud_shadow": OBSCURED_TABLE,
}


@dataclass(frozen=True)
class Facts:
    """What the descriptions state about a dataset.

    Attributes:
        name: of the dataset.
        version: of the dataset.
        licence: SPDX name.
        citation: how to cite the dataset, or None.
        published: the day on which it was, or None.
        patches: in both metadata tables.
        clear: of them in the first table.
        by_split: of them, by split.
        with_sentinel1: of them with a Sentinel-1 patch.
        tiles: with any patch.
        countries: of the patches, sorted; empty where they were not assigned.
        first: start of sensing of the first product.
        last: the same of the last one.
        digests: SHA-256 of the metadata tables, by file name.
    """

    name: str
    version: str
    licence: str
    citation: str | None
    published: date | None
    patches: int
    clear: int
    by_split: dict[str, int]
    with_sentinel1: int
    tiles: list[str]
    countries: list[str]
    first: datetime
    last: datetime
    digests: dict[str, str]

    @property
    def licence_url(self) -> str:
        """Where its text is."""
        return LICENCE_URL.format(self.licence)

    @property
    def identifier(self) -> str:
        """The name as an identifier: lower case, without spaces."""
        return "-".join(self.name.lower().split())

    @property
    def summary(self) -> str:
        """One sentence on the dataset."""
        return (
            f"{self.patches:,} Sentinel-2 patches of {len(self.tiles)} tiles with land cover "
            "labels and pixel-level reference maps from CORINE Land Cover"
            + (", paired with Sentinel-1" if self.with_sentinel1 else "")
            + "."
        )


def gather_facts(
    build: FinishedBuild,
    *,
    name: str,
    version: str,
    licence: str,
    citation: str | None = None,
    published: date | None = None,
) -> Facts:
    """Count what the descriptions say.

    Args:
        build: a finished build.
        name: of the dataset.
        version: of the dataset.
        licence: SPDX name.
        citation: how to cite the dataset.
        published: the day on which it was.
    """
    metadata = build.metadata
    splits = dict(metadata["split"].value_counts().rows())
    tiles = metadata.select(tile_of_patch()).to_series().unique().sort().to_list()
    # Of all products, where no patch was kept.
    times = sorted(sensing_time(tile) for tile in tiles or build.tiles)
    return Facts(
        name=name,
        version=version,
        licence=licence,
        citation=citation,
        published=published,
        patches=len(metadata),
        clear=int((~metadata["obscured"]).sum()),
        by_split={split: splits.get(split, 0) for split in SPLITS},
        with_sentinel1=int(metadata["s1_name"].is_not_null().sum()),
        tiles=tiles,
        countries=metadata["country"].drop_nulls().unique().sort().to_list(),
        first=times[0],
        last=times[-1],
        digests={
            file: sha256_file(build.layout.dataset / file) for file in METADATA_TABLES.values()
        },
    )


def sensing_time(tile: str) -> datetime:
    """Start of the datatake, from the name of the tile."""
    return parse_time(ProductName.parse(tile).sensing)
