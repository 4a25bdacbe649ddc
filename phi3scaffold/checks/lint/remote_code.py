"""No code that comes with a model can run: no flag allows it, no weights are pickles.

`trust_remote_code` runs Python files of a model's repository, with your rights; a pickle (*.bin,
*.pt, *.pth, *.ckpt) can run anything when it is opened. Phi-3 needs neither: its classes are part
of transformers, and its weights are safetensors. ModelBuilder of Olive allows remote code unless
`extra_options.hf_remote` is false.

To fix it: take the flag out, set `hf_remote` to false, and remove the file; weights that exist
only as pickles are converted where they are trusted, by `save_pretrained` of transformers.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator

from phi3scaffold.checks.lint_context import OLIVE, Document, LintContext
from phi3scaffold.project.findings import Finding
from phi3scaffold.project.key_locations import Key
from phi3scaffold.project.olive_config import BUILDER

ID = "L09-remote-code"
FLAG = re.compile(r"\btrust_remote_code\s*=\s*True\b")
MODELS = ("model-cache", "gen-model")


def check(context: LintContext) -> Iterator[Finding]:
    config = context.document(OLIVE)
    if config:
        yield from _flags(config)
        yield from _builders(config)
    for name in context.files:
        if name.endswith(".py"):
            text = context.text(name) or ""
            for match in FLAG.finditer(text):
                line = text.count("\n", 0, match.start()) + 1
                what = "It allows code of a model's repository to run."
                yield Finding(ID, "error", what, f"{name}:{line}", "take trust_remote_code out")
    yield from _files(context)


def _flags(config: Document) -> Iterator[Finding]:
    for path in config.places.lines:
        if path[-1] in ("trust_remote_code", "hf_remote") and config.get(*path) is True:
            what = "It allows code of a model's repository to run."
            yield Finding(ID, "error", what, config.at(*path), f'"{path[-1]}": false')


def _builders(config: Document) -> Iterator[Finding]:
    for name, settings in config.mappings("passes"):
        at: Key = ("passes", name, "extra_options")
        if str(settings.get("type")).lower() == BUILDER and config.get(*at, "hf_remote") is None:
            what = "Where this does not say hf_remote, ModelBuilder runs code of the model's."
            fix = '"extra_options": {"hf_remote": false}'
            yield Finding(ID, "error", what, config.at(*at), fix)


def _files(context: LintContext) -> Iterator[Finding]:
    from phi3scaffold.models.model_folder import PICKLES

    folders = [context.root / name for name in MODELS]
    folders += [folder for _, folder in (context.project.adapters if context.project else ())]
    for path in sorted({path for folder in folders for path in folder.rglob("*")}):
        if ".work" in path.parts or not path.is_file():
            continue
        below = path.is_relative_to(context.root)
        where = path.relative_to(context.root).as_posix() if below else str(path)
        if any(fnmatch.fnmatch(path.name, pattern) for pattern in PICKLES):
            what = "A pickle can run code when it is opened; only safetensors are read here."
            yield Finding(ID, "error", what, where, "remove it")
        elif path.suffix == ".py":
            what = "Code of a model's repository; nothing here runs it."
            yield Finding(ID, "warning", what, where, "remove it")
