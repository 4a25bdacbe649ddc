"""The model hub: resolve a revision to a commit, download a commit, explain what goes wrong.

The token comes only from HF_TOKEN or the hub's own login (`hf auth login`); it is never read,
stored or passed on here. HF_HUB_OFFLINE is respected, HF_ENDPOINT too. Downloads are plain ranged
HTTP, so that one cut short goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi3scaffold.models.hub_errors import HubRequest, explained, offline_error
from phi3scaffold.models.model_config import read_config
from phi3scaffold.models.model_folder import (
    Progress,
    check_model_folder,
    refuse_without_tokenizer,
    refuse_without_weights,
    require_room,
    wanted,
)
from phi3scaffold.pipeline import environment
from phi3scaffold.pipeline.hashing import hash_file
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError

PART = ".part"
PATIENCE = 5.0  # seconds for a small file, on which only an early refusal depends
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class RemoteFile:
    """One file of a repository: size in bytes; sha256 only where the hub keeps one (weights)."""

    name: str
    size: int
    sha256: str | None


def offline() -> bool:
    """Return whether the user asked for no network (HF_HUB_OFFLINE)."""
    return bool(_hub().constants.is_offline_mode())


def resolve(repo: str, revision: str) -> str:
    """Resolve a branch, tag or commit to the commit it names now, 40 hex digits.

    Raises:
        ScaffoldError: no such repository or revision, no access, offline, or no network.
    """
    if COMMIT.fullmatch(revision):
        return revision
    request = hub_request(repo, revision)
    if offline():
        cached = _cached_commit(repo, revision)
        if cached:
            return cached
        raise offline_error(request)
    with explained(request):
        commit = _hub().HfApi().model_info(repo, revision=revision).sha
    if not commit:
        raise ScaffoldError(
            "The hub named no commit for that revision.",
            where=request.where,
            exit_code=FAILED_RUN,
        )
    return str(commit)


def peek(repo: str, name: str, revision: str = "main") -> str:
    """Return a small text file of a model: from the hub's cache, else from the hub.

    One request of a few seconds; nothing is kept.

    Raises:
        ScaffoldError: it cannot be had: no network, no access, no such file.
    """
    cached = cached_file(repo, name, revision)
    if cached is not None:
        return cached.read_text(encoding="utf-8", errors="replace")
    request = hub_request(repo, revision)
    if offline():
        raise offline_error(request)
    with explained(request):
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

        response = get_session().get(
            hf_hub_url(repo, name, revision=revision),
            headers=build_hf_headers(library_name="phi3scaffold"),
            timeout=PATIENCE,
            follow_redirects=True,
        )
        hf_raise_for_status(response)
    return str(response.text)


def cached_file(repo: str, name: str, revision: str = "main") -> Path | None:
    """Return a model's file in the hub's cache of this machine; None where it is not there."""
    commit = revision if COMMIT.fullmatch(revision) else _cached_commit(repo, revision)
    path = _cache(repo) / "snapshots" / str(commit) / name
    return path if commit and path.is_file() else None


def list_files(repo: str, commit: str) -> dict[str, RemoteFile]:
    """List by name the files that we take from the repository at `commit`.

    Raises:
        ScaffoldError: the repository cannot be read, has no safetensors, or no tokenizer.json.
    """
    api = _hub().HfApi()
    with explained(hub_request(repo, commit)):
        tree = api.list_repo_tree(repo, revision=commit)
        entries = [entry for entry in tree if hasattr(entry, "blob_id")]
    names = [entry.path for entry in entries]
    refuse_without_weights(names, f"{repo} @ {commit[:12]}")
    first = f"hf download {repo} --local-dir my-model, and choose ./my-model; then "
    refuse_without_tokenizer(names, f"{repo} @ {commit[:12]}", "my-model", first=first)
    return {
        entry.path: RemoteFile(entry.path, entry.size, entry.lfs.sha256 if entry.lfs else None)
        for entry in entries
        if wanted(entry.path)
    }


def download(
    repo: str, commit: str, files: dict[str, RemoteFile], folder: Path, progress: Progress | None
) -> None:
    """Download `files` into `folder`; call it again after a cut and it goes on where it stopped.

    The architecture is checked on config.json before the weights are asked for, the room on the
    disk before anything is.

    Raises:
        ScaffoldError: a model of no known family, no room, no access, or the network failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    total = sum(file.size for file in files.values())
    require_room(folder, max(0, total - _size(folder)), f"downloading {repo}")
    ordered = sorted(files.values(), key=lambda file: (file.name != "config.json", file.name))
    with explained(hub_request(repo, commit)), _reported(folder, total, progress):
        for file in ordered:
            _download_file(repo, commit, file, folder / file.name)
            if file.name == "config.json":
                read_config(folder)
    _verify(repo, folder, files)


