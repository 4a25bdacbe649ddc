"""The one table of the forms that a model comes in: where each lies, and what makes and runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from phi3scaffold.conversion.adapter_file import CONFIG, ONNX_ADAPTERS
from phi3scaffold.conversion.form_files import GENAI_CONFIG
from phi3scaffold.models.weight_files import check_weights
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.hashing import project_cache
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.settings import Project

MODEL_CONFIG = "config.json"


@dataclass(frozen=True)
class FormKind:
    """One form, as all rooms know it.

    Attributes:
        name: what users call it; also the name of its folder in gen-model/.
        folder: where a project's form lies, or will lie.
        marker: the file that shows that the form is there.
        packages: what has to be installed to run it.
        summary: what it is, for the page of a published model; empty where it is not published.
        command: the verb that makes it, where that is not the stage's name.
    """

    name: str
    folder: Callable[[Project], Path]
    marker: str
    stage: str
    packages: tuple[str, ...]
    summary: str = ""
    command: str = ""

    @property
    def verb(self) -> str:
        return self.command or self.stage

    def is_at(self, folder: Path) -> bool:
        """Tell whether the form is in `folder`, whole or not."""
        return (folder / self.marker).is_file()

    def check(self, where: Project | Path) -> None:
        """Refuse a form that is missing, incomplete or damaged.

        Args:
            where: the project, whose cache of hashes tells a change of any byte; or the form's
                own folder, of which only sizes and headers are compared.

        Raises:
            ScaffoldError: it was not made yet (naming the verb that makes it); or a file is missing
                or not as the folder's manifest or its own header says (exit code 1).
        """
        folder = self.folder(where) if isinstance(where, Project) else where
        if not self.is_at(folder):
            raise ScaffoldError(
                f"The {self.name} form was not made yet: it has no {self.marker}.",
                where=folder,
                fix=f"run: phi3scaffold {self.verb}   (everything at once: phi3scaffold run)",
            )
        again = f"make it again: phi3scaffold {self.verb}"
        name, damage = _first_damage(folder, where if isinstance(where, Project) else None)
        if damage:
            raise ScaffoldError(
                f"The {self.name} form is not whole: {name} {damage}.",
                where=folder / name,
                fix=again,
                exit_code=FAILED_RUN,
            )
        check_weights(folder, fix=again)


def _first_damage(folder: Path, project: Project | None) -> tuple[str, str]:
    """Return which file is not as the manifest says, and how; empty texts where all are."""
    record = manifest.read(folder)
    if record is None:  # a model from elsewhere has none
        there = (folder / manifest.NAME).exists()
        return (manifest.NAME, "cannot be read") if there else ("", "")
    for name, entry in record.files.items():
        path = folder / name
        if not path.is_file():
            return name, "is missing"
        if path.stat().st_size != entry.bytes:
            return name, "has another size than when it was made"
    if project is None:
        return "", ""
    with project_cache(project) as cache:
        changed = manifest.first_difference(folder, record, cache)
    return (changed, "has changed since it was made") if changed else ("", "")


TORCH, GENAI = ("torch", "transformers"), ("onnxruntime-genai",)
KINDS = {
    kind.name: kind
    for kind in (
        FormKind(
            name="onnx",
            folder=lambda project: project.onnx,
            marker=GENAI_CONFIG,
            stage="export",
            packages=GENAI,
            summary="the model for ONNX Runtime GenAI: the form for applications",
        ),
        FormKind(
            name="onnx-adapter",
            folder=lambda project: project.onnx_adapter,
            marker=GENAI_CONFIG,
            stage="adapters",
            packages=GENAI,
            summary="the base model for ONNX Runtime GenAI, and the adapter to load over it",
        ),
        FormKind(
            name="onnx-base",
            folder=lambda project: project.onnx_base,
            marker=GENAI_CONFIG,
            stage="export-base",
            packages=GENAI,
            command="export --base",
        ),
        FormKind(
            name="merged",
            folder=lambda project: project.merged,
            marker=MODEL_CONFIG,
            stage="merge",
            packages=TORCH,
            summary="the fine-tuned weights, for transformers",
        ),
        FormKind(
            name="adapter",
            folder=lambda project: project.adapter,
            marker=CONFIG,
            stage="finetune",
            packages=(*TORCH, "peft"),
            summary="the trained adapter, for PEFT; it needs the base model beside it",
        ),
        FormKind(
            name="base",
            folder=lambda project: project.base,
            marker=MODEL_CONFIG,
            stage="model",
            packages=TORCH,
        ),
    )
}
FORMS = tuple(KINDS)
COMPARED = ("base", "adapter", "merged", "onnx", "onnx-adapter")  # from the first to what ships
SHIPPED = ("onnx", "onnx-adapter")  # the others are there to compare with
# What may be published, the first as the main one. The base alone is on the hub already.
PUBLISHED = ("onnx", "adapter", "merged", "onnx-adapter")


def folder_of(name: str, project: Project) -> Path:
    """Return where a project's form lies, or will lie."""
    return KINDS[name].folder(project)


def form_in(folder: Path) -> str:
    """Return which form a folder from elsewhere holds; a model folder is taken as merged.

    Raises:
        ScaffoldError: it holds none.
    """
    if (folder / ONNX_ADAPTERS).exists():
        return "onnx-adapter"
    for name in ("onnx", "adapter", "merged"):
        if KINDS[name].is_at(folder):
            return name
    raise ScaffoldError(
        "There is no model here." if folder.is_dir() else "There is no such folder.",
        where=folder,
        fix=f"name a folder with {GENAI_CONFIG} (ONNX Runtime GenAI), {CONFIG} (PEFT) or "
        f"{MODEL_CONFIG} (transformers)",
    )
