"""Whether an answer conforms to its schema is looked at for a while, and no longer."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from phi3scaffold.inference import json_schema
from phi3scaffold.inference.json_schema import find_violation


def doubled(depth: int, **more: Any) -> str:
    """A schema of a few kilobytes that a wrong answer is compared with 2 ** depth times."""
    parts: dict[str, Any] = {
        f"p{n}": {**more, "anyOf": [{"$ref": f"#/$defs/p{n + 1}"}] * 2} for n in range(depth)
    }
    return json.dumps({"$defs": {**parts, f"p{depth}": {"type": "string"}}, "$ref": "#/$defs/p0"})


@pytest.mark.parametrize(
    "more", [{}, {"$schema": "https://json-schema.org/draft/2020-12/schema"}], ids=["plain", "own"]
)
def test_a_check_that_would_take_hours_ends(
    more: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_schema, "CHECK_SECONDS", 0.2)
    begun = time.process_time()
    assert find_violation("1", doubled(40, **more)) is None
    assert time.process_time() - begun < 20


def test_a_violation_is_found_within_that_time() -> None:
    assert "is not valid under any of the given schemas" in str(find_violation("1", doubled(3)))
    assert find_violation('"a"', doubled(3)) is None
    assert find_violation('{"a": ', doubled(3)) == "no answer can conform to it"
    assert "should be non-empty" in str(find_violation("[]", '{"type": "array", "minItems": 1}'))


def test_a_pattern_is_left_to_the_grammar() -> None:
    assert find_violation('"b"', '{"type": "string", "pattern": "^a$"}') is None
