"""The parts of a chart: the SVG around its marks, and text."""

from collections.abc import Iterable

from markupsafe import Markup, escape


def svg(
    title: str,
    width: float,
    height: float,
    marks: Iterable[str],
    role: str = "img",
    least: float = 0,
) -> Markup:
    """A chart.

    Args:
        title: for screen readers.
        width: of its view box, pixels.
        height: of its view box, pixels.
        marks: its parts, with all text escaped.
        role: for screen readers.
        least: minimum width on the page, pixels.
    """
    # Its parts are escaped where they are made; the rest are numbers and our own words.
    return Markup(  # noqa: S704
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="{role}" aria-label="{escape(title)}"'
        f' style="min-width:{least:.0f}px;max-width:{width:.0f}px">{"".join(marks)}</svg>'
    )


def text(
    x: float, y: float, words: str, anchor: str = "start", transform: str = "", css_class: str = ""
) -> str:
    """A text at a place, escaped."""
    more = f' transform="{transform}"' if transform else ""
    more += f' class="{css_class}"' if css_class else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(words)}</text>'
