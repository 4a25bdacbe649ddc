"""The README says what is there: verbs, options, goals, folders."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.generator import template
from phi3scaffold.targets.registry import TARGETS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text below a heading, up to the next one."""
    match = re.search(rf"^#+ {re.escape(title)}$(.*?)(?=^#|\Z)", README, re.MULTILINE | re.DOTALL)
    assert match, f"no section {title!r}"
    return match[1]


def rows(title: str) -> dict[str, str]:
    """The section's table: first cell -> the rest of the row."""
    lines = [line for line in section(title).splitlines() if line.startswith("| `")]
    return {line.split("|")[1].strip(): line.split("|", 2)[2] for line in lines}


def test_every_verb_is_explained() -> None:
    tables = [*rows("A project of your own"), *rows("In the cloud")]
    named = set(re.findall(r"`(\w+)", " ".join(tables)))
    assert named == set(VERBS)


def test_every_option_is_explained_with_its_values_and_default() -> None:
    table = {key.strip("`").split()[0]: rest for key, rest in rows("Options of `new`").items()}
    asked = template.questions()
    assert set(table) == {question.flag for question in asked.values()} | {"--defaults", "--no-git"}
    for question in asked.values():
        said = set(re.findall(r"`([^`]+)`", table[question.flag]))
        assert set(question.choices) <= said, question.flag
        if question.default:
            assert question.default in said, question.flag


def test_the_table_of_options_is_as_copier_yml_says() -> None:
    spec = importlib.util.spec_from_file_location("options", ROOT / ".ci" / "options.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.renewed(README) == README, "make options"


def test_every_target_is_named() -> None:
    assert all(f"`{target}`" in rows("Options of `new`")["`--target`"] for target in TARGETS)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_make_goal_that_is_named_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    makefiles = (ROOT / "Makefile", ROOT / "template/project/Makefile.jinja")
    there = "".join(path.read_text(encoding="utf-8") for path in makefiles)
    goals = set(re.findall(r"^([a-z]+):", there, re.MULTILINE))
    code = re.findall(r"`([^`\n]+)`", text) + re.findall(r"^(make .*)$", text, re.MULTILINE)
    named = {match[1] for line in code if (match := re.match(r"make ([a-z]+)", line))}
    assert named
    assert named <= goals


def test_the_tree_is_the_repositorys() -> None:
    """Two spaces of indent a level; the names of a line stand before two spaces or its end."""
    tree = section("What this repository looks like").split("```")[1]
    parents = [ROOT]
    for line in tree.strip().splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        if depth > 2:  # the comment of the line before
            continue
        del parents[depth + 1 :]
        names = re.findall(r"(?:^|  )([\w-]*[\w.-]+\.\w+|\w+/|Makefile)(?=  |$)", line.strip())
        assert names, line
        for name in names:
            assert (parents[-1] / name).exists(), line
        parents.append(parents[-1] / names[-1])


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_the_paths_that_are_named_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:phi3scaffold|template|tests|\.ci)/[\w./-]+)`", text)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
