"""Charts as inline SVG that takes its colours and its type from the page, so that it fits light and dark mode."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from latentia.report.blocks import Chart

# Stand-ins that the page's colours replace: text, lines, and the numbered colours.
TEXT, LINE = "#010203", "#040506"
COLOURS = 10
OTHER = COLOURS
MAX_POINTS = 1500


def stand_in(number: int) -> str:
    """Returns the stand-in of a numbered colour; number 10 is the grey of all others."""
    return f"#0a0b{number:02x}"


def curves(title: str, x: Sequence[float], series: Mapping[str, Sequence[float]]) -> Chart:
    """Draws series of figures over epochs.

    Args:
        title: what is drawn, with its unit.
        x: epochs.
        series: name to values of the same length as `x`, NaN where there are none.
    """
    figure, axes = _axes(2.8, 2.2)
    for number, values in enumerate(series.values()):
        marker = "o" if len(x) < 3 else None
        axes.plot(x, values, color=stand_in(number), linewidth=1.8, marker=marker, markersize=4)
    # The first epochs are far away from the rest and would flatten it.
    settled = np.array([list(values)[len(x) // 10 :] for values in series.values()], np.float64)
    finite = settled[np.isfinite(settled)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    margin = 0.06 * (high - low) or 0.5
    axes.set_ylim(low - margin, high + margin)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    return Chart(_svg(figure, title), title, tuple(enumerate(series)))


def bars(title: str, values: NDArray[Any], strong: NDArray[np.bool_], unit: str, legend: tuple[str, str]) -> Chart:
    """Draws values, largest first, in two colours.

    Args:
        title: what is drawn.
        values: shape (D,), in the order of drawing.
        strong: which of them have the first colour.
        unit: of the values.
        legend: what the colours stand for.
    """
    figure, axes = _axes(6.4, 2.4)
    colours = [stand_in(0) if strong[i] else stand_in(OTHER) for i in range(len(values))]
    axes.bar(np.arange(1, len(values) + 1), values, color=colours, width=0.75)
    axes.set_xlabel("latents, most informative first")
    axes.set_ylabel(unit)
    axes.set_xlim(0.3, max(len(values), 8) + 0.7)
    return Chart(_svg(figure, title), title, ((0, legend[0]), (OTHER, legend[1])))


def scatter(
    title: str, points: NDArray[Any], groups: NDArray[np.int64], names: Sequence[str], labels: tuple[str, str]
) -> Chart:
    """Draws points in the colours of their groups; where there are too many points, some of them.

    Args:
        title: what is drawn.
        points: shape (N, 2).
        groups: for each point its group, -1 for none, shape (N,).
        names: of the groups. The nine largest have colours of their own where there are more than ten.
        labels: of the axes.
    """
    if len(points) > MAX_POINTS:
        kept = np.random.default_rng(0).permutation(len(points))[:MAX_POINTS]
        points, groups = points[kept], groups[kept]
    figure, axes = _axes(6.4, 5.0)
    sizes = np.array([(groups == group).sum() for group in range(len(names))], np.int64)
    own: list[int] = np.sort(
        np.argsort(-sizes, kind="stable")[: COLOURS if len(names) <= COLOURS else COLOURS - 1]
    ).tolist()
    rest = ~np.isin(groups, own)
    _dots(axes, points[rest], stand_in(OTHER if len(names) else 0))
    for number, group in enumerate(own):
        _dots(axes, points[groups == group], stand_in(number))
    legend: list[tuple[int, str]] = [(number, names[group]) for number, group in enumerate(own)]
    if len(names) and bool(rest.any()):
        legend.append((OTHER, "others or unknown"))
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.set_aspect("equal", adjustable="datalim")
    return Chart(_svg(figure, title), title, tuple(legend))


def _dots(axes: Axes, points: NDArray[Any], colour: str) -> None:
    axes.plot(points[:, 0], points[:, 1], "o", markersize=4, color=colour, alpha=0.75, markeredgewidth=0)


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    """Returns an empty chart of a size in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(LINE)
    axes.tick_params(colors=LINE, labelcolor=TEXT, labelsize=10)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.label.set(color=TEXT, fontsize=10)
    axes.yaxis.label.set(color=TEXT, fontsize=10)
    return figure, axes


def _svg(figure: Figure, title: str) -> Markup:
    """Returns the chart as markup to be put into a page."""
    stream = io.StringIO()
    # Text stays text, is never read as a formula, and the names within the file are a function of the title.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": title, "text.parse_math": False}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = stream.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"| height="[0-9.]+pt"', r"\1", svg, count=2)
    svg = svg.replace(TEXT, "currentColor").replace(LINE, "var(--line)")
    for number in range(COLOURS + 1):
        svg = svg.replace(stand_in(number), f"var(--c{number})")
    return Markup(svg)
