"""Distances of validation and test patches to the nearest training patch.

Neighbouring patches are similar, so a test patch next to a training patch tests little.
The split by place in the tile separates them; this module measures it and two other
splits of the same patches with the same shares.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from reben.domain.lon_lat import beside

#: Side of a block of the grid split, in patches (a ninth of a full tile's).
BLOCK_PATCHES = 10
#: A training patch this near, centre to centre in sides of a patch, is next door.
NEXT_DOOR = 1.5
#: Distance from a zone's edge up to which training patches may be nearest to its patches, degrees.
_REACH_DEG = 4.0
_SEED = 20180

Metres = NDArray[np.float64]


@dataclass(frozen=True)
class SplitDistances:
    """Distances of one way to split, centre to centre, metres.

    Attributes:
        title: name of the way to split.
        note: short description of it.
        to_train: distances to the nearest training patch, by split.
    """

    title: str
    note: str
    to_train: dict[str, Metres]

    def next_door(self, split: str, patch_side_m: int) -> float:
        """Share of the patches of a split with a training patch next door; nan if it is empty."""
        distances = self.to_train[split]
        return (
            float((distances <= NEXT_DOOR * patch_side_m).mean())
            if len(distances)
            else float("nan")
        )

    def median(self, split: str) -> float:
        """Median distance, metres; nan if the split is empty."""
        distances = self.to_train[split]
        return float(np.median(distances)) if len(distances) else float("nan")


def compare_splits(patches: pl.DataFrame) -> list[SplitDistances]:
    """Measure the split of a dataset, a grid split and a random one.

    Args:
        patches: rows of `tables.PATCHES` with ``split``, for the patches of the dataset.
    """
    split = patches["split"].to_numpy()
    places = Places.of(patches)
    block = block_size(patches)
    return [
        SplitDistances("This dataset", "by place in the tile", places.to_train(split)),
        SplitDistances(
            "Grid split",
            f"squares of {block} by {block} patches at random",
            places.to_train(grid_split(patches, block)),
        ),
        SplitDistances(
            "Random split", "every patch at random", places.to_train(random_split(split))
        ),
    ]


def random_split(split: NDArray[np.object_]) -> NDArray[np.object_]:
    """The same splits assigned at random."""
    return np.random.default_rng(_SEED).permutation(split)


def block_size(patches: pl.DataFrame) -> int:
    """Side of a block, in patches: smaller where tiles are small."""
    last = patches["col"].max()
    return min(BLOCK_PATCHES, max(2, last // 4)) if isinstance(last, int) else BLOCK_PATCHES


def grid_split(patches: pl.DataFrame, block: int) -> NDArray[np.object_]:
    """Assign complete blocks of each tile to splits at random, with the same shares."""
    keys = patches.select("tile", pl.col("col", "row") // block)
    names = keys.unique().sort("tile", "col", "row").with_row_index("block")
    rank = np.random.default_rng(_SEED).permutation(len(names))
    blocks = keys.join(names, on=["tile", "col", "row"], how="left", maintain_order="left")["block"]
    order = rank[blocks.to_numpy()]
    # Assign the splits block by block, until each has as many patches as in the dataset.
    dealt = np.sort(patches["split"].to_numpy())
    starts = np.searchsorted(np.sort(order), np.arange(len(names)))
    return np.asarray(dealt[starts[order]])


@dataclass(frozen=True)
class Places:
    """The centres of patches.

    Attributes:
        epsg: UTM zone of each, (n,).
        x_y: centre in its zone, metres, (n, 2).
        lon_lat: centre, degrees, (n, 2).
    """

    epsg: NDArray[np.int64]
    x_y: Metres
    lon_lat: NDArray[np.float64]

    @classmethod
    def of(cls, patches: pl.DataFrame) -> "Places":
        """The centres of rows of `tables.PATCHES`."""
        epsg = patches["epsg"].to_numpy()
        x_y = patches.select(
            (pl.col("x_min") + pl.col("x_max")) / 2, (pl.col("y_min") + pl.col("y_max")) / 2
        ).to_numpy()
        lon_lat = np.empty_like(x_y)
        for zone in np.unique(epsg):
            here = epsg == zone
            lon_lat[here] = _transform(f"EPSG:{zone}", "EPSG:4326", x_y[here])
        return cls(epsg, x_y, lon_lat)

    def to_train(self, split: NDArray[np.object_]) -> dict[str, Metres]:
        """Distance to the nearest training patch, by split; empty without training patches.

        Measured in the UTM zone of the patch, with training patches of neighbouring zones
        projected into it.
        """
        found: dict[str, list[Metres]] = {"validation": [], "test": []}
        for zone in np.unique(self.epsg):
            here = self.epsg == zone
            # Beside the zone's meridian: its neighbour may lie beyond the antimeridian.
            lon_lat = self.lon_lat.copy()
            lon_lat[:, 0] = beside(lon_lat[:, 0], 6.0 * (zone % 100) - 183)
            low, high = lon_lat[here].min(axis=0), lon_lat[here].max(axis=0)
            near = (lon_lat > low - _REACH_DEG) & (lon_lat < high + _REACH_DEG)
            train = (split == "train") & near.all(axis=1)
            if not train.any():
                continue
            x_y = self.x_y.copy()
            other = train & ~here
            if other.any():
                x_y[other] = _transform("EPSG:4326", f"EPSG:{zone}", self.lon_lat[other])
            tree = shapely.STRtree(shapely.points(x_y[train]))
            for name, parts in found.items():
                points = shapely.points(x_y[here & (split == name)])
                _, distances = tree.query_nearest(points, return_distance=True, all_matches=False)
                parts.append(distances)
        return {name: np.concatenate([np.empty(0), *parts]) for name, parts in found.items()}


def _transform(source: str, target: str, points: Metres) -> Metres:
    transformer = Transformer.from_crs(source, target, always_xy=True)
    return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))
