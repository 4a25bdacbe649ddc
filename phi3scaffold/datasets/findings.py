"""What a look at the rows has to tell, in words: the same in the terminal and on the page."""

from __future__ import annotations

from typing import Any

from phi3scaffold.datasets.data_finding import DataFinding, Example
from phi3scaffold.datasets.labels import (
    FEW,
    look_alikes_lines,
    missing_spelling,
    missing_text,
    rare_labels,
    shown_spelling,
    spellings_text,
)
from phi3scaffold.datasets.question_findings import (
    enough,
    few_questions,
    near_duplicates,
    split_share,
)
from phi3scaffold.datasets.readings import readings_text
from phi3scaffold.datasets.set_findings import later_sets, validation_set
from phi3scaffold.project.formatting import count, share
from phi3scaffold.project.training_plan import TrainingPlan

Run = tuple[str, int]  # a piece of a rendered row, and 1 where it is trained
RUNS = 8  # of a sample that are shown: four questions and their answers
GAP = " … "  # where something is left out


def findings(report: dict[str, Any], plan: TrainingPlan | None = None) -> list[DataFinding]:
    """Return what was found in the rows, the most urgent first; leave out what is not there.

    Args:
        report: what report.json holds; one of an earlier version may lack a part.
        plan: how long training will run; None where that is not known, or is over.
    """
    every = [
        *_private(report),
        *_conflicts(report),
        *_labels(report),
        *_rare(report),
        *_look_alikes(report),
        *_variants(report),
        *_no_label(report),
        *_leaks(report),
        *near_duplicates(report),
        *few_questions(report),
        *split_share(report),
        *enough(report, plan),
        *_too_long(report),
        *_duplicates(report),
        *_dropped(report),
        *_readings(report),
        *validation_set(report),
        *_unused(report),
    ]
    return sorted(every, key=lambda finding: not finding.warn)


def not_found(report: dict[str, Any]) -> str:
    """Name in one line what was looked for and is not there; "" where nothing is."""
    near = report["near_duplicates"]
    near_name = "near duplicates"
    if near["checked"] < near["of"]:
        near_name += f" (in {count(near['checked'])} of {count(near['of'])} rows)"
    rows = {
        "duplicates": report["duplicates"]["rows"],
        near_name: near["rows"],
        "conflicting answers": report["conflicts"]["rows"],
        "leaks between the sets": report["leaks"]["rows"],
        "secrets or personal data": len(report["private"]),
    }
    return ", ".join(name for name, number in rows.items() if not number)


def _private(report: dict[str, Any]) -> list[DataFinding]:
    found = report["private"]
    counts = tuple((kind, entry["rows"], tuple(entry["places"])) for kind, entry in found.items())
    message = "likely secrets or personal data: a model may repeat what it was trained on"
    return [DataFinding("private", message, warn=True, counts=counts)] if counts else []


def _conflicts(report: dict[str, Any]) -> list[DataFinding]:
    found = report["conflicts"]
    if not found["prompts"]:
        return []
    message = (
        f"{count(found['prompts'], 'prompt has', 'prompts have')} different answers, "
        f"in {count(found['rows'], 'row')}"
    )
    examples = []
    for shown in found["examples"]:
        sides = [(", ".join(places), answer) for answer, places in shown["answers"].items()]
        examples.append(Example(shown["text"], sides))
    return [DataFinding("conflicts", message, True, (), tuple(examples))]


def _labels(report: dict[str, Any]) -> list[DataFinding]:
    """Report labels that are missing in a set: they are not learned, or not measured."""
    labels = report["labels"] or {"train": {}, "validation": {}, "held_out": {}}
    train, held_out = set(labels["train"]), set(labels["held_out"])
    untrained = (held_out | set(labels["validation"])) - train
    message = []
    if untrained:
        message.append(f"never trained: {', '.join(sorted(untrained))}")
    if train - held_out:
        message.append(f"never held out: {', '.join(sorted(train - held_out))}")
        single = report["near_duplicates"].get("single_question_labels", ())
        if of_one := sorted(set(single) & (train - held_out)):
            message.append(f"all rows of {', '.join(of_one)} are variants of one text: add others")
    return [DataFinding("labels", "; ".join(message), warn=True)] if message else []


def _rare(report: dict[str, Any]) -> list[DataFinding]:
    """Report labels of too few rows."""
    few = rare_labels((report["labels"] or {"train": {}})["train"])
    message = (
        f"{count(len(few), 'label has', 'labels have')} fewer than {FEW} training rows: "
        f"{spellings_text(few)}"
    )
    return [DataFinding("rare labels", message, warn=True)] if few else []


def _look_alikes(report: dict[str, Any]) -> list[DataFinding]:
    """Report labels that look alike."""
    lines = look_alikes_lines((report["labels"] or {"train": {}})["train"])
    return [DataFinding("look-alikes", line, warn=True) for line in lines]


