"""`phi3scaffold adapters`: one ONNX base, and the adapters of project.yaml to swap over it."""

from __future__ import annotations

from pathlib import Path

from phi3scaffold.conversion import adapter_file
from phi3scaffold.conversion.adapters import check_adapters
from phi3scaffold.models.prompt import FILE as PROMPT
from phi3scaffold.pipeline.stage import Context, Facts, Inputs, Stage, versions
from phi3scaffold.project.olive_config import project_config
from phi3scaffold.project.settings import Project
from phi3scaffold.stages import export


def inputs(project: Project) -> Inputs:
    """Return the adapters' files and names, and the passes behind the merge."""
    check_adapters(project)
    names = (adapter_file.CONFIG, adapter_file.WEIGHTS, PROMPT)
    files = [folder / name for _, folder in project.adapters for name in names]
    return Inputs(
        files=tuple(file for file in files if file.is_file()),
        settings={
            "export": project_config(project).settings_for("export"),
            "adapters": {name: _place(project, folder) for name, folder in project.adapters},
        },
    )


def _place(project: Project, folder: Path) -> str:
    """Return a folder relative to the project: a project that is moved keeps its results."""
    inside = folder.is_relative_to(project.root)
    return folder.relative_to(project.root).as_posix() if inside else str(folder)


def run(context: Context) -> Facts:
    """Write the ONNX base with inputs for an adapter, and the adapters."""
    from phi3scaffold.conversion.adapters import build_adapters

    used = versions(STAGE.packages)
    return build_adapters(context.project, context.out, context.scratch, used)


def summary(facts: Facts) -> str:
    """Return the adapters' names, and the precision and the size of what they lie over."""
    if not facts:
        return ""
    names = ", ".join(facts["adapters"])
    return f"{names} over one {facts['precision']} base, {export.size_text(facts)}"


STAGE = Stage(
    name="adapters",
    title="making the ONNX base for the adapters",
    folder=lambda project: project.onnx_adapter,
    inputs=inputs,
    run=run,
    after=("model", "finetune"),
    packages=("torch", "transformers", "olive-ai", "onnx", "onnxruntime", "onnxruntime-genai"),
    needs_torch=True,
    resources=export.RESOURCES,
    wanted=lambda project: bool(project.adapters),
    check=check_adapters,
    summary=summary,
    from_cloud="on_request",
)
