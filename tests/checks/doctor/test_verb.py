"""`phi3scaffold doctor` as a command: what it prints, how it ends, what it never imports."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from phi3scaffold.checks.runner import load, run_check
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.targets.doctor_context import open_context
from tests.checks.doctor.conftest import Make, doctor
from tests.conftest import command

NEVER = ("torch", "transformers", "azure", "numpy", "olive", "onnxruntime", "copier", "requests")


def test_a_sound_project_fits_on_a_screen(sound: Make) -> None:
    done = command("doctor", "--offline", cwd=sound(), check=False)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert len(lines) <= 24
    assert lines[0] == f"{sound()}: tiny, for cpu"
    assert re.search(r"^ok +D01-project D02-python ", done.stdout, re.MULTILINE)
    assert re.fullmatch(r"doctor: .*\d+ ok, 3 skipped", lines[-1])
    assert "--offline" in lines[-2]
    assert "\x1b" not in done.stdout


def test_problems_come_first_and_the_exit_code_says_so(project: Make) -> None:
    root = project()
    next((root / "setup").glob("*.whl")).unlink()
    small = ("--offline", "--model", "tiny")  # for which any machine has the disk and the memory
    done = command("doctor", *small, cwd=root / "datasets", check=False)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[2].startswith("error   D04-wheel")
    assert "fix: " in lines[4]
    assert "1 error," in lines[-1]
    assert "D04" not in done.stdout.partition("ok      ")[2]


def test_a_project_yaml_that_cannot_be_read_is_one_line_of_many(project: Make) -> None:
    root = project()
    (root / "project.yaml").write_text("model: {id: tiny}\ntarget: mars\n")
    found = doctor(root, "--offline", code=1)
    (told,) = found["of"]["project"]
    assert told["state"] == "error"
    assert told["what"] == "Unknown target 'mars'."
    assert found["of"]["git"]
    assert found["project"] is True


def test_json_is_stable(sound: Make) -> None:
    found = doctor(sound("aml"), "--offline")
    assert {key: found[key] for key in ("format", "folder", "project", "target", "model")} == {
        "format": 1, "folder": str(sound("aml")), "project": True, "target": "aml", "model": "tiny",
    }  # fmt: skip
    assert found["offline"] is True
    states = [one["state"] for one in found["verdicts"]]
    assert found["errors"] == states.count("error")
    assert found["warnings"] == states.count("warning")
    ids = list(dict.fromkeys(one["id"] for one in found["verdicts"]))
    assert ids == sorted(ids)
    assert {frozenset(one) for one in found["verdicts"]} == {
        frozenset(("id", "state", "what", "where", "fix", "page"))
    }


def test_outside_of_a_project(tmp_path: Path) -> None:
    found = doctor(tmp_path, "--offline", "--target", "cuda", "--model", "phi-3-medium-4k")
    assert (found["project"], found["target"], found["model"]) == (False, "cuda", "phi-3-medium-4k")
    assert "phi-3-medium-4k takes about" in found["of"]["memory"][0]["what"]
    for name in ("project", "environment", "wheel", "azure-login"):
        assert name not in found["of"]
    assert found["of"]["known-breaks"]


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (("--only", "liver"), "D02-python"),
        (("--explain", "liver"), "D02-python"),
        (("--target", "mars"), "one of: cpu, cuda"),
        (("--model", "nothing"), "`phi3scaffold models`"),
    ],
)
def test_what_does_not_exist_is_refused(words: tuple[str, ...], fix: str, tmp_path: Path) -> None:
    done = command("doctor", *words, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert fix in done.stderr


def test_only_and_explain_take_the_id_or_its_words(sound: Make) -> None:
    for name in ("D10-memory", "memory", "d10-MEMORY"):
        done = command("doctor", "--only", name, cwd=sound())
        assert re.search(r"^ok +D10-memory: .* takes about", done.stdout, re.MULTILINE)
    done = command("doctor", "--explain", "memory", cwd=sound())
    assert done.stdout.startswith("D10-memory\n\nThe chosen model fits into")


@pytest.mark.parametrize("target", ["cuda", "aml"])
def test_what_asks_no_network_imports_nothing_that_takes_seconds(target: str, sound: Make) -> None:
    """Under two seconds, by what is not imported: no clock could say so on a busy machine."""
    code = (
        "import sys\n"
        "from phi3scaffold.__main__ import VERBS\n"
        "from phi3scaffold.cli import main\n"
        "main(VERBS, ['doctor', '--offline', '--json'])\n"
        f"print(sorted({{name.partition('.')[0] for name in sys.modules}} & set({NEVER!r})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=sound(target), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert len(json.loads(done.stdout.rpartition("[]")[0])["verdicts"]) > 15


def test_a_check_that_crashes_is_a_verdict() -> None:
    def crash(_: object) -> None:
        raise ZeroDivisionError("division\nby zero")

    def refuse(_: object) -> None:
        raise ScaffoldError("Not that.", where="here", fix="this")

    context = open_context()
    (told,) = run_check(SimpleNamespace(ID="D99", check=crash), context, "warning")  # type: ignore[arg-type]
    assert told.state == "warning"
    assert told.what == "The check itself failed: ZeroDivisionError: division."
    (told,) = run_check(SimpleNamespace(ID="D99", check=refuse), context, "warning")  # type: ignore[arg-type]
    assert (told.what, told.fix) == ("Could not be checked: Not that.", "this")


@pytest.mark.parametrize("module", load("doctor"), ids=lambda module: module.ID)
def test_every_check_says_what_why_and_how_to_fix_it(module: object) -> None:
    what, *rest = inspect.cleandoc(module.__doc__ or "").split("\n\n")
    assert what.endswith(".")
    assert "\n" not in what
    assert rest[-1].startswith("To fix it: ")
    assert list(inspect.signature(module.check).parameters) == ["context"]  # type: ignore[attr-defined]


def test_ids_are_in_order_and_never_twice() -> None:
    for number, module in enumerate(load("doctor"), 1):
        name = module.__name__.rpartition(".")[2].replace("_", "-")
        assert (module.ID[:4], module.ID[4:]) == (f"D{number:02}-", name)
