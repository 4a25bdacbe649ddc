"""Which columns ask and which answers: by their names, and where the names say nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phi3scaffold.datasets.detection.detector import guess

from .conftest import different

TEXT, FLAG, GRADE = "text", ("yes", "no"), ("1", "2", "3")

# columns -> the task, the user's turn, the answer
TABLES = [
    ("two texts of other names", {"english": TEXT, "german": TEXT}, "qa", "{english}", "{german}"),
    ("the answer first", {"summary": TEXT, "dialogue": TEXT}, "qa", "{dialogue}", "{summary}"),
    ("names in the plural", {"Questions": TEXT, "Answers": TEXT}, "qa", "{Questions}", "{Answers}"),
    ("a role beside them", {"message_1": TEXT, "message_2": TEXT, "role": ("chemist",)}, "qa",
     "{message_1}", "{message_2}"),
    ("what belongs to the question, before it", {"passage": TEXT, "question": TEXT, "answer": TEXT},
     "qa", "{passage}\n{question}", "{answer}"),
    ("what belongs to the question, behind it", {"question": TEXT, "context": TEXT, "answer": TEXT},
     "qa", "{question}\n{context}", "{answer}"),
    ("an instruction, whatever the order", {"input": TEXT, "output": TEXT, "instruction": TEXT},
     "qa", "{instruction}\n{input}", "{output}"),
    ("a ticket and its answer", {"subject": TEXT, "body": TEXT, "answer": TEXT, "type": FLAG},
     "qa", "{subject}\n{body}", "{answer}"),
    ("a generation", {"prompt": TEXT, "generation": TEXT}, "qa", "{prompt}", "{generation}"),
    ("two texts and a label", {"premise": TEXT, "hypothesis": TEXT, "label": FLAG}, "classify",
     "{premise}\n{hypothesis}\nLabel:", "{label}"),
    ("a summary and a grade", {"Summary": TEXT, "Text": TEXT, "Score": GRADE}, "classify",
     "{Summary}\n{Text}\nScore:", "{Score}"),
    ("other answers beside the right one",
     {"Question": TEXT, "Best Answer": TEXT, "Incorrect Answers": TEXT}, "qa", "{Question}",
     "{Best Answer}"),
    ("an explanation of the label", {"text": TEXT, "explanation": TEXT, "label": FLAG}, "classify",
     "{text}\nLabel:", "{label}"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "columns", "task", "user", "answer"), TABLES, ids=[row[0] for row in TABLES]
)
def test_columns(
    name: str,
    columns: dict[str, str | tuple[str, ...]],
    task: str,
    user: str,
    answer: str,
    tmp_path: Path,
) -> None:
    texts = iter(different(400))
    lines = [
        {
            column: next(texts) if values == TEXT else values[number % len(values)]
            for column, values in columns.items()
        }
        for number in range(60)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    found = guess([path])
    assert (found.task, found.user, found.assistant) == (task, user, answer)
