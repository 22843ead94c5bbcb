"""The errors that reben raises on purpose.

A message names the file or product, what was expected, what was found, and what
to do about it. `reben.runtime.cli.run` prints it without a traceback; anything else that
is raised is a bug in reben and keeps its traceback.
"""


class RebenError(Exception):
    """Something that the user can mend: an input, a setting, a tool, a full disk."""


class ConfigError(RebenError):
    """The configuration, the product table or a nomenclature contradicts itself."""


class ProductError(RebenError):
    """A Sentinel product is incomplete, damaged, or not what its name says."""


class RasterError(RebenError):
    """An image is unreadable or has another size, type, CRS or place than expected."""


class VectorError(RebenError):
    """A polygon layer lacks a column or code, is invalid, or misses the tile."""


class TableError(RebenError):
    """A table that one step hands to another has wrong columns, types or rows."""


class StoreError(RebenError):
    """An LMDB is unreadable or lacks an entry, or its entries come out of order."""


class ToolError(RebenError):
    """A program (sen2cor) or a driver of GDAL is missing, the wrong version, or has failed."""


class SpaceError(RebenError):
    """A disk has no room for what is to be written."""


class DownloadError(RebenError):
    """A remote catalogue or archive did not deliver what it promised."""


class InputChangedError(RebenError):
    """An input changed while a step read it."""


class OwnershipError(RebenError):
    """A folder of the results is somebody else's, or another build is writing to it."""
