"""Every configuration file and script can be parsed, and no key is repeated.

YAML and JSON silently take the last of two equal keys, so the first one has no effect. The check
reads project.yaml, datasets/dataset.yaml, the files in fine-tuning/ and setup/, model.lock,
.copier-answers.yml, and the Python files of the project.

To fix it: go to the line that is named. YAML wants spaces before keys, no tabs, and quotes around
texts with : { # or [; JSON wants a comma between two fields and none after the last.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from phi3scaffold.checks.lint_context import ANSWERS, DATASET, LOCK, OLIVE, LintContext
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Finding
from phi3scaffold.project.key_locations import dotted
from phi3scaffold.project.layout import PROJECT_FILE

ID = "L01-files-parse"
NEEDED = (PROJECT_FILE, DATASET, OLIVE)
ENDINGS = (".yaml", ".yml", ".json")
FOLDERS = ("fine-tuning/", "setup/")


def check(context: LintContext) -> Iterator[Finding]:
    names = {name for name in context.files if name.startswith(FOLDERS) and name.endswith(ENDINGS)}
    names |= {name for name in (ANSWERS, LOCK) if (context.root / name).is_file()}
    for name in (*NEEDED, *sorted(names - set(NEEDED))):
        if not context.has_marks(name):
            yield from _configuration(context, name)
    for name in context.files:
        if name.endswith(".py") and not context.has_marks(name):
            try:
                ast.parse(context.text(name) or "")
            except SyntaxError as error:
                what = f"Not valid Python: {error.msg}."
                yield Finding(ID, "error", what, f"{name}:{error.lineno}", "correct that line")


def _configuration(context: LintContext, name: str) -> Iterator[Finding]:
    try:
        document = context.read(name)
    except ScaffoldError as error:
        yield context.finding(ID, error)
        return
    for path, line in document.places.doubles:
        what = f"{dotted(path)} stands here a second time; only the last one counts."
        yield Finding(ID, "error", what, f"{name}:{line}: {dotted(path)}", "keep one of the two")
