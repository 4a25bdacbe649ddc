"""What the tests of jobs ask the loopback, and commands of jobs that make forms."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.azure.loopback import Loopback


def jobs_put(azure: Loopback) -> list[str]:
    return [path for method, path in azure.service.requests if method == "PUT" and "/jobs/" in path]


def the_job(project: Path) -> str:
    return json.loads((project / "gen-model" / ".job.json").read_text())["name"]


def wait_for(azure: Loopback, project: Path, state: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        job = azure.worker.jobs.get(the_job(project))
        if job is not None and job.document["properties"]["status"] == state:
            return
        time.sleep(0.1)
    pytest.fail(f"the job is not {state}: {job and job.document['properties']['status']}")


def start(azure: Loopback, project: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "phi3scaffold", *(words or ("run",))],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=azure.environment,
    )


def until(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if word in line:
            return
    assert process.stderr is not None
    pytest.fail(process.stderr.read())


def form(
    name: str,
    files: dict[str, str | None],
    names: dict[str, str] | None = None,
    *,
    make: str = "true",
) -> str:
    """A command that writes a form as the pipeline would: `files` (None: `make` makes it)."""
    lines = [f"D=${{{{outputs.results}}}}/{name}", "mkdir -p $D", make]
    for file, content in files.items():
        if content is not None:
            lines.append(f"printf {content} > $D/{file}")
    known = dict.fromkeys(files) if names is None else names
    program = (
        "import hashlib,json,sys,pathlib as p;d=p.Path(sys.argv[1]);n=json.loads(sys.argv[2]);"
        "f={(n[k] or k):dict(sha256=hashlib.sha256((d/k).read_bytes()).hexdigest(),"
        "bytes=(d/k).stat().st_size) for k in n};"
        "(d/'manifest.json').write_text(json.dumps(dict(stage='finetune',fingerprint='x',"
        "inputs={},versions={},files=f)))"
    )
    lines.append(f"""python -c "{program}" $D '{json.dumps(known)}'""")
    return " && ".join(lines)
