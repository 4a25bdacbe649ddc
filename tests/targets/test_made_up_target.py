"""A target that nothing but the registry knows: every verb and every check goes through it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold import generator
from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.pipeline.events import Emit, Failure, Note, StageEnded, to_json
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.providers import CPU
from phi3scaffold.project.settings import Project
from phi3scaffold.targets import registry
from phi3scaffold.targets.base import FileProblem, JobStatus, RemoteTarget
from tests.template.conftest import without_git

Call = Callable[..., tuple[int, str, str]]


class Slurm(RemoteTarget):
    """A cluster's queue, whose only job is a list of what was asked of it."""

    name = "slurm"
    providers = (CPU,)
    notice = ("Load the cluster's modules first.",)
    doctor = "tests.targets.slurm_doctor"
    files = ("fine-tuning/slurm.json",)
    section = ("slurm", ("partition",))
    ignored = {".slurmignore": {".env": ".env"}}  # noqa: RUF012

    def __init__(self) -> None:
        self.calls: list[str] = []

    def check_file(
        self, name: str, content: dict[str, Any], project: Project
    ) -> Iterator[FileProblem]:
        if "nodes" not in content:
            yield FileProblem("nodes", f"{name} names no nodes.", "nodes: 1")

    def check_section(self, content: Any, path: Path) -> None:
        if content.get("partition") != "gpu":
            raise ScaffoldError("No such partition.", where=f"{path}: slurm.partition", fix="gpu")

    def login(self) -> Any:
        return "login-node"

    def dry_run(self, project: Project) -> dict[str, Any]:
        return {"sbatch": project.root.name}

    def submit(self, project: Project, emit: Emit, *, again: bool = False) -> str:
        self.calls.append(f"submit again={again}")
        emit(Note("slurm", "queued"))
        return "job-7"

    def complete(self, project: Project, emit: Emit) -> None:
        self.calls.append("complete")

    def status(self, project: Project) -> JobStatus:
        return JobStatus("job-7", "PENDING", "https://cluster/job-7")

    def log(self, project: Project) -> Iterator[str]:
        error = ScaffoldError("The node went down.", fix="submit it again", exit_code=1)
        yield "warming up"
        yield json.dumps(to_json(StageEnded("data", seconds=1.5)))
        yield json.dumps(to_json(Failure(error)))

    def follow(self, project: Project, emit: Emit) -> None:
        raise ScaffoldError("The job job-7 failed.", exit_code=1)

    def cancel(self, project: Project) -> str:
        self.calls.append("cancel")
        return "job-7"

    def forms(self, project: Project, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(names) or ("adapter",)

    def fetch(self, project: Project, forms: Sequence[str], emit: Emit) -> list[str]:
        self.calls.append(f"fetch {' '.join(forms)}")
        return [form for form in forms if form == "onnx"]

    def run(self, project: Project, rows: Path | None, model: Path | None, results: Path) -> None:
        self.calls.append(f"run {results.name} {project.local}")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with without_git():
        return generator.new(tmp_path_factory.mktemp("made") / "proj", {"model": "tiny"}, git=False)


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> Slurm:
    target = Slurm()
    monkeypatch.setitem(registry.TARGETS, target.name, target)
    return target


@pytest.fixture
def call(
    slurm: Slurm,
    made: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Call]:
    """`phi3scaffold WORDS` in a project for it: exit code, output, errors."""
    before = (made / "project.yaml").read_text()
    (made / "project.yaml").write_text(before.replace("target: cpu", "target: slurm"))
    (made / "fine-tuning" / "slurm.json").write_text('{"nodes": 1}')
    (made / ".slurmignore").write_text(".env\n")
    monkeypatch.chdir(made)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(VERBS, words)
        return code, *capsys.readouterr()

    yield run
    (made / "project.yaml").write_text(before)


def test_a_stage_is_refused_and_run_submits(call: Call, slurm: Slurm) -> None:
    code, _, err = call("finetune")
    assert code == 2
    assert "runs as a whole in the cloud (slurm)" in err
    assert call("run")[0] == 0
    assert slurm.calls == ["submit again=False", "complete"]


def test_submit(call: Call, slurm: Slurm) -> None:
    assert json.loads(call("job", "submit", "--dry-run")[1]) == {"sbatch": "proj"}
    assert slurm.calls == []
    code, out, _ = call("job", "submit", "--detach", "--again")
    assert code == 0
    assert "queued" in out
    assert "phi3scaffold job cancel" in out
    assert slurm.calls == ["submit again=True"]


def test_status_logs_and_cancel(call: Call, slurm: Slurm) -> None:
    assert call("job", "status")[1] == "job-7: PENDING\nhttps://cluster/job-7\n"
    assert call("job", "logs", "--raw")[1].startswith("warming up\n{")
    code, out, _ = call("job", "logs")
    assert code == 0
    assert "data: done in 1.5 s" in out
    assert "warming up" in out
    assert "error: The node went down." in out
    code, _, err = call("job", "logs", "-f")
    assert (code, "The job job-7 failed." in err) == (1, True)
    assert call("job", "cancel")[1].startswith("cancelling job-7")
    assert slurm.calls == ["cancel"]


def test_fetch(call: Call, slurm: Slurm) -> None:
    assert call("job", "fetch")[0] == 0
    code, _, err = call("job", "fetch", "adapter", "onnx")
    assert code == 1
    assert "onnx" in err
    assert slurm.calls == ["fetch adapter", "fetch adapter onnx"]


def test_what_the_job_runs(call: Call, slurm: Slurm) -> None:
    assert call("job", "run", "--results", "out", "--local")[0] == 0
    assert call("job", "--results", "out")[0] == 0  # as jobs submitted by earlier versions call it
    assert slurm.calls == ["run out True", "run out False"]


def test_an_old_name_of_a_verb(call: Call) -> None:
    code, out, err = call("status")
    assert (code, out) == (0, "job-7: PENDING\nhttps://cluster/job-7\n")
    assert err.count("\n") == 1
    assert "phi3scaffold job status" in err


def test_doctor(call: Call) -> None:
    code, out, _ = call("doctor", "--offline", "--json")
    found = json.loads(out)
    assert (code, found["target"]) == (1, "slurm")
    own = found["verdicts"][-1]
    assert own["what"] == "login-node: the queue is closed."
    assert own["page"] == "reference/checks#d99-slurm-queue"
    assert not any("-azure-" in one["id"] for one in found["verdicts"])
    assert "The queue takes jobs." in call("doctor", "--explain", "slurm-queue")[1]


def test_the_checks_of_another_target_leave_it_alone(
    slurm: Slurm, made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(made)
    main(VERBS, ["doctor", "--offline", "--json"])
    assert "slurm-queue" not in capsys.readouterr().out


def findings(call: Call, name: str) -> list[tuple[str, str]]:
    """What one check of lint says: (where, what)."""
    found = json.loads(call("lint", "--quick", "--json")[1])
    return [
        (one["where"], one["what"])
        for one in found
        if one["id"][4:] == name and one["state"] == "error"
    ]


def test_lint(call: Call, made: Path) -> None:
    for name in ("job", "settings", "target", "ignore-files"):
        assert findings(call, name) == []
    (made / "fine-tuning" / "slurm.json").write_text("{}")
    (made / ".slurmignore").unlink()
    with (made / "project.yaml").open("a") as stream:
        stream.write("slurm: {partition: cpu}\n")
    assert findings(call, "job") == [
        ("fine-tuning/slurm.json: nodes", "fine-tuning/slurm.json names no nodes.")
    ]
    assert findings(call, "ignore-files")[0][0] == ".slurmignore"
    assert findings(call, "settings")[0][1] == "No such partition."
    text = (made / "project.yaml").read_text()
    (made / "project.yaml").write_text(text.replace("partition: cpu", "partitoin: gpu"))
    assert findings(call, "settings")[0][1] == "Nothing reads the key 'partitoin'."
