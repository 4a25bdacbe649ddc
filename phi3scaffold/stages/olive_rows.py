"""What fine-tuning/user_script.py imports: the data components, and when their rows are fresh."""

from __future__ import annotations

from phi3scaffold.pipeline.stage_runner import is_up_to_date
from phi3scaffold.project.settings import Project
from phi3scaffold.stages.graph import STAGES
from phi3scaffold.training import data_components


def rows_are_fresh(project: Project) -> bool:
    """Tell whether the data stage has nothing to do."""
    return is_up_to_date(STAGES["data"], project, STAGES)


data_components.rows_are_fresh = rows_are_fresh
