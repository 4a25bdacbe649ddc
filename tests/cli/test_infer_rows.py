"""`infer --input tickets.csv --output answered.csv`: the same rows, with their answers."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import time
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from tests.support.echo import CHAT, TWO, program


def infer(source: str, target: str) -> int:
    return main(VERBS, ["infer", "--input", source, "--output", target])


@pytest.mark.parametrize(
    ("codec", "text", "answered"),
    [
        ("utf-8", "message,id\none,1\n", "message,id,answer\none,1,ONE\n"),
        ("utf-8", "id;message\r\n1;a,b\r\n", "id;message;answer\r\n1;a,b;A,B\r\n"),
        ("utf-8-sig", 'message,"id"\n"a ""b""",1', 'message,"id",answer\n"a ""b""",1,"A ""B"""\n'),
        ("utf-16", "message\tid\nünf\t1\n", "message\tid\tanswer\nünf\t1\tÜNF\n"),
        ("cp1252", "message;id\nfür Größe, 5 €;1\nübrig;2\n" * 1, None),
        ("utf-8", "sep=;\nmessage;id\none;1\n\ntwo;2\n",
         "sep=;\nmessage;id;answer\none;1;ONE\n\ntwo;2;TWO\n"),
        ("utf-8", "message, id\none, 1\n", "message, id, answer\none, 1, ONE\n"),
        ("utf-8", 'message,id\n"two\nlines",1\n',
         'message,id,answer\n"two\nlines",1,"TWO\nLINES"\n'),
        ("utf-8", "message,answer\none,x\n", "message,answer,model_answer\none,x,ONE\n"),
    ],
)  # fmt: skip
def test_a_table_keeps_its_text(codec, text, answered, use, project: Path) -> None:
    use(CHAT)
    suffix = "tsv" if "\t" in text else "csv"
    (project / f"in.{suffix}").write_bytes(text.encode(codec))
    assert infer(f"in.{suffix}", f"out.{suffix}") == 0
    if answered is None:
        answered = "message;id;answer\nfür Größe, 5 €;1;FÜR GRÖSSE, 5 €\nübrig;2;ÜBRIG\n"
    assert (project / f"out.{suffix}").read_bytes() == answered.encode(codec)


