"""A project for Azure ML, from `new` to an answer, through Azure's protocols on the loopback."""

from __future__ import annotations

import importlib.util
import json
import re
import signal
import time
from pathlib import Path

import pytest
import yaml

from tests.support.azure.blobs import REGISTRY
from tests.support.azure.loopback import Loopback
from tests.targets.azureml.conftest import Run, command_of
from tests.targets.azureml.helpers import form, jobs_put, start, the_job, until, wait_for
from tests.targets.azureml.test_inputs import mlflow_model

DONE = '{"kind": "stage", "stage": "data", "state": "done", "seconds": 1.5, "facts": {}}'


@pytest.mark.slow
@pytest.mark.parametrize("algo", ["lora", "qlora"])
def test_submit_follow_fetch_infer(
    algo: str, azure: Loopback, run: Run, make: Run, project: Path, tmp_path: Path
) -> None:
    """The real pipeline, in the job; what it says is what a run on this machine says.

    QLoRA's runs on an attached cluster, with a base model of a registry.
    """
    (project / ".env").write_text("HF_TOKEN=never-uploaded\n")
    if algo == "qlora":
        take_from_registry(azure, project, mlflow_model(tmp_path / "phi", "transformers"))
    settings = project / "project.yaml"
    text = settings.read_text()
    assert "tracking: false" in text  # the other tests do without
    settings.write_text(text.replace("tracking: false", "tracking: true"))
    tracked = azure.folder / f"mlflow-{algo}"
    azure.worker.environment["MLFLOW_TRACKING_URI"] = tracked.as_uri()
    azure.worker.environment["MLFLOW_ALLOW_FILE_STORE"] = "true"
    asked = len(azure.service.requests)
    done = make("finetune")
    assert done.stderr == ""  # Azure's SDK likes to talk; it would break the progress display
    if importlib.util.find_spec("mlflow"):
        names = {"/".join(path.parts[-2:]) for path in tracked.rglob("metrics/*/*")}
        assert {"finetune/seconds", "finetune/last_loss", "onnx/accuracy"} <= names, done.stdout
    for line in ("submitted the job", "finetune: done in", "export: done in", "1134 rows to train"):
        assert line in done.stdout
    for name in ("adapter", "onnx", "evaluation", "release", "report"):
        assert (project / "gen-model" / name / "manifest.json").exists(), name
    assert not (project / "gen-model" / "merged").exists()
    metrics = json.loads((project / "gen-model" / "evaluation" / "metrics.json").read_text())
    assert metrics["model"] == "tiny"
    for path in [*(project / "gen-model").rglob("*.json"), project / "gen-model/report/index.html"]:
        assert "/inputs/" not in path.read_text(), path
    assert not [path for _, path in azure.service.requests[asked:] if "/secrets/" in path]
    assert make("infer").stdout.strip()
    status = make("status")
    assert "Completed" in status.stdout
    assert status.stderr == ""
    assert re.search(
        r"gen-model/merged: \d+\.\d MB brought back", make("fetch", "ARGS=merged").stdout
    )
    assert "gen-model/merged: is here already" in make("fetch", "ARGS=merged").stdout
    assert (project / "gen-model" / "merged" / "model.safetensors").exists()
    before = len(jobs_put(azure))
    assert "up to date" in make("finetune").stdout
    assert len(jobs_put(azure)) == before
    job = azure.worker.jobs[the_job(project)]
    compute = "arc-cluster" if algo == "qlora" else "cpu-cluster"
    assert job.document["properties"]["computeId"].endswith(f"/computes/{compute}")
    assert {"setup/conda.yaml", "datasets/dataset.yaml", "project.yaml"} <= job.snapshot
    assert not {".env", "datasets/train.jsonl", "gen-model/.job.json"} & job.snapshot
    assert not {"setup/azure.bicep", "setup/azure.bicepparam"} & job.snapshot
    assert not [name for name in job.snapshot if name.startswith("model-cache/")]


def take_from_registry(azure: Loopback, project: Path, model: Path) -> None:
    """Let the job's base model be `model`, from a registry."""
    azure.blobs.upload(model, REGISTRY, "azureml/models/phi/versions/2")
    path = project / "fine-tuning" / "job.yml"
    job = yaml.safe_load(path.read_text())
    job["command"] += " --model ${{inputs.model}}"
    address = "azureml://registries/azureml/models/phi/versions/2"
    job["inputs"]["model"] = {"type": "mlflow_model", "path": address}
    path.write_text(yaml.safe_dump(job))


