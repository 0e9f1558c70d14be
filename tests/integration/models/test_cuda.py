"""The torch backend on a real GPU: packed batches, memory that runs out, a device that is lost, `require_gpu`."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from services.common.errors import DeviceMemoryFull
from services.embedding.app import TASK as EMBEDDING
from services.embedding.backends.base import EmbeddingBackend
from services.embedding.settings import EmbeddingModelSettings, EmbeddingSettings
from services.models.backends.choice import Choice, choose
from services.models.models import Tokens
from services.models.settings import ModelSettings
from services.reranking.app import TASK as RERANKING
from services.reranking.backends.base import RerankingBackend
from services.reranking.settings import RerankingModelSettings, RerankingSettings
from tests.contract import tiny_models

pytestmark = [pytest.mark.integration, pytest.mark.gpu, pytest.mark.timeout(300)]

HALF = ["bfloat16", "float16"]
LENGTHS = (4, 31, 48, 2, 17)
BATCH = [Tokens(ids=(101, *range(1000 + 40 * n, 998 + 40 * n + length), 102)) for n, length in enumerate(LENGTHS)]
LEAST_COSINE = 0.999

LOSS = """
import os
import sys
from services.common.errors import DeviceLost
from services.models.models import Tokens
from services.embedding.app import TASK
from services.embedding.settings import EmbeddingModelSettings, EmbeddingSettings

model = EmbeddingModelSettings(id="tiny", source=f"path:{sys.argv[1]}")
backend = TASK.load(EmbeddingSettings(backend="torch", device="cuda"), model)
for tokens in (Tokens(ids=(1_000_000_000,)), Tokens(ids=(101, 102))):
    try:
        backend.compute(backend.prepare([tokens]), alone=True)
    except DeviceLost:
        print("lost", flush=True)
os._exit(0)  # what is left of CUDA may not end well
"""

REQUIRED = """
from services.models.settings import ModelSettings
from services.models.backends.choice import choose
from services.common.errors import StartupError
from services.embedding.settings import EmbeddingSettings

try:
    print(choose(EmbeddingSettings(require_gpu=True), ModelSettings(id="m", source="path:/none")).device)
except StartupError as exc:
    print(exc)
"""


@pytest.fixture(scope="module")
def bi_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.make_bi_encoder(tmp_path_factory.mktemp("bi-encoder"))


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.make_cross_encoder(tmp_path_factory.mktemp("cross-encoder"))


def embedder(folder: Path, *, device: str = "cuda", dtype: str = "float32") -> EmbeddingBackend:
    settings = EmbeddingSettings(backend="torch", device=device)
    return EMBEDDING.load(settings, EmbeddingModelSettings(id="tiny", source=f"path:{folder}", dtype=dtype))


def reranker(folder: Path, *, device: str = "cuda", dtype: str = "float32") -> RerankingBackend:
    settings = RerankingSettings(backend="torch", device=device)
    return RERANKING.load(settings, RerankingModelSettings(id="tiny", source=f"path:{folder}", dtype=dtype))


def compute(backend: Any, batch: list[Tokens]) -> npt.NDArray[np.float32]:
    found: npt.NDArray[np.float32] = backend.compute(backend.prepare(batch), alone=True)
    return found


def cosines(left: npt.NDArray[np.float32], right: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Half precision does not leave vectors at a length of exactly 1."""
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    found: npt.NDArray[np.float32] = (left * right).sum(axis=1) / lengths
    return found


def run(script: str, *arguments: str, **environ: str) -> str:
    """What a process of its own prints: a lost device would spoil the tests that follow."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environ},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def memory_in_use() -> int:
    gc.collect()
    return torch.cuda.memory_allocated()


@contextmanager
def full_memory() -> Iterator[None]:
    """Hold all of the GPU's memory that is free."""
    held, size = [], torch.cuda.mem_get_info()[0]
    while size > 2**20:
        try:
            held.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
        except torch.OutOfMemoryError:
            size //= 2
    try:
        yield
    finally:
        held.clear()
        torch.cuda.empty_cache()


