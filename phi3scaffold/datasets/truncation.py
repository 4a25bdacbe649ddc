"""Rows that are too long, shortened from the prompt's side; an answer is never cut."""

from __future__ import annotations

from collections.abc import Callable

from phi3scaffold.datasets.conversations import Conversation
from phi3scaffold.models.column_templates import columns_of, fill

LETTERS_A_TOKEN = 16  # more than a token has on average; what stands before is never looked at
WORD = 24  # a cut moves on to the next word, if it begins within so many letters

Build = Callable[[str], Conversation]  # a text -> the row with that text in its place
Fits = Callable[[Conversation], bool]  # whether a row keeps within the limit


def shorten(row: Conversation, user: str, max_tokens: int, fits: Fits) -> Conversation | None:
    """Return the row with the longest end of its prompt that fits; None where no end does.

    A row of columns loses the beginning of its longest column, so that the words of the turn
    `user` stay. A conversation loses its oldest turns first (a question always with its answer),
    then the beginning of the first question that is left. The system turn stays.
    """
    most = max_tokens * LETTERS_A_TOKEN
    if row.values and columns_of(user):
        longest = max(row.values, key=lambda name: len(row.values[name]))

        def with_column(text: str) -> Conversation:
            values = {**row.values, longest: text}
            turn = {"role": "user", "content": fill(user, values)}
            messages = [turn if old["role"] == "user" else old for old in row.messages]
            return Conversation(row.place, messages, values)

        return _longest_end(row.values[longest][-most:], with_column, fits)
    system = [message for message in row.messages if message["role"] == "system"]
    turns = row.messages[len(system) :]

    def with_question(text: str) -> Conversation:
        first = {"role": "user", "content": text}
        return Conversation(row.place, [*system, first, *turns[1:]], {})

    while len(turns) > 2 and not fits(with_question(turns[0]["content"])):
        turns = turns[2:]
    return _longest_end(turns[0]["content"][-most:], with_question, fits)


def _longest_end(text: str, build: Build, fits: Fits) -> Conversation | None:
    """Bisection over where the text begins: more text never has fewer tokens, or hardly."""
    if fits(build(text)):
        return build(text)
    least, most, best = 1, len(text), None
    while least <= most:
        middle = (least + most) // 2
        candidate = build(_from_a_word(text, len(text) - middle))
        if fits(candidate):
            best, least = candidate, middle + 1
        else:
            most = middle - 1
    return best


def _from_a_word(text: str, start: int) -> str:
    """Return the text from `start`, or from the next word when that is near."""
    end = text[start:]
    if start and not text[start - 1].isspace():
        head = end[:WORD]
        gap = next((index for index, letter in enumerate(head) if letter.isspace()), None)
        if gap is not None and end[gap:].strip():
            end = end[gap:]
    return end.lstrip() or end
