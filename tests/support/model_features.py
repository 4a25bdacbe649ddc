"""What differs between the models of the catalogue: the features of two-layer random models.

Of Phi each entry; of every other family one model, with a chat template of its traits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from phi3scaffold.models.families.family import Family
from phi3scaffold.models.families.gemma3 import GEMMA3
from phi3scaffold.models.families.llama import LLAMA
from phi3scaffold.models.families.mistral import MISTRAL
from phi3scaffold.models.families.phi3 import PHI3
from phi3scaffold.models.families.qwen2 import QWEN2
from phi3scaffold.models.families.qwen3 import QWEN3
from phi3scaffold.models.families.smollm3 import SMOLLM3
from tests.support import family_templates as templates
from tests.support import tokenizer_kinds as kinds
from tests.support.tokenizer_kinds import ByteLevelKind, SentencePieceLike


@dataclass(frozen=True)
class Features:
    """What differs between the entries.

    Attributes:
        heads, kv_heads, head_dim: of the small model; the ratio of the first two is the real one.
        hidden: its width; None: that of all heads.
        layers: two, or as many as show all kinds of layers.
        context: max_position_embeddings. A Phi has longrope above `original_context`.
        short, long: the range of the longrope factors.
        stop_ids: eos_token_id of generation_config.json.
        system_turn: whether the chat template keeps a system text, once the answer stands there.
        sharpness: of attention; without, weights attend to everything alike, and no mistake in
            the positions would show; with much of it, the layers of a deeper model are chaos.
        only_last: whether it writes an earlier answer otherwise than the last one.
        config: what else its config.json says.
    """

    heads: int
    kv_heads: int
    head_dim: int
    context: int
    sliding_window: int | None
    template: str
    stop_ids: tuple[int, ...] = (32000, 32001, 32007)
    vocab: int = 32064
    eos_id: int = 32000
    bos_id: int = 1
    pad_id: int | None = 32000
    partial_rotary: float = 1.0
    tied: bool = False
    tokenizer: ByteLevelKind | SentencePieceLike = kinds.PHI_3
    short: tuple[float, float] = (1.0, 2.8)
    long: tuple[float, float] = (1.05, 65.0)
    family: Family = PHI3
    hidden: int | None = None
    layers: int = 2
    theta: float = 10000.0
    system_turn: bool = True
    only_last: bool = False
    original_context: int = 4096
    sharpness: float = 60.0
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def width(self) -> int:
        return self.hidden or self.heads * self.head_dim

    @property
    def longrope(self) -> bool:
        return self.family is PHI3 and self.context > self.original_context


_MINI = (
    "{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + "
    "message['content'] + '<|end|>\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\n' + "
    "message['content'] + '<|end|>\n'}}{% elif message['role'] == 'assistant' %}"
    "{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
_MINI_35 = _MINI.replace(
    "message['role'] == 'system' %}", "message['role'] == 'system' and message['content'] %}"
)
# No system turn, and the generation prompt comes whether it was asked for or not.
_MEDIUM = (
    "{% for message in messages %}{% if (message['role'] == 'user') %}{{'<|user|>' + '\n' + "
    "message['content'] + '<|end|>' + '\n' + '<|assistant|>' + '\n'}}{% elif (message['role'] == "
    "'assistant') %}{{message['content'] + '<|end|>' + '\n'}}{% endif %}{% endfor %}"
)
_PHI4_MINI = (
    "{% for message in messages %}{% if message['role'] == 'system' and 'tools' in message and "
    "message['tools'] is not none %}{{ '<|' + message['role'] + '|>' + message['content'] + "
    "'<|tool|>' + message['tools'] + '<|/tool|>' + '<|end|>' }}{% else %}{{ '<|' + message['role'] "
    "+ '|>' + message['content'] + '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"
)

FEATURES: dict[str, Features] = {
    "phi-3-mini-4k": Features(4, 4, 96, 4096, 2047, _MINI),
    "phi-3-mini-128k": Features(4, 4, 96, 131072, 262144, _MINI),
    "phi-3.5-mini": Features(4, 4, 96, 131072, 262144, _MINI_35),
    "phi-4-mini": Features(
        heads=3,
        kv_heads=1,
        head_dim=128,
        context=131072,
        sliding_window=262144,
        template=_PHI4_MINI,
        stop_ids=(200020, 199999),
        vocab=200064,
        eos_id=199999,
        bos_id=199999,
        pad_id=199999,
        partial_rotary=0.75,
        tied=True,
        tokenizer=kinds.PHI_4,
        short=(1.0, 1.0),
        long=(1.0, 48.0),
    ),
    "phi-3-medium-4k": Features(8, 2, 64, 4096, 2047, _MEDIUM, system_turn=False),
    "phi-3-medium-128k": Features(
        4, 1, 128, 131072, 131072, _MEDIUM, pad_id=None, short=(1.0, 17.0), system_turn=False
    ),
    "phi-4": Features(
        heads=8,
        kv_heads=2,
        head_dim=64,
        context=16384,
        original_context=16384,
        sliding_window=None,
        template=templates.PHI_4,
        stop_ids=(100257, 100265),
        vocab=100352,
        eos_id=100265,
        bos_id=100257,
        pad_id=100257,
        tokenizer=kinds.PHI_4_LARGE,
        theta=250000.0,
    ),
    "smollm2-135m": Features(
        heads=6,
        kv_heads=2,
        head_dim=64,
        context=8192,
        sliding_window=None,
        template=templates.chatml("You are a helpful AI assistant named SmolLM."),
        stop_ids=(2,),
        vocab=49152,
        eos_id=2,
        pad_id=2,
        tied=True,
        tokenizer=kinds.SMOLLM2,
        family=LLAMA,
        theta=100000.0,
        config={"mlp_bias": False, "is_llama_config": True, "rope_interleaved": False},
    ),
    "smollm2-1.7b": Features(
        heads=4,
        kv_heads=4,
        head_dim=64,
        context=8192,
        sliding_window=None,
        template=templates.chatml("You are a helpful AI assistant named SmolLM."),
        stop_ids=(2,),
        vocab=49152,
        eos_id=2,
        pad_id=2,
        tied=True,
        tokenizer=kinds.SMOLLM2,
        family=LLAMA,
        theta=130000.0,
    ),
    "llama-3.2-1b": Features(
        heads=8,
        kv_heads=2,
        head_dim=64,
        context=131072,
        sliding_window=None,
        template=templates.LLAMA_3,
        stop_ids=(128001, 128008, 128009),
        vocab=128256,
        eos_id=128009,
        bos_id=128000,
        pad_id=None,
        tied=True,
        tokenizer=kinds.LLAMA_3,
        family=LLAMA,
        hidden=256,
        theta=500000.0,
        config={
            "head_dim": 64,
            "mlp_bias": False,
            "rope_scaling": {
                "factor": 32.0,
                "high_freq_factor": 4.0,
                "low_freq_factor": 1.0,
                "original_max_position_embeddings": 8192,
                "rope_type": "llama3",
            },
        },
    ),
    "qwen2.5-0.5b": Features(
        heads=7,
        kv_heads=1,
        head_dim=64,
        context=32768,
        sliding_window=32768,  # written, and not used
        template=templates.chatml("You are Qwen, a helpful assistant."),
        stop_ids=(151645, 151643),
        vocab=151936,
        eos_id=151645,
        bos_id=151643,
        pad_id=None,
        tied=True,
        tokenizer=kinds.QWEN2,
        family=QWEN2,
        theta=1000000.0,
        config={"use_sliding_window": False, "max_window_layers": 2},
    ),
    "qwen3-0.6b": Features(
        heads=4,
        kv_heads=2,
        head_dim=128,
        context=40960,
        sliding_window=None,
        template=templates.QWEN3,
        stop_ids=(151645, 151643),
        vocab=151936,
        eos_id=151645,
        bos_id=151643,
        pad_id=None,
        tied=True,
        tokenizer=kinds.QWEN3,
        family=QWEN3,
        hidden=256,
        theta=1000000.0,
        only_last=True,
        config={"head_dim": 128, "use_sliding_window": False, "max_window_layers": 2},
    ),
    "smollm3-3b": Features(
        heads=4,
        kv_heads=1,
        head_dim=128,
        context=65536,
        sliding_window=None,
        template=templates.SMOLLM3,
        stop_ids=(128012,),
        vocab=128256,
        eos_id=128012,
        bos_id=128000,
        pad_id=128004,
        tied=True,
        tokenizer=kinds.SMOLLM3,
        family=SMOLLM3,
        hidden=256,
        layers=4,
        theta=5000000.0,
        config={
            "layer_types": ["full_attention"] * 4,
            "max_window_layers": 28,
            "mlp_bias": False,
            "no_rope_layer_interval": 4,
            "no_rope_layers": [1, 1, 1, 0],
            "use_sliding_window": False,
        },
    ),
    "gemma-3-270m": Features(
        heads=4,
        kv_heads=1,
        head_dim=256,
        context=32768,
        sliding_window=512,
        template=templates.GEMMA,
        stop_ids=(1, 106),
        vocab=262144,
        eos_id=1,
        bos_id=2,
        pad_id=0,
        tied=True,
        tokenizer=kinds.GEMMA,
        family=GEMMA3,
        hidden=256,
        layers=6,
        sharpness=10.0,
        theta=1000000.0,
        config={
            "_sliding_window_pattern": 6,
            "attn_logit_softcapping": None,
            "final_logit_softcapping": None,
            "head_dim": 256,
            "hidden_activation": "gelu_pytorch_tanh",
            "layer_types": ["sliding_attention"] * 5 + ["full_attention"],
            "query_pre_attn_scalar": 256,
            "rope_local_base_freq": 10000.0,
            "rms_norm_eps": 1e-06,
        },
    ),
    "mistral-7b": Features(
        heads=4,
        kv_heads=1,
        head_dim=128,
        context=32768,
        sliding_window=None,
        template=templates.MISTRAL,
        stop_ids=(2,),
        vocab=32768,
        eos_id=2,
        pad_id=None,
        tokenizer=kinds.MISTRAL,
        family=MISTRAL,
        theta=1000000.0,
        system_turn=False,
    ),
    # as Mistral's first version has it, of 4,096 tokens
    "mistral-window": Features(
        heads=4,
        kv_heads=1,
        head_dim=128,
        context=32768,
        sliding_window=64,
        template=templates.MISTRAL,
        stop_ids=(2,),
        vocab=32768,
        eos_id=2,
        pad_id=None,
        tokenizer=kinds.MISTRAL,
        family=MISTRAL,
        system_turn=False,
    ),
}
