"""What lies on the hub works: the code of its own README is run, with the files that it fetches."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from phi3scaffold.conversion.adapter_file import normalize_config
from phi3scaffold.inference.forms import open_form
from phi3scaffold.models.base_model import Base
from phi3scaffold.models.catalogue import DEFAULT
from phi3scaffold.project.settings import load_project
from phi3scaffold.publishing.hub_readme import write
from tests.conftest import command as phi3scaffold
from tests.publishing.conftest import REPO, TOKEN, on_the_hub, publish
from tests.publishing.test_permission import as_if_measured, as_if_of_base, made_again
from tests.support.hub_server import HubServer

FORMS = ("onnx", "adapter", "merged", "onnx-adapter")
ROWS = 120
# each text in turn in the place of the code's own; what it prints are the answers
ALL = """
import json, sys
code, texts = json.load(sys.stdin)
for text in texts:
    exec(compile(code.replace('"Some text."', json.dumps(text)), "README.md", "exec"), {})
"""


@pytest.fixture(scope="module")
def every_form(tiny_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The LoRA project with its adapter over an ONNX base, too; measured anew, and released."""
    project = tmp_path_factory.mktemp("every") / "tones"
    shutil.copytree(tiny_project, project)
    path = project / "project.yaml"
    text = re.sub(r"(?m)^  rows: \d+$", f"  rows: {ROWS}", path.read_text(encoding="utf-8"))
    path.write_text(f"{text}\nadapters: {{tone: gen-model/adapter}}\n", encoding="utf-8")
    phi3scaffold("run", cwd=project)
    return project


def measured(project: Path, form: str, texts: int) -> dict[str, str]:
    """Rows of different answers: the text, and what that form answered when it was measured."""
    rows = (project / "datasets/held-out.jsonl").read_text(encoding="utf-8").splitlines()
    found: dict[str, str] = {}
    for line in (project / "gen-model/evaluation/answers.jsonl").read_text().splitlines():
        answer = json.loads(line)
        row = json.loads(rows[int(answer["place"].split(":")[1]) - 1])
        if answer[form] not in found.values():
            found[row["phrase"]] = answer[form]
    return dict(list(found.items())[:texts])


def code_of(readme: str, form: str) -> str:
    """The Python of one form's section, as it stands there."""
    [code] = re.findall(rf"### `{form}/`\n.*?```python\n(.*?)```", readme, re.S)
    return code


def said_by(code: str, texts: list[str], hub: HubServer, home: Path) -> list[str]:
    """What the code prints in a folder and a hub cache of its own."""
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", ALL],
        cwd=home,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(home / "hf-home"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_TOKEN": TOKEN,
        },
        input=json.dumps([code, texts]),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_form_answers_as_it_was_measured(
    every_form: Path, hub: HubServer, tmp_path: Path
) -> None:
    publish(every_form, hub, REPO, "--forms", *FORMS)
    readme = on_the_hub(hub)["README.md"].decode()
    for form in FORMS:
        expected = measured(every_form, form, 3)
        assert len(set(expected.values())) == 3
        hub.requests.clear()
        said = said_by(code_of(readme, form), list(expected), hub, tmp_path / form)
        assert said == list(expected.values()), form
        fetched = {name for name in hub.downloads() if "/" in name}
        assert fetched == {name for name in on_the_hub(hub) if name.startswith(f"{form}/")}
    for name, content in on_the_hub(hub).items():
        assert str(every_form).encode() not in content, name
    how = readme.partition("## How to run it\n")[2].partition("\n## ")[0]
    for form in FORMS:
        assert f"| `{form}/` |" in how
    for of_the_project in ("phi3scaffold infer", "gen-model", "inferences/"):
        assert of_the_project not in how


def test_qlora_over_a_base_of_the_hub(
    tiny_qlora_project: Path, hub: HubServer, tmp_path: Path
) -> None:
    """The base comes from the hub, at the commit of model.lock, and is rounded as in training."""
    project = Path(shutil.copytree(tiny_qlora_project, tmp_path / "tones"))
    base = project / "model-cache/base"
    names = ("config.json", "generation_config.json", "model.safetensors")
    there = hub.add("ann/base")
    commit = there.commit({name: (base / name).read_bytes() for name in names})
    there.commit(dict.fromkeys(names, b"another"))
    lock = json.loads((project / "model.lock").read_text())
    told = {**lock, "id": "ann/base", "source": "hub", "commit": commit}
    (project / "model.lock").write_text(json.dumps(told))
    path = project / "project.yaml"
    path.write_text(path.read_text().replace('id: "tiny"', 'id: "ann/base"'))
    normalize_config(
        project / "gen-model/adapter/adapter_config.json", Base.of(load_project(project))
    )
    as_if_of_base(project, "ann/base")

    publish(project, hub, REPO, "--forms", "adapter")
    files = on_the_hub(hub)
    code = code_of(files["README.md"].decode(), "adapter")
    assert commit in code
    expected = measured(project, "adapter", 3)
    assert said_by(code, list(expected), hub, tmp_path / "there") == list(expected.values())


