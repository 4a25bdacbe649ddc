"""Every case renders, parses, passes ruff, and has exactly its files."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from phi3scaffold.evaluation.limits import LIMITS
from phi3scaffold.generator.requirements import constraints
from tests.support.inner_make import inner_make
from tests.template.conftest import Made

# Exactly the files of a project, by what decides them; nothing here is read from the template.
FILES = [
    ".copier-answers.yml",
    ".devcontainer/devcontainer.json",
    ".gitattributes",
    ".gitignore",
    ".vscode/tasks.json",
    "Makefile",
    "README.md",
    "datasets/dataset.yaml",
    "fine-tuning/README.md",
    "fine-tuning/olive-config.json",
    "fine-tuning/user_script.py",
    "gen-model/README.md",
    "inferences/adapter.py",
    "inferences/merged.py",
    "inferences/onnx.py",
    "inferences/requirements-adapter.txt",
    "inferences/requirements-merged.txt",
    "inferences/requirements-onnx.txt",
    "model-cache/README.md",
    "project.yaml",
    "setup/conda.yaml",
    "setup/requirements.txt",
    "setup/setup.ps1",
    "setup/setup.sh",
    "tests/test_project.py",
]
CLOUD = [".amlignore", "fine-tuning/job.yml", "setup/azure.bicep", "setup/azure.bicepparam"]
OF_TARGET = {
    "cpu": [],
    "cuda": [],
    "directml": ["setup/requirements-infer.txt"],
    "aml": CLOUD,
    "arc": [*CLOUD, "setup/instance-type.yaml"],
}
OF_ROWS = {
    "sample": ["train.jsonl", "held-out.jsonl"],
    "jsonl": ["mine.jsonl"],
    "json": ["mine.json"],
    "csv": ["mine.csv"],
    "folder": ["rows/train.jsonl", "rows/test.jsonl"],
    "hub": [],
}
OF_TINY = [
    "README.md", "chat_template.jinja", "config.json", "generation_config.json",
    "model.safetensors", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json",
    "training.json",
]  # fmt: skip
BASE = "model-cache/base/"
NOT_OF_TINY = ["setup/instance-type.yaml"]  # an instance type with a GPU, which it needs not
WORKFLOW = ".github/workflows/check.yml"  # of projects whose wheel is in git
IMAGE = ["setup/Dockerfile", "setup/Dockerfile.dockerignore"]  # where the CPU answers
PROVIDERS = {"cpu": "CPUExecutionProvider", "directml": "DmlExecutionProvider"}
VERBS = ("setup", "doctor", "data", "model", "finetune", "merge", "export", "evaluate", "report",
         "ui", "infer", "chat", "serve", "publish", "lint", "test", "clean", "help")  # fmt: skip


def texts(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.relative_to(root).as_posix().startswith(BASE)
    }


def test_exactly_the_expected_files(made: Made) -> None:
    answers = made.answers
    expected = FILES + OF_TARGET[answers["target"]]
    expected += [f"datasets/{name}" for name in OF_ROWS[answers["rows"]]]
    if answers["model"] == "tiny":
        expected = [name for name in expected if name not in NOT_OF_TINY]
        expected += [f"{BASE}{name}" for name in OF_TINY]
    else:
        expected = [*expected, WORKFLOW]
    if answers["target"] in ("cpu", "aml", "arc") and answers.get("precision") != "fp16":
        expected = [*expected, *IMAGE]
    if constraints():
        expected = [*expected, "setup/constraints.txt"]
    needs = [name for name in expected if name.startswith("setup/requirements")]
    expected += [name.replace(".txt", ".lock") for name in needs]
    there = [path for path in made.root.rglob("*") if path.is_file()]
    assert sorted(path.relative_to(made.root).as_posix() for path in there) == sorted(expected)


def test_no_leftover_jinja(made: Made) -> None:
    for name, text in texts(made.root).items():
        if name.startswith("datasets/") and not name.endswith(".yaml"):
            continue  # the user's own
        # dictionaries of Python end in }} of their own
        marks = r"\{%|\{#|\{\{" if name.endswith(".py") else r"\{%|%\}|\{#|#\}|\{\{|\}\}"
        text = re.sub(r"\$\{\{[\w.]+\}\}", "", text)  # Azure ML's own
        assert not re.search(marks, text), name
        assert "None" not in text or name.endswith((".py", ".jsonl")), name
        assert "\n\n\n\n" not in text, name
        assert text.endswith("\n"), name


def test_everything_parses(made: Made) -> None:
    for name, text in texts(made.root).items():
        if name.endswith(".json"):
            json.loads(text)
        elif name.endswith((".yaml", ".yml")):
            assert isinstance(yaml.safe_load(text), dict), name
        elif name.endswith(".toml"):
            tomllib.loads(text)
        elif name.endswith(".jsonl"):
            for line in text.splitlines():
                json.loads(line)
        elif name.endswith(".py"):
            compile(text, name, "exec")
        elif name.endswith(".sh"):
            subprocess.run(["sh", "-n", str(made.root / name)], check=True)
            assert (made.root / name).stat().st_mode & 0o111, "not executable"
        elif name.endswith(".ps1"):
            balanced(text)


def balanced(text: str) -> None:
    """PowerShell is not everywhere: at least its brackets and quotes are in order."""
    code = re.sub(r"#.*", "", re.sub(r'"[^"\n]*"', '""', text))
    stack = []
    for character in code:
        if character in "([{":
            stack.append(character)
        elif character in ")]}":
            assert stack, "a bracket closes that was not open"
            assert stack.pop() + character in ("()", "[]", "{}")
    assert not stack
    assert code.count('"') % 2 == 0


def test_every_file_says_the_same(made: Made) -> None:
    """What one file must repeat from another agrees with it."""
    answers, root = made.answers, made.root
    olive = json.loads((root / "fine-tuning/olive-config.json").read_text())
    accelerator = olive["systems"][olive.get("target", "local")]["accelerators"][0]
    remote = answers["target"] in ("aml", "arc") and answers.get("precision") != "fp16"
    provider = PROVIDERS.get("cpu" if remote else answers["target"], "CUDAExecutionProvider")
    assert accelerator["execution_providers"] == [provider]
    assert accelerator["device"] == ("cpu" if provider == PROVIDERS["cpu"] else "gpu")
    if remote:  # trained on a GPU, built for where it answers
        trains = olive["systems"][olive["host"]]["accelerators"][0]
        assert trains["execution_providers"] == ["CUDAExecutionProvider"]
    training = olive["passes"]["finetune"]
    assert training["type"].lower() == answers["algo"]
    assert ("target_modules" in training) is (answers["algo"] != "qlora")
    on_cpu = answers["target"] in ("cpu", "directml")
    assert training["training_args"].get("use_cpu", False) is on_cpu
    project = yaml.safe_load((root / "project.yaml").read_text())
    assert project["target"] == answers["target"]
    dataset = yaml.safe_load((root / "datasets/dataset.yaml").read_text())
    assert dataset["task"] == answers["task"]
    assert ("messages" in dataset) is (answers["task"] == "chat")
    assert ("labels" in dataset) is (answers["task"] == "classify")


def test_the_pins_say_the_same(made: Made) -> None:
    """inferences/ repeats some of setup/'s pins: a script's requirements stand alone."""
    setup = {
        line for path in (made.root / "setup").glob("requirements*.txt") for line in pins_of(path)
    }
    conda = yaml.safe_load((made.root / "setup/conda.yaml").read_text(encoding="utf-8"))
    setup |= {pin.lower() for pin in conda["dependencies"][-1]["pip"]}
    for path in (made.root / "inferences").glob("requirements*.txt"):
        assert set(pins_of(path)) <= setup, path.name


def pins_of(path: Path) -> list[str]:
    lines = [line.partition("#")[0].partition(";")[0].strip() for line in path.open()]
    return [line.lower() for line in lines if line and not line.startswith("-")]


def test_readme(made: Made) -> None:
    """The README is for these answers, and every path that it names exists or will be made."""
    text = (made.root / "README.md").read_text(encoding="utf-8")
    target = made.answers["target"]
    assert ("Training never uses DirectML" in text) is (target == "directml")
    assert ("submits one job" in text) is (target in ("aml", "arc"))
    assert ("NVIDIA GPU and its driver" in text) is (target == "cuda")
    made_later = (
        "gen-model/",
        "adapter/",
        "merged/",
        "onnx/",
        "evaluation/",
        "report/",
        "release/",
        "setup/setup",
        "inferences/",
        "model-cache/",
        ".azureml/",
    )
    for path in re.findall(r"`([\w.-]+/[\w./-]*)`", text):
        if not path.startswith(("microsoft/", "somebody/")):
            assert (made.root / path).exists() or path.startswith(made_later), path


def test_the_linter_passes(rendered: dict[str, Made]) -> None:
    """ruff, on all of them in one go; as in the repository, but for Python 3.11 and 100 columns."""
    ruff = shutil.which("ruff")
    command = [ruff] if ruff else [sys.executable, "-m", "ruff"]
    folder = str(next(iter(rendered.values())).root.parent)
    rules = ["--isolated", "--line-length", "100", "--target-version", "py311"]
    select = ["--select", "E,F,W,I,B,UP,SIM,C4,PTH,RUF,BLE,T10"]
    for arguments in (["check", *rules, *select, "-q"], ["format", "--check", *rules, "-q"]):
        done = subprocess.run(
            [*command, *arguments, "."], cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_makefile(rendered: dict[str, Made]) -> None:
    cases = {one.answers["target"]: one.root for one in rendered.values()}
    root = cases["cpu"]
    listed = make(root)
    assert all(f"make {verb} " in listed for verb in VERBS)
    for verb in VERBS:
        planned = make(root, "-n", verb)
        assert planned.strip(), verb
        assert not any(line.endswith(" ") for line in planned.splitlines()), verb
        if verb not in ("setup", "test", "help"):
            assert planned.startswith("phi3scaffold "), verb
    assert make(root, "-n", "finetune", "ARGS=--local") == "phi3scaffold run --local\n"
    assert make(root, "-n", "infer").endswith("--example\n")
    assert make(root, "-n", "infer", "TEXT=a b", "FORM=adapter").split("infer ")[1] == (
        "--form adapter -- 'a b'\n"
    )
    columns = make(root, "-n", "infer", "SET_a=it's, so", "SET_b=x  y").split("infer ")[1]
    words = shlex.split(columns)
    assert words[:2] == ["--form", "onnx"]
    assert sorted(words[2:]) == ["--set", "--set", "a=it's, so", "b=x  y"]
    assert "--example" not in make(root, "-n", "infer", "ARGS=--set a=b")
    assert make(root, "-n", "clean", "ARGS=--all") == "phi3scaffold clean --all\n"
    assert make(root, "-n", "publish", "REPO=me/tones") == "phi3scaffold publish me/tones\n"
    own = "PHI3SCAFFOLD=python -m phi3scaffold"
    assert make(root, "-n", "data", own).startswith("python -m phi3scaffold data")


def make(root: Path, *words: str) -> str:
    done = subprocess.run(
        ["make", "-s", *words], cwd=root, capture_output=True, text=True, env=inner_make()
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_tasks_call_the_same_verbs(made: Made) -> None:
    tasks = json.loads((made.root / ".vscode/tasks.json").read_text())["tasks"]
    verbs = {task["label"].partition(":")[0] for task in tasks}
    assert verbs == set(VERBS) - {"clean", "help"}
    for task in tasks:
        if task["type"] == "process" and task["command"].endswith("phi3scaffold"):
            called = task["args"][0]
            assert called == {"finetune": "run"}.get(task["label"].partition(":")[0], called)


def test_the_gate_says_the_limits_that_hold_anyway(made: Made) -> None:
    """project.yaml shows every limit that its task has, at its default."""
    gate = yaml.safe_load((made.root / "project.yaml").read_text(encoding="utf-8"))["gate"]
    kind = "labels" if made.answers["task"] == "classify" else "free"
    own = {key: limit for key, limit in LIMITS.items() if limit.answers in ("", kind)}
    assert gate == {key: limit.default for key, limit in own.items()}
