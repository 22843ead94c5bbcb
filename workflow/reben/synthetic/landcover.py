"""The appearance of each CORINE code from above: spectra, cells, texture.

Spectra are rounded means, similar to those in spectral libraries and cloud-free Sentinel-2
scenes of Central Europe; they only need to be plausible.
"""

from typing import NamedTuple

#: Surface reflectance times 10,000 in the order of `reben.domain.bands.BAND_IDS`
#: (B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B10 B11 B12) and class of sen2cor's SCL.
MATERIALS: dict[str, tuple[tuple[int, ...], int]] = {
    "soil": ((520, 680, 930, 1260, 1500, 1680, 1830, 1950, 2100, 2150, 12, 2700, 2250), 5),
    "loam": ((430, 540, 730, 950, 1150, 1320, 1450, 1560, 1700, 1750, 12, 2250, 1850), 5),
    "ripe": ((560, 740, 1130, 1420, 1800, 2250, 2450, 2650, 2800, 2850, 12, 3000, 2050), 5),
    "crop": ((250, 310, 640, 350, 1000, 2900, 3600, 3800, 3950, 4000, 12, 1700, 800), 4),
    "rape": ((300, 420, 1350, 1150, 1800, 2900, 3300, 3500, 3650, 3700, 12, 1900, 950), 4),
    "pasture": ((280, 370, 740, 450, 1100, 2600, 3150, 3350, 3500, 3550, 12, 1950, 1050), 4),
    "broadleaf": ((190, 230, 430, 240, 720, 2350, 3050, 3250, 3400, 3450, 12, 1450, 620), 4),
    "conifer": ((150, 180, 300, 190, 440, 1250, 1550, 1700, 1800, 1850, 12, 800, 350), 4),
    "scrub": ((300, 370, 590, 560, 950, 1700, 2000, 2150, 2300, 2350, 12, 1900, 1150), 4),
    "grass": ((350, 450, 780, 760, 1200, 2050, 2400, 2550, 2700, 2750, 12, 2350, 1500), 4),
    "roofs": ((900, 1080, 1250, 1450, 1560, 1680, 1760, 1850, 1950, 2000, 16, 2150, 1950), 5),
    "asphalt": ((700, 780, 860, 920, 980, 1040, 1080, 1120, 1180, 1200, 14, 1350, 1250), 5),
    "halls": ((1200, 1430, 1580, 1680, 1760, 1830, 1900, 1990, 2060, 2100, 20, 2400, 2250), 5),
    "garden": ((280, 350, 600, 450, 950, 2000, 2450, 2600, 2750, 2800, 12, 1700, 950), 4),
    "lake": ((330, 350, 380, 230, 190, 130, 120, 100, 90, 80, 5, 50, 40), 6),
    "sea": ((420, 440, 340, 160, 130, 100, 90, 80, 70, 65, 5, 45, 35), 6),
    "marsh": ((250, 310, 500, 420, 720, 1250, 1450, 1600, 1700, 1750, 10, 1150, 650), 4),
    "peat": ((260, 320, 450, 480, 700, 1050, 1200, 1300, 1400, 1450, 10, 1350, 850), 4),
    "sand": ((1400, 1700, 2100, 2450, 2600, 2700, 2800, 2900, 3000, 3050, 16, 3500, 3200), 5),
    "rock": ((850, 980, 1150, 1280, 1400, 1500, 1560, 1640, 1700, 1720, 12, 2000, 1800), 5),
    "ash": ((300, 350, 410, 470, 580, 720, 820, 920, 1000, 1050, 10, 1600, 1500), 5),
    "ice": ((8300, 8600, 8700, 8600, 8500, 8300, 8100, 8000, 7800, 7300, 60, 900, 700), 11),
}
SNOW = (8800, 9100, 9200, 9100, 8900, 8700, 8500, 8300, 8100, 7600, 60, 900, 700)
CLOUD = (5600, 5750, 5800, 5950, 6050, 6150, 6250, 6350, 6400, 5000, 700, 4200, 3200)
#: Path radiance over a dark target, for L1C.
HAZE = (900, 640, 420, 270, 220, 180, 160, 140, 110, 60, 0, 25, 15)
#: Mean Sentinel-1 VV backscatter in decibels, where it differs from -11.5.
VV_DB = {
    "crop": -12.0,
    "pasture": -13.0,
    "broadleaf": -10.0,
    "conifer": -11.0,
    "roofs": -4.5,
    "halls": -3.5,
    "garden": -8.5,
    "asphalt": -14.0,
    "lake": -20.0,
    "sea": -17.5,
    "sand": -16.0,
    "ice": -14.0,
}


