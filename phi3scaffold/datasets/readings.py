"""What was decided in reading the rows, counted and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from phi3scaffold.datasets.conversations import Conversation
from phi3scaffold.project.formatting import count

TURNS = ("turn is", "turns are")
SHOWN = ("assistant turn is", "assistant turns are")
# Note of a conversation -> one and several of what it counts, and what became of it.
READINGS = {
    "joined": (*TURNS, "joined with the previous turn of the same speaker"),
    "cut": (*TURNS, "left out: no learned answer follows"),
    "greeting": (*TURNS, "left out: the assistant speaks before the user has asked"),
    "parts": (*TURNS, "joined from parts of text"),
    "history": ("earlier answer is", "earlier answers are", "learned, too (history)"),
    "missing": ("cell is", "cells are", "read as empty (nan, <NA> or the like)"),
    "own system": ("row has", "rows have", "a system turn of its own, which stays as it is"),
    "text": ("list of turns is", "lists of turns are", "read from a text (JSON or Python)"),
    "prompt": (*SHOWN, "shown but not learned: in the prompt column"),
}


def readings_text(times: Mapping[str, int]) -> str:
    """Return the notes with their counts as one sentence; "" without notes.

    Args:
        times: note -> how often it was made.
    """
    parts = []
    for note, number in times.items():
        one, many, became = READINGS.get(note, (*SHOWN, f"shown but not learned: {note}"))
        parts.append(f"{count(number, one, many)} {became}")
    return "; ".join(parts)


def count_notes(rows: Iterable[Conversation]) -> dict[str, list[int]]:
    """Return note -> how many rows have it, and how often they have it together."""
    found: dict[str, list[int]] = {}
    for row in rows:
        for note, times in Counter(row.notes).items():
            rows_and_times = found.setdefault(note, [0, 0])
            rows_and_times[0] += 1
            rows_and_times[1] += times
    return found
