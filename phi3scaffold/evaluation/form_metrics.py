"""Compute a form's metrics from its measurement (their schema: `FormMetrics`)."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence

from phi3scaffold.datasets.paired_shares import mcnemar_p
from phi3scaffold.evaluation.chrf import chrf
from phi3scaffold.evaluation.evaluation_set import EvaluationSet
from phi3scaffold.evaluation.intervals import wilson_interval
from phi3scaffold.evaluation.measurement import Measurement
from phi3scaffold.evaluation.metrics import FormMetrics
from phi3scaffold.evaluation.rouge import rouge_l

NO_LABEL = "(no label)"


def compute_metrics(
    measurement: Measurement, dataset: EvaluationSet, adapter: Measurement | None
) -> FormMetrics:
    """Compute one form's metrics, but its size on disk.

    Args:
        measurement: of the form.
        dataset: the rows that it was measured on.
        adapter: the adapter's measurement, where there is one to compare with.
    """
    expected = [row.answer.strip() for row in dataset.rows]
    tokens = sum(map(len, dataset.answers))
    metrics = FormMetrics(
        perplexity=_exp(-sum(measurement.log_likelihood) / tokens),
        answer_tokens=tokens,
        truncated_answers=_truncated(measurement, dataset),
        first_token_seconds=measurement.first_token_seconds,
        tokens_per_second=measurement.tokens_per_second,
        peak_bytes=measurement.peak_bytes,
    )
    if measurement.neutral_loss is not None:
        metrics.neutral_loss = _finite(measurement.neutral_loss)
    _compare_texts(metrics, measurement.answers, expected, dataset.labels)
    if dataset.labels:
        likeliest = [dataset.labels[number] for number in measurement.likeliest]
        _compare_likeliest(metrics, likeliest, expected, dataset.labels)
    if adapter is not None:
        metrics.same_answer = _share_equal(measurement.answers, adapter.answers)
        metrics.other_prompt = 1 - _share_equal(measurement.prompts, adapter.prompts)
        if dataset.labels:
            right = [_equal(one.answers, expected) for one in (measurement, adapter)]
            pairs = list(zip(*right, strict=True))
            metrics.mcnemar_p = mcnemar_p(pairs.count((True, False)), pairs.count((False, True)))
    if sum(measurement.agreed_of):
        metrics.agreement = sum(measurement.agreed) / sum(measurement.agreed_of)
    if measurement.kl is not None:
        metrics.kl_divergence = _finite(measurement.kl)
        metrics.max_logit_difference = _finite(measurement.max_logit_difference or 0.0)
        metrics.compared = measurement.compared
    return metrics


def share_with_interval(hits: Sequence[bool]) -> tuple[float, list[float]]:
    """Return the share that is true, and its 95 % confidence interval (Wilson's) as [low, high]."""
    value = sum(hits) / len(hits)
    return value, list(wilson_interval(value, len(hits)))


def _compare_texts(
    metrics: FormMetrics, answers: list[str], expected: list[str], labels: tuple[str, ...]
) -> None:
    share, interval = share_with_interval(_equal(answers, expected))
    if labels:
        metrics.accuracy, metrics.accuracy_interval = share, interval
        metrics.macro_f1, metrics.confusion = _f1_and_confusion(answers, expected, labels)
        metrics.invalid = sum(answer not in labels for answer in answers) / len(answers)
    else:
        metrics.exact_match, metrics.exact_match_interval = share, interval
        metrics.rouge_l = statistics.fmean(rouge_l(answers, expected))
        metrics.chrf = statistics.fmean(chrf(answers, expected))


def _compare_likeliest(
    metrics: FormMetrics, likeliest: list[str], expected: list[str], labels: tuple[str, ...]
) -> None:
    share, interval = share_with_interval(_equal(likeliest, expected))
    metrics.likelihood_accuracy, metrics.likelihood_accuracy_interval = share, interval
    scores = _f1_and_confusion(likeliest, expected, labels)
    metrics.likelihood_macro_f1, metrics.likelihood_confusion = scores


def _f1_and_confusion(
    answers: list[str], expected: list[str], labels: tuple[str, ...]
) -> tuple[float, list[list[int]]]:
    from sklearn.metrics import confusion_matrix, f1_score

    known = [answer if answer in labels else NO_LABEL for answer in answers]
    table = confusion_matrix(expected, known, labels=[*labels, NO_LABEL])[:-1]
    f1 = f1_score(expected, known, labels=list(labels), average="macro", zero_division=0.0)
    return float(f1), table.tolist()


def _truncated(measurement: Measurement, dataset: EvaluationSet) -> float:
    """Return the share of answers without an end, of the rows whose expected answer fits."""
    fits = [len(ids) <= dataset.max_new_tokens for ids in dataset.answers]
    truncated = [its and not end for end, its in zip(measurement.ended, fits, strict=True)]
    return sum(truncated) / max(1, sum(fits))


def _equal(values: Sequence[object], others: Sequence[object]) -> list[bool]:
    return [value == other for value, other in zip(values, others, strict=True)]


def _share_equal(values: Sequence[object], others: Sequence[object]) -> float:
    return sum(_equal(values, others)) / len(values)


def _exp(nats: float) -> float:
    return _finite(math.exp(nats)) if nats < 700 else sys.float_info.max


def _finite(value: float) -> float:
    """Return the largest number for one that JSON lacks: that of a form with broken weights."""
    return value if math.isfinite(value) else sys.float_info.max
