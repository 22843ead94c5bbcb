"""The bands that the models of BigEarthNet v2 see, in their order, and their statistics.

Bands are named, never counted: a model that gets VH where it expects VV fails in silence.
"""

from typing import NamedTuple

_S1 = ("VV", "VH")
_S2 = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")

#: Channels of a model for each modality, in order, as in the published weights (v0.2.0). This is
#: neither the order of the LMDB nor that of `reben.domain.bands`.
MODALITIES = {"s1": _S1, "s2": _S2, "all": _S1 + _S2}


class BandStatistics(NamedTuple):
    """Mean and standard deviation of a band over all pixels of a train split.

    The unit is that of the LMDB: dB for Sentinel-1, reflectance x 10,000 for Sentinel-2.
    """

    mean: float
    std: float


#: Of the published train split at 120 px, as its authors normalise (weights v0.2.0).
PUBLISHED_STATISTICS = {
    "VV": BandStatistics(-12.643864, 5.133494),
    "VH": BandStatistics(-19.352558, 5.590506),
    "B02": BandStatistics(438.37207, 607.02686),
    "B03": BandStatistics(614.05566, 603.29681),
    "B04": BandStatistics(588.40961, 684.56885),
    "B05": BandStatistics(942.84332, 738.43268),
    "B06": BandStatistics(1769.93164, 1100.45605),
    "B07": BandStatistics(2049.55151, 1275.80542),
    "B08": BandStatistics(2193.29199, 1369.37170),
    "B8A": BandStatistics(2235.55664, 1356.54407),
    "B11": BandStatistics(1568.22681, 1070.16125),
    "B12": BandStatistics(997.73248, 813.52765),
}
