"""An ONNX base with swapped adapters says what PEFT says: logits, not only words."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from phi3scaffold.conversion.adapter_file import CONFIG, ONNX_ADAPTERS, WEIGHTS, read_lora
from phi3scaffold.conversion.adapter_file import ONNX_WEIGHTS as FILE
from phi3scaffold.conversion.builder_repairs import builder_for
from phi3scaffold.conversion.lora_inputs import A, B, add_lora_inputs, lora_slots
from phi3scaffold.inference.forms import open_form
from phi3scaffold.inference.forms.genai import GenaiForm
from phi3scaffold.inference.forms.genai_adapter import GenaiAdapterForm
from phi3scaffold.models.families.family import Family
from phi3scaffold.models.families.gemma3 import GEMMA3
from phi3scaffold.models.families.llama import LLAMA
from phi3scaffold.models.families.mistral import MISTRAL
from phi3scaffold.models.families.phi3 import PHI3
from phi3scaffold.models.families.qwen2 import QWEN2
from phi3scaffold.models.families.qwen3 import QWEN3
from phi3scaffold.models.families.smollm3 import SMOLLM3
from phi3scaffold.pipeline.environment import prepare
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from tests.inference.small_forms import make_adapter, make_base, make_onnx, make_swappable, prompt

IDS = np.random.default_rng(3).integers(10, 300, (3, 24)).tolist()
LIMIT = 1e-4  # of logits up to 13
# ModelBuilder takes a 16-bit layer with as many outputs as there are token ids for the lm_head, and
# 384, the ids these models have by default, is what their qkv_proj has.
PHI_3 = {"vocab_size": 400}
PHI_4_LIKE = {
    "vocab_size": 400,
    "hidden_size": 256,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "partial_rotary_factor": 0.75,
    "tie_word_embeddings": True,
}
GROUPED = {"vocab_size": 400, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64}
APART: dict[str, tuple[Family, dict]] = {
    "llama": (LLAMA, {}),
    "qwen2": (QWEN2, {"head_dim": 32}),  # the one with biases
    "qwen3": (QWEN3, {}),  # norms of queries and keys
    "mistral": (MISTRAL, {"sliding_window": 16}),
    "smollm3": (SMOLLM3, {"no_rope_layers": [1, 0], "layer_types": ["full_attention"] * 2}),
    # ModelBuilder rounds the root of the width, which scales the embeddings, to two places
    "gemma3": (
        GEMMA3,
        {
            "hidden_size": 256,
            "num_hidden_layers": 6,
            "layer_types": ["sliding_attention"] * 5 + ["full_attention"],
            "sliding_window": 16,
            "query_pre_attn_scalar": 64,
        },
    ),
}
KINDS: dict[str, dict] = {
    "all": {},
    "some": {
        "target_modules": ["o_proj", "down_proj"],
        "r": 8,
        "use_rslora": True,
        "rank_pattern": {"layers.1.mlp.down_proj": 2},
        "alpha_pattern": {"o_proj": 3},
    },
}


@dataclass
class Made:
    """One base, its ONNX model before and after it got inputs for adapters, two adapters."""

    base: Path
    plain: Path
    onnx: Path
    adapters: dict[str, Path]

    def peft(self, name: str, weights: dict | None = None) -> np.ndarray:
        """float32 logits [rows, length, vocabulary] of PEFT, over `weights` if they are given."""
        import torch
        from peft import PeftModel
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(self.base, dtype=torch.float32)
        if weights:
            model.lm_head = torch.nn.Linear(*model.lm_head.weight.shape[::-1], bias=False)  # untied
            model.load_state_dict(weights, strict=False)
        model = PeftModel.from_pretrained(model, self.adapters[name]).eval()
        with torch.inference_mode():
            return model(torch.tensor(IDS)).logits.numpy()


def make(folder: Path, shape: dict, precision: str, family: Family = PHI3, **build: object) -> Made:
    prepare()
    made = Made(
        folder / "base", folder / "plain", folder / "onnx", {name: folder / name for name in KINDS}
    )
    make_base(made.base, family, **shape)
    for name, settings in KINDS.items():
        make_adapter(made.base, made.adapters[name], family, **settings)
    with builder_for(family):
        make_onnx(made.base, made.plain, folder / "scratch", precision, **build)
    shutil.copytree(made.plain, made.onnx)
    make_swappable(made.onnx, family, **made.adapters)
    for place in (made.plain, *(made.onnx / ONNX_ADAPTERS / name for name in KINDS)):
        (place / "prompt.json").write_text(json.dumps(prompt([3])))
    return made


@pytest.fixture(scope="module", params=["packed", "cut", *APART])
def fp32(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Phi-3 with its qkv_proj in one piece; grouped-query attention with q, k and v apart.

    And families that have them apart, which ModelBuilder joins.
    """
    folder = tmp_path_factory.mktemp("fp32")
    if request.param == "packed":
        return make(folder, PHI_3, "fp32")
    if request.param in APART:
        family, shape = APART[request.param]
        return make(folder, {**GROUPED, **shape}, "fp32", family)
    apart = {"hf_remote": False, "disable_qkv_fusion": True}
    return make(folder, PHI_4_LIKE, "fp32", extra_options=apart)


