"""Rows that are too long, shortened from the prompt's side; an answer is never cut."""

from __future__ import annotations

from collections.abc import Callable

from phi3scaffold.datasets.conversations import Conversation
from phi3scaffold.models.column_templates import columns_of, fill

LETTERS_A_TOKEN = 16  # more than a token has on average; what stands before is never looked at
WORD = 24  # a cut moves on to the next word, if it begins within so many letters

Build = Callable[[str], Conversation]  # a text -> the row with that text in its place


class Shortener:
    """Finds the longest end of a row's prompt that fits.

    A row of columns loses the beginning of its longest column, so that the turn's own words stay.
    A conversation loses its oldest turns first (a question always with its answer), then the
    beginning of the first question that is left. The system turn stays.

    Args:
        fits: whether a row keeps within the limit.
        max_tokens: the limit.
        user: the user turn with ``{column}`` in it, or empty.
    """

    def __init__(self, fits: Callable[[Conversation], bool], max_tokens: int, user: str) -> None:
        self.fits = fits
        self.max_tokens = max_tokens
        self.user = user

    def shorten(self, row: Conversation) -> Conversation | None:
        """Return the row as it is trained; None where even its answer alone is too long."""
        if row.values and columns_of(self.user):
            return self._with_shorter_column(row)
        system = [message for message in row.messages if message["role"] == "system"]
        turns = row.messages[len(system) :]

        def build(text: str) -> Conversation:
            first = {"role": "user", "content": text}
            return Conversation(row.place, [*system, first, *turns[1:]], {})

        while len(turns) > 2 and not self.fits(build(turns[0]["content"])):
            turns = turns[2:]
        return self._longest_end(turns[0]["content"], build)

    def _with_shorter_column(self, row: Conversation) -> Conversation | None:
        longest = max(row.values, key=lambda name: len(row.values[name]))

        def build(text: str) -> Conversation:
            values = {**row.values, longest: text}
            messages = [
                {"role": "user", "content": fill(self.user, values)}
                if message["role"] == "user"
                else message
                for message in row.messages
            ]
            return Conversation(row.place, messages, values)

        return self._longest_end(row.values[longest], build)

    def _longest_end(self, text: str, build: Build) -> Conversation | None:
        """Bisection over where the text begins: more text never has fewer tokens, or hardly."""
        most = min(len(text), self.max_tokens * LETTERS_A_TOKEN)
        text = text[len(text) - most :]
        if self.fits(build(text)):
            return build(text)
        least, best = 1, None
        while least <= most:
            middle = (least + most) // 2
            candidate = build(_from_a_word(text, len(text) - middle))
            if self.fits(candidate):
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
