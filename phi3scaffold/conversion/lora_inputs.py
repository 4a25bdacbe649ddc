"""Gives the projections of a ModelBuilder graph inputs for a LoRA adapter.

``y = MatMulNBits(x)`` becomes ``y = MatMulNBits(x) + (x A) B`` (Hu et al., arXiv:2106.09685), where
A and B are graph inputs of any rank. Each has a default of rank 0, so that without an adapter, or
with one that leaves this projection alone, the sum is exactly the base's output.

Olive's own way (ModelBuilder with the adapter, then ExtractAdapters) needs more than 24 GB at 3.8
billion parameters, and makes the graph of one adapter, with names that are not PEFT's.

Phi's fused layers have one pair of inputs each, as in PEFT. ModelBuilder always cuts gate_up_proj,
and qkv_proj for some models; then (x A) B is cut in the same way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi3scaffold.models.families.family import Family
from phi3scaffold.models.families.registry import DEFAULT
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError

NODE = re.compile(r"/model/layers\.(\d+)/(attn|mlp)/(\w+_proj)/MatMul\w*")
KINDS = ("MatMul", "MatMulNBits")
A, B = ".lora_A.weight", ".lora_B.weight"  # behind the module's name: PEFT's names, transposed


@dataclass(frozen=True)
class LoraSlot:
    """Where an adapter enters: A is [features_in, rank], B is [rank, features_out].

    Attributes:
        element: ONNX's number of the element type, that of the layer's activations.
    """

    features_in: int
    features_out: int
    element: int


def add_lora_inputs(path: Path, family: Family = DEFAULT) -> None:
    """Rewrite the graph at `path`, a model of `family`; leave its external data untouched.

    Raises:
        ScaffoldError: it has no projections as ModelBuilder makes and names them.
    """
    import onnx

    model = onnx.load(path, load_external_data=False)
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    modules = _projections(graph, path, family)
    module_of = {part.name: name for name, parts in modules.items() for part in parts}
    nodes: list[Any] = []
    begun = set()
    for node in graph.node:
        name = module_of.get(node.name)
        if name is None:
            nodes.append(node)
            continue
        if name not in begun:  # x is there where the first part is
            begun.add(name)
            sizes = [_sizes(part, weights, path) for part in modules[name]]
            nodes += _lora_nodes(graph, name, modules[name], sizes)
        output, plain = node.output[0], f"{node.name}/base"
        node.output[0] = plain
        adding = [plain, f"{node.name}/lora"]
        nodes += [node, onnx.helper.make_node("Add", adding, [output], name=f"{node.name}/Add")]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, path)


def lora_slots(path: Path) -> dict[str, LoraSlot]:
    """Return the modules, by their PEFT names, that the graph at `path` takes an adapter for."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    types = {value.name: value.type.tensor_type for value in graph.input}
    slots = {}
    for name, kind in types.items():
        if name.endswith(A):
            module = name.removesuffix(A)
            slots[module] = LoraSlot(
                features_in=kind.shape.dim[0].dim_value,
                features_out=types[module + B].shape.dim[1].dim_value,
                element=kind.elem_type,
            )
    return slots


def _projections(graph: Any, path: Path, family: Family) -> dict[str, list[Any]]:
    """Return PEFT's name of each module -> its node, or the parts of a fused one in order."""
    found: dict[str, dict[str, Any]] = {}
    whole_of = {part: whole for whole, parts in family.fused.items() for part in parts}
    for node in graph.node:
        place = NODE.fullmatch(node.name)
        if place and node.op_type in KINDS:
            layer, block, part = place.groups()
            module = f"{family.builder_blocks[block]}.{whole_of.get(part, part)}"
            found.setdefault(f"model.layers.{layer}.{module}", {})[part] = node
    modules = {}
    for name, parts in found.items():
        whole = name.rpartition(".")[2]
        order = (whole,) if whole in parts else family.fused[whole]
        if set(parts) != set(order) or len({node.input[0] for node in parts.values()}) > 1:
            raise _unknown(f"{name} has the parts {', '.join(parts)}", path)
        modules[name] = [parts[part] for part in order]
    if not modules:
        raise _unknown("it has no MatMul or MatMulNBits named /model/layers.0/attn/...", path)
    return modules


def _lora_nodes(
    graph: Any, name: str, parts: list[Any], sizes: list[tuple[int, int, int]]
) -> list[Any]:
    """Add the inputs of one module; return the nodes that compute PART/lora for each part."""
    from onnx import TensorProto, helper

    features_in, _, element = sizes[0]
    lengths = [length for _, length, _ in sizes]
    rank, features_out = f"{name}.rank", sum(lengths)
    for suffix, shape, default in (
        (A, [features_in, rank], [features_in, 0]),
        (B, [rank, features_out], [0, features_out]),
    ):
        graph.input.append(helper.make_tensor_value_info(name + suffix, element, shape))
        graph.initializer.append(helper.make_tensor(name + suffix, element, default, b"", raw=True))
    x, low = parts[0].input[0], f"{name}/lora_A"
    whole = f"{parts[0].name}/lora" if len(parts) == 1 else f"{name}/lora_B"
    nodes = [
        helper.make_node("MatMul", [x, name + A], [low], name=f"{name}/lora_A/MatMul"),
        helper.make_node("MatMul", [low, name + B], [whole], name=f"{name}/lora_B/MatMul"),
    ]
    if len(parts) > 1:
        cut = helper.make_tensor(f"{name}/parts", TensorProto.INT64, [len(parts)], lengths)
        graph.initializer.append(cut)
        outputs = [f"{part.name}/lora" for part in parts]
        split = f"{name}/Split"
        nodes.append(helper.make_node("Split", [whole, cut.name], outputs, name=split, axis=-1))
    return nodes


def _sizes(node: Any, weights: dict[str, Any], path: Path) -> tuple[int, int, int]:
    """Return (input features, output features, element type) of one projection."""
    if node.op_type == "MatMulNBits":
        attributes = {attribute.name: attribute.i for attribute in node.attribute}
        return attributes["K"], attributes["N"], weights[node.input[2]].data_type
    weight = weights.get(node.input[1])
    if weight is None:  # made by a DequantizeLinear
        raise _unknown(f"the weight of {node.name} is no initializer", path)
    features_in, features_out = weight.dims
    return features_in, features_out, weight.data_type


def _unknown(why: str, path: Path) -> ScaffoldError:
    return ScaffoldError(
        f"This graph cannot take adapters: {why}.",
        where=path,
        fix="a quantizer whose layers become MatMulNBits, such as Rtn, and no use_qdq",
        exit_code=FAILED_RUN,
    )
