"""Azure ML will accept and run fine-tuning/job.yml.

Azure's own validation accepts undefined inputs, sizes such as `sixteen`, and an instance type
without a GPU; the job then fails after minutes in a queue.

To fix it: the message names the key and the values that it takes.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Finding, from_error
from phi3scaffold.targets.azureml.job_checks import JOB, read_job
from phi3scaffold.targets.azureml.resource_manager import project_of
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D25-azure-job"


def check(context: DoctorContext) -> Iterator[Finding]:
    project = project_of(context)
    try:
        job = read_job(project)
    except ScaffoldError as error:
        yield from_error(ID, error)
        return
    place = job.get("compute") or f"serverless, {job['resources']['instance_type']}"
    yield Finding(ID, "ok", str(place), where=str(project.root / JOB))
