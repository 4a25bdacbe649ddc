"""The notebook of the examples runs, and shows what its cells give today."""

from __future__ import annotations

import copy
import importlib.util
import re
from types import ModuleType
from typing import Any

import pytest

from tests.template.test_examples import EXAMPLES


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = EXAMPLES / "notebook.py"
    if not path.is_file():
        pytest.skip("the examples are not part of this tree")
    spec = importlib.util.spec_from_file_location("notebook", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds(cell: Any) -> list[Any]:
    """What a cell gives, and of which formats; a training's numbers differ between machines."""
    return [(one.output_type, sorted(one.get("data", {}))) for one in cell.outputs]


def test_the_outputs_are_of_these_cells(script: ModuleType) -> None:
    """And small, without an error or a path of the machine that they were made on."""
    notebook = script.read()
    assert notebook.metadata.executed == script.source_hash(notebook), "python examples/notebook.py"
    assert [cell.execution_count for cell in code(notebook)] == [1, 2, 3, 4, 5]
    text = script.NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 50_000
    assert not re.search(r"/(home|root|tmp|Users|work)/|[A-Z]:\\\\", text)
    for cell in code(notebook):
        assert cell.outputs
        assert not any(one.output_type == "error" for one in cell.outputs)


def test_the_hash_changes_with_a_cell(script: ModuleType) -> None:
    notebook = script.read()
    before = script.source_hash(notebook)
    notebook.cells[1].source += "\n"
    assert script.source_hash(notebook) != before


def test_it_runs(script: ModuleType) -> None:
    """A training of its own, half a minute of processor time: nothing else shows that it does."""
    committed = script.read()
    done = script.execute(copy.deepcopy(committed))
    assert [kinds(cell) for cell in code(done)] == [kinds(cell) for cell in code(committed)]
    for number in (0, 1):  # before anything is trained
        assert code(done)[number].outputs == code(committed)[number].outputs
