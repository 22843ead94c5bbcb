"""Check the files of a build against the checksums in its audit, and the audit itself."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from reben.audit.digests import geotiffs, in_place, read_csv, to_csv
from reben.audit.outputs import global_digests, table_paths
from reben.domain.names import FileName
from reben.results.layout import IMAGE_STAGES, Layout
from reben.runtime.errors import RebenError, StoreError
from reben.runtime.files import files_below, read_json, sha256_file
from reben.storage.lmdb_store import content_digest, trailing_bytes
from reben.storage.patch_container import patch_reader
from reben.storage.patch_tar import INDEX, TAR, TarReader
from reben.verify.audited_build import AuditedBuild, Finding, listed

#: Locations of files that an audit covers, one per level.
_FOLDERS = (
    "dataset", "tables", "tables/*", "quality", "land_cover", "patches", "reference_maps",
    "encoded/*",
)  # fmt: skip


def claimed_hashes(build: AuditedBuild, tile: str, stage: str) -> dict[str, str]:
    """SHA-256 of a tile's GeoTIFFs by name, from the audit.

    Raises:
        TableError: the table is missing or malformed.
    """
    return read_csv(build.layout.tile_hashes(stage, tile))


def check_geotiffs(build: AuditedBuild, tile: str, stage: str) -> Iterator[Finding]:
    """Check the GeoTIFFs of a tile against their checksums, and these against the manifest."""
    claimed = claimed_hashes(build, tile, stage)
    table = build.layout.tile_hashes(stage, tile)
    if sha256_file(table) != build.manifest["outputs"]["tiles"][tile][stage]:
        yield Finding(table, "its digest is not the one in the manifest")
    root = build.layout.images(stage, tile)
    if not root.is_dir():
        if claimed:
            build.note_absent(root)
        return
    there = geotiffs(root) if build.sample is None else _geotiffs_of(build, root, claimed)

    def place(name: str) -> Path:
        """Path of the file, or where it would be if the folder were not a tar."""
        known = FileName.match(name)
        return root / (known.patch if known else name.rpartition("_")[0]) / f"{name}.tif"

    def digest_of(name: str) -> str:
        try:
            return there[name]()
        except (OSError, RebenError) as error:
            return f"nothing that can be read ({error})"

    for name in sorted(there.keys() - claimed.keys()):
        yield Finding(place(name), "is not in the audit's checksums")
    if build.sample is None:
        for name in sorted(claimed.keys() - there.keys()):
            yield Finding(place(name), "is in the audit's checksums but missing")
        yield from check_folder(build, root)
    names = sorted(there.keys() & claimed.keys())
    with ThreadPoolExecutor() as pool:
        for name, found in zip(names, pool.map(digest_of, names), strict=True):
            if found != claimed[name]:
                yield Finding(place(name), f"sha256: expected {claimed[name]}, found {found}")


def _geotiffs_of(
    build: AuditedBuild, root: Path, claimed: dict[str, str]
) -> dict[str, Callable[[], str]]:
    """Functions for the SHA-256 of a few patches' GeoTIFFs: listing millions takes long."""
    store = patch_reader(root)
    names = [name for name in map(FileName.match, claimed) if name]
    patches = set(build.pick({name.patch for name in names}))

    def of(name: FileName) -> Callable[[], str]:
        data = partial(store.read, name.patch, name.layer)
        return lambda: hashlib.sha256(data()).hexdigest()

    return {str(name): of(name) for name in names if name.patch in patches}


def check_folder(build: AuditedBuild, root: Path) -> Iterator[Finding]:
    """Extra files in a tile's folder: GeoTIFFs and patches that should not be there."""
    strays = []
    if (root / TAR).exists():
        if damage := TarReader(root).damage():
            yield Finding(root / TAR, damage)
        strays = [name for name in files_below(root) if name not in (TAR, INDEX)]
    else:
        for name in sorted(files_below(root)):
            if name.endswith(".tif") and not in_place(name):
                yield Finding(root / name, "is not in the folder of its patch")
            elif not name.endswith(".tif"):
                strays.append(name)
        for folder in sorted(path for path in root.iterdir() if path.is_dir()):
            if not any(folder.iterdir()):
                yield Finding(folder, "is empty; no patch of that name was audited")
    note_strays(build, root, strays)


def note_strays(build: AuditedBuild, folder: Path, strays: list[str]) -> None:
    """Note files that no audit covers; hidden files are Snakemake's."""
    if strays := [name for name in strays if not name.startswith(".")]:
        build.notes.append(f"{folder}: not covered by the audit: {listed(strays)}")


