"""Which of some rows ask the same question: near duplicates, by the rule of `near_duplicates`."""

from __future__ import annotations

from collections.abc import Sequence

from phi3scaffold.datasets import near_duplicates, signatures
from phi3scaffold.datasets.conversations import Conversation, turn_text
from phi3scaffold.datasets.frames import find_frames
from phi3scaffold.datasets.wording import hash_text, wording


def own_words(row: Conversation) -> str:
    """Return the user's own words in a row: the columns' texts without the turn around them."""
    turns = [turn_text(turn) for turn in row.messages if turn["role"] == "user"]
    return "\n".join(row.values.values() or turns)


def question_groups(rows: Sequence[Conversation]) -> list[int]:
    """Return a number for each row: rows of one number are near duplicates.

    What all prompts begin or end with is found among these rows alone.
    """
    import numpy as np

    texts = [own_words(row) for row in rows]
    answers = [row.answer for row in rows]
    hashes = [hash_text(answer) for answer in answers]
    frames = find_frames([wording(text).text for text in texts], hashes)
    prompts = signatures.read(zip(texts, answers, strict=True), hashes, frames)
    groups = list(range(len(rows)))
    near = near_duplicates.near_groups(
        prompts,
        np.arange(len(rows)),
        lambda place: signatures.own_shingles(texts[place], frames),
        lambda step, of: None,
    )
    for group in near:
        for place in group:
            groups[place] = min(group)
    return groups
