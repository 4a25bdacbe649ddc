"""A model hub on the loopback interface: enough of its API for huggingface_hub, down and up.

Repositories are dicts of file name -> bytes, one a commit; those of data sets are called
``datasets/owner/name``, as in their addresses. What can go wrong on the real hub can be
switched on: gated repositories, refused tokens, connections cut in the middle of a file.
Uploads are in `hub_uploads`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from tests.support.hub_uploads import Uploads, answer

LFS_FROM = 10_000  # files of at least this many bytes are listed as the hub lists its large ones


@dataclass
class Repository:
    """One repository.

    Attributes:
        commits: commit -> file name -> content.
        branches: branch -> commit.
        titles: commit -> the first line of its message.
        gated: refuse everybody with the hub's answer for a gated repository.
        token: when set, only this token may read.
        private: as it says of itself.
    """

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    token: str | None = None
    private: bool = False

    def commit(
        self, files: dict[str, bytes], branch: str = "main", title: str = "Update by hand"
    ) -> str:
        """Add a commit and move the branch to it."""
        listing = repr(sorted((k, hashlib.sha1(v).hexdigest()) for k, v in files.items()))
        name = hashlib.sha1(f"{len(self.commits)}{listing}".encode()).hexdigest()
        self.commits[name] = dict(files)
        self.branches[branch], self.titles[name] = name, title
        return name

    def last_change(self, path: str) -> str:
        """The commit that last changed a file; there is one line of them."""
        before: bytes | None = None
        found = ""
        for commit, files in self.commits.items():
            if files.get(path) != before:
                before, found = files.get(path), commit
        return found


class HubServer:
    """Serve repositories as a context manager; `url` goes into HF_ENDPOINT.

    Attributes:
        requests: (method, path, Range header) of every request so far.
        cut_after: after so many bytes of a file's body it breaks off, `cuts_left` times.
        stall_after: after so many bytes of a file's body nothing more comes, until `resume`.
        users: token -> the name of who has it.
        clock: what its clock says, in seconds; None for this machine's.
        uploads: what was sent to it, and what goes wrong with that.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.requests: list[tuple[str, str, str | None]] = []
        self.cut_after: int | None = None
        self.cuts_left = 0
        self.stall_after: int | None = None
        self.users: dict[str, str] = {}
        self.clock: float | None = None
        self.uploads = Uploads()
        self._resumed = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, repo: str) -> Repository:
        return self.repositories.setdefault(repo, Repository())

    def cut(self, after: int, times: int) -> None:
        """Break the next `times` downloads of more than `after` bytes off after that many."""
        self.cut_after, self.cuts_left = after, times

    def resume(self) -> None:
        """Let stalled downloads go on, and stall no more."""
        self.stall_after = None
        self._resumed.set()

    def wait(self) -> None:
        self._resumed.wait(60)

    def downloads(self) -> list[str]:
        """Names of the files whose body was asked for, in order."""
        return [
            path.split("/resolve/")[1].split("/", 1)[1]
            for method, path, _ in self.requests
            if method == "GET" and "/resolve/" in path
        ]

    def __enter__(self) -> HubServer:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.resume()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(timestamp or hub.clock)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def do_POST(self) -> None:
            self._take()

        def do_PUT(self) -> None:
            self._take()

        def _take(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.requests.append((self.command, path, None))
            sent = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            length = int(self.headers.get("Content-Length") or 0)
            given = answer(hub, self.command, path, sent, self.rfile, length)
            if given is None:  # the connection breaks
                self.close_connection = True
                with contextlib.suppress(OSError):  # whoever asked may be gone
                    self.connection.shutdown(socket.SHUT_RDWR)
            elif not isinstance(given, tuple):
                self._json(given, True)
            else:
                self.close_connection = True  # the body may not have been read
                self._refuse(*given)

        def _answer(self, body: bool) -> None:
            path = urlsplit(self.path).path
            hub.requests.append((self.command, unquote(path), self.headers.get("Range")))
            parts = [unquote(part) for part in path.strip("/").split("/")]
            api = parts[0] == "api"
            sent = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            if api and parts[1:] == ["whoami-v2"]:
                if sent not in hub.users:
                    return self._refuse(401, None, "Invalid user token.")
                return self._json({"type": "user", "name": hub.users[sent]}, body)
            parts = parts[1:] if api else parts
            if parts[0] == "models":
                parts = parts[1:]
            length = 3 if parts[0] == "datasets" else 2
            repo, rest = "/".join(parts[:length]), parts[length:]
            found = hub.repositories.get(repo)
            if found is None:
                return self._refuse(401, "RepoNotFound", "Repository not found")
            if found.gated:
                return self._refuse(403 if sent else 401, "GatedRepo", "Access is restricted")
            if found.token is not None and sent != found.token:
                message = "Invalid credentials in Authorization header" if sent else ""
                return self._refuse(401, None if sent else "RepoNotFound", message)
            if rest[:1] == ["xet-write-token"]:
                return self._refuse(403, None, "Nothing is kept in Xet here")
            # api: [revision, REV] or [tree, REV, ...] or nothing; else: [resolve, REV, FILE...]
            revision = rest[1] if len(rest) > 1 else "main"
            commit = found.branches.get(revision, revision)
            files = found.commits.get(commit)
            if files is None:
                return self._refuse(404, "RevisionNotFound", "Invalid rev id")
            if api and rest[:1] == ["tree"]:
                return self._json([_entry(name, content) for name, content in files.items()], body)
            if api:
                siblings = [{"rfilename": name} for name in files]
                name = repo.removeprefix("datasets/")
                told = {"id": name, "modelId": name, "sha": commit, "siblings": siblings}
                return self._json({**told, "private": found.private}, body)
            content = files.get("/".join(rest[2:]))
            if rest[:1] != ["resolve"] or content is None:
                return self._refuse(404, "EntryNotFound", "Entry not found")
            return self._file(commit, content, body)

        def _file(self, commit: str, content: bytes, body: bool) -> None:
            start = 0
            asked = self.headers.get("Range")
            if asked:
                start = int(asked.removeprefix("bytes=").split("-")[0])
            part = content[start:]
            self.send_response(206 if asked else 200)
            if asked:
                span = f"bytes {start}-{len(content) - 1}/{len(content)}"
                self.send_header("Content-Range", span)
            self.send_header("ETag", f'"{_etag(content)}"')
            self.send_header("X-Repo-Commit", commit)
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("X-Linked-ETag", f'"{_etag(content)}"')
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            if not body:
                return
            if hub.cut_after is not None and hub.cuts_left > 0 and len(part) > hub.cut_after:
                hub.cuts_left -= 1
                self.wfile.write(part[: hub.cut_after])
                self.wfile.flush()
                self.close_connection = True
                self.connection.close()
                return
            if hub.stall_after is not None and len(part) > hub.stall_after:
                self.wfile.write(part[: hub.stall_after])
                self.wfile.flush()
                part = part[hub.stall_after :]
                hub.wait()
            with contextlib.suppress(ConnectionError):  # whoever asked may be gone
                self.wfile.write(part)

        def _json(self, content: object, body: bool) -> None:
            data = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body:
                self.wfile.write(data)

        def _refuse(self, status: int, code: str | None, message: str) -> None:
            data = json.dumps({"error": message}).encode()
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", message)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    return Handler


def _etag(content: bytes) -> str:
    if len(content) >= LFS_FROM:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _entry(name: str, content: bytes) -> dict[str, object]:
    entry: dict[str, object] = {
        "type": "file",
        "path": name,
        "size": len(content),
        "oid": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(),
    }
    if len(content) >= LFS_FROM:
        digest = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 134}
    return entry
