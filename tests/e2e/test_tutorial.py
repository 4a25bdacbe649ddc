"""The tutorial is run as it stands, but for what installs packages and opens the web browser."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.inner_make import inner_make

ROOT = Path(__file__).resolve().parents[2]
TAB = re.compile(r'^=== "Linux and macOS"\n\n    ```sh\n(.*?)^    ```', re.MULTILINE | re.DOTALL)
INSTALLS = ("python3 -m venv", ". .venv-new", "pip install", "make setup")
PHI3SCAFFOLD = f"{shlex.quote(sys.executable)} -P -m phi3scaffold"


@pytest.mark.slow
def test_the_tutorial_works(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    folder, shown = tmp_path, {}
    for line in "".join(TAB.findall(text)).splitlines():
        command = line.strip()
        if command.startswith(INSTALLS):
            continue
        if command.startswith("cd "):
            folder /= command.removeprefix("cd ")
            continue
        typed = re.sub(r"^(\.venv/bin/)?phi3scaffold", PHI3SCAFFOLD, command)
        typed = re.sub(r"^python ", f"{shlex.quote(sys.executable)} ", typed)
        typed = typed.replace("make ", f"make PHI3SCAFFOLD={shlex.quote(PHI3SCAFFOLD)} ")
        done = subprocess.run(
            typed.replace(" --open", ""),
            shell=True,
            cwd=folder,
            capture_output=True,
            text=True,
            env=inner_make(),
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        shown[command] = done.stdout
    assert "classify" in shown["phi3scaffold new tones --data tones.csv --model tiny --defaults"]
    assert (folder / "gen-model" / "report" / "index.html").is_file()
    answer = shown['make infer TEXT="We sang all the way home, happy as children."']
    assert answer.strip().endswith("joy")
