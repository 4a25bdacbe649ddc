"""`phi3scaffold runs`: what was tracked, side by side, in a terminal and as JSON."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.pipeline.events import Event
from phi3scaffold.project.settings import load_project
from phi3scaffold.reporting.tracking import URI, store_path
from phi3scaffold.search import tracking_server
from phi3scaffold.search.run_table import table
from phi3scaffold.search.tracked_store import stored_runs
from tests.support.mlflow_server import Server
from tests.support.tracked_runs import START, done, needs_mlflow, track

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
Run = Callable[..., tuple[int, str, str]]


def events(accuracy: float, size: int, *, released: bool) -> list[Event]:
    metrics = {
        **{"accuracy": accuracy, "perplexity": 1.25, "tokens_per_second": 87.0},
        **{"disk_bytes": size, "agreement": 0.5},
    }
    return [
        START,
        done("finetune", algo="LoRA", last_loss=0.5),
        done("evaluate", forms={"onnx": metrics}),
        done("gate", released=released),
    ]


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two runs; rank and block differ."""
    root = tmp_path_factory.mktemp("runs") / "proj"
    shutil.copytree(EXAMPLES / "phrase-tone", root)
    track(load_project(root), events(0.9, 3_000_000, released=True))
    assert main(VERBS, ["set", "--project", str(root), "rank=32", "block=64"]) == 0
    track(load_project(root), events(0.75, 2_500_000, released=False))
    return root


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `runs` in a project; returns exit code, output, errors."""
    monkeypatch.delenv(URI, raising=False)

    def ran(root: Path, *words: str) -> tuple[int, str, str]:
        code = main(VERBS, ["runs", *words, "--project", str(root)])
        return code, *capsys.readouterr()

    return ran


@needs_mlflow
def test_runs_stand_side_by_side(tracked: Path, run: Run) -> None:
    code, out, _ = run(tracked)
    lines = out.splitlines()
    assert code == 0
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in out
    head = {"#", "started", "accuracy", "perplexity", "size", "tok/s", "time", "released"}
    assert head == {*lines[0].split()}
    assert all(part in lines[1] for part in ("90.0%", "1.250", "3.0 MB", "87", "yes"))
    assert lines[2].strip() == "rank 16, block 32"  # the settings that differ, and no others
    assert all(part in lines[3] for part in ("75.0%", "2.5 MB", "no"))
    assert lines[4].strip() == "rank 32, block 64"


@needs_mlflow
def test_settings_stand_beside_where_they_fit(tracked: Path) -> None:
    head, first, second = table(stored_runs(load_project(tracked)), 100)
    assert head.split()[-2:] == ["rank", "block"]
    assert first.split()[-2:] == ["16", "32"]
    assert second.split()[-2:] == ["32", "64"]


@needs_mlflow
def test_the_json_is_what_scripts_rely_on(tracked: Path, run: Run) -> None:
    _, out, _ = run(tracked, "--json")
    found = json.loads(out)
    assert set(found) == {"format", "runs"}
    first, second = found["runs"]
    assert set(first) == {
        *("number", "id", "name", "status", "started", "seconds", "settings", "metrics"),
        *("released", "form"),
    }
    assert (first["number"], first["released"], second["released"]) == (1, True, False)
    assert first["metrics"]["onnx/accuracy"] == 0.9
    assert second["settings"]["finetune.r"] == "32"


@needs_mlflow
def test_diff_of_two_runs(tracked: Path, run: Run) -> None:
    code, out, _ = run(tracked, "diff", "1", "last")
    assert code == 0
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert lines["finetune.r"] == ["16", "32"]
    assert lines["quantize.group_size"] == ["32", "64"]
    assert lines["onnx/accuracy"] == ["0.9", "0.75", "-16.7%"]
    assert "finetune.alpha" not in lines
    assert "onnx/perplexity" not in lines
    content = json.loads(run(tracked, "diff", "1", "2", "--json")[1])
    assert content["settings"]["finetune.r"] == ["16", "32"]
    assert "do not differ" in run(tracked, "diff", "1", "1")[1]
    for word in ("3", "0", "abcdef", "lats"):
        code, _, error = run(tracked, "diff", "1", word)
        assert code == 2
        assert f"There is no run '{word}'" in error
    assert "did you mean last?" in error


@needs_mlflow
def test_mlflow_is_not_loaded_and_nothing_is_written(tracked: Path) -> None:
    before = store_path(load_project(tracked)).stat().st_mtime_ns
    code = (
        "import sys\nfrom phi3scaffold.__main__ import VERBS\nfrom phi3scaffold.cli import main\n"
        "main(VERBS, ['runs'])\nprint({'mlflow', 'torch', 'olive'} & {*sys.modules})\n"
    )
    done_ = subprocess.run(
        [sys.executable, "-c", code], cwd=tracked, capture_output=True, text=True
    )
    assert done_.stdout.splitlines()[-1] == "set()"
    assert store_path(load_project(tracked)).stat().st_mtime_ns == before


def test_where_nothing_was_tracked(tmp_path: Path, run: Run) -> None:
    root = Path(shutil.copytree(EXAMPLES / "phrase-tone", tmp_path / "proj"))
    code, out, error = run(root)
    assert (code, out) == (2, "")
    assert "No run of this project has been tracked yet" in error
    assert "phi3scaffold run" in error
    assert main(VERBS, ["set", "--project", str(root), "tracking=false"]) == 0
    assert "tracking" in run(root)[2]


def test_a_store_that_cannot_be_read(tmp_path: Path, run: Run) -> None:
    root = Path(shutil.copytree(EXAMPLES / "phrase-tone", tmp_path / "proj"))
    path = store_path(load_project(root))
    path.parent.mkdir(parents=True)
    path.write_text("no database, but long enough to be read as one " * 20)
    code, _, error = run(root)
    assert code == 2
    assert "cannot be read" in error
    path.unlink()
    sqlite3.connect(path).close()
    path.touch()
    assert run(root)[0] == 2


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project that tracks its runs at a server, which asks for a password; two runs."""
    root = Path(shutil.copytree(EXAMPLES / "phrase-tone", tmp_path / "proj"))
    for name, value in {"asked": [], "runs": {}, "place": tmp_path / "files"}.items():
        monkeypatch.setattr(Server, name, value, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        monkeypatch.setenv(URI, f"http://me:secret@127.0.0.1:{listening.server_port}")
        track(load_project(root), events(0.9, 3_000_000, released=True))
        assert main(VERBS, ["set", "--project", str(root), "rank=32"]) == 0
        track(load_project(root), events(float("nan"), 2_500_000, released=False))
        yield root
        listening.shutdown()


@needs_mlflow
def test_the_runs_of_a_server_stand_side_by_side(
    server: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking_server, "PAGE", 1)  # so that it takes two requests
    capsys.readouterr()
    assert main(VERBS, ["runs", "--project", str(server)]) == 0
    head, first, second, *_ = capsys.readouterr().out.splitlines()
    assert head.split()[-1] == "rank"
    assert all(part in first.split() for part in ("90.0%", "1.250", "3.0", "yes", "16"))
    assert all(part in second.split() for part in ("2.5", "no", "32")) and "nan" not in second
    assert main(VERBS, ["runs", "diff", "1", "last", "--project", str(server)]) == 0
    assert "finetune.r" in capsys.readouterr().out
    assert [what for what, _ in Server.asked].count("runs/search") == 4
    assert not store_path(load_project(server)).exists()


@needs_mlflow
def test_a_server_that_does_not_answer_is_a_message(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(shutil.copytree(EXAMPLES / "phrase-tone", tmp_path / "proj"))
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        monkeypatch.setenv(URI, f"http://me:secret@127.0.0.1:{taken.getsockname()[1]}")
        code, out, error = run(root)
    assert (code, out) == (2, "")
    assert "The tracked runs cannot be read" in error and "127.0.0.1" in error
    assert "secret" not in error and "Traceback" not in error
