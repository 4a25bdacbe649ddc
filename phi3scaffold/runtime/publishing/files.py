"""The files that go up: exactly those of the manifests, the card, the licence; rows if asked."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from phi3scaffold.errors import ScaffoldError
from phi3scaffold.project import Project
from phi3scaffold.runtime.data.private import find_secrets
from phi3scaffold.runtime.form_files import TOKENIZER_FILES
from phi3scaffold.runtime.forms import folder_of
from phi3scaffold.runtime.pipeline import manifest
from phi3scaffold.runtime.pipeline.manifest import Manifest
from phi3scaffold.runtime.prompt import FILE as PROMPT
from phi3scaffold.runtime.publishing import readme
from phi3scaffold.runtime.publishing.allowed import MADE_BY, changed, check_allowed, digest_of

README, DATA = "README.md", "datasets"
LONGEST_TEXT = 32 << 20  # bytes; what is longer is no text that a person wrote
ADAPTER_CONFIG = "adapter_config.json"


@dataclass(frozen=True)
class Upload:
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
            manifest.json as it would go up. One that is there from before stays if it is the same.
        extra: files that lie in the folders of the forms and do not go up: no stage made them.
        demonstration: whether the model only proves the pipeline.
        licence: of the base model, or "unknown".
    """

    project: Project
    forms: tuple[str, ...]
    files: tuple[Upload, ...]
    others: dict[str, str]
    extra: tuple[Path, ...]
    demonstration: bool
    licence: str

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def described(self, repo: str, there: Collection[str] = ()) -> Publication:
        """With the README of that repository.

        Args:
            repo: OWNER/NAME.
            there: folders that lie there from before, and stay.

        Raises:
            ScaffoldError: it would hold a likely secret.
        """
        names = {file.name for file in self.files} - {README}
        text = readme.write(
            self.project,
            repo,
            [form for form in MADE_BY if form in self.forms or form in there],
            notice=readme.LICENCE in names,
            rows=DATA in there or any(name.startswith(f"{DATA}/") for name in names),
        )
        file = _file(README, text.encode())
        _refuse_secrets(self.project, file)
        files = (file, *(one for one in self.files if one.name != README))
        return replace(self, files=tuple(sorted(files, key=lambda one: one.name)))


def gather(project: Project, forms: Sequence[str], *, with_data: bool = False) -> Publication:
    """Check everything on this machine, and say what would go up; nothing is sent.

    Raises:
        ScaffoldError: as `check_allowed`; a file is not as its manifest says; a text that would go
            up holds a likely secret.
    """
    forms = tuple(form for form in MADE_BY if form in forms)
    check_allowed(project, forms)
    files: dict[str, Upload] = {}
    extra: list[Path] = []
    for form in forms:
        folder = folder_of(form, project)
        made = _read_manifest(folder)
        for file in _form(project, form, folder, made):
            files[file.name] = file
        extra += sorted(
            path
            for path in folder.rglob("*")
            if path.is_file()
            and path.relative_to(folder).as_posix() not in (*made.files, manifest.NAME)
        )
    licence = _licence(project)
    if licence is not None:
        files[readme.LICENCE] = _file(readme.LICENCE, licence)
    if with_data:
        files |= {file.name: file for file in _rows(project)}
    for file in files.values():
        _refuse_secrets(project, file)
    return Publication(
        project=project,
        forms=forms,
        files=tuple(files[name] for name in sorted(files)),
        others=dict(_others(project, forms)),
        extra=tuple(extra),
        demonstration=project.is_demonstration,
        licence=readme.known_licence(project),
    )


def _file(name: str, data: bytes) -> Upload:
    return Upload(name, data, hashlib.sha256(data).hexdigest(), len(data))


def _large(name: str, path: Path) -> Upload:
    stat = path.stat()  # before its bytes are read: what is written to meanwhile is seen
    return Upload(name, path, digest_of(path), stat.st_size, stat.st_mtime_ns)


def _read_manifest(folder: Path) -> Manifest:
    made = manifest.read(folder)
    if made is None:
        raise changed(folder / manifest.NAME)
    return made


def _form(project: Project, form: str, folder: Path, made: Manifest) -> Iterator[Upload]:
    """The files of a form, each compared with the manifest; then the manifest."""
    for name, entry in made.files.items():
        path = folder / name
        if ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute():
            raise changed(path)
        try:
            text = path.stat().st_size <= LONGEST_TEXT and _is_text(path)
            place = f"{form}/{name}"
            file = _file(place, path.read_bytes()) if text else _large(place, path)
        except OSError:
            raise changed(path) from None
        if file.sha256 != entry["sha256"]:
            raise changed(path)
        told = _without_places(project, path)
        yield file if told is None else _file(place, told)
    yield _file(f"{form}/{manifest.NAME}", _shown_manifest(project, folder, made))


