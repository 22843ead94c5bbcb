"""The scene classification of sen2cor (SCL): names and colours of its twelve classes."""

from reben.land_cover.legend import Legend

#: Names after the Sentinel-2 L2A Product Format, table 3; the usual colours, as of sen2cor.
SCENE_CLASSES = Legend(
    "sen2cor's scene classification",
    "",
    {},
    {
        0: ("No data", "#000000"),
        1: ("Saturated or defective", "#ff0000"),
        2: ("Dark area", "#2f2f2f"),
        3: ("Cloud shadow", "#643200"),
        4: ("Vegetation", "#00a000"),
        5: ("Not vegetated", "#ffe65a"),
        6: ("Water", "#0000ff"),
        7: ("Unclassified", "#808080"),
        8: ("Cloud, medium probability", "#c0c0c0"),
        9: ("Cloud, high probability", "#ffffff"),
        10: ("Thin cirrus", "#64c8ff"),
        11: ("Snow or ice", "#ff96ff"),
    },
)
