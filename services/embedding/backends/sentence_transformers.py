"""Any sentence-transformers model: its own tokenizer, pooling and normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer

from services.common.devices.loading import loading
from services.common.devices.tokenizer import ModelTokenizer
from services.common.devices.torch_device import choose_device
from services.common.errors import InvalidRequest
from services.common.models import ModelInfo, Tokens, locate, revision
from services.embedding.backends.base import Text


class SentenceTransformersBackend:
    """A model loaded from local files, on one device, in float32.

    Args:
        model_id: name that requests use.
        source: see `services.common.models.locate`.
        device: see `choose_device`.
        require_gpu: refuse the CPU.
        threads: CPU threads; 0 takes one per core.

    Raises:
        StartupError: the model cannot be loaded, or the device is not there.
    """

    def __init__(self, *, model_id: str, source: str, device: str, require_gpu: bool, threads: int) -> None:
        target = choose_device(device, require_gpu=require_gpu)
        if threads:
            torch.set_num_threads(threads)
        folder = locate(source)
        with loading(model_id, source):
            loaded = SentenceTransformer(
                str(folder), device=str(target), local_files_only=True, model_kwargs={"dtype": torch.float32}
            )
        self._pipeline = loaded.eval()
        self._device = target
        max_tokens = int(loaded.max_seq_length or loaded.tokenizer.model_max_length)
        self._tokenizer = ModelTokenizer(loaded.tokenizer, max_tokens)
        self._model = ModelInfo(
            id=model_id,
            revision=revision(folder),
            max_tokens=max_tokens,
            dtype="float32",
            device=str(target),
            dimensions=int(loaded.get_embedding_dimension() or 0),
        )

    @property
    def model(self) -> ModelInfo:
        """What the model is."""
        return self._model

    def tokenize(self, inputs: Sequence[Text]) -> list[Tokens | InvalidRequest]:
        """Each input as the model computes it, cut at the model's own limit."""
        return self._tokenizer.texts(inputs)

    @torch.inference_mode()
    def embed(self, batch: Sequence[Tokens]) -> npt.NDArray[np.float32]:
        """Vectors as the model's own modules give them, shape (len(batch), dimensions)."""
        features = {
            name: cast(torch.Tensor, value).to(self._device) for name, value in self._tokenizer.pad(batch).items()
        }
        output: dict[str, Any] = self._pipeline(features)
        vectors: npt.NDArray[np.float32] = output["sentence_embedding"].float().cpu().numpy()
        return vectors
