"""Pictures for pages: inline SVG by matplotlib, in the page's own colours and fonts."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from phi3scaffold.runtime.page.text import cut, visible

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 5.0  # inches of 72 units; a phone shows them at about their size
INK, LINE, FIRST, SECOND = "#000001", "#000002", "#000003", "#000004"
# Drawn in colours that stand for the page's, which has others when it is dark.
COLOURS = {
    INK: "currentColor",
    LINE: "var(--line)",
    FIRST: "var(--first)",
    SECOND: "var(--second)",
}
FONT = "DejaVu Sans"  # travels with matplotlib; it measures, the page's own font shows
SETTINGS = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, searched and copied
    "svg.hashsalt": "phi3scaffold",  # the same picture is the same bytes
    "font.size": 10.5,
    "font.family": FONT,
    "text.color": INK,
    "text.parse_math": False,  # a $ in a label is a $
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}
LONGEST_NAME = 20  # characters of a bar's name


def bars(series: Mapping[str, Mapping[str, int]], title: str, describe: str) -> Markup:
    """Lying bars, one group for each name, at most two series in the page's two colours.

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
            zip(series.values(), (FIRST, SECOND), strict=False)
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
    """Standing bars between `edges`, the second series on top of the first.

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
        for values, colour in zip(counts, (FIRST, SECOND), strict=False):
            axes.bar(at[:-1], values, 0.92 * np.diff(at), below, align="edge", color=colour)
            below = below + values
        for step, (name, place) in enumerate(sorted(marks.items(), key=lambda mark: -mark[1])):
            height = top * (1.12 + 0.13 * step)
            right = place > (at[0] + at[-1]) / 2
            axes.vlines(place, 0, height, color=INK, linewidth=1, linestyle=(0, (2, 2)))
            axes.annotate(
                f"{name} {place:,.0f}",
                (place, height),
                (-4 if right else 4, 0),
                textcoords="offset points",
                horizontalalignment="right" if right else "left",
                verticalalignment="top",
            )
        axes.set_xlim(at[0], at[-1])
        axes.set_ylim(0, top * (1.05 + 0.13 * len(marks)))
        axes.locator_params(nbins=5)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_yticks([tick for tick in axes.get_yticks() if tick <= top and tick == int(tick)])
        axes.grid(axis="y", color=LINE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[:].set_visible(False)
        return _svg(figure, title, describe)


@contextlib.contextmanager
def _figure(height: float) -> Iterator[tuple[Figure, Axes]]:
    """An empty picture of `WIDTH` x `height` inches, whatever this machine's own settings say."""
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
    """The picture as an element of a page: in its font, with a name, no ids that could meet."""
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
