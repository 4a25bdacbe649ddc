"""`infer` of many prompts: where they come from, where answers go, what a bad one costs."""

from __future__ import annotations

import csv
import gzip
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.inference.answer import Answer
from phi3scaffold.inference.answer_settings import AnswerSettings
from phi3scaffold.inference.forms import open_form
from phi3scaffold.project.settings import find_project
from tests.support.echo import CHAT, TWO, program


def rows(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_several_texts_have_an_answer_a_line_in_their_order(use, capsys) -> None:
    use(CHAT)
    assert main(VERBS, ["infer", "two\nlines", "b", "ccc"]) == 0
    assert capsys.readouterr().out == "TWO LINES\nB\nCCC\n"
    assert main(VERBS, ["infer", "--json", "two\nlines", "b"]) == 0
    assert [row["answer"] for row in rows(capsys.readouterr().out)] == ["TWO\nLINES", "B"]


def write(file: Path, kind: str) -> None:
    """Two rows with the column `message`, as this kind of file writes them."""
    texts = ["one, or two", 'say "three"']
    listed = [{"message": text, "id": f"n{n}"} for n, text in enumerate(texts)]
    lines = "".join(json.dumps(row) + "\n" for row in listed)
    if kind in ("csv", "tsv"):
        with file.open("w", newline="") as stream:
            table = csv.writer(stream, delimiter="\t" if kind == "tsv" else ",")
            table.writerows([["message", "id"], *(row.values() for row in listed)])
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(listed), file)
    elif kind == "json":
        file.write_text(json.dumps({"rows": listed}))
    elif kind == "messages.jsonl":
        turns = [[{"role": "user", "content": text}] for text in texts]
        turns[1][:0] = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
        turns[1] += [{"role": "assistant", "content": "expected"}]
        file.write_text("".join(json.dumps({"messages": each}) + "\n" for each in turns))
    elif kind.endswith("gz"):
        file.write_bytes(gzip.compress(lines.encode()))
    elif kind == "jsonl":
        file.write_bytes(b"\xef\xbb\xbf" + lines.replace("\n", "\r\n\r\n").encode())
    else:
        file.write_bytes(b"\xef\xbb\xbf" + "\r\n\r\n".join(texts).encode())


KINDS = ("txt", "jsonl", "messages.jsonl", "json", "csv", "tsv", "parquet", "jsonl.gz")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file(kind: str, use, project: Path, capsys) -> None:
    form = use(CHAT)
    file = project / f"prompts.{kind}"
    write(file, kind)
    assert main(VERBS, ["infer", "--input", str(file), "--json"]) == 0
    found = rows(capsys.readouterr().out)
    assert [row["answer"] for row in found] == ["ONE, OR TWO", 'SAY "THREE"']
    assert all(row["where"].startswith(str(file)) for row in found)
    if kind == "messages.jsonl":
        assert found[1]["expected"] == "expected"
        assert [m["content"] for m in form.asked[-1]] == ["x", "y", 'say "three"']
    elif kind != "txt":
        assert [row["id"] for row in found] == ["n0", "n1"]


def test_rows_with_several_columns(use, project: Path, capsys) -> None:
    use(TWO)
    (project / "rows.csv").write_text("b;a\n1;x\n2;y\n")
    assert main(VERBS, ["infer", "--input", "rows.csv"]) == 0
    assert capsys.readouterr().out == "X-1\nY-2\n"


