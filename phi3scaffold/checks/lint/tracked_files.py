"""git tracks no results, no installed files and no very large ones.

Weights slow down every clone for good, and hosts refuse files above about 100 MB. `phi3scaffold
run` restores what lies in model-cache/ and gen-model/.

To fix it: `git rm --cached FILE`, then commit; the file itself stays. Very large rows may lie on
the hub: datasets/dataset.yaml takes hf:// addresses.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.checks.lint_context import LintContext, is_made
from phi3scaffold.models.model_folder import PICKLES
from phi3scaffold.project.findings import Finding, Skip

ID = "L19-tracked-files"
MODELS = (".safetensors", ".onnx", ".onnx.data", ".onnx_adapter", ".gguf")
WEIGHTS = (*MODELS, *(pattern.removeprefix("*") for pattern in PICKLES))
LARGE = 50 << 20  # bytes; GitHub warns from here on


def check(context: LintContext) -> Iterator[Finding]:
    if context.tracked is None:
        raise Skip("the project is in no git repository")
    for name in sorted(context.tracked):
        path = context.root / name
        fix = f"git rm --cached {name}"
        if is_made(name) or name.endswith(WEIGHTS):
            what = "git tracks it, and it is made or installed, not written."
            yield Finding(ID, "warning", what, name, fix)
        elif path.is_file() and path.stat().st_size > LARGE:
            what = f"git tracks a file of {path.stat().st_size >> 20} MiB."
            yield Finding(ID, "warning", what, name, fix)
