"""Runs submitted jobs: code, inputs and command are what was sent; nothing is pretended.

The command runs in a fresh folder under bash, with ``${{inputs.x}}`` and ``${{outputs.y}}``
replaced by paths, as Azure ML does. What it prints and what it writes into its outputs appears
in the storage account while it runs. With ``distribution: pytorch`` each process of each node gets
torch's environment; a node is a folder of its own, and only the outputs are shared.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
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
    """One job: its document, its processes once it runs, the files of code that came with it."""

    document: dict[str, Any]
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    cancelled: bool = False
    tries: int = 0
    taken_away: bool = False
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

    def take_away(self, name: str) -> None:
        """As a spot machine goes; the job is queued again, and then starts on another one."""
        self.jobs[name].taken_away = True
        self._kill(self.jobs[name])

    def stop(self) -> None:
        for job in self.jobs.values():
            self._kill(job)

    def _kill(self, job: Job) -> None:
        for process in job.processes:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def _run(self, service: Service, job: Job, name: str) -> None:
        properties = job.document["properties"]
        try:
            properties["status"] = "Queued"
            while self.hold.is_set() and not job.cancelled:
                time.sleep(0.05)
            properties["status"] = "Preparing"
            code = None if job.cancelled else self._work(service, job, name)
            while job.taken_away and not job.cancelled:
                job.taken_away = False
                code = self._work(service, job, name)
        except Exception as error:  # noqa: BLE001 (a job that cannot be prepared has failed)
            self._log(name, f"the worker: {error!r}\n".encode())
            code = 1
        ended = "Canceled" if job.cancelled else "Completed" if code == 0 else "Failed"
        properties["status"] = ended

    def _work(self, service: Service, job: Job, name: str) -> int:
        properties = job.document["properties"]
        job.tries += 1
        folder = job.folder / f"try-{job.tries}"
        outputs = {}
        for key, value in (properties.get("outputs") or {}).items():
            outputs[key] = folder / "outputs" / key
            outputs[key].mkdir(parents=True)
            self._fill(value["uri"], outputs[key], name, key)
        job.sent.clear()
        each = (properties.get("distribution") or {}).get("processCountPerInstance") or 1
        count = ((properties.get("resources") or {}).get("instanceCount") or 1) * each
        nodes = [folder / f"node-{number}" for number in range(count // each)]
        commands = [self._node(service, job, node, outputs) for node in nodes]
        names = ["std_log.txt"]
        if count > 1:
            names = [f"std_log_process_{rank}.txt" for rank in range(count)]
        logs = [folder / file for file in names]
        given = self._environment(service, name)
        given |= properties.get("environmentVariables") or {}
        if properties.get("distribution"):
            given |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        job.processes = []
        for rank, log in enumerate(logs):
            node, local = divmod(rank, each)
            if properties.get("distribution"):
                facts = {"RANK": rank, "LOCAL_RANK": local, "NODE_RANK": node, "WORLD_SIZE": count}
                given |= {key: str(value) for key, value in facts.items()}
            job.processes.append(start(commands[node], nodes[node] / "code", log, given))
        properties["status"] = "Running"
        sent = [0] * count
        while True:
            gone = job.taken_away
            codes = [process.wait() if gone else process.poll() for process in job.processes]
            for rank, log in enumerate(logs):
                content = log.read_bytes()
                self._log(name, content[sent[rank] :], log.name)
                sent[rank] = len(content)
            for key, output in outputs.items():
                self._upload(job, output, properties["outputs"][key]["uri"], name, key)
            if gone:  # what it had written was on the mount; the rest went with the machine
                return 1
            if None not in codes:
                return max(abs(code) for code in codes if code is not None)
            time.sleep(0.2)

    def _node(self, service: Service, job: Job, node: Path, outputs: dict[str, Path]) -> str:
        """Bring code and inputs to a machine; the command with their places."""
        properties = job.document["properties"]
        code = node / "code"
        code.mkdir(parents=True)
        source = service.documents[_asset(properties["codeId"])]["properties"]["codeUri"]
        container, prefix = source.split(".net/", 1)[1].split("/", 1)
        self.blobs.download(container, prefix + "/", code)
        job.snapshot = {p.relative_to(code).as_posix() for p in code.rglob("*") if p.is_file()}
        places = {f"outputs.{key}": str(folder) for key, folder in outputs.items()}
        for key, value in (properties.get("inputs") or {}).items():
            places[f"inputs.{key}"] = self._input(service, node, key, value)
        return re.sub(r"\$\{\{\s*([\w.]+)\s*\}\}", lambda m: places[m[1]], properties["command"])

    def _environment(self, service: Service, name: str) -> dict[str, str]:
        clean = {k: v for k, v in os.environ.items() if not HIDDEN.match(k)}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        own = {**service.identity(), "AZUREML_RUN_ID": name, "PATH": path}
        return {**clean, **own, **self.environment}

    def _input(self, service: Service, node: Path, key: str, value: dict[str, Any]) -> str:
        if value.get("jobInputType") == "literal":
            return str(value["value"])
        folder = node / "inputs" / key
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
            with contextlib.suppress(FileNotFoundError):  # the job may remove it meanwhile
                stamp = path.stat().st_mtime_ns
                if path.is_file() and job.sent.get(path) != stamp:
                    target = f"{_place(uri, name, key)}/{path.relative_to(folder).as_posix()}"
                    with path.open("rb") as stream:
                        self.blobs.container(STORE).upload_blob(target, stream, overwrite=True)
                    job.sent[path] = stamp
        for path in [path for path in job.sent if folder in path.parents and not path.exists()]:
            del job.sent[path]
            gone = f"{_place(uri, name, key)}/{path.relative_to(folder).as_posix()}"
            self.blobs.container(STORE).delete_blob(gone)

    def _log(self, name: str, more: bytes, file: str = "std_log.txt") -> None:
        if more:
            blob = f"ExperimentRun/dcid.{name}/user_logs/{file}"
            self.blobs.container(ARTIFACTS).upload_blob(blob, more, blob_type="AppendBlob")


def start(
    command: str, folder: Path, log: Path, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    with log.open("wb") as stream:
        return subprocess.Popen(
            ["bash", "-c", command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


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
