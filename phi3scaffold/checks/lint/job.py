"""The files of the project's target are valid; a job for the cloud can run there.

The same is checked before a job is submitted. Azure's own validation accepts most mistakes, and the
job then fails after minutes in a queue, or trains on a machine without a GPU.

To fix it: the message names the key and a value that works. Restore a missing file from git, or by
`phi3scaffold update`.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.checks.lint_context import LintContext, keys
from phi3scaffold.project.findings import Finding, Skip
from phi3scaffold.targets.registry import target_of

ID = "L11-job"


def check(context: LintContext) -> Iterator[Finding]:
    project = context.project
    target = target_of(project) if project is not None else None
    if project is None or target is None or not target.files:
        raise Skip("the project does not run in the cloud")
    for name in target.files:
        document = context.document(name)
        if document is None:
            if not (context.root / name).exists():
                what = f"It is missing; the target {target.name} needs it."
                fix = "take it from git again, or phi3scaffold update"
                yield Finding(ID, "error", what, name, fix)
            continue
        for key, what, fix in target.check_file(name, document.content, project):
            yield Finding(ID, "error", what, document.at(*keys(key)), fix)
