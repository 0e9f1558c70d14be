"""What every `Resolver` promises. A new implementation adds one `ResolverCase` to `CASES`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest

from services.common.discovery.base import Resolver
from services.common.discovery.consul import ConsulResolver
from services.common.discovery.static import StaticResolver
from services.common.testing.consul import listing
from services.common.testing.resolvers import ChangingResolver

INSTANCES = {"embedding": ["127.0.0.1:50051", "127.0.0.1:50061"], "reranking": ["127.0.0.1:50052"], "documents": []}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverCase:
    """One implementation under test."""

    name: str
    open: Callable[[Mapping[str, Sequence[str]]], AbstractAsyncContextManager[Resolver]]
    """A resolver that has heard of these healthy instances, by service."""


@asynccontextmanager
async def open_static(instances: Mapping[str, Sequence[str]]) -> AsyncIterator[Resolver]:
    resolver = StaticResolver(instances)
    yield resolver
    await resolver.aclose()


@asynccontextmanager
async def open_changing(instances: Mapping[str, Sequence[str]]) -> AsyncIterator[Resolver]:
    resolver = ChangingResolver(instances)
    yield resolver
    await resolver.aclose()


@asynccontextmanager
async def open_consul(instances: Mapping[str, Sequence[str]]) -> AsyncIterator[Resolver]:
    async def agent(request: httpx.Request) -> httpx.Response:
        if "index" in request.url.params:
            await asyncio.Event().wait()  # nothing ever changes
        return listing(*instances.get(request.url.path.rpartition("/")[2], ()))

    resolver = ConsulResolver("http://consul:8500", transport=httpx.MockTransport(agent))
    for service in instances:
        async with aclosing(resolver.watch(service)) as changes:
            async for resolution in changes:
                if resolution.is_known:
                    break
    yield resolver
    await resolver.aclose()


CASES = [
    ResolverCase(name="static", open=open_static),
    ResolverCase(name="changing", open=open_changing),
    ResolverCase(name="consul", open=open_consul),
]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
async def resolver(request: pytest.FixtureRequest) -> AsyncIterator[Resolver]:
    case: ResolverCase = request.param
    async with case.open(INSTANCES) as opened:
        yield opened


async def test_every_instance_is_named_once(resolver: Resolver) -> None:
    resolution = resolver.resolve("embedding")

    assert resolution.service == "embedding"
    assert sorted(endpoint.address for endpoint in resolution.endpoints) == INSTANCES["embedding"]


async def test_services_are_kept_apart(resolver: Resolver) -> None:
    assert [endpoint.address for endpoint in resolver.resolve("reranking").endpoints] == INSTANCES["reranking"]


@pytest.mark.parametrize("service", ["documents", "never-heard-of", ""])
async def test_a_service_without_instances_has_no_endpoints(resolver: Resolver, service: str) -> None:
    assert resolver.resolve(service).endpoints == ()


async def test_current_knowledge_has_no_age(resolver: Resolver) -> None:
    assert resolver.resolve("embedding").age_s == 0.0


async def test_watching_begins_with_what_is_known(resolver: Resolver) -> None:
    async with aclosing(resolver.watch("embedding")) as changes:
        first = await asyncio.wait_for(anext(changes), 5)

    assert first.endpoints == resolver.resolve("embedding").endpoints


async def test_watching_says_at_once_that_there_is_nothing(resolver: Resolver) -> None:
    async with aclosing(resolver.watch("never-heard-of")) as changes:
        first = await asyncio.wait_for(anext(changes), 5)

    assert first.endpoints == ()


async def test_watching_is_quiet_while_nothing_changes(resolver: Resolver) -> None:
    async with aclosing(resolver.watch("embedding")) as changes:
        await anext(changes)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(changes), 0.05)


async def test_several_may_watch_the_same_service(resolver: Resolver) -> None:
    async with aclosing(resolver.watch("embedding")) as one, aclosing(resolver.watch("embedding")) as other:
        first, second = await asyncio.gather(anext(one), anext(other))

    assert first.endpoints == second.endpoints


async def test_closing_ends_all_watching(resolver: Resolver) -> None:
    changes = resolver.watch("embedding")
    await anext(changes)
    waiting = asyncio.create_task(anext(changes, None))
    await asyncio.sleep(0)

    await resolver.aclose()

    assert await asyncio.wait_for(waiting, 5) is None


async def test_closing_twice_is_harmless(resolver: Resolver) -> None:
    await resolver.aclose()
    await resolver.aclose()


async def test_what_was_known_is_still_known_after_closing(resolver: Resolver) -> None:
    before = resolver.resolve("embedding").endpoints

    await resolver.aclose()

    assert resolver.resolve("embedding").endpoints == before
