"""A pool behind a sidecar's listener: when it lets calls through, and what it says otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY

from services.common.discovery.base import Endpoint, Resolution, Resolver
from services.common.errors import BreakerOpen, NoEndpoint, Overloaded
from services.common.rpc.breaker import Breaker, ConsecutiveBreaker, Outcome
from services.common.rpc.upstream_pool import UpstreamPool, UpstreamPools, upstream_breaker
from services.common.testing.resolvers import ChangingResolver
from services.common.testing.waiting import eventually

LISTENER = "127.0.0.1:9151"
ONE, OTHER = "10.0.0.1:21000", "10.0.0.2:21000"


@asynccontextmanager
async def following(
    resolver: Resolver, breaker: Callable[[], Breaker] = ConsecutiveBreaker
) -> AsyncIterator[UpstreamPool[object]]:
    pool: UpstreamPool[object] = UpstreamPool(
        "embedding", resolver, lambda _channel: object(), listener=LISTENER, breaker=breaker
    )
    task = asyncio.create_task(pool.run())
    await asyncio.sleep(0)
    try:
        yield pool
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def fail(pool: UpstreamPool[object], times: int) -> None:
    for _ in range(times):
        pool.pick()[1].settle(Outcome.FAILURE)


async def test_calls_go_to_the_listener_whichever_instances_there_are() -> None:
    async with following(ChangingResolver({"embedding": [ONE, OTHER]})) as pool:
        await pool.health_known()
        target, permit = pool.pick()
        permit.settle(Outcome.SUCCESS)

        assert target.address == LISTENER
        assert [(state.address, state.is_serving, state.reason) for state in pool.states()] == [
            (ONE, True, ""),
            (OTHER, True, ""),
        ]
        assert (pool.size, pool.problem()) == (2, "")


async def test_a_retry_goes_to_the_listener_again_because_envoy_picks() -> None:
    async with following(ChangingResolver({"embedding": [ONE]})) as pool:
        await pool.health_known()
        first, permit = pool.pick()
        permit.settle(Outcome.FAILURE)

        second, permit = pool.pick(exclude=(first.address,))
        permit.settle(Outcome.SUCCESS)

        assert second is first


async def test_a_service_of_which_no_instance_passes_is_refused_without_addresses() -> None:
    async with following(ChangingResolver({"embedding": []})) as pool:
        await pool.health_known()
        with pytest.raises(NoEndpoint) as caught:
            pool.pick()

    assert caught.value.retry_after_s == 1.0
    assert caught.value.message.startswith("embedding: no instance is passing in Consul; ")
    assert "9151" not in caught.value.message


class Silent(ChangingResolver):
    """Has not heard from its source."""

    def resolve(self, service: str) -> Resolution:
        return Resolution(service=service, endpoints=(), age_s=5.0, is_known=False)


async def test_before_consul_answered_another_sentence_says_so() -> None:
    async with following(Silent({})) as pool:
        with pytest.raises(NoEndpoint, match="Consul has not answered yet") as caught:
            pool.pick()

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pool.health_known(), 0.02)
    assert caught.value.retry_after_s == 1.0


async def test_a_pool_that_does_not_run_refuses_calls() -> None:
    pool: UpstreamPool[object] = UpstreamPool(
        "embedding", ChangingResolver({"embedding": [ONE]}), lambda _channel: object(), listener=LISTENER
    )

    with pytest.raises(NoEndpoint):
        pool.pick()


async def test_the_channel_is_kept_while_consul_shows_no_instance() -> None:
    resolver = ChangingResolver({"embedding": [ONE]})
    async with following(resolver) as pool:
        await pool.health_known()
        before = pool.pick()[0]
        await resolver.change("embedding")
        await eventually(lambda: pool.size == 0)
        await resolver.change("embedding", Endpoint(address=ONE))
        await eventually(lambda: pool.size == 1)

        assert pool.pick()[0] is before


async def test_failures_in_a_row_refuse_calls_and_every_instance_says_so() -> None:
    async with following(ChangingResolver({"embedding": [ONE, OTHER]}), upstream_breaker) as pool:
        await pool.health_known()
        fail(pool, 5)
        with pytest.raises(BreakerOpen, match="embedding: calls to it kept failing") as caught:
            pool.pick()

        assert caught.value.retry_after_s == 1.0
        assert all(state.is_breaker_open and "kept failing" in state.reason for state in pool.states())


async def test_an_instance_that_begins_to_pass_is_probed_at_once() -> None:
    resolver = ChangingResolver({"embedding": [ONE]})
    async with following(resolver) as pool:
        await pool.health_known()
        fail(pool, 5)
        await resolver.change("embedding", Endpoint(address=ONE), Endpoint(address=OTHER))
        await eventually(lambda: pool.size == 2)

        pool.pick()[1].settle(Outcome.SUCCESS)

        assert not any(state.is_breaker_open for state in pool.states())


async def test_an_instance_that_stops_passing_is_no_reason_to_probe() -> None:
    resolver = ChangingResolver({"embedding": [ONE, OTHER]})
    async with following(resolver) as pool:
        await pool.health_known()
        fail(pool, 5)
        await resolver.change("embedding", Endpoint(address=ONE))
        await eventually(lambda: pool.size == 1)

        with pytest.raises(BreakerOpen):
            pool.pick()


async def test_one_instance_is_taken_to_hold_its_share_of_the_calls() -> None:
    resolver = ChangingResolver({"embedding": [ONE, OTHER]})
    async with following(resolver) as pool:
        await pool.health_known()
        target, _ = pool.pick()
        target.in_flight = 61
        shares = [target.held]
        await resolver.change("embedding")
        await eventually(lambda: pool.size == 0)

        assert [*shares, target.held] == [31, 61]


async def test_a_refusal_is_of_whom_it_names_for_the_listener_is_that_of_all() -> None:
    async with following(ChangingResolver({"embedding": [ONE, OTHER]})) as pool:
        await pool.health_known()
        target, _ = pool.pick()

        assert target.who_refused(Overloaded("full", instance="7f3a")) == "7f3a"
        assert target.who_refused(Overloaded("full")) == ""


@pytest.mark.parametrize(
    ("instances", "names", "are_all"),
    [
        ([], [], False),
        ([], ["a"], False),
        ([ONE], [], False),
        ([ONE], ["a"], True),
        ([ONE], [""], True),
        ([ONE, OTHER], ["a"], False),
        ([ONE, OTHER], ["a", ""], False),
        ([ONE, OTHER], ["a", "b"], True),
        ([ONE], ["a", "b"], True),
    ],
)
async def test_as_many_names_as_instances_are_all_and_who_gave_none_may_be_any(
    instances: list[str], names: list[str], are_all: bool
) -> None:
    async with following(ChangingResolver({"embedding": instances})) as pool:
        await pool.health_known()

        assert pool.are_all(names) is are_all


def gauge(state: str) -> float | None:
    return REGISTRY.get_sample_value("isolane_upstream_instances", {"service": "embedding", "state": state})


async def test_the_gauge_counts_the_instances_that_consul_shows_while_the_pool_runs() -> None:
    async with following(ChangingResolver({"embedding": [ONE, OTHER]})) as pool:
        await pool.health_known()
        counts = [gauge("serving"), gauge("breaker_open")]
        fail(pool, 5)
        counts += [gauge("serving"), gauge("breaker_open")]

    assert counts == [2.0, 0.0, 0.0, 2.0]
    assert gauge("serving") is None


async def test_a_resolver_that_dies_ends_the_pool() -> None:
    class Broken(ChangingResolver):
        async def watch(self, service: str) -> AsyncGenerator[Resolution, None]:
            yield self.resolve(service)
            raise RuntimeError("a bug")

    pools = UpstreamPools(Broken({"embedding": [ONE]}), {"embedding": LISTENER})
    pool = pools.open("embedding", lambda _channel: object(), health_service="x")

    with pytest.raises(RuntimeError, match="a bug"):
        await pool.run()

    assert pool.states() == ()
