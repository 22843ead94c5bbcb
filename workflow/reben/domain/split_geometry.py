"""The frames of a tile that define the split.

With p and q the area shares of the inner square and the inner frame, the outer frame is
(1 - √(p+q))/2 of the tile's side wide and the inner one (√(p+q) - √p)/2. The BigEarthNet
v2 paper (section III) prints the two the other way round; the published table follows
these formulas.
"""

from math import sqrt

from reben.runtime.errors import ConfigError

SPLITS = ("train", "validation", "test")


def frame_widths(p: float, q: float) -> tuple[float, float]:
    """Widths of the outer and the inner frame as shares of the tile's side.

    Raises:
        ConfigError: p and q are not area shares that leave room for the outer frame.
    """
    if not (p > 0 and q >= 0 and p + q < 1):
        raise ConfigError(
            f"split.p is {p} and split.q is {q}; expected the area shares of test and "
            "validation, with p > 0, q >= 0 and p + q < 1"
        )
    return (1 - sqrt(p + q)) / 2, (sqrt(p + q) - sqrt(p)) / 2
