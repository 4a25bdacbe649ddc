"""The comparison of a trained project's forms, and model folders that came from elsewhere."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest

from tests.conftest import command

FORMS = ("base", "adapter", "merged", "onnx")
NUMBERS = {
    "accuracy", "accuracy_interval", "macro_f1", "confusion", "invalid", "likelihood_accuracy",
    "perplexity", "truncated_answers", "same_answer", "mcnemar_p", "other_prompt",
    "first_token_seconds", "tokens_per_second", "peak_bytes", "disk_bytes",
}  # fmt: skip
COMPARED = {"agreement", "kl_divergence", "max_logit_difference", "compared"}


@pytest.fixture(scope="module")
def metrics(tiny_project: Path) -> dict:
    return json.loads((tiny_project / "gen-model" / "evaluation" / "metrics.json").read_text())


def test_it_says_when_and_where(metrics: dict) -> None:
    assert date.fromisoformat(metrics["measured"]) <= date.today()
    assert platform.machine() in metrics["machine"] and "cores" in metrics["machine"]


def test_every_form_has_every_number(metrics: dict) -> None:
    assert tuple(metrics["forms"]) == FORMS
    for name, form in metrics["forms"].items():
        assert set(form) >= NUMBERS | (COMPARED if name != "adapter" else set())
        assert sum(map(sum, form["confusion"])) == form.get("rows", metrics["rows"])
        assert 50e6 < form["peak_bytes"] < 3e9
    assert metrics["forms"]["adapter"]["disk_bytes"] > metrics["forms"]["base"]["disk_bytes"]


def test_what_ships_is_small_and_quick(metrics: dict) -> None:
    """An ONNX form that had torch in its process would not be measured as it is used."""
    onnx, merged = metrics["forms"]["onnx"], metrics["forms"]["merged"]
    assert onnx["peak_bytes"] < 0.6 * merged["peak_bytes"]
    assert onnx["disk_bytes"] < merged["disk_bytes"]
    assert onnx["tokens_per_second"] > merged["tokens_per_second"]


def test_the_baselines_show_what_the_model_is_worth(metrics: dict) -> None:
    majority, linear = metrics["baselines"]["majority"], metrics["baselines"]["tfidf"]
    assert majority["accuracy"] == pytest.approx(0.25, abs=0.01)
    assert majority["accuracy"] < linear["accuracy"] < 0.85
    assert metrics["forms"]["onnx"]["accuracy"] > linear["accuracy"]


def test_likelihood_agrees_with_free_answers(metrics: dict) -> None:
    for name in ("adapter", "merged", "onnx"):
        form = metrics["forms"][name]
        assert form["likelihood_accuracy"] == pytest.approx(form["accuracy"], abs=0.03)
    assert metrics["forms"]["base"]["likelihood_accuracy"] < 0.5


def test_answers_stand_row_by_row(tiny_project: Path, metrics: dict) -> None:
    path = tiny_project / "gen-model" / "evaluation" / "answers.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == metrics["rows"]
    for form in FORMS:
        measured = [row for row in rows if form in row]  # few rows may be enough for the base
        assert len(measured) == (metrics["forms"][form].get("rows", len(rows)))
        right = sum(row[form] == row["expected"] for row in measured)
        assert right / len(measured) == pytest.approx(metrics["forms"][form]["accuracy"])


def test_a_release_names_the_model_it_is_for(tiny_project: Path) -> None:
    release = json.loads((tiny_project / "gen-model" / "release" / "release.json").read_text())
    assert release["released"]
    assert release["demonstration"]


@pytest.fixture(scope="module")
def elsewhere(tiny_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's forms, copied out of it."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for form in ("onnx", "merged", "adapter"):
        shutil.copytree(tiny_project / "gen-model" / form, folder / form)
    return folder


@pytest.mark.parametrize("form", ["onnx", "merged", "adapter"])
def test_a_folder_from_elsewhere_is_measured(
    form: str, elsewhere: Path, tiny_project: Path, metrics: dict
) -> None:
    before = (tiny_project / "gen-model" / "evaluation" / "manifest.json").read_bytes()
    done = command("evaluate", "--model", str(elsewhere / form), "--json", cwd=tiny_project)
    found = json.loads(done.stdout)["forms"]
    assert found[form]["accuracy"] == metrics["forms"][form]["accuracy"]
    assert found[form]["perplexity"] == pytest.approx(
        metrics["forms"][form]["perplexity"], rel=1e-3
    )
    assert (tiny_project / "gen-model" / "evaluation" / "manifest.json").read_bytes() == before


def test_a_folder_without_prompt_or_manifest_is_asked_as_the_project_asks(
    elsewhere: Path, tiny_project: Path, tmp_path: Path, metrics: dict
) -> None:
    bare = Path(shutil.copytree(elsewhere / "onnx", tmp_path / "bare"))
    (bare / "prompt.json").unlink()
    (bare / "manifest.json").unlink()
    done = command("evaluate", "--model", str(bare), cwd=tiny_project)
    assert f"{metrics['forms']['onnx']['accuracy']:.1%}" in done.stdout


def changed(folder: Path) -> None:
    data = bytearray((folder / "model.onnx.data").read_bytes())
    data[1000] ^= 1
    (folder / "model.onnx.data").write_bytes(data)


def half_written(folder: Path) -> None:
    data = (folder / "model.onnx.data").read_bytes()
    (folder / "model.onnx.data").write_bytes(data[: len(data) // 2])


def a_file_short(folder: Path) -> None:
    (folder / "model.onnx.data").unlink()


def half_written_without_a_manifest(folder: Path) -> None:
    half_written(folder)
    (folder / "manifest.json").unlink()


def another_tokenizer(folder: Path) -> None:
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = content["model"]["vocab"]
    one, two = list(vocabulary)[300:302]
    vocabulary[one], vocabulary[two] = vocabulary[two], vocabulary[one]
    path.write_text(json.dumps(content), encoding="utf-8")
    (folder / "manifest.json").unlink()


def nothing(folder: Path) -> None:
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("harm", "code", "message"),
    [
        (changed, 1, "model.onnx.data has changed"),
        (half_written, 1, "model.onnx.data has changed"),
        (a_file_short, 1, "model.onnx.data is missing"),
        (half_written_without_a_manifest, 1, "are cut short"),
        (another_tokenizer, 2, "another tokenizer"),
        (nothing, 2, "no such folder"),
    ],
)
def test_a_bad_folder_is_a_message(
    harm, code: int, message: str, elsewhere: Path, tiny_project: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(elsewhere / "onnx", tmp_path / "onnx"))
    harm(folder)
    done = command("evaluate", "--model", str(folder), cwd=tiny_project, check=False)
    assert done.returncode == code, done.stderr
    assert message in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("harm", "message"),
    [(half_written, "has another size than when it was made"), (a_file_short, "is missing")],
)
def test_a_form_that_is_not_whole_does_not_answer(
    harm, message: str, tiny_project: Path, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(tiny_project, tmp_path / "proj", symlinks=True))
    harm(project / "gen-model" / "onnx")
    done = command("infer", "Hello", cwd=project, check=False)
    assert done.returncode == 1
    assert message in done.stderr and "phi3scaffold export" in done.stderr


def test_a_base_is_quantized_without_fine_tuning(tiny_project: Path, tmp_path: Path) -> None:
    """From a project where nothing was trained yet."""
    project = tmp_path / "proj"
    kept = shutil.ignore_patterns("gen-model", "model-cache")
    shutil.copytree(tiny_project, project, symlinks=True, ignore=kept)
    command("export", "--base", cwd=project)
    assert sorted(path.name for path in (project / "gen-model").glob("[a-z]*")) == [
        "logs",
        "onnx-base",
    ]
    done = command("infer", "--form", "onnx-base", "--max-new-tokens", "8", "Hello", cwd=project)
    assert done.stdout.strip()
    told = command("evaluate", "--model", "gen-model/onnx-base", "--json", cwd=project)
    form = json.loads(told.stdout)["forms"]["onnx"]
    assert form["accuracy"] < 0.35
    assert form["perplexity"] > 100


def test_a_slow_model_is_looked_at_four_times(tiny_project: Path, tmp_path: Path) -> None:
    """So few rows decide nothing before the last look; each answer is that among all rows."""
    root = tmp_path / "proj"
    shutil.copytree(tiny_project, root)
    command("set", "evaluate.minutes=1e-6", cwd=root)
    done = command("evaluate", cwd=root, check=False)
    told = done.stdout + done.stderr
    assert "8 rows do not decide: look 2 of 4" in told
    folder = root / "gen-model" / "evaluation"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["looks"], metrics["look"], metrics["rows"]) == ([8, 16, 24, 32], 4, 32)
    assert metrics["forms"]["onnx"]["estimates"]["kl"]["confidence"] == pytest.approx(
        0.956, abs=1e-3
    )
    rows = [json.loads(line) for line in (folder / "answers.jsonl").open()]
    before = (tiny_project / "gen-model" / "evaluation" / "answers.jsonl").open()
    whole = {row["place"]: row for row in map(json.loads, before)}
    assert len(rows) == 32 and all(row.items() <= whole[row["place"]].items() for row in rows
                                   if "base" in whole[row["place"]])  # fmt: skip
    release = json.loads((root / "gen-model" / "release" / "release.json").read_text())
    assert any(remark.startswith("Look 4 of 4") for remark in release["remarks"])


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="there are no process groups here")
def test_a_form_that_was_measured_is_kept_when_the_run_is_killed(
    tiny_project: Path, tmp_path: Path
) -> None:
    root = tmp_path / "proj"
    shutil.copytree(tiny_project, root)
    shutil.rmtree(root / "gen-model" / "evaluation")
    partial = root / "gen-model" / ".evaluation-partial"
    run = subprocess.Popen(
        [sys.executable, "-P", "-m", "phi3scaffold", "evaluate"],
        cwd=root,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not list(partial.glob("*/base-64.json")):
        assert run.poll() is None
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    kept = {path.name: path.stat().st_mtime_ns for path in partial.glob("*/*.json")}
    assert {"adapter.json", "base-64.json"} <= set(kept)
    again = command("evaluate", cwd=root)
    for form in ("adapter", "base"):
        assert f"evaluate: {form} was measured by an earlier run" in again.stdout + again.stderr
    assert "onnx was measured" not in again.stdout + again.stderr
    assert not list(partial.glob("*"))
    before, after = (
        json.loads((project / "gen-model" / "evaluation" / "metrics.json").read_text())["forms"]
        for project in (tiny_project, root)
    )
    for form in FORMS:
        for number in ("accuracy", "likelihood_accuracy", "same_answer", "compared"):
            assert before[form].get(number) == after[form].get(number)
        assert before[form]["perplexity"] == pytest.approx(after[form]["perplexity"], rel=1e-4)
