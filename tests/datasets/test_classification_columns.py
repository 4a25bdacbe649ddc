"""Which columns are texts, which one is the label, and why the others are left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from phi3scaffold.datasets.detection import column_kinds as kinds
from phi3scaffold.datasets.detection import guess
from phi3scaffold.datasets.detection.column_kinds import RowColumn

ROWS = 60
WORDS = (
    "printer", "paper", "invoice", "refund", "order", "screen", "battery", "slow", "broken", "late",
    "missing", "login", "password", "delivery", "noise", "camera", "update", "crash", "charge",
    "account",
)  # fmt: skip
Maker = Callable[[int], object]


def sentence(n: int) -> str:
    return (
        f"The {WORDS[n % 20]} of my {WORDS[(n * 7 + 3) % 20]} is {WORDS[(n * 3 + n // 20) % 20]}."
    )


def long(n: int) -> str:
    return " ".join(sentence(n + k) for k in range(5))


def title(n: int) -> str:
    return f"{WORDS[n % 20]} {WORDS[(n // 3) % 20]} {n % 7}"


def some(*values: object) -> Maker:
    """One of a few values, without a pattern that another column shares."""
    return lambda n: values[(n * n + n // 3 + len(values)) % len(values)]


def number(n: int) -> object:
    return n + 1


def ticket(n: int) -> str:
    return f"TCK-{1000 + n * 17}"


def uuid(n: int) -> str:
    return f"{n * 7919 + 10**7:08x}-{n:04x}-4{n:03x}-8abc-{n * 104729 + 10**11:012x}"


def day(n: int) -> str:
    return f"2024-{n % 12 + 1:02}-{n % 28 + 1:02}"


def moment(n: int) -> str:
    return f"2024-03-{n % 28 + 1:02}T{n % 24:02}:{n % 60:02}:00Z"


def score(n: int) -> float:
    return round((n * 37 % 101) / 101, 4)


def site(n: int) -> str:
    return f"https://example.org/articles/{n}"


def mail(n: int) -> str:
    return f"person{n}@example.org"


def person(n: int) -> str:
    return f"{('Ada', 'Ben', 'Eve')[n % 3]} {('Moss', 'Stone', 'Hill', 'Lake')[n % 4]}"


def amount(n: int) -> str:
    return f"$ {n * 13 % 97}.50"


def japanese(n: int) -> str:
    return f"{'画面注文電池更新配達返金遅延'[n % 14]}が壊れています、早く直してください{n}番"


def tweet(n: int) -> str:
    return f"@user{n} {sentence(n)} #{WORDS[n % 20]}"


TEAM = some("billing", "sales", "support")
MOOD = some("joy", "fear", "anger", "sadness")
BIT = some(0, 1)

# columns -> the texts, the label, and columns that are left out for a reason of their own
SETS: dict[str, tuple[dict[str, Maker], list[str], str]] = {
    "two texts": ({"subject": title, "body": long, "team": TEAM}, ["subject", "body"], "team"),
    "a ticket": (
        {"ticket_id": ticket, "created": moment, "subject": title, "body": long, "team": TEAM},
        ["subject", "body"], "team"),
    "the label first": ({"label": BIT, "text": sentence}, ["text"], "label"),
    "a spam file": ({"v1": some("ham", "spam"), "v2": sentence}, ["v2"], "v1"),
    "an index of pandas": (
        {"Unnamed: 0": number, "message": sentence, "is_spam": some(True, False)},
        ["message"], "is_spam"),
    "a tweet with all around it": (
        {"target": some(0, 4), "ids": lambda n: 1467810000 + n * 31, "date": moment,
         "flag": lambda n: "NO_QUERY", "user": lambda n: f"user{n}", "text": tweet},
        ["text"], "target"),
    "no names at all": ({"c0": some(0, 4), "c1": number, "c2": moment, "c3": lambda n: "NO_QUERY",
        "c4": lambda n: f"user{n}", "c5": tweet}, ["c5"], "c0"),
    "a number beside its name": ({"text": sentence, "label": MOOD,
        "label_id": lambda n: {"joy": 0, "fear": 1, "anger": 2, "sadness": 3}[str(MOOD(n))]},
        ["text"], "label"),
    "a label in words beside it": ({"text": sentence, "label": BIT,
        "label_text": lambda n: ("a good text", "a bad text")[int(str(BIT(n)))]},
        ["text"], "label"),
    "scores beside it": ({"text": sentence, "label": MOOD, "score": score, "confidence": score},
        ["text"], "label"),
    "an address beside it": ({"url": site, "headline": title, "article": long, "topic": MOOD},
        ["headline", "article"], "topic"),
    "an author": ({"author": person, "review": long, "stars": some(1, 2, 3, 4, 5)},
        ["review"], "stars"),
    "two sentences": (
        {"premise": sentence, "hypothesis": title, "label": some("yes", "no", "maybe")},
        ["premise", "hypothesis"], "label"),
    "two numbered sentences": ({"sentence1": sentence, "sentence2": title, "label": BIT},
        ["sentence1", "sentence2"], "label"),
    "a text and a cleaned copy": (
        {"text": sentence, "text_clean": lambda n: sentence(n).lower().strip("."), "label": MOOD},
        ["text"], "label"),
    "a split column": ({"text": sentence, "label": MOOD, "split": lambda n: "train"},
        ["text"], "label"),
    "a channel": ({"channel": some("mail", "web"), "text": sentence, "intent": MOOD},
        ["text"], "intent"),
    "Japanese": ({"本文": japanese, "分類": some("請求", "配送", "返金")}, ["本文"], "分類"),
    "German": ({"Betreff": title, "Nachricht": long, "Abteilung": TEAM},
        ["Betreff", "Nachricht"], "Abteilung"),
    "an e-mail address": ({"email": mail, "message": sentence, "category": TEAM},
        ["message"], "category"),
    "a product": ({"sku": lambda n: f"A{n:05}", "title": title, "description": long,
        "price": amount, "category": TEAM}, ["title", "description"], "category"),
    "an explanation": ({"statement": sentence, "explanation": long, "label": BIT},
        ["statement"], "label"),
    "a guess of another model": ({"text": sentence, "prediction": sentence, "label": MOOD},
        ["text"], "label"),
    "a text that holds the label": (
        {"raw": lambda n: f"{MOOD(n)}: {title(n)}", "text": sentence, "label": MOOD},
        ["text"], "label"),
    "a uuid": ({"uuid": uuid, "utterance": sentence, "intent": MOOD}, ["utterance"], "intent"),
    "single words": ({"word": lambda n: WORDS[n % 20] + str(n), "label": some("noun", "verb")},
        ["word"], "label"),
    "an empty column": ({"text": sentence, "notes": lambda n: "", "label": MOOD},
        ["text"], "label"),
    "a column that is often empty": (
        {"title": lambda n: title(n) if n % 3 else "", "text": sentence, "label": MOOD},
        ["title", "text"], "label"),
    "tags": ({"text": sentence, "tags": lambda n: ["a", "b"], "label": MOOD}, ["text"], "label"),
    "a rating of whole floats": ({"review": long, "rating": some(1.0, 2.0, 3.0)},
        ["review"], "rating"),
    "a time of day": ({"time": lambda n: f"{n % 24:02}:{n:02}", "log": sentence, "severity": MOOD},
        ["log"], "severity"),
    "names of people and cities": (
        {"customer": person, "city": some("Rome", "Oslo"), "complaint": long, "department": TEAM},
        ["complaint"], "department"),
    "a language": ({"lang": lambda n: "en", "text": sentence, "emotion": MOOD},
        ["text"], "emotion"),
    "many intents": ({"query": sentence, "intent": lambda n: f"intent_{n % 25}"},
        ["query"], "intent"),
    "a free label and a category": ({"input": long, "output": sentence, "category": TEAM},
        ["input", "output"], "category"),
}  # fmt: skip


def write(tmp_path: Path, columns: dict[str, Maker], rows: int = ROWS) -> Path:
    path = tmp_path / "rows.jsonl"
    made = [{name: make(n) for name, make in columns.items()} for n in range(rows)]
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    return path


@pytest.mark.parametrize("name", SETS)
def test_the_columns_of_a_classification(name: str, tmp_path: Path) -> None:
    columns, texts, label = SETS[name]
    found = guess([write(tmp_path, columns)], "classify")
    assert (list(found.columns), found.assistant) == (texts, f"{{{label}}}")
    lines = found.user.split("\n")
    assert lines[:-1] == [f"{{{text}}}" for text in texts]
    assert lines[-1] == f"{label.replace('_', ' ').capitalize()}:"


def test_the_table_is_long() -> None:
    assert len(SETS) >= 30


KINDS: list[tuple[str, Maker, str]] = [
    ("id", number, kinds.ID),
    ("row", number, kinds.ID),
    ("ticket", ticket, kinds.ID),
    ("x", uuid, kinds.ID),
    ("created", day, kinds.DATE),
    ("when", moment, kinds.DATE),
    ("when", lambda n: f"Mon Apr {n % 28 + 1:02} 22:19:00 PDT 2009", kinds.DATE),
    ("when", lambda n: f"{n % 12 + 1}/{n % 28 + 1}/2023 10:{n % 60:02} AM", kinds.DATE),
    ("when", lambda n: f"{n % 28 + 1}. März 2023", kinds.DATE),
    ("p", score, kinds.NUMBER),
    ("price", amount, kinds.NUMBER),
    ("link", site, kinds.URL),
    ("contact", mail, kinds.URL),
    ("file", lambda n: f"images/part{n}/a.png", kinds.URL),
    ("author", person, kinds.PERSON),
    ("source", lambda n: "forum", kinds.CONSTANT),
    ("version", lambda n: 3, kinds.CONSTANT),
    ("notes", lambda n: None, kinds.EMPTY),
    ("spans", lambda n: [[0, 3]], kinds.NESTED),
    ("c", MOOD, kinds.CATEGORY),
    ("c", BIT, kinds.CATEGORY),
    ("c", some(True, False), kinds.CATEGORY),
    ("c", sentence, kinds.TEXT),
    ("c", japanese, kinds.TEXT),
    ("c", some("I agree with all of it.", "I do not agree with that."), kinds.CATEGORY),
    ("text", lambda n: WORDS[n % 20] + "!" * n, kinds.TEXT),
]


NOTES = {
    "not used: `ticket_id` (an id, 60 rows), `created` (dates, 60 rows)": "a ticket",
    "`label_id` (says the same as the label, 60 rows)": "a number beside its name",
    "`text_clean` (says the same as `text`, 60 rows)": "a text and a cleaned copy",
    "`explanation` (written about the label, by its name, 60 rows)": "an explanation",
    "`raw` (holds the label, 60 rows)": "a text that holds the label",
    "`score` (numbers, 60 rows), `confidence` (written about": "scores beside it",
    "`split` (the same in every row, 60 rows)": "a split column",
    "`tags` (lists or objects, 60 rows)": "tags",
}


@pytest.mark.parametrize("says", NOTES)
def test_what_is_left_out_is_named_with_its_kind(says: str, tmp_path: Path) -> None:
    found = guess([write(tmp_path, SETS[NOTES[says]][0])])
    assert says in "\n".join(found.notes)


def test_a_second_label_is_said(tmp_path: Path) -> None:
    columns = {"text": sentence, "mood": MOOD, "verdict": BIT, "label": TEAM}
    found = guess([write(tmp_path, columns)], "classify")
    assert (
        "the label could also be `mood` (4 values), `verdict` (2 values): --answer mood"
        in found.notes
    )
    unnamed = guess([write(tmp_path, {"body": long, "a": MOOD, "b": TEAM})], "classify")
    assert unnamed.assistant == "{b}"
    assert "the label could also be `a` (4 values): --answer a" in unnamed.notes


def test_a_lone_text_that_holds_the_label_is_warned_of(tmp_path: Path) -> None:
    columns = {"text": lambda n: f"{MOOD(n)}! {sentence(n)}", "label": MOOD}
    found = guess([write(tmp_path, columns)], "classify")
    assert "`text` holds the label: the model would learn to copy it" in found.notes


@pytest.mark.parametrize(("name", "make", "kind"), KINDS)
def test_what_a_column_holds(name: str, make: Maker, kind: str) -> None:
    assert RowColumn(name, [make(n) for n in range(ROWS)]).kind == kind
