"""A new stage is one object in the graph: it is run, skipped, reported, tracked and checked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.datasets.prepared_rows import TRAIN, Prepared
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.events import StageEnded
from phi3scaffold.pipeline.stage import Context, Facts, Inputs, Stage, Tracking
from phi3scaffold.project.settings import load_project
from phi3scaffold.reporting.tracking.measurements import measure
from phi3scaffold.stages.graph import STAGES
from phi3scaffold.targets.azureml.fetch import always_fetched
from tests.checks.lint.helpers import one

WORDS = "words.txt"


def count_words(context: Context) -> Facts:
    """Write the words of the training rows."""
    rows = Prepared(context.upstream("data"), TRAIN)
    turns = (turn for index in range(len(rows)) for turn in rows.conversation(index).messages)
    words = sorted({word for turn in turns for word in turn["content"].split()})
    (context.scratch / "unsorted").write_text("what is here goes")
    (context.out / WORDS).write_text("\n".join(words), encoding="utf-8")
    return {"words": len(words)}


STAGE = Stage(
    name="vocabulary",
    title="counting the words",
    folder=lambda project: project.gen / "vocabulary",
    inputs=lambda project: Inputs(settings={"split": "whitespace"}),
    run=count_words,
    after=("data",),
    summary=lambda facts: f"{facts['words']} words",
    tracking=Tracking(metrics=lambda facts: facts, files=(WORDS,)),
)


@pytest.fixture
def project(tiny_project: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the trained project, and a graph with the stage in it."""
    known = dict(STAGES)
    last = STAGES.popitem()[1]
    STAGES.update({STAGE.name: STAGE, last.name: last})
    try:
        yield Path(shutil.copytree(tiny_project, tmp_path / "proj", symlinks=True))
    finally:
        STAGES.clear()
        STAGES.update(known)


def test_one_object_is_a_stage(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # it runs, as its title says, and the report after it; what else there is stays
    assert main(VERBS, ["run", "--project", str(project)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "vocabulary: counting the words" in lines
    assert {"finetune: up to date", "evaluate: up to date"} <= {*lines}
    folder = project / "gen-model" / STAGE.name
    record = manifest.read(folder)
    assert record is not None and [*record.files] == [WORDS]
    count = record.facts["words"]
    assert count == len((folder / WORDS).read_text(encoding="utf-8").splitlines()) > 100

    # the line at its end, and its line of the summary
    (ended,) = [line for line in lines if line.startswith("vocabulary: done in")]
    assert ended.endswith(f"{count} words")
    (summary,) = [line for line in lines if line.startswith("  vocabulary ")]
    assert summary.endswith(f"{count} words")

    # the page says how long it took, and a hash of what it wrote
    page = (project / "gen-model" / "report" / "index.html").read_text(encoding="utf-8")
    assert page.count(STAGE.name) >= 2 and record.content in page.replace("\u200b", "")

    # a second run skips it
    assert main(VERBS, ["run", "--project", str(project)]) == 0
    assert "vocabulary: up to date" in capsys.readouterr().out

    # MLflow would be told of it, and a job in the cloud hands it over
    here = load_project(project)
    event = StageEnded(STAGE.name, record.facts, seconds=0.5, peak_bytes=2**20)
    tracked = measure(event, STAGES[STAGE.name], here)
    assert tracked.metrics == {
        "vocabulary/words": count,
        "vocabulary/seconds": 0.5,
        "vocabulary/peak_MiB": 1.0,
    }
    assert tracked.files == (str(folder / WORDS),)
    assert STAGE.name in always_fetched(here)

    # lint sees that its file is not the one that it wrote
    (folder / WORDS).write_text("other words")
    finding = one(project, "manifests")
    assert finding.where == f"gen-model/{STAGE.name}/{WORDS}"
    assert main(VERBS, ["run", "--project", str(project)]) == 0
    assert "making it again" in capsys.readouterr().out
    assert manifest.read(folder) is not None
