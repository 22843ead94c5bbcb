"""The errors that reben raises deliberately.

A message states the file or product, what was expected, what was found, and what to do
about it. `reben.runtime.cli.run` prints it without a traceback; any other exception is a
bug in reben and keeps its traceback.
"""


class RebenError(Exception):
    """A problem that the user can fix: an input, a setting, a tool, a full disk."""


class ConfigError(RebenError):
    """The configuration, the product table or a nomenclature is invalid."""


class ProductError(RebenError):
    """A Sentinel product is incomplete, damaged, or not what its name says."""


class RasterError(RebenError):
    """An image is unreadable or does not have the expected size, type, CRS or place."""


class VectorError(RebenError):
    """A polygon layer lacks a column or code, is invalid, or misses the tile."""


class TableError(RebenError):
    """A table from another step has wrong columns, types or rows."""


class StoreError(RebenError):
    """An LMDB is unreadable or lacks an entry, or its entries are out of order."""


class ToolError(RebenError):
    """A program (sen2cor) or GDAL driver is missing, has the wrong version, or has failed."""


class SpaceError(RebenError):
    """A disk has no room for an output."""


class DownloadError(RebenError):
    """A remote catalogue or archive did not deliver what it promised."""


class InputChangedError(RebenError):
    """An input changed while a step read it."""


class OwnershipError(RebenError):
    """A folder of results or of an output is not the build's own, or another build writes to it."""


class StoppedError(RebenError):
    """A step was asked to end (SIGTERM) and has saved where it is."""