def test_columns_a_system_turn_and_marks_that_eat(
    project: Path, hub: HubServer, tmp_path: Path
) -> None:
    """The prompt of the code is the runtime's, whatever the columns are called."""
    folder = project / "gen-model/onnx"
    names = ["question", 'the "con\\text"', "größe $1"]
    told = json.loads((folder / "prompt.json").read_text())
    told |= {"user": "\n".join(f"- {{{name}}}" for name in names), "columns": names}
    told["system"] = "Be {brief}."
    (folder / "prompt.json").write_text(json.dumps(told))
    words = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    for mark in words["added_tokens"]:
        mark["rstrip"] = True  # as Phi-3's
    (folder / "tokenizer.json").write_text(json.dumps(words))
    as_if_measured(project)
    publish(project, hub, REPO)
    code = code_of(on_the_hub(hub)["README.md"].decode(), "onnx")
    until = code.index("params = ")
    said = said_by(code[:until] + "print(list(map(int, ids)))", ["Why?"], hub, tmp_path / "there")
    with open_form("onnx", folder) as form:
        values = dict.fromkeys(names, "Why?")
        expected = form.encode(form.prompt.messages(values))
    assert json.loads(said[0]) == expected


@pytest.mark.parametrize(
    ("model", "lock", "base"),
    [
        ("tiny", "tiny", Base("tiny", None, "tiny")),
        ("me/model", "hub", Base("me/model", "0" * 40, "hub")),
        ("me/model", None, Base("me/model", None, "hub")),  # a job has resolved it, elsewhere
        ("microsoft/Phi-3-mini-4k-instruct", None, Base(DEFAULT, None, "hub")),
        ("phi-3.5-mini", "hub", Base("microsoft/Phi-3.5-mini-instruct", "0" * 40, "hub")),
        ("../somewhere/my-base", "folder", Base("my-base", None, "folder")),
    ],
)
def test_where_the_base_is_to_be_had(
    project: Path, model: str, lock: str | None, base: Base
) -> None:
    path = project / "project.yaml"
    path.write_text(path.read_text().replace('id: "tiny"', f'id: "{model}"'))
    (project / "model.lock").unlink()
    if lock:
        told = {"id": model, "revision": "main", "source": lock, "commit": "0" * 40, "sha256": {}}
        (project / "model.lock").write_text(json.dumps(told))
    assert Base.of(load_project(project)) == base
    normalize_config(project / "gen-model/adapter/adapter_config.json", base)
    text = write(load_project(project), REPO, ["adapter"], notice=False, rows=False)
    code = code_of(text, "adapter")
    compile(code, "README.md", "exec")
    assert f'"{base.name}"' in code
    assert ("COMMIT" in code) is (base.commit is not None)
    assert "/somewhere" not in text


@pytest.mark.parametrize(
    ("forms", "relation", "library", "onnx"),
    [
        (("adapter",), "adapter", None, False),
        (("adapter", "merged"), "finetune", None, False),
        (("onnx", "adapter"), "finetune", "onnxruntime-genai", True),
    ],
)
def test_the_metadata_are_of_what_goes_up(
    project: Path,
    hub: HubServer,
    forms: tuple[str, ...],
    relation: str,
    library: str | None,
    onnx: bool,
) -> None:
    """The loopback refuses what the hub's own rules refuse; here, what they leave open."""
    own = project / "gen-model/report/MODEL_CARD.md"
    text = own.read_text(encoding="utf-8").replace("license: mit", "license: mit\nbase_model: a/b")
    own.write_text(text, encoding="utf-8")
    made_again(own.parent)
    publish(project, hub, REPO, "--forms", *forms)
    data = ModelCard(on_the_hub(hub)["README.md"].decode()).data
    assert (data.base_model, data.base_model_relation) == ("a/b", relation)
    assert data.library_name == library
    assert bool({"onnx", "onnxruntime-genai"} & set(data.tags)) is onnx
    assert data.license == "mit"
    assert data.datasets is None  # the rows are nobody's data set, and stay here
    assert data.model_name == "tones"
    metrics = json.loads((project / "gen-model/evaluation/metrics.json").read_text())["forms"]
    found = {result.metric_name: result.metric_value for result in data.eval_results}
    assert found == {
        f"{name} ({form})": metrics[form][key]
        for form in forms
        for name, key in (
            ("Accuracy", "accuracy"),
            ("Macro F1", "macro_f1"),
            ("Perplexity", "perplexity"),
        )
    }


def test_metadata_that_the_hub_refuses(project: Path, hub: HubServer) -> None:
    own = project / "gen-model/report/MODEL_CARD.md"
    own.write_text(own.read_text(encoding="utf-8").replace("license: mit", "license: what"))
    made_again(own.parent)
    said = publish(project, hub, REPO, "--forms", "onnx", code=1)
    assert "Not valid: license" in said
    assert on_the_hub(hub) == {}
