"""Any sentence-transformers cross-encoder with one score per pair."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import CrossEncoder

from services.common.devices.loading import loading
from services.common.devices.tokenizer import ModelTokenizer
from services.common.devices.torch_device import choose_device
from services.common.errors import StartupError
from services.common.models import ModelInfo, Tokens, revision
from services.reranking.backends.development import model as development


class CrossEncoderBackend:
    """A model loaded from local files, on one device, in float32.

    Args:
        model_id: name that requests use.
        folder: the model's files.
        development_only: see `ModelInfo`.
        device: see `choose_device`.
        require_gpu: refuse the CPU.
        threads: CPU threads; 0 takes one per core.

    Raises:
        StartupError: the model cannot be loaded or gives no single score, or the device is not there.
    """

    def __init__(
        self, *, model_id: str, folder: Path, development_only: bool, device: str, require_gpu: bool, threads: int
    ) -> None:
        target = choose_device(device, require_gpu=require_gpu)
        if threads:
            torch.set_num_threads(threads)
        self._pipeline = _load(model_id, folder, target)
        self._device = target
        max_tokens = int(self._pipeline.max_seq_length or self._pipeline.tokenizer.model_max_length)
        self._tokenizer = ModelTokenizer(self._pipeline.tokenizer, max_tokens)
        self._model = ModelInfo(
            id=model_id,
            revision=revision(folder),
            max_tokens=max_tokens,
            dtype="float32",
            device=str(target),
            development_only=development_only,
        )

    @property
    def model(self) -> ModelInfo:
        """What the model is."""
        return self._model

    def tokenize(self, query: str, documents: Sequence[str]) -> list[Tokens]:
        """Pairs cut at the model's own limit, the longer text first."""
        return self._tokenizer.pairs(query, documents)

    @torch.inference_mode()
    def score(self, batch: Sequence[Tokens]) -> npt.NDArray[np.float32]:
        """Logits as the model's own modules give them, shape (len(batch),); its activation is left out."""
        features = {
            name: cast(torch.Tensor, value).to(self._device) for name, value in self._tokenizer.pad(batch).items()
        }
        output: dict[str, Any] = self._pipeline(features)
        scores: npt.NDArray[np.float32] = output["scores"].float().reshape(len(batch)).cpu().numpy()
        return scores


def _load(model_id: str, folder: Path, device: torch.device) -> CrossEncoder:
    with loading(model_id, folder):
        model = _open(folder, str(device))
    trained, loaded = getattr(model.config, "architectures", None), type(model.transformers_model).__name__
    if trained and loaded not in trained:
        # The library would fill in what is missing at random, and the scores would mean nothing.
        raise StartupError(
            f"model {model_id}: {folder} holds a {trained[0]}, which gives no scores: use a cross-encoder"
        )
    if model.num_labels != 1:
        raise StartupError(
            f"model {model_id}: {folder} gives {model.num_labels} scores per pair; a reranker gives one: use another"
        )
    model.eval()
    return model


def _open(folder: Path, device: str) -> CrossEncoder:
    if development.is_ours(folder):
        return development.load(folder, device=device)
    model: CrossEncoder = CrossEncoder(
        str(folder), device=device, local_files_only=True, model_kwargs={"dtype": torch.float32}
    )
    return model
