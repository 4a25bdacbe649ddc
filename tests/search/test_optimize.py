"""`phi3scaffold optimize` on a trained project of the embedded model."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import command
from tests.support.settings import untracked_copy

ROWS = 40  # of the evaluation behind the search


@pytest.fixture
def copied(tiny_project: Path, tmp_path: Path) -> Path:
    project = untracked_copy(tiny_project, tmp_path / "proj")
    path = project / "project.yaml"
    path.write_text(re.sub(r"rows: auto", f"rows: {ROWS}", path.read_text()))
    return project


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


def test_the_smallest_model_within_the_limits_ships(copied: Path) -> None:
    before = passes_of(copied)
    done = command("optimize", "--goal", "smallest", "--points", "3", cwd=copied)
    record = record_of(copied)
    points = {one["key"]: one for one in record["points"]}
    winner, own = points[record["winner"]], points[record["own"]]
    assert record["finished"] and len(points) == 3
    assert winner["bytes"] <= own["bytes"]
    assert winner["rows"] == record["rows"] > 16
    assert winner["values"]["perplexity_ratio"] <= 1.25 and winner["values"]["kl"] < 0.5
    assert winner["values"]["size_mb"] == pytest.approx(winner["bytes"] / 1e6)
    after = passes_of(copied)
    assert {name: after[name] for name in winner["passes"]} == winner["passes"]
    assert list(after)[:2] == list(before)[:2] == ["finetune", "merge"]
    assert f"smallest: {winner['name']}" in done.stdout
    assert "gate: released" in done.stdout  # measured on the held-out rows
    shipped = json.loads((copied / "gen-model/onnx/manifest.json").read_text())
    assert shipped["facts"]["bytes"] == winner["bytes"]
    assert not (copied / "gen-model/search/built").exists()


def test_a_limit_out_of_reach_is_named_and_changes_nothing(copied: Path) -> None:
    limit(copied, size_mb=0.5)
    config = (copied / "fine-tuning" / "olive-config.json").read_bytes()
    done = command("optimize", "--points", "2", cwd=copied, check=False)
    assert done.returncode == 1
    assert re.search(
        r"size_mb at most 0.5 MB: the nearest, .*, has [\d.]+ MB, [\d.]+ MB too much", done.stderr
    )
    assert (copied / "fine-tuning" / "olive-config.json").read_bytes() == config
    assert record_of(copied)["winner"] == ""


def test_a_killed_search_goes_on(copied: Path) -> None:
    words = [sys.executable, "-P", "-m", "phi3scaffold", "optimize", "--points", "2"]
    process = subprocess.Popen(
        words, cwd=copied, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    file = copied / "gen-model" / "search" / "search.json"
    ends = time.monotonic() + 900
    while not (file.is_file() and record_of(copied)["points"]):
        assert process.poll() is None and time.monotonic() < ends
        time.sleep(0.2)
    process.kill()
    process.wait()
    before = record_of(copied)
    adapter = (copied / "gen-model" / "search" / "adapter.json").stat().st_mtime_ns
    assert not before["finished"]
    command("optimize", "--points", "2", cwd=copied)
    after = record_of(copied)
    assert (copied / "gen-model" / "search" / "adapter.json").stat().st_mtime_ns == adapter
    first = before["points"][0]
    again = next(one for one in after["points"] if one["key"] == first["key"])
    assert again["build_seconds"] == first["build_seconds"]  # it was not built once more
    assert after["seconds"] >= before["seconds"]
    assert after["finished"] and after["winner"]


def test_without_validation_rows_nothing_is_chosen(copied: Path) -> None:
    path = copied / "datasets" / "dataset.yaml"
    path.write_text(re.sub(r"( +validation:).*", r"\1 null", path.read_text()))
    done = command("optimize", cwd=copied, check=False)
    assert done.returncode == 2
    assert "no validation rows" in done.stderr and "validation: 0.1" in done.stderr
    assert not (copied / "gen-model" / "search").exists()
