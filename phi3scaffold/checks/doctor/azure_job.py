"""fine-tuning/job.yml is one that Azure ML will run.

Azure's own validation takes undefined inputs, sizes such as `sixteen`, and an instance type
without a GPU; the job then fails after minutes in a queue.

To mend it: the message names the key and what it may hold.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.checks.azure import project_of
from phi3scaffold.checks.doctor_context import Scene
from phi3scaffold.checks.verdict import Verdict, from_error
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.targets.azureml.job_checks import JOB, read_job

ID = "D25-azure-job"


def check(scene: Scene) -> Iterator[Verdict]:
    project = project_of(scene)
    if project is None:
        return
    try:
        job = read_job(project)
    except ScaffoldError as error:
        yield from_error(ID, error)
        return
    place = job.get("compute") or f"serverless, {job['resources']['instance_type']}"
    yield Verdict(ID, "ok", str(place), where=str(project.root / JOB))
