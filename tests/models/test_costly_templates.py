"""A chat template that loops for ever or fills the memory is refused with its file and line."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from phi3scaffold.models.catalogue import tiny_folder
from phi3scaffold.models.template_file import JINJA, ChatTemplate
from phi3scaffold.models.template_trial import _is_plain, check_template
from phi3scaffold.project.errors import ScaffoldError
from tests.conftest import command

TURNS = "{% for m in messages %}{{ m.content }}{% endfor %}\n"
LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}\n{% endfor %}{% endfor %}"
TWICE = (
    "{% set n = namespace(s='a' ~ 'b') %}\n"
    "{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}"
)
TREE = (
    "{% set n = namespace(l=[1]) %}\n{% for i in range(60) %}{% set n.l = [n.l, n.l] %}{% endfor %}"
)
CASES = {
    "'a' * 10**9": (TURNS + "{{ 'a' * 10**9 }}", 2, "text or list of more than"),
    "a list": (TURNS + "{{ ([1] * 10**9) | length }}", 2, "text or list of more than"),
    "a power": (TURNS + "\n{{ 10 ** 10 ** 7 }}", 3, "power"),
    "for ever": (TURNS + LOOP, 2, "too much time"),
    "a wide format": (TURNS + "{{ '%2000000000d' % 1 }}", 2, "too much"),
    "a wide line": (TURNS + "{{ 'a'.ljust(2000000000) }}", 2, "too much"),
    "twice and twice": (TWICE, 2, "too much"),
    "a tree as text": (TREE + "{{ n.l }}", 2, "too much"),
    "itself": ("{% macro f(x) %}{{ f(x) }}{% endmacro %}\n{{ f(1) }}", None, "too much"),
    "code": (TURNS + "{{ ''.__class__.__mro__ }}", None, "chat template"),
    "division": (TURNS + "{{ 1 / 0 }}", 2, "division by zero"),
}  # fmt: skip


def written(folder: Path, text: str) -> Path:
    (folder / JINJA).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("case", CASES)
def test_what_costs_much_is_refused_with_its_line(tmp_path: Path, case: str) -> None:
    text, line, why = CASES[case]
    began = time.monotonic()
    with pytest.raises(ScaffoldError, match=why) as error:
        check_template(written(tmp_path, text))
    assert time.monotonic() - began < 150
    assert str(error.value.where).startswith(str(tmp_path / JINJA))
    if line:
        assert error.value.where == f"{tmp_path / JINJA}:{line}"
    assert "Error" not in error.value.what


def test_in_the_settings_file_the_line_is_named_too(tmp_path: Path) -> None:
    template = ChatTemplate(tmp_path / "tokenizer_config.json", "\n{{ 'a' * 10**9 }}", {})
    with pytest.raises(ScaffoldError) as error:
        template.render([], to_answer=True)
    assert str(error.value.where).endswith("tokenizer_config.json: chat_template, line 2")


def test_new_says_so_without_a_traceback(tmp_path: Path) -> None:
    shutil.copytree(tiny_folder(), tmp_path / "model")
    written(tmp_path / "model", TURNS + LOOP)
    done = command("new", "p", "--model", "model", "--defaults", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "takes too much time" in done.stderr
    assert f"{JINJA}:2" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (TURNS, True),
        ("{% for m in messages %}{{ m['content'] | trim }}{% endfor %}", True),
        ("{{ 'a'.replace('a', 'b') }}", False),
        ("{{ 2 * 3 }}", False),
        ("{{ 'a' | center(9) }}", False),
        ("{{ range(9) }}", False),
    ],
)
def test_a_template_that_only_writes_its_turns_needs_no_process(text: str, plain: bool) -> None:
    assert _is_plain(text) == plain
