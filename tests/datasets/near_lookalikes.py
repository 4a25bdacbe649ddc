# ruff: noqa: RUF001 - full-width marks stand here on purpose
"""Corpora whose rows look alike and ask different things: templates, sums, labels by a number.

In the form of near_corpora.py; nearly every row is a cluster of its own.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator

from .near_corpora import CITIES, NAMES, NOUNS, VERBS, Row, sentences


def sums(chance: random.Random) -> Iterator[Row]:
    for a, b in itertools.product(range(2, 14), repeat=2):
        yield f"What is {a} + {b}?", str(a + b), (a, b)


def sums_in_words(chance: random.Random) -> Iterator[Row]:
    """Word problems from one template: same words, other numbers, other answers."""
    for a, b in itertools.product(range(3, 15), repeat=2):
        text = f"A farmer has {a} sheep and buys {b} more at the market. How many sheep are there?"
        yield text, f"There are {a} + {b} = {a + b} sheep. The answer is {a + b}.", (a, b)


def thermometers(chance: random.Random) -> Iterator[Row]:
    """A label that the number decides."""
    for value in range(-10, 90):
        label = "hot" if value > 40 else "mild" if value > 15 else "cold"
        yield f"The sensor in the boiler room shows {value} degrees.", label, value


def translations(chance: random.Random) -> Iterator[Row]:
    """A long instruction, a short text of its own."""
    frame = "Translate the following English word into French, and answer with one word only: "
    for noun in (*NOUNS, *CITIES, *NAMES):
        yield frame + noun, f"le {noun[::-1]}", noun


def two_languages(chance: random.Random) -> Iterator[Row]:
    """One text, two tasks."""
    for text in sentences(40, 5):
        for language in ("French", "German"):
            answer = f"{language[:2]}: {text[::-1]}"
            yield f"Translate into {language}: {text}", answer, (language, text)


def capitals(chance: random.Random) -> Iterator[Row]:
    for city in (*CITIES, *NOUNS):
        yield f"In which country does the city of {city} lie?", f"In {city[::-1]}land.", city


def reviews(chance: random.Random) -> Iterator[Row]:
    """A frame around every text, and labels that repeat."""
    frame = (
        "Read the review below and say whether it is positive or negative.\n\nReview: {}\n\nTone:"
    )
    for number, text in enumerate(sentences(80, 6)):
        yield frame.format(text), ("positive", "negative")[number % 2], text


def paraphrases(chance: random.Random) -> Iterator[Row]:
    """What only its meaning joins is not compared: each wording is a cluster."""
    said = {
        "Open Settings, choose Security and press Reset password.": (
            *("How do I reset my password?", "I forgot my login, what now?"),
            *("My account is locked", "Ways to recover access", "Setting a new passphrase"),
        ),
        "Yes, until the parcel has left our warehouse.": (
            *("Can I change the delivery address?", "I moved, send it elsewhere please"),
            *("The parcel should go to my office instead", "Wrong street on my order"),
        ),
        "All invoices stand under Account, Billing history.": (
            *("Where are my invoices?", "I need a receipt for taxes"),
            *("Show what I paid last year", "Bookkeeping wants a bill from you"),
        ),
    }
    for answer, wordings in said.items():
        for wording in wordings:
            yield wording, answer, wording


def intents(chance: random.Random) -> Iterator[Row]:
    """One label and one template over truly different slots is left alone where it is short."""
    for city in CITIES:
        yield f"Fly me to {city}", "book_flight", city
        yield f"Hotel in {city}?", "book_hotel", ("hotel", city)


def languages_of_code(chance: random.Random) -> Iterator[Row]:
    for name in ("C", "C#", "C++", "F#", "Go", "R", "Q", "J", "D", "R!"):
        yield name, f"made by {name.rstrip('!')}", name.rstrip("!")


def chinese_different(chance: random.Random) -> Iterator[Row]:
    subjects = "猫狗马鸟鱼树花山河雨雪风车船书画"
    for one, two in itertools.combinations(subjects, 2):
        yield f"请把下面的词语翻译成英文：{one}{two}", f"{one} and {two}", (one, two)


def rare_label(chance: random.Random) -> Iterator[Row]:
    """One number in fifty decides otherwise: as rare as everywhere, so no noise."""
    for number in range(200):
        label = "fraud" if number % 50 == 3 else "fine"
        yield f"Payment of {number * 13} at shop {number % 7} by card", label, number


def conversations(chance: random.Random) -> Iterator[Row]:
    """Several turns of the user, one under the other."""
    for number, text in enumerate(sentences(40, 11)):
        yield f"Hello\n{text}\nAnd why is that?", f"Because of reason {number}.", text


def tables_in_words(chance: random.Random) -> Iterator[Row]:
    """Rows of a table: number and answer belong together."""
    for number in range(150):
        age, income = 20 + number % 50, 1000 * chance.randint(12, 90)
        label = "yes" if income > 40000 and age > 30 else "no"
        text = f"age: {age}; income: {income}; city: {chance.choice(CITIES)}; id: {number}"
        yield text, label, number


def multiple_choice(chance: random.Random) -> Iterator[Row]:
    for number, text in enumerate(sentences(60, 12)):
        options = "\n".join(
            f"{letter}) {noun}" for letter, noun in zip("ABCD", NOUNS, strict=False)
        )
        head = "Choose the word that fits best. Answer with a letter only.\n"
        yield f"{head}{text}\n{options}\nAnswer:", "ABCD"[number % 4], text


def questions_to_tables(chance: random.Random) -> Iterator[Row]:
    """Long schemas, each before several short questions."""
    for table in range(6):
        columns = ", ".join(f"{chance.choice(NOUNS)}_{chance.choice(VERBS)} INT" for _ in range(20))
        for noun in NOUNS[:12]:
            text = f"CREATE TABLE t{table} ({columns}); How many rows name the {noun}?"
            yield text, f"SELECT COUNT(*) FROM t{table} WHERE n = '{noun}'", (table, noun)


def kinds_of_sums(chance: random.Random) -> Iterator[Row]:
    ways = {
        "Compute {} * {}.": lambda a, b: a * b,
        "What do you get if you take {1} away from {0}?": lambda a, b: a - b,
        "Add {} and {}, please": lambda a, b: a + b,
        "Is {} greater than {}?": lambda a, b: "yes" if a > b else "no",
    }
    for text, of in ways.items():
        for a, b in itertools.product(range(3, 10), repeat=2):
            yield text.format(a, b), str(of(a, b)), (text, a, b)


def unlike_questions(chance: random.Random) -> Iterator[Row]:
    """Questions that begin alike, each with its own answer."""
    for noun, verb in itertools.product(NOUNS, VERBS[:5]):
        yield f"What is it that {verb} the {noun}?", f"It is {verb} of {noun}.", (noun, verb)


def same_answer_often(chance: random.Random) -> Iterator[Row]:
    """An answer that many truly different questions have."""
    for text in sentences(60, 13):
        yield text.replace(".", "?"), "I am sorry, I do not know the answer to that.", text
    for text in sentences(20, 14):
        yield text, f"Noted: {text}", text


def opinions(chance: random.Random) -> Iterator[Row]:
    """Few words in one pattern, each combination its own."""
    for thing, (word, label) in itertools.product(
        ("soup", "service", "room", "view", "music"),
        (("great", "good"), ("awful", "bad"), ("superb", "good"), ("dreadful", "bad")),
    ):
        yield f"The {thing} was {word}", label, (thing, word)


CORPORA: tuple[Callable[[random.Random], Iterator[Row]], ...] = (
    *(
        sums,
        sums_in_words,
        thermometers,
        translations,
        two_languages,
    ),
    *(
        capitals,
        reviews,
        paraphrases,
        intents,
        languages_of_code,
    ),
    *(
        chinese_different,
        rare_label,
        conversations,
        tables_in_words,
        multiple_choice,
    ),
    *(
        questions_to_tables,
        kinds_of_sums,
        unlike_questions,
        same_answer_often,
        opinions,
    ),
)
