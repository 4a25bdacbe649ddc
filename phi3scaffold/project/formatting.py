"""Numbers and other people's texts, as a person reads them in a terminal and on a page."""

from __future__ import annotations

import unicodedata

# they turn the direction of what follows, so that a line reads differently from what it holds
TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: str, *, lines: bool = False) -> str:
    """`text` with its control characters written out, as ``\\x1b``; with `lines`, breaks stay."""
    if text.isprintable():  # no control character, no direction mark
        return text
    return "".join(_visible(character, lines) for character in text)


def _visible(character: str, lines: bool) -> str:
    if lines and character in "\n\t":
        return character
    if character in TURNING or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
        return character.encode("unicode_escape", "surrogatepass").decode("ascii")
    return character


def cut(text: str, most: int, mark: str = "…") -> str:
    """`text` in at most `most` characters; where something is left out stands `mark`."""
    return text if len(text) <= most else text[: max(0, most - len(mark))] + mark


def count(number: float, one: str = "", many: str = "") -> str:
    """``1,260``; with a word, ``1 row`` and ``3 rows`` (`many` where an s does not do)."""
    told = f"{number:,}"
    if not one:
        return told
    return f"{told} {one if number == 1 else many or one + 's'}"


def share(part: float, of: float) -> str:
    """``12.5%``; never 0% of something, nor 100% of less than all."""
    if not of:
        return "0%"
    percent = 100 * part / of
    if 0 < percent < 0.1:
        return "<0.1%"
    return f"{min(percent, 99.9) if part < of else percent:.1f}".removesuffix(".0") + "%"


def perplexity(value: float) -> str:
    """``1.021``; from a thousand on ``5.74e+03``."""
    return f"{value:.3f}" if value < 1000 else f"{value:.3g}"


def rate(number: float) -> str:
    """Tokens a second: ``5697``, ``3.1``."""
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}"


def disk(number: float) -> str:
    """Bytes of files, as the gate counts them: ``5.8 MB``, ``2.83 GB``."""
    return f"{number / 1e9:.2f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"


def size(number: float) -> str:
    """Bytes: ``17 B``, ``143 KiB``, ``1.2 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            break
        number /= 1024
    return f"{number:.0f} {unit}" if number >= 10 or unit == "B" else f"{number:.1f} {unit}"
