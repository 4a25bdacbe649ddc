"""The Python interface, as README.md shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from phi3scaffold.api import LoadedModel, Project, ScaffoldError, load

README = Path(__file__).resolve().parents[1] / "README.md"
SMILE = "I could not stop smiling all day."


def test_the_lines_of_the_readme_run(
    tiny_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    pages = [tiny_project / "gen-model/report" / name for name in ("index.html", "manifest.json")]
    before = [page.stat().st_mtime_ns for page in pages]
    exec(lines[0].replace("my-proj", tiny_project.as_posix()), {})
    assert [page.stat().st_mtime_ns for page in pages] == before  # nothing was out of date
    plan, accuracy, answer = capsys.readouterr().out.splitlines()
    assert len(plan.split()) == 2 and 0.5 < float(accuracy) <= 1 and answer == "joy"


@pytest.fixture(scope="module")
def model(tiny_project: Path):
    with load(tiny_project / "gen-model" / "onnx") as found:
        yield found


def test_texts_are_classified_with_their_probability(model: LoadedModel) -> None:
    first, wrong, last = model.classify([SMILE, "a <|end|>", "She cried for hours."])
    assert first.answer == "joy" and first.probability and 0.3 < first.probability <= 1
    assert first.runner_up != "joy" and wrong.error and last.answer


def test_answers_come_in_pieces_and_by_columns(model: LoadedModel) -> None:
    assert "".join(model.stream(SMILE)) == model.answer(phrase=SMILE) == "joy"


def test_errors_are_ours(model: LoadedModel, tmp_path: Path) -> None:
    for wrong in (
        lambda: model.answer(nothing="x"),
        lambda: model.answer("x", phrase="y"),
        lambda: model.answer(""),
        lambda: load(tmp_path),
        lambda: load(tmp_path, form="gguf"),
        lambda: Project.open(tmp_path),
    ):
        with pytest.raises(ScaffoldError):
            wrong()
