"""Write the example projects anew, as today's template emits them.

`python examples/regenerate.py [FOLDER]` (default: the folder of this file).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from phi3scaffold import generator

HERE = Path(__file__).resolve().parent
EXAMPLES = {
    "phrase-tone": {"algo": "lora", "target": "cpu", "task": "classify", "model": "tiny"},
    "question-answer-aml": {"algo": "qlora", "target": "aml", "task": "qa"},
    "conversations-cuda": {
        "algo": "qlora", "target": "cuda", "task": "chat", "model": "phi-3.5-mini",
        "recipe": "best",
    },
    "phrase-tone-directml": {
        "algo": "loha", "target": "directml", "task": "classify", "recipe": "fast",
    },
}  # fmt: skip


def regenerate(folder: Path) -> None:
    """Make every example below `folder`, in place of what is there."""
    for name, answers in EXAMPLES.items():
        if (folder / name).exists():
            shutil.rmtree(folder / name)
        root = generator.new(folder / name, answers, git=False, wheel=False)
        # The model stage fetches tiny from the package again.
        shutil.rmtree(root / "model-cache" / "base", ignore_errors=True)


if __name__ == "__main__":
    regenerate(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else HERE)
