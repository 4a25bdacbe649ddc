""".gitignore and the target's ignore file exclude weights, environments and secrets.

A model in git cannot be removed from its history, and neither can a token in .env. What .amlignore
does not name is uploaded with every job to Azure.

To fix it: `--fix` appends the missing lines.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.checks.lint_context import FileChange, LintContext
from phi3scaffold.project.findings import Finding, State
from phi3scaffold.targets.registry import target_of

ID = "L18-ignore-files"
# line -> a file that it has to leave out
GIT = {
    ".venv/": ".venv/bin/python",
    ".venv-infer/": ".venv-infer/bin/python",
    "__pycache__/": "tests/__pycache__/test_project.pyc",
    "model-cache/*": "model-cache/base/model.safetensors",
    "gen-model/*": "gen-model/onnx/model.onnx.data",
    ".env": ".env",
    ".env.*": ".env.local",
}
SECRET = (".env", ".env.*", ".azureml/")


def check(context: LintContext) -> Iterator[Finding]:
    for name, missing in _missing(context).items():
        for line in missing:
            travels = "go into git" if name == ".gitignore" else "be uploaded with every job"
            state: State = "error" if line in SECRET or name != ".gitignore" else "warning"
            what = f"It does not exclude {line}: that would {travels}."
            yield Finding(ID, state, what, name, f"append: {line}")


def _missing(context: LintContext) -> dict[str, list[str]]:
    from pathspec import GitIgnoreSpec

    wanted = {".gitignore": dict(GIT)}
    if context.project:
        for name, lines in target_of(context.project).ignored.items():
            wanted[name] = {**wanted.get(name, {}), **lines}
    if context.project and context.project.is_demonstration:  # it carries the weights
        wanted[".gitignore"]["setup/*.whl"] = "setup/phi3scaffold-0-py3-none-any.whl"
    found = {}
    for name, lines in wanted.items():
        spec = GitIgnoreSpec.from_lines((context.text(name) or "").splitlines())
        found[name] = [line for line, example in lines.items() if not spec.match_file(example)]
    return found


def fix(context: LintContext) -> Iterator[FileChange]:
    """Append the missing lines; what stands there stays."""
    for name, missing in _missing(context).items():
        text = context.text(name) or ""
        if missing and (context.text(name) is not None or not (context.root / name).exists()):
            end = "" if not text or text.endswith("\n") else "\n"
            # the folders' own README.md stay in git
            exceptions = [f"!{line[:-1]}README.md" for line in missing if line.endswith("/*")]
            new = "".join(f"{line}\n" for line in [*missing, *exceptions])
            yield FileChange(name, f"{text}{end}{new}", f"leaves out {', '.join(missing)}")
