"""Write docs/reference/: `PYTHONPATH=tools python -m reference`."""

from __future__ import annotations

from reference import FOLDER, pages

for name, text in pages().items():
    (FOLDER / name).write_text(text, encoding="utf-8", newline="\n")
