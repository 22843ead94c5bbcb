"""Facts that all descriptions of the dataset share: name, version, licence, counts, files.

In: a finished build, and what its config says about the dataset. Out: `Facts`, for the audit,
the catalogue entries and the card.
"""

from dataclasses import dataclass
from datetime import date, datetime

from reben.domain.name_columns import tile_of_patch
from reben.domain.names import sensing_time
from reben.domain.split_geometry import SPLITS
from reben.results.finished import FinishedBuild
from reben.results.layout import CLEAR_TABLE, OBSCURED_TABLE
from reben.runtime.files import sha256_file

#: Address of the text of a licence, by SPDX name.
LICENCE_URL = "https://spdx.org/licenses/{}.html"
#: The method, to be cited with any dataset built this way.
METHOD = (
    "K. N. Clasen, L. Hackel, T. Burgert, G. Sumbul, B. Demir, V. Markl: reBEN: Refined "
    "BigEarthNet Dataset for Remote Sensing Image Analysis. IGARSS 2025, arXiv:2407.03653"
)
METADATA_TABLES = {
    "metadata": CLEAR_TABLE,
    "metadata_snow_cloud_shadow": OBSCURED_TABLE,
}


@dataclass(frozen=True)
class Facts:
    """What the descriptions state about a dataset.

    Attributes:
        name: name of the dataset.
        version: version of the dataset.
        licence: SPDX name.
        citation: how to cite the dataset, or None.
        published: day of publication, or None.
        patches: number of patches in both metadata tables.
        clear: number of patches in the first table.
        by_split: number of patches by split.
        with_sentinel1: number of patches with a Sentinel-1 patch.
        tiles: tiles with any patch.
        countries: countries of the patches, sorted; empty if they were not assigned.
        first: start of sensing of the first product.
        last: start of sensing of the last product.
        digests: SHA-256 of the metadata tables, by file name.
        land_cover: name of the land cover map.
        land_cover_credit: how it asks to be credited.
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
    land_cover: str
    land_cover_credit: str

    @property
    def attribution(self) -> str:
        """What the inputs ask to be said."""
        return f"Contains modified Copernicus Sentinel data. {self.land_cover_credit}"

    @property
    def licence_url(self) -> str:
        """Address of the licence text."""
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
            f"labels and pixel-level reference maps from {self.land_cover}"
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
    land_cover: str | None = None,
) -> Facts:
    """Collect the facts about a dataset.

    Args:
        build: a finished build.
        name: name of the dataset.
        version: version of the dataset.
        licence: SPDX name.
        citation: how to cite the dataset.
        published: day of publication.
        land_cover: name and release of the land cover map; None: the name in its legend.
    """
    metadata = build.metadata
    splits = dict(metadata["split"].value_counts().rows())
    tiles = metadata.select(tile_of_patch()).to_series().unique().sort().to_list()
    # Of all products, if no patch was kept.
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
        land_cover=land_cover or build.legend.map_name,
        land_cover_credit=build.legend.credit
        or f"Land cover: {land_cover or build.legend.map_name}",
    )
