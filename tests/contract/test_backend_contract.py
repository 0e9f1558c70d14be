"""What every backend of embedding and reranking keeps to: the fake, torch and OpenVINO."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from services.common.backend import ModelBackend
from services.common.errors import InvalidRequest, StartupError
from services.common.models import Tokens
from services.embedding.backends import loading as embedding
from services.embedding.backends.base import EmbeddingBackend, InputType
from services.embedding.settings import EmbeddingModelSettings, EmbeddingSettings
from services.reranking.backends import loading as reranking
from services.reranking.backends.base import RerankingBackend
from services.reranking.settings import RerankingModelSettings, RerankingSettings
from tests.contract import tiny_models

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]  # the first one imports torch and OpenVINO

BACKENDS = ["fake", "torch", "openvino"]
REAL = ["torch", "openvino"]
LIMIT = tiny_models.MAX_TOKENS
QUERY = "why are there seasons"
LONG = "the tilt of the axis changes how much light each half of the planet gets over a year " * 8
TEXTS = ["a", "the axis is tilted", "light " * 30, "one two three four five six seven", LONG, "cats sleep", LONG[:100]]


@pytest.fixture(scope="module", autouse=True)
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("models")
        patch.setenv("ISOLANE_MODELS_DIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def bi_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.make_bi_encoder(tmp_path_factory.mktemp("bi-encoder"))


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.make_cross_encoder(tmp_path_factory.mktemp("cross-encoder"))


def embedder(backend: str, folder: Path, **model: Any) -> EmbeddingBackend:
    settings = EmbeddingSettings(backend=backend, device="cpu", threads=2)  # type: ignore[arg-type]
    return embedding.load(
        settings, EmbeddingModelSettings(**{"id": "tiny", "source": f"path:{folder}", "max_tokens": LIMIT} | model)
    )


def reranker(backend: str, folder: Path, **model: Any) -> RerankingBackend:
    settings = RerankingSettings(backend=backend, device="cpu", threads=2)  # type: ignore[arg-type]
    return reranking.load(
        settings, RerankingModelSettings(**{"id": "tiny", "source": f"path:{folder}", "max_tokens": LIMIT} | model)
    )


@pytest.fixture(scope="module", params=BACKENDS)
def embeds(request: pytest.FixtureRequest, bi_encoder: Path) -> Iterator[EmbeddingBackend]:
    backend = embedder(request.param, bi_encoder)
    yield backend
    backend.close()


@pytest.fixture(scope="module", params=BACKENDS)
def reranks(request: pytest.FixtureRequest, cross_encoder: Path) -> Iterator[RerankingBackend]:
    backend = reranker(request.param, cross_encoder)
    yield backend
    backend.close()


def texts(backend: EmbeddingBackend, *inputs: str | Sequence[int], kind: InputType = InputType.PLAIN) -> list[Tokens]:
    items = backend.tokenize(inputs, kind)
    good = [item for item in items if isinstance(item, Tokens)]
    assert len(good) == len(items)
    return good


def pairs(backend: RerankingBackend, query: str, *documents: str, most: int = 1, longest: int = 0) -> list[list[Tokens]]:
    return backend.tokenize(query, documents, max_document_tokens=longest, max_passages=most)


def compute(backend: ModelBackend, batch: Sequence[Tokens], *, alone: bool = True) -> npt.NDArray[np.float32]:
    return backend.compute(backend.prepare(batch), alone=alone)


def embedding_batch(backend: EmbeddingBackend) -> list[Tokens]:
    return texts(backend, *TEXTS)


def reranking_batch(backend: RerankingBackend) -> list[Tokens]:
    return [pair for found in pairs(backend, QUERY, *TEXTS, most=3) for pair in found]


@pytest.fixture(params=["embedding", "reranking"])
def served(request: pytest.FixtureRequest) -> tuple[ModelBackend, list[Tokens], tuple[int, ...]]:
    """A backend of either service, a batch for it, and the shape of one result."""
    if request.param == "embedding":
        embeds: EmbeddingBackend = request.getfixturevalue("embeds")
        return embeds, embedding_batch(embeds), (embeds.model.dimensions,)
    reranks: RerankingBackend = request.getfixturevalue("reranks")
    return reranks, reranking_batch(reranks), ()


@pytest.fixture(params=BACKENDS)
def each_backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name
