"""A form's metrics, against values worked out by hand or with the definition itself."""

from __future__ import annotations

import json
import math
from collections import Counter
from random import Random
from typing import Any

import pytest

from phi3scaffold.datasets.conversations import Conversation
from phi3scaffold.datasets.paired_shares import mcnemar_p
from phi3scaffold.evaluation.chrf import chrf
from phi3scaffold.evaluation.evaluation_set import EvaluationSet
from phi3scaffold.evaluation.form_estimates import FormEstimates, MeasuredRows
from phi3scaffold.evaluation.form_metrics import compute_metrics, share_with_interval
from phi3scaffold.evaluation.measurement import Measurement
from phi3scaffold.evaluation.rouge import rouge_l


def asked(expected: list[str], labels: tuple[str, ...] = ("joy", "fear")) -> EvaluationSet:
    turns = [
        [{"role": "user", "content": "?"}, {"role": "assistant", "content": e}] for e in expected
    ]
    return EvaluationSet(
        rows=tuple(Conversation(f"rows:{i}", turn, {}) for i, turn in enumerate(turns)),
        answers=tuple((5, 6) for _ in expected),
        labels=labels,
        label_ids=tuple((5, n) for n in range(len(labels))),
        max_new_tokens=20,
        held_out=len(expected),
    )


def measured(answers: list[str], **other: Any) -> Measurement:
    count = len(answers)
    values: dict[str, Any] = {
        "rows": list(range(count)),
        "answers": answers,
        "answer_ids": [[5]] * count,
        "ended": [True] * count,
        "prompts": [[1, 2]] * count,
        "log_likelihood": [-2.0] * count,
        "likeliest": [0] * count,
        "agreed": [1] * count,
        "agreed_of": [2] * count,
        "kl": 0.5,
        "max_logit_difference": 1.5,
        "compared": 7,
        "first_token_seconds": 0.1,
        "tokens_per_second": 10.0,
        "peak_bytes": 3,
    }
    return Measurement(**{**values, **other})


def test_a_classification() -> None:
    questions = asked(["joy", "joy", "fear", "fear"])
    measurement = measured(
        ["joy", "fear", "fear", "Fear!"], likeliest=[0, 0, 1, 0], ended=[True] * 3 + [False]
    )
    found = compute_metrics(measurement, questions, measured(["joy", "joy", "fear", "fear"]))
    assert found.accuracy == 0.5
    assert found.confusion == [[1, 1, 0], [0, 1, 1]]
    assert found.invalid == 0.25
    # joy: precision 1, recall 1/2; fear: precision 1/2, recall 1/2
    assert found.macro_f1 == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found.likelihood_accuracy == 0.75
    assert found.likelihood_confusion == [[2, 0, 0], [1, 1, 0]]
    # joy: precision 2/3, recall 1; fear: precision 1, recall 1/2
    assert found.likelihood_macro_f1 == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert found.perplexity == pytest.approx(math.e)  # 8 nats over 8 tokens
    assert found.truncated_answers == 0.25
    assert found.same_answer == 0.5
    assert found.agreement == 0.5
    assert found.other_prompt == 0.0


def test_mcnemars_p_counts_the_rows_that_only_one_has_right() -> None:
    expected = ["joy"] * 12
    form, adapter = measured(["joy"] * 11 + ["fear"]), measured(["fear"] * 10 + ["joy"] * 2)
    found = compute_metrics(form, asked(expected), adapter)
    # 10 against 1 of 11 that differ: 2 * (P(0) + P(1) / 2) = 2 * (1 + 5.5) / 2048
    assert found.mcnemar_p == pytest.approx(6.5 / 1024)
    again = compute_metrics(adapter, asked(expected), adapter)
    assert again.mcnemar_p == 1.0
    assert compute_metrics(form, asked(expected, labels=()), adapter).mcnemar_p is None


@pytest.mark.parametrize(("won", "lost"), [(0, 6), (25, 9), (14, 2), (50, 61)])
def test_mcnemars_p_is_the_exact_one_less_half_of_what_was_seen(won: int, lost: int) -> None:
    from scipy.stats import binom, binomtest

    seen = binom.pmf(won, won + lost, 0.5)
    assert mcnemar_p(won, lost) == mcnemar_p(lost, won)
    assert mcnemar_p(won, lost) == pytest.approx(binomtest(won, won + lost).pvalue - seen)


@pytest.mark.parametrize("rows", [0, 1, 8])
def test_mcnemars_p_of_as_many_each_way_is_one(rows: int) -> None:
    assert mcnemar_p(rows, rows) == pytest.approx(1.0)


