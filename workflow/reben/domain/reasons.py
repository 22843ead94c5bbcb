"""The possible fates of a patch, in the words used in tables, pictures and pages."""

#: Why no patch of a product is cut (`reben.quality`).
REJECTED_PRODUCT = "rejected product"
#: Why a patch is not in the dataset (`reben.selection`).
HAS_NODATA = "nodata"
NOT_ALIGNED = "not aligned with v1"
NO_SENTINEL1 = "no Sentinel-1 patch"
TOO_FEW_LABELLED = "too few labelled pixels"
#: The same in the order in which they are checked: the first that applies is the reason.
DROP_REASONS = (HAS_NODATA, NOT_ALIGNED, NO_SENTINEL1, TOO_FEW_LABELLED)
#: Why a patch of the dataset is in its second table (`reben.metadata`).
SNOW_CLOUD_OR_SHADOW = "snow, cloud or shadow"