def test_an_answer_is_no_formula(use, project: Path) -> None:
    """The user's own columns stay as they are; a number is one."""
    use(CHAT)
    texts = ["=hyperlink(1)", "@sum(a1)", "- item", "+x", "-5", "+3.5 %", "a=b"]
    (project / "in.csv").write_text("message\n" + "".join(f"{text}\n" for text in texts))
    assert infer("in.csv", "out.csv") == 0
    with (project / "out.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [row["message"] for row in rows] == texts
    assert [row["answer"] for row in rows] == [
        "'=HYPERLINK(1)", "'@SUM(A1)", "'- ITEM", "'+X", "-5", "+3.5 %", "A=B",
    ]  # fmt: skip


def test_answers_do_not_follow_a_link(use, project: Path, tmp_path: Path) -> None:
    use(CHAT)
    mine = tmp_path / "mine"
    mine.write_text("dear\n")
    (project / "in.csv").write_text("message\none\n")
    (project / "out.csv.partial").symlink_to(mine)
    assert infer("in.csv", "out.csv") == 2
    assert mine.read_text() == "dear\n"
    assert not (project / "out.csv").exists()


def test_letters_that_the_encoding_lacks_make_it_utf_8(use, project: Path) -> None:
    use(CHAT)
    text = "message;id\nMuß das für Größe sein?;1\nµ übrig, schön;2\n"
    (project / "in.csv").write_bytes(text.encode("cp1252"))
    assert infer("in.csv", "out.csv") == 0
    rows = list(
        csv.DictReader(io.StringIO((project / "out.csv").read_text("utf-8-sig")), delimiter=";")
    )
    assert rows[1]["answer"] == "µ übrig, schön".upper() and rows[1]["message"] == "µ übrig, schön"


def test_a_row_that_cannot_be_answered_stays_in_its_place(use, project: Path) -> None:
    use(CHAT)
    (project / "in.csv").write_text("message,id\none,1\n<|end|>,2\nthree\nfour,4\n")
    assert infer("in.csv", "out.csv") == 1
    found = list(csv.DictReader((project / "out.csv").open()))
    assert [row["message"] for row in found] == ["one", "<|end|>", "three", "four"]
    assert [row["answer"] for row in found] == ["ONE", "", "", "FOUR"]
    assert [bool(row["error"]) for row in found] == [False, True, True, False]
    (project / "in.jsonl").write_text('{"message": "one", "n": 1.50}\nno json\n{"message": "b"}\n')
    assert infer("in.jsonl", "out.jsonl") == 1
    lines = (project / "out.jsonl").read_text().splitlines()
    assert lines[0] == '{"message": "one", "n": 1.50, "answer": "ONE", "error": null}'
    assert json.loads(lines[1])["answer"] is None and json.loads(lines[2])["answer"] == "B"


def test_parquet_keeps_its_types(use, project: Path) -> None:
    use(CHAT)
    schema = pa.schema([("message", pa.large_string()), ("n", pa.int16())], {b"k": b"v"})
    pq.write_table(pa.table({"message": ["one", "two"], "n": [1, None]}, schema), "in.parquet")
    assert infer("in.parquet", "out.parquet") == 0
    found = pq.read_table("out.parquet")
    assert found.column_names == ["message", "n", "answer"]
    assert found.schema.field("n").type == pa.int16() and found.schema.metadata[b"k"] == b"v"
    assert found["answer"].to_pylist() == ["ONE", "TWO"]


def test_a_workbook_keeps_its_sheets(use, project: Path) -> None:
    use(CHAT)
    book = openpyxl.Workbook()
    page = book.active
    for row in (["Tickets"], ["message", "id"], ["one", 1], [None, None], ["=x", 2]):
        page.append(row)
    page["A5"].data_type = "s"
    page["A3"].font = openpyxl.styles.Font(bold=True)
    book.create_sheet("other")["A1"] = 7
    book.save("in.xlsx")
    assert infer("in.xlsx", "out.xlsx") == 0
    found = openpyxl.load_workbook("out.xlsx")
    assert found.sheetnames == [page.title, "other"] and found["other"]["A1"].value == 7
    sheet = found[page.title]
    assert [cell.value for cell in sheet["C"]] == [None, "answer", "ONE", None, "=X"]
    assert sheet["C5"].data_type == "s" and sheet["A3"].font.bold


def test_another_format_and_json_are_records(use, project: Path, capsys) -> None:
    use(CHAT)
    (project / "in.csv").write_text("message,id\none,1\n")
    assert infer("in.csv", "out.jsonl") == 0
    assert json.loads((project / "out.jsonl").read_text())["messages"]
    assert infer("in.csv", "out.xlsx") == 2
    assert "the ending of --input" in capsys.readouterr().err
    assert not (project / "out.xlsx").exists()


def test_several_columns(use, project: Path) -> None:
    use(TWO)
    (project / "in.csv").write_text("b;a;note\n1;x;n\n")
    assert infer("in.csv", "out.csv") == 0
    assert (project / "out.csv").read_text() == "b;a;note;answer\n1;x;n;X-1\n"


def test_a_killed_run_leaves_nothing_under_the_final_name(project: Path) -> None:
    (project / "in.csv").write_text("message\n" + "".join(f"line {n}\n" for n in range(60)))
    words = ["infer", "--input", "in.csv", "--output", "out.csv"]
    partial = project / "out.csv.partial"
    with subprocess.Popen([*program("CHAT", pause=0.02), *words], cwd=project) as run:
        while not partial.exists() or partial.read_bytes().count(b"\n") < 5:
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
    assert not (project / "out.csv").exists()
    done = subprocess.run([*program("CHAT"), *words], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0 and "answers of an earlier run" in done.stderr
    assert (project / "out.csv").read_text().splitlines()[1] == "line 0,LINE 0"
    assert not partial.exists()
