"""The files to publish: those of the manifests, the card and the licence; the rows on request."""

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
from phi3scaffold.inference.calibration import FILE as CALIBRATION
from phi3scaffold.inference.calibration import LabelCalibration
from phi3scaffold.inference.forms.kinds import KINDS, PUBLISHED, folder_of
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.hashing import hash_file
from phi3scaffold.pipeline.manifest import Manifest
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.layout import ROWS_CARD
from phi3scaffold.project.settings import Project
from phi3scaffold.publishing import hub_readme
from phi3scaffold.publishing.permission import changed, check_allowed

README, DATA = "README.md", "datasets"
LONGEST_TEXT = 32 << 20  # bytes; a longer file is not searched as a text


@dataclass(frozen=True)
class FileToPublish:
    """One file of the repository.

    Attributes:
        name: its path there.
        content: the file; of a text the very bytes that were checked.
        sha256: of the content, 64 hex digits.
        size: in bytes.
        stamp: a file's modification time in nanoseconds when it was checked.
    """

    name: str
    content: Path | bytes
    sha256: str
    size: int
    stamp: int = 0

    def check_unchanged(self) -> None:
        """Raise ScaffoldError where the file was changed since it was checked."""
        if isinstance(self.content, Path):
            try:
                stat = self.content.stat()
            except OSError:
                raise changed(self.content) from None
            if (stat.st_size, stat.st_mtime_ns) != (self.size, self.stamp):
                raise changed(self.content)

    @property
    def git_hash(self) -> str:
        """Its hash in git, for what the hub does not store by its sha256."""
        data = self.content if isinstance(self.content, bytes) else self.content.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Publication:
    """Everything to publish.

    Attributes:
        forms: their folders have these names.
        files: sorted by name; the README is among them after `with_readme`.
        others: of forms that were evaluated and are not published now: form -> git's hash of
            their manifest.json. A form that is there already stays if it is the same.
        extra: files in the forms' folders that are not published: no stage made them.
        sources: data sets of the hub that rows came from.
        licence: of the base model, or "unknown".
    """

    project: Project
    forms: tuple[str, ...]
    files: tuple[FileToPublish, ...]
    others: dict[str, str]
    extra: tuple[Path, ...]
    sources: tuple[str, ...]
    licence: str

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def with_readme(
        self, repo: str, there: Collection[str] = (), named: Collection[str] = ()
    ) -> Publication:
        """Return the publication with the README for a repository, OWNER/NAME.

        Args:
            there: folders that are there already and stay.
            named: those of `sources` that are public.

        Raises:
            ScaffoldError: the README would hold a likely secret.
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
        _check_contents(self.project, file)
        files = (file, *(other for other in self.files if other.name != README))
        return replace(self, files=tuple(sorted(files, key=lambda file: file.name)))


def gather(project: Project, forms: Sequence[str], *, with_data: bool = False) -> Publication:
    """Check everything on this machine and return what would be published; send nothing.

    Raises:
        ScaffoldError: as `check_allowed`; a file differs from its manifest; a text holds a likely
            secret.
    """
    forms = tuple(form for form in PUBLISHED if form in forms)
    check_allowed(project, forms, with_data=with_data)
    files: dict[str, FileToPublish] = {}
    extra: list[Path] = []
    for form in forms:
        folder = folder_of(form, project)
        record = manifest.read(folder)
        if record is None:  # gone since it was checked
            raise changed(folder / manifest.NAME)
        for file in (*_form_files(form, folder, record), *_calibration(project, form, folder)):
            files[file.name] = file
        extra += sorted(
            path
            for path in folder.rglob("*")
            if path.is_file()
            and path.relative_to(folder).as_posix() not in (*record.files, manifest.NAME)
            and f"{form}/{path.relative_to(folder).as_posix()}" not in files
        )
    licences = sorted(path for path in project.base.glob("LICENSE*") if path.is_file())
    if licences:
        files[hub_readme.LICENCE] = _file(hub_readme.LICENCE, licences[0].read_bytes())
    if with_data:
        files |= {file.name: file for file in _rows(project)}
    for file in files.values():
        _check_contents(project, file)
    return Publication(
        project=project,
        forms=forms,
        files=tuple(files[name] for name in sorted(files)),
        others=dict(_others(project, forms)),
        extra=tuple(extra),
        sources=hub_readme.sources(project),
        licence=hub_readme.known_licence(project),
    )


def _file(name: str, data: bytes) -> FileToPublish:
    return FileToPublish(name, data, hashlib.sha256(data).hexdigest(), len(data))


def _read(name: str, path: Path) -> FileToPublish:
    stat = path.stat()  # before its bytes are read, to detect a change meanwhile
    if stat.st_size <= LONGEST_TEXT and _is_text(path):
        return _file(name, path.read_bytes())
    return FileToPublish(name, path, hash_file(path), stat.st_size, stat.st_mtime_ns)


def _form_files(form: str, folder: Path, record: Manifest) -> Iterator[FileToPublish]:
    """Yield the files of a form, each compared with the manifest; then the manifest."""
    for name, entry in record.files.items():
        path = folder / name
        try:
            file = _read(f"{form}/{name}", path)
        except OSError:
            raise changed(path) from None
        if file.sha256 != entry.sha256:
            raise changed(path)
        yield file
    yield _file(f"{form}/{manifest.NAME}", (folder / manifest.NAME).read_bytes())


def _calibration(project: Project, form: str, folder: Path) -> Iterator[FileToPublish]:
    """Yield what gives a form's labels their probabilities, where the evaluation has the same."""
    own = LabelCalibration.load(folder / CALIBRATION, form, folder)
    if own and own == LabelCalibration.load(project.evaluation / CALIBRATION, form, folder):
        yield _file(f"{form}/{CALIBRATION}", (folder / CALIBRATION).read_bytes())


