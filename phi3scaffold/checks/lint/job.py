"""fine-tuning/job.yml is a job that Azure ML can run, and that brings something back.

The same is looked at before a job is sent; Azure's own validation lets most of it pass, and the job
then fails after minutes in a queue, or trains on a machine without a GPU.

To mend it: the message names the key and a value that works. Where job.yml is missing in a project
for aml or arc: `phi3scaffold update`, or take it from git again.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.checks.lint_context import JOB, Tree, keys
from phi3scaffold.checks.verdict import Verdict
from phi3scaffold.targets.base import REMOTE

ID = "L11-job"


def check(tree: Tree) -> Iterator[Verdict]:
    from phi3scaffold.targets.azureml.job_checks import findings

    project = tree.project
    if project is None or project.target not in REMOTE:
        yield Verdict(ID, "skipped", "the project does not run in the cloud")
        return
    job = tree.document(JOB)
    if job is None:
        if not (tree.root / JOB).exists():
            what = f"It is missing; the target {project.target} needs it."
            yield Verdict(ID, "error", what, JOB, "take it from git again, or phi3scaffold update")
        return
    for key, what, fix in findings(job.content, project):
        if key != "code":  # the wheel and .amlignore: L15 and L18
            yield Verdict(ID, "error", what, job.at(*keys(key)), fix)
