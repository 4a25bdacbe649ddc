"""L06: files that are for another target than project.yaml's."""

from __future__ import annotations

import pytest

from phi3scaffold.generator import template
from phi3scaffold.targets.registry import TARGETS
from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import append, change, found, one

OLIVE = "fine-tuning/olive-config.json"
BROKEN = [
    ("cpu", OLIVE, '"device": "cpu"', '"device": "gpu"', "accelerators[0].device"),
    ("cpu", OLIVE, '"CPUExecutionProvider"', '"CUDAExecutionProvider"', "[0].execution_providers"),
    ("cpu", OLIVE, '"use_cpu": true,', "", "training_args.use_cpu"),
    ("cuda", OLIVE, '"logging_steps": 1,', '"logging_steps": 1, "use_cpu": true,', "use_cpu"),
    ("cpu", "setup/requirements.txt", "onnxruntime==", "onnxruntime-gpu==", ""),
    ("cpu", "inferences/requirements-onnx.txt", "onnxruntime==", "onnxruntime-directml==", ""),
    ("aml", "setup/conda.yaml", "onnxruntime-gpu==", "onnxruntime==", ""),
]


@pytest.mark.parametrize("target", TARGETS)
def test_a_project_for_each_target_is_clean(make: Make, target: str) -> None:
    assert found(make(target=target), "target") == []


@pytest.mark.parametrize(("target", "name", "old", "new", "key"), BROKEN)
def test_one_file_is_for_another(
    make: Make, target: str, name: str, old: str, new: str, key: str
) -> None:
    root = make(target=target)
    line = change(root, name, old, new)
    finding = one(root, "target")
    assert finding.state == "error"
    place, number, *rest = str(finding.where).split(":")
    assert place == name
    assert "".join(rest).endswith(key)
    assert int(number) == line or not new  # what is missing is missing in what holds it
    assert f"update --set target={target}" in str(finding.fix)


@pytest.mark.parametrize("other", [target for target in TARGETS if target != "cpu"])
def test_another_target_in_project_yaml_alone(make: Make, other: str) -> None:
    root = make()
    change(root, "project.yaml", "target: cpu", f"target: {other}")
    assert {finding.state for finding in found(root, "target")} == {"error"}


def test_precisions_that_the_template_refuses_are_errors(make: Make) -> None:
    """copier.yml has the reasons; here the same is found in a config that was changed by hand."""
    refused = str(template.config()["precision"]["validator"])
    assert "does not really run fp16" in refused
    root = make(precision="fp32")
    change(root, OLIVE, '"precision": "fp32"', '"precision": "fp16"')
    finding = one(root, "target")
    assert str(finding.where).endswith(": passes.build.precision")
    assert "CPUExecutionProvider" in finding.what


def test_adapters_on_directml(make: Make) -> None:
    root = make(target="directml")
    line = append(root, "project.yaml", "adapters:\n  mine: gen-model/adapter\n")
    assert one(root, "target").where == f"project.yaml:{line}: adapters"


def test_a_job_that_nobody_submits(make: Make) -> None:
    root = make()
    append(root, "fine-tuning/job.yml", "type: command\n")
    assert one(root, "target").state == "note"
