"""Rows and labels to look at: where forms disagree, and which labels are confused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from phi3scaffold.datasets.findings import Run, fit
from phi3scaffold.evaluation.evaluated_rows import EvaluatedRow
from phi3scaffold.project.formatting import count, cut
from phi3scaffold.reporting.run_record import RowPrompt, RunRecord

MOST_ROWS = 12  # of a kind that are shown
LETTERS = 600  # of a text that are shown
MOST_COMPARED = 10_000  # letters of a text that are compared with another's
MOST_LABELS = 30  # of a matrix that are drawn
MOST_RUNS = 24  # of a text that is longer
EMPTY = "(empty)"
# A word with what follows it; where words are not divided by spaces, a letter.
WORDS = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]\s*|\w+\s*|[^\w\s]\s*|\s+")


class RowAnswers(NamedTuple):
    """One row, and the answers to it.

    Attributes:
        text: its prompt.
        sides: (heading, an answer; as runs where some of it is marked).
        place: its file and line.
    """

    text: str
    sides: list[tuple[str, str | list[Run]]]
    place: str


class RowComparison(NamedTuple):
    """The evaluated rows, by what the forms behind the base answered.

    Attributes:
        forms: those forms.
        differing: rows with different answers; `shown` of them, first those in which the best
            form's is not the expected one.
        wrong: rows in which all give the same answer, not the expected one; `wrong_shown`.
        examples: for free answers, some rows of the others.
    """

    forms: tuple[str, ...]
    differing: int
    shown: tuple[RowAnswers, ...]
    wrong: int
    wrong_shown: tuple[RowAnswers, ...]
    examples: tuple[RowAnswers, ...]


def compare_rows(record: RunRecord) -> RowComparison:
    """Sort the rows of a run by how far its forms agree."""
    # the base, and a broken form, were not asked all rows
    whole = [name for name in record.forms if not record.metrics.forms[name].broken]
    forms = tuple(name for name in whole if name != "base") or tuple(whole)
    differing, wrong, others = [], [], []
    for row in record.answers:
        answers = {row.answers[form].strip() for form in forms}
        if len(answers) > 1:
            differing.append(row)
        elif row.expected.strip() not in answers:
            wrong.append(row)
        else:
            others.append(row)
    best = record.best if record.best in forms else forms[-1]
    differing.sort(key=lambda row: row.answers[best].strip() == row.expected.strip())  # stable
    free = not record.metrics.is_classification
    return RowComparison(
        forms=forms,
        differing=len(differing),
        shown=_examples(record, forms, differing),
        wrong=len(wrong),
        wrong_shown=_examples(record, forms, wrong),
        examples=_examples(record, forms, others[:3]) if free else (),
    )


def _examples(
    record: RunRecord, forms: Sequence[str], rows: Iterable[EvaluatedRow]
) -> tuple[RowAnswers, ...]:
    examples = []
    for row in list(rows)[:MOST_ROWS]:
        expected = row.expected.strip()
        by_answer: dict[str, list[str]] = {}
        for form in forms:
            by_answer.setdefault(row.answers[form].strip(), []).append(form)
        texts = [expected, *by_answer]
        shown: Sequence[str | list[Run]] = [_shortened(text) for text in texts]
        if not record.metrics.is_classification:
            shown = _marked(texts)
        sides: list[tuple[str, str | list[Run]]] = [("expected", shown[0])]
        for (answer, names), side in zip(by_answer.items(), shown[1:], strict=True):
            verdict = "correct" if answer == expected else "wrong"
            sides.append((f"{', '.join(names)}: {verdict}", side))
        prompt = record.prompts.get(row.place, RowPrompt(""))
        place = row.place
        if prompt.earlier:
            place += f", after {count(prompt.earlier, 'earlier turn')}"
        examples.append(RowAnswers(_shortened(prompt.text), sides, place))
    return tuple(examples)


def _shortened(text: str) -> str:
    return cut(text.strip(), LETTERS) or EMPTY


def _marked(texts: Sequence[str]) -> list[str | list[Run]]:
    """Mark the expected and the different answers where they differ.

    Answers are compared with the first of them; a single one, with the expected answer.
    """
    first, *others = texts[1:] if len(texts) > 2 else texts
    words = WORDS.findall(first[:MOST_COMPARED])
    marks = [0] * len(words)
    marked = []
    for other in others:
        its = WORDS.findall(other[:MOST_COMPARED])
        its_marks = [0] * len(its)
        stripped = [[word.strip() for word in text] for text in (words, its)]
        same = SequenceMatcher(None, stripped[0], stripped[1], autojunk=False)
        for what, start, end, its_start, its_end in same.get_opcodes():
            if what != "equal":
                marks[start:end] = [1] * (end - start)
                its_marks[its_start:its_end] = [1] * (its_end - its_start)
        marked.append(_runs(its, its_marks))
    runs = [_runs(words, marks), *marked]
    return [_shortened(texts[0]), *runs] if len(texts) > 2 else runs


def _runs(words: Sequence[str], marks: Sequence[int]) -> str | list[Run]:
    tokens = list(zip(words, marks, strict=True))
    if not tokens:
        return EMPTY
    long = sum(map(len, words)) > LETTERS
    runs: list[Run] = []
    for text, marked in fit(tokens, LETTERS, MOST_RUNS if long else len(tokens)):
        word = text.rstrip() if marked else text  # the space behind a mark is not a difference
        runs += [(word, marked), (text[len(word) :], 0)]
    return [run for run in runs if run[0]]


class Mistake(NamedTuple):
    """How many rows of one label were answered with another."""

    expected: str
    answered: str
    rows: int


def confusion(record: RunRecord) -> tuple[list[list[int]], list[str], list[str]]:
    """Return the best form's confusion matrix, and the names of its rows and columns.

    The column of answers that are no label is left out where there are none.
    """
    labels = list(record.metrics.labels)
    table = [list(line) for line in record.metrics.forms[record.best].confusion or []]
    if any(line[-1] for line in table):
        return table, labels, [*labels, "no label"]
    return [line[:-1] for line in table], labels, labels


def fewer(
    table: list[list[int]], rows: list[str], columns: list[str]
) -> tuple[list[list[int]], list[str], list[str]]:
    """Return the table of the `MOST_LABELS` labels confused most; all where there are no more.

    Answers that are a label left out are counted in a column of their own.
    """
    if len(rows) <= MOST_LABELS:
        return table, rows, columns
    wrong = [sum(line) - line[number] for number, line in enumerate(table)]
    answered = [sum(line[x] for y, line in enumerate(table) if y != x) for x in range(len(rows))]
    ranked = sorted(range(len(rows)), key=lambda number: -wrong[number] - answered[number])
    chosen = sorted(ranked[:MOST_LABELS])
    chosen_columns = [*chosen, *range(len(rows), len(columns))]  # with that of no label
    lines = [[table[y][x] for x in chosen_columns] for y in chosen]
    others = [sum(table[y]) - sum(line) for y, line in zip(chosen, lines, strict=True)]
    shown = [[*line, rest] for line, rest in zip(lines, others, strict=True)]
    return shown, [rows[y] for y in chosen], [*(columns[x] for x in chosen_columns), "other"]


def mistakes(table: Sequence[Sequence[int]], rows: list[str], columns: list[str]) -> list[Mistake]:
    """Return every pair of labels that was confused, the most frequent first."""
    pairs = [
        Mistake(expected, answered, number)
        for y, (expected, line) in enumerate(zip(rows, table, strict=True))
        for x, (answered, number) in enumerate(zip(columns, line, strict=True))
        if number and x != y
    ]
    return sorted(pairs, key=lambda one: -one.rows)
