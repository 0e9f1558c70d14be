"""A deterministic embedding backend without weights: the same text always gives the same unit vector."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from services.common.errors import InvalidRequest
from services.embedding.backends.base import InputType, Text
from services.embedding.settings import EmbeddingModelSettings, EmbeddingSettings
from services.models.backends.fake.cost import FREE, FakeCost, cost_of
from services.models.backends.fake.model import FakeModel
from services.models.models import ModelInfo, Tokens

_MAX_TOKENS = 256
_VOCABULARY = 30_000
_NO_PROMPTS: Mapping[InputType, str] = MappingProxyType({})


class FakeEmbeddingBackend(FakeModel):
    """Hashes words to token ids and token ids to vectors.

    Args:
        model_id: name that requests use.
        dimensions: length of a vector.
        matryoshka_dimensions: shorter lengths that it declares.
        max_tokens: longest input.
        prompts: text before each input, by what the input is for.
        cost: time that a batch takes.
        replicas: batches at once.
    """

    def __init__(
        self,
        *,
        model_id: str,
        dimensions: int = 384,
        matryoshka_dimensions: tuple[int, ...] = (),
        max_tokens: int = _MAX_TOKENS,
        prompts: Mapping[InputType, str] = _NO_PROMPTS,
        cost: FakeCost = FREE,
        replicas: int = 1,
    ) -> None:
        model = ModelInfo(
            id=model_id,
            revision="fake",
            max_tokens=max_tokens,
            dtype="float32",
            device="cpu",
            dimensions=dimensions,
            matryoshka_dimensions=matryoshka_dimensions,
            fake=True,
        )
        super().__init__(model, cost=cost, replicas=replicas)
        self._prompts = prompts

    def tokenize(self, inputs: Sequence[Text], input_type: InputType) -> list[Tokens | InvalidRequest]:
        """One id per word; ids outside the vocabulary are refused."""
        prompt = self._prompts.get(input_type, "")
        return [self._tokens(prompt + text if isinstance(text, str) else text) for text in inputs]

    def _tokens(self, text: Text) -> Tokens | InvalidRequest:
        ids = [_word_id(word) for word in text.split()] if isinstance(text, str) else list(text)
        if any(not 0 <= token < _VOCABULARY for token in ids):
            return InvalidRequest(f"a token id is outside the vocabulary; ids go from 0 to {_VOCABULARY - 1}")
        kept = ids[: self._model.max_tokens]
        return Tokens(ids=tuple(kept), dropped=len(ids) - len(kept))

    def _result(self, tokens: Tokens) -> npt.NDArray[np.float32]:
        """A unit vector, shape (dimensions,)."""
        seed = int.from_bytes(hashlib.sha256(repr(tokens.ids).encode()).digest()[:8], "little")
        vector = np.random.default_rng(seed).standard_normal(self._model.dimensions, dtype=np.float32)
        unit: npt.NDArray[np.float32] = vector / np.linalg.norm(vector)
        return unit


def fake_of(settings: EmbeddingSettings, model: EmbeddingModelSettings) -> FakeEmbeddingBackend:
    """The fake in place of a model that the settings name."""
    return FakeEmbeddingBackend(
        model_id=model.id,
        matryoshka_dimensions=tuple(sorted(model.matryoshka_dimensions)),
        max_tokens=model.max_tokens or _MAX_TOKENS,
        prompts={InputType.QUERY: model.query_prompt or "", InputType.DOCUMENT: model.document_prompt or ""},
        cost=cost_of(settings),
        replicas=settings.replicas or 1,
    )


def _word_id(word: str) -> int:
    return int.from_bytes(hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()[:4], "little") % _VOCABULARY
