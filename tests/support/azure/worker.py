"""Runs submitted jobs: code, inputs and command are what was sent; nothing is pretended.

The command runs in a fresh folder under bash, with ``${{inputs.x}}`` and ``${{outputs.y}}``
replaced by paths, as Azure ML does. What it prints and what it writes into its outputs appears
in the storage account while it runs.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.azure import lake
from tests.support.azure.blobs import ARTIFACTS, REGISTRY, STORE, Blobs

if TYPE_CHECKING:
    from tests.support.azure.service import Service

DATASTORE = re.compile(r"azureml://(?:.*/)?datastores/([^/]+)/paths/(.*)")
HIDDEN = re.compile(r"(?i)azure|proxy|requests_ca|ssl_cert|hf_|phi3scaffold|pytest")


@dataclass
class Job:
    """One job: its document, its process once it runs, the files of code that came with it."""

    document: dict[str, Any]
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    cancelled: bool = False
    sent: dict[Path, int] = field(default_factory=dict)
    snapshot: set[str] = field(default_factory=set)


class Worker:
    """Runs each job in a thread.

    Attributes:
        environment: variables that every job gets, as the machine's own.
        hold: while set, jobs stay queued.
        way: variables that say how the loopback is reached.
        jobs: by name.
    """

    def __init__(self, folder: Path, blobs: Blobs) -> None:
        self.folder, self.blobs = folder, blobs
        self.environment: dict[str, str] = {}
        self.hold = threading.Event()
        self.way: dict[str, str] = {}
        self.jobs: dict[str, Job] = {}

    def submit(self, service: Service, path: str, name: str, body: Any) -> dict[str, Any]:
        properties = {**body["properties"], "status": "NotStarted"}
        studio = {"jobServiceType": "Studio", "endpoint": f"https://ml.azure.com/runs/{name}"}
        properties["services"] = {**(properties.get("services") or {}), "Studio": studio}
        for key, output in (properties.get("outputs") or {}).items():
            if not output.get("uri"):
                output["uri"] = (
                    f"azureml://datastores/workspaceblobstore/paths/azureml/{name}/{key}/"
                )
        document = service.put(path, properties, systemData={"createdAt": _now()})
        job = Job(document, self.folder / name)
        self.jobs[name] = job
        threading.Thread(target=self._run, args=(service, job, name), daemon=True).start()
        return document

    def cancel(self, name: str) -> bool:
        job = self.jobs.get(name)
        if job is None:
            return False
        job.cancelled = True
        self._kill(job)
        return True

    def kill(self, name: str) -> None:
        """As the machine goes when a spot node is taken away."""
        self._kill(self.jobs[name])

    def stop(self) -> None:
        for job in self.jobs.values():
            self._kill(job)

    def _kill(self, job: Job) -> None:
        if job.process is not None and job.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(job.process.pid, signal.SIGKILL)

    def _run(self, service: Service, job: Job, name: str) -> None:
        properties = job.document["properties"]
        try:
            properties["status"] = "Queued"
            while self.hold.is_set() and not job.cancelled:
                time.sleep(0.05)
            properties["status"] = "Preparing"
            code = None if job.cancelled else self._work(service, job, name)
        except Exception as error:  # noqa: BLE001 (a job that cannot be prepared has failed)
            self._log(name, f"the worker: {error!r}\n".encode())
            code = 1
        ended = "Canceled" if job.cancelled else "Completed" if code == 0 else "Failed"
        properties["status"] = ended

    def _work(self, service: Service, job: Job, name: str) -> int:
        properties = job.document["properties"]
        code = job.folder / "code"
        code.mkdir(parents=True)
        source = service.documents[_asset(properties["codeId"])]["properties"]["codeUri"]
        container, prefix = source.split(".net/", 1)[1].split("/", 1)
        self.blobs.download(container, prefix + "/", code)
        job.snapshot = {p.relative_to(code).as_posix() for p in code.rglob("*") if p.is_file()}
        command = properties["command"]
        places: dict[str, str] = {}
        for key, value in (properties.get("inputs") or {}).items():
            places[f"inputs.{key}"] = self._input(service, job, key, value)
        outputs = {}
        for key, value in (properties.get("outputs") or {}).items():
            outputs[key] = job.folder / "outputs" / key
            outputs[key].mkdir(parents=True)
            self._fill(value["uri"], outputs[key], name, key)
            places[f"outputs.{key}"] = str(outputs[key])
        command = re.sub(r"\$\{\{\s*([\w.]+)\s*\}\}", lambda m: places[m[1]], command)
        clean = {k: v for k, v in os.environ.items() if not HIDDEN.match(k)}
        given = properties.get("environmentVariables") or {}
        python = str(Path(sys.executable).parent)
        own = {
            **service.identity(),
            "AZUREML_RUN_ID": name,
            "PATH": f"{python}:{os.environ['PATH']}",
        }
        log = job.folder / "std_log.txt"
        with log.open("wb") as stream:
            job.process = subprocess.Popen(
                ["bash", "-c", command],
                cwd=code,
                env={**clean, **own, **self.environment, **given},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            properties["status"] = "Running"
            sent = 0
            while True:
                ended = job.process.poll()
                content = log.read_bytes()
                self._log(name, content[sent:])
                sent = len(content)
                for key, folder in outputs.items():
                    self._upload(job, folder, properties["outputs"][key]["uri"], name, key)
                if ended is not None:
                    return ended
                time.sleep(0.2)

    def _input(self, service: Service, job: Job, key: str, value: dict[str, Any]) -> str:
        if value.get("jobInputType") == "literal":
            return str(value["value"])
        folder = job.folder / "inputs" / key
        if value["uri"].startswith("azureml://registries/"):
            path = value["uri"].removeprefix("azureml://registries/")
            self.blobs.download(REGISTRY, f"{path}/", folder)
        else:
            asset = service.documents.get(_asset(value["uri"]), {}).get("properties", {})
            uri = asset.get("dataUri") or asset.get("modelUri") or value["uri"]
            match = DATASTORE.match(uri)
            assert match, f"an input that the loopback does not know: {value}"
            path = match[2]
            store = service.datastore(match[1])
            if store["datastoreType"] == "OneLake":
                token = service.give_token()["access_token"]
                lake.download(store, path, folder, self.way, token)
            else:
                self.blobs.download(store["containerName"], path, folder)
        assert folder.is_dir(), f"there is nothing: {value}"
        if value["jobInputType"] == "uri_file":
            return str(folder / Path(path).name)
        return str(folder)

    def _fill(self, uri: str, folder: Path, name: str, key: str) -> None:
        """A mounted output shows what an earlier try has written there."""
        self.blobs.download(STORE, _place(uri, name, key) + "/", folder)

    def _upload(self, job: Job, folder: Path, uri: str, name: str, key: str) -> None:
        for path in sorted(folder.rglob("*"), key=lambda p: (p.name == "manifest.json", p)):
            stamp = path.stat().st_mtime_ns
            if path.is_file() and job.sent.get(path) != stamp:
                target = f"{_place(uri, name, key)}/{path.relative_to(folder).as_posix()}"
                with path.open("rb") as stream:
                    self.blobs.container(STORE).upload_blob(target, stream, overwrite=True)
                job.sent[path] = stamp

    def _log(self, name: str, more: bytes) -> None:
        if more:
            blob = f"ExperimentRun/dcid.{name}/user_logs/std_log.txt"
            self.blobs.container(ARTIFACTS).upload_blob(blob, more, blob_type="AppendBlob")


def _place(uri: str, name: str, key: str) -> str:
    match = DATASTORE.match(uri)
    assert match, uri
    known = {"${{name}}": name, "${{output_name}}": key}
    path = match[2].rstrip("/")
    for variable, value in known.items():
        path = path.replace(variable, value)
    return path


def _asset(identifier: str) -> str:
    return identifier.removeprefix("azureml:").lower()


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
