"""inferences/*.py with nothing but their own requirements: the same prompt, the same answer."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

import jinja2
import pytest
from packaging.requirements import Requirement

from phi3scaffold.inference.forms import open_form
from phi3scaffold.project.settings import Project, load_project
from phi3scaffold.training import nf4

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "template" / "project" / "inferences"
FORMS = ("onnx", "merged", "adapter")
TEXTS = (
    "I could not stop smiling all the way home.",
    '  odd "text" {phrase} {{x}} it\'s\n\n naïve 日本 😀 \\n ',
)
# The execution providers that copier.yml knows, and the extra that has their pins.
PROVIDERS = {
    "CPUExecutionProvider": "cpu",
    "CUDAExecutionProvider": "cuda",
    "DmlExecutionProvider": "directml",
}
# Runs a script as a person would, and writes down the prompt's ids on their way to the model.
SPY = """
import json, runpy, sys
from pathlib import Path
script, out, form = sys.argv[1:4]
sys.path.insert(0, str(Path(script).parent))  # as Python does for a script
sys.argv = [script, *sys.argv[4:]]
def keep(ids):
    Path(out).write_text(json.dumps([int(i) for i in ids]))
if form == "onnx":
    import onnxruntime_genai as og
    class Generator(og.Generator):
        def append_tokens(self, ids):
            keep(ids)
            super().append_tokens(ids)
    og.Generator = Generator
else:
    # Its package would be hidden by the onnx.py beside the script, had that not stepped aside.
    import transformers
    plain = transformers.GenerationMixin.generate
    def generate(self, *args, **options):
        keep(options["input_ids"][0])
        return plain(self, *args, **options)
    transformers.GenerationMixin.generate = generate
runpy.run_path(script, run_name="__main__")
"""


@pytest.fixture(scope="module")
def project(tiny_project: Path) -> Project:
    return load_project(tiny_project)


@pytest.fixture(scope="module")
def expected(project: Project) -> dict[str, list[tuple[list[int], str]]]:
    """For each form, the prompt's ids and the greedy answer to each of `TEXTS`."""
    found = {}
    for name in FORMS:
        with open_form(name, project) as form:
            prompts = [form.encode(form.prompt.messages(text)) for text in TEXTS]
            answers = [form.generate([ids], form.prompt.max_new_tokens)[0] for ids in prompts]
            texts = [form.decode(ids) for ids in answers]
            found[name] = list(zip(prompts, texts, strict=True))
            assert texts[0] in form.prompt.labels  # it really learned to answer, and to stop
    return found


@pytest.mark.parametrize("form", FORMS)
def test_a_script_and_a_form_are_all_it_needs(
    form: str, project: Project, expected: dict, tmp_path: Path
) -> None:
    alone = take_along(form, project, tmp_path)
    site = only(requirements(form), tmp_path / "site")
    out = tmp_path / "ids.json"
    spied = [sys.executable, "-S", "-c", SPY, str(alone), str(out), form, TEXTS[1]]
    done = run(spied, site, tmp_path)
    ids, answer = expected[form][1]
    assert json.loads(out.read_text()) == ids
    assert done.stdout.strip() == answer.strip()


def test_qloras_adapter_answers_over_the_base_it_was_trained_on(
    tiny_qlora_project: Path, tmp_path: Path
) -> None:
    """Script and form round the base to NF4, as training did; over another it answers else."""
    project = load_project(tiny_qlora_project)
    alone = take_along("adapter", project, tmp_path)
    site = only(requirements("adapter"), tmp_path / "site")
    with open_form("adapter", project) as form:
        ids = form.encode(form.prompt.messages(TEXTS[1]))
        expected = form.decode(form.generate([ids], 12)[0]).strip()
        ((_, (rounded,)),) = form.score([ids], [[[7]]])
    command = [sys.executable, "-S", str(alone), TEXTS[1], "--max-new-tokens", "12"]
    assert run(command, site, tmp_path).stdout.strip() == expected
    for file in (nf4.FILE, "manifest.json"):
        (tmp_path / "gen-model" / "adapter" / file).unlink()
    with open_form("adapter", tmp_path / "gen-model" / "adapter", base=project.base) as form:
        ((_, (original,)),) = form.score([ids], [[[7]]])
    assert abs(rounded - original).max() > 0.05


