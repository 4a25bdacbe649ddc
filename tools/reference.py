"""Write the pages of docs/reference/ from the code: `make reference`.

Each page has one source: the commands' own parsers, template/copier.yml, the projects in examples/
(a test keeps these as the template renders them), the schemas of records, the checks' docstrings.
"""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from phi3scaffold.__main__ import VERBS
from phi3scaffold.checks.runner import load
from phi3scaffold.cli import build, new
from phi3scaffold.datasets.spec import Messages
from phi3scaffold.generator import render, template
from phi3scaffold.project.limits import LIMITS

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
EXAMPLES = ROOT / "examples"
WRITTEN = "<!-- Written by `make reference`; edit what it is written from. -->\n"


def table(head: tuple[str, ...], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


# ------------------------------------------------------------------ commands.md


def commands() -> str:
    """Return the page of every command: its options, examples and notes."""
    parts = ["# Commands\n", "`phi3scaffold COMMAND --help` prints the same.\n"]
    for words, parser in parsers():
        parts.append(f"## {words}\n")
        parts += [f"{parser.description}\n", *_options(parser)]
        if parser.epilog:
            parts.append(f"```text\n{parser.epilog.strip()}\n```\n")
    return "\n".join(parts)


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield each command's words and its parser."""
    for name in VERBS:
        yield name, _below(build(VERBS, name))[name]


def _below(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of a parser's commands, if it has any."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield a table for each group of arguments."""
    for group in parser._action_groups:
        actions = [
            action
            for action in group._group_actions
            if action.help != argparse.SUPPRESS
            and not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
        ]
        if not actions:
            continue
        if group.title not in ("positional arguments", "options"):
            yield f"{str(group.title).rstrip(':').capitalize()}:\n"
        formatter = parser._get_formatter()
        rows = ((f"`{_written(one)}`", _plain(formatter._expand_help(one))) for one in actions)
        yield table(("Option", "Meaning"), rows)


def _written(action: argparse.Action) -> str:
    """Return an argument as it is typed: ``--forms FORM [FORM ...]``."""
    names = ", ".join(action.option_strings)
    if action.nargs == 0:
        return names
    choices = "|".join(map(str, action.choices)) if action.choices else action.dest.upper()
    value = action.metavar if isinstance(action.metavar, str) else choices
    shape = {"?": "[{0}]", "*": "[{0} ...]", "+": "{0} [{0} ...]"}.get(str(action.nargs), "{0}")
    return f"{names} {shape.format(value)}".strip()


def _plain(text: str) -> str:
    """Return a help text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


# ------------------------------------------------------------------ new.md


def options_of_new() -> str:
    """Return the page of the options of `new`: each value with its meaning, each default."""
    rows = []
    for question in template.questions().values():
        text = question.help.replace(f" ({question.flag})", "")
        labels = [
            label
            for label, value in template.config()[question.name].get("choices", {}).items()
            if not isinstance(value, dict)
        ]
        if labels:
            parts = (label.partition(": ") for label in labels)
            text += "".join(f"<br>`{value}`: {rest}" for value, _, rest in parts)
        for value, reason in question.refused.items():
            text += f"<br>`{value}`: refused. {' '.join(reason.split())}"
        flag = f"{question.flag} ROWS" if question.name == "data" else question.flag
        default = "by the other answers" if question.default is None else f"`{question.default}`"
        rows.append((f"`{flag}`", text, default if question.default != "" else "samples"))
    parser = argparse.ArgumentParser(add_help=False)
    new.add_arguments(parser)
    asked = {question.flag for question in template.questions().values()}
    rows += [
        (f"`{action.option_strings[0]}`", str(action.help), "")
        for action in parser._actions
        if action.option_strings and action.option_strings[0] not in asked
    ]
    return (
        "# Options of `new`\n\n"
        + table(("Option", "Meaning", "Default"), rows)
        + "\nWithout a terminal to ask at, a missing answer is an error that names its option.\n"
        "Combinations that cannot work are refused, such as fp16 on a CPU or int8 on DirectML.\n"
    )


# ------------------------------------------------------------------ project.yaml, dataset.yaml

KEY = re.compile(r"(?P<indent> *)(?:- )?(?P<key>[a-z_]+):(?: (?P<value>.+))?$")


def keys(text: str) -> dict[str, tuple[str, str]]:
    """Return dotted key -> (value, comment above it) of a commented YAML file, in its order.

    A comment that holds YAML of its own, such as a key that is switched off, documents that key.
    """
    found: dict[str, tuple[str, str]] = {}
    above: list[str] = []
    path: list[tuple[int, str]] = []
    for line in text.splitlines():
        off = re.match(r"# (?P<line> *[a-z_]+:.*)$", line)
        match = KEY.fullmatch(off["line"] if off else line)
        if match is None:
            comment = re.match(r" *# ?(.*)$", line)
            above = [*above, comment[1]] if comment else []
            continue
        indent = len(match["indent"])
        path = [*(one for one in path if one[0] < indent), (indent, match["key"])]
        name = ".".join(key for _, key in path)
        value = "" if off and not match["value"] else (match["value"] or "").strip()
        found[name] = (value, " ".join(part.strip() for part in above if part.strip()))
        above = []
    return found


def of_examples(name: str, *examples: str) -> dict[str, tuple[str, str]]:
    """Return the keys of a file in these example projects, the first one that has a key wins."""
    found: dict[str, tuple[str, str]] = {}
    for example in examples:
        for key, entry in keys((EXAMPLES / example / name).read_text(encoding="utf-8")).items():
            found.setdefault(key, entry)
    return found


def _described(found: dict[str, tuple[str, str]]) -> str:
    """Return the table of keys; one without a comment means what the question of its name does."""
    rows = []
    for key, (value, text) in found.items():
        if not text and key in template.questions():
            text = template.questions()[key].help.replace(f" (--{key})", "")
        if value or text:
            rows.append((f"`{key}`", f"`{value}`" if value else "", _plain(text)))
    return table(("Key", "As generated", "Meaning"), rows)


def project_yaml() -> str:
    """Return the page of project.yaml, its release thresholds in a table of their own."""
    found = of_examples("project.yaml", "phrase-tone", "question-answer-aml")
    settings = {key: entry for key, entry in found.items() if not key.startswith("gate.")}
    limits = (
        (
            f"`{name}`",
            "off" if limit.default is None else f"{limit.default:g}",
            f"at {'most' if limit.most else 'least'}",
            limit.unit,
            limit.what,
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
        + "\nA share or points are numbers from 0 to 1: 0.02 is 2 %.\n"
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
        + "\n`messages` may also be a mapping, for conversations in other words:\n\n"
        + table(("Key of `messages`", "Meaning"), attributes(Messages))
        + "\n## Example\n\n```yaml\n"
        + example
        + "```\n"
    )


def attributes(record: type) -> list[tuple[str, str]]:
    """Return (name, meaning) of what the docstring of a class lists under ``Attributes:``."""
    listed = inspect.getdoc(record).partition("Attributes:\n")[2]  # type: ignore[union-attr]
    found = re.findall(r"^    ([\w, ]+?)(?: \(.*?\))?: (.*(?:\n {8}.*)*)", listed, re.MULTILINE)
    return [
        (", ".join(f"`{name}`" for name in names.split(", ")), _plain(text).replace("``", "`"))
        for names, text in found
    ]


# ------------------------------------------------------------------ olive-config.json

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


# ------------------------------------------------------------------ checks.md


def checks() -> str:
    """Return the page of the checks; the anchor of each is its ID in small letters."""
    parts = [
        "# Checks\n",
        "What `phi3scaffold doctor` and `phi3scaffold lint` look at. An ID never changes;\n"
        "`phi3scaffold lint --explain ID` prints the same text.\n",
    ]
    for folder, title in (("doctor", "doctor: the machine"), ("lint", "lint: the project")):
        parts.append(f"## {title}\n")
        for module in load(folder):
            fixed = "\n\n`--fix` fixes it." if hasattr(module, "fix") else ""
            parts.append(f"### {module.ID}\n\n{inspect.getdoc(module)}{fixed}\n")
    return "\n".join(parts)


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands,
    "new.md": options_of_new,
    "project-yaml.md": project_yaml,
    "dataset-yaml.md": dataset_yaml,
    "olive-config.md": olive_config,
    "checks.md": checks,
}


def pages() -> dict[str, str]:
    """Return file name -> text of every page."""
    return {name: WRITTEN + write() for name, write in PAGES.items()}


if __name__ == "__main__":
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8", newline="\n")
