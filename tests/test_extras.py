"""The pins: exact, consistent, and resolvable on the platform that each extra is for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
ONE_OF = ("cpu", "cuda", "directml")
PIN = re.compile(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.]*)")

LINUX, MAC, WINDOWS = "x86_64-manylinux_2_28", "aarch64-apple-darwin", "x86_64-pc-windows-msvc"
LINUX_ARM = "aarch64-manylinux_2_28"
# Which environments must resolve where: what a person installs there, every supported Python.
RESOLVES = [
    ("", LINUX),
    ("", MAC),
    ("", WINDOWS),
    ("train,cpu,track,smollm2,dev", LINUX),
    ("train,cpu,track,smollm2,dev", LINUX_ARM),
    ("train,cpu,track,smollm2,dev", MAC),
    ("train,cpu,track,smollm2,dev", WINDOWS),
    ("train,cpu,bench", LINUX),
    ("train,cuda,track", LINUX),
    ("train,cuda,track", WINDOWS),
    ("cpu,serve", LINUX),  # a machine that only answers
    ("cpu,serve", MAC),
    ("cpu,serve", WINDOWS),
    ("directml,serve", WINDOWS),  # the infer environment; the build environment is train,cpu
    ("aml", LINUX),
    ("aml", MAC),
    ("aml", WINDOWS),
    ("docs", LINUX),
    ("docs", MAC),
    ("docs", WINDOWS),
    ("train,cpu,track,serve,aml,smollm2,docs,dev", LINUX),
    ("train,cuda,track,job", LINUX),
]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(requirements: list[str]) -> dict[str, str]:
    """{normalized name: version}; fails on anything but an exact pin without a marker."""
    found = {}
    for requirement in requirements:
        match = PIN.fullmatch(requirement)
        assert match, f"not an exact pin: {requirement}"
        assert normal(match[1]) not in found, f"pinned twice: {requirement}"
        found[normal(match[1])] = match[2]
    return found


def constraints() -> dict[str, str]:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    return pins([line for line in text.splitlines() if line and not line.startswith("#")])


def test_every_pin_is_exact() -> None:
    for requirements in (PROJECT["dependencies"], *EXTRAS.values()):
        assert len(pins(requirements)) == len(requirements) > 0


def test_the_extras_are_the_ones_that_are_documented() -> None:
    assert set(EXTRAS) == {
        "train",
        *ONE_OF,
        "track",
        "serve",
        "aml",
        "job",
        "bench",
        "smollm2",
        "docs",
        "dev",
    }
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for extra in EXTRAS:
        assert f"`[{extra}]`" in contributing, extra


def test_a_pin_has_one_home() -> None:
    """No package is pinned in two extras, nor in constraints.txt as well.

    But flatbuffers, and what [dev] needs of [job], which cannot be installed whole beside [aml].
    """
    seen: dict[str, str] = {}
    for requirements in (PROJECT["dependencies"], *EXTRAS.values()):
        for name, version in pins(requirements).items():
            if name != "flatbuffers" and name in seen:
                assert (name, version) == ("azure-keyvault-secrets", seen[name])
            seen[name] = version
    assert not seen.keys() & constraints().keys()


def test_the_base_is_light() -> None:
    heavy = {"torch", "transformers", "olive-ai", "numpy", "datasets", "peft", "onnx"}
    assert not heavy & pins(PROJECT["dependencies"]).keys()


def test_only_the_three_bring_an_onnx_runtime() -> None:
    for extra, requirements in EXTRAS.items():
        runtimes = [name for name in pins(requirements) if name.startswith("onnxruntime")]
        assert len(runtimes) == (2 if extra in ONE_OF else 0), extra


def test_two_onnx_runtimes_cannot_be_asked_for_together() -> None:
    """Each asks for another flatbuffers, so that no resolver accepts two of them."""
    asked = {pins(EXTRAS[extra])["flatbuffers"] for extra in ONE_OF}
    assert len(asked) == len(ONE_OF)


def test_the_set_is_the_one_that_works_together() -> None:
    train, cpu = pins(EXTRAS["train"]), pins(EXTRAS["cpu"])
    assert train["torch"] == "2.13.0"
    assert train["olive-ai"] == "0.13.0"
    # From 0.15 on Olive's ModelBuilder fails without saying so.
    assert cpu["onnxruntime-genai"] == pins(EXTRAS["cuda"])["onnxruntime-genai-cuda"] == "0.14.1"
    assert cpu["onnxruntime"] == pins(EXTRAS["cuda"])["onnxruntime-gpu"]


def test_nothing_else_in_the_repository_pins_another_version() -> None:
    """Rendered or written down, a pin of one of our packages is the one of pyproject.toml."""
    everywhere: dict[str, set[str]] = {}
    for requirements in (PROJECT["dependencies"], *EXTRAS.values()):
        for name, version in pins(requirements).items():
            everywhere.setdefault(name, set()).add(version)
    wrong = []
    for folder in ("template", "phi3scaffold", ".github"):
        for path in (ROOT / folder).rglob("*"):
            suffixes = (".txt", ".yml", ".yaml", ".toml", ".jinja", ".py", ".sh", ".ps1")
            if path.suffix in suffixes and path.is_file():
                for name, version in PIN.findall(path.read_text(encoding="utf-8")):
                    if version not in everywhere.get(normal(name), {version}):
                        wrong.append(f"{path.relative_to(ROOT)}: {name}=={version}")
    assert wrong == []


def resolve(extras: str, platform: str, python: str) -> subprocess.CompletedProcess[str]:
    """Resolve `.[extras]` for a platform, wheels only, from the index's metadata alone.

    uv rather than pip: pip judges platform markers by the machine it runs on.
    """
    command = [sys.executable, "-m", "uv", "pip", "compile", "--no-config", "--quiet"]
    command += ["--only-binary", ":all:", "--python-version", python]
    command += ["--python", sys.executable]  # or it looks for that version, on the network too
    command += ["--python-platform", platform]
    if "job" not in extras:
        command += ["--constraints", str(ROOT / "constraints.txt")]
    for extra in filter(None, extras.split(",")):
        command += ["--extra", extra]
    # macOS 14 is the oldest that bitsandbytes has a wheel for.
    environment = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0", "UV_HTTP_TIMEOUT": "60"}
    done = subprocess.run(
        [*command, str(ROOT / "pyproject.toml")], env=environment, capture_output=True, text=True
    )
    if done.returncode and re.search(
        r"error sending request|[Cc]onnect|timed out|dns error", done.stderr
    ):
        pytest.skip("no package index can be reached")
    return done


@pytest.mark.network
@pytest.mark.parametrize("python", ["3.11", "3.13"])
@pytest.mark.parametrize(("extras", "platform"), RESOLVES)
def test_resolves(extras: str, platform: str, python: str) -> None:
    done = resolve(extras, platform, python)
    assert done.returncode == 0, done.stderr
    found = done.stdout
    assert "torch==2.13.0" in found if "train" in extras else "torch==" not in found
    runtimes = {
        line for line in found.splitlines() if re.match(r"onnxruntime(-gpu|-directml)?=", line)
    }
    assert len(runtimes) == (0 if extras in ("", "aml", "docs") else 1), runtimes


@pytest.mark.network
@pytest.mark.parametrize("two", ["cpu,cuda", "cuda,directml", "cpu,directml"])
def test_two_onnx_runtimes_do_not_resolve(two: str) -> None:
    done = resolve(two, WINDOWS, "3.11")
    assert done.returncode != 0
    assert "flatbuffers" in done.stderr
