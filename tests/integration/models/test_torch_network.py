"""The torch backend's parts that are for GPUs, without one: packed batches, and what becomes of CUDA's errors."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from bench.gpu.architectures import E5_BASE, shrunk
from bench.gpu.weights import make
from services.common.errors import DeviceLost, DeviceMemoryFull, StartupError
from services.embedding.backends import pipeline as bi_encoder
from services.embedding.backends.bi_encoder import KIND
from services.embedding.settings import EmbeddingSettings
from services.models.backends.choice import Choice
from services.models.backends.loading import load_parts
from services.models.backends.network import ModelFacts, Pipeline
from services.models.backends.torch import loading as torch_loading
from services.models.backends.torch import network as torch_network
from services.models.backends.torch import packing as torch_packing
from services.models.backends.torch.network import TorchNetwork
from services.models.backends.torch.pipeline import open_pipeline
from services.models.models import Tokens
from services.models.settings import ModelSettings
from services.reranking.backends import pipeline as cross_encoder
from tests.contract import tiny_models

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]  # the first one imports torch

BATCH = [Tokens(ids=ids) for ids in [(101, 7, 102), (101, *range(1000, 1030), 102), (101, 9, 8, 102), (101, 102)]]


def plain_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    ends: Tensor,
    _ends: Tensor,
    _longest: int,
    _longest_key: int,
    *,
    scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1),
) -> Tensor:
    """What torch's kernel does, item by item, with the parameters that it has in torch 2.11 and no others."""
    assert window_size == (-1, -1)
    parts = []
    for item in (slice(*bounds) for bounds in pairwise(ends.tolist())):
        queries, keys, values = (_heads_first(states[item]) for states in (query, key, value))
        parts.append(_heads_first(scaled_dot_product_attention(queries, keys, values, scale=scale)))
    return torch.cat(parts)


def _heads_first(states: Tensor) -> Tensor:
    return states.transpose(0, 1)


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return open_pipeline(KIND.pipeline, "tiny", tiny_models.make_bi_encoder(tmp_path), device="cpu", dtype="float32")


