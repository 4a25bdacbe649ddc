"""Olive reads every key of the Olive config; it refuses none and ignores none.

Olive only warns of unknown keys, in a log that nobody reads: `lora_r: 8` of an older config trains
with r = 64. So the check asks the installed Olive itself, part by part, without training or
running a user_script. This takes some seconds; the answer is cached in gen-model/ until the config
or Olive changes.

To fix it: fine-tuning/README.md has the current names. `phi3scaffold migrate --check` explains the
keys of an old config, and `phi3scaffold migrate` generates a project from it.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from phi3scaffold import __version__
from phi3scaffold.checks.lint_context import OLIVE, Document, LintContext
from phi3scaffold.project.algorithms import algorithm_of
from phi3scaffold.project.files import write_json
from phi3scaffold.project.findings import Finding, Skip
from phi3scaffold.project.key_locations import Key

ID = "L21-olive-keys"
CACHE = Path("gen-model") / ".lint-olive.json"
FIX = "take it out, or write its name as fine-tuning/README.md has it"

KeyEffects = list[tuple[Key, str]]  # where, and what Olive does with it

_answers: dict[str, KeyEffects] = {}  # of this process


def check(context: LintContext) -> Iterator[Finding]:
    config = context.require_document(OLIVE)
    if importlib.util.find_spec("olive") is None:
        raise Skip("Olive is not installed here: make setup")
    identity = _identity(config)
    answer = _answers.get(identity)
    if answer is None:
        answer = _read_cache(context.root / CACHE, identity)
    if answer is None:
        if context.quick:
            raise Skip("Olive was not asked (--quick)")
        context.say(f"asking Olive about {OLIVE}; this takes some seconds")
        answer = _ask(config)
        _write_cache(context.root / CACHE, identity, answer)
    _answers[identity] = answer
    for path, what in answer:
        yield Finding(ID, "error", what, config.at(*path), _today(config, path) or FIX)


def _today(config: Document, path: Key) -> str | None:
    """Return what has become of a training pass's key of an older Olive."""
    from phi3scaffold.migration.fields import FIELDS

    kind = str(config.get(*path[:2], "type")).lower()
    if path[0] != "passes" or algorithm_of(kind) is None:
        return None
    rule = FIELDS.get(".".join(map(str, ("finetune", *path[2:]))))
    if rule is None or not (rule.at or rule.why):
        return None
    return f"today it is {rule.at}" if rule.at else f"take it out: {rule.why}"


def _ask(config: Document) -> KeyEffects:
    """Return each key that does not have its effect."""
    from phi3scaffold.migration.old_config import leaves_of
    from phi3scaffold.pipeline import environment

    environment.prepare()
    from phi3scaffold.migration.field_verdicts import IGNORED, REFUSED, verdicts

    found = verdicts(config.content, [path for path, _ in leaves_of(config.content)])
    words = {IGNORED: "Olive leaves it out", REFUSED: "Olive refuses it"}
    return [
        (path, f"{words[verdict.kind]}: {verdict.message}.")
        for path, verdict in found.items()
        if verdict.kind in words
    ]


def _identity(config: Document) -> str:
    """Return a digest of what decides the answer: the config and the versions."""
    from phi3scaffold.pipeline.hashing import digest

    versions = [importlib.metadata.version(name) for name in ("olive-ai", "transformers")]
    return digest([config.content, versions, __version__])


def _read_cache(path: Path, identity: str) -> KeyEffects | None:
    try:
        cached: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if cached["identity"] != identity:
            return None
        return [(tuple(at), what) for at, what in cached["found"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_cache(path: Path, identity: str, found: KeyEffects) -> None:
    with contextlib.suppress(OSError):  # a folder that cannot be written to costs time, no more
        write_json(path, {"identity": identity, "found": found})
