"""One layer of polygons in a vector file that somebody else made.

In: a GeoPackage, Shapefile, FileGDB, FlatGeobuf or another file that GDAL reads. Out: its features,
all of them or those near a place.

The file is not believed. Its spatial index may lack rows, its pages may be damaged, and GDAL then
gives fewer features without an error. So the extent of every feature is read once without the
index, and what the index leaves out is read by its number.
"""

import logging
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError

from reben.domain.lon_lat import unwrapped
from reben.runtime.errors import VectorError
from reben.storage.vector_files import local_file, pyogrio

log = logging.getLogger(__name__)

#: Kinds of layer; GeoJSON and others do not say which kind their geometries are.
_MAY_HOLD_POLYGONS = re.compile("Polygon|Surface|Collection|Unknown")
#: What pyogrio raises for a damaged file: its own errors, and text that is no UTF-8.
_FAULTS = (
    pyogrio.errors.DataSourceError,
    pyogrio.errors.DataLayerError,
    pyogrio.errors.FieldError,
    RuntimeError,
    ValueError,
)
#: A window (x_min, y_min, x_max, y_max) in the CRS of the layer.
Window = tuple[float, float, float, float]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Features:
    """Features that have a geometry.

    Attributes:
        ids: (n,) their numbers in the file.
        values: (n,) of one column.
        shapes: (n,) shapely geometries.
    """

    ids: NDArray[np.int64]
    values: NDArray[Any]
    shapes: NDArray[Any]

    def __getitem__(self, at: NDArray[np.intp]) -> "Features":
        return Features(self.ids[at], self.values[at], self.shapes[at])