@pytest.fixture(scope="module")
def int4(tmp_path_factory: pytest.TempPathFactory) -> Made:
    # accuracy level 1: what is multiplied stays float32
    return make(tmp_path_factory.mktemp("int4"), PHI_4_LIKE, "int4", int4_accuracy_level=1)


def logits(form: GenaiForm) -> np.ndarray:
    return np.array(form._generator(IDS, 1).get_output("logits"))


def swapping(made: Made) -> GenaiAdapterForm:
    form = open_form("onnx-adapter", made.onnx)
    assert isinstance(form, GenaiAdapterForm)
    return form


def test_logits_are_pefts(fp32: Made) -> None:
    """Of a batch of three rows, with each adapter, back and forth on one model."""
    with swapping(fp32) as form:
        for name in ("all", "some", "all"):
            form.use(name)
            np.testing.assert_allclose(logits(form), fp32.peft(name), atol=LIMIT, rtol=0)


def test_over_int4_logits_are_pefts_over_the_dequantized_base(int4: Made) -> None:
    base = dequantized(int4.onnx)
    with swapping(int4) as form:
        for name in KINDS:
            form.use(name)
            own = int4.peft(name, base)
            np.testing.assert_allclose(logits(form), own, atol=LIMIT, rtol=0)
            assert abs(own - int4.peft(name)).max() > 1000 * LIMIT  # it is not the float base


def test_the_adapters_of_a_half_precision_graph_are_halves_too(tmp_path: Path) -> None:
    made = make(tmp_path, PHI_3, "fp16")
    with swapping(made) as form:
        for name in KINDS:
            form.use(name)
            found = logits(form)
            assert found.dtype == np.float16
            np.testing.assert_allclose(found.astype(np.float32), made.peft(name), atol=0.1, rtol=0)


def test_without_an_adapter_the_graph_is_the_base(fp32: Made, int4: Made) -> None:
    for made in (fp32, int4):
        with open_form("onnx", made.plain) as before:
            expected = logits(before)
        with open_form("onnx", made.onnx, prompt=before.prompt) as after:
            np.testing.assert_array_equal(logits(after), expected)


def test_each_adapter_answers_with_its_own_words_and_prompt(int4: Made, tmp_path: Path) -> None:
    folder = tmp_path / "onnx"
    shutil.copytree(int4.onnx, folder)
    other = json.dumps({**prompt([3]), "user": "{phrase}?"})
    (folder / ONNX_ADAPTERS / "some" / "prompt.json").write_text(other)
    with open_form("onnx-adapter", folder) as form:
        assert form.adapter == "all"  # the first
        first = form.generate(IDS, 8)
    with open_form("onnx-adapter", folder, adapter="some") as form:
        assert form.adapter == "some" and form.prompt.user == "{phrase}?"
        assert form.generate(IDS, 8) != first
        assert isinstance(form, GenaiAdapterForm)
        form.use("all")
        assert form.prompt.user != "{phrase}?"
        assert form.generate(IDS, 8) == first


def test_an_unknown_adapter_is_refused_with_those_there_are(int4: Made) -> None:
    with pytest.raises(ScaffoldError, match=r"no adapter 'tone'; there are: all, some"):
        open_form("onnx-adapter", int4.onnx, adapter="tone")


def test_a_damaged_adapter_is_a_failed_run(int4: Made, tmp_path: Path) -> None:
    folder = tmp_path / "onnx"
    shutil.copytree(int4.onnx, folder)
    (folder / ONNX_ADAPTERS / "all" / FILE).write_bytes(b"damaged")
    with pytest.raises(ScaffoldError, match="cannot load the adapter") as error:
        open_form("onnx-adapter", folder)
    assert error.value.exit_code == FAILED_RUN
    shutil.rmtree(folder / ONNX_ADAPTERS)
    with pytest.raises(ScaffoldError, match="no adapter here"):
        open_form("onnx-adapter", folder)


