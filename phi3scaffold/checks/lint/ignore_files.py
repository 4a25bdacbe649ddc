""".gitignore and .amlignore keep here what must not travel: weights, environments, secrets.

A model in git cannot be taken out of its history again, and neither can a token in .env. What
.amlignore does not name is uploaded with every job.

To mend it: `--fix` appends the missing lines.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.checks.lint_context import Change, Tree
from phi3scaffold.checks.verdict import State, Verdict
from phi3scaffold.targets.azureml.job_checks import STAYS
from phi3scaffold.targets.base import REMOTE

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


def check(tree: Tree) -> Iterator[Verdict]:
    for name, missing in _missing(tree).items():
        for line in missing:
            travels = "go into git" if name == ".gitignore" else "be uploaded with every job"
            state: State = "error" if line in SECRET or name == ".amlignore" else "warning"
            what = f"It does not leave out {line}: that would {travels}."
            yield Verdict(ID, state, what, name, f"append: {line}")


def _missing(tree: Tree) -> dict[str, list[str]]:
    from pathspec import GitIgnoreSpec

    wanted = {".gitignore": dict(GIT)}
    if tree.project and tree.project.target in REMOTE:
        wanted[".gitignore"][".azureml/"] = ".azureml/config.json"
        wanted[".amlignore"] = dict(STAYS)
    if tree.project and tree.project.is_demonstration:  # it carries the weights
        wanted[".gitignore"]["setup/*.whl"] = "setup/phi3scaffold-0-py3-none-any.whl"
    found = {}
    for name, lines in wanted.items():
        spec = GitIgnoreSpec.from_lines((tree.text(name) or "").splitlines())
        found[name] = [line for line, example in lines.items() if not spec.match_file(example)]
    return found


def fix(tree: Tree) -> Iterator[Change]:
    """Append the missing lines; what stands there stays."""
    for name, missing in _missing(tree).items():
        text = tree.text(name) or ""
        if missing and (tree.text(name) is not None or not (tree.root / name).exists()):
            end = "" if not text or text.endswith("\n") else "\n"
            # the folders' own README.md stay in git
            kept = [f"!{line[:-1]}README.md" for line in missing if line.endswith("/*")]
            new = "".join(f"{line}\n" for line in [*missing, *kept])
            yield Change(name, f"{text}{end}{new}", f"leaves out {', '.join(missing)}")
