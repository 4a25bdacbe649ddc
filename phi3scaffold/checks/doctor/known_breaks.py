"""No installed packages are known to break each other.

The table in this check's file lists combinations that were seen failing, each with its reason:
ONNX Runtime GenAI 0.15 and later under Olive 0.13, Olive without requests, two ONNX Runtimes side
by side (they install into the same folder), Azure's SDK beside azureml-mlflow. Each of them stops a
run, or spoils it silently.

To fix it: `make setup` restores the pinned packages. Uninstall a package that is too many first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from phi3scaffold.pipeline.installed_packages import Environment
from phi3scaffold.project.findings import Finding
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D06-known-breaks"
RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")
GENAI = {
    "onnxruntime-genai": "onnxruntime",
    "onnxruntime-genai-cuda": "onnxruntime-gpu",
    "onnxruntime-genai-directml": "onnxruntime-directml",
}


class Break(NamedTuple):
    """Packages that break each other.

    Attributes:
        these: package -> which versions of it, as pip writes them.
        absent: packages without which it breaks.
        why: what happens.
        state: error or warning.
    """

    these: dict[str, str]
    why: str
    absent: tuple[str, ...] = ()
    state: str = "error"


BREAKS = (
    *(
        Break(
            {"olive-ai": "==0.13.*", genai: ">=0.15,<0.16"},
            "Olive's ModelBuilder fails with KeyError 'hf_details', says nothing and exits with 0",
        )
        for genai in GENAI
    ),
    *(
        Break(
            {"olive-ai": "==0.13.*", genai: ">=0.16"},
            "onnxruntime_genai.models.quantized_model, which Olive imports, is gone",
        )
        for genai in GENAI
    ),
    Break(
        {"olive-ai": ""},
        "Olive imports requests and does not ask for it, so it does not start",
        absent=("requests",),
    ),
    Break(
        {"onnxruntime-genai-directml": ">=0.13,<0.15"},
        "it asks for an onnxruntime-directml that was never published",
    ),
    Break(
        {"azureml-mlflow": "", "mlflow-skinny": "!=3.15.0"},
        "azureml-mlflow 1.62 was seen working with mlflow-skinny 3.15.0 alone",
        state="warning",
    ),
    Break(
        {"azureml-mlflow": "", "azure-ai-ml": ""},
        "they ask for different azure-storage-blob; the job's packages need their own environment",
        state="warning",
    ),
)


def check(context: DoctorContext) -> Iterator[Finding]:
    for one in context.environments:
        found = [*_doubles(one, context), *_runtimes(one, context), *_table(one, context)]
        yield from found
        if not found:
            yield Finding(ID, "ok", "none", where=f"{one.name}: {one.folder}")


def _table(one: Environment, context: DoctorContext) -> Iterator[Finding]:
    from packaging.specifiers import SpecifierSet

    for row in BREAKS:
        versions = {name: one.installed(name) for name in row.these}
        if any(
            version is None or not SpecifierSet(row.these[name]).contains(version, True)
            for name, version in versions.items()
        ):
            continue
        if row.absent and all(one.installed(name) for name in row.absent):
            continue
        message = " with ".join(f"{name} {version}" for name, version in versions.items())
        if row.absent:
            message += f" without {', '.join(row.absent)}"
        yield Finding(
            ID,
            "error" if row.state == "error" else "warning",
            f"{message}: {row.why}",
            where=f"{one.name}: {one.folder}",
            fix=_fix(one, context, row.absent),
        )


def _runtimes(one: Environment, context: DoctorContext) -> Iterator[Finding]:
    where = f"{one.name}: {one.folder}"
    for family in (RUNTIMES, tuple(GENAI)):
        here = [name for name in family if one.installed(name)]
        if len(here) > 1:
            remove = f"{one.python} -m pip uninstall -y {' '.join(here)}"
            yield Finding(
                ID,
                "error",
                f"{' and '.join(here)} are installed into the same folder and break each other",
                where=where,
                fix=f"{remove}, then {_fix(one, context, ())}",
            )
    for genai, runtime in GENAI.items():
        if one.installed(genai) and not one.installed(runtime):
            yield Finding(
                ID,
                "error",
                f"{genai} is here without {runtime}, which it loads",
                where=where,
                fix=_fix(one, context, (runtime,)),
            )


def _doubles(one: Environment, context: DoctorContext) -> Iterator[Finding]:
    for name, versions in one.recorded.items():
        if one.sites is not None and len(versions) > 1:  # on one's own path one hides the other
            yield Finding(
                ID,
                "warning",
                f"{name} is recorded as installed at {' and '.join(versions)}: a broken install",
                where=f"{one.name}: {one.folder}",
                fix=f"remove {one.name}, then {context.setup}",
            )


def _fix(one: Environment, context: DoctorContext, missing: tuple[str, ...]) -> str:
    if context.project is not None:
        return context.setup
    if missing:
        return f"{one.python} -m pip install {' '.join(missing)}"
    return "use an environment that has only what one project needs: make setup, in the project"
