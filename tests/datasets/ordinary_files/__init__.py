"""Files as people have them, rebuilt from public descriptions: what each is, and what it becomes.

The texts are made up; no two are nearly the same.
"""

from __future__ import annotations

from . import (
    annotated,
    broken,
    conversations,
    exports,
    instructions,
    labels,
    reported,
    reported_turns,
    services,
    unfit,
)

ENTRIES = (
    *conversations.ENTRIES,
    *services.ENTRIES,
    *instructions.ENTRIES,
    *labels.ENTRIES,
    *exports.ENTRIES,
    *reported.ENTRIES,
    *reported_turns.ENTRIES,
    *unfit.ENTRIES,
    *annotated.ENTRIES,
    *broken.ENTRIES,
)
