"""The resolver against an agent that answers as told: index, pace, outages, watching."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client import REGISTRY

from services.common.discovery.base import Endpoint, Resolution
from services.common.discovery.consul import ConsulResolver
from services.common.discovery.consul_query import Timing
from services.common.errors import StartupError
from services.common.testing.consul import ScriptedConsul, entry, listing
from services.common.testing.logs import CapturedLogs, captured_logs
from services.common.testing.waiting import eventually

ONE, OTHER = "127.0.0.1:21000", "127.0.0.1:21001"


@asynccontextmanager
async def following(
    agent: ScriptedConsul, *services: str, recovery_grace_s: float = 30.0
) -> AsyncIterator[ConsulResolver]:
    """A resolver of that agent, which follows the services."""
    timing = Timing(clock=agent.clock, sleep=agent.sleep, recovery_grace_s=recovery_grace_s)
    resolver = ConsulResolver("http://consul:8500", transport=agent.transport, timing=timing)
    try:
        for service in services or ("embedding",):
            async with aclosing(resolver.watch(service)) as changes:
                await anext(changes)
        yield resolver
    finally:
        await resolver.aclose()


async def settled(agent: ScriptedConsul) -> None:
    """Until every answer was played and the next query waits."""
    await eventually(lambda: agent.is_holding)


def addresses(resolution: Resolution) -> list[str]:
    return [endpoint.address for endpoint in resolution.endpoints]


@pytest.fixture
def logs() -> Iterator[CapturedLogs]:
    with captured_logs("caller") as captured:
        yield captured


# What is asked and what is understood.


async def test_it_asks_for_the_sidecars_of_passing_instances_and_gets_the_first_answer_at_once() -> None:
    agent = ScriptedConsul()
    async with following(agent, "a/b c"):
        await settled(agent)

        [first] = agent.queries
    assert first.url.raw_path.startswith(b"/v1/health/connect/a%2Fb%20c?")
    assert first.url.params["passing"] == "true"
    assert "index" not in first.url.params
    assert "x-consul-token" not in first.headers


async def test_after_an_answer_it_waits_for_a_change_of_it() -> None:
    agent = ScriptedConsul(listing(ONE, index=41))
    async with following(agent):
        await settled(agent)

        second = agent.queries[1]
    wait_ms = int(second.url.params["wait"].removesuffix("ms"))
    assert second.url.params["index"] == "41"
    assert 49_000 < wait_ms <= 55_000


async def test_it_waits_longer_for_an_answer_than_consul_may_hold_it_back() -> None:
    agent = ScriptedConsul(listing(ONE))
    async with following(agent):
        await settled(agent)

        times = agent.queries[1].extensions["timeout"]
        wait_s = int(agent.queries[1].url.params["wait"].removesuffix("ms")) / 1000
    assert times["connect"] < 5.0
    assert times["read"] > wait_s * 17 / 16 + 1.0


async def test_an_instance_without_an_address_of_its_own_has_its_nodes() -> None:
    entries = [entry(":21000", node="10.1.1.1", meta={"models": "mini"}), entry(":21001", node="fd00::1")]
    agent = ScriptedConsul(listing(*entries))
    async with following(agent) as resolver:
        await settled(agent)

        assert resolver.resolve("embedding").endpoints == (
            Endpoint(address="10.1.1.1:21000", meta={"models": "mini"}),
            Endpoint(address="[fd00::1]:21001"),
        )


async def test_the_same_instances_in_another_order_are_no_change() -> None:
    agent = ScriptedConsul(listing(ONE, OTHER, index=1))
    async with following(agent) as resolver, aclosing(resolver.watch("embedding")) as changes:
        await settled(agent)
        await anext(changes)
        agent.answer(listing(OTHER, ONE, index=2))

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(changes), 0.05)


async def test_before_the_first_answer_nothing_is_known() -> None:
    agent = ScriptedConsul()
    async with following(agent) as resolver:
        await settled(agent)
        before = resolver.resolve("embedding")
        agent.answer(listing())
        await eventually(lambda: resolver.resolve("embedding").is_known)

        assert (before.endpoints, before.is_known) == ((), False)
        assert resolver.resolve("embedding").endpoints == ()


# Index and pace.


@pytest.mark.parametrize("index", [3, 0, -1])
async def test_an_index_that_goes_back_or_is_none_is_not_waited_for(index: int) -> None:
    agent = ScriptedConsul(listing(ONE, index=9), listing(OTHER, index=index))
    async with following(agent) as resolver:
        await settled(agent)

        assert [query.url.params.get("index") for query in agent.queries] == [None, "9", None]
        assert addresses(resolver.resolve("embedding")) == [OTHER]


async def test_a_consul_that_answers_everything_at_once_is_asked_about_once_a_second() -> None:
    agent = ScriptedConsul(*(listing(ONE, index=number) for number in range(1, 101)))
    async with following(agent):
        await settled(agent)

    assert len(agent.asked_at_s) == 101
    assert 97.0 <= agent.asked_at_s[-1] - agent.asked_at_s[0] <= 101 * 1.25


async def test_a_few_changes_in_a_row_are_seen_at_once() -> None:
    agent = ScriptedConsul(listing(ONE, index=1), listing(ONE, OTHER, index=2))
    async with following(agent) as resolver:
        await settled(agent)

        assert len(resolver.resolve("embedding").endpoints) == 2
    assert agent.asked_at_s[-1] == agent.asked_at_s[0]


# Failures.

FAILURES: dict[str, Callable[[], httpx.Response | Exception]] = {
    "429": lambda: httpx.Response(429, text="rate limit reached"),
    "500": lambda: httpx.Response(500, text="No cluster leader"),
    "403": lambda: httpx.Response(403, text="Permission denied"),
    "301": lambda: httpx.Response(301, json=[], headers={"X-Consul-Index": "8"}),
    "not JSON": lambda: httpx.Response(200, text="<html>", headers={"X-Consul-Index": "8"}),
    "another shape": lambda: httpx.Response(200, json={"a": 1}, headers={"X-Consul-Index": "8"}),
    "an odd entry": lambda: httpx.Response(200, json=[{"Node": None}], headers={"X-Consul-Index": "8"}),
    "no index": lambda: httpx.Response(200, json=[]),
    "an odd index": lambda: listing(index="soon"),
    "hidden by ACLs": lambda: listing(**{"X-Consul-Results-Filtered-By-ACLs": "true"}),
    "refused": lambda: httpx.ConnectError("connection refused"),
    "cut": lambda: httpx.RemoteProtocolError("peer closed connection"),
    "silent": lambda: httpx.ReadTimeout("too slow"),
}


@pytest.mark.parametrize("kind", FAILURES)
async def test_what_was_known_is_kept_through_any_failure(kind: str, logs: CapturedLogs) -> None:
    labels = {"service": "embedding"}
    before = REGISTRY.get_sample_value("isolane_resolver_failures_total", labels) or 0.0
    agent = ScriptedConsul(listing(ONE), FAILURES[kind]())
    async with following(agent) as resolver:
        await settled(agent)

        assert addresses(resolver.resolve("embedding")) == [ONE]
        assert "index" not in agent.queries[-1].url.params
    assert REGISTRY.get_sample_value("isolane_resolver_failures_total", labels) == before + 1
    assert len(logs.lines("resolver_lost")) == 1


async def test_tries_after_failures_are_further_and_further_apart() -> None:
    agent = ScriptedConsul(*(httpx.ConnectError("refused") for _ in range(8)))
    async with following(agent):
        await settled(agent)

    gaps = [later - sooner for sooner, later in zip(agent.asked_at_s, agent.asked_at_s[1:], strict=False)]
    assert 0.25 <= gaps[0] <= 0.5
    assert all(5.0 <= gap <= 10.0 for gap in gaps[5:])


async def test_after_an_answer_the_first_try_is_soon_again() -> None:
    refused = [httpx.ConnectError("refused") for _ in range(6)]
    agent = ScriptedConsul(*refused, listing(ONE), httpx.ConnectError("refused"))
    async with following(agent):
        await settled(agent)

    assert agent.asked_at_s[-1] - agent.asked_at_s[-2] <= 0.5


async def test_an_outage_is_two_lines_however_often_it_is_tried(logs: CapturedLogs) -> None:
    agent = ScriptedConsul(listing(ONE), *(httpx.ConnectError("refused") for _ in range(5)), listing(ONE))
    async with following(agent):
        await settled(agent)

    [lost], [back] = logs.lines("resolver_lost"), logs.lines("resolver_back")
    assert (lost["upstream"], lost["kept"], "refused" in lost["reason"]) == ("embedding", 1, True)
    assert (back["passing"], back["lost_for_s"] > 1.0) == (1, True)


async def test_knowledge_ages_from_the_failure_on_and_is_current_again_with_the_next_answer() -> None:
    agent = ScriptedConsul(listing(ONE))
    async with following(agent) as resolver:
        await settled(agent)
        agent.clock.advance(40.0)
        ages = [resolver.resolve("embedding").age_s]

        agent.answer(httpx.ConnectError("refused"))
        await eventually(lambda: len(agent.queries) == 3)
        tried_s = sum(agent.sleeps_s[-2:])
        ages.append(resolver.resolve("embedding").age_s - tried_s)
        agent.clock.advance(100.0)
        ages.append(resolver.resolve("embedding").age_s - tried_s)
        agent.answer(listing(ONE))
        await settled(agent)
        await eventually(lambda: len(agent.queries) == 4)
        ages.append(resolver.resolve("embedding").age_s)

    assert ages == pytest.approx([0.0, 0.0, 100.0, 0.0])


async def test_knowledge_is_as_old_as_the_question_that_got_no_answer() -> None:
    agent = ScriptedConsul(listing(ONE))
    async with following(agent) as resolver:
        await settled(agent)
        agent.clock.advance(63.0)
        agent.answer(httpx.ReadTimeout("too slow"))
        await eventually(lambda: len(agent.queries) == 3)

        assert resolver.resolve("embedding").age_s >= 63.0


async def test_the_gauge_shows_the_age_until_the_resolver_is_closed() -> None:
    def gauge() -> float | None:
        return REGISTRY.get_sample_value("isolane_resolver_age_seconds", {"service": "embedding"})

    agent = ScriptedConsul(listing(ONE), httpx.ConnectError("refused"))
    async with following(agent):
        await settled(agent)
        agent.clock.advance(50.0)
        during = gauge()

    assert during is not None
    assert 50.0 <= during <= 51.0
    assert gauge() is None


# After an outage.


async def test_an_empty_answer_after_an_outage_is_not_believed_at_first() -> None:
    agent = ScriptedConsul(listing(ONE), httpx.ConnectError("refused"), listing(index=12))
    async with following(agent) as resolver:
        await settled(agent)
        doubted = resolver.resolve("embedding")
        wait_ms = int(agent.queries[-1].url.params["wait"].removesuffix("ms"))
        agent.clock.advance(29.0)
        agent.answer(listing(index=13))
        await eventually(lambda: len(agent.queries) == 5)
        still = addresses(resolver.resolve("embedding"))
        agent.clock.advance(1.1)
        agent.answer(listing(index=13))
        await eventually(lambda: len(agent.queries) == 6)

        assert resolver.resolve("embedding").endpoints == ()
        assert resolver.resolve("embedding").age_s == 0.0
    assert (addresses(doubted), still) == ([ONE], [ONE])
    assert doubted.age_s > 0.0
    assert wait_ms <= 30_000


async def test_an_answer_with_instances_after_an_outage_is_believed_at_once() -> None:
    agent = ScriptedConsul(listing(ONE), httpx.ConnectError("refused"), listing(OTHER))
    async with following(agent) as resolver:
        await settled(agent)

        assert addresses(resolver.resolve("embedding")) == [OTHER]
        assert resolver.resolve("embedding").age_s == 0.0


async def test_an_empty_answer_is_doubted_also_when_what_servers_remember_came_first() -> None:
    agent = ScriptedConsul(listing(ONE), httpx.ConnectError("refused"), listing(ONE, index=20), listing(index=21))
    async with following(agent) as resolver:
        await settled(agent)
        doubted = resolver.resolve("embedding")
        agent.clock.advance(30.1)
        agent.answer(listing(index=21))
        await eventually(lambda: len(agent.queries) == 6)

        assert resolver.resolve("embedding").endpoints == ()
    assert addresses(doubted) == [ONE]
    assert doubted.age_s > 0.0


async def test_an_empty_answer_without_an_outage_is_believed_at_once() -> None:
    agent = ScriptedConsul(listing(ONE, index=1), listing(index=2))
    async with following(agent) as resolver:
        await settled(agent)

        assert resolver.resolve("embedding").endpoints == ()


async def test_another_failure_lets_the_doubt_begin_anew() -> None:
    agent = ScriptedConsul(listing(ONE), httpx.ConnectError("refused"), listing(index=3))
    async with following(agent) as resolver:
        await settled(agent)
        agent.clock.advance(25.0)
        agent.answer(httpx.ConnectError("refused"))
        agent.answer(listing(index=3))
        await eventually(lambda: len(agent.queries) == 6)
        agent.clock.advance(20.0)
        agent.answer(listing(index=3))
        await eventually(lambda: len(agent.queries) == 7)

        assert addresses(resolver.resolve("embedding")) == [ONE]


async def test_consul_is_never_asked_to_wait_for_no_time_at_all() -> None:
    agent = ScriptedConsul(listing(ONE), httpx.ConnectError("refused"), listing(index=3))
    async with following(agent, recovery_grace_s=0.2):
        await settled(agent)

    assert agent.queries[-1].url.params["wait"] == "1000ms"


# Watching.


async def test_watchers_of_a_service_share_its_queries_and_all_hear_of_a_change() -> None:
    agent = ScriptedConsul(listing(ONE, index=1))
    async with (
        following(agent) as resolver,
        aclosing(resolver.watch("embedding")) as one,
        aclosing(resolver.watch("embedding")) as other,
    ):
        await settled(agent)
        await asyncio.gather(anext(one), anext(other))
        agent.answer(listing(OTHER, index=2))
        heard = await asyncio.wait_for(asyncio.gather(anext(one), anext(other)), 5)

        await settled(agent)
    assert [addresses(resolution) for resolution in heard] == [[OTHER], [OTHER]]
    assert len(agent.queries) == 3


async def test_a_service_is_followed_on_though_nobody_watches_it_any_more() -> None:
    agent = ScriptedConsul()
    async with following(agent) as resolver:
        agent.answer(listing(ONE))
        await eventually(lambda: resolver.resolve("embedding").is_known)

        assert addresses(resolver.resolve("embedding")) == [ONE]


async def test_every_watcher_hears_of_a_query_that_died() -> None:
    agent = ScriptedConsul(listing(ONE))
    async with following(agent) as resolver:
        await settled(agent)
        one, other = resolver.watch("embedding"), resolver.watch("embedding")
        await asyncio.gather(anext(one), anext(other))
        waiting = [asyncio.ensure_future(anext(each)) for each in (one, other)]
        agent.answer(KeyError("a bug"))
        outcomes = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)

    assert [type(outcome) for outcome in outcomes] == [RuntimeError, RuntimeError]
    assert all(isinstance(outcome, RuntimeError) and isinstance(outcome.__cause__, KeyError) for outcome in outcomes)


async def test_closing_cancels_a_query_that_consul_holds_back() -> None:
    agent = ScriptedConsul()
    async with following(agent) as resolver:
        await settled(agent)

        await asyncio.wait_for(resolver.aclose(), 5)

        assert not agent.is_holding


async def test_a_file_of_authorities_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"missing\.pem"):
        ConsulResolver("https://consul:8501", ca_file=str(tmp_path / "missing.pem"))
