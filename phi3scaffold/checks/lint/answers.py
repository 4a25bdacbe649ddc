"""The answers file is as `phi3scaffold new` or `update` wrote it, and can be used to update.

.copier-answers.yml records the version of the template and the answers that the project was
created from; an update renders both versions from it and merges the difference. With a wrong
answer in it, an update would undo your changes.

To fix it: `git checkout .copier-answers.yml`. To change an answer, `phi3scaffold update --set
NAME=VALUE`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from phi3scaffold.checks.lint_context import ANSWERS, DATASET, OLIVE, Document, LintContext
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Finding
from phi3scaffold.project.layout import PROJECT_FILE
from phi3scaffold.project.olive_config import load_config

ID = "L14-answers"
BACK = f"git checkout {ANSWERS}"


def check(context: LintContext) -> Iterator[Finding]:
    if not (context.root / ANSWERS).is_file():
        what = "It is missing; without it nothing can be updated."
        yield Finding(ID, "warning", what, ANSWERS, f"take it from git again: {BACK}")
        return
    document = context.document(ANSWERS)
    if document is None:
        return  # L01
    yield from _valid(document)
    in_git = ANSWERS in (context.tracked or ())
    if in_git and context.git("diff", "--quiet", "--", ANSWERS) is None:
        what = "It was changed since git knows it; only `new` and `update` write it."
        yield Finding(ID, "warning", what, ANSWERS, f"{BACK}; after an update: commit it")
    yield from _differs(context, document)


def _valid(document: Document) -> Iterator[Finding]:
    from phi3scaffold.generator import template

    source, commit = document.get("_src_path"), document.get("_commit")
    if source != template.SOURCE:
        what = f"The template is {template.SOURCE}, not {source!r}."
        yield Finding(ID, "error", what, document.at("_src_path"), BACK)
    if not re.fullmatch(r"v\d+\.\d+\.\d+\S*", str(commit)):
        what = f"{commit!r} is no version of the template."
        yield Finding(ID, "error", what, document.at("_commit"), BACK)
        return
    if str(commit) != f"v{template.version()}":
        return  # another version has other questions
    questions = template.questions()
    for name, value in document.content.items():
        choices = questions[name].choices if name in questions else ()
        if name not in template.config() and not name.startswith("_"):
            yield Finding(ID, "error", "There is no such question.", document.at(name), BACK)
        elif choices and value not in choices:
            what = f"{value!r} is none of: {', '.join(choices)}."
            yield Finding(ID, "error", what, document.at(name), BACK)


def _differs(context: LintContext, document: Document) -> Iterator[Finding]:
    """Yield what was changed by hand since: that is fine, and an update should know it."""
    now = {}
    if context.project:
        now["target"] = (context.project.target, PROJECT_FILE)
    dataset = context.document(DATASET)
    if dataset:
        now["task"] = (str(dataset.get("task")), DATASET)
    with contextlib.suppress(ScaffoldError):  # L08 says so
        now["algo"] = (load_config(context.root / OLIVE).algo.lower(), OLIVE)
    for name, (value, where) in now.items():
        if name in document.content and document.get(name) != value:
            what = f"The answers say {document.get(name)}, {where} says {value}."
            fix = f"phi3scaffold update --set {name}={value}"
            yield Finding(ID, "note", what, document.at(name), fix)
