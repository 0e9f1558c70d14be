"""A gateway in front of two instances of each service that compute one model in different number types."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

import httpx
import pytest

from gateway.app import Gateway, build
from gateway.clients.variants import LATELY_S
from gateway.middleware.body import CONNECTION
from gateway.settings import GatewaySettings, Upstreams
from services.common.lifecycle import supervise
from services.common.testing.clock import FakeClock
from services.common.testing.logs import CapturedLogs, captured_logs
from services.common.testing.resolvers import ChangingResolver
from services.common.testing.servers import running
from services.documents.app import build as build_documents
from services.documents.settings import DocumentsSettings
from services.embedding.app import build as build_embedding
from services.embedding.backends.fake import FakeEmbeddingBackend
from services.embedding.settings import EmbeddingSettings
from services.models.models import ModelInfo
from services.reranking.app import build as build_reranking
from services.reranking.backends.fake import FakeRerankingBackend
from services.reranking.settings import RerankingSettings

pytestmark = pytest.mark.integration

MODELS: Any = ({"id": "m", "source": "path:nowhere"},)
EMBED = ("/v1/embeddings", {"model": "m", "input": "a"})
RERANK = ("/v1/rerank", {"model": "m", "query": "q", "documents": ["a"]})
LIST = ("/v1/models", None)


class OtherEmbedding(FakeEmbeddingBackend):
    dtype = "bfloat16"

    @property
    def model(self) -> ModelInfo:
        return dataclasses.replace(super().model, dtype=self.dtype, backend="openvino")


class OtherReranking(FakeRerankingBackend):
    @property
    def model(self) -> ModelInfo:
        return dataclasses.replace(super().model, dtype="bfloat16", backend="openvino")


class Connection:
    """What the server would give with each request."""

    on_lost: Callable[[], None] | None = None
    is_body_here = False

    def answer(self, _status: int, _headers: Sequence[tuple[bytes, bytes]], _body: bytes) -> bool:
        return False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The gateway, its time, and what it logged."""

    client: httpx.AsyncClient
    clock: FakeClock
    logs: CapturedLogs

    async def ask(self, path: str, body: Any) -> None:
        """Send so many requests that both instances get some, but for one case in 2^39."""
        for _ in range(40):
            answer = await self.client.request("POST" if body else "GET", path, json=body)
            assert answer.status_code == 200

    async def services(self) -> Any:
        """What the gateway says of them while it is ready."""
        answer = await self.client.get("/health/ready")
        assert (answer.status_code, answer.json()["ready"]) == (200, True)
        return answer.json()["services"]

    async def gauge(self, service: str) -> list[str]:
        """The metric's values."""
        text = (await self.client.get("/metrics")).text
        name = f'isolane_gateway_model_variants{{model="m",service="{service}"}} '
        return [line.removeprefix(name) for line in text.splitlines() if line.startswith(name)]


@asynccontextmanager
async def addresses() -> AsyncIterator[dict[str, list[str]]]:
    """Two instances of each service that has models, and one of documents, without which no gateway is ready."""
    embedding = EmbeddingSettings(port=0, metrics_port=0, models=MODELS)
    reranking = RerankingSettings(port=0, metrics_port=0, models=MODELS)
    documents = DocumentsSettings(port=0, metrics_port=0, backend="fake")
    async with (
        running(build_embedding(embedding, backend=FakeEmbeddingBackend(model_id="m")), embedding) as one,
        running(build_embedding(embedding, backend=OtherEmbedding(model_id="m")), embedding) as other,
        running(build_reranking(reranking, backend=FakeRerankingBackend(model_id="m")), reranking) as third,
        running(build_reranking(reranking, backend=OtherReranking(model_id="m")), reranking) as fourth,
        running(build_documents(documents), documents) as fifth,
    ):
        ports = {"embedding": [one, other], "reranking": [third, fourth], "documents": [fifth]}
        yield {service: [f"127.0.0.1:{port}" for port in found] for service, found in ports.items()}


