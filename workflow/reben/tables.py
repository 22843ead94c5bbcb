"""The tables, by the name that scripts of the first version import: see `reben.domain`."""

from reben.domain.tables import (
    ALIGNMENT,
    LABELS,
    METADATA,
    PATCHES,
    SPLIT,
    read_table,
    read_tables,
    write_table,
)

__all__ = [
    "ALIGNMENT",
    "LABELS",
    "METADATA",
    "PATCHES",
    "SPLIT",
    "read_table",
    "read_tables",
    "write_table",
]


if __name__ == "__main__":
    from reben.runtime.library import answer

    answer(__doc__)