def _is_text(path: Path) -> bool:
    with path.open("rb") as stream:
        return b"\0" not in stream.read(8192) and path.suffix != ".safetensors"


def _others(project: Project, forms: Sequence[str]) -> Iterator[tuple[str, str]]:
    measured = manifest.read(project.evaluation)
    for form in PUBLISHED:
        folder = folder_of(form, project)
        record = manifest.read(folder)
        if form in forms or record is None or measured is None:
            continue
        if measured.inputs.get(f"stage:{KINDS[form].stage}") == record.content:
            yield form, _file("", (folder / manifest.NAME).read_bytes()).git_hash


def _rows(project: Project) -> Iterator[FileToPublish]:
    """Yield dataset.yaml, the local rows and their card."""
    from phi3scaffold.datasets.reader import Reading
    from phi3scaffold.datasets.spec import load_spec

    for path in (project.dataset_yaml, *load_spec(project.dataset_yaml).files):
        yield _read(f"{DATA}/{path.relative_to(project.datasets).as_posix()}", path)
        if path == project.dataset_yaml:
            continue
        for row in Reading([path]):
            for text in _strings(row.values):
                _check_text(text, f"{path}:{row.line}")
    card = project.rows / ROWS_CARD
    if card.is_file():
        yield _file(f"{DATA}/{card.name}", card.read_bytes())


def _check_contents(project: Project, file: FileToPublish) -> None:
    """Refuse secrets and local paths in texts; the base model's vocabulary is not searched."""
    if not isinstance(file.content, bytes):
        return
    base = project.base / PurePosixPath(file.name).name
    if base.name in TOKENIZER_FILES and base.is_file() and hash_file(base) == file.sha256:
        return
    text = file.content.decode("utf-8", "replace")
    for number, line in enumerate(text.splitlines(), 1):
        _check_text(line, f"{file.name}:{number}", project.root)
    if file.name.endswith(".json"):  # escapes may hide a secret in the lines
        with contextlib.suppress(ValueError):  # no JSON after all
            for string in _strings(json.loads(text)):
                _check_text(string, file.name, project.root)


def _strings(value: Any) -> Iterator[str]:
    """Yield every text in a row or a JSON document; of a mapping as ``KEY: TEXT``."""
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
    problems = [f"a likely secret: {kind}" for kind in sorted(find_secrets(text))]
    if place and str(place) in text:
        problems.append("a folder of this machine")
    if problems:
        raise ScaffoldError(
            f"A text to be published holds {problems[0]}.",
            where=where,
            fix="remove it where it came from (and revoke a secret: it may be elsewhere, too), "
            "then: phi3scaffold run",
        )