TAKE = (
    "python -m zipfile -e setup/phi3scaffold-*.whl r && PYTHONPATH=r python -c "
    "'from phi3scaffold.targets.azureml.hub_token import take_token as t; t(); import os; "
    'print(len(os.environ["HF_TOKEN"]), "letters", open("/proc/self/cmdline").read())\''
    " # ${{outputs.results}}"
)


def test_a_job_takes_the_hubs_token_from_key_vault(
    azure: Loopback, run: Run, project: Path
) -> None:
    """By its managed identity; the token is in no request, no log and no file."""
    pytest.importorskip("azure.keyvault.secrets")
    settings = project / "project.yaml"
    content = yaml.safe_load(settings.read_text())
    content["azure"]["hf_token_secret"] = "hf-token"
    settings.write_text(yaml.safe_dump(content))
    command_of(project, TAKE)
    azure.worker.environment.update(azure.way)
    failed = run("run", check=False)
    assert failed.returncode == 1
    assert "Key Vault does not give out hf-token" in failed.stderr
    azure.service.secrets["hf-token"] = "open-sesame"
    run("run")
    said = run("logs", "--raw").stdout
    assert "11 letters" in said
    sent = json.dumps(azure.service.bodies)
    assert "https://loopback-vault.vault.azure.net" in sent
    assert "open-sesame" not in sent + said
    for path in (azure.folder / "jobs" / the_job(project)).rglob("*"):
        assert not path.is_file() or b"open-sesame" not in path.read_bytes(), path


def test_a_failing_job_shows_its_last_lines(azure: Loopback, run: Run, project: Path) -> None:
    command_of(project, "echo the disk is on fire; exit 3 # ${{outputs.results}}")
    done = run("run", check=False)
    assert done.returncode == 1
    assert "the disk is on fire" in done.stderr
    assert "Traceback" not in done.stderr
    assert "the disk is on fire" in run("logs").stdout
    assert "Failed" in run("status").stdout


def test_an_error_of_the_pipeline_arrives_as_it_was_said(run: Run, project: Path) -> None:
    """A machine without a GPU, and a project that needs one."""
    job = project / "fine-tuning" / "job.yml"
    job.write_text(job.read_text().replace(" job run --local", " job run"))
    assert "--local" not in job.read_text()
    done = run("run", check=False)
    assert done.returncode == 2
    assert "no CUDA device" in done.stderr
    assert "--local" in done.stderr


def test_a_model_that_breaks_the_gate_is_brought_back_all_the_same(run: Run, project: Path) -> None:
    """As after a run on this machine: the result is there, and the command ends with 1."""
    gate = {"kind": "stage", "stage": "gate", "state": "done", "seconds": 0.1}
    error = {"what": "The gate failed.", "where": "gate", "fix": "more rows", "exit_code": 1}
    said = [{**gate, "facts": {"released": False, "checks": []}}, {"kind": "error", "error": error}]
    lines = " && ".join(f"echo '{json.dumps(event)}'" for event in said)
    command_of(project, form("adapter", {"weights.bin": "good"}) + f" && {lines} && exit 1")
    done = run("run", check=False)
    assert done.returncode == 1
    assert "The gate failed." in done.stderr
    assert "more rows" in done.stderr
    assert (project / "gen-model" / "adapter" / "weights.bin").exists()


def test_a_job_that_makes_nothing_is_no_success(run: Run, project: Path) -> None:
    command_of(project, "true ${{outputs.results}}/adapter")
    done = run("run", check=False)
    assert done.returncode == 1
    assert "without having made: adapter" in done.stderr


def test_an_answer_that_was_lost_does_not_lose_the_job(
    azure: Loopback, run: Run, project: Path
) -> None:
    """The command was killed right after sending: the next one finds the job and attaches."""
    command_of(project, f"sleep 2; echo '{DONE}' # ${{{{outputs.results}}}}")
    run("submit", "--detach")
    before = len(jobs_put(azure))
    assert json.loads((project / "gen-model" / ".job.json").read_text())["state"] == "NotStarted"
    assert "data: done in 1.5 s" in run("run").stdout
    assert len(jobs_put(azure)) == before


