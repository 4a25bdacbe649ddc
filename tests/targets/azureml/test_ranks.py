"""A job of two machines, which are removed while they train; the second try goes on."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.test_processes import end, logged, nodes, settle, training
from tests.support.azure.loopback import Loopback
from tests.targets.azureml.conftest import Run
from tests.targets.azureml.test_jobs import start, the_job


def adapter(project: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return load_file(project / "gen-model" / "adapter" / "adapter_model.safetensors")


@pytest.mark.slow
def test_a_job_of_two_machines_goes_on_where_it_was_taken_away(
    azure: Loopback, run: Run, project: Path, tmp_path: Path
) -> None:
    settle(project, lora_dropout=0.2, torch_dtype="float32")
    training(project, max_steps=24, per_device_train_batch_size=4)
    for name, rows in (("train", 200), ("held-out", 20)):  # 192 are trained on
        file = project / "datasets" / f"{name}.jsonl"
        file.write_text("".join(file.read_text().splitlines(keepends=True)[:rows]))
    alike = [Path(shutil.copytree(project, tmp_path / name)) for name in ("one", "two")]
    settings = project / "project.yaml"
    text = settings.read_text().replace("minutes: 10", "minutes: 0.000001")  # every step
    settings.write_text(text.replace("[adapter, onnx]", "[adapter]"))
    job = project / "fine-tuning" / "job.yml"
    content = yaml.safe_load(job.read_text())
    content["resources"]["instance_count"] = 2
    content["distribution"] = {"type": "pytorch", "process_count_per_instance": 1}
    job.write_text(yaml.safe_dump(content))

    following = start(azure, project)
    limit = time.monotonic() + 120
    kept: list[Path] = []
    while len(kept) < 2:  # one is whole, another was begun
        assert time.monotonic() < limit
        assert following.poll() is None
        kept = list(azure.worker.folder.glob("*/try-1/outputs/checkpoints/*/by-2/step-*"))
        time.sleep(0.01)
    azure.worker.take_away(the_job(project))
    out, err = following.communicate(timeout=240)
    assert following.returncode == 0, out + err
    assert azure.worker.jobs[the_job(project)].tries == 2
    assert out.count("2 processes train together") == 2
    assert "resumes after step" in out
    left = azure.worker.folder / the_job(project) / "try-2" / "outputs" / "checkpoints"
    assert not list(left.rglob("manifest.json"))  # the adapter is there: nothing to go on from

    ended = [end(process) for process in nodes(*alike, words=("--local",))]
    assert "goes on" not in ended[0]
    made, wanted = adapter(project), adapter(alike[0])
    assert made.keys() == wanted.keys()
    for name, tensor in made.items():
        assert abs(tensor - wanted[name]).max() <= 1e-5, name
    assert [step[:2] for step in logged(project)] == [step[:2] for step in logged(alike[0])]
