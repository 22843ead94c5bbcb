"""The templates of all pages, with what they have in common: style, filters, names."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

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
    pages.filters["share"] = share
    pages.globals |= {
        "name": name,
        "version": version,
        # Our own files, not external input.
        "style": Markup((_TEMPLATES / "style.css").read_text("utf-8")),  # noqa: S704
        "script": Markup((_TEMPLATES / "gallery.js").read_text("utf-8")),  # noqa: S704
    }
    return pages


def share(number: float) -> str:
    """A share in percent; values just above 0 or below 100 are not rounded to them."""
    if 0 < number < 0.0005:
        return "< 0.1%"
    if 0.9995 <= number < 1:
        return "> 99.9%"
    return f"{number:.1%}"