def test_one_that_was_never_sent_is_sent(azure: Loopback, run: Run, project: Path) -> None:
    """And so is one that has failed, or whose project has changed since it completed."""
    command_of(project, f"echo '{DONE}' # ${{{{outputs.results}}}}")
    run("run")
    record = project / "gen-model" / ".job.json"
    lost = json.loads(record.read_text()) | {"name": "never-sent", "state": "NotStarted"}
    record.write_text(json.dumps(lost))
    before = len(jobs_put(azure))
    run("run")
    assert len(jobs_put(azure)) == before + 1
    with (project / "datasets" / "train.jsonl").open("a") as stream:
        stream.write('{"text": "more", "label": "joy"}\n')
    run("run")
    assert len(jobs_put(azure)) == before + 2


def test_answers_of_429_and_500_are_tried_again(azure: Loopback, run: Run, project: Path) -> None:
    command_of(project, f"echo '{DONE}' # ${{{{outputs.results}}}}")
    azure.service.failures[:] = [429, 500, 503]
    done = run("run")
    assert azure.service.failures == []
    assert "data: done in 1.5 s" in done.stdout
    assert len(set(jobs_put(azure))) >= 1


def test_tokens_expire_while_it_follows(azure: Loopback, run: Run, project: Path) -> None:
    azure.service.token_seconds = 2
    command_of(project, f"sleep 5; echo '{DONE}' # ${{{{outputs.results}}}}")
    before = len(azure.service.tokens)
    assert "data: done in 1.5 s" in run("run").stdout
    assert len(azure.service.tokens) > before + 2


def test_a_lost_connection_is_waited_for(azure: Loopback, project: Path) -> None:
    command_of(project, f"sleep 3; echo '{DONE}'; sleep 3 # ${{{{outputs.results}}}}")
    following = start(azure, project)
    until(following, "Running")
    azure.proxy.down.set()
    azure.proxy.cut()
    time.sleep(4)
    azure.proxy.down.clear()
    out, err = following.communicate(timeout=90)
    assert following.returncode == 0, err
    assert out.count("data: done in 1.5 s") == 1


def test_ctrl_c_detaches_and_a_second_run_attaches(
    azure: Loopback, project: Path, tmp_path: Path
) -> None:
    go_on = tmp_path / "go on"
    wait = f"until test -e '{go_on}'; do sleep 0.1; done"
    command_of(project, f"{wait}; echo '{DONE}' # ${{{{outputs.results}}}}")
    before = len(jobs_put(azure))
    following = start(azure, project)
    until(following, "Running")
    following.send_signal(signal.SIGINT)
    _, err = following.communicate(timeout=30)
    assert following.returncode == 130
    assert "detached" in err
    assert "phi3scaffold job logs -f" in err
    assert "Traceback" not in err
    attached = start(azure, project)
    until(attached, "attached to the job")
    go_on.touch()
    out, err = attached.communicate(timeout=60)
    assert attached.returncode == 0, err
    assert "data: done in 1.5 s" in out
    assert len(jobs_put(azure)) == before + 1


def test_cancel(azure: Loopback, run: Run, project: Path) -> None:
    command_of(project, "sleep 60 # ${{outputs.results}}")
    assert "phi3scaffold job cancel" in run("submit", "--detach").stdout
    wait_for(azure, project, "Running")
    run("cancel")
    wait_for(azure, project, "Canceled")
    done = run("logs", "-f", check=False)
    assert done.returncode == 1
    assert "was cancelled" in done.stderr


def test_dry_run_sends_nothing_and_prints_what_would_be_sent(
    azure: Loopback, run: Run, project: Path
) -> None:
    command_of(project, "true # ${{outputs.results}}")
    before = len(azure.service.requests)
    planned = json.loads(run("submit", "--dry-run").stdout)
    assert len(azure.service.requests) == before
    assert not (project / "gen-model" / ".job.json").exists()
    assert "setup/conda.yaml" in planned["snapshot"]
    assert "model-cache/base/model.safetensors" not in planned["snapshot"]
    run("submit", "--detach")
    sent = azure.service.bodies[jobs_put(azure)[-1]]
    ours, theirs = planned["body"]["properties"], sent["properties"]
    differ = ("displayName", "codeId", "environmentId", "inputs", "outputs", "computeId")
    assert {k: v for k, v in ours.items() if k not in differ} == {
        k: v for k, v in theirs.items() if k not in differ
    }
    assert ours["outputs"].keys() == theirs["outputs"].keys()


def test_a_wrong_login_says_so(azure: Loopback, run: Run, project: Path) -> None:
    azure.extra["AZURE_CLIENT_SECRET"] = "wrong"
    done = run("run", check=False)
    assert done.returncode == 2
    assert "az login" in done.stderr
    assert "Traceback" not in done.stderr
    assert "wrong" not in done.stderr
