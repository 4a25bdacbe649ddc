"""What the loopback hub does with uploads: repositories, large files by content, commits."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from tests.support.hub_server import HubServer, Repository

Refusal = tuple[int, str | None, str]  # status, the hub's code, its message


@dataclass
class Uploads:
    """What was sent, and what goes wrong.

    Attributes:
        stored: sha256 -> large file.
        bodies: sizes of the large files' bodies that came whole, by sha256, in order.
        commits: (repository, names sent with it, names deleted) of each commit.
        writers: namespace -> who may write there, by name; of a user's own it need not say.
        failures: (part of a path, status) of what fails, each once, in order.
        lost: parts of paths whose request is done, but whose answer never comes, each once.
        cut_after: the next body of more bytes than this breaks off there, once.
        stall_after: so many large files are taken; of the next one nothing more is read.
        stalled: set when that is so; `resumed`: set it, and the connection breaks.
    """

    stored: dict[str, bytes] = field(default_factory=dict)
    bodies: list[str] = field(default_factory=list)
    commits: list[tuple[str, list[str], list[str]]] = field(default_factory=list)
    writers: dict[str, set[str]] = field(default_factory=dict)
    failures: list[tuple[str, int]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    cut_after: int | None = None
    stall_after: int | None = None
    stalled: threading.Event = field(default_factory=threading.Event)
    resumed: threading.Event = field(default_factory=threading.Event)


def answer(hub: HubServer, method: str, path: str, token: str, body: BinaryIO, length: int) -> Any:
    """The answer to a POST or PUT: JSON, a refusal, or None where the connection breaks."""
    uploads = hub.uploads
    failing = next((found for found in uploads.failures if found[0] in path), None)
    if failing is not None:
        uploads.failures.remove(failing)
        body.read(length)
        return failing[1], None, "It is not my day"
    if method == "PUT":
        return _large(uploads, path, body, length)
    sent = body.read(length)
    if token not in hub.users:
        return 401, None, "Invalid credentials in Authorization header"
    given = _asked(hub, path, hub.users[token], sent)
    if any(part in path for part in uploads.lost):
        uploads.lost = [part for part in uploads.lost if part not in path]
        return None
    return given


def _asked(hub: HubServer, path: str, user: str, sent: bytes) -> Any:
    if path == "/api/validate-yaml":
        wrong = ", ".join(_wrong(json.loads(sent)["content"]))
        return (400, None, f"Not valid: {wrong}") if wrong else {"errors": [], "warnings": []}
    if "/paths-info/" in path:
        return _paths(hub.repositories["/".join(path.split("/")[3:5])], parse_qs(sent.decode()))
    if path == "/api/repos/create":
        asked = json.loads(sent)
        return _create(hub, user, asked.get("organization") or user, asked)
    if path.endswith(".git/info/lfs/objects/batch"):
        repo = path[1:].removesuffix(".git/info/lfs/objects/batch")
    else:
        repo = "/".join(path.split("/")[3:5])
    found = hub.repositories.get(repo)
    if found is None:
        return 404, "RepoNotFound", "Repository not found"
    if not _may(hub, user, repo.split("/")[0]):
        return 403, None, f"You do not have write access to {repo}"
    if path.endswith("/objects/batch"):
        return {"transfer": "basic", "objects": list(_batch(hub, json.loads(sent)))}
    if "/preupload/" in path:
        return {"files": list(_modes(found, json.loads(sent)))}
    if "/commit/" in path:
        return _commit(hub, repo, found, [json.loads(line) for line in sent.splitlines()])
    return 404, "EntryNotFound", path


def _paths(found: Repository, asked: dict[str, list[str]]) -> list[dict[str, Any]]:
    """What the hub says of single files, their last commit among it."""
    from tests.support.hub_server import _entry

    files = found.commits[found.branches["main"]]
    told = []
    for path in asked["paths"]:
        commit = found.last_change(path)
        last = {"id": commit, "title": found.titles[commit], "date": "2026-11-21T12:00:00.000Z"}
        told.append({**_entry(path, files[path]), "lastCommit": last})
    return told


def _may(hub: HubServer, user: str, namespace: str) -> bool:
    return user in hub.uploads.writers.get(namespace, {namespace})


def _create(hub: HubServer, user: str, owner: str, asked: Any) -> dict[str, Any] | Refusal:
    repo = f"{owner}/{asked['name']}"
    if not _may(hub, user, owner):
        return 403, None, f'You don\'t have the rights to create a model under "{owner}"'
    if repo in hub.repositories:
        return 409, None, "You already created this model repo"
    made = hub.add(repo)
    made.private = asked.get("visibility") == "private"
    made.commit({".gitattributes": b"*.safetensors filter=lfs\n"}, title="initial commit")
    return {"url": f"{hub.url}/{repo}", "name": repo, "id": repo}


def _modes(found: Repository, asked: Any) -> Iterator[dict[str, Any]]:
    from tests.support.hub_server import LFS_FROM, _etag

    files = found.commits[found.branches["main"]]
    for file in asked["files"]:
        binary = b"\0" in base64.b64decode(file["sample"])
        there = files.get(file["path"])
        yield {
            "path": file["path"],
            "uploadMode": "lfs" if binary or file["size"] >= LFS_FROM else "regular",
            "shouldIgnore": False,
            "oid": None if there is None else _etag(there),
        }


def _wrong(readme: str) -> Iterator[str]:
    """What breaks the rules of the hub's pages on model cards, as far as a rule is used here."""
    import yaml
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    found = yaml.safe_load(readme.split("---\n")[1])
    rules = {
        "license": found.get("license") in (None, "mit", "apache-2.0", "other"),
        "base_model_relation": found.get("base_model_relation")
        in (None, *("adapter", "finetune", "merge", "quantized")),
        "pipeline_tag": found.get("pipeline_tag") == "text-generation",
        "library_name": found.get("library_name") in (None, "onnxruntime-genai"),
        "tags": all(isinstance(tag, str) for tag in found["tags"]),
        "metrics": all(isinstance(metric, str) for metric in found["metrics"]),
    }
    for index in found["model-index"]:
        rules["model-index.name"] = bool(index["name"])
        for result in index["results"]:
            rules["task.type"] = isinstance(result["task"]["type"], str)
            rules["dataset"] = {"type", "name"} <= set(result["dataset"])
            for metric in result["metrics"]:
                rules[f"{metric['name']}: {metric['type']}"] = isinstance(metric["value"], float)
    for repo in (found.get("base_model"), *found.get("datasets", [])):
        try:
            validate_repo_id(repo or "a/model")
        except HFValidationError:
            rules[str(repo)] = False
    yield from (key for key, kept in rules.items() if not kept)


