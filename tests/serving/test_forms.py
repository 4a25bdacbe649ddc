"""Any form can be served: what was trained beside what ships, to compare the two."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from phi3scaffold.inference.forms.kinds import folder_of
from phi3scaffold.project.settings import load_project
from tests.support.chat_page import answered, say, texts
from tests.support.server import HELLO, Server

FORMS = {"proj": "onnx", "proj/merged": "merged", "proj/adapter": "adapter", "proj/base": "base"}


@pytest.fixture(scope="module")
def every_form(served_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of four forms, in a project whose gate is broken."""
    root = tmp_path_factory.mktemp("forms") / "proj"
    shutil.copytree(served_project, root)
    path = load_project(root).release / "release.json"
    release = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**release, "released": False}), encoding="utf-8")
    words = [word for form in FORMS.values() for word in ("--form", form)]
    running = Server(root, *words).wait()
    yield running
    assert running.end() == 0
    assert not running.trouble


def test_every_form_answers_as_it_was_measured(every_form: Server) -> None:
    client = every_form.client()
    models = {model.id: model for model in client.models.list()}
    assert {name: model.form for name, model in models.items()} == FORMS
    found = {}
    for name in FORMS:
        whole = client.chat.completions.create(model=name, messages=HELLO, max_tokens=12)
        stream = client.chat.completions.create(
            model=name, messages=HELLO, max_tokens=12, stream=True
        )
        said = [piece.choices[0].delta.content or "" for piece in stream]
        assert "".join(said) == whole.choices[0].message.content
        found[name] = whole
    answers = [found[name].choices[0] for name in FORMS]
    assert [one.message.content for one in answers[:3]] == ["joy"] * 3
    assert answers[3].message.content != "joy"  # it was not taught
    assert len({one.usage.prompt_tokens for one in found.values()}) == 1


def test_a_text_alone_and_a_seed(every_form: Server) -> None:
    def said(model: str, seed: int) -> Any:
        return every_form.client().completions.create(
            model=model, prompt="We were", max_tokens=8, temperature=1.5, seed=seed
        )

    onnx, merged = said("proj", 1), said("proj/merged", 1)
    assert onnx.usage.prompt_tokens == merged.usage.prompt_tokens
    assert said("proj/merged", 1).choices[0].text == merged.choices[0].text
    assert len({said("proj/merged", seed).choices[0].text for seed in range(5)}) > 1


def test_only_the_onnx_forms_keep_to_a_schema(every_form: Server) -> None:
    asked = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"const": "yes"}}}
    with pytest.raises(openai.BadRequestError, match="Only the ONNX forms") as error:
        every_form.client().chat.completions.create(
            model="proj/merged", messages=HELLO, response_format=asked
        )
    assert error.value.param == "response_format"


def test_what_does_not_ship_is_not_warned_of(every_form: Server) -> None:
    told = [line for line in every_form.told if line.startswith("warning: THE GATE FAILED")]
    assert len(told) == 1
    models = every_form.client().models.list()
    assert [bool(model.remark) for model in models] == [True, False, False, False]


def test_two_forms_side_by_side_on_the_page(every_form: Server, open_page: Any) -> None:
    tab = open_page(every_form)
    remark = tab.locator("#remark")
    assert "THE GATE FAILED" in remark.inner_text()
    assert not tab.locator("#alone").is_visible()
    tab.get_by_label("Model").select_option("proj/merged")
    assert not remark.is_visible()
    tab.get_by_label("Compare with").select_option("proj")
    assert remark.is_visible()
    say(tab)
    answered(tab)
    assert texts(tab) == ["joy", "joy"]
    assert tab.locator(".answer h3").all_inner_texts() == ["proj/merged (merged)", "proj (onnx)"]


def test_a_form_that_was_not_made_is_one_message(served_project: Path, tmp_path: Path) -> None:
    from phi3scaffold.project.errors import ScaffoldError
    from phi3scaffold.serving.served_models import find_models

    root = tmp_path / "proj"
    shutil.copytree(served_project, root)
    project = load_project(root)
    shutil.rmtree(folder_of("merged", project))
    with pytest.raises(ScaffoldError, match="merged form was not made yet") as error:
        find_models(project, ["onnx", "merged"])
    assert "phi3scaffold merge" in str(error.value)
