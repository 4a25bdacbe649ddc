"""Reads the hand-written world and turns its marked-up clauses into English.

The texts in `world/` are plain so that a person can add to them without touching code. A clause
is written once for any person: `@s`, `@o`, `@p` and `@w` stand for the subject, object and
possessive form of whoever the text is about and for "was" or "were".
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

WORLD_DIR = Path(__file__).resolve().parent / "world"

#: The feeling groups that the example task asks for, each by its key in the world's files.
CORE = ("glad", "sad", "afraid", "amazed")
#: How scenes.txt marks the feeling of an outcome.
MARKS = dict(zip("+-!?", CORE, strict=True))


@dataclass(frozen=True)
class Clause:
    """One event in two wordings, and the feeling it brings."""

    feeling: str
    first: str
    second: str


@dataclass(frozen=True)
class Scene:
    """A setting and the four ways in which it can turn out."""

    setting: str
    outcomes: dict[str, Clause]


@dataclass(frozen=True)
class Feeling:
    """The words for one feeling and what people do when they feel it."""

    key: str
    adjectives: list[str]
    nouns: list[str]
    reactions: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Person:
    """Whoever a text is about: how to name them, and their pronouns."""

    name: str
    subject: str
    object: str
    possessive: str
    was: str


@dataclass(frozen=True)
class World:
    """Everything hand-written that the corpus is made from."""

    scenes: list[Scene]
    situations: list[Clause]
    others: list[Clause]
    feelings: dict[str, Feeling]
    frames: dict[str, list[str]]
    tables: dict[str, list[list[str]]]
    people: list[Person]


PRONOUNS = {
    "f": ("she", "her", "her", "was"),
    "m": ("he", "him", "his", "was"),
    "p": ("they", "them", "their", "were"),
}
#: People without a name: first person and bare pronouns.
SPEAKER = Person("I", "I", "me", "my", "was")
SPEAKERS = Person("we", "we", "us", "our", "were")
UNNAMED = [Person(s, s, o, p, w) for s, o, p, w in PRONOUNS.values()]


def sections(path: Path) -> dict[str, list[str]]:
    """Return the lines of a world file under their `=` headings, comments and blanks left out."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for raw in path.read_text(encoding="utf-8").splitlines():
        line = raw.strip()
        if not line or line.startswith("# "):
            continue
        if line.startswith("= "):
            current = found.setdefault(line[2:].split(":")[0].strip(), [])
        else:
            current.append(line)
    return found


def _scenes(path: Path) -> list[Scene]:
    """Return the scenes of scenes.txt: a `##` heading and four marked lines each."""
    scenes: list[Scene] = []
    for raw in path.read_text(encoding="utf-8").splitlines():
        line = raw.strip()
        if line.startswith("## "):
            scenes.append(Scene(line[3:], {}))
        elif line[:2] in {f"{mark} " for mark in MARKS}:
            feeling = MARKS[line[0]]
            first, second = line[2:].split(" / ")
            scenes[-1].outcomes[feeling] = Clause(feeling, first, second)
    return scenes


def _clauses(path: Path) -> list[Clause]:
    """Return the clauses of a file whose headings are feelings; one wording may serve for both."""
    clauses = []
    for feeling, lines in sections(path).items():
        for line in lines:
            wordings = line.split(" / ")
            clauses.append(Clause(feeling, wordings[0], wordings[-1]))
    return clauses


@cache
def load(folder: Path = WORLD_DIR) -> World:
    """Return the world, read once."""
    reactions = {
        key: [(line.split(" = ")[0], line.split(" = ")[1]) for line in lines]
        for key, lines in sections(folder / "reactions.txt").items()
    }
    feelings = {
        key: Feeling(key, lines[0].split(", "), lines[1].split(", "), reactions.get(key, []))
        for key, lines in sections(folder / "feelings.txt").items()
    }
    tables = {
        key: [line.split("|") for line in lines]
        for key, lines in sections(folder / "facts.txt").items()
    }
    people = [Person(name, *PRONOUNS[sex]) for name, sex in tables["people"]]
    return World(
        scenes=_scenes(folder / "scenes.txt"),
        situations=_clauses(folder / "situations.txt"),
        others=_clauses(folder / "others.txt"),
        feelings=feelings,
        frames=sections(folder / "frames.txt"),
        tables=tables,
        people=people,
    )


_MARK = re.compile(r"@[sopwn]")
_START = re.compile(r"((?:^|[.!?]\"?\s+|\n)\"?)([a-z])")


def tell(text: str, who: Person, rng: random.Random | None = None) -> str:
    """Return the text about `who`: named where first mentioned, a pronoun after that.

    With `rng` the name now and then comes back, so that it does not always stand at the start.
    """
    text = text.replace("@s was ", "@s @w ")
    named = False

    def form(match: re.Match[str]) -> str:
        nonlocal named
        mark = match.group()[1]
        if mark == "w":
            return who.was
        if mark == "n":
            return {"I": "the speaker", "we": "the speakers"}.get(who.subject, who.name)
        again = rng is not None and mark == "s" and rng.random() < 0.06
        if (named and not again) or who.name == who.subject:
            return {"s": who.subject, "o": who.object, "p": who.possessive}[mark]
        named = True
        if mark == "p":
            return who.name + ("'" if who.name.endswith("s") else "'s")
        return who.name

    return capital(_MARK.sub(form, text))


def capital(text: str) -> str:
    """Return the text with a capital letter at the start of each sentence."""
    return _START.sub(lambda found: found.group(1) + found.group(2).upper(), text)


def pick_person(world: World, rng: random.Random) -> Person:
    """Somebody: mostly named, sometimes the speaker or a bare pronoun."""
    chance = rng.random()
    if chance < 0.12:
        return SPEAKER
    if chance < 0.15:
        return SPEAKERS
    if chance < 0.25:
        return rng.choice(UNNAMED)
    return rng.choice(world.people)
