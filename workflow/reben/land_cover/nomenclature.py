"""Nomenclatures: which class a land cover code belongs to.

A nomenclature is a CSV with the columns ``code`` and ``class``; codes that it does not
list are unlabelled. ``resources/nomenclature/`` has several.
"""

import os
import re
from collections.abc import Container

from reben.domain.plain_text import is_formula
from reben.land_cover.csv_rows import read_rows
from reben.runtime.errors import ConfigError

#: Pixel of a reference map that has no land cover code: outside all polygons, no data, or a value
#: that the map's legend gives none.
NO_CODE = 999
#: What a code can be: 0 is nodata in a reference map, and tables hold codes as int16.
CODES = frozenset(range(1, 2**15)) - {NO_CODE}

#: CORINE Land Cover level-3 classes (CLC nomenclature guidelines, 2019), and the
#: codes that its releases use for land, water and areas that are not classified.
CORINE_CODES = frozenset({
    111, 112, 121, 122, 123, 124, 131, 132, 133, 141, 142,
    211, 212, 213, 221, 222, 223, 231, 241, 242, 243, 244,
    311, 312, 313, 321, 322, 323, 324, 331, 332, 333, 334, 335,
    411, 412, 421, 422, 423, 511, 512, 521, 522, 523,
    990, 995, NO_CODE,
})  # fmt: skip


def read_nomenclature(
    path: str | os.PathLike[str], known: Container[int] = CODES, of: str = "land cover"
) -> dict[int, str]:
    """Read a nomenclature file: class by code, in ascending order of codes.

    Args:
        path: the file.
        known: the codes that it may have.
        of: what has these codes, for the message.

    Raises:
        ConfigError: it is unreadable, has wrong columns, an unknown or repeated code or an
            empty class, or no class at all.
    """
    classes: dict[int, str] = {}
    for line, row in read_rows(path, "nomenclature", ("code", "class")):
        code, name = row["code"], row["class"]
        if not re.fullmatch("[0-9]{1,9}", code) or int(code) not in known:
            raise ConfigError(
                f"{path}, line {line}: {code!r} is not a code of {of}; labels.nomenclature needs "
                "the codes of the land cover that is used (docs/land_cover.md)"
            )
        if int(code) in classes or not name:
            raise ConfigError(f"{path}, line {line}: code {code} is repeated or has no class")
        if is_formula(name) or not name.isprintable():
            raise ConfigError(
                f"{path}, line {line}: the class {name!r} begins like a formula of a spreadsheet, "
                "or holds a character that cannot be printed; rename it"
            )
        classes[int(code)] = name
    if not classes:
        raise ConfigError(f"{path}: expected a code and its class on each line, found no line")
    return dict(sorted(classes.items()))
