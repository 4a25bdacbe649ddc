"""A stand-in for MLflow's server, which takes minutes to install: as much of it as a run asks."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs


class Server(BaseHTTPRequestHandler):
    """One request of MLflow's client.

    Attributes:
        asked: what was asked, and the Authorization that came with it.
        place: the folder that takes a run's files.
        runs: what was tracked.
    """

    asked: ClassVar[list[tuple[str, str]]] = []
    place: ClassVar[Path]
    runs: ClassVar[dict[str, dict[str, Any]]] = {}

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        given = json.loads(self.rfile.read(length) or "{}")
        path, _, query = self.path.partition("?")
        what = path.partition("/mlflow/")[2]
        given |= {name: values[0] for name, values in parse_qs(query).items()}
        self.asked.append((what, self.headers.get("Authorization", "")))
        text = json.dumps(self.answers(what, given)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def answers(self, what: str, given: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request."""
        if what == "experiments/get-by-name":
            return {"experiment": {"experiment_id": "1", "name": given["experiment_name"]}}
        if what == "runs/search":
            runs, start = list(self.runs.values()), int(given.get("page_token") or 0)
            end = start + given["max_results"]
            more = {"next_page_token": str(end)} if end < len(runs) else {}
            return {"runs": runs[start:end], **more}
        if what == "runs/create":
            name = f"r{len(self.runs) + 1}"
            info = {
                **{"run_id": name, "run_uuid": name, "experiment_id": "1", "status": "RUNNING"},
                **{"start_time": given.get("start_time", 1), "run_name": given.get("run_name")},
                "artifact_uri": self.place.as_uri(),
            }
            data: dict[str, Any] = {"metrics": [], "params": [], "tags": given.get("tags", [])}
            self.runs[name] = {"info": info, "data": data}
            return {"run": self.runs[name]}
        run = self.runs.get(given.get("run_id") or "", {"info": {}, "data": {}})
        if what == "runs/log-batch":
            for kind, values in run["data"].items():
                values += given.get(kind, [])
        if what == "runs/update":
            names = ("status", "end_time")
            run["info"] |= {name: given[name] for name in names if name in given}
            return {"run_info": run["info"]}
        return {"run": run} if what == "runs/get" else {}

    do_GET = do_POST = answer

    def log_message(self, *_: Any) -> None:
        pass
