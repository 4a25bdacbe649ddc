"""A project as lint sees it: files read once, with the line of every key; nothing must be sound."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_json, read_yaml
from phi3scaffold.project.findings import Finding, Skip, State
from phi3scaffold.project.key_locations import Key, Places, dotted, find_places
from phi3scaffold.project.layout import PROJECT_FILE
from phi3scaffold.project.settings import Project, project_of
from phi3scaffold.targets.registry import target_of

DATASET = "datasets/dataset.yaml"
OLIVE = "fine-tuning/olive-config.json"
ANSWERS = ".copier-answers.yml"
LOCK = "model.lock"
# Made or installed; never looked through for a person's own mistakes.
NOT_THEIRS = (".git", "model-cache", "gen-model", "__pycache__", "node_modules")
ENVIRONMENT = re.compile(r"\.?venv.*|\.runtime-.*|\..*_cache|.*\.egg-info")
MARKS = re.compile(r"^(?:<{7} |>{7} |={7}$)", re.MULTILINE)
LARGEST = 1 << 20  # bytes of a file that is read as text


@dataclass(frozen=True)
class Document:
    """A YAML or JSON file that could be read, and holds a mapping."""

    name: str
    content: dict[str, Any]
    places: Places

    def at(self, *path: str | int) -> str:
        """Return where a key is, as ``project.yaml:12: evaluate.rows``."""
        line = self.places.line(path)
        key = f": {dotted(path)}" if path else ""
        return f"{self.name}:{line}{key}" if line else f"{self.name}{key}"

    def get(self, *path: str | int) -> Any:
        """Return the value at `path`, or None where there is none."""
        value: Any = self.content
        for key in path:
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def mappings(self, *path: str | int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the mappings below `path`, each with its key."""
        value = self.get(*path)
        for name, content in value.items() if isinstance(value, dict) else ():
            if isinstance(content, dict):
                yield str(name), content


@dataclass(frozen=True)
class FileChange:
    """What a fix would write: a file of the project, its whole new text, and what that fixes."""

    name: str
    text: str
    why: str


