"""Calls of the models services: what is loaded, loading and unloading."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message
from grpc import aio
from isolane.common.v1 import models_service_pb2 as pb
from isolane.common.v1.models_service_pb2_grpc import ModelsServiceStub

from services.common import status
from services.common.rpc.channel import open_channel

Reply = TypeVar("Reply", bound=Message)

_TIMEOUT_S = 115.0
"""Loading converts a model where that was not done before; services allow no call more than two minutes."""


class ModelAdmin:
    """The models of one service instance. Its methods block, and raise RequestError as the service answers.

    Args:
        address: host:port.
        service: its name, for messages.
        token: its admin token.
    """

    def __init__(self, address: str, service: str, token: str) -> None:
        self._address = address
        self._service = service
        self._metadata = aio.Metadata(("authorization", f"Bearer {token}"))

    def models(self) -> Sequence[pb.LoadedModel]:
        """What is loaded, the default first."""
        return self._call(lambda stub: stub.ListLoadedModels, pb.ListLoadedModelsRequest()).models

    def load(self, settings_json: str) -> pb.LoadedModel:
        """Load one more model; returns when it serves."""
        return self._call(lambda stub: stub.LoadModel, pb.LoadModelRequest(settings_json=settings_json)).model

    def warm_up(self, model: str) -> pb.LoadedModel:
        """Measure a model's speed anew."""
        return self._call(lambda stub: stub.WarmUpModel, pb.WarmUpModelRequest(model=model)).model

    def unload(self, model: str) -> None:
        """Finish what waits for a model, and free it."""
        self._call(lambda stub: stub.UnloadModel, pb.UnloadModelRequest(model=model))

    def _call(
        self, method: Callable[[ModelsServiceStub], aio.UnaryUnaryMultiCallable[Any, Reply]], request: Message
    ) -> Reply:
        async def call() -> Reply:
            async with open_channel(self._address) as channel:
                return await method(ModelsServiceStub(channel))(request, timeout=_TIMEOUT_S, metadata=self._metadata)

        try:
            return asyncio.run(call())
        except aio.AioRpcError as exc:
            raise status.decode(exc, self._service) from exc
