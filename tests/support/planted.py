"""A project whose rows have everything that a look at them can find, each known by heart."""

from __future__ import annotations

import json
from pathlib import Path

YAML = """\
task: classify
files: {train: [train.jsonl], held_out: [held-out.jsonl]}
turns: [{user: "{phrase}\\nTone:"}, {assistant: "{tone}"}]
labels: [joy, fear, odd]
max_tokens: 100
"""
# the one row of its label, so that it is one of the three samples
HOSTILE = "[[ <script>alert(1)</script> </style> & \x1b[2J \u202e $x$ \t end"
TWICE = "The parcel with the blue ribbon came before noon."
LEAKED = "Nobody answered when she called down into the cellar."
NEAR = (
    "After three weeks of rain the river was so high that it carried the old bridge away",
    "After three weeks of rain the river was so high that it carried the old bridge off",
)
ACROSS = (
    "The children ran across the meadow and shouted that the circus had come to the village",
    "The children ran across the meadow and shouted that a circus had come to the village",
)
DOUBTFUL = "The door opened by itself."
EMAIL = "jane.roe@example.com"
KEY = "AKIA" + "IOSFODNN7EXAMPLE"

Rows = list[tuple[str, str]]
TRAIN: Rows = [
    (TWICE, "joy"),  # 1
    (TWICE, "joy"),  # 2: dropped
    (LEAKED, "fear"),  # 3
    (NEAR[0], "fear"),  # 4
    (NEAR[1], "fear"),  # 5
    (ACROSS[0], "joy"),  # 6
    (DOUBTFUL, "joy"),  # 7
    (DOUBTFUL, "fear"),  # 8
    (f"She wrote to {EMAIL} and was glad.", "joy"),  # 9
    (f"The key {KEY} lay in the open.", "fear"),  # 10
    (HOSTILE, "odd"),  # 11
    ("No answer here.", ""),  # 12: dropped
    ("A long, long walk. " * 40, "joy"),  # 13: dropped
    ("The cake was warm.", "joy"),
    ("Steps on the stairs at night.", "fear"),
    ("A letter from my sister at last!", "joy"),
]
HELD_OUT: Rows = [
    (LEAKED, "fear"),  # 1: dropped
    (ACROSS[1], "joy"),  # 2
    ("The lamp went out.", "fear"),
    ("We danced until morning.", "joy"),
]


def plant(folder: Path) -> Path:
    """Write the project into `folder`."""
    datasets = folder / "datasets"
    datasets.mkdir(parents=True)
    (folder / "project.yaml").write_text("model: {id: tiny}\n")
    (datasets / "dataset.yaml").write_text(YAML)
    for name, rows in (("train.jsonl", TRAIN), ("held-out.jsonl", HELD_OUT)):
        lines = [json.dumps({"phrase": phrase, "tone": tone}) + "\n" for phrase, tone in rows]
        (datasets / name).write_text("".join(lines))
    return folder
