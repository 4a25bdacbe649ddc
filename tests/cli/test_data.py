"""`phi3scaffold data`: what a person sees of the rows, in a terminal and without one."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.cli.ui.data_screen import NAME, UNICODE, WIDTH, DataScreen, show
from phi3scaffold.project.training_plan import TrainingPlan
from tests.support.planted import ACROSS, DOUBTFUL, EMAIL, KEY, LEAKED, TWICE

ESCAPE = "\x1b"


@pytest.fixture
def report(planted: tuple[Path, str]) -> dict[str, Any]:
    """The planted project's report.json, to change at will."""
    path = planted[0] / "gen-model" / "data" / "report.json"
    return json.loads(path.read_text(encoding="utf-8"))


def section(printed: str, name: str) -> str:
    """What stands beside a name on the left, its lines joined."""
    lines = printed.splitlines()
    start = next((n for n, line in enumerate(lines) if line[:NAME].strip() == name), None)
    assert start is not None, f"{name} is not in:\n{printed}"
    end = next((n for n in range(start + 1, len(lines)) if lines[n][:NAME].strip()), None)
    return " ".join(line[NAME:].strip() for line in lines[start:end])


def shown(report: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    show(report, Path("gen-model/data"))
    return capsys.readouterr().out


def in_terminal(project: Path, columns: int, **environment: str) -> str:
    """What `phi3scaffold data` writes to a terminal of so many columns."""
    master, slave = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    env |= {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "45", **environment}
    command = [sys.executable, "-m", "phi3scaffold", "data"]
    process = subprocess.Popen(command, cwd=project, stdout=slave, stderr=slave, env=env)
    os.close(slave)
    written = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        written += piece
    os.close(master)
    assert process.wait() == 0, written.decode()
    return written.decode()


def test_rows_files_task_and_labels(planted: tuple[Path, str]) -> None:
    printed = planted[1]
    rows = section(printed, "rows")
    assert "13 to train, 3 held out; 4 of 20 left out" in rows
    assert "train.jsonl (16 rows, " in rows and "held-out.jsonl (4 rows, " in rows
    assert section(printed, "task") == "classify: {phrase}↵Tone: -> {tone}"
    labels = section(printed, "labels")
    assert "6 (46.2%), 2 held out" in labels and "odd   ████ 1 (7.7%)" in labels


def test_lengths_and_their_histogram(planted: tuple[Path, str], report: dict[str, Any]) -> None:
    told = section(planted[1], "tokens")
    train = report["tokens"]["train"]
    assert f"median {train['median']}, 95% up to {train['p95']}" in told
    assert f"longest {train['longest']} (limit 100)" in told
    assert f"{train['trained']} contribute to the loss" in told
    assert "██" in told and "tallest bar: " in told


def test_what_is_planted_is_found_with_its_place(planted: tuple[Path, str]) -> None:
    printed = planted[1]
    private = section(printed, "! private")
    assert "access key (AWS): 1 row, train.jsonl:10" in private
    assert "email address: 1 row, train.jsonl:9" in private
    conflicts = section(printed, "! conflicts")
    assert conflicts.startswith("1 prompt has different answers, in 2 rows")
    assert f"train.jsonl:7 joy, train.jsonl:8 fear: {DOUBTFUL}" in conflicts
    assert section(printed, "! labels") == "never held out: odd"
    leaks = section(printed, "! leaks")
    assert leaks.startswith("1 held-out row") and f"held-out.jsonl:1: {LEAKED[:20]}" in leaks
    near = section(printed, "! near duplicates")
    assert near.startswith(
        "4 rows in 2 groups ask nearly the same thing (up to 2 rows per group); "
    )
    assert "1 held-out row has a twin in train, so the score is too good" in near
    assert f"train.jsonl:6: {ACROSS[0][:40]}" in near and "held-out.jsonl:2: " in near
    assert "1 row (5%) of more than 100 tokens" in section(printed, "! long rows")
    twice = section(printed, "duplicates")
    assert twice.startswith("1 row is the same") and "train.jsonl:1, train.jsonl:2" in twice
    assert TWICE[:30] in twice


def test_every_reason_is_counted_and_the_list_named(planted: tuple[Path, str]) -> None:
    left_out = section(planted[1], "left out")
    assert left_out.startswith("4 rows: ") and "dropped.jsonl lists them" in left_out
    for reason in ("empty answer (1)", "longer than 100 tokens", "the same as an earlier row (1)"):
        assert reason in left_out
    assert "report.html; beside it report.json and dropped.jsonl" in section(planted[1], "more")


def test_without_a_terminal_trained_tokens_stand_between_marks(planted: tuple[Path, str]) -> None:
    """The planted row holds `[[`, so the marks are others."""
    printed = planted[1]
    samples = section(printed, "samples")
    assert "{{marked}} tokens contribute to the loss" in samples
    for answer in ("fear", "joy", "odd"):
        assert f"<|assistant|>↵{{{{{answer}<|end|>}}}}" in samples
    assert samples.count("{{") == samples.count("}}") == 4
    assert ESCAPE not in printed
    assert all(len(line) <= WIDTH and line == line.rstrip() for line in printed.splitlines())


def test_no_text_of_a_row_reaches_the_terminal_as_a_command(planted: tuple[Path, str]) -> None:
    printed = planted[1]
    assert "\\x1b[2J \\u202e $x$" in printed
    assert "\u202e" not in printed


def test_secrets_stand_in_no_warning(planted: tuple[Path, str]) -> None:
    for found in (KEY, EMAIL):
        assert found not in section(planted[1], "! private")


def test_an_unchanged_project_is_shown_again_at_once(planted: tuple[Path, str]) -> None:
    """The same look, with nothing heavy imported."""
    code = (
        "import sys\n"
        "from phi3scaffold.__main__ import VERBS\n"
        "from phi3scaffold.cli import main\n"
        "assert main(VERBS, ['data']) == 0\n"
        "heavy = {'torch', 'transformers', 'numpy', 'matplotlib', 'pyarrow', 'jinja2'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=planted[0], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    look = planted[1][planted[1].index("rows  ") :]
    assert done.stdout == f"tokenizer: up to date\ndata: up to date\n{look}"


@pytest.mark.parametrize("columns", [80, 120])
def test_in_a_terminal_it_fits_and_trained_tokens_are_coloured(
    columns: int, planted: tuple[Path, str]
) -> None:
    written = in_terminal(planted[0], columns)
    assert f"{ESCAPE}[1;4;32modd<|end|>{ESCAPE}[0m" in written
    assert "{{" not in written and written.count("[[") == 1  # the row's own
    plain = data_only(written)
    assert max(map(len, plain)) <= columns
    assert len(plain) <= 56  # everything that can be found is in these rows


def data_only(written: str) -> list[str]:
    """The lines without colours."""
    from rich.text import Text

    return [line.rstrip() for line in Text.from_ansi(written).plain.splitlines()]


def test_no_color_leaves_the_underline(planted: tuple[Path, str]) -> None:
    written = in_terminal(planted[0], 100, NO_COLOR="1")
    assert f"{ESCAPE}[1;4modd<|end|>{ESCAPE}[0m" in written
    assert "[32m" not in written and "[36m" not in written


def test_a_terminal_that_knows_no_styles_gets_marks(planted: tuple[Path, str]) -> None:
    written = in_terminal(planted[0], 100, TERM="dumb")
    assert "{{odd<|end|>}}" in written and ESCAPE not in written


def test_rows_with_nothing_wrong_say_so_in_one_line(report: dict[str, Any], capsys) -> None:
    clean(report)
    printed = shown(report, capsys)
    assert "!" not in "".join(line[:NAME] for line in printed.splitlines())
    assert section(printed, "not found") == (
        "duplicates, near duplicates, conflicting answers, leaks between the sets, "
        "secrets or personal data"
    )
    assert section(printed, "rows").startswith("13 to train, 3 held out train.jsonl")
    assert section(printed, "more").endswith("report.html; beside it report.json")
    for name in ("left out", "duplicates", "long rows"):
        assert f"\n{name}" not in printed
    assert section(printed, "validation") == (
        "none: fewer than 250 rows; training runs for a fixed number of epochs, and held-out rows "
        "choose nothing"
    )


def test_three_sets_are_counted_on_every_line(report: dict[str, Any], capsys) -> None:
    clean(report)
    report["rows"] |= {"read": 616, "validation": 600}
    report["labels"]["validation"] = {"joy": 300, "fear": 300}
    report["tokens"]["validation"] = report["tokens"]["train"] | {"median": 77}
    report["tokens"]["histogram"]["validation"] = report["tokens"]["histogram"]["train"]
    printed = shown(report, capsys)
    assert section(printed, "rows").startswith("13 to train, 600 to validate, 3 held out train")
    assert ", 300 to validate, 2 held out" in section(printed, "labels")
    assert "to validate: median 77, " in section(printed, "tokens")
    assert section(printed, "validation").startswith("600 rows taken from the training rows")
    report["validation"] = "files"
    assert "600 rows in files of their own" in shown(report, capsys)


@pytest.mark.parametrize(
    ("wish", "train", "told"),
    [
        ("none", 900, "none: files.validation is null; training runs for a fixed number of"),
        ("auto", 900, "none: too few different prompts; training runs"),
    ],
)
def test_why_there_is_no_validation_set(
    report: dict[str, Any], capsys, wish: str, train: int, told: str
) -> None:
    clean(report)
    report["validation"], report["rows"]["train"] = wish, train
    assert section(shown(report, capsys), "validation").startswith(told)


def clean(report: dict[str, Any]) -> None:
    """Take out of a report what was found."""
    for name, counts in (
        ("duplicates", ("rows",)),
        ("near_duplicates", ("rows", "groups", "across_splits")),
        ("conflicts", ("rows", "prompts")),
        ("leaks", ("rows",)),
    ):
        report[name] |= {**dict.fromkeys(counts, 0), "examples": []}
    report["near_duplicates"]["questions"] = 16
    report |= {"private": {}, "dropped": {}}
    report["rows"] |= {"read": 16, "dropped": 0}
    report["labels"]["held_out"]["odd"] = 1
    report["labels"]["train"] = dict.fromkeys(report["labels"]["train"], 10)
    report["tokens"]["too_long"] = 0


def test_two_long_rows_are_shown_where_they_differ(report: dict[str, Any], capsys) -> None:
    texts = ["the same words " * 10 + end for end in ("and then one", "and then another")]
    shown_places = {"rows": 2, "places": ["a.csv:1", "a.csv:2"], "texts": texts}
    report["near_duplicates"]["examples"] = [shown_places]
    told = section(shown(report, capsys), "! near duplicates")
    assert "and then one" in told and "and then another" in told


def test_the_legend_of_the_histogram_never_breaks_in_a_word_of_its_own(
    report: dict[str, Any],
) -> None:
    screen = DataScreen(report, 62, UNICODE, styled=False)
    lines = [str(line) for line in screen.tokens()]
    assert all(len(line) <= 62 for line in lines[2:])
    assert any(line.startswith("tallest bar: ") or "; tallest bar: " in line for line in lines)


def test_a_report_of_an_earlier_version_is_shown(report: dict[str, Any], capsys) -> None:
    """What a runtime wrote before an update; the rows have not changed since."""
    old = (
        *("task", "files", "columns", "rows", "dropped", "labels", "tokens", "duplicates"),
        *("near_duplicates", "conflicts", "leaks", "private", "samples"),
    )
    near = ("checked", "of", "threshold", "groups", "rows", "across_splits", "examples")
    earlier = {"form": report["turns"], **{name: report[name] for name in old}}
    earlier["near_duplicates"] = {name: report["near_duplicates"][name] for name in near}
    printed = shown(earlier, capsys)
    assert section(printed, "task") == "classify: {phrase}↵Tone: -> {tone}"
    assert section(printed, "! near duplicates").startswith("4 rows in 2 groups")


def test_a_sample_of_the_rows_is_said(report: dict[str, Any], capsys) -> None:
    clean(report)
    report["near_duplicates"] |= {"checked": 100_000, "of": 1_000_000}
    printed = shown(report, capsys)
    assert "near duplicates (in 100,000 of 1,000,000 rows)" in section(printed, "not found")
    told = section(printed, "not checked")
    assert "900,000 of 1,000,000 rows" in told


def test_what_was_not_checked_is_always_said(report: dict[str, Any], capsys) -> None:
    clean(report)
    report["near_duplicates"]["short"] = 3
    told = section(shown(report, capsys), "not checked")
    assert told.startswith("paraphrases; near duplicates of 3 rows of fewer than 24 letters")
    assert "people's names" in told


def test_rows_that_repeat_each_other_are_told_with_counts(report: dict[str, Any], capsys) -> None:
    clean(report)
    report["rows"] |= {"read": 300, "train": 240, "held_out": 60}
    sides = {"train": 4, "held_out": 1}
    report["near_duplicates"] |= {"questions": 5, "answers": 4, "questions_by_split": sides}
    report["task"] = "qa"
    told = section(shown(report, capsys), "! repeated rows")
    assert told.startswith("4 distinct answers, 5 distinct questions in 300 rows: ")
    assert "the held-out rows have 1 distinct question" in told and "task: classify" in told


def test_a_held_out_share_that_whole_groups_spoilt_is_told(report: dict[str, Any], capsys) -> None:
    clean(report)
    report["rows"] |= {"read": 100, "train": 55, "held_out": 45}
    report["near_duplicates"]["held_out_share"] = 0.2
    told = section(shown(report, capsys), "! split")
    assert told.startswith("45% of the rows are held out, not 20%, since rows that ask nearly")


def test_training_steps_and_the_comparison_are_told_where_the_plan_is_known(
    report: dict[str, Any], capsys
) -> None:
    plan = TrainingPlan("passes.finetune.training_args", 3, 16, 1, 0)
    show(report, Path("gen-model/data"), plan=plan)
    printed = capsys.readouterr().out
    assert section(printed, "! training steps").startswith("Training will take 3 steps: 13 rows")
    assert "3 held-out rows can tell a difference" in section(printed, "! comparison")


def test_truncated_rows_are_told_and_are_no_warning(report: dict[str, Any], capsys) -> None:
    clean(report)
    report["tokens"]["truncated"] = 2
    told = section(shown(report, capsys), "long rows")
    assert told.startswith("2 rows (12.5%) lost the beginning of the prompt to fit into 100")


def test_many_labels_and_files_stay_on_the_screen(report: dict[str, Any], capsys) -> None:
    clean(report)
    many = {f"label {n}": 900 - n for n in range(500)}
    report["labels"] = {"train": many, "validation": many, "held_out": many}
    report["files"] *= 20
    printed = shown(report, capsys)
    assert "494 more labels, the rarest with 401 rows" in section(printed, "labels")
    assert "37 more files" in section(printed, "rows")
    assert len(printed.splitlines()) < 40


def test_a_long_conversation_keeps_every_answer_in_sight(report: dict[str, Any], capsys) -> None:
    clean(report)
    turns = [["<|user|>" + "why " * 500, 0], ["because" * 100 + "<|end|>", 1]] * 3
    report["samples"] = [{"place": "chat.jsonl:1", "tokens": turns}]
    samples = section(shown(report, capsys), "samples")
    assert samples.count("[[") == 4 and "<|end|>]]" in samples  # the legend's, and three answers
    assert len(samples) < 450


def test_an_output_that_is_not_unicode(planted: tuple[Path, str]) -> None:
    """As on Windows, with the output in a file."""
    env = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "phi3scaffold", "data"],
        cwd=planted[0],
        env=env,
        capture_output=True,
        check=True,
    )
    printed = done.stdout.decode("cp1252")
    assert "task              classify: {phrase}\\nTone: -> {tone}" in printed
    assert "odd   #### 1" in printed and "█" not in printed
