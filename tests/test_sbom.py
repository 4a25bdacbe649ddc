"""sbom.cdx.json tells of every package that hashes.txt pins, and hashes.txt of every pin."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from phi3scaffold import __version__
from phi3scaffold.generator.requirements import release_here

ROOT = Path(__file__).resolve().parent.parent
HASHES = (ROOT / "hashes.txt").read_text(encoding="utf-8").splitlines()[1:]
PINNED = {line.partition(" ")[0] for line in HASHES}
# Where the file is written, nothing of these is installed, whose metadata have the licence.
ELSEWHERE = re.compile(r"(nvidia|cuda)-|triton$|onnxruntime-.*(gpu|cuda|directml)$|httpx2-jsfetch$")


def test_it_lists_what_is_pinned_and_nothing_else() -> None:
    bom = json.loads((ROOT / "sbom.cdx.json").read_text(encoding="utf-8"))
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    assert bom["metadata"]["component"]["version"] == __version__
    assert {f"{one['name']}=={one['version']}" for one in bom["components"]} == PINNED
    for one in bom["components"]:
        assert one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}"
        assert one.get("licenses") or ELSEWHERE.match(one["name"]), one["name"]


def test_the_hashes_are_those_of_the_pins() -> None:
    """After a changed pin: `make constraints`."""
    release = release_here()
    found = release.distribution
    direct = {pin for lines in (found.base, *found.extras.values()) for pin in lines}
    indirect = set((release.constraints or b"").decode().splitlines()[1:])
    own = re.compile(r"(nvidia|cuda)-|(triton|httpx2-jsfetch)==")  # hashes.txt is their only home
    assert {pin for pin in PINNED if pin not in direct | indirect and not own.match(pin)} == set()


def test_every_environment_of_a_target_is_there() -> None:
    text = (ROOT / "template" / "copier.yml").read_text(encoding="utf-8")
    release = release_here()
    found = release.distribution
    for target in yaml.safe_load(text)["targets"]["default"].values():
        for extras in target["environments"].values():
            wanted = {*found.base, *(pin for extra in extras for pin in found.extras[extra])}
            lines = release.locked(extras)
            assert wanted <= {line.partition(" ")[0] for line in lines}
            assert all("--hash=sha256:" in line for line in lines)
