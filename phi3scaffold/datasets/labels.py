"""Which spellings are one label, and which texts say that there is none.

Read as one label: spellings that differ only in case, white space, signs without width and how
Unicode composes their letters. Likely
no label: an empty text, what programs write for a missing value or an error (``nan``, ``<NA>``,
``null``, MySQL's ``\\N``, Excel's ``#REF!``), and what people write (``none``, ``N/A``, ``-``,
``?``). The last may well be a label of its own, so that it stays one where it is as frequent as a
label: in more than a twentieth of the rows, or in as many as the label in the middle.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median_low
from typing import Any

from phi3scaffold.datasets.cell_text import label_key, plain_labels
from phi3scaffold.datasets.look_alikes import look_alikes, odd_letters
from phi3scaffold.project.formatting import count, cut, visible

# Written by programs; never a label.
BY_PROGRAMS = frozenset((
    "nan", "-nan", "<na>", "#n/a", "#na", "#n/a n/a", "null", "nat", "1.#qnan", "-1.#ind", "\\n",
    "(null)", "[null]", "<null>", "undefined",
    "#ref!", "#value!", "#name?", "#div/0!", "#num!", "#null!",
))  # fmt: skip
# Written by people; a label where it is frequent.
BY_PEOPLE = frozenset((
    "none", "n/a", "na", "n.a.", "n.a", "n\\a", "nil", "-", "--", "---", "?", ".", "(none)",
    "(blank)", "(empty)", "not available", "missing",
))  # fmt: skip
# Of those the ones that are no text either, where a question or an answer should stand.
NO_TEXT = BY_PROGRAMS - {"null", "(null)", "[null]", "<null>", "undefined"}
WIDTHLESS = re.compile(
    "[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\u00ad]"
)  # come along with a copied text
FREQUENT = 0.05  # of the rows
LABEL_LETTERS = 60  # of a label that are shown

FEW = 10  # rows of a label, below which it is hardly learned
NAMED = 6  # labels in one sentence
SHOWN = 4  # labels with other spellings

NO_LABEL = "no label ("  # why a row is left out

# How `new` is told to treat them.
MERGE, MERGE_WIDTH, KEEP_APART = "case", "width", "keep"
LIKELY, ALL, NONE = "likely", "all", "keep"


def fold(text: str) -> str:
    """Return what spellings that differ only in case, white space and signs without width share."""
    text = unicodedata.normalize("NFC", WIDTHLESS.sub("", text))
    return " ".join(text.casefold().split())


def fold_width(text: str) -> str:
    """Return the same for spellings that differ in the width of their letters, too."""
    return fold(unicodedata.normalize("NFKC", text))


@dataclass(frozen=True)
class LabelTable:
    """What the texts of a label column are read as.

    Attributes:
        labels: the labels, sorted.
        variants: label -> its other spellings and their rows, the most frequent first.
        missing: the texts that say that there is no label, and their rows; "" is the empty text.
        doubtful: labels that may say that there is none, and their rows.
        alike: labels that differ from another only in the width of their letters:
            (the rarer, its rows, the other).
        counts: label -> its rows.
        texts: every text of the column -> its rows.
    """

    labels: tuple[str, ...] = ()
    variants: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)
    doubtful: Mapping[str, int] = field(default_factory=dict)
    alike: tuple[tuple[str, int, str], ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    texts: Mapping[str, int] = field(default_factory=dict)

    def answer(self) -> dict[str, Any]:
        """Return the part of copier's answer `rows` that is about labels."""
        return {
            "labels": list(self.labels),
            "label_variants": {label: list(texts) for label, texts in self.variants.items()},
            "missing_labels": [text for text in self.missing if text],
        }

    def notes(self) -> list[str]:
        """Return what a person should know of the labels, each a sentence."""
        lines = [
            f"{count(sum(texts.values()), 'row')} read as {shown_spelling(label)}: "
            f"{spellings_text(texts)}"
            for label, texts in sorted(
                self.variants.items(), key=lambda item: (-sum(item[1].values()), item[0])
            )
        ]
        if lines[SHOWN:]:
            lines[SHOWN:] = [f"so are the spellings of {count(len(lines) - SHOWN, 'more label')}"]
        if self.missing:
            lines.append(missing_text(self.missing))
        undo = ["--label-variants"] if self.variants else []
        undo += ["--missing-labels"] if any(self.missing) else []
        if undo:
            lines.append(f"as labels of their own: {', '.join(f'{flag} keep' for flag in undo)}")
        if self.doubtful:
            stays = "is kept as a label" if len(self.doubtful) == 1 else "are kept as labels"
            lines.append(
                f"{spellings_text(self.doubtful)} {stays}, being frequent; "
                f"--missing-labels {ALL} leaves such rows out"
            )
        if self.alike:
            pairs = [
                f"{shown_spelling(text)} ({count(rows)}) and {shown_spelling(label)}"
                for text, rows, label in self.alike[:SHOWN]
            ]
            lines.append(
                f"labels that differ only in the width of their letters: {', '.join(pairs)}; "
                f"--label-variants {MERGE_WIDTH} reads them as one"
            )
        lines += look_alikes_lines(self.labels)
        rare = rare_labels(self.counts)
        if rare:
            few = count(len(rare), "label has", "labels have")
            lines.append(f"{few} fewer than {FEW} rows: {spellings_text(rare)}")
        return lines


