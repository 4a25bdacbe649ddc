"""Change settings of a project by name: names and values come in; whole, checked files go out.

A change is made in a copy of the three files first. What `lint` says of the copy and does not say
of the project refuses it; then all files are replaced, or none.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from phi3scaffold.checks.lint import olive_keys, olive_passes, settings
from phi3scaffold.checks.lint_context import DATASET, OLIVE, LintContext
from phi3scaffold.checks.setting_docs import SettingDoc, setting_docs
from phi3scaffold.datasets import message_format, spec
from phi3scaffold.evaluation.limits import LIMITS
from phi3scaffold.project import setting_names
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_json, read_yaml, write_together
from phi3scaffold.project.findings import Finding, Skip
from phi3scaffold.project.key_locations import find_places
from phi3scaffold.project.layout import PROJECT_FILE
from phi3scaffold.project.near_names import near_names
from phi3scaffold.project.setting_names import SHORT_NAMES, check_value, read_value
from phi3scaffold.project.settings import KEYS
from phi3scaffold.project.text_edit import with_settings
from phi3scaffold.project.yaml_text import load_yaml

FILES = (PROJECT_FILE, DATASET, OLIVE)  # in the order in which a name is looked for
OPEN = ("adapters",)  # mappings of project.yaml whose keys are the user's own
PARTS = ("passes", "training_args", "extra_options")  # of a path, which a name may leave out
Path_ = tuple[str, ...]


class SettingPlace(NamedTuple):
    """Where a setting stands: its file, and the path of its keys."""

    file: str
    path: Path_

    @property
    def name(self) -> str:
        """The whole name, as it may be typed."""
        return ".".join(self.path)


class SettingChange(NamedTuple):
    """One setting that gets another value."""

    place: SettingPlace
    line: int
    before: Any
    after: Any


class ProjectSettings:
    """The settings of a project: their names, values and documentation.

    Raises:
        ScaffoldError: one of its files cannot be read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.contents: dict[str, dict[str, Any]] = {
            name: (read_json if name == OLIVE else read_yaml)(root / name) for name in FILES
        }
        self._docs = setting_docs(root)
        self.places = tuple(dict.fromkeys(self._places()))

    def _places(self) -> Iterator[SettingPlace]:
        """Yield every setting that is known, those of a file that are not set among them."""
        known: dict[str, Mapping[str, Sequence[str] | None]] = {
            PROJECT_FILE: {**KEYS, "gate": tuple(LIMITS)},
            DATASET: {
                **dict.fromkeys(spec.KEYS),
                "files": spec.FILES_KEYS,
                "messages": message_format.MESSAGES_KEYS,
            },
        }
        for file in FILES:
            for key, below in known.get(file, {}).items():
                yield SettingPlace(file, (key,))
                yield from (SettingPlace(file, (key, one)) for one in below or ())
            yield from (SettingPlace(file, path) for path in _paths(self.contents[file]))
            if file == OLIVE:  # a README may speak of a pass that is no more
                passes = self.contents[OLIVE].get("passes") or {}
                for path in self._docs[file]:
                    if path[0] == "passes" and path[1] in passes:
                        yield SettingPlace(file, path)

    def find(self, word: str) -> SettingPlace:
        """Return the setting of a name: short, the last part of it, or whole.

        Raises:
            ScaffoldError: there is none, or there are several.
        """
        file, colon, rest = word.rpartition(":")
        name = SHORT_NAMES.get(rest, rest)
        files = [one for one in FILES if not colon or one.endswith(file)]
        places = [place for place in self.places if place.file in files]
        for form in (_whole, _brief):
            exact = [place for place in places if form(place.path) == name]
            if exact:
                return exact[0]
        ends = [place for place in places if f".{place.name}".endswith(f".{name}")]
        nearest = [place for place in ends if not any(_holds(one, place) for one in ends)]
        if len(nearest) == 1:
            return nearest[0]
        if nearest:
            names = ", ".join(place.name for place in nearest)
            raise ScaffoldError(f"{word} is the name of several settings.", fix=f"one of: {names}")
        return self._new(files, name) or self._refuse(word)

    def _new(self, files: Sequence[str], name: str) -> SettingPlace | None:
        """Return the place of a key that is known only when it is there: a whole name."""
        path = tuple(name.split("."))
        if PROJECT_FILE in files and len(path) == 2 and path[0] in OPEN:
            return SettingPlace(PROJECT_FILE, path)
        passes = self.contents[OLIVE].get("passes") or {}
        if OLIVE in files and len(path) > 2 and path[0] == "passes" and path[1] in passes:
            return SettingPlace(OLIVE, path)
        return None

    def _refuse(self, word: str) -> SettingPlace:
        brief = (place.path[-1] for place in self.places)
        known = dict.fromkeys((*SHORT_NAMES, *brief, *(place.name for place in self.places)))
        near = near_names(word.rpartition(":")[2], known, most=3)
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        raise ScaffoldError(
            f"There is no setting {word!r:.60}.",
            fix=f"{meant}`phi3scaffold set` lists them; one that its file lacks has a whole name, "
            "such as passes.finetune.training_args.weight_decay",
        )

    def value(self, place: SettingPlace) -> Any:
        """Return the value of a setting; None where it is not set."""
        value: Any = self.contents[place.file]
        for key in place.path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def doc(self, place: SettingPlace) -> SettingDoc | None:
        """Return the documentation of a setting, or of the group that it belongs to."""
        docs, path = self._docs[place.file], place.path
        while path and path not in docs:
            path = path[:-1]
        return docs.get(path)

    def line(self, place: SettingPlace) -> int:
        """Return the line where a setting stands, or what holds it."""
        text = (self.root / place.file).read_text(encoding="utf-8")
        return find_places(text).line(place.path) or 1

    def change(self, words: Sequence[str]) -> list[SettingChange]:
        """Set ``KEY=VALUE`` for each word; return what has another value now.

        Raises:
            ScaffoldError: a name or a value is refused; then nothing was written.
            OSError: a file cannot be written; then all are as they were.
        """
        values: dict[SettingPlace, Any] = {}
        for word in words:
            name, equals, text = word.partition("=")
            if not equals:
                raise ScaffoldError(f"{word!r:.60} sets nothing.", fix=f"{name}=VALUE")
            place = self.find(name.strip())
            if place in values:
                raise ScaffoldError(f"{place.name} is set twice.", fix="leave one of them out")
            values[place] = self._checked(place, text)
        values = {place: one for place, one in values.items() if not _same(self.value(place), one)}
        before = {place: self.value(place) for place in values}
        texts = {file: self._text(file, values) for file in {place.file for place in values}}
        self._lint(texts, values)
        write_together({self.root / file: text.encode() for file, text in texts.items()})
        after = ProjectSettings(self.root)
        return [
            SettingChange(place, after.line(place), before[place], value)
            for place, value in values.items()
        ]

    def _checked(self, place: SettingPlace, text: str) -> Any:
        now = self.value(place)
        try:
            value = read_value(text, now)
            below = [one for one in self.places if one.path[:-1] == place.path]
            if isinstance(now, dict) or (below and not isinstance(value, dict)):
                if value is not None and not isinstance(value, dict):
                    names = ", ".join(one.name for one in below if one.file == place.file)
                    raise ScaffoldError(f"{place.name} is a group.", fix=f"one of: {names}")
            elif place.file == OLIVE:
                check_value(place.path[-1], value, now)
        except ScaffoldError as error:
            raise ScaffoldError(
                error.what, where=f"{place.file}: {place.name}", fix=error.fix
            ) from None
        return value

    def _text(self, file: str, values: Mapping[SettingPlace, Any]) -> str:
        """Return the new text of a file. Raises ScaffoldError: it would say something else."""
        import yaml

        own = {place.path: value for place, value in values.items() if place.file == file}
        text = with_settings((self.root / file).read_bytes().decode(), own)
        wanted = json.loads(json.dumps(self.contents[file], default=str))
        for path, value in own.items():
            inner = wanted
            for key in path[:-1]:
                if not isinstance(inner.get(key), dict):
                    inner[key] = {}
                inner = inner[key]
            inner[path[-1]] = value
        try:
            written = json.loads(text) if file == OLIVE else load_yaml(text)
        except (ValueError, yaml.YAMLError):
            written = None
        if json.loads(json.dumps(written, default=str)) != wanted:
            raise ScaffoldError(
                "This file is written in a way that cannot be changed here.",
                where=self.root / file,
                fix=f"write there: {', '.join('.'.join(path) for path in own)}",
            )
        return text

    def _lint(self, texts: Mapping[str, str], values: Mapping[SettingPlace, Any]) -> None:
        """Refuse what lint finds in the new texts, and does not find in the old ones."""
        ask_olive = any(
            place.file == OLIVE and place.path[-1] not in setting_names.VALUE_RULES
            for place in values
        )
        old = {file: (self.root / file).read_bytes() for file in FILES}
        new = {**old, **{file: text.encode() for file, text in texts.items()}}
        known = {(one.id, one.what) for one in _findings(old, ask_olive=ask_olive)}
        for one in _findings(new, ask_olive=ask_olive):
            if one.state == "error" and (one.id, one.what) not in known:
                raise ScaffoldError(one.what, where=one.where, fix=one.fix)


