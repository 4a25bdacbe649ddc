"""Draw pictures for pages: inline SVG by matplotlib, in the page's own colours and fonts."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal
from xml.sax.saxutils import escape

from phi3scaffold.project.formatting import cut, visible

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 5.0  # inches of 72 units; a phone shows them at about their size
INK, LINE, FIRST, SECOND, THIRD, PAPER = (f"#00000{number}" for number in range(1, 7))
# Drawn in colours that stand for the page's, which has others when it is dark.
COLOURS = {
    INK: "currentColor",
    LINE: "var(--line)",
    FIRST: "var(--first)",
    SECOND: "var(--second)",
    THIRD: "var(--third)",
    PAPER: "var(--paper)",
}
# behind words that stand over lines
BEHIND = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.5, "alpha": 0.85}
FONT = "DejaVu Sans"  # travels with matplotlib; it measures, the page's own font shows
SETTINGS = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, searched and copied
    "svg.hashsalt": "phi3scaffold",  # the same picture is the same bytes
    "font.size": 10.5,
    "font.family": FONT,
    "text.color": INK,
    "axes.labelcolor": INK,
    "text.parse_math": False,  # a $ in a label is a $
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}
LONGEST_NAME = 20  # characters of a bar's name
WIDE = 100  # times the least value: where the largest is more, the axis is logarithmic
MOST_NUMBERED = 12  # columns of a matrix whose cells hold their numbers


def bars(series: Mapping[str, Mapping[str, int]], title: str, describe: str) -> Markup:
    """Draw horizontal bars, one group for each name, at most three series in the page's colours.

    Args:
        series: what a colour stands for -> name -> how many.
        title, describe: read aloud in the picture's place.
    """
    import numpy as np

    names = list(dict.fromkeys(name for values in series.values() for name in values))
    most = max((max(values.values(), default=0) for values in series.values()), default=0) or 1
    thick = 0.8 / len(series)
    with _figure(0.1 + (0.08 + 0.19 * len(series)) * len(names)) as (figure, axes):
        for place, (values, colour) in enumerate(
            zip(series.values(), (FIRST, SECOND, THIRD), strict=False)
        ):
            at = np.arange(len(names)) + (place - (len(series) - 1) / 2) * thick
            numbers = [values.get(name, 0) for name in names]
            drawn = axes.barh(at, numbers, 0.9 * thick, color=colour)
            axes.bar_label(drawn, [f"{number:,}" for number in numbers], padding=4)
        axes.set_yticks(np.arange(len(names)), [cut(visible(n), LONGEST_NAME) for n in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(0, 1.15 * most)
        axes.set_xticks([])
        axes.spines[:].set_visible(False)
        return _svg(figure, title, describe)


def histogram(
    edges: Sequence[float],
    series: Mapping[str, Sequence[int]],
    marks: Mapping[str, float],
    title: str,
    describe: str,
) -> Markup:
    """Draw vertical bars between `edges`, each of at most three series on top of the one before.

    Args:
        edges: one more than the bars; the last bars that are empty are not drawn.
        series: what a colour stands for -> how many in each bar.
        marks: name -> where a line with that name stands.
        title, describe: read aloud in the picture's place.
    """
    import numpy as np

    counts = np.array(list(series.values()))
    last = int(np.flatnonzero(counts.sum(axis=0)).max(initial=0)) + 1
    counts, at = counts[:, :last], np.array(edges[: last + 1])
    top = counts.sum(axis=0).max(initial=1)
    with _figure(2.3) as (figure, axes):
        below = np.zeros(last)
        for values, colour in zip(counts, (FIRST, SECOND, THIRD), strict=False):
            axes.bar(at[:-1], values, 0.92 * np.diff(at), below, align="edge", color=colour)
            below = below + values
        for step, (name, place) in enumerate(sorted(marks.items(), key=lambda mark: -mark[1])):
            height = top * (1.12 + 0.13 * step)
            left = place <= (at[0] + at[-1]) / 2
            _mark(axes, f"{name} {place:,.0f}", place, 0, height, "top", left=left)
        axes.set_xlim(at[0], at[-1])
        axes.set_ylim(0, top * (1.05 + 0.13 * len(marks)))
        axes.locator_params(nbins=5)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_yticks([tick for tick in axes.get_yticks() if tick <= top and tick == int(tick)])
        _grid(axes, "y")
        return _svg(figure, title, describe)


def curves(
    series: Mapping[str, Sequence[tuple[float, float]]],
    across: str,
    title: str,
    describe: str,
    *,
    joined: bool = True,
    marks: Mapping[str, float] | None = None,
    band: Sequence[tuple[float, float, float]] = (),
) -> Markup:
    """Draw lines over a common axis, the second one with a dot at each of its points.

    Args:
        series: what a colour stands for -> its points (x, y), y above zero where it is to span
            more than two powers of ten.
        across: what x is.
        title, describe: read aloud in the picture's place.
        joined: whether there is a line between the second one's dots.
        marks: name -> an x at which a line with that name stands.
        band: (x, low, high) from the left, filled behind the lines.
    """
    import numpy as np

    heights = [y for points in series.values() for _, y in points]
    with _figure(2.5) as (figure, axes):
        if band:
            at, low, high = np.array(band).T
            # not fill_between, which SVG draws by a link (href) to a definition
            edge = np.concatenate([low, high[::-1]])
            axes.fill(np.concatenate([at, at[::-1]]), edge, color=FIRST, alpha=0.15, linewidth=0)
        for points, colour in zip(series.values(), (FIRST, SECOND), strict=False):
            line = np.array(points).reshape(-1, 2)
            if joined or colour == FIRST:
                axes.plot(line[:, 0], line[:, 1], color=colour, linewidth=1.5)
            for x, y in points if colour == SECOND or len(points) == 1 else ():
                _dot(axes, x, y, colour, 5)
        if min(heights, default=0) > 0 and max(heights) > WIDE * min(heights):
            axes.set_yscale("log")
            axes.minorticks_off()
        else:
            axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.locator_params(axis="x", nbins=6, integer=True)
        axes.set_xlabel(across)
        (low, high), (first, last) = axes.get_ylim(), axes.get_xlim()
        for name, x in (marks or {}).items():
            _mark(axes, name, x, low, high, "top", left=x <= (first + last) / 2)
        _grid(axes, "y")
        return _svg(figure, title, describe)


def scores(
    rows: Sequence[tuple[str, float, float, float, float | None]],
    marks: Mapping[str, float],
    title: str,
    describe: str,
) -> Markup:
    """Draw shares from 0 to 100 %: a dot with its interval, and a second dot, for each name.

    Args:
        rows: (name, share, its interval's ends, second share or None), drawn from the top.
        marks: name -> a share at which a line with that name stands.
        title, describe: read aloud in the picture's place.
    """
    step, top = 0.3, 0.24 * len(marks)
    with _figure(0.45 + step * len(rows) + top) as (figure, axes):
        for row, (_, share, low, high, other) in enumerate(rows):
            axes.plot((low, high), (row, row), color=FIRST, linewidth=5, alpha=0.35)
            _dot(axes, share, row, FIRST, 9)
            if other is not None:
                _dot(axes, other, row + 0.34, SECOND, 5)
        for number, (name, place) in enumerate(sorted(marks.items(), key=lambda mark: -mark[1])):
            height = -0.6 - (number + 0.55) * 0.24 / step
            text = cut(visible(name), 2 * LONGEST_NAME)
            _mark(axes, text, place, len(rows) - 0.5, height, "center", left=place <= 0.5)
        axes.set_yticks(range(len(rows)), [cut(visible(row[0]), LONGEST_NAME) for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6 - top / step)
        axes.set_xlim(-0.02, 1.02)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        _grid(axes, "x")
        return _svg(figure, title, describe)


def front(
    points: Mapping[str, Sequence[tuple[float, float]]],
    best: Sequence[tuple[float, float]],
    chosen: tuple[str, float, float] | None,
    axes_names: tuple[str, str],
    title: str,
    describe: str,
) -> Markup:
    """Draw dots in at most three colours, and a line through the best of them.

    Args:
        points: what a colour stands for -> its points (x, y), y above zero.
        best: those that no other beats in x and in y, from the left.
        chosen: a name and its x and y: a dashed line at x.
        axes_names: what x is and what y is.
        title, describe: read aloud in the picture's place.
    """
    heights = [y for own in points.values() for _, y in own]
    with _figure(2.6) as (figure, axes):
        if best:
            steps = [(best[0][0], max(heights)), *best]
            axes.step(*zip(*steps, strict=True), where="post", color=LINE, linewidth=1.5)
        for own, colour in zip(points.values(), (FIRST, SECOND, THIRD), strict=False):
            for x, y in own:
                _dot(axes, x, y, colour, 6)
        if max(heights) > WIDE / 10 * min(heights):
            axes.set_yscale("log")
            axes.minorticks_off()
        else:
            axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        axes.locator_params(axis="x", nbins=6)
        axes.set_xlabel(axes_names[0])
        axes.set_ylabel(axes_names[1])
        if chosen:
            (low, high), (first, last) = axes.get_ylim(), axes.get_xlim()
            name, x, _ = chosen
            _mark(axes, name, x, low, high, "top", left=x <= (first + last) / 2)
        _grid(axes, "y")
        return _svg(figure, title, describe)


def matrix(
    table: Sequence[Sequence[int]],
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    describe: str,
) -> Markup:
    """Draw counts as cells, darker the larger their share of the row; with numbers where they fit.

    Args:
        table: a line for each of `rows`, in it a count for each of `columns`.
        rows, columns: their names.
        title, describe: read aloud in the picture's place.
    """
    from matplotlib.patches import Rectangle

    few = len(columns) <= MOST_NUMBERED
    side = 0.36 if few else max(0.115, min(0.3, 3.8 / len(columns)))  # inches of a row
    letters = 10.5 if few else min(9.0, 56 * side)
    longest = LONGEST_NAME if few else LONGEST_NAME - 6
    above = [cut(visible(name), longest) for name in columns]
    # lying they need about 0.09 inches a letter
    turned = 0.09 * max(map(len, above)) > 0.75 * WIDTH / len(columns)
    head = 0.075 * max(map(len, above)) if turned else 0.2
    with _figure(side * len(rows) + 0.2 + head) as (figure, axes):
        for y, line in enumerate(table):
            of = sum(line) or 1
            for x, number in enumerate(line):
                if number:
                    cell = Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, color=FIRST, linewidth=0)
                    cell.set_alpha(0.08 + 0.42 * number / of)  # the ink on it can still be read
                    axes.add_patch(cell)
                if few:
                    axes.text(x, y, f"{number:,}" if number else "·", ha="center", va="center")
        axes.set_xticks(range(len(columns)), above)
        axes.tick_params(axis="x", labelrotation=90 if turned else 0)
        axes.set_yticks(range(len(rows)), [cut(visible(name), longest) for name in rows])
        axes.tick_params(labelsize=letters)
        axes.xaxis.tick_top()
        axes.set_xlim(-0.5, len(columns) - 0.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.spines[:].set_color(LINE)
        return _svg(figure, title, describe)


def _dot(axes: Axes, x: float, y: float, colour: str, wide: float) -> None:
    """Draw a dot: a line of no length with round ends, as markers would need ids."""
    axes.plot((x, x), (y, y), color=colour, linewidth=wide, solid_capstyle="round")


def _grid(axes: Axes, axis: Literal["x", "y"]) -> None:
    """Draw thin lines behind the data, and no frame."""
    axes.grid(axis=axis, color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


def _mark(
    axes: Axes,
    text: str,
    x: float,
    foot: float,
    height: float,
    align: Literal["top", "center"],
    *,
    left: bool,
) -> None:
    """Draw a dashed line at `x`, with a text beside it at `height`."""
    axes.vlines(x, *sorted((foot, height)), color=INK, linewidth=1, linestyle=(0, (2, 2)))
    axes.annotate(
        text,
        (x, height),
        (4 if left else -4, 0),
        textcoords="offset points",
        horizontalalignment="left" if left else "right",
        verticalalignment=align,
        bbox=BEHIND,
    )


@contextlib.contextmanager
def _figure(height: float) -> Iterator[tuple[Figure, Axes]]:
    """Open an empty picture of `WIDTH` x `height` inches; this machine's settings do not matter."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a label in letters that no font here has: the page's may
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02)
        figure = Figure(figsize=(WIDTH, height), dpi=72, layout=layout)
        yield figure, figure.add_subplot()


def _svg(figure: Figure, title: str, describe: str) -> Markup:
    """Return the picture as an element of a page: in its font, with a name, without ids."""
    from markupsafe import Markup

    for drawn in figure.findobj():
        drawn.set_clip_on(False)
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    box = re.search(r'viewBox="[^"]*"', text)
    assert box
    text = text[text.index("</defs>") + len("</defs>") :]
    for pattern in (r' id="[^"]*"', f"; font-family: '{FONT}'"):
        text = re.sub(pattern, "", text)
    for drawn_in, meant in COLOURS.items():
        text = text.replace(drawn_in, meant)
    named = f"<title>{escape(title)}</title><desc>{escape(visible(describe))}</desc>"
    return Markup(f'<svg {box[0]} role="img">{named}{text}')