@pytest.mark.parametrize("form", ["onnx", "adapter"])
def test_it_runs_as_a_plain_script(
    form: str, project: Project, expected: dict, tmp_path: Path
) -> None:
    """The script's folder comes first on the path, and onnx.py lies there."""
    alone = take_along(form, project, tmp_path)
    for name in FORMS:
        shutil.copy(project.root / "inferences" / f"{name}.py", alone.parent)
    site = only(requirements(form), tmp_path / "site")
    plain = [sys.executable, "-S", str(alone), TEXTS[0]]
    assert run(plain, site, tmp_path).stdout.strip() == expected[form][0][1].strip()
    if form == "onnx":  # the others take seconds to start
        limited = run([*plain, "--max-new-tokens", "1"], site, tmp_path).stdout.strip()
        assert expected[form][0][1].strip().startswith(limited)


@pytest.mark.parametrize("form", FORMS)
def test_its_mistakes_are_messages(form: str, project: Project, tmp_path: Path) -> None:
    alone = take_along(form, project, tmp_path)
    site = only(requirements(form), tmp_path / "site")
    for arguments, message in (
        (["a <|end|> b"], "control token <|end|>"),
        (["one", "two"], "one text for each of: phrase"),
        (["x", "--model", str(tmp_path / "none")], "phi3scaffold run"),
    ):
        done = run([sys.executable, "-S", str(alone), *arguments], site, tmp_path, code=1)
        assert message in done.stderr and "Traceback" not in done.stderr


@pytest.mark.network
def test_the_onnx_script_in_an_environment_that_pip_made(
    project: Project, expected: dict, tmp_path: Path
) -> None:
    alone = take_along("onnx", project, tmp_path)
    (tmp_path / "requirements.txt").write_text("\n".join(requirements("onnx")))
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [python, "-m", "pip", "install", "-q", "-r", tmp_path / "requirements.txt"]
    subprocess.run(install, check=True, timeout=300)
    done = subprocess.run(
        [python, alone, TEXTS[0]], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert done.stdout.strip() == expected["onnx"][0][1].strip()


@pytest.mark.parametrize("form", FORMS)
def test_the_scripts_are_short_and_import_only_what_they_require(form: str) -> None:
    source = (SCRIPTS / f"{form}.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) <= (120 if form == "adapter" else 100)  # QLoRA's rounding
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module.split(".")[0])
    named = {Requirement(line).name.replace("-", "_") for line in requirements(form)}
    assert modules - set(sys.stdlib_module_names) <= named


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("form", FORMS)
def test_the_pins_are_those_of_the_extras(form: str, provider: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    home = extras[PROVIDERS[provider]] if form == "onnx" else extras["train"]
    pins = {line.partition(";")[0].strip() for line in home}
    lines = requirements(form, provider)
    assert lines and set(lines) <= pins


def requirements(form: str, provider: str = "CPUExecutionProvider") -> list[str]:
    """The lines of a script's requirements file, as they are rendered for that provider."""
    path = SCRIPTS / f"requirements-{form}.txt"
    path = path if path.is_file() else path.with_name(f"{path.name}.jinja")
    template = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(path.read_text(encoding="utf-8"))
    lines = template.render(execution_provider=provider).splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def take_along(form: str, project: Project, root: Path) -> Path:
    """Copy one script and what it reads into `root`, laid out as in a project."""
    (root / "inferences").mkdir()
    shutil.copytree(project.gen / form, root / "gen-model" / form)
    if form == "adapter":
        shutil.copytree(project.base, root / "model-cache" / "base")
    return Path(shutil.copy(project.root / "inferences" / f"{form}.py", root / "inferences"))


def only(lines: list[str], site: Path) -> Path:
    """A folder of packages that holds `lines` and what they require, and nothing else."""
    site.mkdir()
    todo, seen = [Requirement(line) for line in lines], set()
    while todo:
        wanted = todo.pop()
        if wanted.name.lower() in seen or (wanted.marker and not wanted.marker.evaluate()):
            continue
        seen.add(wanted.name.lower())
        found: Distribution = distribution(wanted.name)
        assert wanted.specifier.contains(found.version.split("+")[0]), f"{wanted} is not installed"
        todo += [Requirement(line) for line in found.requires or [] if "extra ==" not in line]
        for top in {file.parts[0] for file in found.files or []} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(found.locate_file(top))))
    return site


def run(
    command: list[str], site: Path, cwd: Path, code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run with `site` as the only packages; fail, showing its words, on another exit code."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "HF_", "ORT_"))}
    environment = {**kept, "PYTHONPATH": str(site), "PYTHONUTF8": "1"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == code, done.stderr
    return done


def test_the_environment_really_lacks_the_rest(tmp_path: Path) -> None:
    site = only(requirements("merged"), tmp_path / "site")
    for module in ("phi3scaffold", "olive", "peft", "onnxruntime_genai", "datasets", "onnx"):
        done = run([sys.executable, "-S", "-c", f"import {module}"], site, tmp_path, code=1)
        assert f"No module named '{module}'" in done.stderr
