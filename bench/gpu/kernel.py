"""Attention of items of many lengths, packed and padded, and item by item in float64 as the reference of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """Queries, keys and values of all items one after the other: (tokens, heads, width) each."""

    query: Tensor
    key: Tensor
    value: Tensor
    ends: Tensor
    """Where items end, from 0: int32 of (items + 1,)."""
    longest: int

    @classmethod
    def random(cls, lengths: Sequence[int], *, heads: int, width: int, device: str) -> States:
        """In float64, seed 0."""
        generator = torch.Generator(device).manual_seed(0)
        shape = sum(lengths), heads, width
        states = [torch.randn(shape, dtype=torch.float64, device=device, generator=generator) for _ in range(3)]
        ends = torch.tensor([0, *lengths]).cumsum(0).to(device, torch.int32)
        return cls(query=states[0], key=states[1], value=states[2], ends=ends, longest=max(lengths))

    def to(self, dtype: str) -> States:
        """Rounded to a number type."""
        parts = {name: getattr(self, name).to(getattr(torch, dtype)) for name in ("query", "key", "value")}
        return States(**parts, ends=self.ends, longest=self.longest)

    def item_by_item(self) -> Tensor:
        """Attention of each item alone: the reference."""
        parts = [
            _alone(*(each[start:end] for each in (self.query, self.key, self.value)))
            for start, end in pairwise(self.ends.tolist())
        ]
        return torch.cat(parts)

    def packed(self) -> Tensor:
        """Attention by torch's kernel for packed items, called as the service calls it.

        Raises:
            RuntimeError: the kernel takes no such device or number type.
        """
        mixed: Tensor = varlen_attn(  # type: ignore[assignment]  # a pair only where more is asked for
            self.query, self.key, self.value, self.ends, self.ends, self.longest, self.longest
        )
        return mixed

    def padded(self) -> tuple[Callable[[], Tensor], Tensor]:
        """Attention over rows filled up to the longest item, and which of their tokens are real."""
        lengths = self.ends.diff().tolist()
        places = torch.arange(self.longest, device=self.query.device)
        is_real = places[None] < torch.tensor(lengths, device=self.query.device)[:, None]
        query, key, value = (self._rows(each, is_real) for each in self._states)
        mask = is_real[:, None, None, :]
        return lambda: scaled_dot_product_attention(query, key, value, attn_mask=mask), is_real

    @property
    def _states(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.query, self.key, self.value

    def _rows(self, states: Tensor, is_real: Tensor) -> Tensor:
        """(tokens, heads, width) as (items, heads, longest, width)."""
        rows = states.new_zeros((*is_real.shape, *states.shape[1:]))
        rows[is_real] = states
        return rows.transpose(1, 2).contiguous()


def _alone(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention written out, of one item: (tokens, heads, width)."""
    heads_first = [each.transpose(0, 1) for each in (query, key, value)]
    weights = (heads_first[0] @ heads_first[1].transpose(-2, -1) / query.shape[-1] ** 0.5).softmax(-1)
    mixed: Tensor = weights @ heads_first[2]
    return mixed.transpose(0, 1)
