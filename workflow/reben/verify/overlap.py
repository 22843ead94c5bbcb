"""Find patches of different splits that share ground in one season.

Neighbouring tiles overlap by about 10 km, so the same ground can be in several patches.
The split follows the place in the tile, so that the overlap, at the edge of both tiles, is
for training in both: that is the reason for its design.
"""

import numpy as np
import polars as pl
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from reben.domain.name_columns import parts_of_tile

#: Common plane for Europe; elsewhere distances are wrong, but overlaps are not.
_CRS = "EPSG:3035"
_SEASON_OF_MONTH = dict(
    zip(range(1, 13), ["winter"] * 2 + ["spring"] * 3 + ["summer"] * 3 + ["fall"] * 3 + ["winter"],
        strict=True)
)  # fmt: skip
_PAIRS = {
    "patch_id": pl.String,
    "other": pl.String,
    "split": pl.String,
    "other_split": pl.String,
    "share": pl.Float64,
}
#: Shares of a patch below this are touching edges, rounded by the projection.
MIN_SHARE = 1e-3


def footprints(patches: pl.DataFrame) -> NDArray[np.object_]:
    """The squares of patches in one plane.

    Args:
        patches: epsg, x_min, y_min, x_max, y_max.

    Returns:
        (n,) shapely polygons.
    """
    shapes = np.empty(len(patches), object)
    for (epsg,), rows in patches.with_row_index("at").group_by("epsg"):
        boxes = shapely.box(*rows.select("x_min", "y_min", "x_max", "y_max").to_numpy().T)
        to_plane = Transformer.from_crs(f"EPSG:{epsg}", _CRS, always_xy=True)
        shapes[rows["at"].to_numpy()] = shapely.transform(
            boxes, to_plane.transform, interleaved=False
        )
    return shapes


def seasons(patches: pl.DataFrame) -> pl.Series:
    """The meteorological season in which each patch was sensed, from its tile's name."""
    date = parts_of_tile().struct.field("date")
    month = patches.select(date.str.slice(4, 2).cast(pl.Int8)).to_series()
    return month.replace_strict(_SEASON_OF_MONTH, return_dtype=pl.String)


def shared_ground(patches: pl.DataFrame) -> pl.DataFrame:
    """Pairs of patches of different splits that overlap on the ground in one season.

    Args:
        patches: patch_id, tile, split, epsg, x_min, y_min, x_max, y_max.

    Returns:
        Columns patch_id, other, split, other_split, share (of the first patch's area).
    """
    rows = patches.with_columns(season=seasons(patches))
    shapes = footprints(rows)
    found = []
    for season in rows["season"].unique().sort():
        at = np.flatnonzero((rows["season"] == season).to_numpy())
        split = rows["split"].to_numpy()[at]
        # Each pair once: the tree has all patches, and only the later of two looks up the earlier.
        a, b = shapely.STRtree(shapes[at]).query(shapes[at], predicate="intersects")
        keep = (a < b) & (split[a] != split[b])
        a, b = at[a[keep]], at[b[keep]]
        share = shapely.area(shapely.intersection(shapes[a], shapes[b])) / shapely.area(shapes[a])
        big = share > MIN_SHARE
        names, splits = rows["patch_id"], rows["split"]
        found.append(
            pl.DataFrame(
                {
                    "patch_id": names.gather(a[big]),
                    "other": names.gather(b[big]),
                    "split": splits.gather(a[big]),
                    "other_split": splits.gather(b[big]),
                    "share": share[big],
                }
            )
        )
    return pl.concat(found) if found else pl.DataFrame(schema=_PAIRS)