def check_files(build: AuditedBuild) -> Iterator[Finding]:
    """Check tables, shards and the LMDB's file against the manifest."""
    outputs = build.manifest["outputs"]
    below = Layout("")
    stores = {below.lmdb.as_posix(): outputs["lmdb"]} | {
        below.shard(kind, tile).as_posix(): digests
        for tile, entry in outputs["tiles"].items()
        for kind, digests in entry["shards"].items()
    }
    claimed = dict(outputs["files"])
    if build.sample is None:
        claimed |= {f"{store}/data.mdb": digests["data.mdb"] for store, digests in stores.items()}
    else:
        build.notes.append(
            f"only {build.sample} patches of each tile were checked; LMDB and shards were "
            "not digested completely"
        )
    for name in set(table_paths(build.layout, build.config, build.tiles)) - set(claimed):
        build.note_absent(build.results / name, "nor when the audit was made")
    for name, expected in sorted(claimed.items()):
        path = build.results / name
        if not path.is_file():
            if path.parent == build.layout.dataset:
                yield Finding(path, "is in the manifest but missing")
            else:
                build.note_absent(path.parent if path.name == "data.mdb" else path)
        elif (found := sha256_file(path)) != expected:
            text = f"sha256: expected {expected}, found {found}"
            if path.name == "data.mdb" and _same_entries(path, stores[str(Path(name).parent)]):
                text += "; but its entries match the manifest, stored in another layout"
            yield Finding(path, text)
    for store in stores:
        path = build.results / store / "data.mdb"
        try:
            if path.is_file() and (hidden := trailing_bytes(path.parent)):
                yield Finding(path, f"has {hidden} bytes after its last page")
        except StoreError as error:
            yield Finding(path, str(error))
    known = {Path(name) for name in claimed} | {Path(store) for store in stores}
    known |= {below.images(stage, tile) for stage in IMAGE_STAGES for tile in build.tiles}
    for pattern in _FOLDERS:
        for folder in sorted(path for path in build.results.glob(pattern) if path.is_dir()):
            inside = folder.relative_to(build.results)
            parents = {path.parent for path in known} | {Path("encoded")}
            strays = [
                path.name
                for path in folder.iterdir()
                if inside / path.name not in known and inside / path.name not in parents
            ]
            note_strays(build, folder, strays)


def _same_entries(path: Path, claimed: dict[str, str]) -> bool:
    try:
        return content_digest(path.parent) == claimed["content"]
    except RebenError:
        return False


def check_audit(build: AuditedBuild) -> Iterator[Finding]:
    """Check the files of the audit against each other."""
    layout, outputs = build.layout, build.manifest["outputs"]
    for name, found in global_digests(layout, outputs).items():
        if found != outputs["global"][name]:
            path = layout.hashes(name) if name in IMAGE_STAGES else layout.manifest
            claimed = outputs["global"][name]
            yield Finding(path, f"global digest of {name}: expected {claimed}, found {found}")
    for stage in IMAGE_STAGES:
        table, digest = layout.hashes(stage), layout.hashes_digest(stage)
        joined = to_csv(
            {k: v for tile in build.tiles for k, v in claimed_hashes(build, tile, stage).items()}
        )
        if joined.encode() != table.read_bytes():
            yield Finding(table, "does not match the tables in tiles/")
        if digest.read_text(encoding="utf-8") != sha256_file(table):
            yield Finding(digest, f"is not the SHA-256 of {table.name}")
    for tile in build.tiles:
        path = layout.tile_digest(tile)
        if read_json(path) != outputs["tiles"][tile]:
            yield Finding(path, "does not match the manifest")
    if read_json(layout.audit_config) != build.config:
        yield Finding(layout.audit_config, "is not the config in the manifest")
    nomenclature = build.manifest["inputs"]["files"]["labels.nomenclature"]["sha256"]
    if sha256_file(layout.audit_nomenclature) != nomenclature:
        yield Finding(layout.audit_nomenclature, "is not the nomenclature that the manifest names")
    yield from check_crate(build)


def check_crate(build: AuditedBuild) -> Iterator[Finding]:
    """Check the RO-Crate against its files and against the manifest."""
    path = build.layout.crate
    for entity in read_json(path)["@graph"]:
        if entity["@id"] == "#dataset":
            claimed = f"{build.manifest['dataset']['patches']} patches"
            if entity["size"] != claimed:
                yield Finding(path, f"size: expected {claimed}, found {entity['size']}")
        if "sha256" in entity:
            file = path.parent / entity["@id"]
            if not file.is_file():
                yield Finding(file, "is in the crate but missing")
            elif sha256_file(file) != entity["sha256"]:
                yield Finding(file, f"its SHA-256 is not the one in {path.name}")
