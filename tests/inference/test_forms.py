"""Every form answers in the same way: same prompt tokens, same batch and single answers."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from phi3scaffold.inference.forms import open_form
from phi3scaffold.inference.forms.form import Form
from phi3scaffold.inference.forms.genai import _threads
from phi3scaffold.inference.forms.kinds import FORMS
from phi3scaffold.models.chat_template import encode, load_tokenizer
from phi3scaffold.models.tool_template import CONVERSATION, DEFINITION
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.settings import Project, load_project
from tests.support.tool_templates import JSON_CALLS, TAGGED

ODD_TEXTS = (
    "plain",
    "  spaces   inside and around  ",
    "\n\nlines\n\nand\ttabs\r\n",
    "it's \"quoted\" and 'quoted' \\ back\\slashed \\n \\u0041",
    "{phrase} {{ braces }} {% if x %} {other} $x %s",
    "naïve café, Ünïcode, 日本語, नमस्ते, 😀👍🏽, e\u0301",
    "nbsp\u00a0em\u2003zero\u200bwidth\u2028line",
    "\u3000日本語の段落",
    "\u00a0\u2028\x1c\x0c first",
    "</ s> <|en d|> [INST] <b>",
    "a" * 150,
)
PROMPTS = ("hi", "a rather longer text, is it not?", "ho", "x y", "1 2 3 4 5 6", "hi")


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_all_forms_make_the_prompt_tokens_of_training(
    text: str, opened: Callable[[str], Form]
) -> None:
    made = {}
    for name in FORMS:
        form = opened(name)
        made[name] = form.encode(form.prompt.messages(text))
    assert made["onnx"] == made["merged"] == made["adapter"] == made["base"]
    assert made["onnx"] == encode(
        load_tokenizer(form.folder), form.prompt.messages(text), to_answer=True
    )
    assert len(made["onnx"]) > 4


@pytest.mark.parametrize("template", [TAGGED, JSON_CALLS], ids=["tagged", "json"])
def test_forms_make_the_prompt_tokens_of_tools(
    template: str, forms_project: Project, tmp_path: Path
) -> None:
    """ONNX Runtime GenAI would write the definitions in a form of its own."""
    root = tmp_path / "project"
    shutil.copytree(forms_project.root, root)
    for file in root.rglob("chat_template.jinja"):
        file.write_text(template)
    for name in ("merged", "onnx"):
        with open_form(name, load_project(root)) as form:
            tokenizer = load_tokenizer(form.folder)
            for turns, tools in ((1, [DEFINITION]), (3, [DEFINITION]), (3, [])):
                messages = CONVERSATION[:turns]
                expected = encode(tokenizer, messages, to_answer=True, tools=tools)
                assert form.encode(messages, tools) == expected


def test_scores_are_the_logits_behind_each_token(form: Form) -> None:
    """Of many prompts and continuations at once as of each alone, and greedy is their maximum."""
    prompts = [form.encode(form.prompt.messages(text)) for text in PROMPTS]
    answers = form.generate(prompts, 6)
    continuations = [[ids, [7], [9, 11, 13]] for ids in answers]
    scored = dict(form.score(prompts, continuations))
    assert sorted(scored) == list(range(len(prompts)))
    for row, prompt in enumerate(prompts):
        assert [len(logits) for logits in scored[row]] == [6, 1, 3]
        assert scored[row][0].argmax(-1).tolist() == answers[row]
        for ids, logits in zip(continuations[row], scored[row], strict=True):
            ((_, (alone,)),) = form.score([prompt], [[ids]])
            assert abs(logits - alone).max() < 1e-4
            ((_, (behind,)),) = form.score([prompt + ids[:-1]], [[ids[-1:]]])
            assert abs(logits[-1:] - behind).max() < 1e-4


def test_timed_tokens_do_not_end_with_the_answer(form: Form) -> None:
    """The time of a token is asked of models whose answers are two tokens long."""
    ids = form.encode(form.prompt.messages("hi"))
    first = next(form.sample(ids, 1))
    before, form._stop = form._stop, form._stop | {first}
    try:
        assert form.generate([ids], 5) == [[]]
        seconds = form.time_tokens(ids, 5)
    finally:
        form._stop = before
    assert len(seconds) == 5
    assert seconds == sorted(seconds)
    assert seconds[0] > 0


def test_a_batch_answers_as_one_at_a_time(form: Form) -> None:
    prompts = [form.encode(form.prompt.messages(text)) for text in PROMPTS]
    alone = [list(form.sample(ids, 10)) for ids in prompts]
    assert form.generate(prompts, 10) == alone
    assert all(len(ids) == 10 for ids in alone)
    assert len(set(map(tuple, alone))) > 2  # the prompts matter


def test_the_pieces_of_a_stream_are_the_answer(form: Form) -> None:
    messages = form.prompt.messages("hi there")
    pieces = list(form.pieces(form.sample(form.encode(messages), 10)))
    ids = form.generate([form.encode(messages)], 10)[0]
    assert "".join(pieces) == form.decode(ids)
    assert len(pieces) > 3


def test_an_answer_ends_before_a_stop_id(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = [form.encode(form.prompt.messages(text)) for text in PROMPTS]
    whole = form.generate(prompts, 10)
    stop = whole[0][3]
    cut = [ids[: ids.index(stop)] if stop in ids else ids for ids in whole]
    assert cut != whole
    monkeypatch.setattr(form, "_stop", frozenset({stop}))
    assert form.generate(prompts, 10) == cut
    assert [list(form.sample(ids, 10)) for ids in prompts] == cut


@pytest.mark.parametrize("name", ["merged", "onnx"])
def test_the_stop_ids_are_those_of_prompt_json(name: str, forms_project: Project) -> None:
    with open_form(name, forms_project) as form:
        ids = form.encode(form.prompt.messages("hi"))
        first = form.generate([ids], 4)[0]
        prompt = dataclasses.replace(form.prompt, stop=(first[2],))
    with open_form(name, forms_project, prompt=prompt) as form:
        assert form.generate([ids], 4)[0] == first[: first.index(prompt.stop[0])]


def test_a_stop_id_ends_the_work_not_only_the_words(forms_project: Project) -> None:
    with open_form("merged", forms_project) as form:
        ids = form.encode(form.prompt.messages("hi"))
        stop = form.generate([ids], 1)[0][0]
        prompt = dataclasses.replace(form.prompt, stop=(stop,))
    with open_form("merged", forms_project, prompt=prompt) as form:
        assert form._batch([ids], 50) == [[stop]]  # type: ignore[attr-defined]


def test_the_answer_keeps_within_the_context(form: Form) -> None:
    messages = form.prompt.messages("x" * 460)
    room = form.context - len(form.encode(messages))
    assert 0 < room < 50
    assert len(form.generate([form.encode(messages)], 1000)[0]) == room
    with pytest.raises(ScaffoldError, match="at most 512"):
        list(form.sample(form.encode(form.prompt.messages("x" * 600)), 5))
    with pytest.raises(ScaffoldError, match="at most 512"):
        form.generate([[1] * 512], 5)


def test_text_with_a_control_token_is_refused(form: Form) -> None:
    for token in ("<|end|>", "<|assistant|>", "</s>"):
        with pytest.raises(ScaffoldError, match="control token"):
            form.encode(form.prompt.messages(f"hi {token} there"))


def test_decoding_leaves_out_control_tokens_and_padding_ids(form: Form) -> None:
    words = form.encode([{"role": "user", "content": "hi"}])
    assert form.decode([*words, 383, 350]).replace("\n", "") == "hi"
    assert form.decode([]) == ""


def test_the_adapter_changes_the_answer_and_merging_keeps_it(
    opened: Callable[[str], Form],
) -> None:
    ids = opened("base").encode(opened("base").prompt.messages("hi"))
    answers = {name: opened(name).generate([ids], 6)[0] for name in ("base", "adapter", "merged")}
    assert answers["base"] != answers["adapter"] == answers["merged"]


def test_nothing_runs_on_behind_a_stream_that_was_given_up(opened: Callable[[str], Form]) -> None:
    form = opened("merged")
    words = form.sample(form.encode(form.prompt.messages("hi")), 400)
    next(words)
    assert any(thread.name == "generation" for thread in threading.enumerate())
    words.close()  # type: ignore[attr-defined]
    assert not any(thread.name == "generation" for thread in threading.enumerate())


def test_an_error_behind_a_stream_is_raised_where_it_is_read(
    opened: Callable[[str], Form], monkeypatch: pytest.MonkeyPatch
) -> None:
    form = opened("merged")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(form, "_run", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        list(form.sample([1, 2], 5))


@pytest.mark.parametrize("name", FORMS)
def test_closing_twice_is_allowed(name: str, forms_project: Project) -> None:
    with open_form(name, forms_project) as form:
        form.close()
        assert form._model is None  # type: ignore[attr-defined]  # its memory can be used again


def test_the_onnx_form_imports_no_training_package(forms_project: Project) -> None:
    code = """
    import sys
    from phi3scaffold.project.settings import find_project
    from phi3scaffold.inference.forms import open_form
    with open_form("onnx", find_project()) as form:
        form.generate([form.encode(form.prompt.messages("hi"))], 3)
    heavy = {"torch", "transformers", "peft", "olive", "datasets", "onnx"} & set(sys.modules)
    assert not heavy, heavy
    """
    run = [sys.executable, "-c", textwrap.dedent(code)]
    subprocess.run(run, cwd=forms_project.root, check=True)


def test_telemetry_is_off_before_onnxruntime_is_imported(
    forms_project: Project, tmp_path: Path
) -> None:
    spy = "import os, sys\nsys.exit('off' if os.environ.get('ORT_DISABLE_TELEMETRY') else 'on')\n"
    (tmp_path / "onnxruntime_genai.py").write_text(spy)
    code = f"""
    import sys
    sys.path.insert(0, {str(tmp_path)!r})
    from phi3scaffold.project.settings import find_project
    from phi3scaffold.inference.forms import open_form
    open_form("onnx", find_project())
    """
    run = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(run, cwd=forms_project.root, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "off"


@pytest.mark.parametrize(
    ("name", "verb"),
    [("onnx", "export"), ("merged", "merge"), ("adapter", "finetune"), ("base", "run")],
)
def test_a_form_that_was_not_made_names_its_verb(name: str, verb: str, tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text("model: {id: tiny}\n")
    project = Project(tmp_path, "tiny", "main", "cpu", 10)
    with pytest.raises(ScaffoldError) as error:
        open_form(name, project)
    assert f"phi3scaffold {verb}" in str(error.value)
    assert error.value.exit_code == 2


def test_an_unknown_form_is_refused(forms_project: Project) -> None:
    with pytest.raises(ScaffoldError, match="Unknown form 'gguf'"):
        open_form("gguf", forms_project)


def test_only_safetensors_are_loaded(forms_project: Project, tmp_path: Path) -> None:
    shutil.copytree(forms_project.merged, tmp_path / "merged")
    (tmp_path / "merged" / "model.safetensors").rename(tmp_path / "merged" / "pytorch_model.bin")
    with pytest.raises(ScaffoldError, match="no safetensors"):
        open_form("merged", tmp_path / "merged")


@pytest.mark.parametrize(
    ("name", "file"), [("onnx", "model.onnx"), ("merged", "model.safetensors")]
)
def test_a_damaged_model_is_a_failed_run(
    name: str, file: str, forms_project: Project, tmp_path: Path
) -> None:
    folder = tmp_path / name
    shutil.copytree(forms_project.gen / name, folder)
    (folder / file).write_bytes(b"damaged")
    with pytest.raises(ScaffoldError, match="not a whole") as error:
        open_form(name, folder)
    assert error.value.exit_code == FAILED_RUN


@pytest.mark.parametrize(
    ("name", "package"),
    [("onnx", "onnxruntime_genai"), ("merged", "transformers"), ("adapter", "peft")],
)
def test_a_missing_package_is_named(
    name: str, package: str, forms_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ScaffoldError, match="not installed") as error:
        open_form(name, forms_project)
    assert "pip install" in str(error.value)


def test_hardware_that_is_missing_is_named(forms_project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "onnx"
    shutil.copytree(forms_project.onnx, folder)
    settings = json.loads((folder / "genai_config.json").read_text())
    options = settings["model"]["decoder"]["session_options"]
    options["provider_options"] = [{"cuda": {}}]
    (folder / "genai_config.json").write_text(json.dumps(settings))
    with pytest.raises(ScaffoldError) as error:
        open_form("onnx", folder)
    assert "CUDA" in str(error.value)
    assert error.value.exit_code == FAILED_RUN


def test_threads_are_the_physical_cores_unless_the_config_says() -> None:
    def threads(settings: dict) -> int:
        return _threads(settings)["model"]["decoder"]["session_options"]["intra_op_num_threads"]

    assert threads({}) >= 1
    assert threads({"decoder": {"session_options": {"intra_op_num_threads": 3}}}) == 3
