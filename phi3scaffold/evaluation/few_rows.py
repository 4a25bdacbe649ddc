"""Which rows are enough for a form whose comparison is decided early, and whether they were.

The base is there to show what training brought: some rows tell it from the adapter. The merged
model is the adapter in other weights: where its logits are so near the adapter's that no token of
an answer could be another one, its answers are the adapter's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from phi3scaffold.evaluation.measurement import Measurement, spread_order
from phi3scaffold.evaluation.metrics import FormMetrics

FEW = {"base": 64, "merged": 32}
CLEAR = (
    0.8  # a ratio of perplexities below this, or above its inverse, does not turn with more rows
)


def few_rows(form: str, adapter: Measurement) -> list[int]:
    """Return the rows to begin with, ascending; [] where all are needed."""
    count, most = len(adapter.rows), FEW.get(form, 0)
    if not most or count < 2 * most:
        return []
    if form == "base":
        return sorted(spread_order(count)[:most])
    # those where the least would change the adapter's answer, of the rows whose logits are known
    by_lead = sorted(range(count), key=lambda row: adapter.leads[row])
    known = {row for row, _ in adapter.logit_starts}
    chosen = [row for row in by_lead if row in known][:most]
    return sorted(chosen) if _least_lead(adapter, chosen) > 0 else []


def tells_apart(base: FormMetrics, adapter: FormMetrics) -> bool:
    """Return whether more rows of the base would change nothing that is said of it."""
    (low, high), (its_low, its_high) = base.correct_interval, adapter.correct_interval
    ratio = adapter.perplexity / base.perplexity
    return (high < its_low or its_high < low) and not CLEAR < ratio < 1 / CLEAR


def is_alike(merged: Measurement, adapter: Measurement, rows: Sequence[int]) -> bool:
    """Return whether the merged model answers all rows like the adapter, as some rows show.

    Args:
        merged: measured on these rows.
        adapter: measured on all.
        rows: the numbers of these rows.
    """
    same = adapter.take(rows)
    answers = (merged.answer_ids, merged.likeliest, merged.prompts)
    if answers != (same.answer_ids, same.likeliest, same.prompts):
        return False
    if merged.agreed != merged.agreed_of or merged.max_logit_difference is None:
        return False
    # a token changes where its logit falls and another's rises by half its lead
    return 2 * merged.max_logit_difference < _least_lead(adapter, rows)


def as_adapter(merged: Measurement, adapter: Measurement) -> Measurement:
    """Return the adapter's answers with the merged model's own speed, memory and divergence."""
    own = ("kl", "max_logit_difference", "compared", "first_token_seconds", "tokens_per_second")
    values = {name: getattr(merged, name) for name in (*own, "peak_bytes")}
    lengths = [len(ids) + ended for ids, ended in
               zip(adapter.answer_ids, adapter.ended, strict=True)]  # fmt: skip
    return replace(adapter, agreed=lengths, agreed_of=lengths, **values)


def _least_lead(adapter: Measurement, without: Sequence[int]) -> float:
    rest = set(range(len(adapter.rows))) - set(without)
    return min(adapter.leads[row] for row in rest)