def test_free_answers() -> None:
    questions = asked(["the cat sat", "no"], labels=())
    found = compute_metrics(measured(["the cat sat down", "no"], likeliest=[]), questions, None)
    assert found.exact_match == 0.5
    assert found.rouge_l == pytest.approx((6 / 7 + 1) / 2)
    assert found.chrf == pytest.approx((chrf(["the cat sat down"], ["the cat sat"])[0] + 1) / 2)
    assert found.accuracy is None and found.macro_f1 is None and found.same_answer is None


def test_what_is_lost_of_chrf_is_paired_with_the_adapter() -> None:
    """Rows that lose nothing make the interval narrow, however different they are."""
    expected = [f"answer number {row} is the {row}th of them" for row in range(40)]
    nearly = [one.replace("them", "then") if row < 35 else one for row, one in enumerate(expected)]
    forms = {
        name: MeasuredRows(range(40), measured(answers, kl_sums=[0.1] * 40, kl_of=[1] * 40))
        for name, answers in {"adapter": expected, "onnx": nearly}.items()
    }
    estimates = FormEstimates(asked(expected, labels=()), forms, range(40), {})
    lost = estimates.of("onnx")["chrf_lost"]
    assert lost.value == pytest.approx(1 - sum(chrf(nearly, expected)) / 40)
    assert 0 < lost.low < lost.value < lost.high < 2 * lost.value
    assert "chrf_lost" not in estimates.of("adapter")
    assert "chrf_lost" not in FormEstimates(asked(expected), forms, range(40), {}).of("onnx")


def test_chrf_is_that_of_its_paper() -> None:
    """Precision and recall of each length, averaged over the lengths; recall counts twice."""
    random = Random(0)
    texts = ["".join(random.choices("abcd ", k=random.randint(8, 60))) for _ in range(40)]
    for one, other in zip(texts[::2], texts[1::2], strict=True):
        parts = []
        for length in range(1, 7):
            mine, its = (
                Counter(text[at : at + length] for at in range(len(text) - length + 1))
                for text in ("".join(one.split()), "".join(other.split()))
            )
            common = (mine & its).total()
            if mine and its:
                parts.append((common / mine.total(), common / its.total()))
        precision, recall = (sum(values) / len(values) for values in zip(*parts, strict=True))
        expected = 5 * precision * recall / (4 * precision + recall) if precision + recall else 0.0
        assert chrf([one], [other])[0] == pytest.approx(expected)


def test_chrf_of_the_same_characters_is_one() -> None:
    assert chrf(["a", "", "今日は雨", "Maß"], ["a", "", "今日は雨", "Maß"]) == [1.0] * 4
    assert chrf(["", "x", "yes"], ["x", "", "no"]) == [0.0] * 3


def test_a_prompt_read_otherwise_is_counted() -> None:
    measurement = measured(["joy", "fear"], prompts=[[1, 2], [1, 3]])
    found = compute_metrics(measurement, asked(["joy", "fear"]), measured(["joy", "fear"]))
    assert found.other_prompt == 0.5


@pytest.mark.parametrize(
    ("right", "of", "low", "high"),
    # R's binom.confint(x, n, methods = "wilson")
    [(0, 10, 0.0, 0.2775), (9, 10, 0.5958, 0.9821), (50, 100, 0.4038, 0.5962)],
)
def test_the_interval_is_wilsons(right: int, of: int, low: float, high: float) -> None:
    _, interval = share_with_interval([True] * right + [False] * (of - right))
    assert interval == pytest.approx([low, high], abs=1e-4)


def test_rouge_counts_words_in_any_script() -> None:
    assert rouge_l(["Größe zählt"], ["größe zählt!"]) == [1.0]
    assert rouge_l(["今日は雨"], ["今日は晴"]) == [0.75]
    assert rouge_l(["", "something"], ["something", ""]) == [0.0, 0.0]


def test_rouge_is_that_of_torchmetrics() -> None:
    from torchmetrics.functional.text.rouge import rouge_score

    random = Random(0)
    texts = [" ".join(random.choices("abcdef", k=random.randint(1, 80))) for _ in range(40)]
    for one, other in zip(texts[::2], texts[1::2], strict=True):
        its = rouge_score(one, other, rouge_keys="rougeL", tokenizer=str.split, normalizer=str)
        assert rouge_l([one], [other])[0] == pytest.approx(float(its["rougeL_fmeasure"]), abs=1e-6)


def test_broken_weights_give_numbers_that_no_limit_lets_pass() -> None:
    """And that every reader of JSON understands."""
    measurement = measured(
        ["joy"], log_likelihood=[math.nan], kl=math.nan, max_logit_difference=math.inf
    )
    found = compute_metrics(measurement, asked(["joy"]), None)
    json.loads(json.dumps(vars(found), allow_nan=False))
    assert found.kl_divergence is not None and found.max_logit_difference is not None
    assert min(found.perplexity, found.kl_divergence, found.max_logit_difference) > 1e300
    far = measured(["joy"], log_likelihood=[-1e5])
    assert compute_metrics(far, asked(["joy"]), None).perplexity > 1e300
