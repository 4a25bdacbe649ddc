"""The names of what stages publish in gen-model/: who writes a file and who reads it agree here."""

from __future__ import annotations

HISTORY = "history.json"  # beside the adapter: the Trainer's log
METRICS = "metrics.json"
ANSWERS = "answers.jsonl"
RELEASE = "release.json"
PAGE = "index.html"
MODEL_CARD = "MODEL_CARD.md"
ROWS_REPORT = "report.json"
ROWS_PAGE = "report.html"
ROWS_CARD = "DATA_CARD.md"
DROPPED_ROWS = "dropped.jsonl"
