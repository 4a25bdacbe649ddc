"""Find what a misspelled word was meant to be: for verbs, options, keys, columns and values."""

from __future__ import annotations

from collections.abc import Iterable


def near_names(word: str, known: Iterable[str], alike: float = 0.6, most: int = 1) -> list[str]:
    """Return the names that `word` may be a misspelling of, the nearest first."""
    import difflib

    names = list(known)
    same = [name for name in names if name.strip().lower() == word.strip().lower()]
    return same or difflib.get_close_matches(word, names, most, alike)


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "", alike: float = 0.6) -> str:
    """Return ``did you mean NAME?`` for the nearest name, or `otherwise` where none is near."""
    near = near_names(word, known, alike)
    return f"did you mean {near[0]}?" if near else otherwise
