"""Rows that are too long, shortened from the prompt's side; an answer is never cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from phi3scaffold.datasets.conversations import Conversation
from phi3scaffold.models.column_templates import columns_of, fill

LETTERS_A_TOKEN = 16  # more than a token has on average; what stands before is never looked at
WORD = 24  # a cut moves on to the next word, if it begins within so many letters

Build = Callable[[str], Conversation]  # a text -> the row with that text in its place
Fits = Callable[[Conversation], bool]  # whether a row keeps within the limit


def shorten(row: Conversation, user: str, max_tokens: int, fits: Fits) -> Conversation | None:
    """Return the row with the longest end of its prompt that fits; None where no end does.

    A conversation loses its oldest turns first (a question always with its answer), then the
    beginning of the first question that is left. A row of columns loses its history in the same
    way, then the beginning of its longest column, so that the words of the turn `user` stay. The
    system turn stays.
    """
    most = max_tokens * LETTERS_A_TOKEN
    by_column = bool(row.values and columns_of(user))
    if by_column:
        longest = max(row.values, key=lambda name: len(row.values[name]))
        text = row.values[longest]
    else:
        text = str(row.messages[_first_question(row)]["content"])

    def with_text(text: str, row: Conversation) -> Conversation:
        values = {**row.values, longest: text} if by_column else {}
        number = len(row.messages) - 2 if by_column else _first_question(row)
        content = fill(user, values) if by_column else text
        turn = {**row.messages[number], "content": content}
        messages = [*row.messages[:number], turn, *row.messages[number + 1 :]]
        return replace(row, messages=messages, values=values)

    while _questions(row)[1:] and not fits(row):
        row = _without_oldest(row)
        if not by_column:
            text = str(row.messages[_first_question(row)]["content"])
    return _longest_end(text[-most:], lambda text: with_text(text, row), fits)


def _questions(row: Conversation) -> list[int]:
    """Return the numbers of the user's turns."""
    return [number for number, turn in enumerate(row.messages) if turn["role"] == "user"]


def _first_question(row: Conversation) -> int:
    return _questions(row)[0]


def _without_oldest(row: Conversation) -> Conversation:
    """Return the row without its oldest question and all that was said to it."""
    first, second, *_ = _questions(row)
    shown = tuple(n - second + first for n in row.shown if n >= second)
    return replace(row, messages=[*row.messages[:first], *row.messages[second:]], shown=shown)


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
