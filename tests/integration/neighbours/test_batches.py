"""The batches that clients share, with a neighbour whose texts break them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import httpx
import numpy as np
import numpy.typing as npt
import pytest

from services.common.errors import DeviceMemoryFull
from services.common.testing.servers import running
from services.embedding.app import build
from services.embedding.backends.fake import FakeEmbeddingBackend
from services.embedding.settings import EmbeddingSettings
from services.models.backends.fake.cost import FakeCost
from services.models.models import Tokens
from tests.integration.launching import Running
from tests.integration.neighbours.kit import MODEL, assert_served, embeddings, flood, until_served

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

Break = Callable[[Sequence[Tokens], npt.NDArray[np.float32]], npt.NDArray[np.float32]]

POISON = 29_999
"""The token that breaks whatever batch it is in."""


class Breakable(FakeEmbeddingBackend):
    """Breaks on a token, in a way that a test chooses.

    Args:
        breaks: what happens then; gives the vectors, or raises.
    """

    def __init__(self, breaks: Break) -> None:
        super().__init__(model_id=MODEL, cost=FakeCost(token_us=20, batch_us=1000))
        self._breaks = breaks

    def compute(self, prepared: Sequence[Tokens], *, alone: bool) -> npt.NDArray[np.float32]:
        """Vectors, unless one of the batch is poisoned."""
        vectors = super().compute(prepared, alone=alone)
        if not any(POISON in tokens.ids for tokens in prepared):
            return vectors
        return self._breaks(prepared, vectors)


def raises(_batch: Sequence[Tokens], _vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    raise ValueError("poisoned")


def fills_the_memory(_batch: Sequence[Tokens], _vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    raise DeviceMemoryFull("poisoned")


def gives_no_numbers(batch: Sequence[Tokens], vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    is_poisoned = np.array([POISON in tokens.ids for tokens in batch])
    return np.where(is_poisoned[:, None], np.float32(np.nan), vectors)


@asynccontextmanager
async def gateway_before(before: Callable[..., Running], backend: FakeEmbeddingBackend) -> AsyncIterator[Running]:
    settings = EmbeddingSettings(port=0, metrics_port=0, drain_s=0.1)
    async with running(build(settings, backend=backend), settings) as service:
        gateway = await asyncio.to_thread(before, {"embedding": service})
        await until_served(gateway.port)
        yield gateway


@pytest.mark.parametrize("breaks", [raises, fills_the_memory, gives_no_numbers])
async def test_texts_that_break_their_batch_fail_alone(breaks: Break, before: Callable[..., Running]) -> None:
    poisoned = embeddings([[POISON, number] for number in range(16)], client="greedy")
    async with gateway_before(before, Breakable(breaks)) as gateway:
        async with flood(gateway.port, itertools.repeat(poisoned), connections=8) as statuses:
            await asyncio.sleep(1)
            await assert_served(gateway.port)
        async with httpx.AsyncClient() as client:
            health = (await client.get(f"{gateway.url}/health")).json()

    assert set(statuses) <= {500, 429}
    assert statuses[500] > 0
    assert health["services"]["embedding"]["healthy"]
