"""ROUGE-L: how much of two texts' words stands in both, in the same order.

C.-Y. Lin, ROUGE: A Package for Automatic Evaluation of Summaries (2004,
https://aclanthology.org/W04-1013/): the F-measure of the longest common subsequence.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence


def rouge_l(answers: Sequence[str], expected: Sequence[str]) -> list[float]:
    """Return the F-measure of each answer, in any script; 1 where all words are the same."""
    pairs = zip(answers, expected, strict=True)
    return [_f_measure(_words(one), _words(other)) for one, other in pairs]


def _f_measure(one: list[str], other: list[str]) -> float:
    if not one or not other:
        return 0.0
    return 2 * _common(one, other) / (len(one) + len(other))


def _common(one: list[str], other: list[str]) -> int:
    """Return the length of the longest common subsequence.

    All words of `one` at once, a bit each (H. Hyyro, Bit-parallel LCS-length computation revisited,
    2004).
    """
    places: dict[str, int] = defaultdict(int)
    for place, word in enumerate(one):
        places[word] |= 1 << place
    every = (1 << len(one)) - 1
    row = every
    for word in other:
        matches = row & places.get(word, 0)
        row = (row + matches | row - matches) & every
    return len(one) - row.bit_count()


def _words(text: str) -> list[str]:
    folded = text.casefold()
    return re.findall(r"\w" if _unspaced(folded) else r"\w+", folded)


def _unspaced(text: str) -> bool:
    """Return whether no spaces divide the words, as in Chinese, Japanese and Thai."""
    return bool(re.search(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]", text))
