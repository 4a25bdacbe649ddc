"""The rows of the catalogue, each family's from small to large.

Where the numbers come from: each model's own config.json, read in public copies of it; parameter
counts are computed from those shapes, and a test compares them with the published ones. No commit
is recorded here: `phi3scaffold model` resolves one and writes it to model.lock.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from phi3scaffold.models.catalogue_entry import CatalogueEntry, tiny
from phi3scaffold.models.families.family import Family
from phi3scaffold.models.families.gemma3 import GEMMA3
from phi3scaffold.models.families.llama import LLAMA
from phi3scaffold.models.families.mistral import MISTRAL
from phi3scaffold.models.families.phi3 import PHI3
from phi3scaffold.models.families.qwen2 import QWEN2
from phi3scaffold.models.families.qwen3 import QWEN3
from phi3scaffold.models.families.smollm3 import SMOLLM3
from phi3scaffold.models.licences import APACHE, GEMMA, LLAMA_32, MIT
from phi3scaffold.models.shape import Shape

LONG = 131072  # positions


def _row(name: str, hub_id: str, family: Family, shape: Shape, **traits: Any) -> CatalogueEntry:
    return CatalogueEntry(name, hub_id, shape, family=family, **traits)


# ------------------------------------------------------------------ Phi

PHI: dict[str, Any] = {
    "licence": MIT,
    "stop_ids": (32000, 32001, 32007),
    "mechanics_run": True,
}
MINI = Shape(
    vocab=32064,
    hidden=3072,
    intermediate=8192,
    layers=32,
    heads=32,
    kv_heads=32,
    context=4096,
    original_context=4096,
)
MEDIUM = replace(MINI, hidden=5120, intermediate=17920, layers=40, heads=40, kv_heads=10)
PHI4_MINI = replace(
    MINI, vocab=200064, heads=24, kv_heads=8, context=LONG, partial_rotary=0.75, tied=True
)
PHI4 = replace(MEDIUM, vocab=100352, context=16384, original_context=16384)
PHIS = (
    _row("phi-3-mini-4k", "microsoft/Phi-3-mini-4k-instruct", PHI3, MINI, **PHI),
    _row(
        "phi-3-mini-128k",
        "microsoft/Phi-3-mini-128k-instruct",
        PHI3,
        replace(MINI, context=LONG),
        **PHI,
    ),
    _row(
        "phi-3.5-mini", "microsoft/Phi-3.5-mini-instruct", PHI3, replace(MINI, context=LONG), **PHI
    ),
    _row(
        "phi-4-mini",
        "microsoft/Phi-4-mini-instruct",
        PHI3,
        PHI4_MINI,
        **{**PHI, "stop_ids": (200020, 199999)},
    ),
    _row(
        "phi-3-medium-4k",
        "microsoft/Phi-3-medium-4k-instruct",
        PHI3,
        MEDIUM,
        system_turn=False,
        **PHI,
    ),
    _row(
        "phi-3-medium-128k",
        "microsoft/Phi-3-medium-128k-instruct",
        PHI3,
        replace(MEDIUM, context=LONG),
        system_turn=False,
        **PHI,
    ),
    _row("phi-4", "microsoft/phi-4", PHI3, PHI4, **{**PHI, "stop_ids": (100257, 100265)}),
)

# ------------------------------------------------------------------ SmolLM

SMOL: dict[str, Any] = {"licence": APACHE, "stop_ids": (2,)}
SMALLEST = Shape(
    vocab=49152,
    hidden=576,
    intermediate=1536,
    layers=30,
    heads=9,
    kv_heads=3,
    context=8192,
    original_context=8192,
    tied=True,
)
SMOLLM3_3B = Shape(
    vocab=128256,
    hidden=2048,
    intermediate=11008,
    layers=36,
    heads=16,
    kv_heads=4,
    context=65536,
    original_context=65536,
    tied=True,
)
SMOLLMS = (
    _row(
        "smollm2-135m",
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        LLAMA,
        SMALLEST,
        mechanics_run=True,
        note="its real weights run in the test suite as a Phi-3, with its projections fused; as a "
        "Llama they give the same answers and losses there",
        **SMOL,
    ),
    _row(
        "smollm2-360m",
        "HuggingFaceTB/SmolLM2-360M-Instruct",
        LLAMA,
        replace(SMALLEST, hidden=960, intermediate=2560, layers=32, heads=15, kv_heads=5),
        like="smollm2-135m",
        **SMOL,
    ),
    _row(
        "smollm2-1.7b",
        "HuggingFaceTB/SmolLM2-1.7B-Instruct",
        LLAMA,
        replace(SMALLEST, hidden=2048, intermediate=8192, layers=24, heads=32, kv_heads=32),
        mechanics_run=True,
        **SMOL,
    ),
    _row(
        "smollm3-3b",
        "HuggingFaceTB/SmolLM3-3B",
        SMOLLM3,
        SMOLLM3_3B,
        licence=APACHE,
        stop_ids=(128012,),
        mechanics_run=True,
    ),
)

# ------------------------------------------------------------------ Qwen

QWEN: dict[str, Any] = {"licence": APACHE, "stop_ids": (151645, 151643)}
QWEN25 = Shape(
    vocab=151936,
    hidden=896,
    intermediate=4864,
    layers=24,
    heads=14,
    kv_heads=2,
    context=32768,
    original_context=32768,
    tied=True,
    qkv_bias=True,
)
QWEN3_06B = Shape(
    vocab=151936,
    hidden=1024,
    intermediate=3072,
    layers=28,
    heads=16,
    kv_heads=8,
    head_size=128,
    context=40960,
    original_context=40960,
    tied=True,
    qk_norms=True,
)
QWENS = (
    _row("qwen2.5-0.5b", "Qwen/Qwen2.5-0.5B-Instruct", QWEN2, QWEN25, mechanics_run=True, **QWEN),
    _row(
        "qwen2.5-1.5b",
        "Qwen/Qwen2.5-1.5B-Instruct",
        QWEN2,
        replace(QWEN25, hidden=1536, intermediate=8960, layers=28, heads=12),
        like="qwen2.5-0.5b",
        **QWEN,
    ),
    _row("qwen3-0.6b", "Qwen/Qwen3-0.6B", QWEN3, QWEN3_06B, mechanics_run=True, **QWEN),
    _row(
        "qwen3-1.7b",
        "Qwen/Qwen3-1.7B",
        QWEN3,
        replace(QWEN3_06B, hidden=2048, intermediate=6144),
        like="qwen3-0.6b",
        **QWEN,
    ),
    _row(
        "qwen3-4b",
        "Qwen/Qwen3-4B",
        QWEN3,
        replace(QWEN3_06B, hidden=2560, intermediate=9728, layers=36, heads=32),
        like="qwen3-0.6b",
        **QWEN,
    ),
)

# ------------------------------------------------------------------ Llama, Gemma, Mistral

LLAMAS: dict[str, Any] = {
    "licence": LLAMA_32,
    "gated": True,
    "stop_ids": (128001, 128008, 128009),
}
LLAMA_1B = Shape(
    vocab=128256,
    hidden=2048,
    intermediate=8192,
    layers=16,
    heads=32,
    kv_heads=8,
    context=LONG,
    original_context=LONG,
    tied=True,
    rope="llama3",
)
GEMMAS: dict[str, Any] = {"licence": GEMMA, "gated": True, "stop_ids": (1, 106)}
GEMMA_270M = Shape(
    vocab=262144,
    hidden=640,
    intermediate=2048,
    layers=18,
    heads=4,
    kv_heads=1,
    head_size=256,
    context=32768,
    original_context=32768,
    tied=True,
    qk_norms=True,
    layer_norms=4,
    window=512,
)
MISTRAL_7B = Shape(
    vocab=32768,
    hidden=4096,
    intermediate=14336,
    layers=32,
    heads=32,
    kv_heads=8,
    context=32768,
    original_context=32768,
)
OTHERS = (
    _row(
        "llama-3.2-1b",
        "meta-llama/Llama-3.2-1B-Instruct",
        LLAMA,
        LLAMA_1B,
        mechanics_run=True,
        **LLAMAS,
    ),
    _row(
        "llama-3.2-3b",
        "meta-llama/Llama-3.2-3B-Instruct",
        LLAMA,
        replace(LLAMA_1B, hidden=3072, layers=28, heads=24),
        like="llama-3.2-1b",
        **LLAMAS,
    ),
    _row(
        "gemma-3-270m", "google/gemma-3-270m-it", GEMMA3, GEMMA_270M, mechanics_run=True, **GEMMAS
    ),
    _row(
        "gemma-3-1b",
        "google/gemma-3-1b-it",
        GEMMA3,
        replace(GEMMA_270M, hidden=1152, intermediate=6912, layers=26),
        like="gemma-3-270m",
        **GEMMAS,
    ),
    _row(
        "mistral-7b",
        "mistralai/Mistral-7B-Instruct-v0.3",
        MISTRAL,
        MISTRAL_7B,
        licence=APACHE,
        stop_ids=(2,),
        system_turn=False,
        mechanics_run=True,
    ),
)

ENTRIES: tuple[CatalogueEntry, ...] = (tiny(), *SMOLLMS, *QWENS, *OTHERS, *PHIS)
