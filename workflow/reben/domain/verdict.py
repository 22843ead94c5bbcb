"""The verdict on a product: whether it is accepted, why not, and what its metadata says.

In and out: the JSON that `reben.quality` writes for each tile. The fate of a product and the
position of its tile are read from here, not from the product.
"""

import os
from dataclasses import asdict, dataclass
from typing import Any, Self

from reben.domain.grid import TileGrid, TileSquare
from reben.runtime.errors import TableError
from reben.runtime.files import read_json, write_json

ACCEPTED = "accepted"
REJECTED = "rejected"
UNCHECKED = "unchecked"


@dataclass(frozen=True)
class Verdict:
    """The findings about one product.

    Attributes:
        tile: the tile that the product becomes.
        product: name of the product, without ``.SAFE``.
        accepted: whether patches are cut from it.
        reasons: required indicators that are not PASSED, as ``NAME=VALUE``.
        indicators: all quality indicators, by name.
        cloud_cover_percent: cloud cover of the tile, percent.
        nodata_percent: nodata in the tile, percent.
        processing_baseline: such as ``02.05``.
        relative_orbit: number of the relative orbit.
        sensing_time: UTC, as in the metadata.
        boa_add_offset: reflectance offset by band, 0 if there is none.
        footprint_lon_lat: ring of the sensed ground, degrees.
        square: where the tile lies.
        image_checksums: the file of the product by which its images are checked when they are
            cut, or ``unchecked``.
    """

    tile: str
    product: str
    accepted: bool
    reasons: list[str]
    indicators: dict[str, str]
    cloud_cover_percent: float
    nodata_percent: float
    processing_baseline: str
    relative_orbit: int
    sensing_time: str
    boa_add_offset: dict[str, int]
    footprint_lon_lat: list[tuple[float, float]]
    square: TileSquare
    image_checksums: str = UNCHECKED

    @property
    def word(self) -> str:
        """``accepted`` or ``rejected``."""
        return ACCEPTED if self.accepted else REJECTED

    def grid(self, patch_side_m: int) -> TileGrid:
        """The patches of the tile, with this side in metres.

        Raises:
            ConfigError: no patch of this side fits the tile.
        """
        return self.square.grid(patch_side_m)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Self:
        """The verdict from the output of `to_dict`.

        Raises:
            KeyError: a key is missing.
            TypeError: there are other keys, too.
        """
        rest = dict(value)
        accepted = rest.pop("verdict") == ACCEPTED
        return cls(accepted=accepted, square=TileSquare.from_dict(rest.pop("grid")), **rest)

    def to_dict(self) -> dict[str, Any]:
        """The content of the JSON: ``verdict`` is `word`, ``grid`` the place of the tile."""
        rest = {key: value for key, value in asdict(self).items() if key != "square"}
        del rest["accepted"]
        return {**rest, "verdict": self.word, "grid": self.square.to_dict()}

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read the verdict on one product.

        Raises:
            TableError: the file is missing or is not a verdict.
        """
        try:
            return cls.from_dict(read_json(path))
        except (KeyError, TypeError) as error:
            raise TableError(
                f"{path}: expected the verdict on a product, found something else "
                f"({type(error).__name__}: {error}); remove the file, so that the workflow makes "
                "it again"
            ) from error

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the verdict as JSON."""
        write_json(path, self.to_dict())
