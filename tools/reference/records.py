"""The pages of records that are written as JSON, from their dataclasses."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re

from reference.markdown import plain, table, words


def metrics() -> str:
    """Return the page of metrics.json and release.json."""
    return _page_of_records(
        "metrics.json and release.json",
        "What the evaluation measured (`gen-model/evaluation/metrics.json`), and what the release\n"
        "thresholds made of it (`gen-model/release/release.json`). A key whose value is None does\n"
        "not stand in the file.",
        "phi3scaffold.evaluation.metrics",
        "phi3scaffold.evaluation.release",
    )


def events() -> str:
    """Return the page of the events of a run."""
    return _page_of_records(
        "Events",
        "What a run reports while it runs. Child processes and jobs in the cloud write each event\n"
        "as one line of JSON: `kind` and the keys below, without those whose value is None.",
        "phi3scaffold.pipeline.events",
    )


def _page_of_records(title: str, text: str, *modules: str) -> str:
    """Return the page of the dataclasses that are defined in these modules."""
    parts = [f"# {title}\n", f"{text}\n"]
    for module in map(importlib.import_module, modules):
        for record in vars(module).values():
            if dataclasses.is_dataclass(record) and record.__module__ == module.__name__:
                types = {field.name: str(field.type) for field in dataclasses.fields(record)}
                rows = (
                    (f"`{name}`", f"`{types[name]}`", meaning)
                    for names, meaning in attributes(record)
                    for name in re.findall(r"`(\w+)`", names)
                )
                summary = inspect.getdoc(record).partition("Attributes:")[0].strip()  # type: ignore[union-attr]
                kind = getattr(record, "kind", "")
                named = f" (`{kind}`)" if kind else ""
                parts += [f"## {record.__name__}{named}\n", f"{words(summary)}\n"]
                parts.append(table(("Key", "Type", "Meaning"), rows))
    return "\n".join(parts)


def attributes(record: type) -> list[tuple[str, str]]:
    """Return (name, meaning) of what the docstring of a class lists under ``Attributes:``."""
    listed = inspect.getdoc(record).partition("Attributes:\n")[2]  # type: ignore[union-attr]
    found = re.findall(r"^    ([\w, ]+?)(?: \(.*?\))?: (.*(?:\n {8}.*)*)", listed, re.MULTILINE)
    return [
        (", ".join(f"`{name}`" for name in names.split(", ")), plain(words(text)))
        for names, text in found
    ]
