"""What is said of rows that repeat each other, and of rows that are too few."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phi3scaffold.datasets.data_finding import DataFinding, Example
from phi3scaffold.datasets.set_findings import later_sets
from phi3scaffold.datasets.signatures import FEWEST, LETTERS
from phi3scaffold.datasets.sufficiency import comparison_message, steps_message
from phi3scaffold.project.formatting import count, share
from phi3scaffold.project.training_plan import TrainingPlan

# What a row asks and what it is answered with, by the task.
ASKED = {"classify": "text", "qa": "question", "chat": "conversation"}
ANSWERED = {"classify": "label", "qa": "answer", "chat": "answer"}
FEW = 0.5  # distinct questions a row; with fewer, rows mostly repeat each other
FEW_ANSWERS, ROWS_AN_ANSWER = 20, 5  # as many as labels may be, each as often as labels are
SHOWN = 4  # rows of a group, side by side
OFF = 0.5  # of the share that should be held out


def near_duplicates(report: Mapping[str, Any]) -> list[DataFinding]:
    """Report the groups of nearly equal prompts, and those that stand in two sets."""
    found = report["near_duplicates"]
    if not found["groups"]:
        return []
    rows, groups = count(found["rows"], "row"), count(found["groups"], "group")
    message = f"{rows} in {groups} ask nearly the same thing"
    if largest := max((shown.get("rows", 0) for shown in found["examples"]), default=0):
        message += f" (up to {count(largest, 'row')} per group)" if found["groups"] > 1 else ""
    which, where = later_sets(report)
    if found["across_splits"]:
        message += (
            f"; {count(found['across_splits'], f'{which} row has', f'{which} rows have')} "
            f"a twin in {where}, so the score is too good: "
        )
        message += (
            "there are too few other rows to hold out; add rows that ask something else"
            if found.get("parted")
            else "remove them from one of the files"
        )
    else:
        message += "; each group stays in one set"
    examples = tuple(
        Example(None, list(zip(shown["places"], shown["texts"], strict=True))[:SHOWN])
        for shown in found["examples"]
    )
    return [DataFinding("near duplicates", message, bool(found["across_splits"]), (), examples)]


def few_questions(report: Mapping[str, Any]) -> list[DataFinding]:
    """Report that there are far fewer questions than rows."""
    near, rows = report["near_duplicates"], report["rows"]
    kept = rows["read"] - rows["dropped"]
    questions = near.get("questions", kept)
    if questions > FEW * kept:
        return []
    task = report["task"]
    asked, answered = ASKED[task], ANSWERED[task]
    message = (
        f"{count(near['answers'], f'distinct {answered}')}, "
        f"{count(questions, f'distinct {asked}')} in {count(kept, 'row')}: the rows repeat each "
        "other in different words, so a score says little about anything else"
    )
    held_out = near["questions_by_split"]["held_out"]
    message += (
        f"; the held-out rows have {count(held_out, f'distinct {asked}')}. "
        f"Add rows with other {asked}s"
    )
    if task == "qa" and near["answers"] <= min(FEW_ANSWERS, kept // ROWS_AN_ANSWER):
        message += ", or make it a classification (task: classify)"
    return [DataFinding("repeated rows", message, warn=True)]


def split_share(report: Mapping[str, Any]) -> list[DataFinding]:
    """Report that whole groups made the held-out set far smaller or larger than was wanted."""
    wanted = report["near_duplicates"].get("held_out_share")
    rows = report["rows"]
    kept = rows["read"] - rows["dropped"]
    if report["validation"] == "files":  # the share is of the training files
        kept -= rows["validation"]
    if not wanted or abs(rows["held_out"] - wanted * kept) <= max(1, OFF * wanted * kept):
        return []
    message = (
        f"{share(rows['held_out'], kept)} of the rows are held out, not {share(wanted, 1)}, since "
        "rows that ask nearly the same thing stay together: add rows with other questions, or give "
        "held-out rows in a file (files.held_out in dataset.yaml)"
    )
    return [DataFinding("split", message, warn=True)]


def enough(report: dict[str, Any], plan: TrainingPlan | None) -> list[DataFinding]:
    """Report how many steps training will take, and what the held-out rows can tell."""
    if plan is None:
        return []
    steps, too_few = steps_message(report["rows"]["train"], plan)
    compared, too_wide = comparison_message(report)
    return [
        DataFinding("training steps", steps, warn=too_few),
        DataFinding("comparison", compared, warn=too_wide),
    ]


def not_checked(report: Mapping[str, Any]) -> str:
    """Name in one line what was not looked for, so that nothing found is not taken for more."""
    near = report["near_duplicates"]
    parts = ["paraphrases"]
    if short := near.get("short"):
        letters = FEWEST + LETTERS - 1
        parts.append(f"near duplicates of {count(short, 'row')} of fewer than {letters} letters")
    if near["checked"] < near["of"]:
        left = near["of"] - near["checked"]
        parts.append(f"near duplicates of {count(left)} of {count(near['of'])} rows")
    parts.append("secrets without a known pattern, people's names")
    parts.append("whether the answers are right")
    return "; ".join(parts)
