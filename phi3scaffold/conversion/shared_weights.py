"""Stores each weight of an ONNX model once: tied embeddings are the output layer's weights.

ModelBuilder writes tied weights twice, for the embeddings and for the output layer. Quantized, both
are the same bytes in another shape: then the two initializers name the same place of the data file.
In float one is the other transposed: then a Transpose makes it, which ONNX Runtime carries out
once, when it loads the model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OF_SIZE = 2**16  # bytes; what is smaller is not worth a look
PIECE = 2**24  # bytes that are read at a time
EMBEDDINGS, OUTPUT_LAYER = "model.embed_tokens.", "lm_head."
# How the names of a part's initializers begin -> the part.
PARTS = {EMBEDDINGS: "embeddings", "model.layers.": "layers", OUTPUT_LAYER: "output_layer"}
OTHER = "other"


class StoredWeight:
    """An initializer whose numbers stand in the data file beside the model."""

    def __init__(self, tensor: Any, folder: Path) -> None:
        self.tensor = tensor
        entries = {entry.key: entry.value for entry in tensor.external_data}
        self.file = folder / entries["location"]
        self.offset = int(entries.get("offset", 0))
        self.length = int(entries["length"])

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes, some at a time."""
        with self.file.open("rb") as file:
            file.seek(self.offset)
            for begin in range(0, self.length, PIECE):
                yield file.read(min(PIECE, self.length - begin))

    def digest(self) -> str:
        """Return a hash of the bytes."""
        sha256 = hashlib.sha256()
        for piece in self.pieces():
            sha256.update(piece)
        return sha256.hexdigest()

    def array(self) -> Any:
        """Return the numbers as an array over the file."""
        import numpy as np
        from onnx.helper import tensor_dtype_to_np_dtype

        kind = tensor_dtype_to_np_dtype(self.tensor.data_type)
        return np.memmap(self.file, kind, "r", self.offset, tuple(self.tensor.dims))

    def move_to(self, offset: int) -> None:
        """Let the initializer name another place of the file."""
        self.offset = offset
        for entry in self.tensor.external_data:
            if entry.key == "offset":
                entry.value = str(offset)


def share_weights(path: Path) -> None:
    """Take second copies of weights out of the model at `path`."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    tied = _tie_float_weights(model.graph, path.parent)
    weights = _stored_weights(model.graph, path.parent)
    first: dict[tuple[int, str], StoredWeight] = {}
    copies: list[tuple[StoredWeight, StoredWeight]] = []
    originals: list[StoredWeight] = []
    for weight in weights:
        same = weight
        if weight.length >= OF_SIZE:
            same = first.setdefault((weight.length, weight.digest()), weight)
        if same is weight:
            originals.append(weight)
        else:
            copies.append((weight, same))
    if not (tied or copies):
        return
    (data,) = {weight.file for weight in weights}
    shorter, position = data.with_name(f"{data.name}.shorter"), 0
    with shorter.open("wb") as file:
        for weight in originals:
            file.writelines(weight.pieces())
            weight.move_to(position)
            position += weight.length
    for weight, original in copies:
        weight.move_to(original.offset)
    onnx.save(model, path)
    shorter.replace(data)


def weight_sizes(path: Path) -> dict[str, int]:
    """Return the bytes of each part of the model at `path`; shared ones are the embeddings'."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    sizes = dict.fromkeys((*PARTS.values(), OTHER), 0)
    counted = set()
    for weight in _stored_weights(graph, path.parent):
        begins = next((each for each in PARTS if weight.tensor.name.startswith(each)), "")
        if weight.offset not in counted:
            counted.add(weight.offset)
            sizes[PARTS.get(begins, OTHER)] += weight.length
    return sizes


def _stored_weights(graph: Any, folder: Path) -> list[StoredWeight]:
    from onnx import TensorProto

    external = (one for one in graph.initializer if one.data_location == TensorProto.EXTERNAL)
    weights = [StoredWeight(tensor, folder) for tensor in external]
    return [weight for weight in weights if weight.length]


def _tie_float_weights(graph: Any, folder: Path) -> bool:
    """Make the output layer's weights of the embeddings where both are equal; tell whether so."""
    from onnx import helper

    stored = {weight.tensor.name: weight for weight in _stored_weights(graph, folder)}
    embeddings = stored.get(f"{EMBEDDINGS}weight")
    output_layer = stored.get(f"{OUTPUT_LAYER}MatMul.weight")
    if not embeddings or not output_layer or embeddings.length != output_layer.length:
        return False
    if not (output_layer.array() == embeddings.array().T).all():
        return False
    graph.initializer.remove(output_layer.tensor)
    names = [embeddings.tensor.name], [output_layer.tensor.name]
    name = "/lm_head/Transpose"
    graph.node.insert(0, helper.make_node("Transpose", *names, name=name, perm=[1, 0]))
    return True
