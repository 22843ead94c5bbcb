"""The bands of a patch and their native resolutions, and the size of a patch.

Source: Sentinel-2 User Handbook, table 1; BigEarthNet v2 for the choice (L2A has no B10).
"""

#: Sentinel-2 L2A bands in the order of their names, with native resolution in metres.
RESOLUTION_M = {
    "B01": 60,
    "B02": 10,
    "B03": 10,
    "B04": 10,
    "B05": 20,
    "B06": 20,
    "B07": 20,
    "B08": 10,
    "B09": 60,
    "B11": 20,
    "B12": 20,
    "B8A": 20,
}
S2_BANDS = tuple(RESOLUTION_M)
S1_BANDS = ("VH", "VV")
#: Choices of bands by name, in the orders that readers of BigEarthNet agree on.
BAND_SETS = {
    "rgb": ("B04", "B03", "B02"),
    "10m": ("B02", "B03", "B04", "B08"),
    "20m": ("B05", "B06", "B07", "B8A", "B11", "B12"),
    "60m": ("B01", "B09"),
    "10m_20m": ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"),
    "s2": S2_BANDS,
    "s1": ("VV", "VH"),
}

#: Pixel size of Sentinel-1 patches, metres (BigEarthNet-S1).
S1_M = 10
#: Hours between the sensing of a pair, at most. Those of BigEarthNet v2 are up to 138 h apart.
S1_MAX_GAP_H = 144.0

#: Value of a pixel that was not sensed, in reflectance bands only.
NODATA = 0
#: Band of each ``bandId`` of the product metadata: spectral order, B10 included.
BAND_IDS = (
    "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12",
)  # fmt: skip
#: Side of the patches of BigEarthNet, metres.
PATCH_SIDE_M = 1200
#: Resolution of the reference maps in metres.
REFERENCE_MAP_M = 10
