from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import pytest
from isolane.common.v1 import item_pb2
from isolane.embedding.v1 import embedding_service_pb2 as pb
from isolane.embedding.v1 import embedding_service_pb2_grpc as pb_grpc

from services.common.deadline import Deadline
from services.common.errors import InvalidRequest, RequestError, TooLarge, UnknownModel
from services.common.rpc.client import RpcClient
from services.common.testing.servers import connected, running
from services.embedding.app import build
from services.embedding.settings import EmbeddingSettings

pytestmark = pytest.mark.integration

Client = RpcClient[pb_grpc.EmbeddingServiceStub]

SERVICE = "isolane.embedding.v1.EmbeddingService"
MODEL = "all-MiniLM-L6-v2"


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    settings = EmbeddingSettings(port=0, metrics_port=0, backend="fake", max_inputs=100)
    async with (
        running(build(settings), settings) as port,
        connected(port, pb_grpc.EmbeddingServiceStub, health_service=SERVICE) as opened,
    ):
        yield opened


def texts(*items: str) -> list[pb.Input]:
    return [pb.Input(text=item) for item in items]


async def embed(client: Client, **request: object) -> pb.EmbedResponse:
    message = pb.EmbedRequest(**{"model": MODEL, **request})  # type: ignore[arg-type]
    return await client.call("Embed", lambda stub: stub.Embed, message, deadline=Deadline.after(10))


async def test_vectors_travel_as_one_matrix_of_little_endian_floats(client: Client) -> None:
    reply = await embed(client, inputs=texts("red", "blue", "red"))

    assert (reply.vectors.rows, reply.vectors.dimensions) == (3, 384)
    assert reply.vectors.vector_type == pb.VECTOR_TYPE_FLOAT32
    matrix = np.frombuffer(reply.vectors.data, dtype="<f4").reshape(3, 384)
    assert np.linalg.norm(matrix, axis=1) == pytest.approx([1, 1, 1], abs=1e-6)
    assert np.array_equal(matrix[0], matrix[2])
    assert not np.array_equal(matrix[0], matrix[1])


async def test_each_input_has_its_status_and_a_wrong_one_a_row_of_zeros(client: Client) -> None:
    ids = pb.Input(token_ids=pb.TokenIds(ids=[1, 2]))
    reply = await embed(client, inputs=[*texts("one two three", ""), ids, pb.Input()])

    assert [(item.outcome, item.token_count) for item in reply.items] == [
        (item_pb2.OUTCOME_OK, 3),
        (item_pb2.OUTCOME_INVALID, 0),
        (item_pb2.OUTCOME_OK, 2),
        (item_pb2.OUTCOME_INVALID, 0),
    ]
    matrix = np.frombuffer(reply.vectors.data, dtype="<f4").reshape(4, 384)
    assert [bool(row.any()) for row in matrix] == [True, False, True, False]
    assert (reply.usage.items, reply.usage.tokens) == (4, 5)


@pytest.mark.parametrize(
    ("vector_type", "dtype", "size"),
    [
        (pb.VECTOR_TYPE_FLOAT16, "<f2", 384),
        (pb.VECTOR_TYPE_INT8, "i1", 384),
        (pb.VECTOR_TYPE_BINARY, "u1", 48),
    ],
)
async def test_vectors_come_in_the_number_type_that_is_asked_for(
    client: Client, vector_type: pb.VectorType.ValueType, dtype: str, size: int
) -> None:
    exact = np.frombuffer((await embed(client, inputs=texts("red", "blue"))).vectors.data, dtype="<f4").reshape(2, 384)
    reply = await embed(client, inputs=texts("red", "blue"), vector_type=vector_type)

    packed = np.frombuffer(reply.vectors.data, dtype=dtype).reshape(2, size)
    assert (reply.vectors.vector_type, reply.vectors.dimensions, reply.vectors.rows) == (vector_type, 384, 2)
    if vector_type == pb.VECTOR_TYPE_BINARY:
        assert np.array_equal(np.unpackbits(packed, axis=1).astype(bool), exact > 0)
    else:
        scales = np.array(reply.vectors.scales or [1, 1])[:, None]
        assert np.allclose(packed * scales, exact, atol=0.002)


async def test_what_was_computed_before_is_marked_and_not_computed_again(client: Client) -> None:
    await embed(client, inputs=texts("one two"))
    reply = await embed(client, inputs=texts("one two", "three four five", "three four five"))

    assert [item.cached for item in reply.items] == [True, False, True]
    assert (reply.usage.tokens, reply.usage.computed_tokens) == (8, 3)


async def test_what_was_cut_off_is_counted(client: Client) -> None:
    reply = await embed(client, inputs=texts("word " * 300))

    assert (reply.items[0].truncated, reply.items[0].dropped_token_count, reply.items[0].token_count) == (True, 44, 256)


async def test_tokenize_gives_the_ids_that_embed_counts(client: Client) -> None:
    message = pb.TokenizeRequest(model=MODEL, inputs=texts("one two three", ""))
    reply = await client.call("Tokenize", lambda stub: stub.Tokenize, message, deadline=Deadline.after(10))

    assert [len(ids.ids) for ids in reply.inputs] == [3, 0]
    assert [item.token_count for item in reply.items] == [3, 0]


@pytest.mark.parametrize(
    ("request_", "error", "param"),
    [
        ({"inputs": []}, InvalidRequest, "input"),
        ({"inputs": texts(*["a"] * 101)}, TooLarge, "input"),
        ({"inputs": texts("a"), "model": "x"}, UnknownModel, "model"),
        ({"inputs": texts("a"), "dimensions": 5}, InvalidRequest, "dimensions"),
        ({"inputs": texts("a"), "vector_type": 9}, InvalidRequest, "vector_type"),
        ({"inputs": texts("a"), "input_type": 9}, InvalidRequest, "input_type"),
    ],
)
async def test_a_wrong_request_is_a_clear_error_with_the_field_at_fault(
    client: Client, request_: dict[str, object], error: type[RequestError], param: str
) -> None:
    with pytest.raises(error) as raised:
        await embed(client, **request_)

    assert type(raised.value) is error
    assert raised.value.param == param
