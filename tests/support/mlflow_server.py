"""A stand-in for MLflow's server, which takes minutes to install: as much of it as a run asks."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar


class Server(BaseHTTPRequestHandler):
    """One request of MLflow's client.

    Attributes:
        asked: what was asked, and the Authorization that came with it.
        place: the folder that takes a run's files.
    """

    asked: ClassVar[list[tuple[str, str]]] = []
    place: ClassVar[Path]

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        given = json.loads(self.rfile.read(length) or "{}")
        what = self.path.partition("/mlflow/")[2].partition("?")[0]
        self.asked.append((what, self.headers.get("Authorization", "")))
        info = {
            **{"run_id": "r", "run_uuid": "r", "experiment_id": "1"},
            **{"status": given.get("status", "RUNNING"), "start_time": 1, "run_name": "mine"},
            "artifact_uri": self.place.as_uri(),
        }
        told = {
            "experiments/get-by-name": {"experiment": {"experiment_id": "1", "name": "proj"}},
            "runs/create": {"run": {"info": info, "data": {}}},
            "runs/get": {"run": {"info": info, "data": {}}},
            "runs/update": {"run_info": info},
        }
        text = json.dumps(told.get(what, {})).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = answer

    def log_message(self, *_: Any) -> None:
        pass