def test_packed_batches_give_the_vectors_of_padded_ones(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    network = TorchNetwork(pipeline, output="sentence_embedding", device="cpu")
    expected = network.compute(network.prepare(BATCH), alone=True)
    monkeypatch.setattr(torch_packing, "varlen_attn", plain_attention)

    packing = torch_packing.try_packing(pipeline, output="sentence_embedding", device=torch.device("cpu"))
    assert packing is not None
    network._packing = packing
    prepared = network.prepare(BATCH)
    found = network.compute(prepared, alone=True)

    assert prepared["input_ids"].shape == (1, sum(len(tokens.ids) for tokens in BATCH))
    assert np.abs(found - expected).max() < 1e-5


def test_a_roberta_whose_positions_begin_behind_its_padding_token_is_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(shrunk(E5_BASE), tmp_path, device="cpu")
    opened = open_pipeline(KIND.pipeline, "roberta", folder, device="cpu", dtype="float32")
    network = TorchNetwork(opened, output="sentence_embedding", device="cpu")
    expected = network.compute(network.prepare(BATCH), alone=True)
    monkeypatch.setattr(torch_packing, "varlen_attn", plain_attention)

    network._packing = torch_packing.try_packing(opened, output="sentence_embedding", device=torch.device("cpu"))

    assert network._packing is not None
    assert np.abs(network.compute(network.prepare(BATCH), alone=True) - expected).max() < 1e-5


def test_heads_that_share_keys_and_values_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel of torch 2.11 is given as many heads of keys as of queries."""
    monkeypatch.setattr(torch_packing, "varlen_attn", plain_attention)
    query, key, value = torch.randn(1, 6, 5, 8), torch.randn(1, 2, 5, 8), torch.randn(1, 2, 5, 8)
    ends = torch.tensor([0, 2, 5], dtype=torch.int32)

    found, _ = torch_packing._attention(
        torch.nn.Module(), query, key, value, None, cu_seq_lens_q=ends, max_length_q=3, scaling=0.5
    )

    for item in (slice(0, 2), slice(2, 5)):
        queries, keys, values = (states[:, :, item] for states in (query, key, value))
        expected = scaled_dot_product_attention(queries, keys, values, scale=0.5, enable_gqa=True)
        assert torch.allclose(found[0, item].transpose(0, 1), expected[0], atol=1e-6)


def mixing(query: Tensor, _key: Tensor, value: Tensor, *_arguments: Any, **_more: Any) -> Tensor:
    """A kernel that does not keep items apart."""
    return value.mean(0, keepdim=True).expand_as(query)


def failing(*_arguments: Any, **_more: Any) -> Tensor:
    raise RuntimeError("this GPU is too old for it")


@pytest.mark.parametrize("kernel", [mixing, failing])
def test_a_kernel_that_gives_something_else_is_not_used(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, kernel: Any
) -> None:
    network = TorchNetwork(pipeline, output="sentence_embedding", device="cpu")
    expected = network.compute(network.prepare(BATCH), alone=True)
    monkeypatch.setattr(torch_packing, "varlen_attn", kernel)

    packing = torch_packing.try_packing(pipeline, output="sentence_embedding", device=torch.device("cpu"))

    assert packing is None
    assert np.allclose(network.compute(network.prepare(BATCH), alone=True), expected)


def test_a_cross_encoder_stays_padded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its head reads the first token of each row, and packed there is one row."""
    opened = open_pipeline(
        cross_encoder.__name__, "tiny", tiny_models.make_cross_encoder(tmp_path), device="cpu", dtype="float32"
    )
    monkeypatch.setattr(torch_packing, "varlen_attn", plain_attention)

    assert torch_packing.try_packing(opened, output="scores", device=torch.device("cpu")) is None


class Raising:
    """A model that fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __call__(self, _features: object) -> dict[str, Tensor]:
        raise self._error


def network_that_raises(error: Exception) -> TorchNetwork:
    facts = ModelFacts(max_tokens=8, dimensions=4, vocabulary=10, pad_id=0, has_types=False, keeps_end=False)
    pipeline = Pipeline(module=Raising(error), tokenizer=None, facts=facts)  # type: ignore[arg-type]
    return TorchNetwork(pipeline, output="sentence_embedding", device="cpu")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), DeviceMemoryFull),
        (torch.AcceleratorError("CUDA error: out of memory"), DeviceMemoryFull),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), DeviceMemoryFull),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), DeviceMemoryFull),
        (torch.AcceleratorError("CUDA error: device-side assert triggered"), DeviceLost),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), DeviceLost),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"), DeviceLost),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), DeviceLost),
        (RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"), RuntimeError),
        (IndexError("index out of range in self"), IndexError),
    ],
)
def test_errors_of_the_device_are_told_from_those_of_the_batch(error: Exception, expected: type[Exception]) -> None:
    network = network_that_raises(error)

    with pytest.raises(expected) as raised:
        network.compute(network.prepare([Tokens(ids=(1, 2))]), alone=True)

    assert type(raised.value) is expected


def test_a_device_that_is_lost_before_the_next_batch_is_noticed_while_that_is_prepared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def pin_memory(_tensor: Tensor) -> Tensor:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    network = network_that_raises(ValueError("not reached"))
    network._device = torch.device("cuda")
    monkeypatch.setattr(Tensor, "pin_memory", pin_memory)

    with pytest.raises(DeviceLost):
        network.prepare(BATCH)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), DeviceMemoryFull),
        (torch.AcceleratorError("CUDA error: unknown error"), DeviceLost),
        (RuntimeError("size mismatch for embeddings.weight"), StartupError),
    ],
)
@pytest.mark.parametrize(
    ("pipeline", "library"), [(bi_encoder, "SentenceTransformer"), (cross_encoder, "CrossEncoder")]
)
def test_errors_of_the_device_are_told_from_those_of_the_files(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    pipeline: ModuleType,
    library: str,
    error: Exception,
    expected: type[Exception],
) -> None:
    def load(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(pipeline, library, load)

    with pytest.raises(expected):
        open_pipeline(pipeline.__name__, "tiny", tmp_path, device="cuda", dtype="float32")


def test_a_device_that_is_lost_while_packing_is_tried_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def try_packing(*_arguments: object, **_options: object) -> None:
        raise torch.AcceleratorError("CUDA error: unknown error")

    monkeypatch.setattr(torch_network, "try_packing", try_packing)
    model = ModelSettings(id="tiny", source="path:/none", dtype="float16")
    facts = ModelFacts(max_tokens=8, dimensions=4, vocabulary=10, pad_id=0, has_types=False, keeps_end=False)
    opened = Pipeline(module=None, tokenizer=None, facts=facts)  # type: ignore[arg-type]

    monkeypatch.setattr(torch_loading, "open_pipeline", lambda *_arguments, **_options: opened)

    with pytest.raises(DeviceLost):
        load_parts(
            EmbeddingSettings(),
            model,
            Choice(backend="torch", device="cuda"),
            folder=Path("/none"),
            kind=KIND,
        )
