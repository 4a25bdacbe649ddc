"""L11: what is looked at before a job is sent is found here as well, all of it."""

from __future__ import annotations

from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import change, found, one

JOB = "fine-tuning/job.yml"


def test_a_new_project_is_clean(make: Make) -> None:
    assert found(make(target="arc"), "job") == []


def test_every_mistake_is_named_at_its_line(make: Make) -> None:
    root = make(target="aml")
    size = change(root, JOB, "shm_size: 16g", "shm_size: sixteen")
    compute = change(root, JOB, "compute: azureml:gpu-cluster", "compute: gpu-cluster")
    assert {finding.where for finding in found(root, "job")} == {
        f"{JOB}:{size}: resources.shm_size",
        f"{JOB}:{compute}: compute",
    }


def test_the_job_is_missing(make: Make) -> None:
    root = make(target="aml")
    (root / JOB).unlink()
    assert one(root, "job").where == JOB


def test_another_target_has_none(make: Make) -> None:
    assert found(make(), "job") == []
