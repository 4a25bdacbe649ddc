"""Gives the projections of a ModelBuilder graph inputs for a LoRA adapter.

``y = MatMulNBits(x)`` becomes ``y = MatMulNBits(x) + (x A) B`` (Hu et al., arXiv:2106.09685), where
A and B are graph inputs of any rank. Each has a default of rank 0, so that without an adapter, or
with one that leaves this projection alone, the sum is exactly the base's output.

Olive's own way (ModelBuilder with the adapter, then ExtractAdapters) needs more than 24 GB at 3.8
billion parameters, and makes the graph of one adapter, with names that are not PEFT's.

Each layer that PEFT adapts has one pair of inputs. ModelBuilder always cuts Phi's gate_up_proj, and
its qkv_proj for some models; then (x A) B is cut in the same way. It puts the q, k and v of other
families into one node; then their three (x A) B are put one beside the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from phi3scaffold.models.families.family import Family
from phi3scaffold.models.families.registry import DEFAULT
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError

NODE = re.compile(r"/model/layers\.(\d+)/(attn|mlp)/(\w+_proj)/MatMul\w*")
KEYS = re.compile(r"past_key_values\.\d+\.key")
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


class Projection(NamedTuple):
    """One module of the checkpoint in one or more nodes, or several modules in one node.

    Attributes:
        modules: PEFT's names, in the order of the output features.
        nodes: of ModelBuilder, in that order too; all have the same input.
    """

    modules: tuple[str, ...]
    nodes: tuple[Any, ...]


def add_lora_inputs(path: Path, family: Family = DEFAULT) -> None:
    """Rewrite the graph at `path`, a model of `family`; leave its external data untouched.

    Raises:
        ScaffoldError: it has no projections as ModelBuilder makes and names them.
    """
    import onnx

    model = onnx.load(path, load_external_data=False)
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    projections = _projections(graph, path, family)
    projection_of = {node.name: one for one in projections for node in one.nodes}
    nodes: list[Any] = []
    begun: set[tuple[str, ...]] = set()
    for node in graph.node:
        projection = projection_of.get(node.name)
        if projection is None:
            nodes.append(node)
            continue
        if projection.modules not in begun:  # x is there where the first part is
            begun.add(projection.modules)
            sizes = [_sizes(part, weights, path) for part in projection.nodes]
            nodes += _lora_nodes(graph, projection, sizes, path)
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


def _projections(graph: Any, path: Path, family: Family) -> list[Projection]:
    """Return the layers that an adapter may change."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for node in graph.node:
        place = NODE.fullmatch(node.name)
        if place and node.op_type in KINDS:
            layer, block, part = place.groups()
            above = f"model.layers.{layer}.{family.builder_blocks[block]}"
            modules = tuple(f"{above}.{own}" for own in family.own_modules(part))
            found.setdefault(modules, {})[part] = node
    projections = []
    for modules, parts in found.items():
        whole = modules[0].rpartition(".")[2]
        order = tuple(parts) if len(parts) == 1 else family.fused.get(whole, ())
        halved = len(parts) == 1 and order[0] in family.fused.get(whole, ())
        if halved or set(parts) != set(order) or len({n.input[0] for n in parts.values()}) > 1:
            raise _unknown(f"{modules[0]} has the parts {', '.join(parts)}", path)
        projections.append(Projection(modules, tuple(parts[part] for part in order)))
    if not projections:
        raise _unknown("it has no MatMul or MatMulNBits named /model/layers.0/attn/...", path)
    return projections


def _lora_nodes(
    graph: Any, projection: Projection, sizes: list[tuple[int, int, int]], path: Path
) -> list[Any]:
    """Add the inputs of a projection's modules; return the nodes that compute NODE/lora."""
    from onnx import TensorProto, helper

    modules, parts = projection
    features_in, _, element = sizes[0]
    lengths = [length for _, length, _ in sizes]
    widths = [sum(lengths)] if len(modules) == 1 else _widths(graph, modules, sum(lengths), path)
    x, nodes, products = parts[0].input[0], [], []
    for name, features_out in zip(modules, widths, strict=True):
        rank = f"{name}.rank"
        for suffix, shape, default in (
            (A, [features_in, rank], [features_in, 0]),
            (B, [rank, features_out], [0, features_out]),
        ):
            graph.input.append(helper.make_tensor_value_info(name + suffix, element, shape))
            empty = helper.make_tensor(name + suffix, element, default, b"", raw=True)
            graph.initializer.append(empty)
        low, product = f"{name}/lora_A", f"{name}/lora_B"
        if len(modules) == len(parts):
            product = f"{parts[0].name}/lora"
        products.append(product)
        nodes += [
            helper.make_node("MatMul", [x, name + A], [low], name=f"{name}/lora_A/MatMul"),
            helper.make_node("MatMul", [low, name + B], [product], name=f"{name}/lora_B/MatMul"),
        ]
    outputs, name = [f"{part.name}/lora" for part in parts], modules[0]
    if len(parts) > 1:
        cut = helper.make_tensor(f"{name}/parts", TensorProto.INT64, [len(parts)], lengths)
        graph.initializer.append(cut)
        split = f"{name}/Split"
        nodes.append(
            helper.make_node("Split", [products[0], cut.name], outputs, name=split, axis=-1)
        )
    elif len(modules) > 1:
        beside = f"{parts[0].name}/lora/Concat"
        nodes.append(helper.make_node("Concat", products, outputs, name=beside, axis=-1))
    return nodes


def _widths(graph: Any, modules: tuple[str, ...], whole: int, path: Path) -> list[int]:
    """Return the output features of q, k and v, which one node computes together."""
    cache = next((one for one in graph.input if KEYS.fullmatch(one.name)), None)
    if cache is None or len(modules) != 3:
        raise _unknown(f"how wide {', '.join(modules)} are is not said", path)
    _, heads, _, size = (dimension.dim_value for dimension in cache.type.tensor_type.shape.dim)
    return [whole - 2 * heads * size, heads * size, heads * size]


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