def configured(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps({**config, **changes}))

    return change


def weighted(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file(tensors, folder / WEIGHTS)

    return apply


def narrower(tensors: dict) -> None:
    tensors.update({key: value[:, :-32].clone() for key, value in tensors.items() if A in key})


def renamed(tensors: dict) -> None:
    for key in [key for key in tensors if "layers.1" in key]:
        tensors[key.replace("layers.1", "layers.7")] = tensors.pop(key)


def with_a_head(tensors: dict) -> None:
    tensors["base_model.model.lm_head.lora_A.weight"] = next(iter(tensors.values())).clone()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (configured(use_dora=True), "with use_dora"),
        (configured(peft_type="LOHA"), "this one is LOHA"),
        (configured(modules_to_save=["lm_head"]), "with modules_to_save"),
        (configured(bias="lora_only"), "with bias"),
        (configured(init_lora_weights="pissa"), "with init_lora_weights"),
        (weighted(lambda found: found.pop(next(key for key in found if B in key))), "not fit"),
        (weighted(narrower), "not fit this base"),
        (weighted(renamed), "layers.7"),
        (weighted(with_a_head), "lm_head.lora_A.weight, which cannot be swapped"),
        (weighted(dict.clear), "no weights"),
        (lambda folder: (folder / WEIGHTS).unlink(), "nothing else is loaded"),
        (lambda folder: (folder / WEIGHTS).write_bytes(b"no tensors"), "cannot be read"),
    ],
)
def test_what_cannot_be_swapped_is_refused(
    change: Callable[[Path], None], message: str, int4: Made, tmp_path: Path
) -> None:
    folder = tmp_path / "adapter"
    shutil.copytree(int4.adapters["all"], folder)
    slots = lora_slots(int4.onnx / "model.onnx")
    ranks = {tensor.shape[1] for name, tensor in read_lora(folder, slots).items() if A in name}
    assert ranks == {4}
    change(folder)
    with pytest.raises(ScaffoldError, match=message) as error:
        read_lora(folder, slots)
    assert error.value.exit_code == 2 and str(folder) in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [("MatMul", "no MatMul or"), ("/model/layers.0/attn/o_proj/MatMul", "no initializer")],
)
def test_a_graph_of_another_kind_is_refused(name: str, message: str, tmp_path: Path) -> None:
    import onnx
    from onnx import helper

    node = helper.make_node("MatMul", ["x", "dequantized"], ["y"], name=name)
    graph = helper.make_graph([node], "one", [], [])
    onnx.save(helper.make_model(graph), tmp_path / "model.onnx")
    with pytest.raises(ScaffoldError, match=message) as error:
        add_lora_inputs(tmp_path / "model.onnx")
    assert error.value.exit_code == FAILED_RUN


def dequantized(folder: Path) -> dict:
    """The weights behind every MatMulNBits, as the checkpoint names and fuses them.

    Each node is run alone on the identity, whatever its packing is.
    """
    import onnx
    import onnxruntime
    import torch
    from onnx import TensorProto, helper

    model = onnx.load(folder / "model.onnx")
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    found: dict[str, list] = {}
    for node in model.graph.node:
        if node.op_type != "MatMulNBits":
            continue
        size = next(attribute.i for attribute in node.attribute if attribute.name == "K")
        x, y = node.input[0], node.output[0]
        alone = helper.make_graph(
            [node],
            "alone",
            [helper.make_tensor_value_info(x, TensorProto.FLOAT, [size, size])],
            [helper.make_tensor_value_info(y, TensorProto.FLOAT, None)],
            [tensors[name] for name in node.input[1:] if name],
        )
        one = helper.make_model(alone, opset_imports=model.opset_import, ir_version=10)
        session = onnxruntime.InferenceSession(one.SerializeToString())
        weight = session.run(None, {x: np.eye(size, dtype=np.float32)})[0].T
        module = node.name.removesuffix("/MatMulNBits").strip("/").replace("/", ".")
        module = re.sub(r"(gate|up)_proj$", "gate_up_proj", module.replace(".attn.", ".self_attn."))
        found.setdefault(f"{module}.weight", []).append(torch.from_numpy(weight.copy()))
    return {name: torch.cat(parts) for name, parts in found.items()}
