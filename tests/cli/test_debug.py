"""`--debug`: the traceback as well as the message, and the same exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main


@pytest.mark.parametrize("words", [["lint"], ["new", "taken"]])
def test_a_users_mistake(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("taken").mkdir()
    Path("taken/file").touch()
    assert main(VERBS, words) == 2
    plain = capsys.readouterr().err
    assert main(VERBS, [*words, "--debug"]) == 2
    whole = capsys.readouterr().err
    assert "Traceback" not in plain
    assert whole.startswith("Traceback")
    assert whole.endswith(plain) and plain.startswith("error: ")
