"""The gRPC face of loading and unloading models while a service runs, for those who have its admin token."""

from __future__ import annotations

import hmac
from typing import Any

from grpc import aio
from isolane.common.v1 import models_service_pb2 as pb
from isolane.common.v1 import models_service_pb2_grpc as pb_grpc
from pydantic import SecretStr

from services.common import call
from services.common.errors import NotPermitted
from services.common.server.server import Registration
from services.common.telemetry.logs import get_logger
from services.models import replies
from services.models.engine.engine import ModelEngine
from services.models.engine.loaded_model import LoadedModel

NAME = pb.DESCRIPTOR.services_by_name["ModelsService"].full_name
Context = aio.ServicerContext[Any, Any]

_SCHEME = "Bearer "

log = get_logger()


class ModelsServicer(pb_grpc.ModelsServiceServicer):
    """Checks the token, calls the engine.

    Args:
        engine: what loads and unloads.
        admin_token: whose bearer may; empty lets nobody.
    """

    def __init__(self, engine: ModelEngine[Any, Any], admin_token: SecretStr) -> None:
        self._engine = engine
        self._admin_token = admin_token.get_secret_value()

    async def ListLoadedModels(
        self, request: pb.ListLoadedModelsRequest, context: Context
    ) -> pb.ListLoadedModelsResponse:
        """See the proto."""
        self._check(context)
        return pb.ListLoadedModelsResponse(models=[_loaded(loaded) for loaded in self._engine.loaded_models])

    async def LoadModel(self, request: pb.LoadModelRequest, context: Context) -> pb.LoadModelResponse:
        """See the proto."""
        self._check(context)
        loaded = await self._engine.load_model(request.settings_json)
        call.note(model=loaded.model.id)
        return pb.LoadModelResponse(model=_loaded(loaded))

    async def WarmUpModel(self, request: pb.WarmUpModelRequest, context: Context) -> pb.WarmUpModelResponse:
        """See the proto."""
        self._check(context)
        call.note(model=request.model[:256])
        return pb.WarmUpModelResponse(model=_loaded(await self._engine.warm_up_model(request.model)))

    async def UnloadModel(self, request: pb.UnloadModelRequest, context: Context) -> pb.UnloadModelResponse:
        """See the proto."""
        self._check(context)
        call.note(model=request.model[:256])
        await self._engine.unload_model(request.model)
        return pb.UnloadModelResponse()

    def _check(self, context: Context) -> None:
        """Let only the bearer of the token go on."""
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        given = metadata.get("authorization", "")
        if not self._admin_token:
            raise NotPermitted("models are not changed at run time here; set admin_token in the service's settings")
        if not hmac.compare_digest(given.encode(), (_SCHEME + self._admin_token).encode()):
            raise NotPermitted("the admin token is missing or wrong; send it as metadata `authorization: Bearer TOKEN`")


def registration(engine: ModelEngine[Any, Any], admin_token: SecretStr) -> Registration:
    """What the server needs to serve it."""
    return Registration(
        name=NAME, servicer=ModelsServicer(engine, admin_token), add=pb_grpc.add_ModelsServiceServicer_to_server
    )


def _loaded(loaded: LoadedModel[Any]) -> pb.LoadedModel:
    return pb.LoadedModel(
        model=replies.model(loaded.model),
        queued_cost=loaded.backlog().queued_cost,
        thousand_tokens_us=round(loaded.thousand_tokens_s * 1e6),
    )
