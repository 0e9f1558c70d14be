"""Batches without padding on a GPU: all items one after the other, and attention that keeps them apart.

Not yet run on a GPU; `tests/integration/models/test_cuda.py` would. On the CPU, with plain attention in the kernel's
place, the vectors are those of padded batches; and a model is served this way only after it has given the same for an
example at load.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import cosine_similarity
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, flash_attention_mask

from services.common.telemetry.logs import get_logger
from services.models.backends.network import ModelFacts, Pipeline
from services.models.backends.padding import padded
from services.models.models import Tokens

log = get_logger()

_NAME = "isolane_varlen"
_PADDED = "sdpa"
_LEAST_COSINE = 0.99
"""In half precision two ways to the same vector differ a little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """How a model takes items one after the other."""

    has_types: bool
    first_position: int
    """Position of an item's first token; RoBERTa and its kin do not count from 0."""

    def pack(self, batch: Sequence[Tokens]) -> dict[str, Any]:
        """Features as the library's own flattening writes them, which its pooling takes."""
        lengths = [len(tokens.ids) for tokens in batch]
        positions = np.concatenate([np.arange(length) for length in lengths]) + self.first_position
        ends = torch.tensor([0, *np.cumsum(lengths)], dtype=torch.int32)
        features: dict[str, Any] = {
            "input_ids": torch.tensor([[token for tokens in batch for token in tokens.ids]]),
            "position_ids": torch.from_numpy(positions)[None],
            "seq_idx": torch.from_numpy(np.repeat(np.arange(len(batch), dtype=np.int32), lengths))[None],
            "cu_seq_lens_q": ends,
            "cu_seq_lens_k": ends,
            "max_length_q": max(lengths),
            "max_length_k": max(lengths),
        }
        if self.has_types:
            types = [kind for tokens in batch for kind in tokens.type_ids or (0,) * len(tokens.ids)]
            features["token_type_ids"] = torch.tensor([types])
        return features


def pad(batch: Sequence[Tokens], facts: ModelFacts) -> dict[str, Tensor]:
    """Features of a padded batch."""
    arrays = padded(batch, pad_id=facts.pad_id, has_types=facts.has_types)
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def moved(features: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """Features with their tensors on a device."""
    return {
        name: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
        for name, value in features.items()
    }


def try_packing(pipeline: Pipeline, *, output: str, device: torch.device) -> Packing | None:
    """Switch a model to batches without padding, unless an example comes out differently.

    Args:
        pipeline: in half precision on `device`: the kernel takes no other.
        output: the feature that is the result.
        device: where the pipeline is.
    """
    model = pipeline.module.transformers_model
    first = _first_position(model) + 1  # behind the padding token, which RoBERTa gives no position
    packing = Packing(has_types=pipeline.facts.has_types, first_position=first - 1)
    example = [Tokens(ids=tuple(range(first, first + length))) for length in (8, 3, 16)]
    expected = _run(pipeline.module, moved(pad(example, pipeline.facts), device), output)
    AttentionInterface.register(_NAME, _attention)
    AttentionMaskInterface.register(_NAME, flash_attention_mask)
    try:
        model.set_attn_implementation(_NAME)
        found = _run(pipeline.module, moved(packing.pack(example), device), output)
        cosine = float(cosine_similarity(found, expected).min()) if found.shape == expected.shape else 0.0
        reason = f"cosine {cosine:.5f} with padding"
    except (LookupError, RuntimeError, TypeError, ValueError) as exc:
        cosine, reason = 0.0, str(exc).partition("\n")[0]  # torch adds pages
    if cosine >= _LEAST_COSINE:
        return packing
    model.set_attn_implementation(_PADDED)
    log.info("batches_are_padded", model=type(model).__name__, reason=reason)
    return None


@torch.inference_mode()
def _run(module: Any, features: dict[str, Any], output: str) -> Tensor:
    result: Tensor = module(features)[output].float()
    return result


def _first_position(model: Any) -> int:
    """As sentence-transformers infers it: learned positions of a module that knows a padding token begin behind it."""
    for part in model.modules():
        padding = getattr(part, "padding_idx", None)
        if isinstance(padding, int) and isinstance(getattr(part, "position_embeddings", None), torch.nn.Embedding):
            return padding + 1
    return 0


def _attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: Tensor | None,
    *,
    scaling: float | None = None,
    cu_seq_lens_q: Tensor | None = None,
    max_length_q: int = 0,
    sliding_window: int | None = None,
    **_more: Any,
) -> tuple[Tensor, None]:
    """Attention of transformers' interface: (1, heads, tokens, width) in, (1, tokens, heads, width) out."""
    if cu_seq_lens_q is None or sliding_window is not None:
        raise ValueError("the model does not say where items end, or looks at a window only")
    window = (-1, 0) if getattr(module, "is_causal", False) else (-1, -1)
    mixed: Tensor = varlen_attn(  # type: ignore[assignment]  # a pair only where more is asked for
        _flat(query),
        _flat(_spread(key, query)),
        _flat(_spread(value, query)),
        cu_seq_lens_q,
        cu_seq_lens_q,
        max_length_q,
        max_length_q,
        scale=scaling,
        window_size=window,
    )
    return mixed[None], None


def _spread(states: Tensor, query: Tensor) -> Tensor:
    """Keys or values for every head of the queries: torch 2.11's kernel shares none."""
    times = query.shape[1] // states.shape[1]
    return states if times == 1 else states.repeat_interleave(times, dim=1)


def _flat(states: Tensor) -> Tensor:
    """(1, heads, tokens, width) as (tokens, heads, width)."""
    return states[0].transpose(0, 1).contiguous()
