"""The workers and the line of the documents service, with a neighbour who wants all of them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Unpack

import pytest

from services.common.testing.servers import running
from services.documents.app import build
from services.documents.backends.fake import FakeDocumentBackend
from services.documents.settings import DocumentsSettings
from tests.integration.launching import Launch, Running, wait_until
from tests.integration.neighbours.kit import Asked, assert_served, conversion, exchange, flood, held, until_served

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

PARSE_S = 1.0
WITHIN_S = 4.0
"""A file that a worker has begun, and her own, take two; the sixteen that the neighbour may send take eight."""


@pytest.fixture
async def port(before: Callable[..., Running]) -> AsyncIterator[int]:
    """Port of a gateway before a documents service whose two workers take a second for a file."""
    settings = DocumentsSettings(port=0, metrics_port=0, backend="fake", drain_s=0.1)
    backend = FakeDocumentBackend(workers=2, max_unpacked_bytes=1 << 20, parse_s=PARSE_S)
    async with running(build(settings, backend=backend), settings) as service:
        gateway = await asyncio.to_thread(before, {"documents": service}, documents__max_in_flight="24")
        await until_served(gateway.port, note)
        yield gateway.port


def note() -> bytes:
    return conversion("note.md", b"# A note\n", client="alice")


def notes(**asked: Unpack[Asked]) -> itertools.repeat[bytes]:
    return itertools.repeat(conversion("theirs.md", b"# Theirs\n", **asked))


@pytest.mark.parametrize("priority", ["interactive", "bulk"])
async def test_one_client_takes_neither_all_places_nor_all_turns(port: int, priority: str) -> None:
    async with flood(port, notes(client="greedy", priority=priority), connections=24):
        await asyncio.sleep(2)
        await assert_served(port, 4, request=note, within_s=WITHIN_S)


async def test_made_up_names_of_one_machine_take_neither_all_places_nor_all_turns(port: int) -> None:
    made_up = (conversion("t.md", b"# Theirs\n", client=f"nobody-{number}") for number in itertools.count())
    async with flood(port, made_up, connections=24):
        await asyncio.sleep(2)
        await assert_served(port, 4, request=note, within_s=WITHIN_S)


async def test_files_with_too_little_time_cost_the_others_nothing(port: int) -> None:
    async with flood(port, notes(client="greedy", within_s=0.05), connections=8):
        await asyncio.sleep(2)
        await assert_served(port, 4, request=note, within_s=WITHIN_S)


async def test_files_that_are_given_up_free_their_workers(port: int) -> None:
    for _ in range(10):
        async with held(port, conversion("theirs.md", b"# Theirs\n", client="greedy"), 6):
            await asyncio.sleep(0.05)

    await assert_served(port, 4, request=note, within_s=WITHIN_S)


async def test_files_that_cannot_be_parsed_cost_the_others_nothing(port: int) -> None:
    damaged = conversion("theirs.docx", b"PK\x03\x04 no archive", client="greedy")
    replies = await asyncio.gather(*(exchange(port, damaged) for _ in range(16)))

    await assert_served(port, 4, request=note, within_s=WITHIN_S)
    assert {reply.status for reply in replies} <= {415, 422, 429}


async def test_a_file_of_the_largest_size_and_forms_of_many_parts_hold_nobody_up(port: int) -> None:
    large = conversion("theirs.md", b"x" * (50 * 1024 * 1024 - 1024), client="greedy")
    parts = b"".join(b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n' for _ in range(200_000))
    crowded = conversion("theirs.md", b"", client="greedy").replace(b"--b\r\n", parts + b"--b\r\n")
    async with flood(port, itertools.cycle([large, crowded]), connections=3):
        await asyncio.sleep(1)
        await assert_served(port, 4, request=note, within_s=WITHIN_S)


@pytest.fixture
def real(launch: Launch) -> Running:
    """A documents service whose two workers and the spare one are real, and warm."""
    settings = {"PORT": "0", "METRICS_PORT": "0", "DRAIN_S": "0.1"}
    service = launch("services.documents", **{f"ISOLANE_DOCUMENTS_{name}": value for name, value in settings.items()})
    wait_until(lambda: len(service.lines("worker_ready")) == 3)
    return service


async def test_long_files_of_one_client_leave_the_spare_worker_to_the_others(
    real: Running, before: Callable[..., Running]
) -> None:
    gateway = before({"documents": real.port})
    await until_served(gateway.port, note)
    long = conversion("theirs.html", b"<p>" + b"<b>much</b> text<p>" * 120_000, client="greedy")
    async with flood(gateway.port, itertools.repeat(long), connections=4):
        await asyncio.sleep(1)
        await assert_served(gateway.port, 4, request=note, within_s=WITHIN_S)


async def test_real_workers_that_are_given_up_are_replaced_in_time(
    real: Running, before: Callable[..., Running]
) -> None:
    gateway = before({"documents": real.port})
    await until_served(gateway.port, note)
    slow = conversion("theirs.html", b"<p>" + b"<b>much</b> text<p>" * 20_000, client="greedy", within_s=0.3)
    async with flood(gateway.port, itertools.repeat(slow), connections=4):
        await asyncio.sleep(3)
        await assert_served(gateway.port, 4, request=note, within_s=45.0)

    assert [line for line in real.lines("worker_ended") if line["reason"] == "abandoned"]