def label_table(
    texts: Mapping[str, int], variants: str = MERGE, missing: str = LIKELY
) -> LabelTable:
    """Decide what the texts of a label column are read as.

    Args:
        texts: text -> rows.
        variants: `MERGE` what differs in case and white space, `MERGE_WIDTH` what differs in width,
            too, or `KEEP_APART` each spelling as a label.
        missing: leave out the `LIKELY` missing labels, `ALL` that may be, or `NONE` but empty ones.
    """
    said = {text: rows for text, rows in texts.items() if text.strip()}
    no_label, doubtful = _missing(said, missing)
    groups: dict[str, dict[str, int]] = {}
    plain = plain_labels(text for text in said if text not in no_label)
    for text, label in plain.items():
        group = groups.setdefault(_key(label, variants), {})
        group[label] = group.get(label, 0) + said[text]
    spellings = {_spelling(group, variants): group for group in groups.values()}
    empty = sum(rows for text, rows in texts.items() if not text.strip())
    found = {
        label: {text: rows for text, rows in _by_count(group) if text != label}
        for label, group in sorted(spellings.items())
    }
    sizes = {label: sum(group.values()) for label, group in sorted(spellings.items())}
    return LabelTable(
        tuple(sorted(spellings)),
        {label: others for label, others in found.items() if others},
        dict(_by_count(no_label)) | ({"": empty} if empty else {}),
        {label: rows for label, rows in sizes.items() if label in doubtful},
        _alike(sizes) if variants == MERGE else (),
        sizes,
        texts,
    )


def _key(text: str, variants: str) -> str:
    if variants == KEEP_APART:
        return text
    return fold_width(text) if variants == MERGE_WIDTH else fold(text)


