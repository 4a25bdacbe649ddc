"""L20: secrets are found by kind and line, and never printed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from phi3scaffold.checks.lint_context import LintContext
from phi3scaffold.checks.lint_report import lint_project
from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import append, found, one

HUB = "hf_" + "AbCdEfGhIj" * 3 + "KlMn"
SECRETS = [
    ("project.yaml", f"# {HUB}\n", HUB, "Hugging Face"),
    ("Makefile", "# AccountKey=" + "Ab1+" * 21 + "Ab==\n", "Ab1+Ab1+", "Azure"),
    ("inferences/own.py", "U = 'https://x.blob.core.windows.net/c?sv=1&sig=" + "aB3%2F" * 9 + "'\n",
     "aB3%2FaB3", "Azure"),
    ("deploy/id.pem", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n", "MIIE", "private key"),
    ("notes.txt", 'password = "hunter2hunter2"\n', "hunter2", "password"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "secret", "kind"), SECRETS)
def test_a_secret(make: Make, name: str, text: str, secret: str, kind: str) -> None:
    root = make()
    assert found(root, "secrets") == []
    line = append(root, name, text)
    finding = one(root, "secrets")
    assert (finding.state, finding.where) == ("error", f"{name}:{line}")
    assert kind in finding.what
    assert all(
        secret not in repr(finding)
        for finding in lint_project(LintContext(root, quick=True)).findings
    )


def test_where_secrets_may_lie(make: Make) -> None:
    """In .env, which git leaves out, with git and without; and rows are for `data`."""
    root = make()
    append(root, ".env", f"HF_TOKEN={HUB}\n")
    append(root, "datasets/train.jsonl", f'{{"phrase": "{HUB}", "tone": "joy"}}\n')
    append(root, "model-cache/base/x.json", HUB)
    append(root, ".venv/lib/x.py", HUB)
    assert found(root, "secrets") == []
    git(root, "init", "-q")
    git(root, "add", "-A")
    assert found(root, "secrets") == []
    git(root, "add", "-f", ".env")
    assert {finding.where for finding in found(root, "secrets")} == {".env", ".env:1"}


def test_an_example_of_an_env_file(make: Make) -> None:
    root = make()
    append(root, ".env.example", "HF_TOKEN=hf_your_token_here\n")
    git(root, "init", "-q")
    git(root, "add", "-A", "-f", ".env.example")
    assert found(root, "secrets") == []


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=root, check=True, capture_output=True)