def _findings(files: Mapping[str, bytes], *, ask_olive: bool) -> list[Finding]:
    """Return what lint says of these files, in a folder of their own."""
    checks = (settings.check, olive_passes.check, *((olive_keys.check,) if ask_olive else ()))
    with tempfile.TemporaryDirectory(prefix="phi3scaffold-") as scratch:
        root = Path(scratch).resolve()
        for file, content in files.items():
            path = root / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        found: list[Finding] = []
        context = LintContext(root)
        for check in checks:
            try:
                found += check(context)
            except Skip:
                continue
        return found


def _paths(content: Any, above: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of every key of nested mappings."""
    for key, value in content.items() if isinstance(content, dict) else ():
        yield (*above, str(key))
        yield from _paths(value, (*above, str(key)))


def _holds(one: SettingPlace, other: SettingPlace) -> bool:
    """Tell whether `other` stands in a group beside `one`, as a quantizer's overrides do."""
    above = one.path[:-1]
    is_deeper = len(other.path) > len(one.path) and one.file == other.file
    return is_deeper and other.path[: len(above)] == above


def _whole(path: Path_) -> str:
    return ".".join(path)


def _brief(path: Path_) -> str:
    """Return a path as tables of runs name a setting: the pass and the last key."""
    return ".".join(part for part in path if part not in PARTS)


def _same(one: Any, other: Any) -> bool:
    return bool(type(one) is type(other) and one == other)
