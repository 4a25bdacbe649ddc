"""The comparison of model forms as a table: the one home of its columns, headings and cells.

The terminal, the report page and the model card choose columns and lay them out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from phi3scaffold.evaluation.estimate import Estimate
from phi3scaffold.evaluation.metrics import FormMetrics, Metrics
from phi3scaffold.project.formatting import binary_size, decimal_size, perplexity, rate, visible

FEW = 30  # rows; with fewer, differences mean little
FEW_ROWS = "With so few rows, forms can hardly be told apart: see the confidence intervals."


def percent(value: float) -> str:
    return f"{value:.1%}"


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        key: an attribute of `FormMetrics`.
        heading: its heading.
        legend: what it means, without a full stop.
        show: turns the value into text.
        short: a shorter heading for a terminal of 80 columns; empty where there is none.
        of: what it applies to: ``labels``, ``free`` answers, or both (empty).
    """

    key: str
    heading: str
    legend: str
    show: Callable[[Any], str] = percent
    short: str = ""
    of: str = ""

    def cell(self, form: FormMetrics) -> str:
        """Return a form's value as text; empty where it has none."""
        value = getattr(form, self.key)
        return "" if value is None else self.show(value)


@dataclass(frozen=True)
class Table:
    """Columns and their cells.

    Attributes:
        columns: key -> column; the first cell of a row is the form's name, and has none.
        rows: form -> its cells, from the base to what ships.
    """

    columns: dict[str, Column]
    rows: dict[str, list[str]]

    @property
    def headings(self) -> list[str]:
        """The headings in full, that of the form's name first."""
        return ["form", *(column.heading for column in self.columns.values())]

    @property
    def lines(self) -> list[list[str]]:
        """The rows, the form's name first."""
        return [[form, *cells] for form, cells in self.rows.items()]

    @property
    def legends(self) -> list[tuple[str, str]]:
        """(heading, legend) of every column that has a legend."""
        return [(one.heading, one.legend) for one in self.columns.values() if one.legend]


def _interval(ends: list[float]) -> str:
    return "-".join(f"{100 * end:.1f}" for end in ends)


def _f1(score: float) -> str:
    return f"{score:.3f}"


def _p_value(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _points(lost: Estimate) -> str:
    value, low, high = (
        f"{round(100 * one, 1) + 0.0:.1f}" for one in (lost.value, lost.low, lost.high)
    )
    return f"{value} ({low} to {high})"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.0f} ms"


def _memory(number: int) -> str:
    return binary_size(number) if number else ""


LABELS, FREE = "labels", "free"
COLUMNS = {
    column.key: column
    for column in (
        Column(
            "accuracy",
            "accuracy",
            "share of rows whose generated answer is the expected label",
            of=LABELS,
        ),
        Column(
            "exact_match",
            "exact match",
            "share of rows whose answer is exactly the expected one",
            short="exact",
            of=FREE,
        ),
        Column("correct_interval", "95 % CI", "95 % confidence interval in percent", _interval),
        Column(
            "likelihood_accuracy",
            "accuracy by label likelihood",
            "share of rows whose most likely label is the expected one",
            short="by lik.",
            of=LABELS,
        ),
        Column(
            "rouge_l",
            "ROUGE-L",
            "longest common subsequence of words with the expected answer",
            of=FREE,
        ),
        Column(
            "chrf",
            "chrF",
            "sequences of one to six characters in common with the expected answer",
            of=FREE,
        ),
        Column(
            "macro_f1",
            "macro F1",
            "mean of the labels' F1 scores, by the generated answers",
            _f1,
            of=LABELS,
        ),
        Column("invalid", "no label", "answers that are no label", of=LABELS),
        Column("truncated_answers", "truncated", "answers cut off at the length limit"),
        Column(
            "perplexity",
            "perplexity",
            "of the expected answers; 1 is best",
            perplexity,
            short="perplex.",
        ),
        Column(
            "neutral_loss",
            "neutral text",
            "cross entropy of a text outside the task, in nats a token; it rises with forgetting",
            _f1,
        ),
        Column("same_answer", "same answers", "rows with the same answer as the adapter's"),
        Column(
            "agreement",
            "agreement",
            "tokens of the adapter's answers that the form would choose, too",
            short="agree.",
        ),
        Column(
            "mcnemar_p",
            "McNemar's p",
            "how likely so uneven a number of rows is that only the form or only the adapter has "
            "right, were both as good (mid-p); it decides nothing",
            _p_value,
            of=LABELS,
        ),
        Column(
            "chrf_lost",
            "chrF lost",
            "points of chrF lost relative to the adapter, with their interval; it decides nothing",
            _points,
            of=FREE,
        ),
        Column(
            "other_prompt",
            "prompts tokenized differently",
            "rows whose prompt becomes other tokens than the adapter's",
        ),
        Column("tokens_per_second", "tokens/s", "one answer at a time", rate, short="tok/s"),
        Column("first_token_seconds", "first token", "time until the first token", _milliseconds),
        Column(
            "peak_bytes", "peak memory", "of the process that answered", _memory, short="memory"
        ),
        Column("disk_bytes", "disk", "files that the form needs", decimal_size),
    )
}
# Of the adapter with itself they say nothing.
WITH_ITSELF = ("same_answer", "agreement", "mcnemar_p", "chrf_lost", "other_prompt")


def comparison_table(metrics: Metrics, keys: Iterable[str]) -> Table:
    """Return the columns `keys` of every measured form, without those that do not apply."""
    kind = "labels" if metrics.is_classification else "free"
    columns = {key: COLUMNS[key] for key in keys if COLUMNS[key].of in ("", kind)}
    if not any(form.other_prompt for form in metrics.forms.values()):
        columns.pop("other_prompt", None)
    rows = {name: _cells(name, metrics, columns) for name in metrics.compared}
    return Table(columns, rows)


def _cells(name: str, metrics: Metrics, columns: dict[str, Column]) -> list[str]:
    form = metrics.forms[name]
    return [
        "" if name == "adapter" and key in WITH_ITSELF else column.cell(form)
        for key, column in columns.items()
    ]


def baseline_scores(metrics: Metrics) -> dict[str, float]:
    """Return what is reached without a language model: a text with the accuracy -> accuracy."""
    scores = {}
    for name, baseline in metrics.baselines.items():
        text = "TF-IDF classifier"
        if name == "majority":
            text = f'always "{visible(baseline.label or "")}"'
        elif name == "nearest":
            text = f"nearest training prompt's answer (ROUGE-L {percent(baseline.rouge_l or 0.0)})"
        scores[f"{percent(baseline.accuracy)} {text}"] = baseline.accuracy
    return scores
