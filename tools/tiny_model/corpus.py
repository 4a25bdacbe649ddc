"""The text that `tiny` is pretrained on, made from the hand-written world.

A fine-tuned adapter can only point to what its base already knows. So the corpus says, in many
sentences and many words for feelings, what happens to people and how they feel about it: plainly,
after a false expectation, after a denial, in stories of two people, in questions and answers in
the chat format, among plain facts and talk. It never uses the label words of the example task.

Everything comes from one seed: the same seed gives the same documents in the same order.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from tiny_model.world import (
    CORE,
    Clause,
    Person,
    World,
    capital,
    load,
    pick_person,
    tell,
)

#: Words that the corpus must not contain, whatever their ending.
BANNED_STEMS = ("joy", "sadness", "fear", "surpris")
#: System turns that now and then open a chat, so that the base has met one.
SYSTEM = (
    "You are a helpful assistant.",
    "Answer in one word.",
    "Answer briefly.",
    "You read short texts and say how people feel.",
    "Be kind and clear.",
)
#: Kinds of document and how often each comes, in parts of a hundred.
WEIGHTS = {
    "felt": 23,
    "act": 18,
    "contrast": 36,
    "two": 6,
    "meaning": 6,
    "facts": 7,
    "day": 3,
    "talk": 1,
}


def documents(seed: int, count: int) -> Iterator[str]:
    """`count` documents, the same for the same seed."""
    maker = Maker(load(), random.Random(seed))
    kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
    for _ in range(count):
        kind = maker.rng.choices(kinds, weights)[0]
        yield getattr(maker, kind)()


def chat(question: str, answer: str) -> str:
    """One exchange, written exactly as the chat template writes it."""
    return f"<|user|>\n{question}<|end|>\n<|assistant|>\n{answer}<|end|>\n"


def tell_answer(answer: str, who: Person) -> str:
    """Return an answer about `who`; a bare word stays as it is, a sentence gets its capital."""
    return tell(answer, who) if answer.endswith(".") else answer


class Maker:
    """Makes one document of each kind; the random state is the only thing it keeps."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world = world
        self.rng = rng
        self.core = [clause for clause in world.situations if clause.feeling in CORE]

    # -- pieces ---------------------------------------------------------------------------

    def frame(self, section: str) -> str:
        """Return a frame of that section."""
        return self.rng.choice(self.world.frames[section])

    def wording(self, clause: Clause) -> str:
        """One of the clause's two wordings."""
        return self.rng.choice((clause.first, clause.second))

    def other_feeling(self, feeling: str) -> str:
        """Return a feeling that is not the given one; mostly one of the four common ones."""
        keys = CORE if self.rng.random() < 0.8 else tuple(self.world.feelings)
        return self.rng.choice([key for key in keys if key != feeling])

    def words(self, feeling: str, wrong: str | None = None) -> dict[str, str]:
        """Values for a frame's feeling slots: what fits, and what does not."""
        fits = self.world.feelings[feeling]
        misfits = self.world.feelings[wrong or self.other_feeling(feeling)]
        # "so in a panic that" is no English: the word that frames build on is a single one.
        single = [word for word in fits.adjectives if " " not in word]
        first = self.rng.choice(single)
        adjectives = [first, *self.rng.sample([w for w in fits.adjectives if w != first], 2)]
        reaction = self.rng.choice(fits.reactions)[1] if fits.reactions else "sat down to think"
        undone = misfits.reactions or self.world.feelings[self.other_core(feeling)].reactions
        return {
            "x": adjectives[0],
            "x2": adjectives[1],
            "x3": adjectives[2],
            "n": self.rng.choice(fits.nouns),
            "r": reaction,
            "y": self.rng.choice([word for word in misfits.adjectives if " " not in word]),
            "ny": self.rng.choice(misfits.nouns),
            "d": self.rng.choice(undone)[0],
        }

    def other_core(self, feeling: str) -> str:
        """One of the four common feelings, not the given one."""
        return self.rng.choice([key for key in CORE if key != feeling])

    def finish(
        self, text: str, who: Person, feeling: str, unreal: str | None, real: str, said: str | None
    ) -> str:
        """Return the text with its feeling: told on, asked for in a chat, or told first."""
        slots = self.words(feeling, unreal)
        chance = self.rng.random()
        if chance < 0.30:
            tails = self.rng.choices((1, 2), (3, 1))[0]
            ends = " ".join(self.frame("tail") for _ in range(tails))
            return tell(f"{text} {ends.format(**slots)}", who, self.rng)
        if chance < 0.34:
            lead = self.frame("lead").format(**slots)
            return tell(f"{lead} {text}", who, self.rng)
        question, answer = self.ask(slots, real, said)
        between = self.rng.choice(("\n", "\n", " "))
        known = Person(who.subject, who.subject, who.object, who.possessive, who.was)
        if who.subject in ("I", "we"):
            known = Person("they", "they", "them", "their", "were")
        turns = chat(tell(f"{text}{between}{question}", who, self.rng), tell_answer(answer, known))
        while self.rng.random() < 0.4:
            question, answer = self.ask(self.words(feeling, unreal), real, said)
            turns += chat(tell(question, who), tell_answer(answer, known))
        if self.rng.random() < 0.05:
            return f"<|system|>\n{self.rng.choice(SYSTEM)}<|end|>\n{turns}"
        return turns

    def ask(self, slots: dict[str, str], real: str, said: str | None) -> tuple[str, str]:
        """Return a question about a text and its answer, still marked up."""
        if said is None or self.rng.random() < 0.88:
            asked = self.frame("ask-feeling")
        else:
            asked = self.frame("ask-fact").replace("{B}", real).replace("{A}", said)
        question, answer = asked.format(**slots).split(" => ")
        return question, answer

    # -- kinds of document ----------------------------------------------------------------

    def felt(self) -> str:
        """Return an event, or a scene with its outcome, and the feeling."""
        who = pick_person(self.world, self.rng)
        chance = self.rng.random()
        if chance < 0.12:
            clause = self.rng.choice(self.world.others)
            text = self.frame("event").replace("{C}", self.wording(clause))
        elif chance < 0.62:
            clause = self.rng.choice(self.core)
            text = self.frame("event").replace("{C}", self.wording(clause))
        else:
            scene = self.rng.choice(self.world.scenes)
            clause = scene.outcomes[self.rng.choice(CORE)]
            text = self.frame("scene").replace("{T}", scene.setting)
            text = text.replace("{B}", self.wording(clause))
        return self.finish(text, who, clause.feeling, None, "", None)

    def act(self) -> str:
        """Return what somebody does and does not do, with or without the event that led to it."""
        who = pick_person(self.world, self.rng)
        clause = self.rng.choice(self.core)
        feeling, wrong = clause.feeling, self.other_core(clause.feeling)
        reactions = self.world.feelings[feeling].reactions
        (do, did), (_, did_too) = self.rng.sample(reactions, 2)
        undone = self.rng.choice(self.world.feelings[wrong].reactions)[0]
        frame = self.frame(self.rng.choice(("act", "event-act")))
        text = frame.replace("{C}", self.wording(clause))
        return self.finish(
            text.format(r=did, r2=did_too, do=do, d=undone), who, feeling, wrong, "", None
        )

    def contrast(self) -> str:
        """Return what was thought or said, what was so, and the feeling that this gives."""
        who = pick_person(self.world, self.rng)
        frame = self.frame("contrast")
        if self.rng.random() < 0.72:
            scene = self.rng.choice(self.world.scenes)
            feeling, wrong = self.rng.sample(CORE, 2)
            real, said = scene.outcomes[feeling], scene.outcomes[wrong]
            if "{T}" not in frame and self.rng.random() < 0.5:
                frame = "{T}. " + frame
            frame = frame.replace("{T}", scene.setting)
        else:
            pool = self.core if self.rng.random() < 0.85 else self.world.others
            real, said = self.rng.choice(pool), self.rng.choice(self.core)
            if said.feeling == real.feeling:
                others = [clause for clause in self.core if clause.feeling != real.feeling]
                said = self.rng.choice(others)
            while "{T}" in frame:
                frame = self.frame("contrast")
        so, thought = self.wording(real), self.wording(said)
        text = frame.replace("{A}", thought).replace("{B}", so)
        return self.finish(text, who, real.feeling, said.feeling, so, thought)

    def two(self) -> str:
        """Two people with two feelings, so that a feeling is tied to its own event."""
        one, two = self.rng.sample(self.world.people, 2)
        first, second = self.rng.sample(self.core, 2)
        a, b = self.words(first.feeling), self.words(second.feeling)
        told_one = tell(f"{self.wording(first)}.", one)
        told_two = tell(f"{self.wording(second)}.", two)
        story = f"{told_one} {told_two}"
        if self.rng.random() < 0.4:
            end = f"{one.name} {one.was} {a['x']}, but {two.name} {two.was} {b['x']}."
            return f"{story} {capital(end)}"
        if self.rng.random() < 0.5:
            end = f"{two.name} {b['r']}, and {one.name} {a['r']}."
            return f"{story} {capital(end)}"
        who, slots = self.rng.choice(((one, a), (two, b)))
        question = f"{story}\nHow did {who.name} feel?"
        return chat(question, slots["x"])

    def meaning(self) -> str:
        """Return what feeling words mean, side by side and apart."""
        rng, world = self.rng, self.world
        feeling = rng.choice(tuple(world.feelings))
        slots = self.words(feeling)
        shapes = [
            "{x} means much the same as {x2} and {x3}.",
            "somebody who feels {x} is also {x2}.",
            "a person who is {x} is not {y}.",
            "{x}, {x2}, {x3}: these go together with {n}.",
            "{n} and {ny} are not the same. {n} makes one {x}.",
            "if you are {x} you may say that you are {x2}, but not that you are {y}.",
        ]
        if world.feelings[feeling].reactions:
            shapes += [
                "people who are {x} may {do}.",
                "to {do} is a sign of {n}, not of {ny}.",
                "whoever feels {x} will {do}. whoever feels {y} will not.",
            ]
        slots["do"] = rng.choice(world.feelings[feeling].reactions or [("wait", "")])[0]
        if rng.random() < 0.4:
            pairs = [
                (f"another word for {slots['x']}?", slots["x2"]),
                (f"give two words close to {slots['x']}.", f"{slots['x2']}, {slots['x3']}"),
                (f"is {slots['x']} close to {slots['x2']} or to {slots['y']}?", slots["x2"]),
                (f"is {slots['x']} close to {slots['y']} or to {slots['x2']}?", slots["x2"]),
                (f"use the word {slots['x']}.", capital(self.example(feeling, slots["x"]))),
                (f"which does not fit: {slots['x']}, {slots['x2']}, {slots['y']}?", slots["y"]),
            ]
            question, answer = rng.choice(pairs)
            return chat(capital(question), answer)
        return capital(rng.choice(shapes).format(**slots))

    def example(self, feeling: str, adjective: str) -> str:
        """Return a sentence that uses a feeling word."""
        pool = [c for c in self.core + self.world.others if c.feeling == feeling]
        who = self.rng.choice(self.world.people)
        return tell(f"@s @w {adjective}, for {self.wording(self.rng.choice(pool))}.", who)

    def facts(self) -> str:
        """Return a plain fact, told or asked."""
        rng, tables = self.rng, self.world.tables
        animal, country = rng.choice(tables["animals"]), rng.choice(tables["places"])
        trade, pair = rng.choice(tables["trades"]), rng.choice(tables["opposites"])
        colour, use = rng.choice(tables["colours"]), rng.choice(tables["uses"])
        a, b = rng.randint(0, 12), rng.randint(0, 12)
        low, high = sorted((a, b))
        word = rng.choice((*pair, animal[0], colour[1], trade[0]))
        qa = rng.choice(
            [
                (f"what does a {animal[0]} do?", f"a {animal[0]} {animal[1]}."),
                (f"where does a {animal[0]} live?", f"a {animal[0]} lives {animal[2]}."),
                (f"what does a {animal[0]} eat?", f"a {animal[0]} eats {animal[3]}."),
                (f"what has a {animal[0]}?", f"a {animal[0]} has {animal[4]}."),
                (f"what is the capital of {country[0]}?", f"{country[1]}."),
                (f"which language is spoken in {country[0]}?", f"{country[2]}."),
                (f"who {trade[1]}?", f"the {trade[0]} {trade[1]}."),
                (f"where does the {trade[0]} work?", f"the {trade[0]} works {trade[2]}."),
                (f"what does the {trade[0]} need?", f"the {trade[0]} needs {trade[3]}."),
                (f"what is the opposite of {pair[0]}?", f"{pair[1]}"),
                (f"what is the opposite of {pair[1]}?", f"{pair[0]}"),
                (f"what colour is {colour[0]}?", f"{colour[1]}"),
                (f"what is {use[0]} for?", f"with {use[0]} you can {use[1]}."),
                (f"what is {a} + {b}?", f"{a + b}"),
                (f"what is {high} - {low}?", f"{high - low}"),
                (f"count from {low} to {high}.", " ".join(map(str, range(low, high + 1)))),
                (f"which is more, {a} or {b}?", f"{high}"),
                (f"spell {word}.", "-".join(word)),
            ]
        )
        question, answer = capital(qa[0]), qa[1]
        if answer.endswith("."):
            answer = capital(answer)
        return chat(question, answer) if rng.random() < 0.6 else f"{question} {capital(answer)}"

    def day(self) -> str:
        """Return an ordinary day in which nothing much happens, with a question about it."""
        rng, tables = self.rng, self.world.tables
        who = rng.choice(self.world.people)
        (thing,), (spot,) = rng.choice(tables["goods"]), rng.choice(tables["spots"])
        (done,), (next_,), (last,) = rng.sample(tables["chores"], 3)
        story = tell(
            rng.choice(
                [
                    f"in the morning @s {done}. then @s bought {thing} {spot}. later @s {next_}.",
                    f"@s {done} and {next_}. after that @s met a friend {spot} and {last}.",
                    f"first @s {done}, then @s {next_}, and at last @s bought {thing} {spot}.",
                    f"{spot} @s bought {thing}. at home @s {done}, {next_} and {last}.",
                ]
            ),
            who,
        )
        if rng.random() < 0.5:
            return story
        pairs = [
            (f"Did {who.name} {rng.choice(('buy', 'sell'))} a horse?", "No."),
            ("Say it again.", story),
        ]
        if thing in story:
            pairs += [(f"What did {who.name} buy?", f"{capital(thing)}.")] * 2
        if spot in story.lower():
            pairs.append(("Where was it?", f"{capital(spot)}."))
        question, answer = rng.choice(pairs)
        return chat(f"{story}\n{question}", answer)

    def talk(self) -> str:
        """Return a short talk of one or two turns."""
        turns = self.rng.sample(self.world.tables["topics"], self.rng.randint(1, 2))
        return "".join(chat(capital(ask), capital(answer) + ".") for ask, answer in turns)
