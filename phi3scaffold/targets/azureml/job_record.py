"""gen-model/.job.json: the job that belongs to this project, so that every verb finds it again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from phi3scaffold.pipeline.hashing import digest, project_cache
from phi3scaffold.project.files import write_json
from phi3scaffold.project.settings import Project
from phi3scaffold.targets.azureml.workspace_settings import WorkspaceSettings

FILE = ".job.json"
# What a job is made of; a change in any of it makes a new job.
INPUTS = ("project.yaml", "model.lock", "datasets", "fine-tuning", "setup")
EXCLUDED = (".bicep", ".bicepparam")  # what the workspace is made of, not the job


@dataclass(frozen=True)
class JobRecord:
    """One submitted job.

    Attributes:
        fingerprint: of the project when it was submitted.
        datastore, path: where its output `results` lies.
        state: as last seen.
    """

    name: str
    fingerprint: str
    subscription_id: str
    resource_group: str
    workspace: str
    datastore: str
    path: str
    state: str = "NotStarted"

    @property
    def settings(self) -> WorkspaceSettings:
        """The workspace that it is in."""
        return WorkspaceSettings(self.subscription_id, self.resource_group, self.workspace)

    def save(self, project: Project) -> None:
        """Write it whole or not at all."""
        path = project.gen / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, asdict(self))


def read_record(project: Project) -> JobRecord | None:
    """Return the project's job, or None where none was submitted (or the file cannot be read)."""
    try:
        return JobRecord(**json.loads((project.gen / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def fingerprint(project: Project) -> str:
    """Return a hash over every file that a job is made of; unchanged files are not read again."""
    found = {}
    with project_cache(project) as cache:
        for name in INPUTS:
            path = project.root / name
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                counts = file.is_file() and file.suffix not in EXCLUDED
                if counts and "__pycache__" not in file.parts:
                    found[file.relative_to(project.root).as_posix()] = cache.sha256(file)
    return digest(found)
