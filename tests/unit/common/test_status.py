from __future__ import annotations

import pytest
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata
from hypothesis import given
from hypothesis import strategies as st

from services.common import status
from services.common.errors import (
    GRPC_STATUS,
    BackendFailed,
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    RequestError,
    TooLarge,
    Unavailable,
)


def failure(code: StatusCode, details: str = "", trailers: Metadata | None = None) -> AioRpcError:
    return AioRpcError(code, Metadata(), trailers or Metadata(), details=details)


def over_the_wire(error: RequestError, instance: str = "") -> RequestError:
    code, message, trailers = status.encode(error, instance=instance)
    return status.decode(failure(code, message, Metadata(*trailers)), "embedding")


def trailers(details: bytes | str) -> Metadata:
    return Metadata((status.DETAILS_KEY, details))


@pytest.mark.parametrize("cls", GRPC_STATUS, ids=lambda cls: cls.__name__)
def test_every_error_arrives_as_it_was_raised(cls: type[RequestError]) -> None:
    arrived = over_the_wire(cls("input: wrong; change it", retry_after_s=2.5, param="input"))

    assert type(arrived) is cls
    assert (arrived.message, arrived.retry_after_s, arrived.param) == ("input: wrong; change it", 2.5, "input")


def test_what_an_error_does_not_say_is_not_there_on_arrival() -> None:
    arrived = over_the_wire(InvalidRequest("wrong"))

    assert (arrived.retry_after_s, arrived.param) == (None, None)


@pytest.mark.parametrize("work_s", [None, 0.0, 0.25, 3600.0])
def test_how_long_refused_work_takes_arrives(work_s: float | None) -> None:
    arrived = over_the_wire(Overloaded("full", retry_after_s=1.0, work_s=work_s))

    assert isinstance(arrived, Overloaded)
    assert arrived.work_s == work_s


@pytest.mark.parametrize("instance", ["", "7f3a"])
def test_who_refused_for_load_arrives(instance: str) -> None:
    arrived = over_the_wire(Overloaded("full", retry_after_s=1.0), instance)

    assert isinstance(arrived, Overloaded)
    assert arrived.instance == instance


def test_a_server_of_ours_is_told_from_whatever_else_ended_the_call() -> None:
    code, message, details = status.encode(BackendFailed("bug"))
    bare, of_ours = failure(code, message), failure(code, message, Metadata(*details))

    assert (status.read(bare, "x")[1], status.read(of_ours, "x")[1]) == (False, True)


@pytest.mark.parametrize("cls", [*GRPC_STATUS], ids=lambda cls: cls.__name__)
def test_the_status_code_is_the_tables(cls: type[RequestError]) -> None:
    assert status.encode(cls("x"))[0] is GRPC_STATUS[cls]


@pytest.mark.parametrize(
    ("code", "cls"),
    [
        (StatusCode.UNAVAILABLE, Unavailable),
        (StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
        (StatusCode.RESOURCE_EXHAUSTED, Overloaded),
        (StatusCode.CANCELLED, Unavailable),
        (StatusCode.INVALID_ARGUMENT, InvalidRequest),
        (StatusCode.INTERNAL, BackendFailed),
        (StatusCode.UNKNOWN, BackendFailed),
        (StatusCode.UNIMPLEMENTED, BackendFailed),
        (StatusCode.UNAUTHENTICATED, BackendFailed),
    ],
)
def test_a_bare_status_says_what_it_means_and_no_internals(code: StatusCode, cls: type[RequestError]) -> None:
    error = status.decode(failure(code, "ipv4:10.0.0.7:50051: connect failed"), "embedding")

    assert type(error) is cls
    assert error.message.startswith("embedding: ")
    assert "10.0.0.7" not in error.message


def test_a_bare_refusal_says_when_to_come_back() -> None:
    assert status.decode(failure(StatusCode.UNAVAILABLE), "x").retry_after_s == 1.0
    assert status.decode(failure(StatusCode.RESOURCE_EXHAUSTED), "x").retry_after_s == 1.0
    assert status.decode(failure(StatusCode.DEADLINE_EXCEEDED), "x").retry_after_s is None


def test_a_message_over_grpcs_limit_is_too_large_and_not_an_overload() -> None:
    error = status.decode(
        failure(StatusCode.RESOURCE_EXHAUSTED, "SERVER: Received message larger than max (9 vs. 4)"), "x"
    )

    assert type(error) is TooLarge
    assert error.retry_after_s is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xff\xff\xff",
        b"\x00garbage",
        Status(
            code=14, details=[Any(type_url=f"x/{ErrorInfo.DESCRIPTOR.full_name}", value=b"\xff")]
        ).SerializeToString(),
        Status(code=14, details=[Any(type_url="x/of.another.Domain", value=b"\xff")]).SerializeToString(),
        "not bytes",
    ],
)
def test_details_that_cannot_be_read_leave_the_bare_status(raw: bytes | str) -> None:
    error = status.decode(failure(StatusCode.UNAVAILABLE, trailers=trailers(raw)), "embedding")

    assert type(error) is Unavailable
    assert error.retry_after_s == 1.0