def _batch(hub: HubServer, asked: Any) -> Iterator[dict[str, Any]]:
    for one in asked["objects"]:
        told = {"oid": one["oid"], "size": one["size"]}
        if one["oid"] not in hub.uploads.stored:
            told["actions"] = {"upload": {"href": f"{hub.url}/large/{one['oid']}?Signature=s3cr3t"}}
        yield told


def _large(uploads: Uploads, path: str, body: BinaryIO, length: int) -> dict[str, Any] | Any:
    if uploads.stall_after is not None and len(uploads.bodies) >= uploads.stall_after:
        body.read(min(length, 1000))
        uploads.stalled.set()
        uploads.resumed.wait(30)
        return None
    if uploads.cut_after is not None and length > uploads.cut_after:
        body.read(uploads.cut_after)
        uploads.cut_after = None
        return None
    content = body.read(length)
    name = path.removeprefix("/large/")
    if hashlib.sha256(content).hexdigest() != name:
        return 400, None, "The content is not what its sha256 says"
    uploads.stored[name] = content
    uploads.bodies.append(name)
    return {}


def _commit(
    hub: HubServer, repo: str, found: Repository, lines: list[Any]
) -> dict[str, Any] | Refusal:
    head, files = found.branches["main"], dict(found.commits[found.branches["main"]])
    if lines[0]["value"].get("parentCommit", head) != head:
        return 412, None, "A commit has happened since"
    added, deleted = [], []
    for line in lines[1:]:
        value = line["value"]
        if line["key"] == "deletedFile":
            del files[value["path"]]
            deleted.append(value["path"])
            continue
        if line["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif value["oid"] not in hub.uploads.stored:
            return 400, None, f"No such large file: {value['path']}"
        else:
            files[value["path"]] = hub.uploads.stored[value["oid"]]
        added.append(value["path"])
    name = found.commit(files, title=lines[0]["value"]["summary"])
    hub.uploads.commits.append((repo, added, deleted))
    return {"commitUrl": f"{hub.url}/{repo}/commit/{name}", "commitOid": name}
