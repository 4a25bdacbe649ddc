"""What a run will take: from the stages' own declarations, and the speed of a machine."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from phi3scaffold.pipeline.stage import Facts, Inputs, Passes, Resources, Stage, Work
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project, load_project
from phi3scaffold.search import calibration, forecast
from phi3scaffold.search.calibration import Calibration, Line
from phi3scaffold.stages.graph import STAGES, up_to
from tests.conftest import command

GIB = 2**30
SPEED = Calibration(
    trained=Line(0.1, 0.01, 0.001),
    read=Line(0.05, 0.005, 0.0005),
    step=0.02,
    start=3.0,
    gflops=400.0,
    disk=1e8,
    tokenizer=1e5,
)


@pytest.fixture(scope="module")
def fresh_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that nothing was run in. Read only."""
    folder = tmp_path_factory.mktemp("planned")
    words = ("--model", "tiny", "--task", "classify", "--algo", "lora", "--target", "cpu")
    command("new", "proj", *words, "--no-git", cwd=folder)
    return folder / "proj"


@pytest.fixture
def project(fresh_project: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The same on a quiet machine of a known speed."""
    monkeypatch.setattr(forecast, "calibration_of", lambda *_, **__: SPEED)
    monkeypatch.setattr("phi3scaffold.pipeline.machine.load", lambda: 0.0)
    return load_project(fresh_project)


def run(_context: object) -> Facts:
    return {}


def made_up(**resources: object) -> Stage:
    return Stage(
        name="polish",
        title="polishing",
        folder=lambda project: project.gen / "polish",
        inputs=lambda project: Inputs(),
        run=run,
        resources=Resources(**resources),  # type: ignore[arg-type]
    )


def test_a_made_up_stage_has_a_line_of_what_it_declares(project: Project) -> None:
    work = Work(trained=Passes(10, 1000, 100), starts=1.0, steps=10, tokens=5000)
    stage = made_up(
        memory=lambda *_: 3 * GIB,
        disk=lambda *_: int(2e8),
        seconds=lambda *_: 7.0,
        work=lambda *_: work,
    )
    found = forecast.forecast(project, ["polish"], {"polish": stage})
    [line] = found.stages
    # passes, tokens and logits; steps; libraries; a slow disk; and what it says itself
    assert line.seconds == pytest.approx(1 + 10 + 0.1 + 0.2 + 3 + (2 - 0.4) + 7)
    assert line.low < line.seconds < line.high
    assert (line.memory, line.disk, line.steps, line.tokens) == (3 * GIB, int(2e8), 10, 5000)


def test_every_stage_of_a_run_has_a_line(project: Project) -> None:
    found = forecast.forecast(project, up_to(), STAGES)
    assert [line.name for line in found.stages] == [
        name for name in up_to() if STAGES[name].wanted(project)
    ]
    low, high = found.interval
    assert low < found.seconds < high
    assert found.seconds == pytest.approx(sum(line.seconds for line in found.stages))
    training = found.of("finetune")
    assert training is not None
    assert training.steps > 100
    assert training.tokens > 1000 * 20


def test_what_is_up_to_date_takes_nothing(
    tiny_project: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = forecast.forecast(load_project(tiny_project), up_to(), STAGES)
    assert all(line.is_fresh for line in found.stages)
    assert found.seconds == 0


def test_the_estimated_rows_are_nearly_those_that_are_prepared(
    tiny_project: Path, project: Project
) -> None:
    from phi3scaffold.datasets.token_counts import token_counts

    estimated, exact = token_counts(project), token_counts(load_project(tiny_project))
    assert (estimated.is_exact, exact.is_exact) == (False, True)
    for name in ("train", "validation", "held_out", "tokens", "labels"):
        assert getattr(estimated, name) == pytest.approx(getattr(exact, name), rel=0.1), name


def test_more_rows_of_a_step_and_a_busy_machine_take_longer(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = forecast.forecast(project, up_to(), STAGES)
    monkeypatch.setattr("phi3scaffold.pipeline.machine.load", lambda: 1.0)
    busy = forecast.forecast(project, up_to(), STAGES)
    assert busy.seconds == pytest.approx(2 * quiet.seconds)
    assert busy.interval[0] < quiet.seconds  # others may end


def test_settings_that_are_no_numbers_are_a_mistake_of_the_project(
    project: Project, tmp_path: Path
) -> None:
    copied = replace(project, root=Path(shutil.copytree(project.root, tmp_path / "copy")))
    text = copied.olive_config.read_text(encoding="utf-8")
    wrong = re.sub(r'"num_train_epochs": \d+', '"num_train_epochs": "many"', text)
    assert wrong != text
    copied.olive_config.write_text(wrong, encoding="utf-8")
    with pytest.raises(ScaffoldError, match="cannot be planned"):
        forecast.forecast(copied, up_to(), STAGES)


def test_a_job_in_the_cloud_is_reckoned_by_its_own_machine(project: Project) -> None:
    here = forecast.forecast(project, up_to(), STAGES)
    slow, fast = (forecast.forecast(project, up_to(), STAGES, tflops=one) for one in (1, 300))
    assert slow.is_remote and not slow.is_measured and not here.is_remote
    assert fast.of("finetune").seconds < slow.of("finetune").seconds  # type: ignore[union-attr]
    assert slow.interval[1] > 1.5 * slow.seconds


def test_a_run_that_memory_cannot_hold_names_the_setting_that_makes_it_fit(
    project: Project,
) -> None:
    large = made_up(
        memory=lambda *_: 8 * GIB,
        lighter=lambda project, weights, most: "bits: 4" if most >= 2 * GIB else "",
    )
    stages = {"polish": large}
    found = forecast.forecast(project, ["polish"], stages)
    assert forecast.memory_error(found, project, stages, 8 * GIB) is None
    error = forecast.memory_error(found, project, stages, 4 * GIB)
    assert error is not None
    assert "polish takes about 8.0 GiB" in error.what
    assert error.fix == "bits: 4"
    smaller = forecast.memory_error(found, project, stages, GIB)
    assert smaller is not None
    assert "phi3scaffold models" in str(smaller.fix)


def test_qlora_is_what_makes_a_full_size_training_fit(project: Project, tmp_path: Path) -> None:
    full = replace(project, root=tmp_path, model_id="phi-3-mini-4k")
    resources = STAGES["finetune"].resources
    assert "QLoRA" in resources.lighter(full, int(7.6e9), 5 * GIB)
    assert resources.lighter(full, int(7.6e9), 2 * GIB) == ""


def test_a_measured_calibration_is_kept_for_the_next_plan(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(calibration.CACHE, str(tmp_path))
    calls = []

    def measured(recipe: dict[str, object]) -> Calibration:
        calls.append(recipe)
        return SPEED

    monkeypatch.setattr(calibration, "_measure", measured)
    from phi3scaffold.datasets.token_counts import token_counts

    sample = token_counts(project).sample
    assert not calibration.calibration_of(project, 10**6, sample).is_measured
    first = calibration.calibration_of(project, 10**6, sample, measure=True)
    again = calibration.calibration_of(project, 10**6, sample)
    assert first == again == SPEED
    assert len(calls) == 1
