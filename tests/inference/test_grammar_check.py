"""A schema's grammar is tried over a graph without weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phi3scaffold.inference.forms.grammar_check import GRAPH, SIZE, GrammarCheck
from phi3scaffold.inference.json_schema import BadSchema
from phi3scaffold.inference.schema_budget import is_easy


def test_the_graph_is_what_onnx_writes() -> None:
    from onnx import TensorProto, helper

    steps = [
        helper.make_node("Shape", ["input_ids"], ["s"]),
        helper.make_node("Concat", ["s", "v"], ["t"], axis=0),
        helper.make_node("ConstantOfShape", ["t"], ["logits"]),
    ]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["b", "s"])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", "s", "v"])
    size = helper.make_tensor("v", TensorProto.INT64, [1], SIZE, raw=True)
    graph = helper.make_graph(steps, "g", [ids], [logits], initializer=[size])
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    assert model.SerializeToString() == GRAPH


def test_it_takes_and_refuses_as_the_engine_does(tiny_project: Path) -> None:
    check = GrammarCheck(tiny_project / "gen-model" / "onnx")
    check.check(json.dumps({"type": "object", "properties": {"a": {"pattern": "^x+$"}}}))
    with pytest.raises(BadSchema, match="nonsense"):
        check.check(json.dumps({"type": "nonsense"}))


@pytest.mark.parametrize(
    ("schema", "easy"),
    [
        ({"type": "object"}, True),
        ({"properties": {"pattern": {"type": "string"}}, "additionalProperties": False}, True),
        ({"properties": {"a": {"pattern": "x"}}}, False),
        ({"items": {"anyOf": [{}]}}, False),
        ({"enum": list(range(200))}, False),
        ({"properties": 7}, False),
        ({"items": 7}, False),
    ],
)
def test_what_needs_no_trial(schema: dict, easy: bool) -> None:
    assert is_easy(json.dumps(schema)) == easy
