"""Models loaded and unloaded over gRPC while a service runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from grpc import StatusCode, aio
from isolane.common.v1 import models_service_pb2 as pb
from isolane.common.v1.models_service_pb2_grpc import ModelsServiceStub
from isolane.embedding.v1 import embedding_service_pb2 as embedding_pb
from isolane.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceStub

from ops.local.secrets import SecretsFolder
from ops.model_admin import ModelAdmin
from services.common.testing.servers import running
from services.embedding.app import build
from services.embedding.settings import EmbeddingSettings

pytestmark = pytest.mark.integration

TOKEN = "a-token-of-the-operator"
FIRST, SECOND = "all-MiniLM-L6-v2", "second"
SETTINGS = f'{{"id": "{SECOND}", "source": "path:/none"}}'


@asynccontextmanager
async def channel_to(token: str = TOKEN) -> AsyncIterator[aio.Channel]:
    settings = EmbeddingSettings(port=0, metrics_port=0, backend="fake", admin_token=token)
    async with running(build(settings), settings) as port, aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel


def bearer(token: str = TOKEN) -> aio.Metadata:
    return aio.Metadata(("authorization", f"Bearer {token}"))


async def ids(channel: aio.Channel) -> list[str]:
    reply = await ModelsServiceStub(channel).ListLoadedModels(
        pb.ListLoadedModelsRequest(), metadata=bearer(), timeout=10
    )
    return [loaded.model.id for loaded in reply.models]


async def test_a_loaded_model_serves_and_an_unloaded_one_does_not() -> None:
    request = embedding_pb.EmbedRequest(model=SECOND, inputs=[embedding_pb.Input(text="red")])
    async with channel_to() as channel:
        models, embedding = ModelsServiceStub(channel), EmbeddingServiceStub(channel)
        loaded = await models.LoadModel(pb.LoadModelRequest(settings_json=SETTINGS), metadata=bearer(), timeout=10)
        both = await ids(channel)
        answer = await embedding.Embed(request, timeout=10)
        warm = await models.WarmUpModel(pb.WarmUpModelRequest(model=SECOND), metadata=bearer(), timeout=30)
        await models.UnloadModel(pb.UnloadModelRequest(model=SECOND), metadata=bearer(), timeout=10)
        with pytest.raises(aio.AioRpcError) as gone:
            await embedding.Embed(request, timeout=10)
        left = await ids(channel)

    assert loaded.model.model.id == SECOND
    assert both == [FIRST, SECOND]
    assert answer.model.id == SECOND
    assert warm.model.model.id == SECOND
    assert gone.value.code() is StatusCode.NOT_FOUND
    assert left == [FIRST]


async def test_an_unloaded_models_requests_in_progress_are_answered() -> None:
    request = embedding_pb.EmbedRequest(
        model=FIRST, inputs=[embedding_pb.Input(text=f"text {number}") for number in range(300)]
    )
    async with channel_to() as channel:
        models = ModelsServiceStub(channel)
        await models.LoadModel(pb.LoadModelRequest(settings_json=SETTINGS), metadata=bearer(), timeout=10)
        waiting = [asyncio.ensure_future(EmbeddingServiceStub(channel).Embed(request, timeout=20)) for _ in range(5)]
        await asyncio.sleep(0.05)
        await models.UnloadModel(pb.UnloadModelRequest(model=FIRST), metadata=bearer(), timeout=20)
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)

    refused = [each for each in outcomes if isinstance(each, aio.AioRpcError)]
    assert all(each.code() is StatusCode.NOT_FOUND for each in refused)
    assert any(isinstance(each, embedding_pb.EmbedResponse) and len(each.items) == 300 for each in outcomes)


@pytest.mark.parametrize(
    ("metadata", "token"),
    [(None, TOKEN), (bearer("wrong"), TOKEN), (bearer(""), TOKEN), (bearer(""), ""), (bearer(TOKEN), "")],
    ids=["none", "wrong", "empty", "empty and none set", "none set"],
)
async def test_only_the_bearer_of_the_token_may(metadata: aio.Metadata | None, token: str) -> None:
    async with channel_to(token) as channel:
        models = ModelsServiceStub(channel)
        calls: list[Awaitable[object]] = [
            models.ListLoadedModels(pb.ListLoadedModelsRequest(), metadata=metadata, timeout=10),
            models.LoadModel(pb.LoadModelRequest(settings_json=SETTINGS), metadata=metadata, timeout=10),
            models.WarmUpModel(pb.WarmUpModelRequest(model=FIRST), metadata=metadata, timeout=10),
            models.UnloadModel(pb.UnloadModelRequest(model=FIRST), metadata=metadata, timeout=10),
        ]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)

    codes = [outcome.code() if isinstance(outcome, aio.AioRpcError) else outcome for outcome in outcomes]
    assert codes == [StatusCode.PERMISSION_DENIED] * 4


async def test_what_cannot_be_loaded_is_a_clear_error() -> None:
    async with channel_to() as channel:
        with pytest.raises(aio.AioRpcError) as wrong:
            await ModelsServiceStub(channel).LoadModel(
                pb.LoadModelRequest(settings_json='{"id": "x"}'), metadata=bearer(), timeout=10
            )

    assert wrong.value.code() is StatusCode.INVALID_ARGUMENT
    assert "source: Field required" in (wrong.value.details() or "")


async def test_the_command_reaches_a_service_past_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    settings = EmbeddingSettings(port=0, metrics_port=0, backend="fake", admin_token=TOKEN)
    async with running(build(settings), settings) as port:
        admin = ModelAdmin(f"127.0.0.1:{port}", "embedding", TOKEN)
        models = await asyncio.to_thread(admin.models)

    assert [loaded.model.id for loaded in models] == [FIRST]


def test_the_command_takes_the_token_from_where_the_service_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = SecretsFolder(tmp_path, is_ours=True)
    folder.renew()
    made = folder.admin_token("embedding")
    monkeypatch.setenv("ISOLANE_EMBEDDING_ADMIN_TOKEN", TOKEN)

    assert folder.admin_token("embedding") == TOKEN
    assert folder.admin_token("reranking") != made
