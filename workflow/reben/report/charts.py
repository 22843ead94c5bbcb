"""Charts as SVG, drawn with the page's own colours so that they follow light, dark and print.

Every chart has a title for screen readers and a tooltip on every mark. Lengths are in
pixels of the view box; the page scales the chart.
"""

from collections.abc import Sequence
from urllib.parse import quote

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from reben.report.counts import CoOccurrence
from reben.report.distances import SplitDistances
from reben.report.svg import svg, text


def heatmap(pairs: CoOccurrence) -> Markup:
    """Shares of `pairs`: one square per pair, darker if more frequent."""
    cell, left, top = 26, 222, 168
    size = cell * len(pairs.classes)
    marks = []
    shares = pairs.shares
    for row, name in enumerate(pairs.classes):
        y = top + row * cell
        marks.append(text(left - 8, y + cell / 2 + 4, _short(name), anchor="end"))
        turned = f"rotate(-45 {left + row * cell + cell / 2 + 4} {top - 8})"
        x = left + row * cell + cell / 2 + 4
        marks.append(text(x, top - 8, _short(name, 26), transform=turned))
        for column, other in enumerate(pairs.classes):
            share, count = shares[row, column], pairs.together[row, column]
            words = (
                f"{name}: {count:,} patches"
                if row == column
                else f"{share:.0%} of patches with {name} also have {other} ({count:,})"
            )
            css_class = "self" if row == column else "heat"
            opacity = "" if row == column else f' fill-opacity="{share:.3f}"'
            mark = (
                f'<rect class="{css_class}" x="{left + column * cell}" y="{y}" width="{cell - 1}"'
                f' height="{cell - 1}"{opacity}><title>{escape(words)}</title></rect>'
            )
            if count:
                asked = quote_classes(name) if row == column else quote_classes(name, other)
                # Not by keyboard: 361 stops. The filters find the same.
                mark = f'<a href="#{escape(asked)}" tabindex="-1">{mark}</a>'
            marks.append(mark)
            if count and row != column:
                percent = f"{100 * share:.0f}" if share >= 0.005 else "<1"
                # On nearly full squares, text in the page's colour; in dark mode a little earlier.
                on = " on" if share > 0.8 else " half" if share > 0.6 else ""
                x, y_text = left + (column + 0.5) * cell - 0.5, y + cell / 2 + 3
                marks.append(text(x, y_text, percent, "middle", css_class=f"share{on}"))
    width = left + size + 110
    return svg("Classes that occur together", width, top + size + 4, marks, least=0.9 * width)


def histogram(
    ways: Sequence[SplitDistances], way: SplitDistances, patch_side_m: int, bins: int = 30
) -> Markup:
    """Distances of one way to split, on axes shared by all ways."""
    width, height, left, bottom = 360, 170, 8, 30
    every = np.concatenate([d for w in ways for d in w.to_train.values()])
    reach = max(float(every.max(initial=0)), 3.0 * patch_side_m)
    edges = np.linspace(0, reach, bins + 1)
    step = (width - 2 * left) / bins
    highest = max(_highest(w, edges) for w in ways)
    marks = [f'<line class="axis" x1="{left}" x2="{width - left}" y1="{height}" y2="{height}"/>']
    # Side by side, as shares of the split: validation and test differ in size.
    for place, (name, distances) in enumerate(way.to_train.items()):
        counts, _ = np.histogram(distances, edges)
        shares = counts / max(1, counts.sum())
        for i in np.flatnonzero(counts):
            tall = max(1.0, shares[i] / highest * (height - 14))
            words = f"{name}: {shares[i]:.1%} between {edges[i] / 1000:.1f} and "
            words += f"{edges[i + 1] / 1000:.1f} km"
            marks.append(
                f'<rect class="{name}" x="{left + i * step + place * step / 2:.1f}"'
                f' y="{height - tall:.1f}" width="{step / 2 - 0.5:.1f}" height="{tall:.1f}">'
                f"<title>{escape(words)}</title></rect>"
            )
    ticks = round_ticks(reach / 1000)
    for tick in ticks:
        x = left + (width - 2 * left) * tick * 1000 / reach
        anchor = "start" if tick == 0 else "end" if x > width - 24 else "middle"
        label = f"{tick:g} km" if tick == ticks[-1] else f"{tick:g}"
        marks.append(text(x, height + 16, label, anchor=anchor))
    return svg(
        f"{way.title}: distance to the nearest training patch", width, height + bottom, marks
    )


def round_ticks(reach: float, most: int = 6) -> list[float]:
    """Round numbers from 0 to at most `reach`, evenly spaced and no more than `most`."""
    power = 10.0 ** np.floor(np.log10(reach / most))
    step = next(s for s in power * np.array([1, 2, 5, 10, 20]) if reach / s <= most - 1)
    return [round(float(step * i), 6) for i in range(int(reach / step) + 1)]


def quote_classes(*names: str) -> str:
    """The filter of the first page for clear patches that have all of some classes."""
    return "&".join([*(f"class={quote(name, safe='')}" for name in names), "sky=clear"])


def _highest(way: SplitDistances, edges: NDArray[np.float64]) -> float:
    """The highest bar of a way to split, as a share of the split."""
    counts = [np.histogram(distances, edges)[0] for distances in way.to_train.values()]
    return max([c.max() / c.sum() for c in counts if c.sum()], default=1.0)


def _short(name: str, length: int = 32) -> str:
    return name if len(name) <= length else f"{name[: length - 1].rstrip(' ,')}…"
