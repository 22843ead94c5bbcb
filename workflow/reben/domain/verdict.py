"""The verdict on a product: whether it is accepted, why not, and what its metadata says.

In and out: the JSON that `reben.quality` writes for each tile. Whoever asks what became of a
product, or where its tile lies, reads it here and not from the product.
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
    """What was found about one product.

    Attributes:
        tile: the tile that the product is.
        product: name of the product, without ``.SAFE``.
        accepted: whether patches are cut from it.
        reasons: required indicators that are not PASSED, as ``NAME=VALUE``.
        indicators: all quality indicators, by name.
        cloud_cover_percent: share of the tile, percent.
        nodata_percent: share of the tile, percent.
        processing_baseline: as ``02.05``.
        relative_orbit: its number.
        sensing_time: UTC, as the metadata writes it.
        boa_add_offset: reflectance offset by band, 0 where there is none.
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
        """The patches of the tile, of this side in metres.

        Raises:
            ConfigError: no patch of this side fits the tile.
        """
        return self.square.grid(patch_side_m)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Self:
        """The verdict as `to_dict` gives it.

        Raises:
            KeyError: something is missing in it.
            TypeError: it holds something else, too.
        """
        rest = dict(value)
        accepted = rest.pop("verdict") == ACCEPTED
        return cls(accepted=accepted, square=TileSquare.from_dict(rest.pop("grid")), **rest)

    def to_dict(self) -> dict[str, Any]:
        """What the JSON holds: ``verdict`` is `word`, ``grid`` the place of the tile."""
        rest = {key: value for key, value in asdict(self).items() if key != "square"}
        del rest["accepted"]
        return {**rest, "verdict": self.word, "grid": self.square.to_dict()}

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read the verdict on one product.

        Raises:
            TableError: the file is missing, or no verdict.
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
