"""Azure Machine Learning as a target, and Kubernetes attached to it through Azure Arc."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from phi3scaffold.pipeline.events import Emit
from phi3scaffold.project.providers import CPU, CUDA
from phi3scaffold.project.settings import Project
from phi3scaffold.targets.azureml import job_checks, job_log, submission, workspace_settings
from phi3scaffold.targets.azureml.fetch import fetch
from phi3scaffold.targets.azureml.job_run import run_job
from phi3scaffold.targets.azureml.login import AzureLogin
from phi3scaffold.targets.base import FileProblem, JobStatus, RemoteTarget

A100 = 312.0  # 10^12 operations a second, of the machines in setup/azure.bicepparam


class AzureML(RemoteTarget):
    """The same job on a workspace's own compute, or on a cluster attached to the workspace."""

    providers = (CPU, CUDA)  # of what is brought back, to a machine with a GPU or without
    uses_gpu = True
    notice = (
        "Before the job: `az login`, your workspace in project.yaml, fine-tuning/job.yml.",
        "`phi3scaffold doctor` says which of them is missing.",
    )
    doctor = "phi3scaffold.targets.azureml.doctor"
    extra = ("aml", "azure-ai-ml")
    files = (job_checks.JOB.as_posix(),)
    ignored = {  # noqa: RUF012 (a table, never written to)
        ".gitignore": {".azureml/": ".azureml/config.json"},
        ".amlignore": job_checks.NOT_UPLOADED,
    }
    section = ("azure", (*workspace_settings.SOURCES, *workspace_settings.OTHERS))

    def __init__(self, name: str) -> None:
        self.name = name

    def environments(self, project: Project) -> dict[str, str]:
        """Return this machine's environment, which submits, and the job's."""
        in_job = CPU if project.is_demonstration else CUDA
        return {"setup/requirements.txt": CPU, "setup/conda.yaml": in_job}

    def check_file(
        self, name: str, content: dict[str, Any], project: Project
    ) -> Iterator[FileProblem]:
        """Yield everything that is wrong with fine-tuning/job.yml, but for what it uploads."""
        for problem in job_checks.problems(content, project):
            if problem.key != "code":  # the wheel and .amlignore have checks of their own
                yield problem

    def check_section(self, content: Any, path: Path) -> None:
        workspace_settings.check_own(content, path)

    def login(self) -> AzureLogin:
        return AzureLogin()

    def tflops(self, project: Project) -> float:
        return 0.0 if project.is_demonstration else A100

    def dry_run(self, project: Project) -> dict[str, Any]:
        return submission.dry_run(project)

    def submit(self, project: Project, emit: Emit, *, again: bool = False) -> str:
        return submission.submit(project, emit, again=again).name

    def complete(self, project: Project, emit: Emit) -> None:
        submission.complete(project, submission.current_job(project), emit)

    def status(self, project: Project) -> JobStatus:
        workspace, record = submission.find_job(project)
        return JobStatus(record.name, workspace.state(record.name) or "", job_log.job_page(record))

    def log(self, project: Project) -> Iterator[str]:
        yield from job_log.JobLog(*submission.find_job(project)).lines(ended=True)

    def follow(self, project: Project, emit: Emit) -> None:
        workspace, record = submission.find_job(project)
        outcome = job_log.follow(workspace, record, emit)
        failure = outcome.failure(record.name, job_log.job_page(record))
        if failure is not None:
            raise failure

    def cancel(self, project: Project) -> str:
        workspace, record = submission.find_job(project)
        workspace.cancel(record.name)
        return record.name

    def forms(self, project: Project, names: Sequence[str]) -> tuple[str, ...]:
        """Return the forms to fetch: `names`, or ``azure.fetch`` of project.yaml."""
        if names:
            return workspace_settings.forms(list(names), "FORM")
        return workspace_settings.forms_to_fetch(project)

    def fetch(self, project: Project, forms: Sequence[str], emit: Emit) -> list[str]:
        return fetch(*submission.find_job(project), project, forms, emit)

    def run(self, project: Project, rows: Path | None, model: Path | None, results: Path) -> None:
        run_job(project, rows, model, results)


AML, ARC = AzureML("aml"), AzureML("arc")
