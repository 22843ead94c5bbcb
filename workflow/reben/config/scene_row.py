"""A scene of the table of Sentinel-1 scenes, as steps pass it on.

`reben.config.scene_table` reads the table, with libraries that not every step has.
"""

from dataclasses import dataclass
from typing import Any

from reben.domain.scene_names import SceneName


@dataclass(frozen=True)
class SceneRow:
    """A row of the scene table.

    Attributes:
        scene: full name of the product, without ``.SAFE``.
        vv: raster of VV, relative to where the workflow runs.
        vh: raster of VH.
        scale: ``db``, ``power`` or ``amplitude``.
        nodata: value without data, or None for what the raster declares.
        zero_is_nodata: whether 0 is without data as well.
        relative_orbit: 1 to 175, or None if unknown.
        speckle_filtered: whether speckle was filtered, or None if unknown.
    """

    scene: str
    vv: str
    vh: str
    scale: str
    nodata: float | None = None
    zero_is_nodata: bool = False
    relative_orbit: int | None = None
    speckle_filtered: bool | None = None

    @property
    def name(self) -> SceneName:
        """The parsed name."""
        return SceneName.parse(self.scene)

    @property
    def rasters(self) -> dict[str, str]:
        """The rasters by band."""
        return {"VV": self.vv, "VH": self.vh}

    def to_dict(self) -> dict[str, Any]:
        """The row as plain JSON; NaN as text."""
        value = dict(vars(self))
        if self.nodata is not None:
            value["nodata"] = repr(self.nodata)
        return value

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "SceneRow":
        """The row as returned by `to_dict`."""
        nodata = value["nodata"]
        return SceneRow(**value | {"nodata": None if nodata is None else float(nodata)})
