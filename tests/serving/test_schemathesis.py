"""Schemathesis asks the server what /openapi.json allows, and what not, and finds no fault."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import Server

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


@pytest.mark.slow
def test_no_answer_is_a_fault_or_outside_the_description(server: Server, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run"),
            *(f"http://127.0.0.1:{server.port}/openapi.json", "--checks", ",".join(CHECKS)),
            *("--max-examples", "300", "--seed", "1", "--request-timeout", "60", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert " passed" in done.stdout, done.stdout[-2000:]
