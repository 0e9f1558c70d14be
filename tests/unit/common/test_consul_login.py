"""The resolver's identity: log in, log in again, log out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from services.common.discovery.consul import ConsulResolver
from services.common.discovery.consul_query import Timing
from services.common.testing.consul import ScriptedConsul, listing
from services.common.testing.logs import captured_logs
from services.common.testing.waiting import eventually

ONE = "127.0.0.1:21000"


@pytest.fixture
def jwt_file(tmp_path: Path) -> Path:
    path = tmp_path / "nomad_consul.jwt"
    path.write_text("jwt-1\n")
    return path


def write(path: Path, text: str) -> None:
    path.write_text(text)


def remove(path: Path) -> None:
    path.unlink()


@asynccontextmanager
async def following(agent: ScriptedConsul, jwt_file: Path, *services: str) -> AsyncIterator[ConsulResolver]:
    resolver = ConsulResolver(
        "http://consul:8500",
        auth_method="nomad-workloads",
        jwt_file=str(jwt_file),
        transport=agent.transport,
        timing=Timing(clock=agent.clock, sleep=agent.sleep),
    )
    try:
        for service in services or ("embedding",):
            async with aclosing(resolver.watch(service)) as changes:
                await anext(changes)
        yield resolver
    finally:
        await resolver.aclose()


async def asked(agent: ScriptedConsul, number: int) -> None:
    await eventually(lambda: len(agent.queries) == number and agent.is_holding)


def tokens(agent: ScriptedConsul) -> list[str]:
    return [query.headers["X-Consul-Token"] for query in agent.queries]


async def test_queries_carry_the_token_of_the_workloads_identity_and_it_is_given_back(jwt_file: Path) -> None:
    agent = ScriptedConsul(listing(ONE))
    async with following(agent, jwt_file):
        await asked(agent, 2)

    assert agent.logins == ["jwt-1"]
    assert tokens(agent) == ["token-1", "token-1"]
    assert agent.logouts == ["token-1"]


async def test_one_login_serves_all_services(jwt_file: Path) -> None:
    agent = ScriptedConsul()
    async with following(agent, jwt_file, "embedding", "reranking", "documents", "gpu"):
        await asked(agent, 4)

    assert agent.logins == ["jwt-1"]


@pytest.mark.parametrize(
    "refusal",
    [
        httpx.Response(403, text="Permission denied"),
        httpx.Response(401),
        httpx.Response(500, text="rpc error: ACL not found"),
        listing(**{"X-Consul-Results-Filtered-By-ACLs": "true"}),
    ],
    ids=["403", "401", "ACL not found", "hidden"],
)
async def test_a_refused_token_is_replaced_after_a_wait(refusal: httpx.Response, jwt_file: Path) -> None:
    agent = ScriptedConsul(listing(ONE))
    async with following(agent, jwt_file) as resolver:
        await asked(agent, 2)
        agent.answer(refusal)
        await asked(agent, 3)

        assert resolver.resolve("embedding").endpoints
    assert agent.logins == ["jwt-1", "jwt-1"]
    assert tokens(agent)[-1] == "token-2"
    assert agent.sleeps_s[-2] >= 0.25
    assert agent.logouts == ["token-1", "token-2"]


async def test_a_login_takes_the_identity_as_it_is_then(jwt_file: Path) -> None:
    agent = ScriptedConsul(listing(ONE))
    async with following(agent, jwt_file):
        await asked(agent, 2)
        write(jwt_file, "jwt-2")
        agent.answer(httpx.Response(403, text="ACL not found"))
        await asked(agent, 3)

    assert agent.logins == ["jwt-1", "jwt-2"]


async def test_an_identity_that_changed_is_taken_up_before_the_next_query_and_interrupts_none(jwt_file: Path) -> None:
    agent = ScriptedConsul(listing(ONE, index=1))
    async with following(agent, jwt_file):
        await asked(agent, 2)
        write(jwt_file, "jwt-2")
        await asyncio.sleep(0.02)
        held = list(agent.logins)
        agent.answer(listing(ONE, index=2))
        await asked(agent, 3)

    assert held == ["jwt-1"]
    assert agent.logins == ["jwt-1", "jwt-2"]
    assert tokens(agent) == ["token-1", "token-1", "token-2"]


async def test_a_replaced_token_lives_until_the_queries_with_it_are_over(jwt_file: Path) -> None:
    agent = ScriptedConsul()
    async with following(agent, jwt_file, "embedding", "reranking", "documents"):
        await asked(agent, 3)
        write(jwt_file, "jwt-2")
        for number in (4, 5):
            agent.answer(listing(ONE))
            await asked(agent, number)
        while_in_use = list(agent.logouts)
        agent.answer(listing(ONE))
        await asked(agent, 6)

        assert (while_in_use, agent.logouts) == ([], ["token-1"])
    assert tokens(agent) == ["token-1"] * 3 + ["token-2"] * 3


async def test_the_old_token_serves_on_while_the_new_identity_is_refused(jwt_file: Path) -> None:
    agent = ScriptedConsul(listing(ONE, index=1))
    async with following(agent, jwt_file) as resolver:
        await asked(agent, 2)
        write(jwt_file, "jwt-2")
        agent.login_answers.append(httpx.Response(500, text="JWKS endpoint unreachable"))
        agent.answer(listing(ONE, index=2))
        await asked(agent, 3)
        is_current = resolver.resolve("embedding").age_s == 0.0
        agent.answer(listing(ONE, index=3))
        await asked(agent, 4)

    assert is_current
    assert tokens(agent) == ["token-1", "token-1", "token-1", "token-3"]


async def test_a_file_that_vanished_does_not_matter_while_the_token_is_good(jwt_file: Path) -> None:
    agent = ScriptedConsul(listing(ONE, index=1))
    async with following(agent, jwt_file):
        await asked(agent, 2)
        remove(jwt_file)
        agent.answer(listing(ONE, index=2))
        await asked(agent, 3)

    assert tokens(agent) == ["token-1"] * 3


@pytest.mark.parametrize("content", [None, "", "  \n"])
async def test_a_login_without_an_identity_is_a_failure_that_heals(content: str | None, jwt_file: Path) -> None:
    agent = ScriptedConsul()
    remove(jwt_file)
    if content is not None:
        write(jwt_file, content)
    with captured_logs() as logs:
        async with following(agent, jwt_file):
            await eventually(lambda: len(agent.sleeps_s) > 10)
            asked_without = len(agent.queries)
            write(jwt_file, "jwt-1")
            await asked(agent, 1)

    assert asked_without == 0
    assert str(jwt_file) in logs.lines("resolver_lost")[0]["reason"]


async def test_those_who_wait_for_the_same_login_share_its_failure(jwt_file: Path) -> None:
    agent = ScriptedConsul()
    agent.login_answers.append(httpx.Response(403, text="ACL not found"))
    agent.may_log_in.clear()
    with captured_logs() as logs:
        async with following(agent, jwt_file, "embedding", "reranking"):
            await eventually(lambda: len(agent.sleeps_s) == 2)
            await asyncio.sleep(0.02)  # both are on their way now, one behind the other
            agent.may_log_in.set()
            await asked(agent, 2)

    assert agent.logins == ["jwt-1", "jwt-1"]
    assert {line["upstream"] for line in logs.lines("resolver_lost")} == {"embedding", "reranking"}


async def test_closing_waits_for_no_agent_that_is_gone(jwt_file: Path) -> None:
    agent = ScriptedConsul(listing(ONE))

    async def gone(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets the event")

    async with following(agent, jwt_file) as resolver:
        await asked(agent, 2)
        agent.transport.handler = gone
        await asyncio.wait_for(resolver.aclose(), 3)


async def test_no_secret_is_logged(jwt_file: Path) -> None:
    agent = ScriptedConsul(listing(ONE), httpx.Response(403, text="ACL not found"), httpx.ConnectError("refused"))
    with captured_logs() as logs:
        async with following(agent, jwt_file):
            await asked(agent, 4)

    assert not [line for line in logs.lines() if "jwt-1" in str(line) or "token-" in str(line)]
