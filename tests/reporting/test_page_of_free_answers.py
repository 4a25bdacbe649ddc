"""The report page of a project whose answers are no labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from phi3scaffold.reporting.run_record import RunRecord
from tests.reporting.conftest import with_free_answers
from tests.reporting.test_page import cells, written


@pytest.mark.parametrize("task", ["qa", "chat"])
def test_free_answers_have_rouge_and_no_labels(task: str, made: RunRecord, tmp_path: Path) -> None:
    found = written(with_free_answers(made, task), tmp_path)
    text = found.text("body")
    assert "ROUGE-L" in text and "70.0%" in text and "exact" in text
    assert "chrF" in text and "60.0%" in text
    _, alike, *_ = cells(found, "onnx")
    assert "0.4 (-1.2 to 2.1)" in alike
    assert not any("to 2.1" in cell for row in cells(found, "adapter") for cell in row)
    assert "Confusion matrix" not in text and "macro F1" not in text
    assert "Rows where all forms give the expected answer" in text
