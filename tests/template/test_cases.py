"""The cases are what they should be: counted here in another way than they were made."""

from __future__ import annotations

import itertools

import pytest

from phi3scaffold.generator import template
from tests.template.cases import CASES, OPTIONS, REFUSED, ROUNDED, fits, name_of, selection


def test_every_question_is_an_option() -> None:
    """A new question must be rendered, too: what decides how data is read is `rows` here."""
    reading = {"data", "prompt", "answer", "label_variants", "missing_labels"}
    asked = set(template.questions()) - reading
    assert asked == set(OPTIONS) - {"rows"}
    for name in asked - {"model"}:
        assert {*template.questions()[name].choices} == {*OPTIONS[name]} - {""}, name


def test_the_product_of_what_decides_the_files() -> None:
    there = {(case["target"], case["model"] == "tiny", case["rows"]) for case in CASES}
    assert there == set(itertools.product(OPTIONS["target"], (True, False), OPTIONS["rows"]))


@pytest.mark.parametrize(("one", "two"), list(itertools.combinations(OPTIONS, 2)))
def test_every_pair_is_there_or_cannot_be(one: str, two: str) -> None:
    there = {(case[one], case[two]) for case in CASES}
    for pair in itertools.product(OPTIONS[one], OPTIONS[two]):
        assert (pair in there) is not impossible(one, two, *pair), pair


def impossible(one: str, two: str, a: str, b: str) -> bool:
    values = {one: a, two: b}
    quantized = bool(values.get("recipe") or values.get("quantizer"))
    return (
        (values.get("target"), values.get("precision")) in REFUSED
        or (quantized and values.get("precision") in set(OPTIONS["precision"]) - set(ROUNDED))
        or (values.get("task"), values.get("rows")) == ("chat", "csv")
        or (values.get("recipe") == "auto" and values.get("target") in ("aml", "arc"))
    )


def test_each_case_is_whole_and_there_once() -> None:
    assert all(list(case) == list(OPTIONS) and fits(case) for case in CASES)
    assert len({name_of(case) for case in CASES}) == len(CASES) < 100


def test_a_selection_holds_its_pairs() -> None:
    chosen = selection(("algo", "rows"))
    assert {(case["algo"], case["rows"]) for case in chosen} == set(
        itertools.product(OPTIONS["algo"], OPTIONS["rows"])
    )
    assert len(chosen) < len(CASES)