@dataclass
class LintContext:
    """One project on disk.

    Attributes:
        root: the folder of project.yaml.
        verify: read all weights, to compare their hashes.
        quick: leave out what takes seconds.
        say: called with what is being waited for.
    """

    root: Path
    verify: bool = False
    quick: bool = False
    say: Callable[[str], None] = lambda line: None
    _texts: dict[str, str | None] = field(default_factory=dict)
    _documents: dict[str, Document | None] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """Return a file's text; None where it is missing, no UTF-8, or larger than `LARGEST`."""
        if name not in self._texts:
            path = self.root / name
            try:
                fits = path.is_file() and path.stat().st_size <= LARGEST
                text = path.read_text(encoding="utf-8") if fits else None
            except (OSError, UnicodeDecodeError):
                text = None
            self._texts[name] = None if text is not None and "\0" in text else text
        return self._texts[name]

    def document(self, name: str) -> Document | None:
        """Return a YAML or JSON file; None where it is missing or broken, which L01 and L02 say."""
        if name not in self._documents:
            try:
                self._documents[name] = self.read(name)
            except ScaffoldError:
                self._documents[name] = None
        return self._documents[name]

    def read(self, name: str) -> Document:
        """Read a YAML or JSON file. Raises ScaffoldError: missing, or broken at a line."""
        path = self.root / name
        content = read_yaml(path) if path.suffix in (".yaml", ".yml") else read_json(path)
        return Document(name, content, find_places(self.text(name) or ""))

    def has_marks(self, name: str) -> bool:
        """Tell whether an update or a merge left its conflict in the file."""
        return MARKS.search(self.text(name) or "") is not None

    def require_document(self, name: str) -> Document:
        """Return a YAML or JSON file. Raises Skip where `document` has none."""
        document = self.document(name)
        if document is None:
            raise Skip(f"{name} cannot be read")
        return document

    def require_project(self) -> Project:
        """Return the project. Raises Skip where there is none."""
        if self.project is None:
            raise Skip("project.yaml cannot be understood")
        return self.project

    @property
    def project(self) -> Project | None:
        """The project without settings that cannot be (L03); None without model or target."""
        return self._understood[0]

    @property
    def errors(self) -> tuple[ScaffoldError, ...]:
        """What in project.yaml cannot be."""
        return self._understood[1]

    @cached_property
    def _understood(self) -> tuple[Project | None, tuple[ScaffoldError, ...]]:
        document = self.document(PROJECT_FILE)
        settings = dict(document.content) if document else {}
        errors: list[ScaffoldError] = []
        while document:
            try:
                project = project_of(settings, self.root)
                target_of(project)
                return project, tuple(errors)
            except ScaffoldError as error:
                errors.append(error)
                key = (error.where or "").rpartition(": ")[2].partition(".")[0]
                if key in ("model", "target") or settings.pop(key, None) is None:
                    break
        return None, tuple(errors)

    @property
    def answers(self) -> dict[str, Any]:
        """What .copier-answers.yml says; {} where it cannot be read."""
        found = self.document(ANSWERS)
        return found.content if found else {}

    @cached_property
    def tracked(self) -> frozenset[str] | None:
        """The files below the project that git tracks; None where it is in no repository."""
        if self._listed is None:
            return None
        return frozenset(filter(None, (self.git("ls-files", "-z") or "").split("\0")))

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The files that are the user's: neither made nor installed, nor left out by git."""
        names = self._walk() if self._listed is None else self._listed
        return tuple(n for n in sorted(names) if not is_made(n) and (self.root / n).is_file())

    @cached_property
    def _listed(self) -> set[str] | None:
        """What git tracks, or would; None in no repository, or in a folder that one leaves out."""
        listed = self.git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        names = set(filter(None, (listed or "").split("\0")))
        return names if PROJECT_FILE in names else None

    def _walk(self) -> Iterator[str]:
        from pathspec import GitIgnoreSpec

        left_out = GitIgnoreSpec.from_lines((self.text(".gitignore") or "").splitlines())
        for here, folders, names in os.walk(self.root):
            below = Path(here).relative_to(self.root)
            folders[:] = [name for name in folders if not is_made((below / name).as_posix())]
            for name in names:
                path = (below / name).as_posix()
                if not left_out.match_file(path):
                    yield path

    def git(self, *words: str) -> str | None:
        """Return what git prints in the project's folder; None where git fails or is missing."""
        from phi3scaffold.generator import git

        try:
            done = git.run(self.root, *words)
        except OSError:
            return None
        return os.fsdecode(done.stdout) if done.returncode == 0 else None

    def finding(self, identity: str, error: ScaffoldError, state: State = "error") -> Finding:
        """Return an error of one of our readers as a finding at the line of its key."""
        return Finding(identity, state, error.what, self._where(error.where), error.fix)

    def _where(self, where: str | None) -> str | None:
        """Turn ``/p/project.yaml: evaluate.rows`` into ``project.yaml:12: evaluate.rows``."""
        if where is None:
            return None
        name = where.removeprefix(f"{self.root}{os.sep}").replace(os.sep, "/")
        match = re.fullmatch(r"([^:]+): ([^\s:]+)", name)
        document = self.document(match[1]) if match else None
        return document.at(*keys(match[2])) if match and document else name


def keys(text: str) -> Key:
    """Split ``turns[0].user`` into ``("turns", 0, "user")``."""
    found = re.findall(r"\[(\d+)\]|([^.\[\]]+)", text)
    return tuple(int(index) if index else name for index, name in found)


def is_made(name: str) -> bool:
    parts = name.split("/")
    if parts[0] in ("model-cache", "gen-model") and parts[1:] == ["README.md"]:
        return False
    return any(part in NOT_THEIRS or ENVIRONMENT.fullmatch(part) for part in parts)


def ignored(finding: Finding, patterns: dict[str, tuple[str, ...]]) -> bool:
    """Tell whether project.yaml's ignore list names what a finding found."""
    if finding.state == "ok" or finding.id not in patterns:
        return False
    files = patterns[finding.id]
    name = (finding.where or "").split(":")[0]
    return not files or any(fnmatch(name, pattern) for pattern in files)


def ignore_list(context: LintContext) -> dict[str, tuple[str, ...]]:
    """Return project.yaml's ``lint.ignore``: ID -> patterns of files, () for all of them.

    Raises:
        ScaffoldError: it is neither a list of IDs nor a mapping of IDs to files.
    """
    document = context.document(PROJECT_FILE)
    value = document.get("lint", "ignore") if document else None
    if value is None:
        return {}
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return dict.fromkeys(value, ())
    if isinstance(value, dict):
        found: dict[str, tuple[str, ...]] = {}
        for identity, files in value.items():
            names = [files] if isinstance(files, str) else files or []
            if isinstance(names, list) and all(isinstance(name, str) for name in names):
                found[str(identity)] = tuple(names)
        if len(found) == len(value):
            return found
    raise ScaffoldError(
        "It must be a list of IDs, or a mapping of IDs to files.",
        where=f"{context.root / PROJECT_FILE}: lint.ignore",
        fix="ignore: {L20-secrets: [docs/notes.md]}; the IDs: phi3scaffold lint --all",
    )
