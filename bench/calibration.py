"""How fast this machine is today: a bare matrix product and a bare gRPC echo, both without any of our code."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from typing import Any, cast

import grpc
import numpy as np
from grpc import aio

from bench.report import Figure, json_argument, publish

_SIZE = 1024
_METHOD = "/bench.Echo/Echo"
_PAYLOAD = b"x" * 100


def matrix_product(runs: int = 7) -> Figure:
    """float32 product of two square matrices on all cores."""
    left = np.random.default_rng(0).standard_normal((_SIZE, _SIZE), dtype=np.float32)
    rates = []
    for _ in range(runs):
        started_s = time.perf_counter()
        left @ left
        rates.append(2 * _SIZE**3 / (time.perf_counter() - started_s) / 1e9)
    return Figure.of(f"calibration: matrix product {_SIZE}^3 fp32", "GFLOP/s", rates)


async def echo(runs: int = 5, calls: int = 500) -> list[Figure]:
    """One caller, one connection, 100 bytes each way, server in a process of its own."""
    medians, rates = [], []
    async with echo_server() as address, aio.insecure_channel(address) as channel:
        method: aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_METHOD)
        await method(_PAYLOAD, timeout=10)
        for _ in range(runs):
            times = []
            for _ in range(calls):
                started_s = time.perf_counter()
                await method(_PAYLOAD, timeout=10)
                times.append(time.perf_counter() - started_s)
            medians.append(float(np.median(times)) * 1e3)
            rates.append(calls / sum(times))
    return [
        Figure.of("calibration: gRPC echo, one caller, p50", "ms", medians),
        Figure.of("calibration: gRPC echo, one caller", "calls/s", rates),
    ]


@asynccontextmanager
async def echo_server() -> AsyncIterator[str]:
    """The echo server's address while the body runs."""
    context = multiprocessing.get_context("spawn")  # gRPC does not survive a fork
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve_echo, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"127.0.0.1:{await asyncio.to_thread(ours.recv)}"
    finally:
        process.terminate()
        process.join(10)


async def calibrate() -> list[Figure]:
    """All calibration figures."""
    return [matrix_product(), *await echo()]


def _serve_echo(pipe: Connection) -> None:
    asyncio.run(_serve_until_terminated(pipe))


async def _serve_until_terminated(pipe: Connection) -> None:
    async def answer(request: bytes, _context: aio.ServicerContext[bytes, bytes]) -> bytes:
        return request

    server = aio.server()
    handler: Any = grpc.unary_unary_rpc_method_handler(cast(Any, answer))  # the stubs know only the synchronous form
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", {"Echo": handler}),))
    pipe.send(server.add_insecure_port("127.0.0.1:0"))
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    target = json_argument(__doc__ or "")
    publish(asyncio.run(calibrate()), target)
