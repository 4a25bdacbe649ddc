"""Rows and labels that a person should look at: where forms disagree, what is taken for what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from phi3scaffold.datasets.findings import Run, fit
from phi3scaffold.project.formatting import count, cut
from phi3scaffold.reporting.run_record import Asked, Made

MOST_ROWS = 12  # of a kind that are shown
LETTERS = 600  # of a text that are shown
MOST_COMPARED = 10_000  # letters of a text that are compared with another's
MOST_LABELS = 30  # of a matrix that are drawn
MOST_RUNS = 24  # of a text that is longer
EMPTY = "(empty)"
# A word with what follows it; where words are not divided by spaces, a letter.
WORDS = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]\s*|\w+\s*|[^\w\s]\s*|\s+")


class Row(NamedTuple):
    """One row, and what was said to it.

    Attributes:
        text: what was asked.
        sides: (heading, an answer; as runs where some of it is marked).
        place: where the row stands.
    """

    text: str
    sides: list[tuple[str, str | list[Run]]]
    place: str


class Compared(NamedTuple):
    """The rows asked, by what the forms behind the base made of them.

    Attributes:
        forms: those forms.
        differing: rows in which they do not all say the same; `shown` of them, first those in
            which the best form does not say what was expected.
        wrong: rows in which all say the same, which is not the expected answer; `wrong_shown`.
        examples: for free answers, some rows of the others.
    """

    forms: tuple[str, ...]
    differing: int
    shown: tuple[Row, ...]
    wrong: int
    wrong_shown: tuple[Row, ...]
    examples: tuple[Row, ...]


def compare(made: Made) -> Compared:
    """Sort the answers of a run."""
    forms = tuple(name for name in made.forms if name != "base") or tuple(made.forms)
    differing, wrong, others = [], [], []
    for row in made.answers:
        said = {row[form].strip() for form in forms}
        if len(said) > 1:
            differing.append(row)
        elif row["expected"].strip() not in said:
            wrong.append(row)
        else:
            others.append(row)
    best = made.best
    differing.sort(key=lambda row: row[best].strip() == row["expected"].strip())  # stable
    free = not made.metrics["labels"]
    return Compared(
        forms=forms,
        differing=len(differing),
        shown=_examples(made, forms, differing),
        wrong=len(wrong),
        wrong_shown=_examples(made, forms, wrong),
        examples=_examples(made, forms, others[:3]) if free else (),
    )


def _examples(
    made: Made, forms: Sequence[str], rows: Iterable[Mapping[str, str]]
) -> tuple[Row, ...]:
    found = []
    for row in list(rows)[:MOST_ROWS]:
        expected = row["expected"].strip()
        by_answer: dict[str, list[str]] = {}
        for form in forms:
            by_answer.setdefault(row[form].strip(), []).append(form)
        texts = [expected, *by_answer]
        told: Sequence[str | list[Run]] = [_told(text) for text in texts]
        if not made.metrics["labels"]:
            told = _marked(texts)
        sides: list[tuple[str, str | list[Run]]] = [("expected", told[0])]
        for (answer, names), said in zip(by_answer.items(), told[1:], strict=True):
            verdict = "as expected" if answer == expected else "not as expected"
            sides.append((f"{', '.join(names)}: {verdict}", said))
        asked = made.prompts.get(row["place"], Asked(""))
        place = row["place"]
        if asked.earlier:
            place += f", after {count(asked.earlier, 'earlier turn')}"
        found.append(Row(_told(asked.text), sides, place))
    return tuple(found)


def _told(text: str) -> str:
    return cut(text.strip(), LETTERS) or EMPTY


def _marked(texts: Sequence[str]) -> list[str | list[Run]]:
    """What was expected and the different answers, marked where they differ.

    Answers are compared with the first of them; one that is alone, with what was expected.
    """
    first, *others = texts[1:] if len(texts) > 2 else texts
    words = WORDS.findall(first[:MOST_COMPARED])
    marks = [0] * len(words)
    told = []
    for other in others:
        its = WORDS.findall(other[:MOST_COMPARED])
        its_marks = [0] * len(its)
        stripped = [[word.strip() for word in text] for text in (words, its)]
        same = SequenceMatcher(None, stripped[0], stripped[1], autojunk=False)
        for what, start, end, its_start, its_end in same.get_opcodes():
            if what != "equal":
                marks[start:end] = [1] * (end - start)
                its_marks[its_start:its_end] = [1] * (its_end - its_start)
        told.append(_runs(its, its_marks))
    found = [_runs(words, marks), *told]
    return [_told(texts[0]), *found] if len(texts) > 2 else found


def _runs(words: Sequence[str], marks: Sequence[int]) -> str | list[Run]:
    tokens = list(zip(words, marks, strict=True))
    if not tokens:
        return EMPTY
    long = sum(map(len, words)) > LETTERS
    told: list[Run] = []
    for text, marked in fit(tokens, LETTERS, MOST_RUNS if long else len(tokens)):
        word = text.rstrip() if marked else text  # the space behind a mark is not a difference
        told += [(word, marked), (text[len(word) :], 0)]
    return [run for run in told if run[0]]


class Mistake(NamedTuple):
    """How many rows of one label were given another."""

    expected: str
    answered: str
    rows: int


def confusion(made: Made) -> tuple[list[list[int]], list[str], list[str]]:
    """The best form's table, and what its rows and columns stand for; a row an expected label.

    The column of answers that are no label is left out where there are none.
    """
    labels = list(made.metrics["labels"])
    table = [list(line) for line in made.rung(made.best)["confusion"]]
    if any(line[-1] for line in table):
        return table, labels, [*labels, "no label"]
    return [line[:-1] for line in table], labels, labels


def fewer(
    table: list[list[int]], rows: list[str], columns: list[str]
) -> tuple[list[list[int]], list[str], list[str]]:
    """The table of the `MOST_LABELS` labels that are mixed up most; all where there are no more.

    What was answered with a label that is left out is counted in a column of its own.
    """
    if len(rows) <= MOST_LABELS:
        return table, rows, columns
    wrong = [sum(line) - line[number] for number, line in enumerate(table)]
    given = [sum(line[x] for y, line in enumerate(table) if y != x) for x in range(len(rows))]
    ranked = sorted(range(len(rows)), key=lambda number: -wrong[number] - given[number])
    kept = sorted(ranked[:MOST_LABELS])
    kept_columns = [*kept, *range(len(rows), len(columns))]  # with that of no label
    lines = [[table[y][x] for x in kept_columns] for y in kept]
    others = [sum(table[y]) - sum(line) for y, line in zip(kept, lines, strict=True)]
    shown = [[*line, rest] for line, rest in zip(lines, others, strict=True)]
    return shown, [rows[y] for y in kept], [*(columns[x] for x in kept_columns), "another"]


def mistakes(table: Sequence[Sequence[int]], rows: list[str], columns: list[str]) -> list[Mistake]:
    """Every pair of labels that was mixed up, the commonest first."""
    found = [
        Mistake(expected, answered, number)
        for y, (expected, line) in enumerate(zip(rows, table, strict=True))
        for x, (answered, number) in enumerate(zip(columns, line, strict=True))
        if number and x != y
    ]
    return sorted(found, key=lambda one: -one.rows)
