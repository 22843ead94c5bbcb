"""The templates of all pages, with what they have in common: style, scripts, filters, names."""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from reben.domain.names import tile_of
from reben.report.charts import quote_classes

_TEMPLATES = Path(__file__).parent / "templates"


def page_templates(name: str, version: str) -> Environment:
    """The templates.

    Args:
        name: name of the dataset.
        version: version of the dataset, or empty.
    """
    pages = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["count"] = lambda number: f"{number:,}"
    pages.filters |= {
        "share": share,
        "tile_of": tile_of,
        "asked": quote_classes,
        "breakable": breakable,
    }
    pages.globals |= {"name": name, "version": version, "credit": "", "source": source}
    return pages


def source(file: str) -> Markup:
    """The text of a style sheet or script of the pages."""
    # Our own files, not external input.
    return Markup((_TEMPLATES / file).read_text("utf-8"))  # noqa: S704


def breakable(name: str) -> Markup:
    """A name of several parts, which may be broken before each of them but not before a unit."""
    # Escaped; what is put in is our own.
    return Markup(re.sub(r"([_.])(?=\w\w)", r"\1<wbr>", str(escape(name))))  # noqa: S704


def share(number: float) -> str:
    """A share in percent; values just above 0 or below 100 are not rounded to them."""
    if 0 < number < 0.0005:
        return "< 0.1%"
    if 0.9995 <= number < 1:
        return "> 99.9%"
    return f"{number:.1%}"
