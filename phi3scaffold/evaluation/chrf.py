"""chrF: how many of two texts' character sequences stand in both.

M. Popovic, chrF: character n-gram F-score for automatic MT evaluation (2015,
https://aclanthology.org/W15-3049/), as sacreBLEU computes it: of one to six characters, recall
counted twice (chrF2). A word with another ending is half right in it, and wrong in ROUGE-L.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any


def chrf(answers: Sequence[str], expected: Sequence[str]) -> list[float]:
    """Return the score of each answer, from 0 to 1; 1 where the characters are the same."""
    return [_score(one, other) for one, other in zip(answers, expected, strict=True)]


@lru_cache(maxsize=20_000)  # forms give the same answers to most rows, and it takes milliseconds
def _score(answer: str, expected: str) -> float:
    if answer.split() == expected.split():  # of two empty texts, too
        return 1.0
    return float(_metric().sentence_score(answer, [expected]).score) / 100


@lru_cache(maxsize=1)
def _metric() -> Any:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()