@asynccontextmanager
async def calling(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway in this process, whose background runs."""

    asgi_of_gateway: Any = gateway.asgi

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        await asgi_of_gateway({**scope, "extensions": {CONNECTION: Connection()}}, receive, send)

    transport = httpx.ASGITransport(app=asgi)
    async with (
        aclosing(gateway.resolver),
        supervise(gateway.background, asyncio.Event()),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=20) as client,
    ):
        yield client


async def all_reached(client: httpx.AsyncClient) -> bool:
    services = (await client.get("/health")).json()["services"].values()
    instances = [instance for service in services for instance in service["instances"]]
    return len(instances) == 5 and all(instance["healthy"] for instance in instances)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = FakeClock()
    async with AsyncExitStack() as stack:
        logs = stack.enter_context(captured_logs())
        resolver = ChangingResolver(await stack.enter_async_context(addresses()))
        client = await stack.enter_async_context(calling(build(GatewaySettings(), resolver=resolver, clock=clock)))
        while not await all_reached(client):  # noqa: ASYNC110 - the test's own time limit bounds it
            await asyncio.sleep(0.02)
        yield World(client=client, clock=clock, logs=logs)


@pytest.mark.parametrize(("service", "asked"), [("embedding", EMBED), ("reranking", RERANK)])
async def test_health_and_metrics_show_a_difference_until_one_variant_is_silent_for_ten_minutes(
    world: World, service: str, asked: Any
) -> None:
    await world.ask(*asked)
    world.clock.advance(2.04)
    shown, counted = (await world.services())[service], await world.gauge(service)
    world.clock.advance(LATELY_S)
    later, counted_later = (await world.services())[service], await world.gauge(service)

    (difference,) = shown["differences"]
    assert shown["healthy"] is True
    assert difference["model"] == "m"
    assert difference["reason"].startswith("its instances differ in dtype (bfloat16, float32): name its `dtype`")
    assert sorted(difference["variants"], key=lambda variant: str(variant["dtype"])) == [
        {"revision": "fake", "dtype": "bfloat16", "backend": "openvino", "silent_s": 2.0},
        {"revision": "fake", "dtype": "float32", "backend": "", "silent_s": 2.0},
    ]
    assert (counted, counted_later) == (["2.0"], ["0.0"])
    assert later == {**shown, "differences": []}
    assert [line["model"] for line in world.logs.lines("model_differs")] == ["m"]
    assert [line["upstream"] for line in world.logs.lines("model_differs_no_longer")] == [service]


async def test_the_list_of_models_shows_a_difference_too(world: World) -> None:
    await world.ask(*LIST)

    services = await world.services()
    assert {name for name, service in services.items() if service["differences"]} == {"embedding", "reranking"}


async def test_a_model_shows_the_number_type_of_the_instance_that_answered(world: World) -> None:
    cards = [(await world.client.get("/v1/models/m")).json() for _ in range(40)]

    assert {card["dtype"] for card in cards} == {"float32", "bfloat16"}


async def test_in_the_mesh_what_comes_through_the_one_listener_shows_it_too() -> None:
    behind, backend = EmbeddingSettings(port=0, metrics_port=0, models=MODELS), OtherEmbedding(model_id="m")
    resolver = ChangingResolver({"embedding": ["10.0.0.1:21000", "10.0.0.2:21000"]})

    async with running(build_embedding(behind, backend=backend), behind) as port:
        listeners = Upstreams(embedding=(f"127.0.0.1:{port}",))
        async with calling(
            build(GatewaySettings(discovery="consul", upstreams=listeners), resolver=resolver)
        ) as client:
            for dtype in ("bfloat16", "int8"):  # as if Envoy had chosen another instance
                backend.dtype = dtype
                while (await client.post(EMBED[0], json=EMBED[1])).status_code != 200:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.02)
            services = (await client.get("/health")).json()["services"]

    (difference,) = services["embedding"]["differences"]
    assert {variant["dtype"] for variant in difference["variants"]} == {"bfloat16", "int8"}
