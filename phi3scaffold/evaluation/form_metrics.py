"""From what a form did to the numbers of its rung. Shares are between 0 and 1, times in seconds."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from typing import Any

from phi3scaffold.evaluation.measurement import Measured
from phi3scaffold.evaluation.questions import Questions

OTHER = "(no label)"
CONFIDENCE = 0.95


def rung(made: Measured, asked: Questions, adapter: Measured | None) -> dict[str, Any]:
    """One form's numbers.

    Args:
        made: what the form did.
        asked: the questions.
        adapter: what the adapter did, where there is one to compare with.

    Returns:
        For a classification ``accuracy``, ``macro_f1``, ``invalid`` (answers that are no label),
        ``confusion`` (a row an expected label, a column an answer, the last one for no label) and
        ``likelihood_accuracy``, ``likelihood_macro_f1``, ``likelihood_confusion`` (the same of the
        likeliest label, its end of turn included, which is never none); for free answers
        ``exact_match`` and ``rouge_l`` (https://aclanthology.org/W04-1013/). For all:
        ``perplexity`` (of the right answers), ``unfinished``, ``agreement`` (of tokens, with the
        adapter), ``same_answer`` (of rows), ``kl_divergence`` (nats), ``max_logit_difference``,
        ``compared`` (positions of these two), ``other_prompt`` (prompts its tokenizer reads
        otherwise), ``first_token_seconds``, ``tokens_per_second``, ``peak_bytes``. Each share of
        rows that is right has a 95 % ``..._interval`` (Wilson's).
    """
    expected = [row.answer.strip() for row in asked.rows]
    right = [mine == answer for mine, answer in zip(made.answers, expected, strict=True)]
    tokens = sum(map(len, asked.answers))
    numbers: dict[str, Any] = {}
    if asked.labels:
        numbers |= share(right)
        numbers |= _classified(made.answers, expected, asked.labels)
        likeliest = [asked.labels[number] for number in made.likeliest]
        agree = [mine == answer for mine, answer in zip(likeliest, expected, strict=True)]
        numbers |= share(agree, "likelihood_accuracy")
        scored = _classified(likeliest, expected, asked.labels)
        numbers |= {f"likelihood_{key}": scored[key] for key in ("macro_f1", "confusion")}
    else:
        numbers |= share(right, "exact_match")
        numbers["rouge_l"] = rouge_l(made.answers, expected)
    numbers["perplexity"] = _exp(-sum(made.log_likelihood) / tokens)
    numbers["answer_tokens"] = tokens
    fits = [len(ids) <= asked.room for ids in asked.answers]
    open_ = [not ended and its for ended, its in zip(made.ended, fits, strict=True)]
    numbers["unfinished"] = sum(open_) / max(1, sum(fits))
    if adapter is not None:
        same = zip(made.answers, adapter.answers, strict=True)
        numbers["same_answer"] = sum(mine == its for mine, its in same) / len(expected)
        read = zip(made.prompts, adapter.prompts, strict=True)
        numbers["other_prompt"] = sum(mine != its for mine, its in read) / len(expected)
    if sum(made.agreed_of):
        numbers["agreement"] = sum(made.agreed) / sum(made.agreed_of)
    if made.kl is not None:
        numbers["kl_divergence"] = _finite(made.kl)
        numbers["max_logit_difference"] = _finite(made.max_logit_difference or 0.0)
        numbers["compared"] = made.compared
    numbers["first_token_seconds"] = made.first_token_seconds
    numbers["tokens_per_second"] = made.tokens_per_second
    numbers["peak_bytes"] = made.peak_bytes
    return numbers


def share(right: Sequence[bool], name: str = "accuracy") -> dict[str, Any]:
    """``name``: the share that is right; ``name_interval``: where it lies with 95 % confidence.

    Wilson's score interval (https://doi.org/10.1080/01621459.1927.10502953).
    """
    from scipy.stats import binomtest

    test = binomtest(sum(right), len(right))
    interval = test.proportion_ci(CONFIDENCE, method="wilson")
    bounds = [float(interval.low), float(interval.high)]
    return {name: sum(right) / len(right), f"{name}_interval": bounds}


def rouge_l(said: Sequence[str], expected: Sequence[str]) -> float:
    """Mean F-measure of the longest common subsequence of words, in any script."""
    from torchmetrics.functional.text.rouge import rouge_score

    found = rouge_score(
        list(said),
        list(expected),
        rouge_keys="rougeL",
        normalizer=lambda text: text.casefold(),
        tokenizer=lambda text: re.findall(r"\w" if _unspaced(text) else r"\w+", text),
    )
    return float(found["rougeL_fmeasure"])


def _classified(said: list[str], expected: list[str], labels: tuple[str, ...]) -> dict[str, Any]:
    from sklearn.metrics import confusion_matrix, f1_score

    known = [answer if answer in labels else OTHER for answer in said]
    table = confusion_matrix(expected, known, labels=[*labels, OTHER])[:-1]
    return {
        "macro_f1": float(
            f1_score(expected, known, labels=list(labels), average="macro", zero_division=0.0)
        ),
        "invalid": known.count(OTHER) / len(known),
        "confusion": table.tolist(),
    }


def _unspaced(text: str) -> bool:
    """Whether words are not divided by spaces, as in Chinese, Japanese and Thai."""
    return bool(re.search(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]", text))


def _exp(nats: float) -> float:
    """A perplexity."""
    return _finite(math.exp(nats)) if nats < 700 else sys.float_info.max


def _finite(value: float) -> float:
    """What JSON can say of a form whose weights are broken: the largest number for none at all."""
    return value if math.isfinite(value) else sys.float_info.max
