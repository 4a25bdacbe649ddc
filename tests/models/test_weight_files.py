"""Headers of weights against the lengths of their files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from phi3scaffold.models.weight_files import check_weights, read_header
from phi3scaffold.project.errors import ScaffoldError


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def test_whole_weights_pass(tiny_project: Path) -> None:
    for form in ("onnx", "merged", "adapter"):
        check_weights(tiny_project / "gen-model" / form)


@pytest.mark.parametrize("harm", [cut, zeroed, empty])
@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("onnx", "model.onnx"),
        ("onnx", "model.onnx.data"),
        ("merged", "model.safetensors"),
        ("adapter", "adapter_model.safetensors"),
    ],
)
def test_damage_is_told(harm, form: str, name: str, tiny_project: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_project / "gen-model" / form, tmp_path / form))
    harm(folder / name)
    if name == "model.onnx.data" and harm is zeroed:
        return check_weights(folder)  # of the right length: its hash tells, see test_damage
    with pytest.raises(ScaffoldError, match=r"cut short|damaged") as error:
        check_weights(folder, fix="make it again")
    assert error.value.fix == "make it again" and name in str(error.value.where)


def test_missing_data_is_told(tiny_project: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_project / "gen-model" / "onnx" / "model.onnx", tmp_path)
    with pytest.raises(ScaffoldError, match="are missing"):
        check_weights(tmp_path)


def test_data_elsewhere_is_refused(tiny_project: Path, tmp_path: Path) -> None:
    """The weights' file of a foreign model may be none of the user's own."""
    text = (tiny_project / "gen-model" / "onnx" / "model.onnx").read_bytes()
    name = b"model.onnx.data"
    (tmp_path / "model.onnx").write_bytes(text.replace(name, b"../".ljust(len(name), b"x")))
    with pytest.raises(ScaffoldError, match="damaged"):
        check_weights(tmp_path)


def test_a_deep_header_is_no_traceback(tmp_path: Path) -> None:
    header = b"[" * 200_000 + b"]" * 200_000
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ValueError):
        read_header(path)
    with pytest.raises(ScaffoldError, match="damaged"):
        check_weights(tmp_path)


@pytest.mark.parametrize("header", [{"a": None}, {"a": {}}, {"a": {"data_offsets": 1}}, {}])
def test_a_header_of_another_shape(header: dict, tmp_path: Path) -> None:
    text = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(ScaffoldError, match="damaged"):
        check_weights(tmp_path)
