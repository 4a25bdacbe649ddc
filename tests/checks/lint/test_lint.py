"""The verb: what it prints, what it ends with, what it needs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from phi3scaffold import migration
from phi3scaffold.checks.lint import settings
from phi3scaffold.checks.lint_context import LintContext
from phi3scaffold.checks.lint_report import lint_project
from phi3scaffold.checks.runner import load
from tests.checks.lint.conftest import Make
from tests.checks.lint.helpers import append, change, everything
from tests.conftest import command
from tests.template.conftest import without_git
from tests.test_architecture import HEAVY

SLOW = (*HEAVY, "copier", "huggingface_hub")


def test_a_trained_project_is_sound(tiny_project: Path, tiny_qlora_project: Path) -> None:
    for root in (tiny_project, tiny_qlora_project):
        done = command("lint", "--quick", "--strict", cwd=root)
        assert done.stdout.startswith("lint: ")
        assert "error" not in done.stdout


def test_what_new_makes_is_sound_in_git_and_from_any_folder_of_it(tmp_path: Path) -> None:
    command("new", "proj", "--defaults", "--target", "arc", cwd=tmp_path)
    root = tmp_path / "proj"
    before = snapshot(root)
    done = command("lint", "--quick", "--strict", "--all", cwd=root / "datasets")
    listed = [line.split()[1].rstrip(":") for line in done.stdout.splitlines()[:-1]]
    assert listed == [module.ID for module in load("lint")]
    assert snapshot(root) == before


def snapshot(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("sample", ["azure-0.6.json", "toolkit-0.3.json"])
def test_what_migrate_makes_is_sound(sample: str, tmp_path: Path) -> None:
    old = Path(__file__).parents[2] / "migration" / "samples" / sample
    with without_git():
        migration.migrate(migration.plan(migration.read(old), {}), tmp_path / "proj", git=False)
    assert everything(tmp_path / "proj") == []


def test_an_error_is_three_lines_and_exit_code_1(make: Make) -> None:
    root = make()
    line = change(root, "project.yaml", "revision: main", "revison: main")
    done = command("lint", "--quick", cwd=root, check=False)
    assert done.returncode == 1
    assert done.stdout.splitlines()[:3] == [
        f"error   L03-settings  project.yaml:{line}: model.revison",
        "        Nothing reads the key 'revison'.",
        "        fix: did you mean revision? Known here: id, revision",
    ]
    found = json.loads(command("lint", "--quick", "--json", cwd=root, check=False).stdout)
    (error,) = [one for one in found if one["state"] == "error"]
    assert set(error) == {"id", "state", "what", "where", "fix", "page"}
    assert error["page"] == "reference/checks#l03-settings"
    assert error["where"] == f"project.yaml:{line}: model.revison"


def test_diff_changes_nothing_and_fix_can_be_undone_by_what_it_prints(make: Make) -> None:
    root = make()
    change(root, "project.yaml", "revision: main", "revison: main")
    append(root, "setup/setup.sh", "# mine")  # without an end of line
    before = snapshot(root)
    told = command("lint", "--diff", cwd=root).stdout
    assert snapshot(root) == before
    done = command("lint", "--fix", "--quick", "--strict", cwd=root)
    assert done.stdout.startswith(told)
    subprocess.run(["git", "apply", "-R", "-"], cwd=root, input=told, text=True, check=True)
    assert snapshot(root) == before


def test_a_warning_fails_where_that_is_asked(make: Make) -> None:
    root = make()
    append(root, "setup/setup.sh", "# mine\n")
    assert command("lint", "--quick", cwd=root).returncode == 0
    assert command("lint", "--quick", "--strict", cwd=root, check=False).returncode == 1


def test_many_findings_of_one_check_do_not_fill_the_screen(make: Make) -> None:
    root = make()
    append(root, "project.yaml", "".join(f"key{number}: 1\n" for number in range(30)))
    done = command("lint", "--quick", cwd=root, check=False)
    assert len(done.stdout.splitlines()) < 24
    assert "L03-settings: 25 more (--all)" in done.stdout


def test_explain(tmp_path: Path) -> None:
    assert "To fix it:" in command("lint", "--explain", "L20-secrets", cwd=tmp_path).stdout
    done = command("lint", "--explain", "L20-secret", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "did you mean L20-secrets?" in done.stderr


def test_outside_of_a_project(tmp_path: Path) -> None:
    done = command("lint", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "This is not a phi3scaffold project" in done.stderr


def test_a_check_that_crashes_is_a_finding(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(context: LintContext) -> None:
        raise KeyError("inner")

    monkeypatch.setattr(settings, "check", crash)
    report = lint_project(LintContext(make(), quick=True))
    (finding,) = [one for one in report.findings if one.state == "error"]
    assert finding.id == settings.ID
    assert finding.what == "The check itself failed: KeyError: 'inner'."
    assert len({one.id for one in report.findings}) == len(load("lint"))


CRASH = re.compile("check itself failed|Could not be checked")
STRANGE = ["", "null", "[]", "3", "[[", "a: [1, {b: }]\n", "passes: 3\nfiles: x\n", "\ud800"]
NAMES = [
    "project.yaml",
    "datasets/dataset.yaml",
    "fine-tuning/olive-config.json",
    "fine-tuning/job.yml",
    ".copier-answers.yml",
    "model.lock",
    "setup/conda.yaml",
    ".amlignore",
]


@pytest.mark.parametrize("name", NAMES)
def test_strange_files_crash_no_check(make: Make, name: str) -> None:
    root = make(target="aml")
    for text in STRANGE:
        (root / name).write_text(text, encoding="utf-8", errors="surrogatepass")
        said = [one.what for one in lint_project(LintContext(root, quick=True)).findings]
        assert [what for what in said if CRASH.search(what)] == [], text


OLIVE = [
    {"passes": {"finetune": {"type": "LoRA", "target_modules": 3}}},
    {"passes": {"finetune": {"type": "LoRA", "training_args": []}}, "systems": {"local": 1}},
    {"passes": [], "data_configs": {"a": 1}, "input_model": "x", "systems": []},
    {"passes": {"b": {"type": "ModelBuilder", "extra_options": 1}}, "data_configs": [1]},
    {"passes": {"b": 3}, "cache_dir": 1},
]


def test_strange_olive_configs_crash_no_check(make: Make) -> None:
    root = make()
    for content in OLIVE:
        (root / "fine-tuning" / "olive-config.json").write_text(json.dumps(content))
        said = [one.what for one in lint_project(LintContext(root, quick=True)).findings]
        assert [what for what in said if CRASH.search(what)] == [], content


def test_it_is_quick_since_nothing_heavy_is_imported(make: Make) -> None:
    code = (
        "import sys\n"
        "from phi3scaffold.__main__ import VERBS\n"
        "from phi3scaffold.cli import main\n"
        "assert main(VERBS, ['lint', '--quick']) == 0\n"
        f"print([name for name in {SLOW!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=make(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_in_a_folder_that_an_outer_repository_leaves_out(make: Make) -> None:
    """git lists nothing there: the files are looked through all the same."""
    root = make()
    subprocess.run(["git", "init", "-q"], cwd=root.parent, check=True)
    append(root.parent, ".gitignore", f"{root.name}/\n")
    assert everything(root) == []
    append(root, "notes.txt", 'password = "hunter2hunter2"\n')
    assert [one.id for one in everything(root)] == ["L20-secrets"]


def test_without_git(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make()
    monkeypatch.setenv("PATH", "/nowhere")
    assert shutil.which("git") is None
    assert everything(root) == []