@given(st.binary(max_size=200))
def test_no_details_break_the_decoder(raw: bytes) -> None:
    assert isinstance(status.decode(failure(StatusCode.INTERNAL, trailers=trailers(raw)), "x"), RequestError)


def test_another_domains_reason_is_not_ours() -> None:
    details = Status(code=14)
    details.details.add().Pack(ErrorInfo(reason="too_large", domain="example.org"))

    error = status.decode(failure(StatusCode.UNAVAILABLE, "secret", trailers(details.SerializeToString())), "x")

    assert type(error) is Unavailable
    assert "secret" not in error.message


def test_a_newer_servers_code_keeps_its_message_and_means_its_status() -> None:
    details = Status(code=8)
    details.details.add().Pack(ErrorInfo(reason="quota_spent", domain=status.DOMAIN))

    error = status.decode(
        failure(StatusCode.RESOURCE_EXHAUSTED, "quota spent; buy more", trailers(details.SerializeToString())), "x"
    )

    assert type(error) is Overloaded
    assert error.message == "quota spent; buy more"


@given(st.text(st.characters(codec=None), max_size=30), st.integers(1, 500))
def test_no_text_is_too_long_or_too_odd_for_the_trailers(text: str, times: int) -> None:
    code, message, metadata = status.encode(InvalidRequest(text * times, param=text * times))

    percent_encoded = 3 * len(message.encode())
    base64 = 4 * (len(metadata[0][1]) + 2) // 3
    assert code is StatusCode.INVALID_ARGUMENT
    assert percent_encoded + base64 < 8 * 1024 - 500


def test_a_cut_message_ends_visibly_and_at_a_whole_character() -> None:
    arrived = over_the_wire(InvalidRequest("é" * 5000))

    assert arrived.message == "é" * 512 + "…"


def test_a_lone_surrogate_does_not_keep_the_error_from_arriving() -> None:
    arrived = over_the_wire(InvalidRequest("text \ud800: wrong", param="\udfff"))

    assert (arrived.message, arrived.param) == ("text ?: wrong", "?")


def test_the_load_arrives_as_it_was_sent() -> None:
    assert status.decode_wait_s(Metadata(*status.encode_load(4096, 1.25))) == 1.25
    assert dict(status.encode_load(4096, 1.25))[status.QUEUED_COST_KEY] == "4096"


@pytest.mark.parametrize("value", ["", "soon", "-5", "1.5", "٣", "9" * 13, b"5"])
def test_a_load_that_cannot_be_read_is_none(value: str | bytes) -> None:
    assert status.decode_wait_s([("other", "1"), (status.PREDICTED_WAIT_KEY, value)]) is None


@pytest.mark.parametrize("trailers", [None, Metadata(), Metadata(("other", "1"))])
def test_an_end_without_a_load_says_nothing_of_it(trailers: Metadata | None) -> None:
    assert status.decode_wait_s(trailers) is None
