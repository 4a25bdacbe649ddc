"""Prompts with several columns: what names them in the terminal, and over HTTP."""

from __future__ import annotations

import json
import shlex

import pytest

from phi3scaffold.cli.serve import example_body
from phi3scaffold.models.prompt import Prompt
from phi3scaffold.project.errors import ScaffoldError

COLUMNS = ("subject", "Order ID")
PROMPT = Prompt(task="qa", user="{subject}\n{Order ID}", columns=COLUMNS, stop=(1,))


@pytest.mark.parametrize("text", ["one text", '{"subject": 1}', "[]"])
def test_a_text_alone_is_refused_with_the_options_that_name_the_columns(text: str) -> None:
    with pytest.raises(ScaffoldError) as refused:
        PROMPT.conversation([{"role": "user", "content": text}])
    fix = refused.value.fix or ""
    command = fix.partition(";")[0]
    assert shlex.split(command)[1:] == ["infer", "--set", "subject=...", "--set", "Order ID=..."]
    assert "JSON object" in fix


def test_the_example_of_the_server_is_one_that_it_answers() -> None:
    content = json.loads(example_body(COLUMNS))["messages"][0]["content"]
    assert PROMPT.conversation([{"role": "user", "content": content}])
    assert json.loads(example_body(("text",)))["messages"][0]["content"] == "..."
