"""What each column holds, by its name and above all by its values: text, few values, ids, dates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from phi3scaffold.datasets.cell_text import cell_text

TEXT, CATEGORY = "text", "few values"
NESTED, EMPTY, CONSTANT = "lists or objects", "empty", "the same in every row"
ID, DATE, NUMBER, URL, PERSON = "an id", "dates", "numbers", "addresses", "names"
RARE = "seldom filled"

TEXT_NAMES = (
    "text", "phrase", "sentence", "utterance", "review", "comment", "message", "content", "body",
    "title", "headline", "tweet", "query", "question", "input", "prompt", "subject", "summary",
    "description", "abstract", "post", "email", "document", "passage", "context", "premise",
    "hypothesis", "article", "story", "notes", "note", "statement", "request", "complaint",
    "feedback", "transcript", "caption", "snippet", "paragraph", "conversation", "dialogue",
)  # fmt: skip
ID_NAMES = re.compile(r"(?:^|[_\W])(?:id|uuid|guid|idx|index|key|hash|number|no|nr)$", re.I)
PERSON_NAMES = frozenset((
    "author", "user", "username", "user_name", "name", "first_name", "last_name", "sender",
    "recipient", "from", "to", "cc", "customer", "agent", "reviewer", "annotator", "worker",
    "screen_name", "handle", "phone", "address", "city", "country", "location", "company",
))  # fmt: skip
# What somebody wrote about the label, or a model guessed.
TELLING_NAMES = re.compile(
    r"^(?:explanation|rationale|reason|reasoning|justification|prediction|predicted.*|pred|"
    r"model_output|annotator.*|label_.*|.*_label|.*confidence.*)$",
    re.I,
)
MONTH = r"(?:jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-z]*"
DATES = re.compile(
    rf"""\d{{4}}[-/.]\d\d?[-/.]\d\d?(?:[T ].*)? | \d\d?[-/.]\d\d?[-/.]\d{{2,4}}(?:,?[ ].*)?
    | (?:[a-z]{{3,9}},?[ ])?(?:{MONTH}\.?[ ]\d\d?|\d\d?\.?[ ]{MONTH})\b.{{0,25}}
    | \d\d?:\d\d(?::\d\d)?(?:[ ][ap]m)?""",
    re.I | re.X,
)
NUMBERS = re.compile(r"[-+]?[$€£]?\d[\d,. ]*(?:e[-+]?\d+)?[ ]?[%€$]?", re.I)
URLS = re.compile(r"(?:https?://|www\.)\S+|[\w.+-]+@[\w-]+\.[\w.]+|/?(?:[\w.-]+/)+[\w.-]+\.\w{2,4}")
IDS = re.compile(r"[\w#.:/-]+")

MOST = 0.9  # of the values, for a kind
FEW = 0.05  # of the rows, below which a column is not worth a line in every prompt
LONG = 25  # letters, on average
CODES, CODE_LETTERS = 20, 6  # values, and letters of each, of codes that are no labels
CATEGORIES = 50  # values at most that are always labels where they come twice
EXACTLY_ALIKE = 0.9  # of the rows, for two columns that say the same


@dataclass(frozen=True)
class RowColumn:
    """A column of the first rows.

    Attributes:
        name: of the column.
        values: a value for each row.
    """

    name: str
    values: Sequence[Any]

    @cached_property
    def texts(self) -> list[str]:
        """The texts of the rows that hold something."""
        texts = (cell_text(value) for value in self.values)
        return [text.strip() for text in texts if text and text.strip()]

    @cached_property
    def counts(self) -> Counter[str]:
        """Text -> rows, case and white space aside."""
        return Counter(" ".join(text.casefold().split()) for text in self.texts)

    @property
    def plain_name(self) -> str:
        return self.name.strip().lower()

    @cached_property
    def name_words(self) -> tuple[str, ...]:
        """The words of the name: `reviewText`, `review_text` and `Review Text` have the same."""
        spaced = re.sub(r"(?<=[a-z\d])(?=[A-Z])", " ", self.name)
        return tuple(word for word in re.split(r"[_\W\d]+", spaced.lower()) if word)

    @cached_property
    def is_named_text(self) -> bool:
        """Whether its name says that it is text."""
        named = any(word in TEXT_NAMES for word in (*self.name_words, self.plain_name))
        return named and not self.is_named_id

    @cached_property
    def is_named_id(self) -> bool:
        """Whether its name says that it is an id: `caller_id`, `reviewerID`."""
        return bool(ID_NAMES.search(self.plain_name) or ID_NAMES.search("_".join(self.name_words)))

    @cached_property
    def is_named_person(self) -> bool:
        """Whether its name says that it names people: `author`, `reviewerName`."""
        if self.plain_name in PERSON_NAMES:
            return True
        return len(self.name_words) > 1 and all(word in PERSON_NAMES for word in self.name_words)

    def share(self, fits: Callable[[str], object]) -> float:
        """Return the share of the texts that fit."""
        return sum(bool(fits(text)) for text in self.texts) / max(1, len(self.texts))

    @cached_property
    def kind(self) -> str:
        """What the column holds."""
        nested = sum(isinstance(value, (list, dict)) for value in self.values)
        if nested > len(self.texts):  # else the row that has one is told
            return NESTED
        if not self.texts:
            return EMPTY
        if len(self.texts) < FEW * len(self.values):
            return RARE
        if self.share(DATES.fullmatch) >= MOST:
            return DATE
        if self.share(URLS.fullmatch) >= MOST:
            return URL
        if self.share(NUMBERS.fullmatch) >= MOST:
            return self._kind_of_numbers()
        if self.is_named_person:
            return PERSON
        if len(self.counts) == 1 and len(self.texts) > 2 and len(self.texts) == len(self.values):
            return CONSTANT
        return self._kind_of_words()

    def _kind_of_numbers(self) -> str:
        unique = len(self.counts) == len(self.texts) > 2
        if self.is_named_id or self.plain_name.startswith("unnamed"):
            return ID
        if len(self.counts) == 1 and len(self.texts) > 2:
            return CONSTANT
        whole = all(re.fullmatch(r"[-+]?\d+(?:\.0)?", text) for text in self.texts)
        if whole and self.is_repeated:
            return CATEGORY
        return ID if unique and whole and _is_sequence(self.texts) else NUMBER

    def _kind_of_words(self) -> str:
        unique = len(self.counts) == len(self.texts)
        spaced = self.share(_has_words)
        if not self.is_named_text and spaced < 1 - MOST and self.share(IDS.fullmatch) >= MOST:
            digits = self.share(lambda text: any(letter.isdigit() for letter in text))
            if self.is_named_id or (unique and digits >= MOST) or self._are_codes(digits):
                return ID
        if self.is_named_id and not self.is_repeated and _average(self.texts) < LONG:
            return ID
        letters = self.share(_has_letters)
        if letters < 0.5:
            return NUMBER if self.share(str.isascii) >= MOST else TEXT
        if self.is_repeated and not (self.is_named_text and self.is_varied):
            return CATEGORY
        if self.is_named_text or spaced >= 0.4 or _average(self.texts) >= 15:
            return TEXT
        return ID if unique and self.is_named_id else CATEGORY

    def _are_codes(self, digits: float) -> bool:
        """Return whether the values are many codes of letters and digits, such as B00005N7P0."""
        return digits >= MOST and len(self.counts) > CODES and _average(self.texts) >= CODE_LETTERS

    @property
    def is_repeated(self) -> bool:
        """Whether there are few values, each of which comes twice or more on average."""
        return 2 * len(self.counts) <= len(self.texts) and len(self.counts) <= max(
            CATEGORIES, len(self.texts) // 10
        )

    @property
    def is_varied(self) -> bool:
        """Whether there are more values than labels have, or they are long."""
        return len(self.counts) > CATEGORIES or _average(self.texts) >= LONG or len(self.texts) < 10

    @property
    def can_be_label(self) -> bool:
        """Whether its values come again and again, and are two at least."""
        return self.kind == CATEGORY and self.is_repeated and len(self.counts) >= 2


def _has_words(text: str) -> bool:
    """Return whether it has several words; a script without spaces has them in a few letters."""
    return " " in text or (not text.isascii() and len(text) >= 4)


def _has_letters(text: str) -> bool:
    return any(letter.isalpha() for letter in text)


def _average(texts: Sequence[str]) -> float:
    return sum(map(len, texts)) / max(1, len(texts))


def _is_sequence(texts: Sequence[str]) -> bool:
    """Return whether whole numbers, all different, grow from row to row, or are long."""
    numbers = [int(float(text)) for text in texts]
    return numbers == sorted(numbers) or numbers == sorted(numbers, reverse=True) or min(
        len(text) for text in texts
    ) >= 5  # fmt: skip


def say_the_same(one: RowColumn, other: RowColumn) -> bool:
    """Return whether two columns hold the same words, case, signs and spaces aside."""
    pairs = list(zip(map(_words, one.values), map(_words, other.values), strict=True))
    return sum(a == b for a, b in pairs) >= EXACTLY_ALIKE * len(pairs)


def determine_each_other(one: RowColumn, other: RowColumn) -> bool:
    """Return whether a value of either column has only one value of the other beside it."""
    pairs = {
        (_words(a), _words(b))
        for a, b in zip(one.values, other.values, strict=True)
        if _words(a) and _words(b)
    }
    return 1 < len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def _words(value: Any) -> str:
    return re.sub(r"\W+", " ", (cell_text(value) or "").casefold()).strip()
