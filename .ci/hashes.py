"""Write hashes.txt: the sha256 of every file that an environment of a project may install.

A line is a requirement as pip reads it, with the environments that have it, each by its extras, as
a comment. Every environment of template/copier.yml is resolved at once for all platforms, by the
pins of pyproject.toml and constraints.txt. What PyTorch asks for with CUDA has no other home.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import yaml
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).resolve().parent.parent
HEAD = "# Written by `make constraints`: name, platforms, the wheels' sha256, the environments.\n"
PYTHONS = ("cp311", "cp312", "cp313")
# Where PyTorch has wheels; those of other packages for other platforms are left out.
PLATFORMS = ("any", "manylinux", "linux", "macosx", "win_amd64")
ELSEWHERE = ("i686", "ppc64le", "s390x", "armv7l", "riscv64", "loongarch64")


def main() -> None:
    config = yaml.safe_load((ROOT / "template" / "copier.yml").read_text(encoding="utf-8"))
    targets = config["targets"]["default"].values()
    environments = {",".join(one) for target in targets for one in target["environments"].values()}
    lines: dict[str, list[str]] = {}
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
        pins.write(constraints())
        pins.flush()
        for extras in sorted(environments):
            for package in resolved(extras, pins.name):
                lines.setdefault(line(package), []).append(extras)
    text = "".join(f"{key} # {' '.join(names)}\n" for key, names in sorted(lines.items()))
    (ROOT / "hashes.txt").write_text(HEAD + text, encoding="utf-8", newline="\n")


def constraints() -> str:
    """Return all pins: an environment without [train] shall have the same NumPy, say."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    direct = {pin for extra in project["optional-dependencies"].values() for pin in extra}
    # Each ONNX Runtime has a flatbuffers of its own, so that no two go together.
    pins = sorted(pin for pin in direct if not pin.startswith("flatbuffers"))
    return (ROOT / "constraints.txt").read_text(encoding="utf-8") + "\n".join(pins) + "\n"


def resolved(extras: str, pins: str) -> list[dict[str, Any]]:
    """Return the packages of an environment, as PEP 751 describes them."""
    command = ["uv", "pip", "compile", "--quiet", "--no-config", "--universal"]
    command += ["--only-binary", ":all:", "--python-version", "3.11", "--format", "pylock.toml"]
    command += ["--constraints", pins]
    for extra in extras.split(","):
        command += ["--extra", extra]
    found = subprocess.run(
        [sys.executable, "-m", *command, str(ROOT / "pyproject.toml")],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    packages: list[dict[str, Any]] = tomllib.loads(found.stdout)["packages"]
    return packages


def line(package: dict[str, Any]) -> str:
    """Return the requirement with the hashes of the wheels that fit a platform of ours.

    Where none fits, as for what is there for a browser alone, those of all.
    """
    every = {one["url"].rpartition("/")[2]: one["hashes"]["sha256"] for one in package["wheels"]}
    fitting = {value for name, value in every.items() if fits(name)}
    marker = f" ; {package['marker']}" if "marker" in package else ""
    hashes = " ".join(f"--hash=sha256:{one}" for one in sorted(fitting or set(every.values())))
    return f"{package['name']}=={package['version']}{marker} {hashes}"


def fits(name: str) -> bool:
    """Tell whether a Python and a platform that we support can install the wheel."""
    return any(
        (tag.interpreter in PYTHONS or tag.interpreter.startswith("py3") or is_stable(tag))
        and (tag.abi in (*PYTHONS, "none", "abi3"))
        and tag.platform.startswith(PLATFORMS)
        and not tag.platform.endswith(ELSEWHERE)
        for tag in parse_wheel_filename(name.replace("%2B", "+"))[3]
    )


def is_stable(tag: Any) -> bool:
    """Tell whether it is for any CPython from one on that we support: ``cp39-abi3``."""
    return tag.abi == "abi3" and int(tag.interpreter.removeprefix("cp3")) <= 13


if __name__ == "__main__":
    main()
