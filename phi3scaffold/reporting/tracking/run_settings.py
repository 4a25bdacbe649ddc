"""What is tracked of a project's settings, as they are when a run starts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from phi3scaffold import __version__
from phi3scaffold.datasets.private_data import find_secrets
from phi3scaffold.project.olive_config import project_config
from phi3scaffold.project.settings import AUTO, Project
from phi3scaffold.reporting.training_settings import training_settings

LONGEST = 250  # letters of a parameter; Azure ML takes 500


@dataclass(frozen=True)
class RunSettings:
    """The settings of a run.

    Attributes:
        title: its name, without the time.
        parameters: those that decide the run; nothing of Azure.
    """

    title: str
    parameters: dict[str, str]

    @classmethod
    def of(cls, project: Project) -> RunSettings:
        """Read the settings of a project. Raises ScaffoldError where they are wrong."""
        config = project_config(project)
        values = {
            "model": project.model_id,
            "revision": project.revision,
            "target": project.target,
            "merge_base": project.merge_base,
            "evaluate.rows": str(project.evaluate_rows or AUTO),
            "phi3scaffold": __version__,
            **dict(training_settings(config)),
        }
        parameters = {name: value[:LONGEST] for name, value in values.items()}
        return cls(f"{config.algo} {config.precision}", parameters)

    def to_json(self) -> dict[str, Any]:
        """Return JSON-able values, for `RunSettings(**values)`."""
        return asdict(self)


def settings_file(project: Project) -> list[str]:
    """Return the file of settings to store beside the metrics; none where it holds a secret."""
    text = project.olive_config.read_text(encoding="utf-8")
    return [] if find_secrets(text) else [str(project.olive_config)]
