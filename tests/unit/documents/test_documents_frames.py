"""Messages between the service and a worker."""

from __future__ import annotations

import asyncio
import io
import json
import struct

import pytest

from services.documents.backends import frames
from services.documents.backends.frames import BrokenFrame, Message


def stream(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


def raw(header: object) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack(">I", len(text)) + text


async def test_a_message_survives_the_pipe_both_ways() -> None:
    message = Message(header={"name": "ä", "n": 1}, parts=[b"", b"\x00\xff" * 1000])
    data = b"".join(frames.encode(message))

    one = await frames.read(stream(data), max_bytes=2000)
    other = frames.read_blocking(io.BytesIO(data))

    assert other is not None
    for got in (one, other):
        assert (got.header["name"], got.header["n"], list(got.parts)) == ("ä", 1, list(message.parts))


async def test_an_end_in_the_middle_is_an_end() -> None:
    data = b"".join(frames.encode(Message(header={}, parts=[b"12345"])))

    with pytest.raises(EOFError):
        await frames.read(stream(data[:-1]), max_bytes=10)


def test_a_closed_pipe_is_no_message() -> None:
    assert frames.read_blocking(io.BytesIO()) is None


@pytest.mark.parametrize(
    "data",
    [
        raw({"sizes": [11]}) + b"x" * 11,
        raw({"sizes": [-1]}),
        raw({"sizes": ["1"]}),
        raw({}),
        raw([1]),
        struct.pack(">I", 4) + b"junk",
        struct.pack(">I", 2**31) + b"x",
    ],
)
async def test_nonsense_from_a_worker_is_refused_before_it_is_read(data: bytes) -> None:
    with pytest.raises(BrokenFrame):
        await frames.read(stream(data), max_bytes=10)
