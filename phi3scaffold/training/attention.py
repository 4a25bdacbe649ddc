"""Attention over packed rows: one call of SDPA a row, so that no row attends to another.

With a mask, as in transformers, most products of a pack's tokens would be thrown away. On a CPU
SDPA's backward is three times faster in float32 than in bfloat16, so attention alone is computed in
that. On a GPU many small calls cost more than they save, and the mask stays.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "phi3scaffold_rows"


def attend_row_by_row(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    *,
    cu_seq_lens_q: torch.Tensor | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Attend causally inside each row; without row bounds (while generating), as SDPA does.

    Args:
        query: [1, heads, T, head size]; `key` and `value` have [1, key heads, T, head size].
        attention_mask: none for packed rows.
        sliding_window: how many tokens back a token looks, or None.
        cu_seq_lens_q: where the rows begin, and T: [rows + 1].

    Returns:
        [1, T, heads, head size].
    """
    if cu_seq_lens_q is None:
        settings = {"dropout": dropout, "scaling": scaling, "sliding_window": sliding_window}
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, **settings, **others
        )
    shared = query.shape[1] // key.shape[1]
    lengths = cu_seq_lens_q.diff().tolist()
    each = (states.float().split(lengths, dim=2) for states in (query, key, value))
    with torch.autocast(query.device.type, enabled=False):
        rows = [
            _attend(q, k, v, shared, dropout, scaling, sliding_window)
            for q, k, v in zip(*each, strict=True)
        ]
    return torch.cat(rows, dim=2).to(query.dtype).transpose(1, 2).contiguous(), None


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    shared: int,
    dropout: float,
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    mask = _window(query.shape[2], window, query.device)
    return torch.nn.functional.scaled_dot_product_attention(
        query,
        repeat_kv(key, shared),
        repeat_kv(value, shared),
        attn_mask=mask,
        dropout_p=dropout,
        is_causal=mask is None,
        scale=scaling,
    )


def _window(length: int, window: int | None, device: torch.device) -> torch.Tensor | None:
    """Return what a row longer than the window may attend to; None for a shorter row."""
    if window is None or length <= window:
        return None
    back = torch.arange(length, device=device)[:, None] - torch.arange(length, device=device)
    return (back >= 0) & (back < window)


def _mask(
    *args: Any, attention_mask: torch.Tensor | None = None, **settings: Any
) -> torch.Tensor | None:
    """Return no mask where nothing is padded: packed rows need none."""
    if attention_mask is None:
        return None
    return sdpa_mask(*args, attention_mask=attention_mask, **settings)


AttentionInterface.register(NAME, attend_row_by_row)
AttentionMaskInterface.register(NAME, _mask)
