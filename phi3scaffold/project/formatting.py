"""Numbers and other people's texts as people read them, in a terminal and on a page alike."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

# they turn the direction of what follows, so that a line reads differently from what it holds
TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def from_here(path: Path) -> str:
    """Return a path as short as it can be typed from the current folder."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        return str(path)
    return str(path) if relative.startswith(os.pardir) else relative


def visible(text: str, *, lines: bool = False) -> str:
    """Write control characters out, as ``\\x1b``; with `lines`, line breaks and tabs stay."""
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
    """Cut `text` to at most `most` characters; `mark` stands for what is left out."""
    return text if len(text) <= most else text[: max(0, most - len(mark))] + mark


def count(number: float, one: str = "", many: str = "") -> str:
    """Return ``1,260``; with a noun, ``1 row`` and ``3 rows`` (`many` is an irregular plural)."""
    digits = f"{number:,}"
    if not one:
        return digits
    return f"{digits} {one if number == 1 else many or one + 's'}"


def ordinal(number: int) -> str:
    """Return ``third`` for 3; from 6 on ``6th``."""
    names = ["first", "second", "third", "fourth", "fifth"]
    if 1 <= number <= len(names):
        return names[number - 1]
    teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def share(part: float, of: float) -> str:
    """Return ``12.5%``; never 0% of something, nor 100% of less than all."""
    if not of:
        return "0%"
    percent = 100 * part / of
    if 0 < percent < 0.1:
        return "<0.1%"
    return f"{min(percent, 99.9) if part < of else percent:.1f}".removesuffix(".0") + "%"


def perplexity(value: float) -> str:
    """Return a perplexity as ``1.021``; from a thousand on as ``5.74e+03``."""
    return f"{value:.3f}" if value < 1000 else f"{value:.3g}"


def rate(number: float) -> str:
    """Return a rate, such as tokens a second, as ``5697`` or ``3.1``."""
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}"


def duration(seconds: float) -> str:
    """Return seconds as ``1.4 s``, ``19 s``, ``2 min 5 s``, ``12 min`` or ``1 h 10 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        return f"{whole // 60} min {whole % 60} s".removesuffix(" 0 s")
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min".removesuffix(" 0 min")


def rough_duration(seconds: float) -> str:
    """Return seconds that are only reckoned: ``1 min``, ``25 min``, ``3 h``, ``2 days``."""
    minutes = seconds / 60
    if minutes < 90:
        return f"{max(1, round(minutes) if minutes < 10 else round(minutes / 5) * 5)} min"
    hours = round(minutes / 60)
    return f"{hours} h" if hours < 48 else f"{round(hours / 24)} days"


def time_range(low: float, high: float) -> str:
    """Return two times as ``18 s to 40 s`` or ``1 h 10 min to 2 h``."""
    return f"{duration(low)} to {duration(high)}"


def decimal_size(number: float) -> str:
    """Return bytes of files, as disks are sold: ``17 B``, ``3.2 kB``, ``5.8 MB``, ``2.83 GB``."""
    if number < 1000:
        return f"{number:.0f} B"
    if number < 1e5:
        return f"{number / 1e3:.1f} kB"
    return f"{number / 1e9:.2f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"


def binary_size(number: float) -> str:
    """Return bytes, of memory above all: ``17 B``, ``143 KiB``, ``1.2 GiB``, ``11.4 GiB``."""
    unit = "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            break
        number /= 1024
    whole = unit == "B" or (unit != "GiB" and number >= 10)
    return f"{number:.0f} {unit}" if whole else f"{number:.1f} {unit}"


def parameter_count(parameters: int) -> str:
    """Return a number of weights in millions or billions: ``134.5M``, ``3.8B``."""
    if parameters >= 10**9:
        return f"{parameters / 10**9:.1f}B"
    return f"{parameters / 10**6:.1f}M"
