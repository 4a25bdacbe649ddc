"""project.yaml's `optimize`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.search_goals import SearchSettings
from phi3scaffold.project.settings import Project, project_of

MODEL = {"model": {"id": "tiny"}}


def test_it_is_read_and_reaches_another_process(tmp_path: Path) -> None:
    project = project_of({**MODEL, "optimize": {"goal": "smallest"}}, tmp_path)
    assert project.optimize == SearchSettings("smallest", 20.0)
    assert Project.from_json(project.to_json()) == project
    assert project_of(MODEL, tmp_path).optimize is None


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ({"goal": "best"}, "optimize.goal"),
        ({"minutes": 0}, "optimize.minutes"),
        ({"minutes": True}, "optimize.minutes"),
        ({"points": 3}, "optimize.points"),
    ],
)
def test_a_wrong_value_names_its_key(value: dict[str, Any], key: str, tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError) as caught:
        project_of({**MODEL, "optimize": value}, tmp_path)
    assert str(caught.value.where).endswith(f": {key}")