@dataclass(frozen=True)
class VectorLayer:
    """A layer that may hold polygons.

    Attributes:
        path: the file.
        name: of the layer.
        fields: its columns.
        crs: its coordinate reference system.
        driver: of GDAL.
        count: how many features it says to have.
    """

    path: str
    name: str
    fields: list[str]
    crs: CRS
    driver: str
    count: int

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        key: str,
        wanted: str | None,
        expected: str,
        beside: re.Pattern[str] | None = None,
    ) -> Self:
        """Find the layer, where it is not given and only one fits.

        Of several layers, the one that is named as the file is: the releases of the Copernicus
        Land Monitoring Service hold the overseas departments of France as further layers.

        Args:
            path: the file.
            key: of the config that names the layer.
            wanted: name of the layer.
            expected: what the file should be, for messages.
            beside: names of layers that are taken only where there is no other.

        Raises:
            VectorError: unreadable, none or several fit, or the layer has no CRS.
        """
        path = local_file(path, expected)
        try:
            layers = [(str(name), str(kind)) for name, kind in pyogrio.list_layers(path)]
            names = [name for name, kind in layers if _MAY_HOLD_POLYGONS.search(kind)]
            if wanted is None and beside is not None:
                names = [name for name in names if not beside.search(name)] or names
            if wanted is None and len(names) > 1:
                stem = Path(path).stem.lower()
                names = [name for name in names if name.lower() == stem] or names
            every = [f"{name} ({kind})" for name, kind in layers]
            chosen = only(path, "polygon layer", key, names, wanted, among=every)
            info = pyogrio.read_info(path, layer=chosen, force_feature_count=True)
            if info["crs"] is None:
                raise VectorError(f"{path}, layer {chosen}: expected a CRS, found none")
            crs = CRS.from_user_input(info["crs"])
        except (*_FAULTS, CRSError) as error:
            raise VectorError(f"{path}: expected {expected}: {error}") from error
        fields = [str(field) for field in info["fields"]]
        return cls(path, chosen, fields, crs, str(info["driver"]), int(info["features"]))

    @property
    def where(self) -> str:
        """File and layer, for messages."""
        return f"{self.path}, layer {self.name}"

    def read(self, column: str) -> Features:
        """All features.

        Raises:
            VectorError: the file is damaged.
        """
        _ = self.extents  # says what has no geometry
        return self._parsed(*self._read([column]), column)

    def values(self, column: str) -> NDArray[Any]:
        """The values of a column, without reading geometries.

        Raises:
            VectorError: the file is damaged.
        """
        read = self._guarded(
            lambda: pyogrio.raw.read(
                self.path, layer=self.name, columns=[column], read_geometry=False
            )
        )
        return np.asarray(read[3][0], object)

    def near(self, column: str, windows: Sequence[Window]) -> Features:
        """The features in any of the windows.

        In degrees also those that are written as a ring round the globe, since they cross the
        antimeridian in a window.

        Raises:
            VectorError: the file is damaged.
        """
        ids, (x_min, y_min, x_max, y_max) = self.extents
        wanted = np.zeros(len(ids), bool)
        parts = [Features(ids[:0], np.empty(0, object), np.empty(0, object))]
        for west, south, east, north in windows:
            rows = (y_min <= north) & (y_max >= south)
            here = rows & (x_min <= east) & (x_max >= west)
            wanted |= here | (rows & (x_max - x_min > 180) & self.crs.is_geographic)
            if here.any():
                read = self._read([column], bbox=(west, south, east, north))
                parts.append(self._as_in_file(self._parsed(*read, column)))
        # GDAL may leave out what only the extent of reaches into a window, too.
        left_out = ids[wanted & ~np.isin(ids, np.concatenate([part.ids for part in parts]))]
        boxes = shapely.union_all([shapely.box(*window) for window in windows])
        if len(left_out):
            read = self._read([column], fids=left_out)
            parts.append(self._within(self._parsed(*read, column), boxes))
        joined = Features(
            *(
                np.concatenate([getattr(p, name) for p in parts])
                for name in ("ids", "values", "shapes")
            )
        )
        return joined[np.unique(joined.ids, return_index=True)[1]]

    def _as_in_file(self, found: Features) -> Features:
        """Those of the features that are what the file has under their numbers.

        A damaged index may give another in place of one.
        """
        ids, extents = self.extents
        order = np.argsort(ids)
        at = order[np.searchsorted(ids, found.ids, sorter=order).clip(max=len(ids) - 1)]
        there, read = extents[:, at], shapely.bounds(found.shapes).T
        # Arcs have become lines, which reach less far.
        slack = 0.01 * np.hypot(there[2] - there[0], there[3] - there[1]) + 1e-9
        same = (np.abs(there - read) <= slack).all(axis=0) | shapely.is_empty(found.shapes)
        return found[np.flatnonzero(same & (ids[at] == found.ids))]

    def _within(self, found: Features, boxes: shapely.Geometry) -> Features:
        """Those of the features in the boxes that the index did not give; says how many.

        Raises:
            VectorError: the file gives other features than before.
        """
        if len(self._as_in_file(found).ids) < len(found.ids):
            raise VectorError(
                f"{self.where}: feature {found.ids[0]} or one after it is not the same when it is "
                "read again; the file is damaged, fetch it again"
            )
        lacking = shapely.intersects(found.shapes, boxes)
        if lacking.any():
            log.warning(
                "%s: its spatial index lacks %d features near the tile, such as feature %d; they "
                "were read without it. Make the index again, with ogr2ogr for example",
                self.where,
                lacking.sum(),
                found.ids[lacking][0],
            )
        if self.crs.is_geographic:
            lacking |= [unwrapped(shape).intersects(boxes) for shape in found.shapes]
        return found[np.flatnonzero(lacking)]

    @cached_property
    def extents(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Numbers (n,) and extents (4, n) of all features, read without the index.

        The extent of a feature without geometry is nan. Logged once: how many there are.

        Raises:
            VectorError: the file is damaged.
        """
        ids, bounds = self._guarded(lambda: pyogrio.read_bounds(self.path, layer=self.name))
        ids, bounds = np.asarray(ids), np.asarray(bounds)
        if len(ids) < self.count:
            lacking = (
                f"{self.where}: it says to have {self.count} features, but {len(ids)} are read"
            )
            # Others than GDAL may leave the count of a GeoPackage as it was.
            if self.driver != "GPKG":
                raise VectorError(f"{lacking}; the file is damaged or incomplete, fetch it again")
            log.warning("%s; check that the file is complete", lacking)
        if (nothing := np.isnan(bounds).any(axis=0)).any():
            log.warning(
                "%s: %d of %d features (%.1f %%) have no geometry and are left out, such as "
                "feature %d; if the file is damaged, fetch it again",
                self.where,
                nothing.sum(),
                len(ids),
                100 * nothing.mean(),
                ids[nothing][0],
            )
        return ids, bounds

    @property
    def without_geometry(self) -> int:
        """How many features have none."""
        return int(np.isnan(self.extents[1]).any(axis=0).sum())

    def _read(
        self, columns: list[str], **which: Any
    ) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
        """Numbers, WKB and the values of a column."""
        _, ids, wkb, values = self._guarded(
            lambda: pyogrio.raw.read(
                self.path, layer=self.name, columns=columns, return_fids=True, **which
            )
        )
        return np.asarray(ids, np.int64), np.asarray(wkb, object), np.asarray(values[0], object)

    def _parsed(
        self, ids: NDArray[np.int64], wkb: NDArray[Any], values: NDArray[Any], column: str
    ) -> Features:
        there = np.array([shape is not None for shape in wkb], bool)
        ids, wkb, values = ids[there], wkb[there], values[there]
        shapes = shapely.from_wkb(wkb, on_invalid="ignore")
        if (wrong := shapely.is_missing(shapes)).any():
            first = int(np.flatnonzero(wrong)[0])
            try:
                shapely.from_wkb(wkb[first])
            except shapely.errors.ShapelyError as error:
                raise VectorError(
                    f"{self.where}, feature {ids[first]} ({column} {values[first]}): expected a "
                    f"polygon, found what is none ({error}), as in {wrong.sum()} features in all; "
                    "repair the layer, or fetch it again"
                ) from error
        return Features(ids, values, shapes)

    def _guarded(self, read: Callable[[], _T]) -> _T:
        try:
            return read()
        except _FAULTS as error:
            raise VectorError(
                f"{self.where}, {self._first_unreadable()}: the file is damaged ({error}); fetch "
                "it again, or make it again"
            ) from error

    def _first_unreadable(self) -> str:
        """Which feature cannot be read, in words."""
        low, high = 0, max(self.count, 1)  # those before `low` can be read
        if self._readable(low, high):
            return "in its spatial index or an attribute"
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._readable(low, middle) else (low, middle)
        return f"feature {low + 1} of {self.count} in the order of the file"

    def _readable(self, start: int, stop: int) -> bool:
        try:
            pyogrio.raw.read(
                self.path, layer=self.name, skip_features=start, max_features=stop - start
            )
        except _FAULTS:
            return False
        return True


def only(
    path: str,
    what: str,
    key: str,
    candidates: list[str],
    wanted: str | None,
    among: list[str] | None = None,
) -> str:
    """The one candidate, or the wanted one.

    Raises:
        VectorError: there is none, or there are several.
    """
    if wanted is not None and wanted in candidates:
        return wanted
    if wanted is None and len(candidates) == 1:
        return candidates[0]
    have = ", ".join(among or candidates) or "none"
    if wanted is not None:
        raise VectorError(f"{path}: {key} is {wanted!r}, but the file has: {have}")
    if not candidates and not among:
        raise VectorError(f"{path}: expected a {what}, found none")
    raise VectorError(
        f"{path}: expected one {what}, found {len(candidates)} among: {have}; set {key}"
    )
