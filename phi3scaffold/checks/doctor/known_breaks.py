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
from phi3scaffold.project.findings import Finding, State
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D06-known-breaks"
RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")
GENAI = {
    "onnxruntime-genai": "onnxruntime",
    "onnxruntime-genai-cuda": "onnxruntime-gpu",
    "onnxruntime-genai-directml": "onnxruntime-directml",
}


class Break(NamedTuple):
    """Packages, and the versions of them, that break each other; `absent`: without which others."""

    these: dict[str, str]
    why: str
    absent: tuple[str, ...] = ()
    state: State = "error"


OLIVE = {
    ">=0.15,<0.16": "Olive's ModelBuilder fails with KeyError 'hf_details', says nothing and exits "
    "with 0",
    ">=0.16": "onnxruntime_genai.models.quantized_model, which Olive imports, is gone",
}
BREAKS = (
    *(
        Break({"olive-ai": "==0.13.*", genai: versions}, why)
        for versions, why in OLIVE.items()
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
        where, fix = f"{one.name}: {one.folder}", _fix(one, context, row.absent)
        yield Finding(ID, row.state, f"{message}: {row.why}", where, fix)


def _runtimes(one: Environment, context: DoctorContext) -> Iterator[Finding]:
    where = f"{one.name}: {one.folder}"
    for family in (RUNTIMES, tuple(GENAI)):
        here = [name for name in family if one.installed(name)]
        if len(here) > 1:
            remove = f"{one.python} -m pip uninstall -y {' '.join(here)}"
            what = f"{' and '.join(here)} are installed into the same folder and break each other"
            yield Finding(ID, "error", what, where, f"{remove}, then {_fix(one, context, ())}")
    for genai, runtime in GENAI.items():
        if one.installed(genai) and not one.installed(runtime):
            what = f"{genai} is here without {runtime}, which it loads"
            yield Finding(ID, "error", what, where, _fix(one, context, (runtime,)))


def _doubles(one: Environment, context: DoctorContext) -> Iterator[Finding]:
    for name, versions in one.recorded.items():
        if one.sites is not None and len(versions) > 1:  # on one's own path one hides the other
            what = f"{name} is recorded as installed at {' and '.join(versions)}: a broken install"
            fix = f"remove {one.name}, then {context.setup}"
            yield Finding(ID, "warning", what, f"{one.name}: {one.folder}", fix)


def _fix(one: Environment, context: DoctorContext, missing: tuple[str, ...]) -> str:
    if context.project is not None:
        return context.setup
    if missing:
        return f"{one.python} -m pip install {' '.join(missing)}"
    return "use an environment that has only what one project needs: make setup, in the project"
