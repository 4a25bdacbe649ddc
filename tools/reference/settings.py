"""The pages of project.yaml, dataset.yaml and olive-config.json, as the template writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from phi3scaffold.checks.setting_docs import yaml_keys
from phi3scaffold.datasets.message_format import Messages
from phi3scaffold.datasets.spec import KEYS as DATASET_KEYS
from phi3scaffold.datasets.spec import DatasetSpec
from phi3scaffold.evaluation.limits import LIMITS
from phi3scaffold.generator import render, template
from reference.markdown import plain, table
from reference.records import attributes

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
README = "project/fine-tuning/README.md.jinja"
# What changes the settings; each is shown by what is new in it.
VARIANTS: dict[str, dict[str, str]] = {
    **{f"--algo {algo}": {"algo": algo} for algo in ("qlora", "dora", "loha", "lokr")},
    "--quantizer kquant": {"quantizer": "kquant"},
    "--quantizer gptq": {"quantizer": "gptq"},
    "--recipe best": {"recipe": "best", "quantizer": "gptq"},
    "--precision fp32": {"precision": "fp32"},
    "--target aml": {"target": "aml"},
}
SAME = "Another recipe, another quantizer"  # a heading whose text names the answers


def project_yaml() -> str:
    """Return the page of project.yaml, its release thresholds in a table of their own."""
    found = of_examples("project.yaml", "phrase-tone", "question-answer-aml")
    settings = {key: entry for key, entry in found.items() if not key.startswith("gate.")}
    limits = (
        (
            f"`{name}`",
            "off" if limit.default is None else f"{limit.default:g}",
            f"at {'most' if limit.is_maximum else 'least'}",
            limit.unit,
            limit.text,
        )
        for name, limit in LIMITS.items()
    )
    return (
        "# project.yaml\n\n"
        "What no other file has a place for. A key that nothing reads is an error of\n"
        "[L03-settings](checks.md#l03-settings).\n\n"
        + _described(settings)
        + "\n## `gate`: release thresholds { #gate }\n\n"
        + f"{found['gate'][1]}\n\n"
        + table(("Key", "Default", "Value", "Unit", "Meaning"), limits)
    )


def dataset_yaml() -> str:
    """Return the page of dataset.yaml."""
    found = of_examples("datasets/dataset.yaml", "phrase-tone", "conversations-cuda")
    example = (EXAMPLES / "phrase-tone/datasets/dataset.yaml").read_text(encoding="utf-8")
    return (
        "# dataset.yaml\n\n"
        "What the rows are, and which chat turns they become. A project has `turns`, or it has\n"
        "`messages`.\n\n"
        + _described(found)
        + "\nWritten only where the rows need them:\n\n"
        + table(
            ("Key", "Meaning"),
            [
                row
                for row in attributes(DatasetSpec)
                if row[0].strip("`") in DATASET_KEYS and row[0].strip("`") not in found
            ],
        )
        + "\n`messages` may also be a mapping, for conversations in other words:\n\n"
        + table(("Key of `messages`", "Meaning"), attributes(Messages))
        + "\n## Example\n\n```yaml\n"
        + example
        + "```\n"
    )


def of_examples(name: str, *examples: str) -> dict[str, tuple[str, str]]:
    """Return the keys of a file in these example projects, the first one that has a key wins."""
    found: dict[str, tuple[str, str]] = {}
    for example in examples:
        for key, entry in yaml_keys(
            (EXAMPLES / example / name).read_text(encoding="utf-8")
        ).items():
            found.setdefault(key, entry)
    return found


def _described(found: dict[str, tuple[str, str]]) -> str:
    """Return the table of keys; one without a comment means what the question of its name does."""
    rows = []
    for key, (value, text) in found.items():
        if value and not text and key in template.questions():
            text = template.questions()[key].help.replace(f" (--{key})", "")
        if value or text:
            rows.append((f"`{key}`", f"`{value}`" if value else "", plain(text)))
    return table(("Key", "As generated", "Meaning"), rows)


def olive_config() -> str:
    """Return the page of olive-config.json: the README of a project, then what others have more."""
    usual = _settings({})
    seen = {block for _, blocks in usual for block in blocks}
    _, first = usual[0]
    parts = ["# Settings of olive-config.json", *first]
    parts += _sections(usual[1:])
    for option, answers in VARIANTS.items():
        more = [
            (heading, [block for block in blocks if block not in seen])
            for heading, blocks in _settings(answers)
            if not heading.endswith(SAME)
        ]
        parts += [f"## With `{option}`", *_sections(((f"#{h}", b) for h, b in more if b))]
    return "\n\n".join(parts) + "\n"


def _sections(sections: Iterable[tuple[str, list[str]]]) -> Iterator[str]:
    """Yield headings and blocks, the rows of a table put together again."""
    for heading, blocks in sections:
        if heading:
            yield heading
        rows: list[str] = []
        for block in [*blocks, ""]:
            if block.startswith("|"):
                head, row = block.split("\n\n")
                rows += [row] if rows and rows[0] == head else [head, row]
                continue
            if rows:
                yield "\n".join(rows)
            rows = []
            if block:
                yield block


def _settings(answers: dict[str, str]) -> list[tuple[str, list[str]]]:
    """Return the README of a project with these answers, by heading.

    A row of a table is a block of its own, with the table's head before it.
    """
    import jinja2

    combined, _ = render.follow(answers)
    options = dict(template.config()["_envops"])
    options["undefined"] = jinja2.StrictUndefined
    environment = jinja2.Environment(**options)
    text = (template.folder() / README).read_text(encoding="utf-8")
    text = environment.from_string(text).render(**combined)
    found: list[tuple[str, list[str]]] = []
    for part in re.split(r"^(?=#)", text, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        blocks: list[str] = []
        for block in re.split(r"\n\n+", body.strip()):
            if block.startswith("|"):
                head, rule, *rows = block.splitlines()
                blocks += [f"{head}\n{rule}\n\n{row}" for row in rows]
            elif block:
                blocks.append(block)
        found.append((heading, blocks))
    return found
