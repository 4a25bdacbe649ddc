"""The example rows: balanced, varied, hard enough for bag-of-words, apart from each other."""

from __future__ import annotations

import json
import runpy
from collections import Counter
from pathlib import Path

import pytest
from tiny_model.corpus import documents
from tiny_model.overlap import found_in, normalized
from tiny_model.pretrain import Recipe

from phi3scaffold.generator import template

CHECKOUT = Path(__file__).resolve().parents[2]


def rows(task: str, part: str) -> list[dict]:
    file = template.folder() / "samples" / task / f"{part}.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def train() -> list[dict]:
    return rows("classify", "train")


@pytest.fixture(scope="module")
def held_out() -> list[dict]:
    return rows("classify", "held-out")


def test_there_are_enough_and_they_are_balanced(train: list[dict], held_out: list[dict]) -> None:
    phrases = {" ".join(normalized(row["phrase"])) for row in train + held_out}
    assert len(phrases) == len(train) + len(held_out) >= 1500
    assert len(held_out) >= 400
    for part in (train, held_out):
        counts = Counter(row["tone"] for row in part)
        assert set(counts) == {"joy", "sadness", "fear", "surprise"}
        assert max(counts.values()) <= 1.05 * min(counts.values())


def test_no_held_out_row_has_a_near_duplicate_in_train(
    train: list[dict], held_out: list[dict]
) -> None:
    def shingles(row: dict) -> frozenset:
        words = normalized(row["phrase"])
        return frozenset(zip(words, words[1:], words[2:], strict=False))

    known = [shingles(row) for row in train]
    for row in held_out:
        mine = shingles(row)
        nearest = max(len(mine & other) / len(mine | other) for other in known)
        assert nearest < 0.6, row


def test_bag_of_words_is_not_enough(train: list[dict], held_out: list[dict]) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=1000))
    model.fit([row["phrase"] for row in train], [row["tone"] for row in train])
    right = model.score([row["phrase"] for row in held_out], [row["tone"] for row in held_out])
    assert right < 0.85


def test_no_row_is_in_the_text_tiny_was_pretrained_on(
    train: list[dict], held_out: list[dict]
) -> None:
    recipe = Recipe()
    phrases = [row["phrase"] for row in train + held_out]
    assert found_in(phrases, documents(recipe.seed, recipe.documents)) == set()


@pytest.mark.skipif(not (CHECKOUT / "examples").is_dir(), reason="needs the checkout's examples/")
def test_the_script_makes_the_rows_again(tmp_path: Path) -> None:
    runpy.run_path(str(CHECKOUT / "examples" / "sources" / "make_phrases.py"))["main"](tmp_path)
    for part in ("train", "held-out"):
        made = (tmp_path / f"{part}.jsonl").read_bytes()
        shipped = template.folder() / "samples" / "classify" / f"{part}.jsonl"
        assert made == shipped.read_bytes()


def test_questions_have_their_one_answer() -> None:
    every = rows("qa", "train") + rows("qa", "held-out")
    questions = {" ".join(normalized(row["Question"])) for row in every}
    assert len(questions) == len(every) >= 300
    assert all(row["Best Answer"].strip() for row in every)
