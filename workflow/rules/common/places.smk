"""Inputs that several rules share, and their command-line options."""

from functools import lru_cache, partial

from reben.config.scene_table import read_scenes
from reben.memory.plan import option_words
from reben.memory.sources import Source
from reben.runtime.errors import RebenError
from reben.runtime.files import file_facts, read_json


def options(**values):
    """Command-line options for the values that are set, quoted for the shell."""
    return shlex.join(option_words(values))


def given(condition, path):
    """An input that exists only if the config requires it."""
    return path if condition else []


def of_tiles(place):
    """A path of a tile (`reben.results.layout`), for all tiles."""
    return [place(tile) for tile in TILES]


def every(place):
    """The same as one argument, since a command line has no room for thousands of tiles."""
    return place("*")


def source(key, kind="all", detail=""):
    """The path under a dotted key of the config, as an external input: {key: Source}."""
    section, name = key.split(".")
    path = config[section][name]
    return {} if path is None else {key: Source(Path(path), kind, str(detail))}


# Kinds of images that are packed.
PACKED = ["s2", *given(SENTINEL1, ["s1"]), "reference_maps"]

# What other targets make for the report to link, and those of them that this run makes.
SHARED = {
    "catalogue": [RESULTS.card, RESULTS.croissant, RESULTS.collection, RESULTS.items],
    "draw_overview": [RESULTS.overview],
    "archive": [RESULTS.archive(kind) for kind in PACKED],
    "table2": given(not TRAINING["dataset"], [MODELS.page]),  # else it is of another
}
ASKED_FOR = SHARED.keys() & set(sys.argv) if workflow.is_main_process else set()


def linked_files():
    """The files of other targets that the report links, below the results."""
    return [
        str(path.relative_to(RESULTS.root))
        for rule, paths in SHARED.items()
        for path in paths
        if rule in ASKED_FOR or path.exists()
    ]


def land_cover_maps():
    """The raster files of the land cover and their legend, as external inputs: {key: Source}."""
    maps = land_cover.patterns(config)
    files = {key: Source(Path(path), "rasters") for key, path in maps.items()}
    return {**files, **source("land_cover.legend")}


def results_root(wildcards):
    """The results folder, for steps that read a finished build."""
    return RESULTS.root


def fetched_product(tile):
    """The product that becomes a tile, and whether it is fetched or copied."""
    product = PRODUCTS[tile]
    return {"product": product.product, "from": product.source}


def local_product(level, tile):
    """The zip or folder of a tile's product on this machine, if it has this level and is copied."""
    product = PRODUCTS[tile]
    copied = product.level == level and product.path and not product.is_used_in_place
    return {"product": Source(Path(product.path))} if copied else {}


def l2a_path(tile):
    """The L2A folder of a tile: the user's own, or the one that the workflow makes."""
    product = PRODUCTS[tile]
    return Path(product.path) if product.is_used_in_place else RESULTS.l2a(tile)


def l2a_source(tile, kind="all", detail=""):
    """The same as an external input, even if sen2cor made it: its content counts, since
    sen2cor gives its products a new name every time."""
    return {"product": Source(l2a_path(tile), kind, detail)}


def l2a_made_here(wildcards):
    """The L2A folder of a tile if the workflow makes it; nothing if it is the user's own."""
    return given(
        not PRODUCTS[wildcards.tile].is_used_in_place, RESULTS.l2a(wildcards.tile)
    )


def verdict_now(tile, found):
    """What the indicators of a product that was cut say by the rule of today."""
    if "indicators" not in found:
        return {"verdict": None}
    from reben.quality import failed  # with libraries that planning does not need

    return {"verdict": failed(found["indicators"], REQUIRED)}


def lost_clips(tile, found):
    """Of the clips that the manifest names, those that somebody has deleted."""
    lost = [
        t for t in TILES if (name := clip_name(t)) and not RESULTS.clip(name).exists()
    ]
    return {"lost": lost} if lost else {}


@lru_cache
def read_manifest(path, mtime_ns):
    """The clip of each tile. Read once for all tiles, and again if the file changes."""
    return {tile: entry["clip"] for tile, entry in read_json(path)["tiles"].items()}


def clip_name(tile):
    """The clip of a tile in the manifest; None if it has none yet."""
    path = RESULTS.clip_manifest
    if not path.exists():
        return None
    return read_manifest(path, path.stat().st_mtime_ns).get(tile)


def clips():
    """The checkpoint that clips the land cover, of polygons or of a raster map."""
    return checkpoints.clip_land_cover if FROM_MAP else checkpoints.clip_corine


def clip_of(wildcards):
    """The clip of a tile, once the clips are finished."""
    clips().get()
    return RESULTS.clip(clip_name(wildcards.tile))


def after_clip(wildcards):
    """No file. A rule with this input is evaluated again once the clips are finished.

    Snakemake marks everything after a checkpoint to run again, and reverts that only for
    jobs that request an input from the checkpoint. So every later rule requests one, even
    if it is empty: then unchanged jobs do not run. The same holds for the matches of scenes.
    """
    clips().get()
    return after_match(wildcards)


def after_match(wildcards):
    """The same for the matches of Sentinel-1 scenes with tiles, where patches are cut from them."""
    if SCENES:
        checkpoints.match_scenes.get()
    return []


@lru_cache
def read_matches(path, mtime_ns):
    """The scenes of each tile. Read once for all tiles, and again if the file changes."""
    return read_json(path)


def scenes_of(tile):
    """What of its Sentinel-1 scenes decides about the patches of a tile; places do not."""
    return [
        {key: value for key, value in scene.items() if key not in ("vv", "vh")}
        for scene in _scenes_of(tile)
    ]


def scene_rasters(tile):
    """The rasters of a tile's Sentinel-1 scenes as external inputs."""
    return {
        f"sentinel1.scenes/{scene['scene']}/{band}": Source(Path(scene[band.lower()]))
        for scene in _scenes_of(tile)
        for band in ("VV", "VH")
    }


def _scenes_of(tile):
    path = RESULTS.scene_matches
    if not path.exists():
        return []
    matches = read_matches(path, path.stat().st_mtime_ns)
    return [matches["scenes"][name] for name in matches["tiles"].get(tile, [])]


def all_rasters():
    """The rasters of all Sentinel-1 scenes in the table."""
    rows = read_scenes(config["sentinel1"]["scenes"]).values() if SCENES else []
    return [path for row in rows for path in row.rasters.values()]


def rasters_now(_, found):
    """Size and time of the rasters of all scenes; of those that are gone, what they had."""
    return {
        "rasters": {
            path: file_facts(path) if Path(path).exists() else facts
            for path, facts in found.get("rasters", {}).items()
        }
    }
