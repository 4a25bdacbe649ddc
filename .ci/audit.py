"""Ask which of the packages in hashes.txt have known vulnerabilities, by pip-audit.

The exit code is 1 where one has, 2 where nothing could be asked.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    lines = (ROOT / "hashes.txt").read_text(encoding="utf-8").splitlines()[1:]
    pins = sorted({line.partition(" ")[0] for line in lines})
    found: dict[str, dict[str, Any]] = {}
    for group in groups(pins):
        done = audit(group)
        if done is None:
            return 2
        found |= {one["name"]: one for one in done}
    asked = [one for one in found.values() if "skip_reason" not in one]
    hit = [one for one in asked if one["vulns"]]
    for one in hit:
        for bug in one["vulns"]:
            mended = ", ".join(bug["fix_versions"]) or "none"
            print(f"{one['name']}=={one['version']}: {bug['id']}; mended in: {mended}")
    if not asked:
        print("audit: not done: the index has no data of vulnerabilities (PyPI's JSON interface)")
        return 2
    print(f"audit: {len(hit)} of {len(asked)} packages have known vulnerabilities")
    for one in found.values():
        if "skip_reason" in one:
            print(f"  not known there: {one['name']}")
    return 1 if hit else 0


def groups(pins: list[str]) -> list[list[str]]:
    """Return lists in which no package stands twice: there is a flatbuffers for each runtime."""
    found: list[dict[str, str]] = []
    for pin in pins:
        name = pin.partition("==")[0]
        free = next((one for one in found if name not in one), None)
        if free is None:
            free = {}
            found.append(free)
        free[name] = pin
    return [list(one.values()) for one in found]


def audit(pins: list[str]) -> list[dict[str, Any]] | None:
    """Return what pip-audit knows of packages; None where it could not ask."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "pins.txt")
        file.write_text("\n".join(pins), encoding="utf-8")
        words = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", *words, "--requirement", str(file)],
            capture_output=True,
            text=True,
        )
    try:
        answer: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"audit: not done: pip-audit could not ask: {last}")
        return None
    return answer


if __name__ == "__main__":
    sys.exit(main())
