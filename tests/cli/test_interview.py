"""`phi3scaffold new` at a terminal: what is asked, in which order, and what a refusal leaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no ptys on Windows")

ROWS = "Rows:"
LEARN = "Is this what the model should learn?"
MODEL = "Which model?"
WHERE = "Where should it run?"
MORE = "Change anything else"
NEXT = "Next:"
DOWN, CTRL_C, ENTER = "\x1b[B", "\x03", "\r"
TICKETS = [
    ("Printer jammed", "The printer on floor {} does not move.", "hardware"),
    ("No network", "Room {} has lost its connection.", "network"),
    ("Locked out", "Account {} cannot log in.", "accounts"),
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    lines = ["subject;body;queue;priority"]
    for number in range(60):
        subject, body, queue = TICKETS[number % 3]
        lines.append(f"{subject} {number};{body.format(number * 7)};{queue};{number % 4}")
    text = "\n".join([*lines, "Überall;Größe;accounts;1", ""])
    (tmp_path / "tickets.csv").write_bytes(text.encode("cp1252"))
    return tmp_path


def converse(place: Path, options: list[str], *turns: tuple[str, str]) -> tuple[int, str]:
    """Run `new proj` at a terminal; at each text that is shown type the keys behind it."""
    from tests.support.terminal import Terminal

    words = [sys.executable, "-m", "phi3scaffold", "new", "proj", "--no-git", *options]
    with Terminal(words, place) as terminal:
        for shown, keys in turns:
            terminal.hear(shown, 60)
            terminal.type(keys)
        try:
            return terminal.wait(60), terminal.seen
        except AssertionError:
            raise AssertionError(terminal.seen) from None


def answers(place: Path) -> dict[str, object]:
    found = yaml.safe_load((place / "proj" / ".copier-answers.yml").read_text())
    assert isinstance(found, dict)
    return found


def test_rows_come_first_then_what_is_learned_the_model_and_where(place: Path) -> None:
    turns = ((ROWS, "tickets.csv\r"), (LEARN, ENTER), (MODEL, ENTER), (WHERE, ENTER), (MORE, ENTER))
    code, seen = converse(place, [], *turns)
    assert code == 0, seen
    assert "4 columns, windows-1252" in seen
    assert all(f"  {name}" in seen for name in ("subject", "body", "queue", "priority"))
    assert "The printer on" in seen
    assert "training here" in seen and "about " in seen  # each model's time
    assert "A run on this machine takes about" in seen
    assert "cd proj && make setup && make finetune" in seen
    found = answers(place)
    assert (found["task"], found["target"], found["algo"]) == ("classify", "cpu", "lora")


def test_a_refused_answer_is_asked_again_and_nothing_is_lost(place: Path) -> None:
    (place / "model").mkdir()
    turns = (
        (ROWS, "nothing.csv\r"),
        ("does not exist", ""),
        (ROWS, "'tickets.csv'\r"),  # as a file manager drops it
        (LEARN, ENTER),
        (MODEL, "another" + ENTER),  # typing filters the list
        ("Name, hub id or folder", "./model\r"),
        ("no config.json", ""),
        ("Name, hub id or folder", "tiny\r"),
        (MORE, ENTER),
    )
    code, seen = converse(place, ["--target", "cpu"], *turns)
    assert code == 0, seen
    assert answers(place)["model"] == "tiny"


def test_columns_can_be_chosen(place: Path) -> None:
    turns = (
        (ROWS, "tickets.csv\r"),
        (LEARN, DOWN + ENTER),
        ("Which column has the answers?", DOWN * 3 + ENTER),
        ("Which columns does the model read?", " " + DOWN + " " + ENTER),
        (MODEL, ENTER),
        (MORE, ENTER),
    )
    code, seen = converse(place, ["--target", "cpu"], *turns)
    assert code == 0, seen
    dataset = (place / "proj" / "datasets" / "dataset.yaml").read_text()
    assert "{priority}" in dataset
    assert "{subject}" in dataset and "{body}" in dataset and "{queue}" not in dataset


def test_given_rows_ask_only_what_they_cannot_say(place: Path) -> None:
    turns = ((MODEL, ENTER), (WHERE, DOWN + ENTER), (MORE, "y"), ("Fine-tuning", DOWN + ENTER),
             ("Precision", ENTER), ("recipe", ENTER), ("overrides", ENTER))  # fmt: skip
    code, seen = converse(place, ["--data", "tickets.csv"], *turns)
    assert code == 0, seen
    assert ROWS not in seen and LEARN not in seen
    found = answers(place)
    assert (found["target"], found["algo"]) == ("cuda", "qlora")


def test_a_detail_that_does_not_fit_is_asked_again(place: Path) -> None:
    options = ["--data", "tickets.csv", "--model", "tiny", "--target", "cpu"]
    turns = ((MORE, "y"), ("Fine-tuning", ENTER), ("Precision", DOWN * 2 + ENTER),
             ("does not really run fp16", ""), ("Precision", DOWN * 3 + ENTER))  # fmt: skip
    code, seen = converse(place, options, *turns)
    assert code == 0, seen
    found = answers(place)
    assert found["precision"] == "fp32"
    assert "recipe" not in seen.split("Precision")[-1]  # fp32 has none


def test_without_rows_the_sample_rows_are_chosen(place: Path) -> None:
    turns = ((ROWS, ENTER), ("Which sample rows?", DOWN + ENTER), (MORE, ENTER))
    code, seen = converse(place, ["--model", "tiny", "--target", "cpu"], *turns)
    assert code == 0, seen
    assert answers(place)["task"] == "qa"


@pytest.mark.parametrize("turns", [((ROWS, CTRL_C),), ((ROWS, "tickets.csv\r"), (LEARN, CTRL_C))])
def test_ctrl_c_at_a_question(place: Path, turns: tuple[tuple[str, str], ...]) -> None:
    code, seen = converse(place, [], *turns)
    assert code == 130, seen
    assert "Traceback" not in seen
    assert not (place / "proj").exists()


def labelled(place: Path, labels: list[str]) -> list[str]:
    lines = [f"a text {number},{label}\n" for number, label in enumerate(labels)]
    (place / "rows.csv").write_text("text,label\n" + "".join(lines))
    return ["--data", "rows.csv", "--model", "tiny", "--target", "cpu", "--algo", "lora"]


def test_labels_that_a_person_has_to_decide_about(place: Path) -> None:
    """Enter takes the proposal; the arrow takes another choice."""
    options = labelled(place, ["joy", "fear"] * 10 + ["Joy"] * 3 + ["nan"] * 2)
    turns = (("Other spellings", DOWN * 2 + ENTER), ("may mean that a row has none", ENTER))
    code, seen = converse(place, options, *turns)
    assert code == 0, seen
    assert "Other spellings of a label: Joy (3)" in seen
    assert "Labels that may mean that a row has none: nan (2)" in seen
    written = yaml.safe_load((place / "proj" / "datasets" / "dataset.yaml").read_text())
    assert written["labels"] == ["Joy", "fear", "joy"]
    assert written["missing_labels"] == ["nan"] and "label_variants" not in written


def test_the_task_where_two_fit(place: Path) -> None:
    rows = [f"Is it {n}?,{('Yes it is.', 'No it is not.')[n % 2]}\n" for n in range(40)]
    (place / "rows.csv").write_text("question,answer\n" + "".join(rows))
    options = ["--data", "rows.csv", "--model", "tiny", "--target", "cpu", "--algo", "lora"]
    code, seen = converse(place, options, (LEARN, DOWN + ENTER))
    assert code == 0, seen
    assert "2 different answers in 40 rows" in seen
    written = yaml.safe_load((place / "proj" / "datasets" / "dataset.yaml").read_text())
    assert written["task"] == "qa"


def test_with_the_defaults_of_a_long_training_a_smaller_model_is_named(
    place: Path,
) -> None:
    text = "It has been slow since the last update, and nobody knows why. " * 12
    lines = [f'{{"text": "{n} {text}", "label": "{"ab"[n % 2]}"}}\n' for n in range(900)]
    (place / "long.jsonl").write_text("".join(lines))
    words = ["new", "long", "--data", "long.jsonl", "--defaults", "--no-git"]
    done = subprocess.run(
        [sys.executable, "-m", "phi3scaffold", *words], cwd=place, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "phi3scaffold new" in line]
    assert "trains in about" in done.stdout
    again = subprocess.run(
        [sys.executable, "-m", *line.split()], cwd=place, capture_output=True, text=True
    )
    assert again.returncode == 0, again.stderr
    assert "trains in about" not in again.stdout
