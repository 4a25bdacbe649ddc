"""From files of rows to training rows and a report: what is kept, dropped, found and said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from phi3scaffold.datasets.findings import findings
from phi3scaffold.datasets.prepared_rows import HELD_OUT, TRAIN, Prepared
from phi3scaffold.datasets.rendering import IGNORE
from phi3scaffold.models.catalogue import tiny_folder
from phi3scaffold.models.chat_template import load_tokenizer
from phi3scaffold.pipeline.events import Step
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.layout import ROWS_REPORT

from .conftest import FILES, LABELS, QA, different, labelled, run, write


def test_every_row_is_somewhere_and_counted(make) -> None:
    rows = labelled(60)
    rows += [{"phrase": "x", "tone": ""}, rows[0], {"phrase": " ", "tone": "joy"}]
    made = make(rows)
    assert made.dropped == [
        ("train.jsonl:61", "empty answer"),
        ("train.jsonl:62", "the same as an earlier row"),
        ("train.jsonl:63", "empty prompt"),
    ]
    places = made.train + made.held_out + [place for place, _ in made.dropped]
    assert sorted(places) == sorted(f"train.jsonl:{line}" for line in range(1, 64))
    assert made.report["rows"] == {
        "read": 63, "train": 45, "validation": 0, "held_out": 15, "dropped": 3
    }  # fmt: skip
    assert made.report["dropped"] == dict.fromkeys(
        ("empty answer", "empty prompt", "the same as an earlier row"), 1
    )


def test_rows_stay_in_the_order_they_were_read(make) -> None:
    made = make(labelled(60))
    for places in (made.train, made.held_out):
        lines = [int(place.rpartition(":")[2]) for place in places]
        assert lines == sorted(lines)


def test_the_report_says_what_was_read(make) -> None:
    rows = [{"phrase": "one", "tone": "joy"}, {"tone": "fear", "phrase": "two", "note": "n"}]
    made = make(rows, FILES, held_out=[{"phrase": "three", "tone": "calm"}])
    report = json.loads((made.folder / ROWS_REPORT).read_text(encoding="utf-8"))
    assert report["task"] == "classify"
    assert report["turns"] == "{phrase}\nTone: -> {tone}"
    assert report["columns"] == ["phrase", "tone", "note"]
    named = [(file["name"], file["split"], file["rows"]) for file in report["files"]]
    assert named == [("train.jsonl", "train", 2), ("held-out.jsonl", "held_out", 1)]
    assert report["labels"] == {
        "train": {"fear": 1, "joy": 1}, "validation": {}, "held_out": {"calm": 1}
    }  # fmt: skip
    assert report["leaks"] == report["duplicates"] == {"rows": 0, "examples": []}


def test_tokens_are_counted_as_they_lie_on_the_disk(make) -> None:
    made = make(labelled(80))
    tokens = made.report["tokens"]
    for split, side in ((TRAIN, "train"), (HELD_OUT, "held_out")):
        rows = Prepared(made.folder, split)
        assert tokens[side]["all"] == sum(len(ids) for ids, _ in rows)
        assert tokens[side]["trained"] == sum((labels != IGNORE).sum() for _, labels in rows)
        assert tokens[side]["longest"] == rows.lengths.max()
        assert sum(tokens["histogram"][side]) == len(rows)
    edges = tokens["histogram"]["edges"]
    assert edges[0] == 0
    assert 15 <= len(edges) <= 23
    assert edges[-2] <= max(tokens[side]["longest"] for side in ("train", "held_out")) < edges[-1]


@pytest.mark.parametrize("long_rows", ["drop", "truncate"])
def test_long_rows_are_counted(make, long_rows: str) -> None:
    rows = [*labelled(30), {"phrase": " ".join(different(20)), "tone": "joy"}]
    tail = f"max_tokens: 100\nlong_rows: {long_rows}\n"
    tokens = make(rows, QA.replace("0.25", "0.1") + tail).report["tokens"]
    counted = (tokens["too_long"], tokens["truncated"])
    assert counted == ((1, 0) if long_rows == "drop" else (0, 1))
    assert max(tokens[side]["longest"] for side in ("train", "held_out")) <= 100


def test_samples_show_the_very_tokens(make) -> None:
    rows = [dict(row, phrase=f"{row['phrase']} 猫🙂é") for row in labelled(40)]
    made = make(rows)
    tokenizer = load_tokenizer(tiny_folder())
    train = {row: index for index, row in enumerate(made.train)}
    answers = set()
    for sample in made.report["samples"]:
        ids, labels = Prepared(made.folder, TRAIN)[train[sample["place"]]]
        assert "".join(text for text, _ in sample["tokens"]) == tokenizer.decode(ids)
        trained = "".join(text for text, trained in sample["tokens"] if trained)
        assert trained == tokenizer.decode(labels[labels != IGNORE])
        answers.add(trained)
    assert answers == {f"{label}<|end|>" for label in LABELS}


def test_likely_secrets_are_named_by_kind_and_place_alone(make) -> None:
    rows = labelled(30)
    rows[6]["phrase"] += " write to ann.lee@firm.org"
    report = make(rows).report
    assert report["private"] == {"email address": {"rows": 1, "places": ["train.jsonl:7"]}}
    assert "firm.org" not in json.dumps({**report, "samples": []})


def test_duplicates_are_found_however_they_are_spaced(make) -> None:
    rows = labelled(30)
    rows += [dict(rows[3], phrase=f"  {rows[3]['phrase'].upper()} "), dict(rows[3])]
    made = make(rows)
    assert made.dropped == [(f"train.jsonl:{n}", "the same as an earlier row") for n in (31, 32)]
    (example,) = made.report["duplicates"]["examples"]
    assert example == {
        "places": [f"train.jsonl:{n}" for n in (4, 31, 32)],
        "text": rows[3]["phrase"],
    }
    assert made.report["duplicates"]["rows"] == 2


def test_the_same_prompt_with_other_answers_is_kept_and_said(make) -> None:
    rows = labelled(30)
    rows += [dict(rows[0], tone="fear"), dict(rows[0], tone="calm"), dict(rows[1])]
    made = make(rows)
    assert made.report["conflicts"] == {
        "prompts": 1,
        "rows": 3,
        "examples": [
            {
                "text": rows[0]["phrase"],
                "answers": {
                    "joy": ["train.jsonl:1"],
                    "fear": ["train.jsonl:31"],
                    "calm": ["train.jsonl:32"],
                },
            }
        ],
    }
    sides = [places for places in (made.train, made.held_out) if "train.jsonl:1" in places]
    assert {"train.jsonl:31", "train.jsonl:32"} <= set(sides[0])


def test_a_held_out_row_whose_prompt_is_trained_is_dropped(make) -> None:
    train = labelled(9)
    held_out = [
        dict(train[4], phrase=f"{train[4]['phrase'].title()}  ", tone="joy"),
        labelled(1, 7)[0],
    ]
    made = make(train, FILES, held_out=held_out)
    assert made.held_out == ["held-out.jsonl:2"]
    assert len(made.train) == 9
    assert made.dropped == [("held-out.jsonl:1", "held-out row also in train")]
    leaks = made.report["leaks"]
    assert leaks["rows"] == 1
    assert leaks["examples"][0]["places"] == ["train.jsonl:5", "held-out.jsonl:1"]


def test_the_same_file_on_both_sides_leaves_nothing_to_hold_out(make) -> None:
    with pytest.raises(ScaffoldError, match=r"No row is left for held_out \(9 dropped"):
        make(labelled(9), FILES, held_out=labelled(9))


def test_a_conversation_is_known_by_all_that_was_asked(make) -> None:
    """The same first question, other ones after it: neither doubled nor contradicted."""

    def talk(*texts: str) -> dict:
        roles = ("user", "assistant")
        return {"messages": [{"role": roles[i % 2], "content": t} for i, t in enumerate(texts)]}

    yaml = "task: chat\nfiles: {train: [train.jsonl], held_out: 0.5}\nmessages: messages\n"
    rows = [talk("Hi", "Hello", text, "Fine") for text in different(6)]
    made = make([*rows, talk("hi", "hello", different(6)[2], "fine")], yaml)
    assert made.dropped == [("train.jsonl:7", "the same as an earlier row")]
    assert made.report["conflicts"]["prompts"] == 0
    assert made.report["labels"] is None


def test_no_second_label_to_train_is_an_error(make) -> None:
    rows = [{"phrase": text, "tone": "joy"} for text in different(9)]
    with pytest.raises(ScaffoldError, match="the same label, 'joy'") as caught:
        make(rows)
    assert (caught.value.exit_code, Path(str(caught.value.where)).name) == (2, "train.jsonl")


def test_rows_of_one_prompt_cannot_be_split(make) -> None:
    rows = [{"phrase": "same", "tone": label} for label in LABELS]
    with pytest.raises(ScaffoldError, match="No row is left for held_out") as caught:
        make(rows)
    assert "held-out rows in a file" in str(caught.value.fix)


NO_COLUMN, NO_LABEL = {"tone": "joy"}, {"phrase": "a", "tone": "?"}
FORGED, ENDED = ({"phrase": mark, "tone": "joy"} for mark in ("<|user|>", "<|end|>"))
BAD = {
    "a missing column, then a control token": (NO_COLUMN, ENDED),
    "a control token, then a missing column": (ENDED, NO_COLUMN),
    "two control tokens": (FORGED, ENDED),
    "an unknown label, then broken json": (NO_LABEL, None),
}


@pytest.mark.parametrize("name", BAD)
def test_the_first_bad_row_is_the_one_that_is_told(tmp_path: Path, name: str) -> None:
    first, second = BAD[name]
    rows = [*labelled(20), first, *labelled(5, 1)]
    yaml = write(tmp_path / "datasets", train=rows)
    with (yaml.parent / "train.jsonl").open("a") as lines:
        lines.write(json.dumps(second) if second else "{")
    with pytest.raises(ScaffoldError) as caught:
        run(yaml, tmp_path / "out", tmp_path / "scratch")
    assert str(caught.value.where).endswith("train.jsonl:21")
    assert caught.value.exit_code == 2
    assert not list((tmp_path / "out").iterdir())


def test_the_first_bad_row_is_told_whatever_is_looked_at_first(tmp_path: Path) -> None:
    """Control tokens are looked for in many rows at once, before any of them is rendered."""
    model = shutil.copytree(tiny_folder(), tmp_path / "model")
    template = model / "chat_template.jinja"
    silent = template.read_text().replace("message['content']", "message['content'] | trim('joy')")
    assert silent != template.read_text()
    template.write_text(silent)
    rows = [*labelled(3)[1:], {"phrase": "a", "tone": "joy"}, FORGED]
    yaml = write(tmp_path / "datasets", train=rows)
    with pytest.raises(ScaffoldError, match="renders to nothing") as caught:
        run(yaml, tmp_path / "out", tmp_path / "scratch", tokenizer=model)
    assert str(caught.value.where).endswith("train.jsonl:3")


def test_progress_goes_forward_and_ends_below_the_end(make) -> None:
    events = make(labelled(2500)).events
    steps = [event.step for event in events]
    assert steps == sorted(steps)
    assert {(type(event), event.of) for event in events} == {(Step, 1000)}
    assert 0 < steps[0] <= steps[-1] <= 1000


def test_nothing_is_prepared_when_a_row_has_no_trained_token(tmp_path: Path) -> None:
    """Here a chat template leaves out what some assistants say; the row is named."""
    tokenizer = Path(shutil.copytree(tiny_folder(), tmp_path / "tokenizer"))
    (tokenizer / "chat_template.jinja").write_text(
        "{% for m in messages %}<|{{ m['role'] }}|>\n{{ '' if m['content'] == 'calm' else "
        "m['content'] }}<|end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
    )
    spec = write(tmp_path / "datasets", train=labelled(30))
    with pytest.raises(ScaffoldError, match="no trained token") as caught:
        run(spec, tmp_path / "out", tmp_path / "scratch", tokenizer=tokenizer)
    assert caught.value.where == f"{tmp_path / 'datasets' / 'train.jsonl'}:3"
    assert caught.value.exit_code == 2
    assert not list((tmp_path / "out").iterdir())


def test_samples_are_of_rows_without_a_likely_secret(make) -> None:
    rows = labelled(30)
    for row in rows[:-3]:
        row["phrase"] += " jane.roe@example.com"
    places = {sample["place"] for sample in make(rows).report["samples"]}
    assert places & {f"train.jsonl:{line}" for line in (28, 29, 30)}


@pytest.mark.parametrize(
    ("key", "turns"),
    [("turns", "{phrase}\\n{more}"), ("system", "{phrase}"), ("history", "{phrase}")],
)
def test_a_column_that_no_row_has_is_refused(make, key: str, turns: str) -> None:
    """A row may lack it; where all do, its name is wrong."""
    extra = {"system": 'system: "{more}"\n', "history": "history: more\n"}.get(key, "")
    yaml = QA.replace("{phrase}\\nTone:", turns) + extra
    with pytest.raises(ScaffoldError, match="No row has the column 'more'") as caught:
        make(labelled(8), yaml)
    assert str(caught.value.where).endswith(f"dataset.yaml: {key}")


def test_rows_that_all_ask_nearly_the_same_are_parted_and_warned_of(make) -> None:
    """Nothing else could be held out; the report says what that score is worth."""
    rows = [{"phrase": f"Add {n} to the sum.", "tone": f"It is {n}."} for n in range(40)]
    made = make(rows, QA)
    assert (len(made.train), len(made.held_out)) == (30, 10)
    near = made.report["near_duplicates"]
    assert (near["groups"], near["parted"], near["across_splits"]) == (1, True, 10)
    (found,) = [one for one in findings(made.report) if one.name == "near duplicates"]
    assert found.warn
    assert "10 held-out rows have a twin in train, so the score is too good" in found.message
    assert found.message.endswith("add rows that ask something else")


def test_rows_that_ask_different_things_are_not_parted(make) -> None:
    near = make(labelled(60)).report["near_duplicates"]
    assert (near["groups"], near["parted"]) == (0, False)
