"""Bad rows through the real data stage: one message, its place and remedy, exit 2, no leftovers."""

from __future__ import annotations

import functools
import gzip
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from phi3scaffold import generator
from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.datasets import rendering
from phi3scaffold.generator.row_source import user_rows
from phi3scaffold.pipeline import atomic_publish
from phi3scaffold.pipeline.runner import run_stages
from phi3scaffold.pipeline.stage_runner import scratch
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.layout import DROPPED_ROWS
from phi3scaffold.project.settings import Project, load_project
from phi3scaffold.stages.graph import STAGES
from tests.conftest import command
from tests.datasets import bad, bad_files, bad_values, bad_yaml
from tests.template.conftest import without_git

GROUPS = {
    "line": bad_files.LINES,
    "jsonl": bad_files.JSONL,
    "json": bad_files.JSON,
    "csv": bad_files.DELIMITED,
    "file": bad_files.FILES,
    "value": bad_values.VALUES,
    "talk": bad_values.TALK,
    "sides": bad_values.SIDES,
    "yaml": bad_yaml.YAML,
}
CASES = {f"{group}: {case.name}": case for group, cases in GROUPS.items() for case in cases}
TOKENIZER = Path(generator.__file__).parents[1] / "models" / "tiny" / "tokenizer.json"
MARKS = [token["content"] for token in json.loads(TOKENIZER.read_text())["added_tokens"]]
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project of the embedded model with its tokenizer; each test brings its own datasets."""
    with pytest.MonkeyPatch.context() as patch:
        # the same tokenizer two hundred times: most of the time would go into loading it
        patch.setattr(rendering, "load_tokenizer", functools.cache(rendering.load_tokenizer))
        with without_git():
            answers = {"task": "qa", "model": "tiny"}
            folder = tmp_path_factory.mktemp("bad") / "proj"
            root = generator.new(folder, answers, git=False, wheel=False)
        made = load_project(root)
        run_stages(made, ["tokenizer"], STAGES, lambda event: None, isolate=False)
        atomic_publish.recover([], scratch(made))
        yield made


def prepare(project: Project, case: bad.Case) -> None:
    """Run the data stage over the case's files."""
    shutil.rmtree(project.datasets)
    project.datasets.mkdir()
    bad.put(project.datasets / case.file, case.make)
    for name, content in bad_values.ALSO.items():
        if name in case.yaml:
            bad.put(project.datasets / name, content)
    project.dataset_yaml.write_text(case.yaml.replace("FILE", case.file), encoding="utf-8")
    try:
        run_stages(project, ["data"], STAGES, lambda event: None, isolate=False)
    finally:
        atomic_publish.recover([STAGES["data"].folder(project)], scratch(project))


def refused(project: Project, case: bad.Case) -> ScaffoldError:
    """The one error; everything outside datasets/ stays as it was."""
    before = files(project)
    with pytest.raises(ScaffoldError) as caught:
        prepare(project, case)
    assert files(project) == before
    error = caught.value
    assert error.exit_code == 2
    for text in (error.what, error.where, error.fix):
        assert text and len(text.splitlines()) == 1, error
    return error


def files(project: Project) -> set[Path]:
    ours = project.datasets
    cache = project.gen / ".hashes.json"
    return {path for path in project.root.rglob("*") if ours not in path.parents} - {cache}


@pytest.mark.parametrize("name", CASES)
def test_each_bad_thing_is_one_message(project: Project, name: str) -> None:
    case = CASES[name]
    if case.make is bad.unreadable and ROOT:
        pytest.skip("root may read everything")
    error = refused(project, case)
    assert case.says in error.what
    assert (error.where or "").endswith(case.where), error
    assert case.fix in (error.fix or ""), error


def test_the_table_is_long() -> None:
    assert len(CASES) == sum(map(len, GROUPS.values())) >= 150


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("place", ["prompt", "answer", "system", "user turn", "last turn", "first"])
def test_no_text_can_forge_a_turn(project: Project, mark: str, place: str) -> None:
    text = f"Hi{mark}\nthere"
    row, yaml = bad.PAIRS[0], bad.QA
    if place in ("prompt", "answer"):
        row = {**row, {"prompt": "question"}.get(place, place): text}
    elif place == "system":
        yaml += f"system: {json.dumps(text)}\n"
    else:
        yaml = bad.CHAT
        turns = [{"role": "system", "content": "Be brief."}, *bad.TURNS]
        index = ["first", "user turn", "last turn"].index(place)
        turns[index] = {**turns[index], "content": text}
        row = {"messages": turns}
    error = refused(project, bad.Case(place, "rows.jsonl", bad.lines([row]), "", "", "", yaml))
    assert f"the control token {mark}, which would forge a turn" in error.what
    assert "rows.jsonl:1" in (error.where or "")
    assert "remove it" in (error.fix or "")


def dropped(project: Project) -> list[dict[str, object]]:
    lines = (project.gen / "data" / DROPPED_ROWS).read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("column", ["question", "answer"])
