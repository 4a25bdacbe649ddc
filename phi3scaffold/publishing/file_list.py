"""The files that go up: exactly those of the manifests, the card, the licence; rows if asked."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from phi3scaffold.conversion.form_files import TOKENIZER_FILES
from phi3scaffold.datasets.private_data import find_secrets
from phi3scaffold.inference.forms.kinds import KINDS, PUBLISHED, folder_of
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.manifest import Manifest
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.layout import ROWS_CARD
from phi3scaffold.project.settings import Project
from phi3scaffold.publishing import hub_readme
from phi3scaffold.publishing.permission import changed, check_allowed, digest_of

README, DATA = "README.md", "datasets"
LONGEST_TEXT = 32 << 20  # bytes; what is longer is no text that a person wrote


@dataclass(frozen=True)
class FileToPublish:
    """One file of the repository.

    Attributes:
        name: its path there.
        content: the file; or the very bytes that were looked at, of texts.
        sha256: of the content, 64 hex digits.
        size: in bytes.
        stamp: of a file: its time of change in nanoseconds when it was looked at.
    """

    name: str
    content: Path | bytes
    sha256: str
    size: int
    stamp: int = 0

    def check_unchanged(self) -> None:
        """Refuse a file that was written to since it was looked at. Raises ScaffoldError."""
        if isinstance(self.content, Path):
            try:
                stat = self.content.stat()
            except OSError:
                raise changed(self.content) from None
            if (stat.st_size, stat.st_mtime_ns) != (self.size, self.stamp):
                raise changed(self.content)

    @property
    def git_hash(self) -> str:
        """The name git gives it, for what the hub does not keep by its sha256."""
        data = self.content if isinstance(self.content, bytes) else self.content.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Publication:
    """All that goes up.

    Attributes:
        project: where it comes from.
        forms: the forms, as their folders are called there.
        files: in order of their names; the README is among them once it is `described`.
        others: of forms that were measured and do not go up now: form -> git's name for their
            manifest.json. One that is there from before stays if it is the same.
        extra: files that lie in the folders of the forms and do not go up: no stage made them.
        sources: data sets of the hub that rows came from.
        demonstration: whether the model only proves the pipeline.
        licence: of the base model, or "unknown".
    """

    project: Project
    forms: tuple[str, ...]
    files: tuple[FileToPublish, ...]
    others: dict[str, str]
    extra: tuple[Path, ...]
    sources: tuple[str, ...]
    demonstration: bool
    licence: str

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def described(
        self, repo: str, there: Collection[str] = (), named: Collection[str] = ()
    ) -> Publication:
        """With the README of that repository.

        Args:
            repo: OWNER/NAME.
            there: folders that lie there from before, and stay.
            named: of `sources` those whose names may be told.

        Raises:
            ScaffoldError: it would hold a likely secret.
        """
        names = {file.name for file in self.files} - {README}
        text = hub_readme.write(
            self.project,
            repo,
            [form for form in PUBLISHED if form in self.forms or form in there],
            notice=hub_readme.LICENCE in names,
            rows=any(name.startswith(f"{DATA}/") for name in names),
            named=named,
        )
        file = _file(README, text.encode())
        _look_through(self.project, file)
        files = (file, *(one for one in self.files if one.name != README))
        return replace(self, files=tuple(sorted(files, key=lambda one: one.name)))


def gather(project: Project, forms: Sequence[str], *, with_data: bool = False) -> Publication:
    """Check everything on this machine, and say what would go up; nothing is sent.

    Raises:
        ScaffoldError: as `check_allowed`; a file is not as its manifest says; a text that would go
            up holds a likely secret.
    """
    forms = tuple(form for form in PUBLISHED if form in forms)
    check_allowed(project, forms, with_data=with_data)
    files: dict[str, FileToPublish] = {}
    extra: list[Path] = []
    for form in forms:
        folder = folder_of(form, project)
        made = _read_manifest(folder)
        for file in _form(form, folder, made):
            files[file.name] = file
        extra += sorted(
            path
            for path in folder.rglob("*")
            if path.is_file()
            and path.relative_to(folder).as_posix() not in (*made.files, manifest.NAME)
        )
    licence = _licence(project)
    if licence is not None:
        files[hub_readme.LICENCE] = _file(hub_readme.LICENCE, licence)
    if with_data:
        files |= {file.name: file for file in _rows(project)}
    for file in files.values():
        _look_through(project, file)
    return Publication(
        project=project,
        forms=forms,
        files=tuple(files[name] for name in sorted(files)),
        others=dict(_others(project, forms)),
        extra=tuple(extra),
        sources=hub_readme.sources(project),
        demonstration=project.is_demonstration,
        licence=hub_readme.known_licence(project),
    )


def _file(name: str, data: bytes) -> FileToPublish:
    return FileToPublish(name, data, hashlib.sha256(data).hexdigest(), len(data))


def _read(name: str, path: Path) -> FileToPublish:
    stat = path.stat()  # before its bytes are read: what is written to meanwhile is seen
    if stat.st_size <= LONGEST_TEXT and _is_text(path):
        return _file(name, path.read_bytes())
    return FileToPublish(name, path, digest_of(path), stat.st_size, stat.st_mtime_ns)


def _read_manifest(folder: Path) -> Manifest:
    made = manifest.read(folder)
    if made is None:
        raise changed(folder / manifest.NAME)
    return made


def _form(form: str, folder: Path, made: Manifest) -> Iterator[FileToPublish]:
    """The files of a form, each compared with the manifest; then the manifest."""
    for name, entry in made.files.items():
        path = folder / name
        if ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute():
            raise changed(path)
        try:
            file = _read(f"{form}/{name}", path)
        except OSError:
            raise changed(path) from None
        if file.sha256 != entry["sha256"]:
            raise changed(path)
        yield file
    yield _file(f"{form}/{manifest.NAME}", (folder / manifest.NAME).read_bytes())


def _is_text(path: Path) -> bool:
    with path.open("rb") as stream:
        return b"\0" not in stream.read(8192) and path.suffix != ".safetensors"


def _others(project: Project, forms: Sequence[str]) -> Iterator[tuple[str, str]]:
    measured = manifest.read(project.evaluation)
    for form in PUBLISHED:
        folder = folder_of(form, project)
        made = manifest.read(folder)
        if form in forms or made is None or measured is None:
            continue
        if measured.inputs.get(f"stage:{KINDS[form].stage}") == made.content:
            yield form, _file("", (folder / manifest.NAME).read_bytes()).git_hash


def _licence(project: Project) -> bytes | None:
    """The notice that came with the base model; None where none did."""
    found = sorted(path for path in project.base.glob("LICENSE*") if path.is_file())
    return found[0].read_bytes() if found else None


def row_files(project: Project) -> dict[str, Path]:
    """Path in the repository -> file, of dataset.yaml and the rows; those of the hub stay there."""
    from phi3scaffold.datasets.spec import load_spec

    paths = (project.dataset_yaml, *load_spec(project.dataset_yaml).files)
    return {f"{DATA}/{path.relative_to(project.datasets).as_posix()}": path for path in paths}


def _rows(project: Project) -> Iterator[FileToPublish]:
    from phi3scaffold.datasets.reader import Reading

    for name, path in row_files(project).items():
        yield _read(name, path)
        if path == project.dataset_yaml:
            continue
        for row in Reading([path]):
            for text in _strings(row.values):
                _check_text(text, f"{path}:{row.line}")
    card = project.rows / ROWS_CARD
    if card.is_file():
        yield _file(f"{DATA}/{card.name}", card.read_bytes())


def _look_through(project: Project, file: FileToPublish) -> None:
    """Refuse secrets and places in the texts that go up; the base model's vocabulary has none."""
    if not isinstance(file.content, bytes):
        return
    base = project.base / PurePosixPath(file.name).name
    if base.name in TOKENIZER_FILES and base.is_file() and digest_of(base) == file.sha256:
        return
    text = file.content.decode("utf-8", "replace")
    for number, line in enumerate(text.splitlines(), 1):
        _check_text(line, f"{file.name}:{number}", project.root)
    if file.name.endswith(".json"):  # where quotes are escaped, the lines hide what is said
        with contextlib.suppress(ValueError):  # no JSON after all
            for said in _strings(json.loads(text)):
                _check_text(said, file.name, project.root)


def _strings(value: Any) -> Iterator[str]:
    """Every text in a row or a JSON document; ``KEY: TEXT`` of a mapping as one."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (f"{key}: {text}" for text in _strings(inner))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


def _check_text(text: str, where: str, place: Path | None = None) -> None:
    """Refuse a text that holds a likely secret, or names `place`."""
    found = [f"a likely secret: {kind}" for kind in sorted(find_secrets(text))]
    if place and str(place) in text:
        found.append("a folder of this machine")
    if found:
        raise ScaffoldError(
            f"What would go up holds {found[0]}.",
            where=where,
            fix="take it out where it came from (and make a secret void: it may be elsewhere, "
            "too), then: phi3scaffold run",
        )
