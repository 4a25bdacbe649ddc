"""Prompts that a torch form has read together: their keys and values are used again and again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from phi3scaffold.inference.forms.reading import Continuation, PromptReading

if TYPE_CHECKING:
    import numpy as np

LOGITS_BYTES = 256 * 2**20  # in memory at a time: a vocabulary may have 200,000 entries


class TorchReading(PromptReading):
    """A batch, padded on the left, behind the keys and values of what its prompts begin with.

    Args:
        model: a transformers model in evaluation mode.
        prompts: the ids of each of `rows`.
        prefix: the cache of the tokens that all begin with; None for none.
        stop: the ids that end an answer.
        pad: the id that fills up.
        tokens: how many may be in memory at a time.
        generate: continues a prompt as transformers does, where that is not to go on behind its
            keys and values: longrope takes other positions for all of a text that becomes long.
    """

    def __init__(
        self,
        model: Any,
        rows: Sequence[int],
        prompts: Sequence[Sequence[int]],
        *,
        prefix: Any,
        stop: frozenset[int],
        pad: int,
        tokens: int,
        generate: Callable[[list[list[int]], int], list[list[int]]] | None = None,
    ) -> None:
        super().__init__(rows)
        self._model, self._stop, self._pad, self._tokens = model, stop, pad, tokens
        self._prompts, self._generate = prompts, generate
        self._place = {row: place for place, row in enumerate(rows)}
        shared, cache = 0, None
        if prefix is not None:
            shared = prefix.get_seq_length()
            cache = _copied(prefix)
            cache.batch_repeat_interleave(len(prompts))
        ids, own = self._padded([prompt[shared:] for prompt in prompts], left=True)
        self._mask = own.new_ones((len(prompts), shared))
        self._first, self._cache = self._forward(ids, own, self._mask, cache, last=True)
        self._mask = _joined(self._mask, own)

    def score(self, continuations: Sequence[Continuation]) -> Iterator[np.ndarray]:
        longest = max((len(text) for _, text in continuations), default=1)
        most = min(
            self._tokens // (self._mask.shape[1] + longest),
            LOGITS_BYTES // (longest * self._first.shape[-1] * self._first.element_size()),
        )
        for start in range(0, len(continuations), max(1, most)):
            yield from self._scored(continuations[start : start + max(1, most)])

    def _scored(self, chunk: Sequence[Continuation]) -> list[np.ndarray]:
        import torch

        texts = [list(text) for _, text in chunk]
        rows, mask = self._chosen(chunk)
        logits = [self._first[rows]]
        if max(map(len, texts)) > 1:
            ids, own = self._padded([text[:-1] for text in texts], left=False)
            logits.append(self._forward(ids, own, mask, self._cache_of(rows))[0])
        whole = torch.cat(logits, dim=1).cpu().numpy()
        return [its[: len(text)].copy() for its, text in zip(whole, texts, strict=True)]

    def answer(self, starts: Sequence[Continuation], room: int) -> list[list[int]]:
        import torch

        if self._generate is not None:
            return [self._answer_anew(row, start, room) for row, start in starts]
        answers = [list(start) for _, start in starts]
        rows, mask = self._chosen(starts)
        logits, cache = self._first[rows], self._cache_of(rows)
        if any(answers):
            ids, own = self._padded(answers, left=True)
            behind, cache = self._forward(ids, own, mask, cache, last=True)
            begun = own.any(1).view(-1, 1, 1)
            logits, mask = torch.where(begun, behind, logits), _joined(mask, own)
        going = list(range(len(answers)))  # the answers that the batch consists of
        while going:
            tokens = logits[:, -1].argmax(-1).tolist()
            left = []
            for place, (number, token) in enumerate(zip(going, tokens, strict=True)):
                if token not in self._stop:
                    answers[number].append(token)
                    if len(answers[number]) < room:
                        left.append(place)
            if len(left) < len(going):
                going = [going[place] for place in left]
                kept = torch.tensor(left, dtype=torch.long, device=mask.device)
                mask = mask[kept]
                cache.batch_select_indices(kept)
            if going:
                ids = torch.tensor([[answers[number][-1]] for number in going], device=mask.device)
                own = torch.ones_like(ids)
                logits, cache = self._forward(ids, own, mask, cache, last=True)
                mask = _joined(mask, own)
        return answers

    def _answer_anew(self, row: int, start: Sequence[int], room: int) -> list[int]:
        assert self._generate is not None
        prompt = [*self._prompts[self._place[row]], *start]
        (new,) = self._generate([prompt], room - len(start))
        end = next((place for place, token in enumerate(new) if token in self._stop), len(new))
        return [*start, *new[:end]]

    def _forward(
        self, ids: Any, own: Any, before: Any, cache: Any, last: bool = False
    ) -> tuple[Any, Any]:
        """Read tokens behind a cache, which grows; return float32 logits, all or the last.

        Args:
            ids: [rows, tokens].
            own: which of them are there.
            before: which of the cache's are.
        """
        import torch

        mask = _joined(before, own)
        with torch.inference_mode():
            out = self._model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=(mask.cumsum(1) - 1).clamp(min=0)[:, before.shape[1] :],
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1 if last else 0,
            )
            return out.logits.float(), out.past_key_values

    def _chosen(self, continuations: Sequence[Continuation]) -> tuple[Any, Any]:
        """Return the rows of continuations as a tensor, and their mask."""
        import torch

        places = [self._place[row] for row, _ in continuations]
        rows = torch.tensor(places, dtype=torch.long, device=self._mask.device)
        return rows, self._mask[rows]

    def _cache_of(self, rows: Any) -> Any:
        """Return keys and values of some rows; what is added to them leaves the others alone."""
        cache = _copied(self._cache)
        cache.batch_select_indices(rows)
        return cache

    def _padded(self, batch: Sequence[Sequence[int]], left: bool) -> tuple[Any, Any]:
        """Return ids and attention mask, both [rows, longest]."""
        return padded(batch, self._pad, left, self._model.device)


def padded(batch: Sequence[Sequence[int]], pad: int, left: bool, device: Any) -> tuple[Any, Any]:
    """Return ids and attention mask of prompts, both [rows, longest]."""
    import torch

    width = max(map(len, batch))
    ids, mask = [], []
    for row in batch:
        fill, none = [pad] * (width - len(row)), [0] * (width - len(row))
        ids.append(fill + list(row) if left else list(row) + fill)
        mask.append(none + [1] * len(row) if left else [1] * len(row) + none)
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def _joined(before: Any, own: Any) -> Any:
    import torch

    return torch.cat([before, own], dim=1)


def _copied(cache: Any) -> Any:
    """Return a cache of the same tensors: adding to it makes new ones."""
    own = copy.copy(cache)
    own.layers = [copy.copy(layer) for layer in cache.layers]
    return own