class Cover(NamedTuple):
    """How a CORINE code is drawn.

    Attributes:
        pairs: up to four pairs of materials; a cell's colour is between those of a pair.
        width_m: width of a cell (field, block of houses, stand of trees).
        edge_m: width of the strip between cells; 0 for none.
        edge: material of the strip, a hedge or a street.
        patchiness: how much of the mixture follows smooth noise instead of the cell.
        texture: relative spread of brightness from pixel to pixel.
    """

    pairs: tuple[tuple[str, str], ...]
    width_m: int
    edge_m: int = 0
    edge: str = "broadleaf"
    patchiness: float = 0.3
    texture: float = 0.03


_TOWN = Cover((), 85, 12, "asphalt", patchiness=0.35, texture=0.045)
_FIELD = Cover((), 230, 9, "broadleaf", patchiness=0.15, texture=0.005)
_FOREST = Cover((), 700, patchiness=0.85, texture=0.011)
_OPEN = Cover((), 500, patchiness=0.9, texture=0.01)
_BUILT = Cover((), 300, patchiness=0.3, texture=0.025)
_WATER = Cover((), 3000, patchiness=1.0, texture=0.01)


def _like(model: Cover, *pairs: str, width_m: int = 0) -> Cover:
    """A cover like `model` with its own pairs, written ``"soil crop"``."""
    split = tuple((a, b) for a, b in (pair.split() for pair in pairs))
    return model._replace(pairs=split, width_m=width_m or model.width_m)


_ARABLE = ("soil crop", "ripe crop", "loam pasture", "ripe rape")

#: How each CORINE level-3 code is drawn.
COVERS: dict[int, Cover] = {
    111: _like(_TOWN, "roofs asphalt", "roofs halls", width_m=70),
    112: _like(_TOWN, "roofs garden", "garden roofs", "garden broadleaf", "roofs garden"),
    121: _like(_TOWN, "halls asphalt", "halls roofs", width_m=170),
    122: _like(_BUILT, "asphalt garden"),
    123: _like(_BUILT, "asphalt halls", "lake lake"),
    124: _like(_BUILT, "grass pasture", "asphalt grass"),
    131: _like(_BUILT, "rock loam", "soil sand"),
    132: _like(_BUILT, "loam ash", "soil rock"),
    133: _like(_BUILT, "soil loam", "soil halls", width_m=150),
    141: _like(_OPEN, "pasture broadleaf", width_m=160),
    142: _like(_OPEN, "pasture garden", "crop garden", width_m=130),
    211: _like(_FIELD, *_ARABLE),
    212: _like(_FIELD, "crop crop", "soil crop", width_m=420),
    213: _like(_FIELD, "crop lake", "pasture lake", width_m=300),
    221: _like(_FIELD, "soil scrub", "loam garden", width_m=90),
    222: _like(_FIELD, "pasture broadleaf", "soil broadleaf", width_m=120),
    223: _like(_FIELD, "soil scrub", "ripe scrub", width_m=150),
    231: _like(_FIELD, "pasture grass", "pasture crop", width_m=260),
    241: _like(_FIELD, "soil scrub", "crop scrub", width_m=140),
    242: _like(_FIELD, *_ARABLE[:3], "garden pasture", width_m=110),
    243: _like(
        _FIELD, "pasture broadleaf", "soil crop", "grass scrub", "ripe broadleaf", width_m=170
    ),
    244: _like(_OPEN, "grass broadleaf", "ripe broadleaf", width_m=200),
    311: _like(_FOREST, "broadleaf broadleaf", "broadleaf garden"),
    312: _like(_FOREST, "conifer conifer", "conifer broadleaf"),
    313: _like(_FOREST, "conifer broadleaf"),
    321: _like(_OPEN, "grass pasture", "grass scrub"),
    322: _like(_OPEN, "scrub peat", "scrub grass"),
    323: _like(_OPEN, "scrub broadleaf", "scrub soil"),
    324: _like(_OPEN, "scrub broadleaf", "grass broadleaf"),
    331: _like(_OPEN, "sand sand", "sand grass"),
    332: _like(_OPEN, "rock rock", "rock grass"),
    333: _like(_OPEN, "rock grass", "soil grass"),
    334: _like(_OPEN, "ash ash", "ash scrub"),
    335: _like(_OPEN, "ice ice"),
    411: _like(_OPEN, "marsh pasture", "marsh lake"),
    412: _like(_OPEN, "peat marsh", "peat scrub"),
    421: _like(_OPEN, "marsh lake", "marsh grass"),
    422: _like(_FIELD, "lake sand", "sea sand", width_m=200),
    423: _like(_OPEN, "sand lake", "loam lake"),
    511: _like(_WATER, "lake lake"),
    512: _like(_WATER, "lake lake"),
    521: _like(_WATER, "sea lake"),
    522: _like(_WATER, "lake sea"),
    523: _like(_WATER, "sea sea"),
}
