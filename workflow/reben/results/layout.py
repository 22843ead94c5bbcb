"""The layout of results: the path of each output of a build below its results folder.

In: the results folder, and a tile where needed. Out: paths. The rules write to these paths and
the command-line tools read from them; steps get their paths as options. Instead of a tile,
``{tile}`` gives the pattern for a rule, and ``*`` the argument that stands for the files of
all tiles (`reben.results.tile_paths`). Only the standard library is imported: the Snakefile
imports this module wherever it is read, on every node of a cluster.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reben.domain.names import tile_of

#: Folders of GeoTIFFs, by the stage that makes them; each has a folder for every tile.
IMAGE_STAGES = ("patches", "reference_maps")

#: Folders of a build below the results, in the order of the data.
STAGES = (
    *("l1c", "l2a", "sen2cor", "quality", "patches", "land_cover"),
    *("reference_maps", "sentinel1", "tables", "encoded", "dataset"),
    *("audit", "report", "archives", "models", "checkpoints", "logs"),
)
#: Names in a dataset folder, which can be anywhere, e.g. published or shared.
CLEAR_TABLE = "metadata.parquet"
OBSCURED_TABLE = "metadata_for_patches_with_snow_cloud_or_shadow.parquet"
LMDB = "BigEarthNet.lmdb"
CLASS_COUNTS = "class_counts.csv"
#: The file in its folder.
LMDB_DATA = "data.mdb"
#: Archives, by the kind of images that they hold; each holds a folder of the same name.
ARCHIVES = {"s2": "BigEarthNet-S2", "s1": "BigEarthNet-S1", "reference_maps": "Reference_Maps"}


@dataclass(frozen=True)
class Layout:
    """The places of the results of one build.

    Attributes:
        root: the results folder, as the user writes it.
    """

    root: str | os.PathLike[str]

    def _at(self, *parts: str) -> Path:
        return Path(self.root, *parts)

    # Products.

    def l1c(self, tile: str) -> Path:
        """Folder that holds the L1C product of a tile."""
        return self._at("l1c", tile)

    def l2a(self, tile: str) -> Path:
        """L2A product of a tile, a folder."""
        return self._at("l2a", f"{tile}.SAFE")

    @property
    def sen2cor_version(self) -> Path:
        """Version of the installed sen2cor, as checked (JSON)."""
        return self._at("sen2cor", "version.json")

    def verdict(self, tile: str) -> Path:
        """Verdict on the product of a tile (JSON; `reben.quality`)."""
        return self._at("quality", f"{tile}.json")

    # GeoTIFFs, a folder for every tile.

    def images(self, stage: str, tile: str) -> Path:
        """Folder of the GeoTIFFs of a tile; `stage` is one of `IMAGE_STAGES`."""
        return self._at(stage, tile)

    def patches(self, tile: str) -> Path:
        """Folder of the patches of a tile."""
        return self.images("patches", tile)

    def reference_maps(self, tile: str) -> Path:
        """Folder of the reference maps of a tile."""
        return self.images("reference_maps", tile)

    def cut_sentinel1(self, tile: str) -> Path:
        """Folder of the Sentinel-1 patches of a tile that were cut from scenes."""
        return self._at("sentinel1", tile)

    def sentinel1_root(self, settings: Mapping[str, Any]) -> Path | None:
        """The folder of all Sentinel-1 patches: the user's, or that of those cut here.

        Args:
            settings: the config's section ``sentinel1``.

        Returns:
            The folder, None for a dataset without Sentinel-1. Tables of pairs name the patches
            below it.
        """
        if settings.get("scenes"):
            return self._at("sentinel1")
        return Path(settings["root"]) if settings["root"] else None

    def patch(self, name: str) -> Path:
        """Folder of the bands of a patch, if they are stored as files.

        Raises:
            ProductError: `name` is not a patch name.
        """
        return self.patches(tile_of(name)) / name

    def reference_map(self, name: str) -> Path:
        """Folder of the reference map of a patch, if it is stored as a file.

        Raises:
            ProductError: `name` is not a patch name.
        """
        return self.reference_maps(tile_of(name)) / name

    # Land cover.

    @property
    def clip_manifest(self) -> Path:
        """The clip of the land cover for each tile (JSON); the clips are next to it."""
        return self._at("land_cover", "manifest.json")

    def clip(self, name: str) -> Path:
        """A clip, by its name in the manifest: GeoParquet of polygons, or GeoTIFF."""
        return self._at("land_cover", name)

    # Tables of the steps, see `reben.domain.tables`.

    def tile_table(self, name: str, tile: str) -> Path:
        """Table of one tile: ``patches``, ``code_counts``, ``labels``, ``split``, ``sentinel1``."""
        return self.tile_tables(name) / f"{tile}.parquet"

    def tile_tables(self, name: str) -> Path:
        """Folder of these tables for all tiles."""
        return self._at("tables", name)

    def table(self, name: str) -> Path:
        """Table over all tiles, such as ``selection`` or ``countries``."""
        return self._at("tables", f"{name}.parquet")

    def patch_table(self, tile: str) -> Path:
        """All patches of a tile."""
        return self.tile_table("patches", tile)

    def code_counts(self, tile: str) -> Path:
        """Pixels of each land cover code in each patch of a tile."""
        return self.tile_table("code_counts", tile)

    def labels(self, tile: str) -> Path:
        """Labels of the patches of a tile."""
        return self.tile_table("labels", tile)

    def split(self, tile: str) -> Path:
        """Split of the patches of a tile."""
        return self.tile_table("split", tile)

    def sentinel1(self, tile: str) -> Path:
        """Sentinel-1 patches paired with the patches of a tile."""
        return self.tile_table("sentinel1", tile)

    @property
    def sentinel1_index(self) -> Path:
        """All Sentinel-1 patches below the root of the config."""
        return self.table("sentinel1_index")

    @property
    def scene_index(self) -> Path:
        """All Sentinel-1 scenes of the config's table, with their grids (JSON)."""
        return self._at("tables", "scenes.json")

    @property
    def scene_matches(self) -> Path:
        """The Sentinel-1 scenes of each tile (JSON)."""
        return self._at("tables", "scenes_of_tiles.json")

    @property
    def countries(self) -> Path:
        """Country of each patch."""
        return self.table("countries")

    @property
    def alignment(self) -> Path:
        """Name of each patch in BigEarthNet v1."""
        return self.table("alignment")

    @property
    def snow_cloud(self) -> Path:
        """Flags of snow, and of cloud or shadow."""
        return self.table("snow_cloud")

    @property
    def selection(self) -> Path:
        """Which patches are in the dataset, and why the others are not."""
        return self.table("selection")

    # Shards.

    def shard(self, kind: str, tile: str) -> Path:
        """LMDB of one tile, a folder; `kind` is one of `reben.domain.names.ENTRY_KINDS`."""
        return self._at("encoded", kind, f"{tile}.lmdb")

    # The dataset folder, for sharing.

    @property
    def dataset(self) -> Path:
        """Folder to share."""
        return self._at("dataset")

    @property
    def metadata(self) -> Path:
        """Patches without snow, cloud or shadow."""
        return self.dataset / CLEAR_TABLE

    @property
    def obscured(self) -> Path:
        """Patches with snow, cloud or shadow."""
        return self.dataset / OBSCURED_TABLE

    @property
    def lmdb(self) -> Path:
        """LMDB of all kept patches, a folder."""
        return self.dataset / LMDB

    @property
    def lmdb_data(self) -> Path:
        """The only file of that LMDB."""
        return self.lmdb / LMDB_DATA

    @property
    def class_counts(self) -> Path:
        """Patches by class and split (CSV)."""
        return self.dataset / CLASS_COUNTS

    @property
    def funnel(self) -> Path:
        """What became of the patches, by tile (CSV)."""
        return self.dataset / "funnel.csv"

    @property
    def quality(self) -> Path:
        """What became of the products (CSV)."""
        return self.dataset / "quality.csv"

    @property
    def overview(self) -> Path:
        """Picture of the dataset (PNG)."""
        return self.dataset / "overview.png"

    @property
    def collection(self) -> Path:
        """STAC collection (JSON)."""
        return self.dataset / "collection.json"

    @property
    def items(self) -> Path:
        """STAC items of all patches (stac-geoparquet)."""
        return self.dataset / "items.parquet"

    @property
    def croissant(self) -> Path:
        """Croissant description (JSON)."""
        return self.dataset / "croissant.json"

    @property
    def card(self) -> Path:
        """Card of the dataset (Markdown)."""
        return self.dataset / "README.md"

    @property
    def footprints(self) -> Path:
        """Metadata with the outlines of the patches (GeoParquet)."""
        return self.dataset / "footprints.parquet"

    # Audit, report, archives, logs.

    @property
    def audit(self) -> Path:
        """Folder of the audit."""
        return self._at("audit")

    @property
    def manifest(self) -> Path:
        """Manifest of the build (JSON)."""
        return self.audit / "manifest.json"

    @property
    def crate(self) -> Path:
        """Description of the audit as an RO-Crate (JSON)."""
        return self.audit / "ro-crate-metadata.json"

    @property
    def audit_config(self) -> Path:
        """Copy of the resolved config (JSON)."""
        return self.audit / "config.json"

    @property
    def audit_nomenclature(self) -> Path:
        """Copy of the nomenclature, so that labels can be derived again from the results (CSV)."""
        return self.audit / "nomenclature.csv"

    @property
    def audit_readme(self) -> Path:
        """Description of the audit folder (Markdown)."""
        return self.audit / "README.md"

    @property
    def audit_snakefile(self) -> Path:
        """Copy of the Snakefile."""
        return self.audit / "Snakefile"

    def tile_digest(self, tile: str) -> Path:
        """Digests of all outputs of a tile (JSON)."""
        return self.audit / "tiles" / f"{tile}.json"

    def tile_hashes(self, stage: str, tile: str) -> Path:
        """SHA-256 of the GeoTIFFs of a tile (CSV); `stage` is one of `IMAGE_STAGES`."""
        return self.audit / "tiles" / f"{tile}.{stage}.csv"

    def hashes(self, stage: str) -> Path:
        """SHA-256 of all GeoTIFFs (CSV), named as in the published build."""
        name = {"patches": "patch_hashes", "reference_maps": "reference_maps_hashes"}[stage]
        return self.audit / f"{name}.csv"

    def hashes_digest(self, stage: str) -> Path:
        """SHA-256 of `hashes`, named as in the published build."""
        return Path(f"{self.hashes(stage)}.sha256")

    @property
    def report(self) -> Path:
        """Folder of the report's pages."""
        return self._at("report")

    @property
    def archives(self) -> Path:
        """Folder of the archives."""
        return self._at("archives")

    def archive(self, kind: str) -> Path:
        """Archive of the GeoTIFFs of a kind, a key of `ARCHIVES`."""
        return self.archives / f"{ARCHIVES[kind]}.tar.zst"

    @property
    def archive_checksums(self) -> Path:
        """SHA-256 of the archives and of the tables beside them, as `sha256sum` writes them."""
        return self.archives / "SHA256SUMS"

    @property
    def logs(self) -> Path:
        """Folder of the logs."""
        return self._at("logs")

    def log(self, rule: str, tile: str | None = None) -> Path:
        """Log of a rule's job, by tile if the rule has one job per tile."""
        return self.logs / f"{rule}.log" if tile is None else self.logs / rule / f"{tile}.log"
