"""What prompts share at their beginning and end without saying anything of the answer: frames.

A system text, an instruction, a greeting, a footer. A beginning (or an end) is a frame where

- at least `FEWEST` different prompts have it, and go on with different words;
- their answers differ: a question that is followed by "thanks" or by "please" is shared by many
  prompts, too, and all of them have its one answer. It is what is asked, not a frame.

A wide frame has at least `WIDE` prompts. What lies inside it is compared whatever it is; what lies
inside any frame only where it is long enough to be a question of its own (`OWN`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from phi3scaffold.datasets.wording import WORD, is_dense

LOOKED_AT = 2000  # prompts that tell what the frames are
FEWEST = 3
WIDE, WIDE_SHARE = 10, 0.01  # prompts at least, and their share of those looked at
OWN, DENSE_OWN = 12, 6  # letters
SAME_ANSWER = 0.75  # of a beginning's prompts: from there on it says what the answer is
MARGIN = 0.05  # ... unless the answers of all prompts are as lopsided

Words = tuple[str, ...]


class Frames(NamedTuple):
    """The frames of some prompts.

    Attributes:
        begins: a first word -> the frames that begin with it as (text, whether wide), the longest
            first.
        ends: the same from a last word.
    """

    begins: dict[str, list[tuple[str, bool]]]
    ends: dict[str, list[tuple[str, bool]]]

    def strip(self, text: str, *, wide: bool) -> tuple[str, str, str]:
        """Return what of a text lies inside the longest frames, and the two frames.

        Args:
            text: that of a `Wording`.
            wide: take wide frames only, but whatever they leave of the text.
        """
        least = 1 if wide else DENSE_OWN if is_dense(text) else OWN
        begin = self._longest(self.begins, text, least, wide)
        own = text[len(begin) :].lstrip()
        end = self._longest(self.ends, own, least, wide)
        return own[: len(own) - len(end)].rstrip(), begin, end

    def _longest(
        self, frames: dict[str, list[tuple[str, bool]]], text: str, least: int, wide: bool
    ) -> str:
        at_end = frames is self.ends
        room = len(text) - least
        outer = text.rsplit(" ", 1)[-1] if at_end else text.split(" ", 1)[0]
        words = WORD.findall(outer)
        for frame, is_wide in frames.get(words[-1 if at_end else 0], ()) if words else ():
            if len(frame) <= room and (is_wide or not wide):
                rest = text[-len(frame) - 1] if at_end else text[len(frame)]
                edge = frame[0] if at_end else frame[-1]
                whole = rest == " " or not WORD.fullmatch(edge + rest)
                if whole and (text.endswith(frame) if at_end else text.startswith(frame)):
                    return frame
        return ""


def find_frames(texts: Sequence[str], answers: Sequence[int]) -> Frames:
    """Find the frames of some prompts.

    Args:
        texts: of their wordings.
        answers: a number for each that only the answer decides.
    """
    distinct = dict(zip(texts, answers, strict=True))
    usual = max(Counter(distinct.values()).values(), default=0) / max(1, len(distinct))
    limit = max(SAME_ANSWER, min(usual + MARGIN, 1.0))
    least = max(WIDE, WIDE_SHARE * len(distinct))
    split = [(text, tuple(WORD.findall(text)), answer) for text, answer in distinct.items()]
    begins = list(_shared([(words, answer) for _, words, answer in split], limit))
    ends = list(_shared([(words[::-1], answer) for _, words, answer in split], limit))
    # a frame's words as they stand in a text, spaces included
    of_words = {words: text for text, words, _ in split}
    by_begin: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    by_end: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for words, depth, count in begins:
        text = _spelled(of_words[words], depth)
        by_begin[words[0]].append((text, count >= least))
    for words, depth, count in ends:
        whole = of_words[words[::-1]]
        text = whole[len(_spelled(whole, len(words) - depth)) :].lstrip()
        by_end[words[0]].append((text, count >= least))
    for found in (*by_begin.values(), *by_end.values()):
        found.sort(key=lambda frame: (-len(frame[0]), frame[0]))
    return Frames(dict(by_begin), dict(by_end))


def _spelled(text: str, words: int) -> str:
    """Return the first words of a text."""
    end = 0
    for number, found in enumerate(WORD.finditer(text), 1):
        if number > words:
            break
        end = found.end()
    return text[:end]


def _shared(rows: list[tuple[Words, int]], limit: float) -> Iterator[tuple[Words, int, int]]:
    """Yield each beginning that is a frame as (the words of a row, how many of them, rows)."""
    waiting = [(rows, 0)]
    while waiting:
        group, depth = waiting.pop()
        nexts: dict[str, list[tuple[Words, int]]] = defaultdict(list)
        for words, answer in group:
            if len(words) > depth:
                nexts[words[depth]].append((words, answer))
        counts = Counter(answer for _, answer in group)
        same = max(counts.values())
        if depth and len(nexts) > 1 and len(counts) > 1 and same <= limit * len(group):
            yield group[0][0], depth, len(group)
        waiting += [(part, depth + 1) for part in nexts.values() if len(part) >= FEWEST]
