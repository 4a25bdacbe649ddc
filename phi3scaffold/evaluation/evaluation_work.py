"""What measuring every form has to compute, counted from the rows before it starts."""

from __future__ import annotations

from collections.abc import Sequence

from phi3scaffold.datasets.token_counts import TokenCounts
from phi3scaffold.evaluation.evaluation_set import MOST_ROWS, SLACK
from phi3scaffold.evaluation.few_rows import FEW
from phi3scaffold.evaluation.looks import MOST_LOOKS
from phi3scaffold.evaluation.measurement import Timing, validation_rows
from phi3scaffold.pipeline.stage import Passes, Work
from phi3scaffold.training.packing import PASS
from phi3scaffold.training.training_work import batch_passes

BATCH = 32  # rows that are read and answered together
STARTS = 0.1  # of the libraries, for a form; they are loaded once, and shared
OPENING = 2.0  # seconds for a gigabyte of a form's weights
TIMING = 0.75  # of the time that measuring the speed may take; small models need less


def evaluation_work(
    counts: TokenCounts,
    forms: Sequence[str],
    most: int | None,
    seconds: float | None,
    *,
    has_labels: bool,
    weights: int = 0,
) -> Work:
    """Return what the forms compute on the held-out rows, or on at most `most` of them.

    An answer that was scored as a whole is not generated: of labels, that is one of the base's,
    which does not know them.

    Args:
        weights: bytes of the base model's.
        seconds: that a form may take for one look, the last of which is reckoned with; None: any.
        has_labels: whether the answers are labels: validation rows are read, too, for how likely
            each is.
    """
    rows = min(counts.held_out, most or MOST_ROWS)
    measured = sum(min(rows, FEW.get(form, rows)) for form in forms)
    passes, tokens = batch_passes(counts.sample, min(BATCH, max(1, rows)), PASS)
    scored = 0
    if has_labels:
        each = (validation_rows(min(rows, FEW.get(form, rows))) for form in forms if form != "base")
        scored = sum(min(counts.validation, wanted) for wanted in each)
    size = min(BATCH, max(1, rows))
    batches = (measured + scored) / size
    answer = counts.labels
    generated = sum(min(rows, FEW.get(form, rows)) for form in forms if form == "base")
    if not has_labels:
        generated = measured
    longest = max((row.labels for row in counts.sample), default=0) + SLACK
    return Work(
        read=Passes(
            batches * (passes + answer) + generated / size * longest,
            batches * tokens + (measured + scored) * answer + generated * longest,
            (measured + scored) * answer + generated * longest,
        ),
        starts=1 + STARTS * len(forms),
        tokens=(measured + scored) * counts.tokens,
        seconds=OPENING * weights / 1e9 * len(forms),
        fixed=TIMING * Timing().seconds * len(forms),
        most_seconds=MOST_LOOKS * (seconds or 0.0) * len(forms),
        spread=0.5,
    )
