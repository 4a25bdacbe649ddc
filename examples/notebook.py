"""Execute quick-start.ipynb, and write it with what its cells print and draw.

python examples/notebook.py
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).resolve().parent / "quick-start.ipynb"
LIMIT = 1800  # seconds for a cell, which may wait for other work of the machine


def read() -> Any:
    import nbformat

    return nbformat.read(NOTEBOOK, as_version=4)


def source_hash(notebook: Any) -> str:
    """Return what changes when a cell is edited: the outputs are of other sources then."""
    sources = "\0".join(cell.source for cell in notebook.cells)
    return hashlib.sha256(sources.encode()).hexdigest()[:16]


def execute(notebook: Any) -> Any:
    """Run every cell beside the examples; raise what the first failing one raises."""
    from nbclient import NotebookClient

    resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
    NotebookClient(notebook, timeout=LIMIT, kernel_name="python3", resources=resources).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of this run
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "executed": source_hash(notebook),
    }
    return notebook


def main() -> None:
    import nbformat

    nbformat.write(execute(read()), NOTEBOOK)


if __name__ == "__main__":
    main()
