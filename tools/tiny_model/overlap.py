"""Finds which phrases stand word for word in a body of text.

The pretraining text must not hold a row of the example data: an adapter would then seem to
generalise where the base had only read the answer.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

_WORD = re.compile(r"\w+")


def normalized(text: str) -> list[str]:
    """Return the words alone: no case, no punctuation, no spacing."""
    return _WORD.findall(text.lower())


def found_in(phrases: Iterable[str], documents: Iterable[str]) -> set[str]:
    """Return the phrases whose words stand in the same order, without a gap, in any document.

    Phrases are looked up by their first words, so that a large body is read only once.
    """
    head = 4
    starts: dict[tuple[str, ...], list[tuple[str, tuple[str, ...]]]] = defaultdict(list)
    for phrase in set(phrases):
        words = tuple(normalized(phrase))
        starts[words[:head]].append((phrase, words))
    shortest = min((len(words) for key in starts for _, words in starts[key]), default=0)
    if shortest < head:
        raise ValueError(f"phrases of fewer than {head} words cannot be looked up")
    found: set[str] = set()
    for document in documents:
        words = tuple(normalized(document))
        for index in range(len(words) - head + 1):
            for phrase, wanted in starts.get(words[index : index + head], ()):
                if words[index : index + len(wanted)] == wanted:
                    found.add(phrase)
    return found
