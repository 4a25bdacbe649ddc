"""What the rows are is guessed from their columns, tried on the first of them, and said."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from phi3scaffold import generator
from phi3scaffold.datasets.conversations import Conversation, conversation
from phi3scaffold.datasets.detection import detector as module
from phi3scaffold.datasets.detection import guess
from phi3scaffold.datasets.message_format import Messages
from phi3scaffold.datasets.reader import read_rows
from phi3scaffold.datasets.spec import load_spec
from phi3scaffold.generator.row_source import user_rows
from phi3scaffold.project.errors import ScaffoldError
from tests.template.conftest import without_git

TONES = [{"phrase": "I smiled.", "tone": "joy"}, {"phrase": "I wept.", "tone": "sadness"}] * 2
TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
SHAREGPT = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
ALPACA = [
    {"instruction": "Add.", "input": "1 2", "output": "3"},
    {"instruction": "Sing.", "input": "", "output": "La."},
]

GUESSED = [
    ("classify", TONES, "{phrase}\nTone:", "{tone}", ("joy", "sadness")),
    (
        "classify",
        [{"id": "1", "text": "Good.", "label": "pos"}, {"id": "2", "text": "Bad.", "label": "neg"}],
        "{text}\nLabel:",
        "{label}",
        ("neg", "pos"),
    ),
    (
        "classify",  # no telling name at all: the few values are the label, the long text the text
        [{"a": f"a rather long text {n}", "b": "xy"[n % 2]} for n in range(6)],
        "{a}\nB:",
        "{b}",
        ("x", "y"),
    ),
    ("qa", [{"Question": "Why?", "Best Answer": "So."}], "{Question}", "{Best Answer}", ()),
    ("qa", [{"prompt": "Why?", "completion": "So."}], "{prompt}", "{completion}", ()),
    ("qa", [{"input": "Why?", "output": "So."}], "{input}", "{output}", ()),
    (
        "qa",
        [{"instruction": "Add.", "input": "1 2", "output": "3"}],
        "{instruction}\n{input}",
        "{output}",
        (),
    ),
]  # fmt: skip


@pytest.fixture
def write_rows(tmp_path: Path) -> Callable[..., Path]:
    """Write a data file: a list becomes JSON lines, text and bytes are written as they are."""

    def write(content: Any, name: str = "rows.jsonl") -> Path:
        path = tmp_path / "data" / name
        path.parent.mkdir(exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(("task", "rows", "user", "assistant", "labels"), GUESSED)
def test_columns(
    task: str, rows: Any, user: str, assistant: str, labels: Any, write_rows: Callable[..., Path]
) -> None:
    found = guess([write_rows(rows)], task)
    assert (found.user, found.assistant, found.labels) == (user, assistant, labels)
    assert all(f"{{{column}}}" in user for column in found.columns)


@pytest.mark.parametrize(("task", "rows"), [(case[0], case[1]) for case in GUESSED])
def test_the_task_is_guessed_where_it_is_not_given(
    task: str, rows: Any, write_rows: Callable[..., Path]
) -> None:
    path = write_rows(rows)
    assert guess([path]).task == task
    assert guess([path]) == guess([path], task)


CONVERSATIONS = [
    ({"messages": TURNS}, Messages("messages")),
    (
        {"conversations": SHAREGPT},
        Messages("conversations", "from", "value", {"human": "user", "gpt": "assistant"}),
    ),
    (
        {"conversations": [{"from": "system", "value": "Be brief."}, *SHAREGPT]},
        Messages(
            "conversations",
            "from",
            "value",
            {"human": "user", "gpt": "assistant"},
        ),
    ),
    (
        {"id": "1", "conversation": [{"role": "Human", "text": "a"}, {"role": "AI", "text": "b"}]},
        Messages("conversation", "role", "text", {"Human": "user", "AI": "assistant"}),
    ),
    (
        {"conversations": [{"from": "user", "value": "a"}, {"from": "assistant", "value": "b"}]},
        Messages("conversations", "from", "value"),
    ),
    (
        {"conversations": [{"from": "human", "value": "a"}, {"from": "bing", "value": "b"}]},
        Messages(
            "conversations",
            "from",
            "value",
            {"human": "user", "bing": "assistant", "gpt": "assistant"},
        ),
    ),
]


@pytest.mark.parametrize(("row", "form"), CONVERSATIONS)
def test_conversations(row: Any, form: Messages, write_rows: Callable[..., Path]) -> None:
    found = guess([write_rows([row] * 2)])
    assert (found.task, found.messages, found.user) == ("chat", form, "")
    assert f"`{form.column}`" in found.said


FLAGGED = [TURNS[0], TURNS[1] | {"weight": 0}, *TURNS]
AS_READ = {
    "weight": (FLAGGED, ["3 assistant turns are shown but not learned: weight: 0"]),
    "same speaker": (
        [TURNS[0], *TURNS],
        ["3 turns are joined with the previous turn of the same speaker"],
    ),
    "ends with the user": ([*TURNS, TURNS[0]], ["3 turns are left out: no learned answer follows"]),
    "plain": (TURNS, []),
}


@pytest.mark.parametrize("turns", AS_READ)
def test_what_becomes_of_turns_is_said(turns: str, write_rows: Callable[..., Path]) -> None:
    rows, said = AS_READ[turns]
    notes = guess([write_rows([{"messages": rows}] * 3)]).notes
    assert [note[: len(text)] for note, text in zip(notes, said, strict=True)] == said


def test_rows_that_are_left_out_are_counted(write_rows: Callable[..., Path]) -> None:
    rows = [{"prompt": f"Why {n}?", "completion": None if n % 3 else f"So {n}."} for n in range(9)]
    assert guess([write_rows(rows)]).notes == ("6 rows left out: empty answer",)


def test_only_the_first_rows_decide_but_every_label_counts(
    write_rows: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOKED_AT", 4)
    path = write_rows([*TONES, {"phrase": "x", "tone": "fear"}])
    assert guess([path], "classify").labels == ("fear", "joy", "sadness")
    path.write_text(path.read_text() + '{"phrase": "broken')
    with pytest.raises(ScaffoldError, match="Not valid JSON"):
        guess([path], "classify")
    assert guess([write_rows(ALPACA * 2 + [{"no": "columns"}])], "qa").columns


def test_a_column_that_the_first_row_lacks_is_not_overlooked(
    write_rows: Callable[..., Path],
) -> None:
    """It is used where it is there; where a row lacks it, that is the same as an empty one."""
    rows = [{"instruction": "Sing.", "output": "La."}, *ALPACA]
    assert guess([write_rows(rows)], "qa").user == "{instruction}\n{input}"


# task, content, name, where (None: the file itself), what the message says
REFUSED = [
    ("classify", "", "rows.jsonl", None, "no rows"),
    ("classify", "PAR1", "rows.parquet", None, "parquet"),
    ("classify", '{"phrase": "a", "tone": "joy"}\n{"x": \n', "rows.jsonl", ":2", "Not valid JSON"),
    ("classify", '[\n{"phrase": "a",\n]', "rows.json", ":3", "Not valid JSON"),
    ("classify", '{"phrase": "a"}', "rows.json", ":1", "without a list"),
    ("classify", "[1]\n", "rows.jsonl", ":1", "object"),
    ("classify", b'{"phrase": "a"}\n{"phrase": "\xff"}\n', "rows.jsonl", ":2", "UTF-8"),
    ("classify", "phrase,tone\na,joy\nb\n", "rows.csv", ":3", "1 field"),
    ("classify", 'phrase,tone\n"a,joy\n', "rows.csv", ":2", "csv"),
    ("classify", "phrase,phrase\na,joy\n", "rows.csv", ":1", "'phrase'"),
    ("classify", [{"phrase": "a", "tone": "joy"}, {"phrase": "b"}], "rows.jsonl", ":2", "'tone'"),
    ("classify", [{"phrase": "a", "tone": "joy"}] * 3, "rows.jsonl", None, "only one label"),
    ("classify", [{"phrase": "a", "tone": [n]} for n in "ab"], "rows.jsonl", ":1", "needs a text"),
    ("classify", [{"phrase": "a"}] * 3, "rows.jsonl", ":1", "needs a text and a label"),
    ("classify", [{"text": "a", "label": str(n)} for n in range(60)], "rows.jsonl", ":51", "60"),
    ("classify", [{"messages": TURNS}], "rows.jsonl", ":1", "needs a text and a label"),
    ("qa", TONES, "rows.jsonl", ":1", "needs a question"),
    ("qa", [{"question": "", "answer": "b"}], "rows.jsonl", ":1", "empty prompt"),
    ("qa", [{"question": ["a"], "answer": "b"}], "rows.jsonl", ":1", "a list, not text"),
    ("chat", TONES, "rows.jsonl", ":1", "`messages`"),
    ("chat", [{"messages": "hi"}], "rows.jsonl", ":1", "list of turns"),
    ("chat", [{"messages": TURNS}, {"messages": [1]}], "rows.jsonl", ":2: turn 1", "number"),
    ("chat", [{"messages": TURNS[:1]}], "rows.jsonl", ":1", "no assistant turn"),
]  # fmt: skip


@pytest.mark.parametrize(("task", "content", "name", "line", "says"), REFUSED)
def test_refused(
    task: str,
    content: Any,
    name: str,
    line: str | None,
    says: str,
    write_rows: Callable[..., Path],
) -> None:
    path = write_rows(content, name)
    with pytest.raises(ScaffoldError) as caught:
        guess([path], task)
    assert says in caught.value.what
    assert caught.value.where == f"{path}{line or ''}"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("given", "rows", "fitting"),
    [
        ("classify", [{"messages": TURNS}], "chat"),
        ("qa", TONES, "classify"),
        ("chat", [{"question": "a", "answer": "b"}], "qa"),
    ],
)
def test_the_task_that_fits_is_named(
    given: str, rows: Any, fitting: str, write_rows: Callable[..., Path]
) -> None:
    with pytest.raises(ScaffoldError) as caught:
        guess([write_rows(rows)], given)
    assert caught.value.fix is not None
    assert f"--task {fitting}" in caught.value.fix


def test_nothing_fits(write_rows: Callable[..., Path]) -> None:
    rows = [{"a": f"text {n}", "b": n / 7} for n in range(9)]
    with pytest.raises(ScaffoldError, match="No task fits these columns: a, b"):
        guess([write_rows(rows)])


def project(tmp_path: Path, data: Path | str, **answers: str) -> tuple[Path, str]:
    """The datasets folder of a project made by `new`, and what was said."""
    said: list[str] = []
    with without_git():
        root = generator.new(
            tmp_path / "proj", answers, data=data, git=False, wheel=False, say=said.append
        )
    return root / "datasets", "\n".join(said)


FORMS = [
    (TONES, "classify"),
    ([{"Question": "Why?", "Best Answer": "So."}] * 3, "qa"),
    (ALPACA, "qa"),
    ([{"prompt": "Why?", "completion": "So."}] * 3, "qa"),
    ([{"messages": TURNS}] * 3, "chat"),
    ([{"conversations": SHAREGPT}] * 3, "chat"),
]


@pytest.mark.parametrize(("rows", "task"), FORMS, ids=lambda value: str(value)[:30])
def test_what_new_writes_is_what_the_rows_are(
    rows: Any, task: str, tmp_path: Path, write_rows: Callable[..., Path]
) -> None:
    """No --task given: dataset.yaml says it all, loads, and fits every row."""
    datasets, said = project(tmp_path, write_rows(rows))
    spec = load_spec(datasets / "dataset.yaml")
    assert (spec.task, spec.held_out, spec.long_rows) == (task, 0.2, "drop")
    made = [conversation(row, spec) for row in read_rows(spec.train)]
    assert all(isinstance(one, Conversation) for one in made)
    assert said.startswith("rows.jsonl: ")


def test_labels_of_every_script_are_read_back(
    tmp_path: Path, write_rows: Callable[..., Path]
) -> None:
    """YAML has escapes of its own; what people have to read and edit is not escaped at all."""
    labels = ["😀 joy", "فرح", "カード", 'it\'s <b>"q"</b> & co', "a: [b] #c", "x\x85\u2028y", "no"]
    rows = [{"phrase": f"text {n}", "tone": label} for n, label in enumerate(labels * 2)]
    datasets, _ = project(tmp_path, write_rows(rows), task="classify")
    spec = load_spec(datasets / "dataset.yaml")
    assert set(spec.labels) == set(labels)
    assert all(isinstance(conversation(row, spec), Conversation) for row in read_rows(spec.train))
    text = (datasets / "dataset.yaml").read_text(encoding="utf-8")
    assert "فرح" in text and "カード" in text and "it's <b>" in text


def test_an_empty_input_takes_its_line_with_it(
    tmp_path: Path, write_rows: Callable[..., Path]
) -> None:
    datasets, said = project(tmp_path, write_rows(ALPACA))
    spec = load_spec(datasets / "dataset.yaml")
    asked = [
        made.messages[0]["content"]
        for made in (conversation(row, spec) for row in read_rows(spec.train))
        if isinstance(made, Conversation)
    ]
    assert asked == ["Add.\n1 2", "Sing."]
    assert "where `input` is empty, its line is left out" in said
    assert (
        "A line whose columns are all empty is left out." in (datasets / "dataset.yaml").read_text()
    )


def test_a_folder_without_splits_is_taken_whole(tmp_path: Path) -> None:
    folder = tmp_path / "my rows"
    (folder / "b").mkdir(parents=True)
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in TONES))
    with gzip.open(folder / "b" / "c.csv.gz", "wt") as packed:
        packed.write("phrase,tone\nOh!,surprise\n")
    (folder / "README.md").write_text("about the rows")
    datasets, said = project(tmp_path, folder)
    spec = load_spec(datasets / "dataset.yaml")
    assert yaml.safe_load((datasets / "dataset.yaml").read_text())["files"]["train"] == ["my-rows"]
    assert [path.relative_to(datasets).as_posix() for path in spec.files] == [
        "my-rows/a.jsonl",
        "my-rows/b/c.csv.gz",
    ]
    assert spec.labels == ("joy", "sadness", "surprise")
    assert "my rows: `phrase` as the text" in said


def test_the_guess_holds_few_rows(tmp_path: Path) -> None:
    """A pipe of rows without end would do for a question and its answer."""
    path = tmp_path / "rows.jsonl"
    line = json.dumps({"question": "Why?", "answer": "So."}) + "\n"
    path.write_text(line * 3 * module.LOOKED_AT)
    taken = itertools.count()
    plain = module._one_after_another

    def counted(sources: Any) -> Any:
        for row in plain(sources):
            next(taken)
            yield row

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_one_after_another", counted)
        guess([path], "qa")
    assert next(taken) == module.LOOKED_AT


@pytest.mark.parametrize("task", [None, "qa"])
def test_a_missing_file(tmp_path: Path, task: str | None) -> None:
    with pytest.raises(ScaffoldError, match="does not exist") as caught:
        user_rows(tmp_path / "none.jsonl", task)
    assert "owner/name" in (caught.value.fix or "")
