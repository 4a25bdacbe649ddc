"""Schemas that cost little are taken; each kind that costs minutes is refused at once."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from phi3scaffold.inference.schema_budget import excess

DEEP: dict[str, Any] = {"type": "null"}
for _ in range(40):
    DEEP = {"type": "array", "items": DEEP}
CHEAP: dict[str, dict[str, Any]] = {
    "an address": {
        "type": "object",
        "properties": {name: {"type": "string", "pattern": "^[a-z]+$"} for name in "abcdefghijkl"},
        "required": list("abcdefghijkl"),
    },
    "many labels": {"enum": [f"label {number}" for number in range(3_000)]},
    "prices": {"type": "number", "multipleOf": 0.01},
    "hundreds": {"type": "integer", "multipleOf": 100},
    "some together": {"allOf": [{"pattern": "a"}, {"pattern": "b"}, {"maxLength": 9}]},
    "a list of itself": {"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}},
    "levels": DEEP,
}
CHAIN = {f"{i}": {"$ref": f"#/$defs/{i + 1}"} for i in range(2_000)}
TWICE = {f"{i}": {"allOf": [{"$ref": f"#/$defs/{i + 1}"}] * 2} for i in range(60)}
COSTLY: dict[str, tuple[dict[str, Any], str]] = {
    "patterns at once": ({"allOf": [{"pattern": f"x{i}"} for i in range(11)]}, "10 schemas"),
    "nested": ({"allOf": [{"allOf": [{"pattern": "x"}] * 4}] * 3}, "10 schemas"),
    "by references": ({"$ref": "#/$defs/0", "$defs": {**TWICE, "60": {}}}, "10 schemas"),
    "a long chain": ({"$defs": CHAIN}, "chain"),
    "names": ({"patternProperties": {f"{i}": {} for i in range(101)}}, "100 patterns"),
    "multiples": ({"multipleOf": 100_001}, "100,000"),
    "thousands of millions": ({"multipleOf": 1e9}, "100,000"),
    "fractions": ({"multipleOf": 1.000003}, "100,000"),
    "a long pattern": ({"pattern": "x" * 2_001}, "2,000 characters"),
    "many values": ({"required": ["x"] * 10_001}, "10,000 keys"),
}  # fmt: skip


@pytest.mark.parametrize("case", CHEAP)
def test_what_costs_little_is_taken(case: str) -> None:
    assert excess(CHEAP[case], len(json.dumps(CHEAP[case]))) is None


@pytest.mark.parametrize("case", COSTLY)
def test_what_costs_much_is_refused_at_once(case: str) -> None:
    schema, why = COSTLY[case]
    began = time.process_time()
    assert why in str(excess(schema, len(json.dumps(schema))))
    assert time.process_time() - began < 1


def test_size_and_depth_are_bounded() -> None:
    assert "200,000" in str(excess({}, 200_001))
    deep: dict[str, Any] = {}
    for _ in range(5_000):
        deep = {"items": deep}
    assert "60 levels" in str(excess(deep, 100))
