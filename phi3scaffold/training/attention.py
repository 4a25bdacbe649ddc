"""Attention over packed rows: no row attends to another, and all of a group to what they share.

On a CPU the rows of a group go through two products and a softmax together, padded to one length:
a call of SDPA for each row costs more in calls than in work, and its backward pass is several times
slower than these products. Long rows, whose padding and scores would weigh, have a call of SDPA
each. On a GPU one call with a mask costs least.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from phi3scaffold.training.packing import PackLayout, RowGroup
from phi3scaffold.training.row_attention import RowAttention, causal

ROWS, MASK = "phi3scaffold_rows", "phi3scaffold_mask"  # names of the two ways
LONG = 512  # tokens of its own, from which on a row is attended to alone
LEAST_FILLED = 0.6  # of the longest row of a padded call, which the others must have


def name_for(device: torch.device) -> str:
    """Return the attention implementation that costs least on a device."""
    return ROWS if device.type == "cpu" else MASK


def attend_by_groups(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    *,
    layout: PackLayout | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Attend causally inside each row; without a layout (while generating), as SDPA does.

    Args:
        query: [1, heads, T, head size]; `key` and `value` have [1, key heads, T, head size].
        attention_mask: none for packed rows.
        sliding_window: how many tokens back a token looks, or None.
        layout: where the rows lie.

    Returns:
        [1, T, heads, head size].
    """
    if layout is None or dropout:
        return attend_by_mask(
            module,
            query,
            key,
            value,
            attention_mask,
            dropout,
            scaling,
            sliding_window,
            layout=layout,
            **others,
        )
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    # squeezed, not indexed: the gradient of an index fills a tensor of its own
    q, k, v = (states.squeeze(0).transpose(0, 1) for states in (query, key, value))
    # the products' own type: autocast would convert back and forth
    with torch.autocast(query.device.type, enabled=False):
        found = _by_groups(q, k, v, layout, scale, sliding_window)
    return found[None], None


def attend_by_mask(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    *,
    layout: PackLayout | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Do what `attend_by_groups` does, by one call of SDPA with a mask of the layout."""
    if layout is not None:
        attention_mask = layout.mask(sliding_window, query.device)[None, None]
    settings = {"dropout": dropout, "scaling": scaling, "sliding_window": sliding_window}
    return sdpa_attention_forward(module, query, key, value, attention_mask, **settings, **others)


def _by_groups(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: PackLayout,
    scale: float,
    window: int | None,
) -> torch.Tensor:
    """Return the attention of query [T, heads, d] to key and value [T, key heads, d]."""
    calls = list(_calls(layout.groups[:-1] if layout.filler else layout.groups))
    sizes = [sum(lengths) for lengths, _ in calls]
    if layout.filler:  # nobody reads it
        sizes.append(layout.filler)
    found: list[torch.Tensor] = []
    first: tuple[torch.Tensor | None, torch.Tensor | None] = (None, None)
    for (lengths, has_first), q, k, v in zip(
        calls, query.split(sizes), key.split(sizes), value.split(sizes), strict=False
    ):
        before = first if has_first else (None, None)
        attend = _alone if lengths[0] > LONG else RowAttention.apply
        found.append(attend(q, k, v, *before, lengths, scale, window))
        if not has_first:
            first = (k, v)
    if layout.filler:
        found.append(query.new_zeros(layout.filler, *query.shape[1:]))
    return torch.cat(found)


def _calls(groups: Sequence[RowGroup]) -> Iterator[tuple[tuple[int, ...], bool]]:
    """Yield the rows that go through one call, by their lengths, and whether they share tokens.

    What a group shares is a call before those of its rows.
    """
    for group in groups:
        if group.shared:
            yield (group.shared,), False
        begin = 0
        for few in _alike(group.own):
            yield group.own[begin : begin + few], bool(group.shared)
            begin += few


def _alike(lengths: Sequence[int]) -> Iterator[int]:
    """Yield how many rows, longest first, go through one call: those of about one length."""
    begin = 0
    while begin < len(lengths):
        longest, end = lengths[begin], begin + 1
        if longest <= LONG:
            while end < len(lengths) and lengths[end] >= LEAST_FILLED * longest:
                end += 1
        yield end - begin
        begin = end


def _alone(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    first_key: torch.Tensor | None,
    first_value: torch.Tensor | None,
    lengths: tuple[int, ...],
    scale: float,
    window: int | None,
) -> torch.Tensor:
    """Do what `RowAttention` does for one long row, by SDPA.

    In float32, since its backward pass is three times faster so.
    """
    shared = 0
    if first_key is not None and first_value is not None:
        shared = len(first_key)
        key, value = torch.cat([first_key, key]), torch.cat([first_value, value])
    plain = not shared and (window is None or lengths[0] <= window)
    mask = None if plain else causal(shared, lengths[0], window)
    repeats = query.shape[1] // key.shape[1]
    q, k, v = (states.float().transpose(0, 1)[None] for states in (query, key, value))
    found = torch.nn.functional.scaled_dot_product_attention(
        q,
        repeat_kv(k, repeats),
        repeat_kv(v, repeats),
        attn_mask=mask,
        is_causal=mask is None,
        scale=scale,
    )
    return found[0].transpose(0, 1).to(query.dtype)


def _mask(
    *args: Any, attention_mask: torch.Tensor | None = None, **settings: Any
) -> torch.Tensor | None:
    """Return no mask where nothing is padded: packed rows need none."""
    if attention_mask is None:
        return None
    return sdpa_mask(*args, attention_mask=attention_mask, **settings)


for _name, _attend in ((ROWS, attend_by_groups), (MASK, attend_by_mask)):
    AttentionInterface.register(_name, _attend)
    AttentionMaskInterface.register(_name, _mask)