@pytest.mark.parametrize(
    ("kind", "text", "answers"),
    [
        ("txt", b"one\ntwo\n", ["ONE", "TWO"]),
        ("jsonl", b'{"message": "one"}\n{"message": "two"}', ["ONE", "TWO"]),
    ],
)
def test_standard_input(kind, text, answers, use, monkeypatch, capsys) -> None:
    use(CHAT)
    stream = io.TextIOWrapper(io.BytesIO(text), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", stream)
    assert main(VERBS, ["infer", "--input", "-", "--input-kind", kind]) == 0
    assert capsys.readouterr().out.splitlines() == answers


BAD_LINES = {
    "prompts.txt": (b"one\na <|end|>\n\xff\n" + b"x" * 300 + b"\ntwo", (2, 3, 4)),
    "rows.jsonl": (
        b'{"message": "one"}\n{"message": "a <|end|>"}\nno json\n[1]\n{"text": "x"}\n'
        b'{"message": [7]}\n{"message": " "}\n{"message": "\xff"}\n{"message": "\\ud800"}\n'
        b'{"messages": []}\n{"messages": [{"role": "assistant", "content": "x"}]}\n'
        b'{"message": "two"}',
        tuple(range(2, 12)),
    ),
    "rows.csv": (b"message,id\none,1\na,b,c\n<|end|>,3\ntwo,4\n", (3, 4)),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_prompt_is_named_and_costs_no_other_its_answer(
    name: str, use, project: Path, capsys
) -> None:
    use(CHAT)
    content, bad = BAD_LINES[name]
    (project / name).write_bytes(content)
    assert main(VERBS, ["infer", "--input", name]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == ["ONE", *[""] * len(bad), "TWO"]
    for line in bad:
        assert f"error: {name}:{line}:" in err
    assert f"2 of {len(bad) + 2} prompts answered" in err and "Traceback" not in err
    assert main(VERBS, ["infer", "--input", name, "--json", "--output", "out.jsonl"]) == 1
    found = rows((project / "out.jsonl").read_text())
    assert [row["number"] for row in found if "error" in row] == list(range(2, len(bad) + 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "none.txt"], "no such file"),
        (["--input", "none.jsonl"], "none.jsonl"),
        (["--input", "none.jsonl"], "check --input"),
        (["--input", "cut.txt.gz"], "ends in the middle"),
        (["--input", "plain.txt.gz"], "Not a valid gz file"),
        (["--input", "empty.txt"], "no prompts"),
        (["--input", "blank.txt"], "no prompts"),
        (["--input", "empty.jsonl"], "no rows"),
        (["--input", "broken.csv"], "broken.csv:2"),
        (["--input", "notes.md"], "names no known format"),
        (["--input", "utf16.txt"], "UTF-16"),
        (["--input", "-"], "no prompts on standard input"),
        (["--input", "blank.txt", "x"], "--input has the texts"),
        (["--output", "a.txt"], "--output needs prompts"),
        (["x", "y", "--output", "no/a.txt"], "folder does not exist"),
        (["x", "y", "--output", "."], "is a folder"),
        (["x", "y", "--output", "/dev/null"], "is not a regular file"),
        (["x", "y", "--output", "good.txt"], "already exists"),
        (["x", "y", "--output", "a.csv"], ".jsonl for JSON lines"),
        (["x", "y", "--json", "--output", "a.jsonl.gz"], "cannot be written as .gz"),
        (["-"], "--input - reads one a line"),
        (["--input", "good.txt", "--output", "good.txt"], "would replace the prompts"),
    ],
)
def test_mistakes_are_one_message_and_nothing_is_written(
    arguments: list[str], message: str, use, project: Path, capsys
) -> None:
    use(CHAT)
    files = {
        "empty.txt": b"", "blank.txt": b"\n \r\n", "empty.jsonl": b"", "good.txt": b"x",
        "broken.csv": b'message\n"never closed\n', "notes.md": b"x",
        "utf16.txt": "x".encode("utf-16"), "cut.txt.gz": gzip.compress(b"x" * 99)[:-9],
        "plain.txt.gz": b"one\n",
    }  # fmt: skip
    for name, content in files.items():
        (project / name).write_bytes(content)
    before = sorted(project.iterdir())
    assert main(VERBS, ["infer", *arguments]) == 2
    out, err = capsys.readouterr()
    assert message in err and "Traceback" not in err and not out
    assert sorted(project.iterdir()) == before


def test_a_row_that_cannot_be_answered_keeps_its_id(use, project: Path, capsys) -> None:
    use(CHAT)
    (project / "rows.csv").write_text("message,id\n,n0\ntwo,n1\n<|end|>,n2\n")
    assert main(VERBS, ["infer", "--input", "rows.csv", "--json"]) == 1
    found = rows(capsys.readouterr().out)
    assert [(row["id"], "error" in row) for row in found] == [
        ("n0", True), ("n1", False), ("n2", True),
    ]  # fmt: skip


def test_a_full_disk_keeps_what_was_answered(use, project: Path, monkeypatch, capsys) -> None:
    resource = pytest.importorskip("resource")
    use(CHAT)
    texts = [f"{n} {'x' * 60}" for n in range(400)]
    (project / "p.txt").write_text("\n".join(texts))
    words = ["infer", "--input", "p.txt", "--output", "a.jsonl"]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        assert main(VERBS, words) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "Traceback" not in capsys.readouterr().err
    assert sorted(path.name for path in project.iterdir()) == [
        "a.jsonl.partial", "p.txt", "project.yaml",
    ]  # fmt: skip
    assert main(VERBS, words) == 0
    assert "answers of an earlier run" in capsys.readouterr().err
    assert [row["number"] for row in rows((project / "a.jsonl").read_text())] == [*range(1, 401)]


def test_an_interrupted_run_goes_on_where_it_stopped(project: Path) -> None:
    lines = [f"line {n}" for n in range(100)]
    (project / "p.txt").write_text("\n".join(lines))
    words = ["infer", "--input", "p.txt", "--output", "a.txt"]
    slow, quick = [*program("CHAT", pause=0.02), *words], [*program("CHAT"), *words]
    partial = project / "a.txt.partial"
    with subprocess.Popen(slow, cwd=project, stderr=subprocess.PIPE, text=True) as run:
        while not partial.exists() or partial.read_bytes().count(b"\n") < 5:
            time.sleep(0.01)
        second = subprocess.run(quick, cwd=project, capture_output=True, text=True, check=False)
        assert second.returncode == 2 and "Another run is writing this file" in second.stderr
        run.send_signal(signal.SIGINT)
        assert run.stderr is not None
        err = run.stderr.read()
    assert run.returncode == 130
    assert "a.txt.partial" in err and "Traceback" not in err
    assert not (project / "a.txt").exists()
    with partial.open("a") as stream:
        stream.write('{"number": 999, "ans')  # the power went in the middle of a line
    lines[0] = "changed"
    (project / "p.txt").write_text("\n".join(lines))
    done = subprocess.run(quick, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "answers of an earlier run" in done.stderr
    assert (project / "a.txt").read_text() == "\n".join(lines).upper() + "\n"
    assert sorted(path.name for path in project.iterdir()) == ["a.txt", "p.txt", "project.yaml"]


def test_only_what_is_missing_is_answered_again(use, project: Path, capsys) -> None:
    (project / "p.txt").write_text("\n".join(f"{n:02} {'x' * (n // 10)}" for n in range(30)))
    words = ["infer", "--input", "p.txt", "--output", "a.jsonl"]
    use(CHAT, interrupt_after=4)
    assert main(VERBS, words) == 130
    form = use(CHAT)
    assert main(VERBS, words) == 0
    assert 0 < len(form.samplings) < 30
    assert [row["number"] for row in rows((project / "a.jsonl").read_text())] == [*range(1, 31)]
    (project / "a.jsonl").unlink()
    use(CHAT, interrupt_after=4)
    assert main(VERBS, words) == 130
    form = use(CHAT)
    others = [*words, "--max-tokens", "1"]
    before = (project / "a.jsonl.partial").read_bytes()
    assert main(VERBS, others) == 2
    assert "answers of other settings" in capsys.readouterr().err
    assert (project / "a.jsonl.partial").read_bytes() == before
    assert main(VERBS, [*others, "--overwrite"]) == 0
    assert len(form.samplings) == 30
    assert {row["answer"] for row in rows((project / "a.jsonl").read_text())} == set("012")


def test_a_reader_that_has_enough_ends_it_quietly(project: Path) -> None:
    (project / "p.txt").write_text("one\n" * 2000)
    words = [*program("CHAT", pause=0.001), "infer", "--input", "p.txt"]
    with subprocess.Popen(
        words, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert run.stdout.readline() == "ONE\n"
        run.stdout.close()
        err = run.stderr.read()
    assert run.returncode == 1
    assert "Traceback" not in err and "BrokenPipe" not in err


def test_what_was_answered_is_seen_before_the_rest_is(use, capsys) -> None:
    use(CHAT, interrupt_after=4)
    assert main(VERBS, ["infer", "the", "two", "three", "a", "--temperature", "1"]) == 130
    out, err = capsys.readouterr()
    assert out == "THE\nTWO\n" and "after 2 answers" in err


def test_settings_reach_every_answer(use, capsys) -> None:
    form = use(CHAT)
    words = ["infer", "one", "two", "--temperature", "0.5", "--seed", "3", "--stop", "W"]
    assert main(VERBS, [*words, "--system", "S"]) == 0
    assert capsys.readouterr().out == "ONE\nT\n"
    assert {(one.temperature, one.seed) for one in form.samplings} == {(0.5, 3)}
    assert [m["content"] for m in form.asked[-1]] == ["S", "two"]
    assert main(VERBS, ["infer", "one", "two", "--stop", "W", "--json"]) == 0
    found = rows(capsys.readouterr().out)
    assert [(row["answer"], row["finish"], row["answer_tokens"]) for row in found] == [
        ("ONE", "stop", 3),
        ("T", "stop", 2),
    ]


def test_a_bar_in_a_terminal(project: Path) -> None:
    from tests.support.terminal import Terminal

    (project / "p.txt").write_text("one\n" * 60 + "<|end|>\n")
    words = [*program("QA", pause=0.002), "infer", "--input", "p.txt", "--output", "a.txt"]
    with Terminal(words, project) as terminal:
        terminal.hear("answering")
        terminal.hear("/61")
        terminal.hear("p.txt:61")
        terminal.hear("60 of 61 prompts answered")
        assert terminal.wait() == 1


def test_a_thousand_prompts_are_answered_as_each_alone(
    tiny_project: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tiny_project)
    phrases = [row["phrase"] for row in rows(Path("datasets/train.jsonl").read_text())]
    texts = (phrases * 3)[:1000]
    texts[700] = "word " * 2000
    file, output = tmp_path / "p.txt", tmp_path / "a.jsonl"
    file.write_text("\n".join(texts))
    assert main(VERBS, ["infer", "--input", str(file), "--output", str(output)]) == 1
    found = rows(output.read_text())
    assert [row["number"] for row in found] == [*range(1, 1001)]
    assert "error" in found[700] and f"{file}:701" in capsys.readouterr().err
    with open_form("onnx", find_project()) as form:
        for number in (*range(0, 700, 20), 999):
            answer = Answer(form, [{"role": "user", "content": texts[number]}], AnswerSettings())
            assert "".join(answer) == found[number]["answer"]
            assert answer.tokens == found[number]["answer_tokens"]
        hot = AnswerSettings(temperature=1.5, seed=5, max_tokens=12)
        turns = [{"role": "user", "content": texts[0]}]
        assert len({"".join(Answer(form, turns, hot)) for _ in range(3)}) == 1


def test_the_torch_forms_sample_too(tiny_project: Path) -> None:
    turns = [{"role": "user", "content": "It rained, and the lake lay still."}]
    with open_form("merged", find_project(tiny_project)) as form:
        for seed in (1, 2):
            hot = AnswerSettings(temperature=2.0, seed=seed, max_tokens=12)
            assert len({"".join(Answer(form, turns, hot)) for _ in range(2)}) == 1
        free = AnswerSettings(temperature=2.0, max_tokens=12)
        assert len({"".join(Answer(form, turns, free)) for _ in range(6)}) > 1
