"""Rows and labels that a person should look at: where forms disagree, what is taken for what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from phi3scaffold.runtime.data.findings import Example
from phi3scaffold.runtime.page.text import cut
from phi3scaffold.runtime.report.made import Made

MOST_ROWS = 12  # of a kind that are shown
LETTERS = 1200  # of a text that are shown
EMPTY = "(empty)"


class Compared(NamedTuple):
    """The rows asked, by what the forms behind the base made of them.

    Attributes:
        forms: those forms.
        differing: rows in which they do not all say the same; `shown` of them, the worst first.
        wrong: rows in which all say the same, which is not the expected answer; `wrong_shown`.
        examples: for free answers, some rows of the others.
    """

    forms: tuple[str, ...]
    differing: int
    shown: tuple[Example, ...]
    wrong: int
    wrong_shown: tuple[Example, ...]
    examples: tuple[Example, ...]


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
) -> tuple[Example, ...]:
    found = []
    for row in list(rows)[:MOST_ROWS]:
        expected = row["expected"].strip()
        by_answer: dict[str, list[str]] = {}
        for form in forms:
            by_answer.setdefault(row[form].strip(), []).append(form)
        sides: list[tuple[str, str | None]] = [("expected", _told(expected))]
        for answer, names in by_answer.items():
            verdict = "as expected" if answer == expected else "differs"
            sides.append((f"{', '.join(names)}: {verdict}", _told(answer)))
        found.append(Example(_told(made.prompts.get(row["place"], row["place"])), sides))
    return tuple(found)


def _told(text: str) -> str:
    return cut(text.strip(), LETTERS) or EMPTY


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


def mistakes(table: Sequence[Sequence[int]], rows: list[str], columns: list[str]) -> list[Mistake]:
    """Every pair of labels that was mixed up, the commonest first."""
    found = [
        Mistake(expected, answered, number)
        for y, (expected, line) in enumerate(zip(rows, table, strict=True))
        for x, (answered, number) in enumerate(zip(columns, line, strict=True))
        if number and x != y
    ]
    return sorted(found, key=lambda one: -one.rows)
