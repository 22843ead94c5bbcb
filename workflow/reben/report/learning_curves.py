"""Learning curves as SVG: the validation score of every run by epoch."""

from collections.abc import Sequence

from markupsafe import Markup, escape

from reben.report.svg import svg, text
from reben.results.trained import Group

#: The column of ``history.csv`` that decides which epoch is the best.
_SCORE = "macro_average_precision"
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 360, 170, 34, 30


def learning_curves(group: Group, last_epoch: float, lowest: float, highest: float) -> Markup:
    """The curves of one model and modality: a line for each seed, a dot at its best epoch.

    Args:
        group: its runs.
        last_epoch: end of the horizontal axis, from epoch 1.
        lowest: lower end of the vertical axis, from 0 to 1.
        highest: upper end of it.
    """

    def place(epoch: float, score: float) -> tuple[float, float]:
        x = _LEFT + (_WIDTH - _LEFT - 8) * (epoch - 1) / max(1, last_epoch - 1)
        return x, 8 + (_HEIGHT - 16) * (highest - score) / (highest - lowest)

    floor = place(1, lowest)[1]
    marks = [f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{floor}" y2="{floor}"/>']
    for run in group.runs:
        points = [place(row["epoch"], row[_SCORE]) for row in run.history]
        best = max(run.history, key=lambda row: row[_SCORE])
        words = f"seed {run.seed}: {best[_SCORE]:.2%} in epoch {best['epoch']:.0f}"
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        x, y = place(best["epoch"], best[_SCORE])
        title = f"<title>{escape(words)}</title>"
        marks.append(f'<polyline class="curve" points="{line}">{title}</polyline>')
        marks.append(f'<circle class="best" cx="{x:.1f}" cy="{y:.1f}" r="4">{title}</circle>')
    marks += [
        text(_LEFT - 6, place(1, score)[1] + 4, f"{100 * score:.0f}", "end")
        for score in (lowest, highest)
    ]
    right = place(last_epoch, lowest)[0]
    marks += [
        text(_LEFT, floor + 16, "1"),
        text(right, floor + 16, f"epoch {last_epoch:.0f}", "end"),
    ]
    title = f"{group.model} {group.modality}: validation score by epoch"
    return svg(title, _WIDTH, _HEIGHT + _BOTTOM, marks)


def score_range(groups: Sequence[Group]) -> tuple[float, float]:
    """A range of whole tenths around the scores of all runs."""
    scores = [row[_SCORE] for group in groups for run in group.runs for row in run.history]
    lowest = int(10 * min(scores)) / 10
    highest = min(1.0, int(10 * max(scores) + 1) / 10)
    return lowest, highest if highest > lowest else lowest + 0.1
