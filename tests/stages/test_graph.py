"""The graph of stages, and that no other file repeats it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import phi3scaffold
from phi3scaffold.stages.graph import STAGES, run_by, up_to

PACKAGE = Path(phi3scaffold.__file__).parent
# Names of stages that are nothing else; data, model, report and adapters are words, too.
NAMES = {"tokenizer", "finetune", "merge", "export", "export-base", "evaluate", "gate"}
# The verbs, the keys of project.yaml, and which Olive pass belongs to which stage.
OTHERS = ("__main__.py", "project/settings.py", "project/olive_config.py")


def tables(path: Path) -> Iterator[int]:
    """Yield the lines of tuples, lists, sets and dicts with two names of stages or more."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            items: list[ast.expr | None] = [*node.elts]
        elif isinstance(node, ast.Dict):
            items = [*node.keys, *node.values]
        else:
            continue
        if len({one.value for one in items if isinstance(one, ast.Constant)} & NAMES) > 1:
            yield node.lineno


def test_no_other_file_has_a_table_of_stages() -> None:
    rooms = ("stages", "migration")  # migration/ reads other people's configs
    found = [
        f"{path.relative_to(PACKAGE).as_posix()}:{line}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in rooms
        and path.relative_to(PACKAGE).as_posix() not in OTHERS
        for line in tables(path)
    ]
    assert found == []


def test_every_stage_stands_behind_those_it_reads_from() -> None:
    names = list(STAGES)
    for stage in STAGES.values():
        assert all(names.index(name) < names.index(stage.name) for name in stage.after_in(STAGES))
    assert STAGES["report"].after_in(STAGES) == tuple(up_to()[:-1])


def test_a_verb_runs_its_stage_and_those_before_it() -> None:
    assert run_by("data") == ["tokenizer", "data"]
    assert run_by("evaluate") == run_by("run") == run_by("report") == up_to()
    assert "export-base" not in up_to()
    assert run_by("export-base") == ["model", "export-base"]
