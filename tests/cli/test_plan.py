"""`phi3scaffold plan`: one screen, or JSON; a run is refused where memory cannot hold it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.cli.ui import plan_screen
from phi3scaffold.project.settings import load_project
from phi3scaffold.search.calibration import CACHE
from phi3scaffold.search.forecast import Forecast, StageForecast
from tests.conftest import command

GIB = 2**30
MODEL = ("--model", "tiny", "--task", "classify", "--algo", "lora", "--target", "cpu")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that nothing was run in. Read only."""
    folder = tmp_path_factory.mktemp("planned")
    command("new", "proj", *MODEL, "--no-git", cwd=folder)
    return folder / "proj"


@pytest.fixture(autouse=True)
def unmeasured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test measures this machine but the one that does."""
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    monkeypatch.setattr("phi3scaffold.search.calibration._measure", lambda recipe: None)


def words(project: Path, *more: str) -> list[str]:
    return ["plan", "--project", str(project), *more]


def test_a_plan_is_one_screen_of_eighty_columns_and_writes_nothing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(project.rglob("*"))
    assert main(VERBS, words(project)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 20
    assert max(map(len, lines)) <= 80
    assert any(line.split()[:1] == ["finetune"] for line in lines)
    assert any(line.startswith("in all") and "iB peak" in line for line in lines)
    assert sorted(project.rglob("*")) == before


def test_the_plan_of_a_run_that_is_done_says_so(
    tiny_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(VERBS, words(tiny_project)) == 0
    assert capsys.readouterr().out == "Everything is up to date: a run takes no time.\n"


def test_json_has_the_stages_and_the_cost_of_a_price(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(VERBS, words(project, "--json", "--price", "2")) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cost"] == pytest.approx(found["seconds"] / 3600 * 2)
    assert found["low"] < found["seconds"] < found["high"]
    assert {"name", "seconds", "memory", "disk", "steps", "tokens"} <= set(found["stages"][0])


def test_a_run_that_memory_cannot_hold_is_refused_before_it_starts(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("phi3scaffold.pipeline.machine.memory", lambda: (10**8, 10**8, 0))
    for verb in ("plan", "run"):
        assert main(VERBS, [verb, "--project", str(project)]) == 2
        assert "memory cannot hold the run" in capsys.readouterr().err
    assert not (project / "gen-model" / "data").exists()


def test_a_dry_run_is_the_plan(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(VERBS, ["run", "--dry-run", "--project", str(project)]) == 0
    assert "in all" in capsys.readouterr().out


def test_at_a_terminal_a_run_of_more_than_ten_minutes_is_confirmed(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    long = Forecast((StageForecast("finetune", "", False, 700, 600, 900),), True, 0.0)
    monkeypatch.setattr("phi3scaffold.search.forecast.forecast", lambda *_, **__: long)
    ran: list[str] = []
    monkeypatch.setattr("phi3scaffold.cli.stage.run", lambda args: ran.append(args.verb) or 0)
    asked: list[str] = []

    def answer(question: str, text: str = "n") -> str:
        asked.append(question)
        return text

    monkeypatch.setattr("builtins.input", answer)
    typed = ["run", "--project", str(project)]
    main(VERBS, typed)  # no terminal: nobody to ask
    assert (ran, asked) == (["run"], [])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    main(VERBS, typed)
    assert len(ran) == 1
    assert "12 min" in asked[0]
    main(VERBS, [*typed, "--yes"])
    assert len(ran) == 2
    assert len(asked) == 1


def test_the_screen_names_cost_download_and_a_busy_machine() -> None:
    stage = StageForecast(
        "finetune", "training", False, 3600, 1800, 7200, 4 * GIB, 10**9, 2 * 10**9, 300, 1e6
    )
    text = "\n".join(plan_screen.lines(Forecast((stage,), True, 1.5), price=3.0))
    assert "1 h" in text
    assert "300 steps, 1,000,000 tokens" in text
    assert "download: 2.00 GB" in text
    assert "cost: 3.00 (1.50 to 6.00)" in text
    assert "2.5 times" in text
    remote = plan_screen.lines(Forecast((stage,), False, 0.0, is_remote=True))
    assert any("was not measured" in line for line in remote)


def test_planning_imports_no_torch(project: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from phi3scaffold.project.settings import load_project\n"
        "from phi3scaffold.search.forecast import forecast\n"
        "from phi3scaffold.stages.graph import STAGES, up_to\n"
        f"forecast(load_project(Path({str(project)!r})), up_to(), STAGES, measure=False)\n"
        "print([name for name in ('torch', 'transformers', 'olive') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr


def test_the_measured_machine_is_that_of_the_project(project: Path, tmp_path: Path) -> None:
    """The child itself, with tiny: seconds."""
    from phi3scaffold.datasets.token_counts import token_counts
    from phi3scaffold.models.base_model import base_shape
    from phi3scaffold.search import calibrate, calibration

    loaded = load_project(project)
    recipe = calibration._recipe(loaded, base_shape(loaded), token_counts(loaded).sample)
    assert recipe is not None
    found = calibrate.measure(recipe, seconds=2.0)
    assert found.trained.seconds(1, 512, 64) > found.read.seconds(1, 512, 64) > 0
    assert min(found.start, found.gflops, found.disk, found.tokenizer, found.slowness) > 0
