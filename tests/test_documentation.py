"""README.md, CONTRIBUTING.md and docs/ name what is there: commands, goals, paths, links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli.parser import build

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
# What the pages tell people to type, beside our own commands and make's goals.
PROGRAMS = {
    "az", "cd", "curl", "git", "hf", "pip", "powershell", "py", "python", "python3", ".",
    ".ci/run", ".venv-new/Scripts/Activate.ps1", "Invoke-Expression", "Out-String",
}  # fmt: skip
PLACEHOLDERS = {"VERB", "COMMAND", "SHELL"}
INCOMPLETE = "the following arguments are required"


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def command_lines(text: str) -> Iterator[tuple[str, bool]]:
    """Every command line of a page, and whether it is whole: to be typed as it stands.

    Whole are the lines of sh and powershell blocks; code within a text may only name a command.
    """
    blocks = re.compile(r"^ *```(\w*).*?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
    for language, body in blocks.findall(text):
        if language in ("sh", "powershell"):
            for line in body.splitlines():
                words = line.strip()
                if words and not words.startswith("#"):
                    yield from ((part, True) for part in re.split(r" && | \| ", words))
    for code in re.findall(r"`([^`\n]+)`", blocks.sub("", text)):
        if re.match(r"(phi3scaffold|make) \S", code):
            yield from ((part, False) for part in code.split(" && "))


def typed(line: str) -> list[str]:
    """The words of a command line, a path of Windows among them."""
    line = re.sub(r"^eval \"\$\((.*)\)\"$", r"\1", line)
    words = shlex.split(line.replace("\\", "/"), comments=True)
    while re.match(r"[A-Z][A-Z0-9_]*=", words[0]):
        del words[0]
    if words[0] == "torchrun":
        words = ["phi3scaffold", *words[words.index("phi3scaffold") + 1 :]]
    if re.fullmatch(r"\.venv(-infer)?/(bin|Scripts)/phi3scaffold", words[0]):
        words[0] = "phi3scaffold"
    return words


@cache
def goals() -> set[str]:
    makefiles = (ROOT / "Makefile", ROOT / "template/project/Makefile.jinja")
    text = "".join(path.read_text(encoding="utf-8") for path in makefiles)
    return set(re.findall(r"^([a-z]+):", text, re.MULTILINE))


def parse(words: list[str]) -> None:
    """Let the command's own parser read the words. Raises SystemExit(2) where it refuses them."""
    build(VERBS, words).parse_args(words)


@pytest.mark.parametrize("page", NAMES)
def test_every_command_can_be_typed(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    for line, whole in command_lines(read(page)):
        program, *words = typed(line)
        if program == "make":
            named = {word for word in words if re.fullmatch("[a-z]+", word)}
            assert named <= goals(), line
        elif program == "phi3scaffold":
            if PLACEHOLDERS & set(words):
                continue
            try:
                parse(words)
            except SystemExit as ended:
                said = capsys.readouterr().err
                named = not whole and INCOMPLETE in said
                assert not ended.code or named, f"{line}\n{said}"
        else:
            assert program in PROGRAMS, line
            for path in re.findall(r"tests/[\w/]+\.py|examples/[\w./-]+", line):
                assert (ROOT / path).exists(), line


@pytest.mark.parametrize("page", NAMES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", read(page)):
        if not target.startswith("https://"):
            file, _, anchor = target.partition("#")
            there = (ROOT / page).parent / file if file else ROOT / page
            assert there.exists(), target
            assert not anchor or anchor in anchors(there), target


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as mkdocs makes them."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        named = re.search(r"\{ #([\w-]+) \}", heading)
        plain = re.sub(r"[^\w\s-]", "", heading).strip().lower()
        found.add(named[1] if named else re.sub(r"[-\s]+", "-", plain))
    return found


def test_the_readme_is_short() -> None:
    assert len(read("README.md").encode()) < 6000


def test_the_pages_load_nothing_from_elsewhere() -> None:
    assert "font: false" in read("mkdocs.yml")
    for page in NAMES:
        assert not re.search(r"!\[[^]]*\]\(https?:|<(script|img|link|iframe)\b", read(page)), page


# ------------------------------------------------------------------ CONTRIBUTING.md


def test_the_tree_is_the_repositorys() -> None:
    """Two spaces of indent a level; the names of a line stand before two spaces or its end."""
    text = read("CONTRIBUTING.md").partition("\n## What is where\n")[2]
    parents = [ROOT]
    for line in text.split("```")[1].partition("\n")[2].strip().splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        if depth > 2:  # the comment of the line before
            continue
        del parents[depth + 1 :]
        names = re.findall(r"(?:^|  )([\w-]*[\w.-]+\.\w+|\w+/|Makefile)(?=  |$)", line.strip())
        assert names, line
        for name in names:
            assert (parents[-1] / name).exists(), line
        parents.append(parents[-1] / names[-1])


def test_every_room_is_in_the_tree() -> None:
    text = read("CONTRIBUTING.md")
    for folder in (ROOT / "phi3scaffold").iterdir():
        if (folder / "__init__.py").exists():
            assert f"  {folder.name}/" in text, folder.name


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/how-to/extending.md"])
def test_the_paths_that_are_named_exist(page: str) -> None:
    named = re.findall(r"`((?:phi3scaffold|template|tests|tools|\.ci)/[\w./-]+)`", read(page))
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
