"""Files of weights: whether they are as long as their headers say, without reading the weights.

A truncated copy, a git-lfs pointer and zeros over a header are found in milliseconds. Both headers
are read here rather than by their libraries, which take seconds to import or map whole files.
"""

from __future__ import annotations

import json
import mmap
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from phi3scaffold.models.model_config import CONFIG, refuse_pointer
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError

MOST_HEADER = 100_000_000  # bytes: the limit of safetensors itself
LAYER = re.compile(r"model\.layers\.(\d{1,9})\.")
COPY_AGAIN = "copy or download the file again"
# Numbers of fields in onnx.proto.
GRAPH, INITIALIZER, EXTERNAL_DATA, KEY, VALUE = 7, 5, 13, 1, 2


def check_weights(folder: Path, *, fix: str = COPY_AGAIN, exit_code: int = FAILED_RUN) -> None:
    """Compare every file of weights in `folder` with its header.

    Raises:
        ScaffoldError: one is cut short or damaged.
    """
    for path in sorted(folder.glob("*.safetensors")):
        check_safetensors(path, fix=fix, exit_code=exit_code)
    for path in sorted(folder.glob("*.onnx")):
        _check_onnx(path, fix, exit_code)


def check_safetensors(path: Path, *, fix: str = COPY_AGAIN, exit_code: int = 2) -> None:
    """Compare a safetensors file's length with its header. Raises ScaffoldError."""
    size = path.stat().st_size
    refuse_pointer(path)
    try:
        length, tensors = read_header(path)
        whole = size == 8 + length + max(entry["data_offsets"][1] for entry in tensors.values())
    except (ValueError, KeyError, TypeError, IndexError):
        whole = False
    if not whole:
        raise ScaffoldError(
            "The weights are not a whole safetensors file: cut short, or damaged.",
            where=path,
            fix=fix,
            exit_code=exit_code,
        )


def read_header(path: Path) -> tuple[int, dict[str, Any]]:
    """Read the header of a safetensors file: its length in bytes, and what it says of each tensor.

    Raises:
        ValueError: it is none.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        try:
            header = json.loads(stream.read(length if length < min(size, MOST_HEADER) else 0))
        except RecursionError:
            raise ValueError("the header is nested too deeply") from None
    if not isinstance(header, dict):
        raise ValueError("the header is not a JSON object")
    header.pop("__metadata__", None)
    return length, header


def check_sizes(folder: Path, config: Mapping[str, Any]) -> None:
    """Compare the sizes in config.json with the tensors, before anything is allocated for them.

    Raises:
        ScaffoldError: one is no whole number, or another than the weights have.
    """
    shapes: dict[str, list[int]] = {}
    for path in folder.glob("*.safetensors"):
        _, tensors = read_header(path)
        for name, entry in tensors.items():
            shape = entry.get("shape")
            shapes[name] = shape if isinstance(shape, list) else []
    layers = {int(match[1]) for name in shapes if (match := LAYER.match(name))}
    embeddings = shapes.get("model.embed_tokens.weight", [])
    inner = shapes.get("model.layers.0.mlp.down_proj.weight", [])
    found = {
        "num_hidden_layers": max(layers) + 1 if layers else None,
        "vocab_size": embeddings[0] if len(embeddings) == 2 else None,
        "hidden_size": embeddings[1] if len(embeddings) == 2 else None,
        "intermediate_size": inner[1] if len(inner) == 2 else None,
    }
    for key, size in found.items():
        said = config.get(key)
        if said is None or size is None or (type(said) is int and said == size):
            continue
        shown = f"{said:,}" if type(said) is int else f"{said!r:.40}"
        raise ScaffoldError(
            f"config.json says {key} {shown}; the weights have {size:,}.",
            where=f"{folder / CONFIG}: {key}",
            fix="copy config.json and the weights of the same model again",
        )


def _check_onnx(path: Path, fix: str, exit_code: int) -> None:
    """Compare the files beside an ONNX model with what it says of their lengths."""
    try:
        needed = _lengths(path)
    except (ValueError, OSError):  # OSError, too, of an empty file, which cannot be mapped
        raise ScaffoldError(
            "This is not a whole ONNX model: cut short, or damaged.",
            where=path,
            fix=fix,
            exit_code=exit_code,
        ) from None
    for name, length in needed.items():
        data = path.parent / name
        if not data.is_file() or data.stat().st_size < length:
            what = "are cut short" if data.is_file() else "are missing"
            raise ScaffoldError(
                f"The weights of {path.name} {what}.", where=data, fix=fix, exit_code=exit_code
            )


def _lengths(path: Path) -> dict[str, int]:
    """Return the files beside an ONNX model, each with the bytes that it must have.

    Raises:
        ValueError: it is no ONNX model, or names a file elsewhere.
    """
    needed: dict[str, int] = {}
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        graphs = [span for number, *span in _fields(data, 0, len(data)) if number == GRAPH]
        if not graphs:
            raise ValueError("it has no graph")
        for number, *span in _fields(data, *graphs[-1]):
            if number != INITIALIZER:
                continue
            places = [one for inner, *one in _fields(data, *span) if inner == EXTERNAL_DATA]
            entry = dict(_key_and_value(data, *place) for place in places)
            if entry:
                name = entry.get("location", "")
                pure = PurePosixPath(name)
                if not name or pure.is_absolute() or ".." in pure.parts or "\0" in name:
                    raise ValueError("it names a file elsewhere")
                end = int(entry.get("offset", 0)) + int(entry.get("length", 0))
                needed[name] = max(end, needed.get(name, 0))
    return needed


def _key_and_value(data: mmap.mmap, begin: int, end: int) -> tuple[str, str]:
    found = {number: data[a:b].decode() for number, a, b in _fields(data, begin, end)}
    return found.get(KEY, ""), found.get(VALUE, "")


def _fields(data: mmap.mmap, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the fields of a protobuf message that hold bytes: number, begin and end.

    Raises:
        ValueError: it is none.
    """
    while begin < end:
        key, begin = _varint(data, begin, end)
        kind, number = key & 7, key >> 3
        if kind == 0:
            _, begin = _varint(data, begin, end)
        elif kind in (1, 5):
            begin += 8 if kind == 1 else 4
        elif kind == 2:
            length, begin = _varint(data, begin, end)
            begin += length
        if kind not in (0, 1, 2, 5) or number == 0 or begin > end:
            raise ValueError("not a protobuf message")
        if kind == 2:
            yield number, begin - length, begin


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte, at = data[at], at + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("not a protobuf message")