def _is_text(path: Path) -> bool:
    with path.open("rb") as stream:
        return b"\0" not in stream.read(8192) and path.suffix != ".safetensors"


def _without_places(project: Project, path: Path) -> bytes | None:
    """A file that names the base model, by its id on the hub and not by a folder of this machine.

    None where the file goes up as it is.
    """
    base = readme.Base.of(project)
    if path.name == ADAPTER_CONFIG:
        told = {"base_model_name_or_path": base.name, "revision": base.commit}
    elif path.name == PROMPT and base.kind == "folder":
        told = {"model": base.name}
    else:
        return None
    settings = json.loads(path.read_text(encoding="utf-8"))
    return (json.dumps(settings | told, ensure_ascii=False, indent=2) + "\n").encode()


def _shown_manifest(project: Project, folder: Path, made: Manifest) -> bytes:
    """The manifest as it goes up: of the files that go up, and without folders of this machine."""
    content = json.loads((folder / manifest.NAME).read_text(encoding="utf-8"))
    content["inputs"] = {
        PurePath(name).name if PurePath(name).is_absolute() else name: sha
        for name, sha in made.inputs.items()
    }
    for name in made.files:
        told = _without_places(project, folder / name)
        if told is not None:
            file = _file(name, told)
            content["files"][name] = {"bytes": file.size, "sha256": file.sha256}
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _others(project: Project, forms: Sequence[str]) -> Iterator[tuple[str, str]]:
    measured = manifest.read(project.evaluation)
    for form, stage in MADE_BY.items():
        folder = folder_of(form, project)
        made = manifest.read(folder)
        if form in forms or made is None or measured is None:
            continue
        if measured.inputs.get(f"stage:{stage}") == made.content:
            yield form, _file("", _shown_manifest(project, folder, made)).git_hash


def _licence(project: Project) -> bytes | None:
    """The notice that came with the base model; None where none did."""
    found = sorted(path for path in project.base.glob("LICENSE*") if path.is_file())
    return found[0].read_bytes() if found else None


def row_files(project: Project) -> list[tuple[str, Path]]:
    """(path in the repository, file) of dataset.yaml and the rows; those of the hub stay there."""
    from phi3scaffold.rows.files import data_files
    from phi3scaffold.rows.spec import load_spec

    spec = load_spec(project.dataset_yaml)
    held = spec.held_out if isinstance(spec.held_out, tuple) else ()
    local = [one for one in (*spec.train, *held) if isinstance(one, Path)]
    found = [(f"{DATA}/{project.dataset_yaml.name}", project.dataset_yaml)]
    for path in data_files(local):
        inside = path.is_relative_to(project.datasets)
        name = path.relative_to(project.datasets).as_posix() if inside else path.name
        found.append((f"{DATA}/{name}", path))
    names = [name for name, _ in found]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise ScaffoldError(f"Two files of rows would be {double}.", where=project.dataset_yaml)
    return found


def _rows(project: Project) -> Iterator[Upload]:
    from phi3scaffold.rows.read import Reading

    for name, path in row_files(project):
        if path == project.dataset_yaml:
            yield _file(name, path.read_bytes())
            continue
        file = _large(name, path)
        for row in Reading([path]):
            for text in _strings(row.values):
                for kind in find_secrets(text):
                    raise _secret(kind, f"{path}:{row.line}")
        yield file
    card = project.gen / "data" / "DATA_CARD.md"
    if card.is_file():
        yield _file(f"{DATA}/{card.name}", card.read_bytes())


def _refuse_secrets(project: Project, file: Upload) -> None:
    """Look at the texts that go up; a vocabulary that is the base model's is nobody's secret."""
    if not isinstance(file.content, bytes):
        return
    base = project.base / PurePosixPath(file.name).name
    if base.name in TOKENIZER_FILES and base.is_file() and digest_of(base) == file.sha256:
        return
    text = file.content.decode("utf-8", "replace")
    for number, line in enumerate(text.splitlines(), 1):
        for kind in find_secrets(line):
            raise _secret(kind, f"{file.name}:{number}")
    if file.name.endswith(".json"):  # where quotes are escaped, the lines hide what is said
        with contextlib.suppress(ValueError):  # no JSON after all
            for said in _strings(json.loads(text)):
                for kind in find_secrets(said):
                    raise _secret(kind, file.name)


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


def _secret(kind: str, where: str) -> ScaffoldError:
    return ScaffoldError(
        f"What would go up holds a likely secret: {kind}.",
        where=where,
        fix="take it out where it came from (and make it void: it may be elsewhere, too), then: "
        "phi3scaffold run",
    )
