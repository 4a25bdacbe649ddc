"""Compute what the release thresholds judge: each value with its interval, form by form.

Forms are compared row by row, on the rows that both were measured on.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phi3scaffold.evaluation.baselines import BaselineAnswers
from phi3scaffold.evaluation.chrf import chrf
from phi3scaffold.evaluation.estimate import CONFIDENCE, Estimate
from phi3scaffold.evaluation.evaluation_set import EvaluationSet
from phi3scaffold.evaluation.intervals import (
    mean_difference,
    ratio_of_sums,
    share,
    share_difference,
)
from phi3scaffold.evaluation.measurement import Measurement
from phi3scaffold.evaluation.rouge import rouge_l

LIKE = 0.5  # ROUGE-L with the adapter's answer from which an answer is like it
BROKEN_LOSS = 100.0  # nats a token, in place of what broken weights give


@dataclass(frozen=True)
class MeasuredRows:
    """What was measured of a form, and on which rows of the evaluation.

    Attributes:
        rows: their numbers, ascending.
        measurement: its lists have an entry for each of them.
    """

    rows: Sequence[int]
    measurement: Measurement

    def take(self, rows: Sequence[int]) -> Measurement:
        """Return the measurement of some of the rows, by their numbers in the evaluation."""
        places = {row: place for place, row in enumerate(self.rows)}
        return self.measurement.take([places[row] for row in rows])


class FormEstimates:
    """Estimates of every form, from what was measured of all.

    Args:
        dataset: the rows of the evaluation.
        measured: form -> what was measured of it; with the adapter, or without any comparison.
        groups: of each row its question.
        baselines: name -> a baseline.
        confidence: of the intervals.
    """

    def __init__(
        self,
        dataset: EvaluationSet,
        measured: Mapping[str, MeasuredRows],
        groups: Sequence[int],
        baselines: Mapping[str, BaselineAnswers],
        confidence: float = CONFIDENCE,
    ) -> None:
        self._confidence = confidence
        self._dataset, self._measured, self._groups = dataset, measured, groups
        self._baselines = baselines
        self._expected = [row.answer.strip() for row in dataset.rows]

    def of(self, form: str) -> dict[str, Estimate]:
        """Return what is judged of a form, by the names of the limits."""
        rows = self._measured[form].rows
        estimates = {"truncated_answers": self._truncated(form)}
        if form == "base":
            return estimates
        if "base" in self._measured:
            estimates |= self.over_base(form)
        if form != "adapter" and "adapter" in self._measured:
            estimates |= self._like_adapter(form)
        for name, baseline in self._baselines.items():
            theirs = [baseline.answers[row] for row in rows]
            answers = self._measured[form].measurement.answers
            estimates[f"over_{name}"] = self._better(answers, theirs, rows)
        return estimates

    def _truncated(self, form: str) -> Estimate:
        """Return the share of answers without an end, of the rows whose expected answer fits."""
        rows, most = self._measured[form].rows, self._dataset.max_new_tokens
        ended = self._measured[form].measurement.ended
        fits = [len(self._dataset.answers[row]) <= most for row in rows]
        chosen = [place for place, its in enumerate(fits) if its] or list(range(len(rows)))
        return share(
            [not ended[place] for place in chosen],
            [self._groups[rows[place]] for place in chosen],
            self._confidence,
        )

    def over_base(self, form: str) -> dict[str, Estimate]:
        """Return how a form compares with the base."""
        rows = self._common(form, "base")
        own, base = self._measured[form].take(rows), self._measured["base"].take(rows)
        estimates = {"over_base": self._perplexity_ratio(own, base, rows)}
        if not self._dataset.labels:
            estimates["over_base_answers"] = self._better(own.answers, base.answers, rows)
        return estimates

    def _like_adapter(self, form: str) -> dict[str, Estimate]:
        rows = self._common(form, "adapter")
        own, adapter = self._measured[form].take(rows), self._measured["adapter"].take(rows)
        groups = [self._groups[row] for row in rows]
        estimates = {
            "accuracy_lost": self._better(adapter.answers, own.answers, rows),
            "perplexity_ratio": self._perplexity_ratio(own, adapter, rows),
        }
        if sum(own.kl_of):
            sums = [_finite(one, BROKEN_LOSS) for one in own.kl_sums]
            estimates["kl"] = ratio_of_sums(sums, own.kl_of, groups, confidence=self._confidence)
        if sum(own.agreed_of):
            estimates["agreement"] = ratio_of_sums(
                own.agreed, own.agreed_of, groups, is_share=True, confidence=self._confidence
            )
        if not self._dataset.labels:
            pairs = zip(own.answers, adapter.answers, strict=True)
            scores = zip(rouge_l(own.answers, adapter.answers), pairs, strict=True)
            alike = [score >= LIKE or mine == its for score, (mine, its) in scores]
            estimates["like_adapter"] = share(alike, groups, self._confidence)
            expected = [self._expected[row] for row in rows]
            before, after = (chrf(one.answers, expected) for one in (adapter, own))
            estimates["chrf_lost"] = mean_difference(before, after, groups, self._confidence)
        return estimates

    def _better(self, first: list[str], second: list[str], rows: Sequence[int]) -> Estimate:
        """Return by how much `first` is better: in accuracy, or in ROUGE-L of free answers."""
        expected = [self._expected[row] for row in rows]
        groups = [self._groups[row] for row in rows]
        if not self._dataset.labels:
            own, its = (rouge_l(one, expected) for one in (first, second))
            return mean_difference(own, its, groups, self._confidence)
        right = [[a == b for a, b in zip(one, expected, strict=True)] for one in (first, second)]
        return share_difference(right[0], right[1], groups, self._confidence)

    def _perplexity_ratio(
        self, own: Measurement, other: Measurement, rows: Sequence[int]
    ) -> Estimate:
        """Return the first's perplexity of the expected answers over the second's."""
        tokens = [len(self._dataset.answers[row]) for row in rows]
        worst = [-BROKEN_LOSS * count for count in tokens]
        losses = [
            [_finite(one, least) for one, least in zip(its.log_likelihood, worst, strict=True)]
            for its in (other, own)
        ]
        lost = [first - second for first, second in zip(*losses, strict=True)]
        groups = [self._groups[row] for row in rows]
        return ratio_of_sums(lost, tokens, groups, show=_exp, confidence=self._confidence)

    def _common(self, one: str, other: str) -> list[int]:
        return sorted(set(self._measured[one].rows) & set(self._measured[other].rows))


def _finite(value: float, otherwise: float) -> float:
    return value if math.isfinite(value) else otherwise


def _exp(nats: float) -> float:
    return math.exp(nats) if nats < 700 else sys.float_info.max
