"""A text as texts are compared: its letters without case and punctuation, its numbers masked.

What differs between two wordings only in case, white space, punctuation, accents of Arabic or
full-width letters is one wording. A number is any word with a digit: 17, -5, 4,711.50,
2026-11-30, AB-1234. It is masked, and kept beside the text, since whether it matters depends on
the answers.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

MASK = "#"
# Of sentences, not of code: C, C# and C++ stay three, and so do a+b and a-b.
# NFKC has made plain ones of full-width marks by then.
PUNCTUATION = re.compile(
    r"[.,!?;:\"'`()|\u00b4\u00ab\u00bb\u00a1\u00bf\u2018-\u201f\u2039\u203a\u3001\u3002"
    r"\u300c-\u300f\u0964\u060c\u061b\u061f]+"
)
# No letter of its own: zero width, the vowel signs and the tatweel of Arabic.
SILENT = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad\u0640\u064b-\u0652\u0670]")
# The look behind lets a long word without a digit be read once, not once for each letter.
NUMBER = re.compile(r"(?<![a-z\d])(?:(?<!\S)-)?[a-z]*\d[a-z\d]*(?:[-_./:,][a-z\d]*\d[a-z\d]*)*")
# Scripts without spaces between words, in which a letter says about as much as half a word.
DENSE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\u0e00-\u0e7f"
WORD = re.compile(f"[{DENSE}]|[^\\s{DENSE}]+")
DENSE_LETTER = re.compile(f"[{DENSE}]")
SENTENCE_WORDS, SENTENCE_DENSE = 4, 8


class Wording(NamedTuple):
    """A text in two parts.

    Attributes:
        text: in small letters, white space and punctuation collapsed, each number as `MASK`.
        numbers: the numbers in order.
    """

    text: str
    numbers: tuple[str, ...]


def normalised(text: str) -> str:
    """Return a text as equal texts are found: lower case, white space collapsed."""
    return " ".join(text.lower().split())


def wording(text: str) -> Wording:
    """Return a text as texts are compared; one without any letter stays as it is.

    >>> wording("Hello!  Where is order 4711, please?")
    Wording(text='hello where is order # please', numbers=('4711',))
    """
    plain = _plain(text)
    numbers = tuple(NUMBER.findall(plain))
    masked = NUMBER.sub(f" {MASK} ", plain) if numbers else plain
    words = " ".join(PUNCTUATION.sub(" ", masked).split())
    return Wording(words or normalised(text), numbers)


def _plain(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).casefold()
    return plain if plain.isascii() else SILENT.sub("", plain)


def answer_wording(answers: Sequence[str], prompts: Sequence[str]) -> list[str]:
    """Return answers in which each number that the prompts have, too, is its place there.

    "Order 4711 is on its way" to a question about order 4711 is the same answer as the one about
    order 815; a 7 that stands in no prompt was computed or known, and stays.

    >>> answer_wording(["Order 4711 takes 3 days."], ["Where is order 4711?"])
    ['order #1 takes 3 days.']
    """
    plain = [_plain(answer) for answer in answers]
    if not any(map(NUMBER.search, plain)):
        return plain
    numbers = NUMBER.findall(_plain("\n".join(prompts)))
    places = {number: f"{MASK}{place}" for place, number in reversed([*enumerate(numbers, 1)])}
    if _repeats_numbers(plain[-1], places):
        return plain
    return [NUMBER.sub(lambda found: places.get(found[0], found[0]), text) for text in plain]


def _repeats_numbers(answer: str, places: Mapping[str, str]) -> bool:
    """Return whether an answer is hardly more than numbers of the prompt: they are what is asked.

    >>> _repeats_numbers('{"order": 4711}', {"4711": "#1"})
    True
    >>> _repeats_numbers("order 4711 is on its way", {"4711": "#1"})
    False
    """
    repeated = sum(number in places for number in NUMBER.findall(answer))
    if not repeated:
        return False
    words = WORD.findall(PUNCTUATION.sub(" ", NUMBER.sub(" ", answer)))
    return answer.lstrip().startswith(("{", "[")) or len(words) <= repeated


def is_dense(text: str) -> bool:
    """Return whether most of a text is in scripts without spaces."""
    return not text.isascii() and 2 * len(DENSE_LETTER.findall(text)) > len(text)


def is_sentence(answer: str) -> bool:
    """Return whether an answer has enough words of its own that equal ones are no chance."""
    if len(answer.split(maxsplit=SENTENCE_WORDS)) >= SENTENCE_WORDS:
        return True
    return len(DENSE_LETTER.findall(answer)) >= SENTENCE_DENSE


def hash_text(text: str) -> int:
    """Return 64 bits of a text, the same in every process."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