def test_float32_on_the_gpu_gives_what_the_cpu_gives(bi_encoder: Path, cross_encoder: Path) -> None:
    vectors = [compute(embedder(bi_encoder, device=device), BATCH) for device in ("cpu", "cuda")]
    scores = [compute(reranker(cross_encoder, device=device), BATCH) for device in ("cpu", "cuda")]

    assert np.abs(vectors[0] - vectors[1]).max() < 1e-4
    assert np.abs(scores[0] - scores[1]).max() < 1e-3


@pytest.mark.parametrize("dtype", HALF)
def test_half_precision_is_packed_and_gives_the_vectors_of_float32(bi_encoder: Path, dtype: str) -> None:
    backend = embedder(bi_encoder, dtype=dtype)
    expected = compute(embedder(bi_encoder), BATCH)

    prepared = backend.prepare(BATCH)
    found = backend.compute(prepared, alone=True)

    assert prepared["input_ids"].shape == (1, sum(LENGTHS))
    assert cosines(found, expected).min() > LEAST_COSINE


@pytest.mark.parametrize("dtype", HALF)
def test_packed_items_do_not_see_each_other(bi_encoder: Path, dtype: str) -> None:
    backend = embedder(bi_encoder, dtype=dtype)
    expected = np.concatenate([compute(backend, [tokens]) for tokens in BATCH])

    found = compute(backend, BATCH[::-1])[::-1]

    assert cosines(found, expected).min() > LEAST_COSINE


def test_float32_is_padded_because_the_kernel_takes_none(bi_encoder: Path) -> None:
    prepared = embedder(bi_encoder).prepare(BATCH)

    assert prepared["input_ids"].shape == (len(LENGTHS), max(LENGTHS))


@pytest.mark.parametrize("dtype", HALF)
def test_a_cross_encoder_is_padded_in_half_precision_too(cross_encoder: Path, dtype: str) -> None:
    backend = reranker(cross_encoder, dtype=dtype)
    expected = compute(reranker(cross_encoder), BATCH)

    prepared = backend.prepare(BATCH)
    found = backend.compute(prepared, alone=True)

    assert prepared["input_ids"].shape == (len(LENGTHS), max(LENGTHS))
    assert np.abs(found - expected).max() < 0.1 * np.ptp(expected)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_batch_for_which_there_is_no_memory_fails_alone(bi_encoder: Path, dtype: str) -> None:
    backend = embedder(bi_encoder, dtype=dtype)
    large = [Tokens(ids=tuple(range(1000, 1048)))] * 4_000
    expected = compute(backend, BATCH)

    with full_memory(), pytest.raises(DeviceMemoryFull):
        compute(backend, large)

    assert np.allclose(compute(backend, BATCH), expected, atol=1e-2)
    assert compute(backend, large).shape == (4_000, tiny_models.DIMENSIONS)


def test_a_model_that_is_closed_leaves_no_memory_in_use(bi_encoder: Path) -> None:
    compute(embedder(bi_encoder), BATCH)  # what CUDA's libraries keep for themselves
    before = memory_in_use()
    backend = embedder(bi_encoder)
    compute(backend, BATCH)
    during = memory_in_use()

    backend.close()

    assert memory_in_use() - before < (during - before) / 2


def test_a_device_that_is_lost_is_told_at_once_and_for_every_batch_after(bi_encoder: Path) -> None:
    assert run(LOSS, str(bi_encoder)) == "lost\nlost\n"


def test_a_gpu_that_is_required_is_found() -> None:
    chosen = choose(EmbeddingSettings(require_gpu=True), ModelSettings(id="m", source="path:/none"))

    assert chosen == Choice(backend="torch", device="cuda")


def test_a_gpu_that_is_required_and_hidden_is_an_error() -> None:
    assert "torch finds no usable CUDA GPU" in run(REQUIRED, CUDA_VISIBLE_DEVICES="")
