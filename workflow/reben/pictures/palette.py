"""The colours of splits and of reasons why patches are dropped, the same in every picture.

Splits can be distinguished with any kind of colour vision (Okabe and Ito's set); dropped
patches are grey to brown, darker the earlier they were dropped.
"""

from reben.domain.reasons import (
    HAS_NODATA,
    NO_SENTINEL1,
    NOT_ALIGNED,
    REJECTED_PRODUCT,
    TOO_FEW_LABELLED,
)

SPLIT_COLOURS = {"train": "#0072b2", "validation": "#e69f00", "test": "#009e73"}
DROPPED_COLOURS = {
    REJECTED_PRODUCT: "#3d3a38",
    HAS_NODATA: "#6b6662",
    NOT_ALIGNED: "#9a7f8e",
    NO_SENTINEL1: "#b5a79a",
    TOO_FEW_LABELLED: "#dcd5cc",
}
#: Centre of a patch of the dataset with snow, cloud or shadow.
OBSCURED_COLOUR = "#ffffff"
STATE_COLOURS = SPLIT_COLOURS | DROPPED_COLOURS
