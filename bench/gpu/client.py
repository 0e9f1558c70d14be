"""A process of callers over gRPC: `python -m bench.gpu.client SEED TEXTS`.

Once it has made its texts it writes an empty line; then it takes an `Order` a line, and answers each with a `Seen`.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
from grpc import aio
from isolane.embedding.v1 import embedding_service_pb2 as pb
from isolane.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceStub

from bench.texts import Texts

_CALL_LIMIT_S = 60.0
_PAUSE_S = 0.05
"""Of a caller after a failure."""
_OPTIONS = (("grpc.max_receive_message_length", -1),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A closed loop. Moments are of the monotonic clock, which all processes of a machine share."""

    address: str
    model: str
    texts: int
    """In a request."""
    callers: int
    starts_s: float
    counts_from_s: float
    """An answer that came earlier was for warming up."""
    ends_s: float


@dataclass(slots=True, kw_only=True)
class Seen:
    """What the callers of a process saw between the moment from which answers count and the end."""

    latencies_s: list[float] = field(default_factory=list)
    """Of each answer that came then."""
    tokens: int = 0
    """Of these answers."""
    failed: int = 0
    """Calls, whenever they failed."""
    error: str = ""
    """Of the last of them."""
    cpu_s: float = 0.0
    """That this process took then."""

    def answered(self, order: Order, *, sent_s: float, done_s: float, tokens: int) -> None:
        """Count an answer, if it came at a time that counts."""
        if order.counts_from_s <= done_s < order.ends_s:
            self.latencies_s.append(done_s - sent_s)
            self.tokens += tokens


async def load(order: Order, texts: Iterator[str]) -> Seen:
    """Run a closed loop, and wait for its last answers.

    Args:
        order: what is asked for.
        texts: without end.
    """
    seen = Seen()
    async with aio.insecure_channel(order.address, options=_OPTIONS) as channel:
        stub = EmbeddingServiceStub(channel)
        await _until(order.starts_s)
        await asyncio.gather(
            _measure_cpu(order, seen), *(_call(stub, order, texts, seen) for _ in range(order.callers))
        )
    return seen


async def _call(stub: EmbeddingServiceStub, order: Order, texts: Iterator[str], seen: Seen) -> None:
    """One caller, who sends a request when the one before is answered."""
    while (sent_s := time.monotonic()) < order.ends_s:
        inputs = [pb.Input(text=text) for text in itertools.islice(texts, order.texts)]
        try:
            reply = await stub.Embed(pb.EmbedRequest(model=order.model, inputs=inputs), timeout=_CALL_LIMIT_S)
        except aio.AioRpcError as exc:
            seen.failed, seen.error = seen.failed + 1, f"{exc.code().name}: {exc.details()}"
            await asyncio.sleep(_PAUSE_S)
        else:
            seen.answered(order, sent_s=sent_s, done_s=time.monotonic(), tokens=reply.usage.tokens)


async def _measure_cpu(order: Order, seen: Seen) -> None:
    await _until(order.counts_from_s)
    before_s = time.process_time()
    await _until(order.ends_s)
    seen.cpu_s = time.process_time() - before_s


async def _until(moment_s: float) -> None:
    await asyncio.sleep(max(0.0, moment_s - time.monotonic()))


def main(arguments: Sequence[str]) -> None:
    """Run the command."""
    seed, count = map(int, arguments)
    texts = itertools.cycle(Texts(seed).lognormal(count))
    print(flush=True)
    for line in sys.stdin:
        seen = asyncio.run(load(msgspec.json.decode(line, type=Order), texts))
        print(msgspec.json.encode(seen).decode(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
