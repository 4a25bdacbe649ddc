"""Which rows are enough for a form whose comparison is decided early, and whether they were.

The base is there to show what training brought: some rows tell it from the adapter. The merged
model is the adapter in other weights: where its logits are so near the adapter's that no token of
an answer could be another one, its answers are the adapter's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from phi3scaffold.evaluation.estimate import Estimate
from phi3scaffold.evaluation.looks import spread_order
from phi3scaffold.evaluation.measurement import Measurement

FEW = {"base": 64, "merged": 32}
EARLY = 0.999  # confidence of what few rows of the base decide
CLEAR = 0.8  # a ratio of perplexities below this, or above its inverse, is worth no closer look


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


def tells_apart(estimates: Mapping[str, Estimate]) -> bool:
    """Return whether more rows of the base would change nothing that is said of it.

    Args:
        estimates: of the adapter over the base, with the confidence `EARLY`. A look at few rows
            that may end it needs more confidence than the last one, which then needs no more than
            it would alone (J. L. Haybittle, British Journal of Radiology 44 (1971), 793-797).
    """
    ratio, better = estimates["over_base"], estimates.get("over_base_answers")
    clear = ratio.high < CLEAR or ratio.low > 1 / CLEAR
    return clear and (better is None or better.low > 0 or better.high < 0)


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


def as_adapter(merged: Measurement, adapter: Measurement, rows: Sequence[int]) -> Measurement:
    """Return the adapter's answers with the merged model's own speed, memory and divergence.

    Args:
        merged: measured on these rows.
        adapter: measured on all.
        rows: the numbers of these rows.
    """
    own = ("kl", "max_logit_difference", "compared", "first_token_seconds", "tokens_per_second")
    values = {name: getattr(merged, name) for name in (*own, "peak_bytes", "neutral_loss")}
    lengths = [len(ids) + ended for ids, ended in
               zip(adapter.answer_ids, adapter.ended, strict=True)]  # fmt: skip
    for name in ("kl_sums", "kl_of"):
        own_rows = dict(zip(rows, getattr(merged, name), strict=True))
        values[name] = [own_rows.get(row, 0) for row in range(len(adapter.rows))]
    return replace(adapter, agreed=lengths, agreed_of=lengths, **values)


def _least_lead(adapter: Measurement, without: Sequence[int]) -> float:
    rest = set(range(len(adapter.rows))) - set(without)
    return min(adapter.leads[row] for row in rest)
