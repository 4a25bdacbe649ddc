"""Which projects are rendered: what decides which files exist in full, the rest pairwise.

Every row of `CASES` is one set of answers. `tests/template/test_cases.py` counts the pairs again.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

from phi3scaffold.generator import template

Case = dict[str, str]
Pair = frozenset[tuple[str, str]]

ROUNDED = ("int4", "int8")
# Everything else is accepted. Why each is refused stands in copier.yml.
REFUSED = {("cpu", "fp16"), ("directml", "int8"), ("directml", "fp32")}
TARGETS = template.questions()["target"].choices
PRECISIONS = template.questions()["precision"].choices
OPTIONS: dict[str, tuple[str, ...]] = {
    "target": TARGETS,
    "model": ("tiny", "phi-3-mini-4k", "somebody/a-model", "folder"),
    "rows": ("sample", "jsonl", "json", "csv", "folder", "hub"),
    "algo": template.questions()["algo"].choices,
    "task": template.questions()["task"].choices,
    "precision": PRECISIONS,
    "recipe": ("", *template.questions()["recipe"].choices),
    "quantizer": ("", *template.questions()["quantizer"].choices),
}


def fits(case: Mapping[str, str]) -> bool:
    """Whether `new` takes it; a case may be a part of one."""
    if case.get("task") == "chat" and case.get("rows") == "csv":  # a cell holds no list
        return False
    quantizes = case.get("recipe") or case.get("quantizer")
    if quantizes and case.get("precision", "int4") not in ROUNDED:
        return False
    if case.get("recipe") == "auto" and case.get("target") in ("aml", "arc"):  # no job searches
        return False
    if case.get("model") == "tiny" and case.get("target") in ("aml", "arc"):  # a job on a CPU
        return case.get("precision") != "fp16"
    return (case.get("target"), case.get("precision")) not in REFUSED


def pairs_of(case: Mapping[str, str]) -> set[Pair]:
    return {frozenset(pair) for pair in itertools.combinations(case.items(), 2)}


def all_pairs(options: Mapping[str, tuple[str, ...]] = OPTIONS) -> set[Pair]:
    """Every two values that fit together."""
    return {
        frozenset({(one, a), (two, b)})
        for one, two in itertools.combinations(options, 2)
        for a in options[one]
        for b in options[two]
        if fits({one: a, two: b})
    }


def covering(begun: Iterable[Case]) -> list[Case]:
    """`begun` completed, and as many more as it takes to hold every pair at least once."""
    missing, cases = all_pairs(), []
    for case in begun:
        cases.append(_completed(case, missing))
    while missing:
        first = min(missing, key=sorted)
        cases.append(_completed(dict(sorted(first)), missing))
    return cases


def _completed(case: Case, missing: set[Pair]) -> Case:
    """The values that hold the most of what is `missing`, which shrinks."""
    for name, values in OPTIONS.items():
        if name not in case:
            fitting = [one for value in values if fits(one := case | {name: value})]
            case = max(fitting, key=lambda one: len(missing & pairs_of(one)))
    missing -= pairs_of(case)
    return {name: case[name] for name in OPTIONS}


def selection(names: tuple[str, ...]) -> list[Case]:
    """Few of `CASES` that hold every pair of these options."""
    left = all_pairs({name: OPTIONS[name] for name in names})
    chosen = []
    while left:
        best = max(CASES, key=lambda case: len(left & pairs_of(case)))
        chosen.append(best)
        left -= pairs_of(best)
    return chosen


def name_of(case: Mapping[str, str]) -> str:
    """A folder's name."""
    return "-".join(value.replace("/", "_") or "default" for value in case.values())


# What decides which files there are: the target, the rows, and whether the model is tiny.
# A model that is not stands for all of them; in turn, so that each is rendered often.
_OTHERS = itertools.cycle(OPTIONS["model"][1:])
CASES = covering(
    {"target": target, "model": "tiny" if tiny else next(_OTHERS), "rows": rows}
    for target, tiny, rows in itertools.product(TARGETS, (True, False), OPTIONS["rows"])
)
