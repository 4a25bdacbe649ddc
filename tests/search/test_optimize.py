"""`phi3scaffold optimize` on a trained project of the embedded model."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import command
from tests.support.settings import untracked_copy

ROWS = 40  # of the evaluation behind the search
OPTIMIZE = ("optimize", "--goal", "smallest", "--points", "3")


@dataclass(frozen=True)
class Searched:
    """A project whose search was killed behind its first point, and then came to its end.

    Attributes:
        before: its passes before the search.
        killed: the record as the killed one left it.
        reference: when the adapter's measurement was written.
        output: of the second one.
    """

    project: Path
    before: dict[str, Any]
    killed: dict[str, Any]
    reference: int
    output: str


@pytest.fixture(scope="module")
def searched(tiny_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """Read it; a test that changes something copies its project first."""
    project = untracked_copy(tiny_project, tmp_path_factory.mktemp("searched") / "proj")
    path = project / "project.yaml"
    path.write_text(re.sub(r"rows: auto", f"rows: {ROWS}", path.read_text()))
    before = passes_of(project)
    words = [sys.executable, "-P", "-m", "phi3scaffold", *OPTIMIZE]
    process = subprocess.Popen(
        words, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    file = project / "gen-model" / "search" / "search.json"
    ends = time.monotonic() + 900
    while not (file.is_file() and record_of(project)["points"]):
        assert process.poll() is None and time.monotonic() < ends
        time.sleep(0.2)
    process.kill()
    process.wait()
    killed, reference = record_of(project), reference_time(project)
    return Searched(project, before, killed, reference, command(*OPTIMIZE, cwd=project).stdout)


def reference_time(project: Path) -> int:
    return (project / "gen-model" / "search" / "adapter.json").stat().st_mtime_ns


def record_of(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project / "gen-model/search/search.json").read_text())
    return found


def passes_of(project: Path) -> dict[str, Any]:
    config = json.loads((project / "fine-tuning" / "olive-config.json").read_text())
    return dict(config["passes"])


def limit(project: Path, **limits: float) -> None:
    path = project / "project.yaml"
    text = path.read_text()
    for name, value in limits.items():
        text, count = re.subn(rf"(  {name}:) .*", rf"\1 {value}", text)
        assert count == 1
    path.write_text(text)


def test_the_smallest_model_within_the_limits_ships(searched: Searched) -> None:
    project = searched.project
    record = record_of(project)
    points = {one["key"]: one for one in record["points"]}
    winner, own = points[record["winner"]], points[record["own"]]
    assert record["finished"] and 1 < len(points) <= 3
    assert winner["bytes"] < own["bytes"]
    assert winner["rows"] == record["rows"] > 16
    assert winner["values"]["perplexity_ratio"] <= 1.25 and winner["values"]["kl"] < 0.5
    assert winner["values"]["size_mb"] == pytest.approx(winner["bytes"] / 1e6)
    after = passes_of(project)
    assert {name: after[name] for name in winner["passes"]} == winner["passes"]
    assert list(after)[:2] == list(searched.before)[:2] == ["finetune", "merge"]
    assert f"smallest: {winner['name']}" in searched.output
    assert "gate: released" in searched.output  # measured on the held-out rows
    shipped = json.loads((project / "gen-model/onnx/manifest.json").read_text())
    assert shipped["facts"]["bytes"] == winner["bytes"]
    assert not (project / "gen-model/search/built").exists()


def test_a_killed_search_goes_on(searched: Searched) -> None:
    before, after = searched.killed, record_of(searched.project)
    assert not before["finished"] and after["finished"]
    assert reference_time(searched.project) == searched.reference
    first = before["points"][0]
    again = next(one for one in after["points"] if one["key"] == first["key"])
    assert again["build_seconds"] == first["build_seconds"]  # it was not built once more
    assert after["seconds"] >= before["seconds"]


def test_a_limit_out_of_reach_is_named_and_changes_nothing(
    searched: Searched, tmp_path: Path
) -> None:
    """What was measured is known to the next search: nothing is built for a limit like that."""
    project = untracked_copy(searched.project, tmp_path / "proj")
    known = {one["key"]: one for one in record_of(project)["points"]}
    limit(project, size_mb=least_size(project) + 0.01)  # of weights; graph and tokenizer are more
    config = (project / "fine-tuning" / "olive-config.json").read_bytes()
    done = command("optimize", "--points", "3", cwd=project, check=False)
    assert done.returncode == 1
    assert re.search(
        r"size_mb at most [\d.]+ MB: the nearest, .*, has [\d.]+ MB, [\d.]+ MB too", done.stderr
    )
    assert (project / "fine-tuning" / "olive-config.json").read_bytes() == config
    record = record_of(project)
    assert record["winner"] == "" and record["finished"]
    assert any(why.startswith("too large: ") for why in record["not_tried"].values())
    smallest = min(record["points"], key=lambda one: one["bytes"])
    assert smallest["bytes"] <= min(one["bytes"] for one in known.values())


def least_size(project: Path) -> float:
    """The megabytes of the smallest weights, as `optimize` says them; it builds nothing for it."""
    limit(project, size_mb=0.1)
    began = time.monotonic()
    done = command("optimize", cwd=project, check=False)
    assert done.returncode == 1 and time.monotonic() - began < 60
    found = re.search(r"the smallest, .*, take about ([\d.]+) MB", done.stderr)
    assert found and "searching" not in done.stdout, done.stderr
    return float(found[1])


def test_a_size_that_no_model_can_have_is_said_before_anything_is_fetched(tmp_path: Path) -> None:
    """Of a real model's shape, by the catalogue."""
    words = ("--model", "phi-3-mini-4k", "--task", "classify", "--target", "cpu", "--no-git")
    command("new", "proj", *words, "--defaults", cwd=tmp_path)
    project = tmp_path / "proj"
    limit(project, size_mb=1500)
    done = command("optimize", cwd=project, check=False)
    assert done.returncode == 1
    # 3.82 billion weights in 4 bits, a scale for 128 of them
    found = re.search(r"size_mb at most 1,500 MB: .* take about ([\d.]+) GB", done.stderr)
    assert found and 1.9 < float(found[1]) < 2.2, done.stderr
    made = [path for name in ("model-cache", "gen-model") for path in (project / name).glob("*/")]
    assert made == []


def test_without_validation_rows_nothing_is_chosen(tiny_project: Path, tmp_path: Path) -> None:
    copied = untracked_copy(tiny_project, tmp_path / "proj")
    path = copied / "datasets" / "dataset.yaml"
    path.write_text(re.sub(r"( +validation:).*", r"\1 null", path.read_text()))
    done = command("optimize", cwd=copied, check=False)
    assert done.returncode == 2
    assert "no validation rows" in done.stderr and "validation: 0.1" in done.stderr
    assert not (copied / "gen-model" / "search").exists()