def _by_count(group: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(group.items(), key=lambda item: (-item[1], item[0]))


def _spelling(group: Mapping[str, int], variants: str) -> str:
    """Return the most frequent spelling, without white space at its ends."""
    if variants == KEEP_APART:
        return next(iter(group))
    clean: Counter[str] = Counter()
    for text, rows in group.items():
        clean[WIDTHLESS.sub("", text).strip()] += rows
    most = max(clean.values())
    best = [text for text, rows in clean.items() if rows == most]
    lower = [text for text in best if text == text.lower() and text.isascii()]
    return min(lower or best)


def _missing(texts: Mapping[str, int], choice: str) -> tuple[dict[str, int], set[str]]:
    """Return the texts that say that there is no label, and those that may say so and stay."""
    if choice == NONE:
        return {}, set()
    sure = {text: rows for text, rows in texts.items() if fold_width(text) in BY_PROGRAMS}
    unsure = {text: rows for text, rows in texts.items() if fold_width(text) in BY_PEOPLE}
    if choice == ALL:
        return sure | unsure, set()
    others: Counter[str] = Counter()
    for text, rows in texts.items():
        if text not in sure and text not in unsure:
            others[fold(text)] += rows
    if len(others) < 2:  # the one label has nothing else to be told from
        return sure, set(unsure)
    least = min(FREQUENT * sum(texts.values()), median_low(others.values()) - 1)
    together: Counter[str] = Counter()
    for text, rows in unsure.items():
        together[fold(text)] += rows
    rare = {text: rows for text, rows in unsure.items() if together[fold(text)] <= least}
    return sure | rare, set(unsure) - set(rare)


def _alike(sizes: Mapping[str, int]) -> tuple[tuple[str, int, str], ...]:
    """Pair labels that differ only in the width of their letters."""
    groups: dict[str, list[str]] = {}
    for label in sizes:
        groups.setdefault(fold_width(label), []).append(label)
    pairs = []
    for group in groups.values():
        first, *others = sorted(group, key=lambda label: (-sizes[label], label))
        pairs += [(other, sizes[other], first) for other in others]
    return tuple(pairs)


class LabelLookup:
    """What texts of the label column are read as, by what dataset.yaml lists.

    Beside the spellings that it lists, those are read that differ from them only in case and white
    space, where it lists any: rows that come later are written no better.

    Args:
        labels: the labels.
        variants: label -> its other spellings.
        missing: the texts that say that there is no label.
    """

    def __init__(
        self, labels: Iterable[str], variants: Mapping[str, Iterable[str]], missing: Iterable[str]
    ) -> None:
        labels = list(labels)
        self._exact = dict.fromkeys(missing, "")
        self._exact |= {text: label for label, texts in variants.items() for text in texts}
        listed = {fold(text) for text in self._exact}
        self._exact |= {label: label for label in labels}
        readings: dict[str, set[str]] = {}
        for text, label in self._exact.items():
            readings.setdefault(fold(text), set()).add(label)
        self._folded = {
            key: next(iter(found))
            for key, found in readings.items()
            if len(found) == 1 and (variants or key in listed)
        }
        keys = [label_key(label) for label in labels]
        self._keys = {k: one for k, one in zip(keys, labels, strict=True) if keys.count(k) == 1}

    def label_of(self, text: str) -> str | None:
        """Return the label that a text is read as: "" for no label, None where that is unknown."""
        found = self._exact.get(text)
        if found is None:
            found = self._folded.get(fold(text))
        return self._keys.get(label_key(text)) if found is None else found


def no_label(text: str) -> str:
    """Return why a row is left out whose label says that there is none."""
    return f"{NO_LABEL}{cut(visible(text.strip()), LABEL_LETTERS)})"


def missing_spelling(reason: str) -> str:
    """Return what stood for the label in a row that was left out for that; "" for other reasons."""
    return reason.removeprefix(NO_LABEL)[:-1] if reason.startswith(NO_LABEL) else ""


def shown_spelling(text: str) -> str:
    """Return a spelling as people read it: white space at its ends is made visible by quotes."""
    text = WIDTHLESS.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)
    text = cut(visible(text), LABEL_LETTERS)
    return text if text == text.strip() and text else f'"{text}"'


def spellings_text(spellings: Mapping[str, int], most: int = 6) -> str:
    """Return spellings and their rows: ``Joy (7), JOY (5)``."""
    parts = [f"{shown_spelling(text)} ({count(rows)})" for text, rows in spellings.items()]
    if len(parts) > most:
        parts[most:] = [f"{count(len(parts) - most)} more"]
    return ", ".join(parts)


def missing_text(texts: Mapping[str, int]) -> str:
    """Say how many rows have no label, and how they say so."""
    parts = [f"{shown_spelling(text) if text else 'empty'} {count(n)}" for text, n in texts.items()]
    rows = count(sum(texts.values()), "row")
    return f"{rows} left out: no label ({', '.join(parts)})"


def rare_labels(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the labels that have too few rows to be learned well, the rarest first."""
    rare = {label: rows for label, rows in counts.items() if rows < FEW}
    return dict(sorted(rare.items(), key=lambda item: (item[1], item[0])))


def look_alikes_lines(labels: Iterable[str]) -> list[str]:
    """Say which labels look alike, and are others to the model."""
    pairs = [
        f"{shown_spelling(other)} has {odd_letters(other, plain)}, unlike {shown_spelling(plain)}"
        for other, plain in look_alikes(labels)
        if fold_width(other) != fold_width(plain)
    ]
    if not pairs:
        return []
    rest = f", and {count(len(pairs) - SHOWN)} more" if len(pairs) > SHOWN else ""
    return [f"labels that look alike, and are learned apart: {'; '.join(pairs[:SHOWN])}{rest}"]


def labels_text(labels: Sequence[str]) -> str:
    """Name the labels; of many, the first with their number."""
    names = [shown_spelling(label) for label in labels[:NAMED]]
    if len(labels) <= NAMED:
        return ", ".join(names)
    return f"{count(len(labels), 'label')}: {', '.join(names)}, ..."
