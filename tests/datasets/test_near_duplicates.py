"""Prompts that are nearly the same: found, told, and never on two sides of the split."""

from __future__ import annotations

import random

import numpy as np
import pytest

from phi3scaffold.datasets import near_duplicates, signatures
from phi3scaffold.datasets.prepared_rows import HELD_OUT, TRAIN
from phi3scaffold.datasets.wording import wording

from .conftest import FILES, QA, Rows, different, labelled


def planted(count: int, every: int, seed: int = 3) -> tuple[Rows, dict[str, int]]:
    """Rows of which every few have two near copies; prompt -> its family."""
    chance = random.Random(seed)
    rows, family = [], {}
    for number, text in enumerate(different(count, seed, words=16)):
        texts = [text]
        if number % every == 0:
            words = text.split()
            texts.append(" ".join([*words[:-1], "changed"]))
            texts.append(text + "!")
        for copy in texts:
            rows.append({"phrase": copy, "tone": "joy"})
            family[copy] = number
    chance.shuffle(rows)
    return rows, family


def jaccard(one: str, other: str) -> float:
    a, b = (set(signatures.shingles(wording(text).text).tolist()) for text in (one, other))
    return len(a & b) / len(a | b)


def test_planted_copies_are_found_and_nothing_else(make) -> None:
    rows, family = planted(300, 10)
    copies = [text for text in family if list(family.values()).count(family[text]) == 3]
    assert (
        min(jaccard(text, copies[i - i % 3]) for i, text in enumerate(copies))
        > near_duplicates.THRESHOLD
    )
    told = make(rows, QA).report["near_duplicates"]
    assert (told["groups"], told["rows"]) == (30, 90)
    assert (told["checked"], told["of"], told["threshold"]) == (360, 360, 0.8)
    for example in told["examples"]:
        assert len({family[text] for text in example["texts"]}) == 1
        assert len(example["places"]) == len(example["texts"]) == 3


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_they_never_straddle_the_split(make, seed: int) -> None:
    rows, family = planted(200, 4)
    made = make(rows, QA.replace("0.25", "0.3") + f"seed: {seed}\n")
    sides = [{family[text] for text in made.asked(split)} for split in (TRAIN, HELD_OUT)]
    assert sides[0].isdisjoint(sides[1])
    assert made.report["near_duplicates"]["across_splits"] == 0
    assert made.report["rows"]["held_out"] == round(0.3 * len(rows))


def test_across_given_files_they_are_told(make) -> None:
    train = labelled(30)
    held_out = [*labelled(5, 8), dict(train[2], phrase=train[2]["phrase"] + ".")]
    made = make(train, FILES, held_out=held_out)
    told = made.report["near_duplicates"]
    assert (told["groups"], told["rows"], told["across_splits"]) == (1, 2, 1)
    assert told["examples"][0]["places"] == ["train.jsonl:3", "held-out.jsonl:6"]
    assert "held-out.jsonl:6" in made.held_out


def test_short_prompts_are_compared_exactly_only(make) -> None:
    """However often it is said, the same few letters in a row are little to go by."""
    rows = [{"phrase": " ".join(["ha"] * count), "tone": "joy"} for count in range(3, 19)]
    assert make(rows, QA).report["near_duplicates"]["groups"] == 0


def test_what_stands_in_every_prompt_does_not_make_them_alike(make) -> None:
    """An instruction that never changes, far longer than what does."""
    always = " ".join(different(1, 99, words=90))
    texts = [f"{always} {text}" for text in different(60)]
    assert jaccard(texts[0], texts[1]) > near_duplicates.THRESHOLD
    tones = ("joy", "fear", "calm")
    made = make([{"phrase": t, "tone": tones[n % 3]} for n, t in enumerate(texts)], QA)
    assert made.report["near_duplicates"]["groups"] == 0
    assert made.report["rows"]["held_out"] == 15


def test_of_too_many_rows_a_sample_is_compared_and_that_is_said(make, monkeypatch) -> None:
    monkeypatch.setattr(near_duplicates, "MOST", 100)
    rows, _ = planted(200, 10)
    told = make(rows, QA).report["near_duplicates"]
    assert (told["checked"], told["of"]) == (100, 240)
    again = make(random.Random(5).sample(rows, len(rows)), QA).report["near_duplicates"]
    assert (again["groups"], again["rows"]) == (told["groups"], told["rows"])


@pytest.mark.parametrize("share", [0.85, 0.9, 0.95])
def test_of_pairs_above_the_threshold_hardly_any_is_missed(share: float) -> None:
    chance = np.random.default_rng(7)
    sets = []
    for _ in range(300):  # pairs of sets with this Jaccard similarity
        both, one, other = np.split(chance.integers(0, 2**63, 400, np.uint64), [300, 350])
        apart = round(300 * (1 / share - 1) / 2)
        sets += [np.concatenate([both, one[:apart]]), np.concatenate([both, other[:apart]])]
    sets = [np.sort(found) for found in sets]
    signed = np.concatenate([signatures.sketch(found)[None] for found in sets])
    own, nothing = np.arange(600), np.zeros(600, np.int64)
    prompts = signatures.Prompts(
        own, own, own, frame=nothing, numbers=nothing, answer=own, specific=nothing,
        places=own, signatures=signed,
    )  # fmt: skip
    groups = list(
        near_duplicates.near_groups(prompts, own, sets.__getitem__, lambda step, of: None)
    )
    assert all(len(group) == 2 and group[1] == group[0] + 1 for group in groups)
    assert len(groups) >= 0.98 * 300
