"""metrics.json as typed records: what the evaluation measured, and its schema.

Shares lie between 0 and 1, times are in seconds, sizes in bytes, likelihoods in nats. Files of
earlier versions are read, too: renamed keys by their new names, missing ones by their defaults.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phi3scaffold.evaluation.calibration_metrics import CalibrationMetrics
from phi3scaffold.evaluation.estimate import Estimate
from phi3scaffold.inference.forms.kinds import COMPARED
from phi3scaffold.project.files import read_json

RENAMED = {"unfinished": "truncated_answers"}  # old key -> today's


@dataclass
class FormMetrics:
    """The metrics of one form. None: it does not apply, or was not measured.

    Attributes:
        accuracy: share of rows whose generated answer is the expected label; None for free answers.
        accuracy_interval: its 95 % confidence interval (Wilson's), as [low, high].
        macro_f1: mean of the F1 score of every label, by the generated answers.
        invalid: share of generated answers that are no label.
        confusion: counts; a row is an expected label, a column an answer, the last one "no label".
        likelihood_accuracy: share of rows whose likeliest label, its end of turn included, is the
            expected one.
        likelihood_accuracy_interval: its 95 % confidence interval.
        likelihood_macro_f1: macro F1 of the likeliest labels.
        likelihood_confusion: as `confusion`, of the likeliest labels; never "no label".
        exact_match: share of rows whose free answer is exactly the expected one.
        exact_match_interval: its 95 % confidence interval.
        rouge_l: mean ROUGE-L F-measure of free answers (https://aclanthology.org/W04-1013/).
        chrf: mean chrF of free answers, with each answer's from 0 to 1
            (https://aclanthology.org/W15-3049/).
        perplexity: of the expected answers; at best 1.
        answer_tokens: tokens of the expected answers, over which that is the mean.
        neutral_loss: cross entropy of a neutral text outside of any project's task, in nats a
            token; it rises with what is forgotten. None where it does not fit into the context.
        truncated_answers: share of answers without an end of turn in more tokens than any expected
            answer has.
        same_answer: share of rows with the same answer as the adapter's.
        mcnemar_p: of labels, how likely so uneven a number of rows is that only one of the form and
            the adapter has right, were both as good (McNemar's test, mid-p). It decides nothing.
        agreement: share of the tokens of the adapter's answers that this form would choose, too.
        kl_divergence: mean Kullback-Leibler divergence from the adapter, in nats a token.
        max_logit_difference: the largest difference of any logit from the adapter's.
        compared: positions over which these two were computed.
        other_prompt: share of prompts that its tokenizer reads differently from the adapter's.
        first_token_seconds: median seconds to the first token, one prompt at a time.
        tokens_per_second: median rate of the tokens after it.
        peak_bytes: peak memory of the process; 0 where it is not known.
        disk_bytes: size of the files that the form needs to answer.
        rows: rows that it was measured on, where some were enough to tell it from the adapter; None
            where it was all of them.
        alike_rows: rows whose logits are so near the adapter's that no answer can be another: the
            other numbers are the adapter's. None where it was measured by itself.
        broken: whether the measurement ended early, since some rows showed that the form is broken.
        estimates: what is judged, by the names of the limits (see `Estimate`): values of the rows
            that this form and the one that it is compared with have in common. `chrf_lost`, of free
            answers relative to the adapter, is only shown.
        calibration: how good the probabilities of its labels are (see `CalibrationMetrics`); None
            for free answers, for the base, and without validation rows.
    """

    perplexity: float
    accuracy: float | None = None
    accuracy_interval: list[float] | None = None
    macro_f1: float | None = None
    invalid: float | None = None
    confusion: list[list[int]] | None = None
    likelihood_accuracy: float | None = None
    likelihood_accuracy_interval: list[float] | None = None
    likelihood_macro_f1: float | None = None
    likelihood_confusion: list[list[int]] | None = None
    exact_match: float | None = None
    exact_match_interval: list[float] | None = None
    rouge_l: float | None = None
    chrf: float | None = None
    answer_tokens: int = 0
    neutral_loss: float | None = None
    truncated_answers: float = 0.0
    same_answer: float | None = None
    mcnemar_p: float | None = None
    agreement: float | None = None
    kl_divergence: float | None = None
    max_logit_difference: float | None = None
    compared: int = 0
    other_prompt: float | None = None
    first_token_seconds: float = 0.0
    tokens_per_second: float = 0.0
    peak_bytes: int = 0
    disk_bytes: int = 0
    rows: int | None = None
    alike_rows: int | None = None
    broken: bool | None = None
    estimates: dict[str, Estimate] = field(default_factory=dict)
    calibration: CalibrationMetrics | None = None

    @property
    def score(self) -> float:
        """The metric that the release thresholds judge: accuracy; of free answers ROUGE-L."""
        return (self.rouge_l or 0.0) if self.accuracy is None else self.accuracy

    @property
    def chrf_lost(self) -> Estimate | None:
        """What is lost of chrF relative to the adapter, row by row; None where it is not known."""
        return self.estimates.get("chrf_lost")

    @property
    def correct(self) -> float:
        """The share of generated answers that are the expected ones."""
        return (self.exact_match or 0.0) if self.accuracy is None else self.accuracy

    @property
    def correct_interval(self) -> list[float]:
        """The 95 % confidence interval of `correct`."""
        own = self.exact_match_interval if self.accuracy is None else self.accuracy_interval
        return own or [0.0, 1.0]


@dataclass
class Baseline:
    """What is reached without a language model.

    Attributes:
        accuracy: share of rows with the expected answer.
        accuracy_interval: its 95 % confidence interval, as [low, high].
        label: of ``majority``: the most frequent training label.
        rows: of ``tfidf`` and ``nearest``: how many training rows it learned from.
        rouge_l, chrf: of ``nearest``: mean ROUGE-L and chrF of its answers.
    """

    accuracy: float
    accuracy_interval: list[float] = field(default_factory=lambda: [0.0, 1.0])
    label: str | None = None
    rows: int | None = None
    rouge_l: float | None = None
    chrf: float | None = None


@dataclass
class Metrics:
    """The content of metrics.json.

    Attributes:
        task: ``classify``, ``qa`` or ``chat``.
        model: the base model as project.yaml names it, or the folder that was measured.
        rows: held-out rows that every form answered.
        held_out: held-out rows that there are.
        demonstration: whether the model is the embedded one, for testing the pipeline only.
        measured: the day of the measurement, such as ``2026-11-21``; empty where it is not known.
        machine: system, processor and Python of the measurement; empty where not known.
        labels: the labels of a classification; empty for free answers.
        forms: form -> its metrics, from the base to what ships.
        baselines: ``majority`` and ``tfidf`` of labels; of free answers ``nearest``, the answer of
            the training prompt that is nearest by TF-IDF.
        questions: different questions among the rows; near duplicates are one. 0: not known.
        looks: where not all rows were asked at once, how many each planned look has by its end.
        look: the look that the evaluation ended with, from 1 on.
        not_measured: form -> why it was not measured.
    """

    task: str
    model: str
    rows: int
    held_out: int
    demonstration: bool = False
    measured: str = ""
    machine: str = ""
    labels: list[str] = field(default_factory=list)
    forms: dict[str, FormMetrics] = field(default_factory=dict)
    baselines: dict[str, Baseline] = field(default_factory=dict)
    not_measured: dict[str, str] = field(default_factory=dict)
    questions: int = 0
    looks: list[int] = field(default_factory=list)
    look: int = 1

    @property
    def is_classification(self) -> bool:
        """Whether the answers are labels."""
        return bool(self.labels)

    @property
    def compared(self) -> list[str]:
        """The measured forms, from the base to what ships."""
        return [name for name in COMPARED if name in self.forms]

    def to_json(self) -> dict[str, Any]:
        """Return JSON-able values, without what does not apply; `from_json` reads them."""
        return {
            **dataclasses.asdict(self),
            "forms": {name: _present(form) for name, form in self.forms.items()},
            "baselines": {name: _present(one) for name, one in self.baselines.items()},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Metrics:
        """Read what `to_json` wrote, here or in an earlier version."""
        known = known_fields(cls, values)
        forms = {
            name: _form(known_fields(FormMetrics, form, RENAMED))
            for name, form in values["forms"].items()
        }
        baselines = {
            name: Baseline(**known_fields(Baseline, one))
            for name, one in values.get("baselines", {}).items()
        }
        return cls(**{**known, "forms": forms, "baselines": baselines})


def read_metrics(path: Path) -> Metrics:
    """Read a metrics.json.

    Raises:
        ScaffoldError, OSError, KeyError, TypeError: it is not there, or holds something else.
    """
    return Metrics.from_json(read_json(path))


def known_fields(
    record: type, values: Mapping[str, Any], renamed: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return those of `values` that `record` has a field for, by their names of today."""
    names = {one.name for one in dataclasses.fields(record)}
    by_name = {(renamed or {}).get(key, key): value for key, value in values.items()}
    return {key: value for key, value in by_name.items() if key in names}


def _form(values: dict[str, Any]) -> FormMetrics:
    estimates = values.get("estimates", {}).items()
    own: dict[str, Any] = {"estimates": {key: Estimate(**one) for key, one in estimates}}
    if values.get("calibration"):
        its = known_fields(CalibrationMetrics, values["calibration"])
        own["calibration"] = CalibrationMetrics.from_json(its)
    return FormMetrics(**{**values, **own})


def _present(record: FormMetrics | Baseline) -> dict[str, Any]:
    values = dataclasses.asdict(record)
    return {key: value for key, value in values.items() if value is not None}
