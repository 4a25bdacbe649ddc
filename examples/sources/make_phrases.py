"""Makes the phrase-tone example: short phrases, each with the tone of what happens in it.

    PYTHONPATH=tools python examples/sources/make_phrases.py [FOLDER]

writes `train.jsonl` and `held-out.jsonl` into the template's samples (or the folder named), the
same each time. The phrases are
put together from the hand-written situations of the `tiny` model's world and from `frames.txt`.
Many of them can only be read as a whole: what was expected, denied or only said is in them too,
and does not count. Whole scenes, situations and reactions are held out, not single rows.

The phrases are no part of what `tiny` was pretrained on: a row that stands in that text, in
whatever case and spacing, is left out here, and a test looks again (tests/tools).
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tiny_model.corpus import documents
from tiny_model.overlap import found_in
from tiny_model.pretrain import Recipe
from tiny_model.world import CORE, Person, load, pick_person, sections, tell

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parents[1] / "template" / "samples" / "classify"
SEED = 20
#: Feelings of the world, and the task's name for each.
TONES = {"glad": "joy", "sad": "sadness", "afraid": "fear", "amazed": "surprise"}
#: Rows of each tone in train.jsonl and held-out.jsonl.
SIZES = {"train": 315, "held-out": 110}
#: Of the scenes, situations and reactions of each tone, one in so many is held out.
EVERY = 4
WORDS = range(5, 33)


class Row(NamedTuple):
    """A phrase, its tone, the part it belongs to and what kind of phrase it is."""

    phrase: str
    feeling: str
    part: str
    kind: str


class Phrases:
    """Puts phrases together; `part` decides which of the material may be used."""

    def __init__(self, part: str) -> None:
        self.part = part
        self.rng = random.Random(f"{SEED} {part}")
        self.world = load()
        self.frames = sections(HERE / "frames.txt")
        mine = self.mine
        self.scenes = mine(self.world.scenes)
        self.events = {
            feeling: mine([c for c in self.world.situations if c.feeling == feeling])
            for feeling in CORE
        }
        self.reactions = {f: mine(self.world.feelings[f].reactions) for f in CORE}

    def mine(self, material: list[Any]) -> list[Any]:
        """Return the share of the material that belongs to this part."""
        chosen = list(material)
        random.Random(SEED).shuffle(chosen)
        held = chosen[::EVERY]
        return held if self.part == "held-out" else [one for one in chosen if one not in held]

    def all(self) -> Iterator[Row]:
        """Each scene, situation and reaction in a few phrases, in all tones alike."""
        for feeling in CORE:
            others = [one for one in CORE if one != feeling]
            for scene in self.scenes:
                real = scene.outcomes[feeling].second
                for other in others:
                    said = scene.outcomes[other].second
                    yield self.row("contrast", feeling, T=scene.setting, A=said, B=real)
                yield self.row("scene", feeling, T=scene.setting, B=real)
            for event in self.events[feeling]:
                yield self.row("event", feeling, C=event.second)
                for kind in ("event-not", "event-react-not", "event-react"):
                    done, undone = self.acts(feeling)
                    yield self.row(kind, feeling, C=event.second, R=done[1], D=undone[0])
            for done in self.reactions[feeling]:
                yield self.row("react", feeling, R=done[1], D=done[0])
                for _ in range(4):
                    _, undone = self.acts(feeling)
                    yield self.row("react-not", feeling, R=done[1], D=undone[0])

    def acts(self, feeling: str) -> tuple[tuple[str, str], tuple[str, str]]:
        """Return what that feeling makes somebody do, and what only another one would."""
        other = self.rng.choice([one for one in CORE if one != feeling])
        return self.rng.choice(self.reactions[feeling]), self.rng.choice(self.reactions[other])

    def row(self, kind: str, feeling: str, **slots: str) -> Row:
        """One phrase of the kind, about somebody."""
        who: Person = pick_person(self.world, self.rng)
        frame = self.rng.choice(self.frames[kind])
        return Row(tell(frame.format(**slots), who), feeling, self.part, kind)


def grams(phrase: str) -> set[str]:
    """Return the phrase's runs of three words, by which two rows are compared."""
    words = re.findall(r"[a-z']+", phrase.lower())
    return {" ".join(words[i : i + 3]) for i in range(len(words) - 2)}


def near(row: Row, rows: Iterable[Row], share: float) -> bool:
    """Whether the row has that share of its word triples in common with any of the rows."""
    mine = grams(row.phrase)
    for other in rows:
        theirs = grams(other.phrase)
        if len(mine & theirs) >= share * len(mine | theirs):
            return True
    return False


def choose(rows: list[Row], size: int, against: list[Row]) -> list[Row]:
    """`size` rows of each tone, without near repeats of one another or of the rows `against`."""
    rng = random.Random(SEED)
    chosen: list[Row] = []
    for feeling in CORE:
        picked: list[Row] = []
        pool = [row for row in rows if row.feeling == feeling]
        for row in rng.sample(pool, len(pool)):
            if len(picked) == size:
                break
            if len(row.phrase.split()) not in WORDS:
                continue
            if not near(row, against, 0.4) and not near(row, picked, 0.6):
                picked.append(row)
        if len(picked) < size:
            raise SystemExit(f"{feeling}: only {len(picked)} phrases, {size} are wanted")
        chosen += picked
    rng.shuffle(chosen)
    return chosen


def main(folder: Path = SAMPLES) -> None:
    """Make both files in `folder` and say what is in them."""
    recipe = Recipe()
    made = {part: list(Phrases(part).all()) for part in SIZES}
    every = [row.phrase for rows in made.values() for row in rows]
    known = found_in(every, documents(recipe.seed, recipe.documents))
    train: list[Row] = []
    for part, size in SIZES.items():
        fresh = [row for row in made[part] if row.phrase not in known]
        rows = choose(fresh, size, train)
        train = train or rows
        lines = [json.dumps({"phrase": r.phrase, "tone": TONES[r.feeling]}) for r in rows]
        (folder / f"{part}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        kinds: dict[str, int] = defaultdict(int)
        for row in rows:
            kinds[row.kind] += 1
        print(part, len(rows), dict(kinds))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