def _variants(report: dict[str, Any]) -> list[DataFinding]:
    """Report labels that rows write in several ways."""
    counts = []
    for label, spellings in report.get("label_variants", {}).items():
        what = f"read as {shown_spelling(label)}: {spellings_text(spellings)}"
        counts.append((what, sum(spellings.values()), ()))
    message = "other spellings of a label, as label_variants in dataset.yaml says"
    return [DataFinding("spellings", message, counts=tuple(counts))] if counts else []


def _no_label(report: dict[str, Any]) -> list[DataFinding]:
    """Report rows that are left out since they have no label."""
    missing = {
        spelling: rows
        for reason, rows in report["dropped"].items()
        if (spelling := missing_spelling(reason))
    }
    if missing and (empty := report["dropped"].get("empty answer")):
        missing[""] = empty
    return [DataFinding("no label", missing_text(missing))] if missing else []


def _leaks(report: dict[str, Any]) -> list[DataFinding]:
    found = report["leaks"]
    if not found["rows"]:
        return []
    which, where = later_sets(report)
    message = (
        f"{count(found['rows'], f'{which} row is', f'{which} rows are')} in {where}, too, "
        "where the model would learn them by heart: left out"
    )
    return [DataFinding("leaks", message, True, (), _same(found["examples"]))]


def _too_long(report: dict[str, Any]) -> list[DataFinding]:
    tokens, read = report["tokens"], report["rows"]["read"]
    message = []
    if tokens["truncated"]:
        message.append(
            f"{count(tokens['truncated'], 'row')} ({share(tokens['truncated'], read)}) lost the "
            f"beginning of the prompt to fit into {count(tokens['limit'])} tokens"
        )
    if tokens["too_long"]:
        message.append(
            f"{count(tokens['too_long'], 'row')} ({share(tokens['too_long'], read)}) "
            f"of more than {count(tokens['limit'])} tokens: left out"
        )
    warn = bool(tokens["too_long"])  # the others are as the user wanted them
    return [DataFinding("long rows", "; ".join(message), warn)] if message else []


def _duplicates(report: dict[str, Any]) -> list[DataFinding]:
    found = report["duplicates"]
    if not found["rows"]:
        return []
    rows = count(found["rows"], "row is", "rows are")
    message = f"{rows} the same as an earlier one: the first is kept"
    return [DataFinding("duplicates", message, False, (), _same(found["examples"]))]


def _same(examples: list[dict[str, Any]]) -> tuple[Example, ...]:
    return tuple(
        Example(shown["text"], [(place, None) for place in shown["places"]]) for shown in examples
    )


def _dropped(report: dict[str, Any]) -> list[DataFinding]:
    reasons = [f"{reason} ({count(rows)})" for reason, rows in report["dropped"].items()]
    message = f"{count(report['rows']['dropped'], 'row')}: {', '.join(reasons)}"
    return [DataFinding("left out", f"{message}; dropped.jsonl lists them")] if reasons else []


def _readings(report: dict[str, Any]) -> list[DataFinding]:
    """Report what was changed in reading the rows, or is not learned."""
    times = {name: counts["times"] for name, counts in report.get("readings", {}).items()}
    return [DataFinding("as read", readings_text(times))] if times else []


def _unused(report: dict[str, Any]) -> list[DataFinding]:
    unused = report.get("unused", {"columns": {}, "turn_keys": {}})
    counts = [(f"column {name}", rows, ()) for name, rows in unused["columns"].items()]
    counts += [(f"{name} of a turn", rows, ()) for name, rows in unused["turn_keys"].items()]
    message = "in the rows, but neither learned nor shown to the model"
    return [DataFinding("not used", message, counts=tuple(counts))] if counts else []


def trained_of(tokens: list[Run]) -> str:
    """Return how many of a sample's tokens are trained, in words."""
    return f"{count(len(tokens), 'token')}, {count(sum(t for _, t in tokens))} trained"


def fit(tokens: list[Run], most: int, most_runs: int = RUNS) -> list[Run]:
    """Return a sample's tokens as runs of about `most` letters together.

    Long runs lose their middle, and so does a list of more than `most_runs` runs.
    """
    runs: list[Run] = []
    for text, trained in tokens:
        if runs and runs[-1][1] == trained:
            text = runs.pop()[0] + text
        runs.append((text, trained))
    if len(runs) > most_runs:
        runs = [*runs[: most_runs // 2], (GAP, 0), *runs[-most_runs // 2 :]]
    left, longest = most, 0
    for done, size in enumerate(sorted(len(text) for text, _ in runs)):
        longest = min(size, left // (len(runs) - done))
        left -= longest
    return [(_shorter(text, longest), trained) for text, trained in runs]


def _shorter(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    half = max(1, (longest - len(GAP)) // 2)
    return f"{text[:half]}{GAP}{text[-half:]}"
