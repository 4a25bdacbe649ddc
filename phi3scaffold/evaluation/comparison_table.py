"""The comparison of model forms as a table: the one home of its columns, headings and cells.

The terminal, the report page and the model card choose columns and lay them out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from phi3scaffold.evaluation.metrics import FormMetrics, Metrics
from phi3scaffold.project.formatting import binary_size, decimal_size, perplexity, rate, visible

FEW = 30  # rows; with fewer, differences mean little
FEW_ROWS = "With so few rows, forms can hardly be told apart: see the confidence intervals."


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        heading: in full.
        short: for a terminal of 80 columns.
        legend: what it means, without a full stop.
        cell: the text for a form's metrics; empty where it has none.
        of: what it applies to: ``labels``, ``free`` answers, or both (empty).
    """

    heading: str
    short: str
    legend: str
    cell: Callable[[FormMetrics], str]
    of: str = ""


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


def percent(value: float | None) -> str:
    """Return ``81.4%``; empty for None."""
    return "" if value is None else f"{value:.1%}"


def _interval(form: FormMetrics) -> str:
    low, high = form.correct_interval
    return f"{100 * low:.1f}-{100 * high:.1f}"


COLUMNS = {
    "accuracy": Column(
        "accuracy",
        "accuracy",
        "share of rows whose generated answer is the expected label",
        lambda form: percent(form.accuracy),
        of="labels",
    ),
    "exact_match": Column(
        "exact match",
        "exact",
        "share of rows whose answer is exactly the expected one",
        lambda form: percent(form.exact_match),
        of="free",
    ),
    "interval": Column("95 % CI", "95 % CI", "95 % confidence interval in percent", _interval),
    "likelihood_accuracy": Column(
        "accuracy by label likelihood",
        "by lik.",
        "share of rows whose most likely label is the expected one",
        lambda form: percent(form.likelihood_accuracy),
        of="labels",
    ),
    "rouge_l": Column(
        "ROUGE-L",
        "ROUGE-L",
        "longest common subsequence of words with the expected answer",
        lambda form: percent(form.rouge_l),
        of="free",
    ),
    "macro_f1": Column(
        "macro F1",
        "F1",
        "mean of the labels' F1 scores, by the generated answers",
        lambda form: "" if form.macro_f1 is None else f"{form.macro_f1:.3f}",
        of="labels",
    ),
    "invalid": Column(
        "no label",
        "no label",
        "answers that are no label",
        lambda form: percent(form.invalid),
        of="labels",
    ),
    "truncated_answers": Column(
        "truncated",
        "truncated",
        "answers that do not end by themselves",
        lambda form: percent(form.truncated_answers),
    ),
    "perplexity": Column(
        "perplexity",
        "perplex.",
        "of the expected answers; 1 is best",
        lambda form: perplexity(form.perplexity),
    ),
    "same_answer": Column(
        "same answers",
        "same",
        "rows with the same answer as the adapter's",
        lambda form: percent(form.same_answer),
    ),
    "agreement": Column(
        "agreement",
        "agree.",
        "tokens of the adapter's answers that the form would choose, too",
        lambda form: percent(form.agreement),
    ),
    "other_prompt": Column(
        "prompts tokenized differently",
        "other prompts",
        "rows whose prompt becomes other tokens than the adapter's",
        lambda form: percent(form.other_prompt),
    ),
    "tokens_per_second": Column(
        "tokens/s",
        "tok/s",
        "one answer at a time",
        lambda form: rate(form.tokens_per_second),
    ),
    "first_token": Column(
        "first token",
        "first",
        "time until the first token",
        lambda form: f"{1000 * form.first_token_seconds:,.0f} ms",
    ),
    "peak_memory": Column(
        "peak memory",
        "memory",
        "of the process that answered",
        lambda form: binary_size(form.peak_bytes) if form.peak_bytes else "",
    ),
    "disk": Column(
        "disk", "disk", "files that the form needs", lambda form: decimal_size(form.disk_bytes)
    ),
}
WITH_ITSELF = ("same_answer", "agreement", "other_prompt")  # the adapter's would always be 100 %


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
        label = f'always "{visible(baseline.label or "")}"'
        text = label if name == "majority" else "TF-IDF classifier"
        scores[f"{percent(baseline.accuracy)} {text}"] = baseline.accuracy
    return scores
