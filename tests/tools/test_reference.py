"""The pages of docs/reference/ are up to date, and name every command, option, key and check."""

from __future__ import annotations

import re
from functools import cache

import pytest
from reference import FOLDER, pages

from phi3scaffold.__main__ import VERBS
from phi3scaffold.checks.runner import load
from phi3scaffold.cli.new import TRAINING
from phi3scaffold.datasets import message_format, spec
from phi3scaffold.evaluation.limits import LIMITS
from phi3scaffold.generator import template
from phi3scaffold.project import settings
from phi3scaffold.project.findings import Finding
from phi3scaffold.targets.registry import TARGETS


@cache
def generated() -> dict[str, str]:
    return pages()


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.iterdir()))
def test_the_reference_is_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == generated()[name], "make reference"


def test_every_page_of_the_reference_is_there() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(generated())


def test_every_command_is_explained() -> None:
    named = re.findall(r"^### (.+)$", generated()["commands.md"], re.MULTILINE)
    below = {
        f"{above} {name}"
        for above, verbs in VERBS.items()
        for name, verb in verbs.verbs.items()
        if not verb.hidden
    }
    assert set(named) == {*VERBS, *below}


def test_every_option_of_new_is_explained_with_its_values_and_default() -> None:
    lines = [line for line in generated()["new.md"].splitlines() if line.startswith("| `")]
    rows = {line.split("`")[1].split()[0]: line for line in lines}
    questions = template.questions()
    others = {"--defaults", "--no-git", "--encoding", "--header"}
    others |= {option for option, _, _ in TRAINING}
    known = {question.flag for question in questions.values()} | others
    assert set(rows) == known
    for question in questions.values():
        said = set(re.findall(r"`([^`]+)`", rows[question.flag]))
        assert set(question.choices) <= said, question.flag
        if question.default:
            assert question.default in said, question.flag


def test_every_key_is_explained() -> None:
    page = generated()["project-yaml.md"]
    for key, below in settings.KEYS.items():
        for name in (f"{key}.{one}" for one in below) if below and key != "gate" else (key,):
            assert f"`{name}`" in page, name
    for target in TARGETS.values():
        if target.section:
            key, below = target.section
            assert all(f"`{key}.{one}`" in page or f" {one}: " in page for one in below), key
    assert all(f"| `{name}` |" in page for name in LIMITS)
    page = generated()["dataset-yaml.md"]
    assert all(f"| `{key}` |" in page for key in spec.KEYS)
    assert all(f"`{key}`" in page for key in message_format.MESSAGES_KEYS)


def test_every_finding_names_a_place_in_the_page_of_the_checks() -> None:
    """mkdocs makes an anchor of each heading: the same in small letters."""
    found = re.findall(r"^### (.+)$", generated()["checks.md"], re.MULTILINE)
    for module in (*load("doctor"), *load("lint")):
        assert module.ID in found
        page, _, anchor = Finding(module.ID, "error", "").page.partition("#")
        assert anchor == module.ID.lower()
        assert (FOLDER.parent / f"{page}.md").is_file()
