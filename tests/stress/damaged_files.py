"""Damage one of the files that we write, and try every verb: no traceback, and nothing wrong told.

A file is cut short, zeroed, emptied, made valid JSON of another shape, or its entries change places
or types. Verbs that only look must say what is wrong, or not need the file. "Nothing wrong told":
where a file of a form has another content than when it was made, the form does not answer, and
nothing says that it is released.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import shutil
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main as run_verb
from phi3scaffold.project.errors import ScaffoldError
from tests.conftest import trained
from tests.stress.rounds import Row, main, repeat

STATE, ANSWER = ["info", "--json"], ["infer", "Hello"]  # tried in every round
OTHERS = (
    ["info"], ["lint", "--quick"], ["plan"], ["runs"], ["publish", "--dry-run"],
    ["infer", "--example"], ["clean", "--dry-run"], ["doctor", "--only", "disk"],
)  # fmt: skip
SOME = 2  # of the others, in a round
# Files that we write, and that verbs read again; the rest of gen-model/ is for people.
WRITTEN = ("*.json", ".*.json", "*.jsonl", "*.yaml", "*.lock", ".copier-answers.yml", "*.onnx",
           "*.onnx.data", "*.safetensors", "*.parquet", "*.jinja")  # fmt: skip
NOT_OURS = (".git", ".vscode", "logs", "setup", "inferences", "tests", "datasets")


def files_of(root: Path) -> list[Path]:
    found = {path for pattern in WRITTEN for path in root.rglob(pattern)}
    return sorted(
        path
        for path in found
        if path.is_file() and not set(path.relative_to(root).parts) & set(NOT_OURS)
    )


def damage(path: Path, rng: random.Random) -> str:
    """Damage a file; return how."""
    old = path.read_bytes()
    kinds = ["cut", "zeros", "empty", "null", "list", "text"]
    content: Any = None
    with contextlib.suppress(ValueError):
        content = json.loads(old)
    kind = rng.choice(kinds if content is None else [*kinds, *["another"] * 6, "reordered"])
    new = {
        "cut": old[: rng.randrange(max(1, len(old)))],
        "zeros": bytes(len(old)),
        "empty": b"",
        "null": b"null",
        "list": b"[]",
        "text": b'"x"',
    }
    path.unlink()  # it may be a hard link
    path.write_bytes(new[kind] if kind in new else _changed(content, kind, rng))
    return kind


def _changed(content: Any, kind: str, rng: random.Random) -> bytes:
    """Return JSON with a value of another type, or without it; or with its entries reordered."""
    if kind == "reordered":
        return json.dumps(_reordered(content, rng)).encode()
    places: list[tuple[Any, Any]] = []
    pending = [content]
    while pending:
        one = pending.pop()
        keys = list(one) if isinstance(one, dict) else range(min(len(one), 20))
        places += [(one, key) for key in keys]
        pending += [one[key] for key in keys if isinstance(one[key], (dict, list))]
    if places:
        where, key = rng.choice(places)
        if rng.random() < 0.2:
            del where[key]
        else:
            where[key] = rng.choice([None, [], {}, "x", -1, 1.5, True, [1], {"a": 1}])
    return json.dumps(content).encode()


def _reordered(content: Any, rng: random.Random) -> Any:
    if isinstance(content, dict):
        items = [(key, _reordered(value, rng)) for key, value in content.items()]
        rng.shuffle(items)
        return dict(items)
    return content


def try_verb(words: list[str], root: Path) -> tuple[int, str]:
    """Run a verb in this process; return its exit code, and what it printed.

    Raises:
        AssertionError: it ended with anything else than a message.
    """
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run_verb(VERBS, [*words, "--project", str(root), "--debug"])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except ScaffoldError as error:
        return 2, str(error)
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.lineno}"
        raise AssertionError(f"{' '.join(words)}: {error!r:.200} at {place}") from error
    told = err.getvalue()
    if "Traceback" in told and "ScaffoldError" not in told:
        raise AssertionError(f"{' '.join(words)}: {told[-600:]}")
    return code, out.getvalue()


def one_round(number: int, root: Path, files: list[Path]) -> str:
    """Damage one file, try every verb, and put it back."""
    rng = random.Random(number)
    path = rng.choice(files)
    name = path.relative_to(root).as_posix()
    old = path.read_bytes()
    try:
        kind = damage(path, rng)
        same = path.read_bytes() == old
        for words in (STATE, ANSWER, *rng.sample(OTHERS, SOME)):
            try:
                code, told = try_verb(words, root)
            except AssertionError as error:
                raise AssertionError(f"{name} ({kind}): {error}") from error
            # a manifest's times and facts answer nothing; of a calibration a project reads the
            # evaluation's, and the one beside a form goes with it elsewhere
            unread = path.name in ("manifest.json", "calibration.json")
            harmless = same or not name.startswith("gen-model/onnx/") or unread
            where = f"{name} ({kind}): {words}"
            if words[0] == "infer" and not harmless:
                assert code, f"{where} answered: {told:.80}"
            if words == STATE and not harmless:
                released = json.loads(told)["project"]["released"] if not code else None
                assert not released, f"{where} says released"
        return kind
    finally:
        path.unlink()
        path.write_bytes(old)


def run_on(root: Path, rounds: int, first: int = 0) -> Row:
    """Do the rounds on a trained project, which is as it was afterwards."""
    files = files_of(root)
    return repeat(
        f"One of {len(files)} files that we write, damaged; {2 + SOME} verbs each",
        rounds,
        lambda number: one_round(number, root, files),
        first,
    )


def run(rounds: int) -> Row:
    with tempfile.TemporaryDirectory(prefix="damaged-") as name:
        root = trained(Path(name), "lora")
        try:
            return run_on(root, rounds)
        finally:
            shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(run, 200))
