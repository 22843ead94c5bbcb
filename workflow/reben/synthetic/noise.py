"""Seeded randomness in space: smooth fields, cells and hashes.

Only additions, multiplications, divisions and integer operations touch pixels, so the
fields are the same on every processor.
"""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Key = Sequence[int | str]
Float = NDArray[np.float32]


def generator(*key: int | str) -> np.random.Generator:
    """A generator seeded only by the key; words are hashed with CRC-32."""
    words = (zlib.crc32(k.encode()) if isinstance(k, str) else k % 2**32 for k in key)
    return np.random.default_rng(list(words))


def hash32(*parts: NDArray[np.int32] | NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Mix whole numbers into 32 random-looking bits, element by element."""
    mixed: NDArray[np.uint32] = np.uint32(0x9E3779B9) + np.zeros(1, np.uint32)
    for part in parts:
        mixed = (mixed ^ part.astype(np.uint32)) * np.uint32(0x85EBCA6B)
        mixed = (mixed ^ (mixed >> np.uint32(15))) * np.uint32(0xC2B2AE35)
        mixed = mixed ^ (mixed >> np.uint32(13))
    return mixed


def grain(rng: np.random.Generator, shape: tuple[int, int]) -> Float:
    """Pixel noise, mean 0, standard deviation 1, triangular (the sum of two bytes)."""
    first, second = rng.integers(0, 256, (2, *shape), dtype=np.uint8)
    total: Float = first.astype(np.float32) + second
    total -= np.float32(255)
    total *= np.float32(1 / 104.5)
    return total


class SmoothNoise:
    """Octaves of random lattices, interpolated by quadratic B-splines.

    Values range from about -1 to 1. Rows can be requested in any order and blocks.

    Args:
        key: seed of the field.
        side_m: side of the square that it covers.
        spacing_m: lattice spacing of the coarsest octave; each further one halves it.
        octaves: how many.
        persistence: amplitude of an octave relative to the one before.
    """

    def __init__(
        self, key: Key, side_m: int, spacing_m: float, octaves: int = 1, persistence: float = 0.5
    ) -> None:
        self._octaves: list[tuple[float, Float]] = []
        rng = generator(*key)
        amplitude, total = 1.0, 0.0
        for _ in range(octaves):
            size = int(side_m / spacing_m) + 4
            lattice = rng.random((size, size), dtype=np.float32) * np.float32(2) - np.float32(1)
            self._octaves.append((spacing_m, lattice * np.float32(amplitude)))
            total += amplitude
            amplitude *= persistence
            spacing_m /= 2
        # A spline flattens its lattice; 1.6 restores the range of about -1 to 1.
        self._octaves = [(s, a * np.float32(1.6 / total)) for s, a in self._octaves]

    def __call__(self, x_m: Float, y_m: Float) -> Float:
        """The field at columns `x_m` and rows `y_m`: (rows, columns)."""
        field = np.zeros((len(y_m), len(x_m)), np.float32)
        for spacing_m, lattice in self._octaves:
            row, row_weights = _spline(y_m, spacing_m)
            col, col_weights = _spline(x_m, spacing_m)
            rows = np.zeros((len(y_m), lattice.shape[1]), np.float32)
            for k, weight in enumerate(row_weights):
                rows += lattice[row + k] * weight[:, None]
            for k, weight in enumerate(col_weights):
                field += rows[:, col + k] * weight
        return field


def _spline(x_m: Float, spacing_m: float) -> tuple[NDArray[np.intp], tuple[Float, Float, Float]]:
    """First lattice index and the three weights of a quadratic B-spline."""
    scaled = x_m / np.float32(spacing_m)
    index = scaled.astype(np.intp)
    t = scaled - index.astype(np.float32)
    half = np.float32(0.5)
    return index, (half * (1 - t) * (1 - t), half + t * (1 - t), half * t * t)


def nearest_cell(key: Key, side_m: int, cell_m: float, x_m: Float, y_m: Float) -> NDArray[np.int32]:
    """The Voronoi cell of every point, on a grid of cells with one jittered seed each.

    Args:
        key: seed of the cells.
        side_m: side of the square that holds the points.
        cell_m: mean side of a cell.
        x_m: x of the points, any shape, from 0 to `side_m` plus or minus a cell.
        y_m: y of the points, in the same form.

    Returns:
        Index of the nearest seed, below ``(cells along a side)²``; same shape as `x_m`.
    """
    count = cells_along(side_m, cell_m)
    # Seeds stay away from the edges of their cells, so that the nearest is one of nine.
    jitter = generator(*key).random((2, count, count), dtype=np.float32)
    jitter = jitter * np.float32(0.8) + np.float32(0.1)
    x, y = x_m / np.float32(cell_m) + 2, y_m / np.float32(cell_m) + 2
    col, row = x.astype(np.int32), y.astype(np.int32)
    best = np.full(x.shape, np.inf, np.float32)
    index = np.zeros(x.shape, np.int32)
    for d_row in (-1, 0, 1):
        for d_col in (-1, 0, 1):
            r = np.clip(row + d_row, 0, count - 1)
            c = np.clip(col + d_col, 0, count - 1)
            dx = c + jitter[0, r, c] - x
            dy = r + jitter[1, r, c] - y
            distance = dx * dx + dy * dy
            closer = distance < best
            best[closer] = distance[closer]
            index[closer] = (r * count + c)[closer]
    return index


def cells_along(side_m: int, cell_m: float) -> int:
    """Cells along a side in `nearest_cell`, with a rim of two."""
    return int(side_m / cell_m) + 5
