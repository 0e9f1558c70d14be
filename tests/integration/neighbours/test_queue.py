"""The queue of a model, its admission, its cache and its batches, with a neighbour who wants all of them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.integration.launching import Running
from tests.integration.neighbours.kit import (
    HERS,
    ask,
    assert_served,
    embeddings,
    exchange,
    flood,
    until_served,
    words,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

Start = Callable[..., Running]


@pytest.mark.parametrize("at_once", [1, 8], ids=["one by one", "together"])
async def test_requests_that_their_deadlines_do_not_allow_cost_the_others_nothing(port: int, at_once: int) -> None:
    texts = [words(250, text) for text in range(600)]
    greedy = iter([embeddings(texts, client="greedy", within_s=1.1)] * 16)
    replies = []

    async def send() -> None:
        replies.extend([await exchange(port, request) for request in greedy])

    await asyncio.gather(*(send() for _ in range(at_once)))

    await assert_served(port, 3)
    assert {reply.status for reply in replies} <= {413, 429, 504}
    assert any(b"the deadline leaves" in reply.body for reply in replies)


async def test_beside_a_bulk_request_as_large_as_may_be_interactive_work_is_served(port: int) -> None:
    texts = [words(200, text) for text in range(2048)]
    bulk = asyncio.create_task(ask(port, texts, client="greedy", priority="bulk"))
    await asyncio.sleep(2)

    assert not bulk.done()
    await assert_served(port)
    assert (await bulk).status == 200


async def test_beside_interactive_requests_as_large_as_may_be_another_client_is_served(port: int) -> None:
    many = (embeddings([words(250, f"{n}y{text}") for text in range(500)], client="greedy") for n in itertools.count())
    async with flood(port, many, connections=12):
        await asyncio.sleep(2)
        await assert_served(port)


async def test_what_never_fits_is_refused_at_once_with_what_does(embedding: Start, before: Start) -> None:
    gateway = before({"embedding": embedding(max_queued_tokens="262144").port})
    await until_served(gateway.port)
    texts = [f"{text} " + "w " * 255 for text in range(2048)]

    reply = await ask(gateway.port, texts, client="greedy", priority="bulk")

    assert reply.status == 413
    assert b"at most 131072 of bulk work are taken at once; send it in parts" in reply.body
    await assert_served(gateway.port, 3)


@pytest.mark.parametrize("made_up", ["client", "key"])
async def test_many_made_up_names_of_one_machine_are_one_client_to_the_others(port: int, made_up: str) -> None:
    async with flood(port, _under_new_names(made_up, texts=40), connections=100):
        await asyncio.sleep(1)
        await assert_served(port, 4)


@pytest.mark.parametrize("made_up", ["client", "key"])
async def test_many_made_up_names_of_one_machine_cannot_fill_the_queue(
    made_up: str, embedding: Start, before: Start
) -> None:
    gateway = before({"embedding": embedding(max_queued_tokens="20000").port})
    await until_served(gateway.port)
    async with flood(gateway.port, _under_new_names(made_up, texts=4), connections=64):
        await asyncio.sleep(1)
        await assert_served(gateway.port)


def _under_new_names(made_up: str, *, texts: int) -> Iterator[bytes]:
    """Requests of 100 tokens a text, each under another name."""
    for number in itertools.count():
        batch = [words(100, f"{number}y{text}") for text in range(texts)]
        name = f"nobody-{number}"
        yield embeddings(batch, client=name) if made_up == "client" else embeddings(batch, key=name)


async def test_whoever_takes_another_clients_name_does_not_take_its_share(port: int) -> None:
    many = (embeddings([words(250, f"{n}y{text}") for text in range(200)], client="alice") for n in itertools.count())
    async with flood(port, many, connections=8):
        await asyncio.sleep(2)
        await assert_served(port)


async def test_a_text_whose_vector_is_kept_is_answered_while_the_queue_is_full(embedding: Start, before: Start) -> None:
    gateway = before({"embedding": embedding(max_queued_tokens="2000", fake_token_us="1000").port})
    hot = embeddings([words(200, "hot")], client="alice")
    await until_served(gateway.port, lambda: hot)
    async with flood(gateway.port, _under_new_names("client", texts=3), connections=12) as statuses:
        await asyncio.sleep(1)
        await assert_served(gateway.port, 12, request=lambda: hot)

    assert statuses[429] > 0


async def test_equal_texts_beside_many_waiting_clients_hold_nobody_up(embedding: Start, before: Start) -> None:
    gateway = before({"embedding": embedding(fake_token_us="2000").port})
    await until_served(gateway.port)
    waiting = (embeddings([words(20, f"{n}y")], client=f"c-{n}", priority="bulk") for n in itertools.count())
    equal = (embeddings([f"same {n}"] * 2048, client="greedy", encoding="base64") for n in itertools.count())
    async with flood(gateway.port, waiting, connections=500), flood(gateway.port, equal, connections=4):
        await asyncio.sleep(2)
        await assert_served(gateway.port, 4)


async def test_requests_that_come_to_late_do_not_make_admission_wary_of_the_others(
    embedding: Start, before: Start
) -> None:
    gateway = before({"embedding": embedding(fake_token_us="500").port})
    await until_served(gateway.port)
    for number in range(120):
        await ask(gateway.port, [f"late {number}"], client="greedy", within_s=0.012 + number % 10 / 500)

    bulk = (embeddings([words(100, f"{n}y")], client="greedy", priority="bulk") for n in itertools.count())
    async with flood(gateway.port, bulk, connections=2):
        await asyncio.sleep(0.3)
        texts = [words(100, f"a{text}") for text in range(22)]
        reply = await ask(gateway.port, texts, client="alice", within_s=2.0, address=HERS)

    assert reply.status == 200, reply.body


async def test_long_texts_of_one_client_do_not_hold_up_the_tokenising_of_others(port: int) -> None:
    long = (embeddings([f"{n} " + "long " * 190_000] * 4, client="greedy") for n in itertools.count())
    async with flood(port, long, connections=16):
        await asyncio.sleep(1)
        await assert_served(port)


async def test_long_texts_under_made_up_names_do_not_hold_up_the_tokenising_of_others(port: int) -> None:
    long = (embeddings([f"{n} " + "long " * 12_000], client=f"nobody-{n}") for n in itertools.count())
    async with flood(port, long, connections=200):
        await asyncio.sleep(1)
        await assert_served(port)


async def test_texts_that_are_asked_for_once_do_not_drive_out_one_that_is_asked_for_again_and_again(
    embedding: Start, before: Start
) -> None:
    gateway = before({"embedding": embedding(cache_bytes="400000", fake_token_us="0").port})
    hot = embeddings(["hot query"], client="alice")
    await until_served(gateway.port, lambda: hot)
    await assert_served(gateway.port, 2, request=lambda: hot)
    for number in range(4):
        once = [f"once {number} {text}" for text in range(1000)]
        assert (await ask(gateway.port, once, client="greedy")).status == 200
        await assert_served(gateway.port, 1, request=lambda: hot)

    reply = await exchange(gateway.port, embeddings([f"once 4 {text}" for text in range(1000)], client="greedy"))
    again = await exchange(gateway.port, hot, address=HERS)
    assert (reply.status, again.status) == (200, 200)
    assert "x-isolane-cached" in again.head
