"""Labels that look alike on a screen, and are others to the model: letters of another script.

Which characters look alike is what Unicode Technical Standard 39 lists (confusables.txt), as the
package confusable-homoglyphs has it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache

INVISIBLE = "Cf"  # Unicode's category of signs without width, and of those of direction


def look_alikes(labels: Iterable[str]) -> list[tuple[str, str]]:
    """Return the pairs of labels that look alike, each with the plainer one behind the other."""
    groups: dict[str, list[str]] = {}
    for label in labels:
        groups.setdefault(skeleton(label), []).append(label)
    pairs = []
    for group in groups.values():
        *others, plain = sorted(group, key=lambda label: (-_foreign(label), label))
        pairs += [(other, plain) for other in others]
    return pairs


def skeleton(text: str) -> str:
    """Return what texts that look alike share, white space and case aside."""
    plain = unicodedata.normalize("NFKC", text)
    if not plain.isascii():
        plain = "".join(
            _ascii(character) for character in plain if unicodedata.category(character) != INVISIBLE
        )
    return " ".join(plain.casefold().split())


def odd_letters(text: str, plain: str) -> str:
    """Name the characters of `text` that `plain` does not have."""
    odd = [character for character in dict.fromkeys(text) if character not in plain]
    return ", ".join(
        f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip() for character in odd
    )


def _foreign(text: str) -> int:
    return sum(not character.isascii() for character in text)


@cache
def _ascii(character: str) -> str:
    """Return the ASCII letter or digit that looks like a character; itself where there is none."""
    if character.isascii():
        return character
    from confusable_homoglyphs.confusables import confusables_data

    like = (one["c"] for one in confusables_data.get(character, ()))
    return next(
        (one for one in like if len(one) == 1 and one.isascii() and one.isalnum()), character
    )
