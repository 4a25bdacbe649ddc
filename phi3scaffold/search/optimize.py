"""The verb `optimize`: bring the merge up to date, search, and write the winner into the config."""

from __future__ import annotations

from phi3scaffold.evaluation.search_record import SearchRecord
from phi3scaffold.models.base_model import base_shape
from phi3scaffold.pipeline.events import Emit, Event, StageEnded, StageStarted
from phi3scaffold.pipeline.runner import only_run, run_pipeline
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.files import write_whole
from phi3scaffold.project.layout import PROJECT_FILE
from phi3scaffold.project.olive_config import load_config, project_config
from phi3scaffold.project.search_goals import SearchSettings
from phi3scaffold.project.settings import Project
from phi3scaffold.search.config_text import replace_passes
from phi3scaffold.search.measuring import check_rows
from phi3scaffold.search.optimizer import EXPLORING, NAME, Optimizer, search_limits
from phi3scaffold.search.points import check_quantized
from phi3scaffold.search.prediction import check_size
from phi3scaffold.stages.graph import STAGES, up_to


def optimize(
    project: Project,
    settings: SearchSettings,
    emit: Emit,
    *,
    most: int | None = None,
    again: bool = True,
) -> SearchRecord:
    """Search, and write the winner's passes into fine-tuning/olive-config.json.

    Args:
        most: points that may be tried.
        again: whether to search where the same search has come to its end.

    Raises:
        ScaffoldError: exit code 2 where there is nothing to search or nothing to choose by, 1 where
            no model can be as small as `size_mb` asks, or a stage failed.
    """
    config = project_config(project)
    check_quantized(config)
    shape, size = base_shape(project), search_limits(project).get("size_mb")
    if shape is not None and size is not None:
        check_size(config, shape, size)
    before = up_to("data")
    run_pipeline(project, before, STAGES, emit)
    check_rows(project)  # before hours of training

    def emit_new(event: Event) -> None:
        if not isinstance(event, StageEnded) or event.stage not in before:
            emit(event)

    run_pipeline(project, up_to("merge"), STAGES, emit_new)
    with only_run(project):
        seconds = 60.0 * settings.minutes
        search = Optimizer(project, settings.goal, seconds, emit, most)
        if search.finished and not again:
            emit(StageEnded(NAME))
            return search.finished
        emit(StageStarted(NAME, "searching the quantization", seconds))
        record = search.run()
        emit(StageEnded(NAME, {}, record.seconds))
        winner = record.point(record.winner)
        if winner is not None and winner.key != record.own:
            config = load_config(project.olive_config)
            text = project.olive_config.read_text(encoding="utf-8")
            changed = replace_passes(text, config, winner.passes)
            write_whole(project.olive_config, changed)
    return record


def search_error(record: SearchRecord) -> ScaffoldError | None:
    """Return the error of a search that found no point within the limits."""
    if record.winner:
        return None
    missed = "; ".join(record.missed) or "no point could be measured"
    ran_out = record.seconds > EXPLORING * record.budget_seconds
    more = ", or more time: --budget" if ran_out else ""
    return ScaffoldError(
        f"No model keeps all limits. {missed}.",
        where=f"{PROJECT_FILE}: gate",
        fix=f"a wider limit{more}; olive-config.json is as it was",
        exit_code=FAILED_RUN,
    )
