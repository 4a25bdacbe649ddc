"""What a run leaves outside its project: nothing that docs/concepts/privacy.md does not name."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "concepts" / "privacy.md"


@pytest.mark.skipif(sys.platform != "linux", reason="the page names the folders of Linux")
def test_a_home_folder_holds_only_what_the_docs_name(
    tiny_project: Path, tiny_qlora_project: Path
) -> None:
    named = re.findall(r"^\| `~/(.*?)/` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(named) == 3
    for project in (tiny_project, tiny_qlora_project):
        home = project.parent / "home"
        left = [path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()]
        assert not [name for name in left if not name.startswith(tuple(named))]