def _download_file(repo: str, commit: str, file: RemoteFile, target: Path) -> None:
    """Download one file by way of NAME.part, which the next run continues after a kill.

    huggingface_hub's own downloads are not used for this: since 2.x they start a file again when
    the process that was downloading it is gone, and one shard can be five gigabytes.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    if target.is_file() and target.stat().st_size == file.size:
        return
    part = target.with_name(target.name + PART)
    there = part.stat().st_size if part.is_file() else 0
    if there > file.size:
        part.unlink()
        there = 0
    with part.open("ab") as stream:
        http_get(
            hf_hub_url(repo, file.name, revision=commit),
            stream,
            resume_size=there,
            headers=build_hf_headers(library_name="phi3scaffold"),
            expected_size=file.size,
        )
    part.replace(target)


def from_cache(repo: str, commit: str) -> Path | None:
    """Return the hub's own cache of that commit, where it is there and whole."""
    folder = _cache(repo) / "snapshots" / commit
    if not folder.is_dir():
        return None
    try:
        check_model_folder(folder)
    except ScaffoldError:  # only part of it was ever asked for
        return None
    return folder


def hub_request(repo: str, revision: str) -> HubRequest:
    """Return what the errors about a model say."""
    return HubRequest(
        repo=repo,
        revision=revision,
        page=repo,
        id_key="project.yaml: model.id",
        id_fix="write it as owner/name, or give a folder such as ./my-model",
        revision_key="project.yaml: model.revision",
        revision_fix="or write main and remove model.lock",
        offline_fix="unset HF_HUB_OFFLINE, or run `phi3scaffold model` once with the network, or "
        "set model.id in project.yaml to a local folder (or to tiny)",
        again="run it again: the download resumes where it stopped",
    )


def _verify(repo: str, folder: Path, files: dict[str, RemoteFile]) -> None:
    """Compare what was downloaded with what the hub lists; a damaged file is removed."""
    for file in files.values():
        path = folder / file.name
        size = path.stat().st_size if path.is_file() else -1
        if size == file.size and (file.sha256 is None or hash_file(path) == file.sha256):
            continue
        path.unlink(missing_ok=True)
        raise ScaffoldError(
            f"The download of {file.name} is not what {repo} lists.",
            where=path,
            fix="run it again: that file is downloaded again",
            exit_code=FAILED_RUN,
        )


def _cached_commit(repo: str, revision: str) -> str | None:
    try:
        commit = (_cache(repo) / "refs" / revision).read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return commit if COMMIT.fullmatch(commit) else None


def _cache(repo: str) -> Path:
    return Path(_hub().constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}"


def _size(folder: Path) -> int:
    """Return the bytes below `folder`, unfinished files included; 0 while it changes."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file():
                total += path.stat().st_size
    return total


@contextlib.contextmanager
def _reported(folder: Path, total: int, progress: Progress | None) -> Iterator[None]:
    """Report the bytes on disk twice a second; what they stand at says more than a bar a file."""
    if progress is None:
        yield
        return
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.5):
            progress("downloading", min(_size(folder), total), total)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
        progress("downloading", total, total)
    finally:
        stop.set()
        watcher.join()


def _hub() -> Any:
    """huggingface_hub, told before its import to send nothing, and to be quiet."""
    environment.prepare()
    import huggingface_hub
    import huggingface_hub.constants
    from huggingface_hub.utils import disable_progress_bars, logging

    disable_progress_bars()
    logging.set_verbosity_error()
    return huggingface_hub
