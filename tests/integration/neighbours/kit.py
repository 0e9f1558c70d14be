"""A neighbour who does its worst, and Alice, who asks for one word at a time and must not notice.

All speak HTTP over sockets of their own: what is tested is what a client can do to a gateway and to what is behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypedDict, Unpack

MODEL = "all-MiniLM-L6-v2"
HERS, THEIRS = "127.0.0.2", "127.0.0.1"
"""Alice and her neighbour come from different machines: an address is all that a client cannot make up."""
WITHIN_S = 2.0
"""Generous for a word that takes milliseconds, and far below what waiting for all of the neighbour's work takes."""

_numbers = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back."""

    status: int
    """0 when nothing came."""
    seconds: float
    head: str = ""
    body: bytes = b""


class Asked(TypedDict, total=False):
    """What a request says of itself."""

    client: str
    key: str
    within_s: float
    priority: str
    media_type: str
    close: bool


def post(path: str, content: bytes, **asked: Unpack[Asked]) -> bytes:
    """A request as it goes over the wire."""
    key, client = asked.get("key"), asked.get("client")
    headers = {
        "Host": "localhost",
        "Content-Type": asked.get("media_type", "application/json"),
        "Content-Length": str(len(content)),
        "X-Request-Timeout-Ms": str(round(asked.get("within_s", 30.0) * 1000)),
        "X-Isolane-Priority": asked.get("priority", "interactive"),
        "X-Isolane-Client": client,
        "Authorization": f"Bearer {key}" if key else "",
        "Connection": "close" if asked.get("close", True) else "",
    }
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items() if value)]
    return "\r\n".join([*lines, "", ""]).encode() + content


def embeddings(texts: Sequence[str | list[int]], *, encoding: str = "float", **asked: Unpack[Asked]) -> bytes:
    """A request for vectors."""
    content = json.dumps({"model": MODEL, "input": texts, "encoding_format": encoding}).encode()
    return post("/v1/embeddings", content, **asked)


def conversion(name: str, data: bytes, **asked: Unpack[Asked]) -> bytes:
    """A request for a document."""
    head = f'--b\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
    asked["media_type"] = "multipart/form-data; boundary=b"
    return post("/v1/convert/file", head + data + b"\r\n--b--\r\n", **asked)


def get(path: str) -> bytes:
    """A request for a page."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


def words(number: int, text: object) -> str:
    """A text of so many words that no other text has."""
    return " ".join(f"w{text}x{at}" for at in range(number))


async def exchange(port: int, request: bytes, *, address: str = THEIRS, within_s: float = 60.0) -> Reply:
    """Send a request on a connection of its own and read all that comes back."""
    began_s = time.monotonic()
    received = b""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
            try:
                writer.write(request)
                received = await reader.read(-1)
            finally:
                if writer.transport.get_write_buffer_size():
                    writer.transport.abort()  # what nobody reads would keep the socket open for ever
                else:
                    writer.close()
    head, _, body = received.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/1.1 ") else 0
    return Reply(status=status, seconds=time.monotonic() - began_s, head=head.decode("latin-1"), body=body)


async def ask(port: int, texts: Sequence[str], *, address: str = THEIRS, **asked: Unpack[Asked]) -> Reply:
    """Ask for vectors once."""
    return await exchange(port, embeddings(texts, **asked), address=address)


def a_word() -> bytes:
    """What Alice asks for: a new word each time, so that it has to be computed."""
    return embeddings([f"word{next(_numbers)}"], client="alice", within_s=10.0)


async def assert_served(
    port: int, times: int = 8, *, request: Callable[[], bytes] = a_word, within_s: float = WITHIN_S
) -> None:
    """Let Alice ask so many times; each answer has to be 200, and there in time."""
    replies = [await exchange(port, request(), address=HERS) for _ in range(times)]

    bad = [(r.status, round(r.seconds, 2), r.body[:300]) for r in replies if r.status != 200 or r.seconds > within_s]
    assert not bad, f"{len(bad)} of {times}: {bad[0]}"


async def until_served(port: int, request: Callable[[], bytes] = a_word) -> None:
    """Wait until the stack answers at all."""
    for _ in range(200):
        if (await exchange(port, request(), address=HERS)).status == 200:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it does not serve")


@asynccontextmanager
async def flood(port: int, requests: Iterator[bytes], *, connections: int) -> AsyncIterator[Counter[int]]:
    """Keep sending from so many connections at once while the body runs; yields how often each status came back."""
    statuses: Counter[int] = Counter()

    async def send() -> None:
        for request in requests:
            statuses[(await exchange(port, request)).status] += 1
            await asyncio.sleep(0)

    senders = [asyncio.create_task(send()) for _ in range(connections)]
    try:
        yield statuses
    finally:
        for sender in senders:
            sender.cancel()
        await asyncio.gather(*senders, return_exceptions=True)


@asynccontextmanager
async def held(port: int, sent: bytes, number: int) -> AsyncIterator[list[asyncio.StreamWriter]]:
    """Connections that have sent this much and read nothing, while the body runs."""
    writers: list[asyncio.StreamWriter] = []
    try:
        for _ in range(number):
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(2):
                    # So small a buffer stops reading from the socket at once: nobody calls read.
                    _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(THEIRS, 0), limit=1)
                    writers.append(writer)
                    writer.write(sent)
        yield writers
    finally:
        for writer in writers:
            writer.transport.abort()
