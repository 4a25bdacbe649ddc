"""Print constraints.txt: what the direct pins of pyproject.toml bring along, one version each.

Also write ui.lock: all of MLflow, for the environment of its pages, which those pins do not allow.

Resolved for the oldest supported Python on Linux, whose set fits the other platforms too
(tests/test_extras.py checks that). Left out: the direct pins, whose home is pyproject.toml, and
what PyTorch itself pins exactly for CUDA.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UI = ROOT / "phi3scaffold" / "reporting" / "tracking" / "ui.lock"
EXTRAS = ("train", "cpu", "track", "serve", "aml", "smollm2", "docs", "dev")
# And pip, which pip-audit asks for: an environment keeps its own.
LEFT_OUT = re.compile(r"(nvidia|cuda)-|(triton|pip)==")


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        pins += extra
    direct = {pin.partition("==")[0].lower().replace("_", "-") for pin in pins}
    resolve = ["uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--no-config"]
    resolve += ["--only-binary", ":all:", "--python-version", "3.11"]
    resolve += ["--python-platform", "x86_64-manylinux_2_28"]
    for extra in EXTRAS:
        resolve += ["--extra", extra]
    found = subprocess.run(
        [sys.executable, "-m", *resolve, str(ROOT / "pyproject.toml")],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    ui(project["optional-dependencies"]["track"][0].partition("==")[2])
    print("# Written by `make constraints`; the direct pins are in pyproject.toml.")
    for line in found.stdout.splitlines():
        if line.partition("==")[0] not in direct and not LEFT_OUT.match(line):
            print(line)


def ui(version: str) -> None:
    """Resolve MLflow of `version` for every Python and platform; what fits only some is marked."""
    resolve = ["uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--no-config"]
    resolve += ["--only-binary", ":all:", "--python-version", "3.11", "--universal", "-"]
    found = subprocess.run(
        [sys.executable, "-m", *resolve],
        check=True,
        input=f"mlflow=={version}\n",
        stdout=subprocess.PIPE,
        text=True,
    )
    told = "# Written by `make constraints`: what `phi3scaffold ui` installs into .venv-ui.\n"
    UI.write_text(told + found.stdout, encoding="utf-8")


if __name__ == "__main__":
    main()