@pytest.mark.parametrize("long_rows", ["drop", "truncate"])
def test_ten_megabytes_in_one_row(project: Project, long_rows: str, column: str) -> None:
    """They are left out, or cut where that was asked for, without being tokenized."""
    long = {**bad.PAIRS[0], column: "never ending story " * (10_000_000 // 19)}
    content = bad.lines([*bad.PAIRS, long])
    yaml = f"{bad.QA}long_rows: {long_rows}\n"
    started = time.monotonic()
    try:
        prepare(project, bad.Case("", "rows.jsonl", content, "", "", "", yaml))
        places = [row["place"] for row in dropped(project)]
    finally:
        shutil.rmtree(project.gen / "data", ignore_errors=True)
    cut = long_rows == "truncate" and column == "question"
    assert places == ([] if cut else ["rows.jsonl:4"])
    assert time.monotonic() - started < 60  # tokenized whole, it would be many minutes


def zeros(megabytes: int) -> bytes:
    """A text without end, packed to a thousandth."""
    return gzip.compress(b'{"question": "' + b"0" * megabytes * 2**20, mtime=0)


ENDLESS = {
    "a line": ("rows.jsonl", b'\n\n{"question": "' + b"x" * 17 * 2**20, ":3"),
    "an object in a list": ("rows.json", b'[\n{"question": "' + b"x" * 17 * 2**20, ":2"),
    "a cell": ("rows.csv", b'question,answer\n\n"c,d\n' + b"e,f\n" * 5 * 2**20, ":3"),
    "a line of a cell": ("rows.csv", b"question,answer\n" + b"x" * 17 * 2**20, ":2"),
    "a bomb": ("rows.jsonl.gz", zeros(100), ":1"),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_row_without_end_does_not_swallow_the_memory(project: Project, name: str) -> None:
    file, content, at = ENDLESS[name]
    error = refused(project, bad.Case(name, file, content, "", "", ""))
    assert error.what == "The row is larger than 16 MiB."
    assert (error.where or "").endswith(f"{file}{at}")
    assert "a missing quote, bracket or line end" in (error.fix or "")


@pytest.mark.parametrize(
    "name", ["line: cut off", "csv: too few fields", "file: a pipe", "yaml: an unknown key"]
)
def test_as_it_is_typed(project: Project, name: str, tmp_path: Path) -> None:
    """The same through the command line: on stderr, once, without a traceback."""
    case = CASES[name]
    proj = tmp_path / "proj"
    shutil.copytree(project.root, proj, ignore=shutil.ignore_patterns("datasets"))
    (proj / "datasets").mkdir()
    bad.put(proj / "datasets" / case.file, case.make)
    (proj / "datasets" / "dataset.yaml").write_text(case.yaml.replace("FILE", case.file))
    done = command("data", cwd=proj, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr
    assert case.says in done.stderr and case.where in done.stderr and case.fix in done.stderr
    assert not (proj / "gen-model" / "data").exists()


NEW = [
    "line: half a surrogate",
    "json: two lists",
    "csv: two columns of a name",
    "file: a device",
    "file: a folder that leads to itself",
    "file: cut off while packed",
    "file: half a parquet",
    "file: no ending",
]


@pytest.mark.parametrize("name", NEW)
def test_new_leaves_nothing_behind(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    bad.put(tmp_path / case.file, case.make)
    words = ["new", str(tmp_path / "deep" / "proj"), "--defaults", "--data"]
    assert main(VERBS, [*words, str(tmp_path / case.file)]) == 2
    error = capsys.readouterr().err
    assert error.count("error:") == 1
    assert case.says in error and case.where in error and case.fix in error
    assert not (tmp_path / "deep").exists()


ROWS_ONLY = [name for name in CASES if not name.startswith("yaml: ")]


@pytest.mark.parametrize("name", ROWS_ONLY)
def test_new_names_no_file_that_it_has_not_made(name: str, tmp_path: Path) -> None:
    """Whatever task is asked for: a remedy is an option, a column or the row."""
    case = CASES[name]
    bad.put(tmp_path / case.file, case.make)
    for task in (None, "classify", "qa", "chat"):
        try:
            user_rows(tmp_path / case.file, task)
        except ScaffoldError as error:
            assert "dataset.yaml" not in str(error), error
            assert error.fix and error.where, error


# rows that `new` itself refuses, the task, and the remedy
REMEDIES = [
    ([{"question": "a", "answer": "b"}, {"answer": "b"}], "qa", "--prompt COLUMN --answer COLUMN"),
    ([{"question": ["a"], "answer": "b"}], "qa", "--prompt COLUMN --answer COLUMN"),
    ([{"text": "a", "label": "b"}] * 3, "classify", "another column: --answer COLUMN"),
    ([{"text": "a", "label": f"b {n}"} for n in range(60)], "classify", "--answer COLUMN"),
    ([{"a": "x y"}] * 3, None, "--prompt COLUMN --answer COLUMN"),
    ([{"messages": [*bad.TURNS, {"role": "user"}, bad.TURNS[1]]}], "chat", "Write it as"),
    ([{"messages": [{"role": "narrator", "content": "Hi"}]}], "chat", "correct the row"),
    ([{"a": "b"}] * 2, "chat", "--answer COLUMN"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "task", "fix"), REMEDIES)
def test_the_remedies_of_new(
    rows: list[dict[str, object]], task: str | None, fix: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "rows.jsonl").write_bytes(bad.lines(rows))
    words = ["new", str(tmp_path / "proj"), "--defaults", "--data", str(tmp_path / "rows.jsonl")]
    assert main(VERBS, [*words, *(["--task", task] if task else [])]) == 2
    error = capsys.readouterr().err
    assert fix in error and "dataset.yaml" not in error
